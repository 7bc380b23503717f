"""Each format is recognised by its content as real tools write it, and every row becomes an event or a refusal."""

import io
import json
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.support.events import NOW
from tests.support.exports import (
    LISTENBRAINZ,
    LISTENBRAINZ_FEEDBACK,
    LISTENBRAINZ_USER,
    ROCKBOX_LOCAL,
    SAMPLES,
    SPOTIFY_ACCOUNT,
    TABLE,
    Sample,
)
from worker.errors import UnreadableFileError
from worker.importers.archive import Archive, open_archives
from worker.importers.clock import Clock, Zones
from worker.importers.formats import FORMATS, READABLE, recognise
from worker.importers.importer import Importer, Summary, unmatched_loves

Imported = tuple[list[dict[str, Any]], list[Summary]]
Import = Callable[..., Imported]


@pytest.fixture
def imported(tmp_path: Path) -> Import:
    """Write files, import them like one command, and return the events and the summaries."""

    def run(**files: bytes) -> Imported:
        options = {"user": None, "timezone": None} | {k: files.pop(k) for k in ("user", "timezone") if k in files}
        paths = []
        for name, content in files.items():
            paths.append(tmp_path / name)
            paths[-1].write_bytes(content)
        with ExitStack() as opened:
            archives, unread = open_archives([str(path) for path in paths], opened)
            assert unread == []
            return import_all(archives, **options)

    return run


def import_all(archives: list[Archive], *, user: Any, timezone: Any) -> Imported:
    batches: list[bytes] = []
    done = []
    for archive in archives:
        archive.prepare(user=user, has_timezone=timezone is not None)
        clock = Clock(Zones.of(timezone) if timezone else None)
        importer = Importer(user=user, now=NOW, publish=batches.extend, clock=clock)
        done += [list(importer.import_part(archive, part))[-1] for part in archive.parts]
        done += filter(None, [unmatched_loves(archive)])
    return [json.loads(event) for event in batches], done


def bare(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: event[name] for name in event if name not in {"v", "user", "source"}} for event in events]


def cut_off(sample: Sample) -> Sample:
    return sample._replace(content=sample.content[: len(sample.content) * 2 // 3])


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())
def test_a_sample_becomes_its_events_and_refusals(sample: Sample, imported: Import) -> None:
    user = None if sample.user else "bob"

    events, (summary,) = imported(export=sample.content, user=user)

    assert bare(events) == sample.events
    assert all(
        (event["v"], event["user"], event["source"]) == (1, sample.user or "bob", sample.source) for event in events
    )
    assert tuple(refusal.reason for refusal in summary.shown) == sample.refused
    assert tuple(summary.left_out.elements()) == sample.left_out
    assert tuple(summary.details.elements()) == sample.details
    assert summary.format == sample.format
    assert summary.published == summary.plays + summary.favorites == len(sample.events)


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())
def test_a_sample_is_recognised_by_content_in_a_mixed_zip(sample: Sample, imported: Import) -> None:
    archive = zipped(**{"Read me.pdf": b"%PDF-1.7", "a/b.bin": sample.content, "Playlist1.json": b'{"playlists": []}'})

    events, _ = imported(export=archive, user="bob")

    assert bare(events) == sample.events


IN_UTF_8 = {name: sample for name, sample in SAMPLES.items() if name != "LIBREFM"}


@pytest.mark.parametrize("sample", IN_UTF_8.values(), ids=IN_UTF_8.keys())
def test_a_byte_order_mark_changes_nothing(sample: Sample, imported: Import) -> None:
    events, _ = imported(export=b"\xef\xbb\xbf" + sample.content.removeprefix(b"\xef\xbb\xbf"), user="bob")

    assert bare(events) == sample.events


# Some samples are too short to be recognised by their first two thirds.
CUT_OFF = {name: cut_off(sample) for name, sample in SAMPLES.items() if recognise(cut_off(sample).content)}


@pytest.mark.parametrize("sample", CUT_OFF.values(), ids=CUT_OFF.keys())
def test_a_truncated_file_gives_the_rows_before_the_cut(sample: Sample, imported: Import) -> None:
    events, _ = imported(export=sample.content, user="bob")

    # A truncated line may still be a row, so the last event is not compared.
    assert bare(events)[:-1] == sample.events[: max(len(events) - 1, 0)]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"{}",
        b"[" * 300_000,
        b"\x00" * 10_000,
        b'"' * 300_000,
        b"PNG\r\n",
        b"a,b,c,d\n1,2,3,4\n",
        b'[{"endTime": "2021-04-22 05:41"}]',
        b'{"playlists": []}',
        b"1743000000:215000:/Music/a.mp3",
        b"Artist\tAlbum\tTitle\t1\t2\tX\t1743000000",
    ],
)
def test_a_file_that_is_no_history_is_not_recognised(content: bytes) -> None:
    assert recognise(content) is None


def test_the_text_for_an_unrecognised_file_names_each_service() -> None:
    names = [known.name for known in FORMATS if known.name not in {"flat JSON", "empty list"}]
    assert len(names) > 20
    assert [name for name in names if name.split()[0] not in READABLE] == []


