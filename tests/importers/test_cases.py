"""Files that people have, each with what is right: from the command to the recorded rows, on both databases."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Engine, select

from tests.support.commands import Zik, zik_at
from worker.database.engine import snapshot
from worker.drain.drain import Drain
from worker.models import PlayHistory, Song
from worker.stream.consumer import EventStream


class Case(NamedTuple):
    """A file, its plays as time, title and `ms_played`, and what the command says of it."""

    content: str
    plays: list[tuple[str, str, int | None]]
    says: str = ""
    options: tuple[str, ...] = ()


def spotify(title: str, ts: str, ms_played: int | None, **more: Any) -> dict[str, Any]:
    row = {"ts": ts, "master_metadata_track_name": title, "master_metadata_album_artist_name": "Band"}
    return row | ({} if ms_played is None else {"ms_played": ms_played}) | more


CUT_OFF = {"reason_end": "unexpected-exit"}
CASES = {
    "a player that was killed": Case(
        json.dumps(
            [
                spotify("Before", "2021-03-01T19:59:58Z", 200_000, reason_end="trackdone", offline_timestamp=1),
                spotify("Cut off", "2021-03-04T07:30:00Z", 180_000, offline_timestamp=1614628799, **CUT_OFF),
                spotify("In ms", "2021-03-04T07:31:00Z", 180_000, offline_timestamp=1614628799000, **CUT_OFF),
                spotify("In time", "2021-03-04T07:33:20Z", 200_000, offline_timestamp=1614842999, **CUT_OFF),
                spotify("Unknown", "2021-03-04T07:40:00Z", 200_000, offline_timestamp=0, **CUT_OFF),
                spotify("Absurd", "2021-03-04T07:50:00Z", 200_000, offline_timestamp="soon", **CUT_OFF),
                spotify("Ahead", "2021-03-04T08:00:00Z", 200_000, offline_timestamp=1914842999, **CUT_OFF),
                spotify("No length", "2021-03-05T08:00:00Z", None, reason_end="trackdone"),
                spotify("Bad length", "2021-03-05T09:00:00Z", -1, reason_end="trackdone"),
            ]
        ),
        [
            ("2021-03-01T19:56:38", "Before", 200_000),
            ("2021-03-01T19:59:59", "Cut off", 180_000),
            ("2021-03-01T19:59:59", "In ms", 180_000),
            ("2021-03-04T07:30:00", "In time", 200_000),
            ("2021-03-04T07:36:40", "Unknown", 200_000),
            ("2021-03-04T07:46:40", "Absurd", 200_000),
            ("2021-03-04T07:56:40", "Ahead", 200_000),
            ("2021-03-05T08:00:00", "No length", None),
            ("2021-03-05T09:00:00", "Bad length", None),
        ],
        "ms_played of 1 event",
    ),
    "lines above the header": Case(
        "+ACM- Data export from Libre.fm,,,\n+ACM- host.example,,,\nArtist,Track,Album,Time\nBand,One,LP,1690347960\n"
        "Band,Two,,1690348225\n",
        [("2023-07-26T05:06:00", "One", None), ("2023-07-26T05:10:25", "Two", None)],
    ),
    "sep= of Excel": Case(
        "sep=;\r\nArtist;Album;Track;Time\r\nBand;LP;One;1600000000\r\n", [("2020-09-13T12:26:40", "One", None)]
    ),
    "CR line ends": Case(
        "Artist,Album,Track,Time\rBand,LP,One,1600000000\rBand,LP,Two,1600000300\r",
        [("2020-09-13T12:26:40", "One", None), ("2020-09-13T12:31:40", "Two", None)],
    ),
    "a newline in a title": Case(
        'Artist,Album,Track,Time\nBand,LP,"One\n\n(live)",1600000000\nBand,LP,Two,1600000300\n',
        [("2020-09-13T12:26:40", "One\n\n(live)", None), ("2020-09-13T12:31:40", "Two", None)],
    ),
    "Pano Scrobbler": Case(
        '{"timeMs": 1762957898933, "artist": "Band", "track": "One", "durationMs": 346958, "event": "scrobble"}\n',
        [("2025-11-12T14:31:38.933000", "One", None)],
    ),
    "Rockbox's playback log": Case(
        "# Playback log Rockbox\n1743000000:215000:215000:/<microSD0>/Music/Band/LP/01 - One.flac\n"
        "1743000216:3000:180000:/<microSD0>/Music/Band/LP/02 - Two.flac\n",
        [("2025-03-26T13:36:25", "One", 215_000), ("2025-03-26T13:43:33", "Two", 3_000)],
        options=("--timezone", "Europe/Berlin"),
    ),
    "what was playing": Case(
        "Artist A,Album,Song A,\nArtist A,Album,Song A,20 Nov 2020 09:35\n",
        [("2020-11-20T09:35:00", "Song A", None)],
        "left out: 1 now-playing track",
    ),
    "what was playing, with a header": Case(
        'uts,utc_time,artist,album,track\n"","",Band,LP,One\n"1700000000","14 Nov 2023, 22:13",Band,LP,One\n',
        [("2023-11-14T22:13:20", "One", None)],
        "left out: 1 now-playing track",
    ),
    "listens in a key": Case(
        '{"listens": [{"listened_at": 1704103200, "track_metadata": {"artist_name": "Band", "track_name": "One"}}]}',
        [("2024-01-01T10:00:00", "One", None)],
    ),
    "Last.fm's tracks in a key": Case(
        '{"recentTracks": [{"artist": {"#text": "Band"}, "name": "One", "album": {"#text": ""},'
        ' "date": {"uts": "1704103200"}}]}',
        [("2024-01-01T10:00:00", "One", None)],
    ),
    "JSON Lines of somebody": Case(
        '{"artist": "Band", "track": "One", "album": "LP", "scrobbled_at": "2026-05-07T16:59:38Z"}\n',
        [("2026-05-07T16:59:38", "One", None)],
    ),
    "an extended history as a table": Case(
        ",ts,master_metadata_track_name,master_metadata_album_artist_name,ms_played\n"
        "0,2025-01-01T10:06:20Z,One,Band,90745\n",
        [("2025-01-01T10:04:49.255000", "One", 90_745)],
    ),
    "a log without a header": Case(
        "\ufeffBand\tLP\tOne\t3\t237\tL\t1500812596\t\n", [("2017-07-23T12:23:16", "One", None)]
    ),
    "podcasts only": Case(
        '[{"endTime": "2024-08-17 15:38", "podcastName": "P", "episodeName": "E", "msPlayed": 1366726}]',
        [],
        "left out: 1 podcast",
    ),
    "an empty list": Case("[]", [], "left out: 1 empty file"),
}


@pytest.fixture
def zik(engine: Engine, redis_url: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Zik:
    return zik_at(engine, redis_url, monkeypatch, capfd)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_file_becomes_its_plays(case: Case, zik: Zik, engine: Engine, stream: EventStream, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(case.content.encode())

    answer = zik("import", "--user", "ada", *case.options, str(tmp_path / "file"))
    Drain(stream, engine, "a").run()

    assert answer.code == 0, answer.err
    assert case.says in answer.out
    columns = (PlayHistory.played_at, Song.title, PlayHistory.ms_played)
    with snapshot(engine) as session:
        rows = session.execute(select(*columns).join(Song).order_by(PlayHistory.played_at, Song.title)).all()
    assert [(at.replace(tzinfo=None).isoformat(), title, ms) for at, title, ms in rows] == case.plays
