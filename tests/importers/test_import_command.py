"""`zik import`, called like its user does, through to the recorded rows."""

import json
import re
from collections.abc import Callable
from contextlib import ExitStack
from operator import itemgetter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from tests.support.commands import Zik, zik_at
from tests.support.events import NOW
from tests.support.exports import LASTFM_LOVED, ROCKBOX_LOCAL, SPOTIFY_ACCOUNT, SPOTIFY_EXTENDED
from tests.support.processes import count, eventually, running, url_of
from tests.support.strategies import ON_DATABASE
from worker.contract.codec import decode
from worker.database.engine import snapshot
from worker.drain.drain import Drain
from worker.errors import StreamFullError
from worker.importers.archive import open_archives
from worker.importers.formats import READABLE
from worker.importers.importer import Importer
from worker.importers.run import marking
from worker.models import PlayHistory, Song, User
from worker.stream.backpressure import Backpressure
from worker.stream.consumer import EventStream

GOOD = {"endTime": "2021-04-22 05:41", "artistName": "Shindy", "trackName": "Dreams", "msPlayed": 6408}
EVENTS, PLAYS, SONGS = 80_761, 80_760, 15_427


@pytest.fixture
def zik(sqlite: Engine, redis_url: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Zik:
    """The command, with a clean Redis and a clean database."""
    return zik_at(sqlite, redis_url, monkeypatch, capfd)


@pytest.fixture
def history(tmp_path: Path) -> Path:
    (tmp_path / "history").write_bytes(SPOTIFY_ACCOUNT.content)
    return tmp_path / "history"


def many_plays(count: int) -> list[dict[str, Any]]:
    return [GOOD | {"msPlayed": number, "trackName": f"Song {number % 50}"} for number in range(count)]


def test_import_publishes_the_good_rows_and_names_the_bad_ones(zik: Zik, history: Path, stream: EventStream) -> None:
    answer = zik("import", "--user", "ada", str(history))

    assert answer.code == 1
    assert "published 3 events: 0 new, 0 already there, 3 waiting for a worker" in answer.out
    assert f"{history}:row 3: invalid_value: endTime: must be a date and a time" in answer.err
    assert "2021-04-22" in answer.out
    assert "1 invalid_value" in answer.out
    assert "details left out, because they break the contract: ms_played of 1 event" in answer.out
    assert stream.books().received == 3


def test_a_dry_run_reports_the_import_and_publishes_nothing(
    zik: Zik, history: Path, stream: EventStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    dry = zik("import", "--dry-run", "--user", "ada", str(history))
    monkeypatch.undo()

    assert "would publish 3 events\n" in dry.out
    assert "Spotify account data" in dry.out
    assert dry.code == 1
    assert stream.books().received == 0


def test_a_row_that_is_no_song_is_no_error(zik: Zik, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(SPOTIFY_EXTENDED.content)

    answer = zik("import", "--user", "ada", str(tmp_path / "x"))

    assert answer.code == 0
    assert "left out: 1 audiobook, 1 nameless track, 1 podcast" in answer.out


def test_import_json_reports_each_file(zik: Zik, history: Path) -> None:
    answer = zik("import", "--json", "--user", "ada", str(history), "/absent")

    printed = json.loads(answer.out)
    assert printed["files"][0] | {"first_refusals": []} == {
        "file": str(history),
        "format": "Spotify account data",
        "published": 3,
        "plays": 3,
        "favorites": 0,
        "first_day": "2021-04-22",
        "last_day": "2021-04-22",
        "dates_only": 0,
        "refused": {"missing_field": 1, "invalid_value": 1},
        "left_out": {},
        "details_left_out": {"ms_played": 1},
        "first_refusals": [],
    }
    assert printed["files"][0]["first_refusals"][0]["place"] == "row 2"
    assert printed["unread"] == ["/absent: cannot be read: No such file or directory"]


def test_an_unrecognised_file_is_named_and_the_others_imported(
    zik: Zik, history: Path, tmp_path: Path, stream: EventStream
) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")

    (tmp_path / "notes").write_bytes(b"buy milk")

    answer = zik("import", "--user", "ada", str(tmp_path / "photo.jpg"), str(tmp_path / "notes"), str(history))

    assert answer.code == 1
    assert "photo.jpg: is a picture" in answer.err
    assert f"notes: unrecognised format; zik reads {READABLE}" in answer.err
    assert "Koito: JSON objects with listened_at, track.aliases, artists" in answer.err
    assert stream.books().received == 3


def test_a_missing_option_stops_before_anything_is_published(
    zik: Zik, history: Path, tmp_path: Path, stream: EventStream
) -> None:
    (tmp_path / "log").write_bytes(ROCKBOX_LOCAL)
    (tmp_path / "loved").write_bytes(LASTFM_LOVED.content)

    no_user = zik("import", str(tmp_path / "loved"), str(history))
    no_zone = zik("import", "--user", "ada", str(tmp_path / "loved"), str(tmp_path / "log"))

    assert (no_user.code, no_zone.code) == (1, 1)
    assert "--user NAME" in no_user.err
    assert "--timezone" in no_zone.err
    assert stream.books().received == 0


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", ""])
def test_an_unknown_timezone_is_refused(zik: Zik, history: Path, zone: str) -> None:
    answer = zik("import", "--timezone", zone, "--user", "ada", str(history))

    assert answer.code == 2
    assert "no such time zone" in answer.err


def test_a_loved_track_becomes_a_favorite(zik: Zik, tmp_path: Path, stream: EventStream, sqlite: Engine) -> None:
    (tmp_path / "loved").write_bytes(LASTFM_LOVED.content)

    zik("import", str(tmp_path / "loved"))
    Drain(stream, sqlite, "a").run()

    assert count(sqlite, "favorites", "is_favorite") == 1
    assert count(sqlite, "play_history") == 0


def test_a_full_redis_ends_the_import_with_a_progress_report(
    zik: Zik, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x").write_text(json.dumps(many_plays(3_000)))
    monkeypatch.setattr(Backpressure, "append", failing_at(3, StreamFullError("Redis is full"), Backpressure.append))

    answer = zik("import", "--user", "ada", str(tmp_path / "x"))

    assert answer.code == 1
    assert "published 2,000 events" in answer.out
    assert f"stopped in {tmp_path / 'x'}" in answer.out
    assert "Redis is full" in answer.err


def test_ctrl_c_reports_how_far_the_import_came(zik: Zik, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_text(json.dumps(many_plays(3_000)))
    monkeypatch.setattr(Backpressure, "append", failing_at(2, KeyboardInterrupt(), Backpressure.append))

    answer = zik("import", "--user", "ada", str(tmp_path / "x"))

    assert answer.code == 130
    assert "published 1,000 events" in answer.out
    assert "run the same command again to continue" in answer.out


def failing_at(turn: int, error: BaseException, append: Callable[..., Any]) -> Callable[..., Any]:
    turns = iter(range(1, 1_000))

    def fails(self: Backpressure, batch: list[bytes]) -> Any:
        if next(turns) == turn:
            raise error
        return append(self, batch)

    return fails


@pytest.mark.timeout(400)
def test_repeating_an_interrupted_import_completes_it(
    stream: EventStream, redis_url: str, sqlite: Engine, tmp_path: Path
) -> None:
    (tmp_path / "x").write_text(json.dumps(many_plays(20_000)))
    command = ["worker", "import", "--user", "ada", str(tmp_path / "x")]
    environment = {"REDIS_URL": redis_url, "DATABASE_URL": url_of(sqlite)}

    # The stream has room for some of them only, so that the command is still running when it is interrupted.
    with running(command, folder=tmp_path, **environment, ZIK_MAX_WAITING="5000") as first:
        eventually(lambda: stream.books().received > 0, within_s=60, told=lambda: first.log)
        first.interrupt()
        assert first.wait(within_s=60) == 130, first.log
    came_to = stream.books().received
    assert 0 < came_to < 20_000
    assert "run the same command again to continue" in first.log

    with running(command, folder=tmp_path, **environment) as second:
        assert second.wait(within_s=100) == 0, second.log
    Drain(stream, sqlite, "a").run()
    books = stream.books()
    assert (books.recorded, books.duplicate, books.dead) == (20_000, came_to, 0)


@pytest.mark.data
@pytest.mark.timeout(400)
def test_imported_histories_give_the_rows_of_published_events(
    zik: Zik, stream: EventStream, sqlite: Engine, postgres: Engine, shared_data: Path
) -> None:
    # In a fixed order, because a song keeps the spelling that came first.
    users = sorted(path.name.removesuffix(".jsonl.gz") for path in (shared_data / "events").iterdir())
    for user in users:
        files = [str(path) for path in sorted((shared_data / "histories" / user).glob("*[0-9sn].*[vn]"))]
        assert zik("import", "--user", user, *files).code == 0
    Drain(stream, sqlite, "a").run()
    assert stream.books().recorded == PLAYS

    for user in users:
        assert zik("publish", str(shared_data / "events" / f"{user}.jsonl.gz")).code == 0
    Drain(stream, postgres, "a").run()
    assert stream.books().received == 2 * EVENTS

    imported, published = history_rows(sqlite), history_rows(postgres)
    assert len(imported) == PLAYS
    assert imported == published
    assert count(sqlite, "songs") == SONGS


def history_rows(engine: Engine) -> list[Any]:
    """All columns of every play except its source, and without the mark of its import."""
    columns = (
        *(PlayHistory.id, User.username, PlayHistory.played_at, PlayHistory.utc_offset_minutes, PlayHistory.ms_played),
        *(PlayHistory.context, Song.title, Song.artist, Song.album, Song.duration_ms, Song.attributes),
    )
    with snapshot(engine) as session:
        rows = session.execute(select(*columns).join(User, User.id == PlayHistory.user_id).join(Song)).mappings()
        return sorted((tuple(_without_import(dict(row)).values()) for row in rows), key=itemgetter(0))


def _without_import(row: dict[str, Any]) -> dict[str, Any]:
    context = {name: value for name, value in (row["context"] or {}).items() if name != "import"}
    return row | {"context": context or None}


MALOJA = {
    "scrobbles": [
        {"time": 1_700_000_000 + 300 * number, "track": {"artists": ["Band"], "title": title, "length": 180}}
        for number, title in enumerate(("Unwanted", "Keep"))
    ]
}


def test_an_undone_import_stays_undone(zik: Zik, stream: EventStream, sqlite: Engine, tmp_path: Path) -> None:
    file = tmp_path / "maloja.json"
    file.write_text(json.dumps(MALOJA))
    drain = Drain(stream, sqlite, "a")

    answer = zik("import", "--user", "ada", str(file))
    drain.run()
    (told,) = re.findall(r"this is import (\w{8}); `zik import undo` takes it back", answer.out)
    (listed,) = zik("import", "undo", "--user", "ada", "--json").json
    assert (listed["import_id"], listed["plays"]) == (told, 2)
    zik("plays", "delete", "--user", "ada", "--title", "Unwanted", "--yes")
    zik("import", "--user", "ada", str(file))
    drain.run()
    assert [play["title"] for play in zik("plays", "list", "--user", "ada", "--json").json] == ["Keep"]

    zik("import", "undo", "--user", "ada", told, "--yes")
    zik("import", "--user", "ada", str(file))
    drain.run()
    assert zik("plays", "list", "--user", "ada", "--json").json == []
    assert stream.books().duplicate == 4


def test_a_play_too_large_for_the_mark_is_imported_without_it() -> None:
    play = {"type": "play", "time": "2024-01-01T00:00:00Z", "user": "ada", "song": {"artist": "a", "title": "b"}}
    full = json.dumps(play | {"context": {"k": ""}}).encode()
    full = full.replace(b'""', b'"' + b"x" * (16_384 - len(full)) + b'"')
    published: list[bytes] = []
    favorite = json.dumps(play | {"type": "favorite", "favorite": True}).encode()
    marking("12345678", published.extend)([full, favorite, json.dumps(play).encode()])
    assert published[:2] == [full, favorite]
    assert json.loads(published[2]) == play | {"context": {"import": "12345678"}}


plays = st.lists(
    st.builds(
        lambda minute, ms, title: GOOD | {"endTime": f"2021-04-22 05:{minute:02}", "msPlayed": ms, "trackName": title},
        st.integers(0, 3),
        st.integers(0, 2),
        st.sampled_from(["Dreams", "dreams", "\uff24reams", "Other"]),
    ),
    min_size=1,
    max_size=12,
    # Equal rows of a file are plays of their own. Cut apart, each is the first in its file.
    unique_by=lambda row: (row["endTime"], row["msPlayed"], row["trackName"]),
)


@ON_DATABASE
@given(rows=plays, cut=st.integers(0, 12), seed=st.integers(0, 9))
def test_overlapping_exports_in_any_order_give_the_same_plays(
    tmp_path: Path, rows: list[Any], cut: int, seed: int
) -> None:
    first, second = rows[: cut + 2], rows[max(cut - 2, 0) :]
    shuffled = Random(seed).sample(rows, len(rows))

    whole = ids_of(tmp_path, rows)

    assert ids_of(tmp_path, first, second) == whole
    assert ids_of(tmp_path, second, first, second) == whole
    assert ids_of(tmp_path, shuffled) == whole


def ids_of(folder: Path, *exports: list[Any]) -> set[str]:
    """The ids that the plays of these exports are recorded with."""
    batches: list[bytes] = []
    for export in filter(None, exports):
        (folder / "export").write_text(json.dumps(export))
        with ExitStack() as opened:
            ((archive,), _) = open_archives([str(folder / "export")], opened)
            archive.prepare(user="ada", has_timezone=False)
            (part,) = archive.parts
            _ = list(Importer(user="ada", now=NOW, publish=batches.extend).import_part(archive, part))
    return {decode(payload, now=NOW).id for payload in batches}