def test_the_places_of_refused_rows_count_from_one(imported: Import) -> None:
    _, (rows,) = imported(export=SPOTIFY_ACCOUNT.content, user="bob")
    _, (lines,) = imported(export=TABLE.content, user="bob")

    assert [refusal.place for refusal in rows.shown] == ["row 2", "row 3"]
    assert [refusal.place for refusal in rows.shown_details] == ["row 4"]
    assert [refusal.place for refusal in lines.shown] == ["line 3"]
    assert "--timezone" in lines.shown[0].detail


def test_local_times_in_a_table_get_the_offset_of_the_timezone(imported: Import) -> None:
    events, (summary,) = imported(export=TABLE.content, user="bob", timezone=ZoneInfo("Europe/Berlin"))

    assert [event["time"] for event in events] == ["2021-05-10T12:59:22+03:00", "2021-05-10T12:59:22+02:00"]
    assert not summary.has_faults


def test_a_player_without_a_time_zone_logs_local_times(imported: Import) -> None:
    events, _ = imported(export=ROCKBOX_LOCAL, user="bob", timezone=ZoneInfo("Europe/Berlin"))

    assert [event["time"] for event in events] == ["2006-03-26T12:00:12+02:00", "2006-03-26T12:06:17+02:00"]


def test_a_player_without_a_time_zone_is_not_guessed(imported: Import) -> None:
    with pytest.raises(UnreadableFileError, match=r"export: has local times without an offset; add --timezone"):
        imported(export=ROCKBOX_LOCAL, user="bob")


def test_a_file_without_a_username_needs_the_user_option(imported: Import) -> None:
    with pytest.raises(UnreadableFileError, match=r"export: does not name its user; add --user NAME"):
        imported(export=SPOTIFY_ACCOUNT.content)


def test_a_listenbrainz_zip_names_its_user_and_matches_its_loves(imported: Import) -> None:
    archive = zipped(
        **{
            "listens/2023/11.jsonl": LISTENBRAINZ.content,
            "feedback.jsonl": LISTENBRAINZ_FEEDBACK,
            "user.json": LISTENBRAINZ_USER,
        }
    )

    events, summaries = imported(export=archive)

    assert {event["user"] for event in events} == {"ada"}
    # The recording was loved at 22:14:10.
    assert [(event["type"], event["time"], event.get("favorite")) for event in events] == [
        ("play", "2023-11-14T22:13:20Z", None),
        ("favorite", "2023-11-14T22:14:12Z", False),
    ]
    assert [dict(summary.refused) for summary in summaries] == [
        {},
        {"invalid_json": 1, "wrong_type": 1, "invalid_value": 1},
        {"unknown_song": 1},
    ]


MSID, OWN_MBID, MAPPED_MBID = (f"{digit * 8}-1111-4111-8111-111111111111" for digit in "123")


@pytest.mark.parametrize(
    ("feedback", "is_loved"),
    [
        ({"recording_msid": MSID, "score": 1}, True),
        ({"recording_msid": None, "recording_mbid": OWN_MBID, "score": 1}, True),
        ({"recording_msid": None, "recording_mbid": MAPPED_MBID, "score": 1}, True),
        ({"recording_msid": "unknown", "recording_mbid": MAPPED_MBID, "score": 1}, True),
        ({"recording_msid": MSID, "score": 0}, False),
        ({"recording_msid": MSID, "score": -1}, False),
        ({"recording_msid": "unknown", "score": 0}, None),
        ({"recording_msid": MSID, "score": 2}, None),
    ],
)
def test_feedback_is_of_a_listen_by_any_of_its_ids(feedback: dict[str, Any], is_loved: Any, imported: Import) -> None:
    info = {"recording_mbid": OWN_MBID}
    track = {"track_name": "Parabola", "artist_name": "Tool", "recording_msid": MSID, "additional_info": info}
    listen = {"listened_at": 1700000000, "track_metadata": track | {"mbid_mapping": {"recording_mbid": MAPPED_MBID}}}
    lines = {"listens": [listen, listen], "feedback": [{"created": 1700000050} | feedback]}

    events, _ = imported(**{name: json.dumps(rows).encode() for name, rows in lines.items()}, user="bob")

    assert [event["favorite"] for event in events if event["type"] == "favorite"] == (
        [] if is_loved is None else [is_loved]
    )


@pytest.mark.parametrize("scores", [(1, 0), (0, 1), (1, -1)])
def test_the_newest_feedback_about_a_recording_counts_in_any_order(scores: tuple[int, int], imported: Import) -> None:
    rows = [
        {"recording_msid": MSID, "score": score, "created": 1700000050 + second} for second, score in enumerate(scores)
    ]
    track = {"track_name": "Parabola", "artist_name": "Tool", "recording_msid": MSID}
    listens = json.dumps([{"listened_at": 1700000000, "track_metadata": track}]).encode()

    for feedback in (rows, rows[::-1]):
        events, _ = imported(listens=listens, feedback=json.dumps(feedback).encode(), user="bob")

        assert [event["favorite"] for event in events[1:]] == [scores[1] == 1]


def test_the_same_zip_unpacked_gives_the_same_events(imported: Import) -> None:
    parts = {"a": LISTENBRAINZ.content, "b": LISTENBRAINZ_FEEDBACK, "c": LISTENBRAINZ_USER}

    assert imported(**parts)[0] == imported(export=zipped(**parts))[0]
