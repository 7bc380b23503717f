"""Exports that are cut to the minute: equal rows are plays of their own, and the same service to the second is one."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from tests.support.commands import Zik, zik_at
from worker.database.engine import snapshot
from worker.drain.drain import Drain
from worker.importers.times import is_to_the_minute
from worker.models import PlayHistory, User
from worker.statistics import ListenRule, Period, UserListening, span, totals
from worker.stream.consumer import EventStream

MINUTES = 'utc_time,artist,album,track\n"11 Jul 2024, 09:07",Artist A,Album,Song A\n'
SECONDS = (
    "uts,utc_time,artist,artist_mbid,album,album_mbid,track,track_mbid\n"
    '"1720688852","11 Jul 2024, 09:07","Artist A","","Album","","Song A",""\n'
)
SPOTIFY_MINUTES = json.dumps(
    [{"endTime": "2024-01-01 10:01", "artistName": "Artist A", "trackName": "Song A", "msPlayed": 40_000}]
)
SPOTIFY_SECONDS = json.dumps(
    [
        {
            "ts": "2024-01-01T10:01:47Z",
            "master_metadata_album_artist_name": "Artist A",
            "master_metadata_track_name": "Song A",
            "ms_played": 40_000,
        }
    ]
)


@pytest.fixture
def zik(engine: Engine, redis_url: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Zik:
    return zik_at(engine, redis_url, monkeypatch, capfd)


@pytest.fixture
def imported(engine: Engine, zik: Zik, stream: EventStream, tmp_path: Path) -> Callable[[str], tuple[int, int]]:
    """Imports a file, and returns how many plays ada has, and how many of them count."""

    def run(content: str) -> tuple[int, int]:
        (tmp_path / "file").write_text(content, encoding="utf-8")
        assert zik("import", "--user", "ada", str(tmp_path / "file")).code == 0
        Drain(stream, engine, "a").run()
        with snapshot(engine) as session:
            stored = session.scalars(select(PlayHistory.id)).all()
            user_id = session.scalars(select(User.id)).one()
            listening = UserListening(session.connection(), user_id, ListenRule())
            found = totals(listening, span(Period.ALL, date(2024, 1, 1)))
        return len(stored), found.plays

    return run


@pytest.mark.parametrize(("first", "second"), [(MINUTES, SECONDS), (SPOTIFY_MINUTES, SPOTIFY_SECONDS)])
@pytest.mark.parametrize("order", [1, -1])
def test_one_service_by_the_minute_and_by_the_second_is_one_history(
    imported: Callable[[str], tuple[int, int]], first: str, second: str, order: int
) -> None:
    found = [imported(content) for content in (first, second)[::order]]
    assert found == [(1, 1), (2, 1)]


@pytest.mark.parametrize("content", [MINUTES, SPOTIFY_MINUTES])
def test_equal_rows_of_a_minute_are_plays_of_their_own(
    imported: Callable[[str], tuple[int, int]], content: str
) -> None:
    header, *lines = content.splitlines()
    rows = "\n".join([header, *lines * 3]) if lines else json.dumps(json.loads(content) * 3)
    assert imported(rows) == (3, 3)
    assert imported(rows) == (3, 3)
    assert imported(content) == (3, 3)


def test_equal_rows_to_the_second_are_one_play(imported: Callable[[str], tuple[int, int]]) -> None:
    assert imported("\n".join([*SECONDS.splitlines(), SECONDS.splitlines()[-1]])) == (1, 1)


@pytest.mark.parametrize(
    "text",
    [
        "11 Jul 2024, 09:07",
        "2024-07-11 09:07",
        "2024-07-11T09:07Z",
        "2024-07-11 9:07 +02:00",
        "July 11, 2024 at 09:07PM",
    ],
)
def test_a_time_without_seconds_is_to_the_minute(text: str) -> None:
    assert is_to_the_minute(text)


@pytest.mark.parametrize(
    "text", ["2024-07-11 09:07:00", "2024-07-11T09:07:00+02:00", "2024-07-11", "1720688852", 1720688852, None, ""]
)
def test_any_other_time_is_not(text: object) -> None:
    assert not is_to_the_minute(text)
