"""Two years of three people's real listening: zik's answers against plain Python over the raw files."""

import csv
import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Self

import pytest
from sqlalchemy import Engine, text

from tests.support.plain_statistics import Name, Plain, PlainPlace, PlainPlay, canonical, is_listen
from tests.support.processes import count
from worker.contract.codec import decode
from worker.contract.events import Accepted
from worker.database.engine import snapshot, transaction, without_statement_timeout
from worker.recorders.batch import record_batch
from worker.recorders.known import Known
from worker.statistics import (
    GlobalListening,
    Listening,
    ListenRule,
    Period,
    Place,
    Span,
    Subject,
    UserListening,
    count_discoveries,
    days,
    find_listener,
    rank,
    span,
    streaks,
    totals,
    week_hours,
)
from worker.statistics.rollups.sweep import refresh

pytestmark = [pytest.mark.data, pytest.mark.timeout(300)]

USERS = ("spotify-2021", "lastfm-2019", "personal-2024")
ALL = span(Period.ALL, date.min)
SPANS = (ALL, *(span(Period.YEAR, date(year, 1, 1)) for year in (2019, 2020, 2021, 2022, 2024, 2025)))
TEN = 10


def raw_plays(shared_data: Path) -> Plain:
    """Each play once: the same user, moment and song are one play."""
    folder = shared_data / "histories"
    plays = [*_spotify(folder / "spotify-2021"), *_lastfm(folder / "lastfm-2019"), *_personal(folder / "personal-2024")]
    return Plain(list({(play.user, play.local.astimezone(UTC), play.song_name): play for play in plays}.values()))


def _spotify(folder: Path) -> Iterator[PlainPlay]:
    for path in sorted(folder.glob("StreamingHistory*.json")):
        for row in json.loads(path.read_text()):
            ended = datetime.strptime(row["endTime"], "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
            heard_ms = row["msPlayed"]
            began = ended - timedelta(milliseconds=heard_ms)
            yield _heard("spotify-2021", began, (row["artistName"], row["trackName"], None), heard_ms)


def _lastfm(folder: Path) -> Iterator[PlainPlay]:
    with (folder / "ts_scrobbles.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            yield _heard("lastfm-2019", datetime.fromisoformat(row["ts"]), _names(row, "track"), None)


def _personal(folder: Path) -> Iterator[PlainPlay]:
    for row in json.loads((folder / "listens.json").read_text()):
        yield _heard("personal-2024", datetime.fromisoformat(row["listenDate"]), _names(row, "title"), None)


def _names(row: dict[str, str], title: str) -> tuple[str, str, str | None]:
    return row["artist"], row[title], row["album"]


def _heard(user: str, local: datetime, names: tuple[str, str, str | None], ms_played: int | None) -> PlainPlay:
    artist, title, album = names
    named = album.strip() or None if album else None
    return PlainPlay(user, local, artist.strip(), title.strip(), named, ms_played, is_listen(ms_played, None))


def record(engine: Engine, shared_data: Path) -> None:
    known = Known()
    for path in sorted((shared_data / "events").glob("*.jsonl.gz")):
        with gzip.open(path) as file:
            lines = [line.rstrip(b"\n") for line in file]
        for start in range(0, len(lines), 2_000):
            _record_batch(engine, [(f"{path.name}-{start}", line) for line in lines[start : start + 2_000]], known)


def _record_batch(engine: Engine, lines: Sequence[tuple[str, bytes]], known: Known) -> None:
    now = datetime.now(UTC)
    entries = [Accepted(f"{name}-{number}", line, decode(line, now=now)) for number, (name, line) in enumerate(lines)]
    with transaction(engine) as session:
        recorded = record_batch(session.connection(), entries, known=known)
    known.remember(recorded)


@pytest.fixture(scope="module")
def recorded_once(engine_of_module: Engine, shared_data: Path) -> Engine:
    """The plays are recorded once, and nobody has swept them yet."""
    record(engine_of_module, shared_data)
    # As autovacuum does a minute later: a planner that knows nothing of the plays takes minutes to answer.
    if engine_of_module.dialect.name == "postgresql":
        with transaction(without_statement_timeout(engine_of_module)) as session:
            session.execute(text("ANALYZE"))
    return engine_of_module


@dataclass(frozen=True)
class Expected:
    """What the files say about a user, or everyone, in a span."""

    sums: tuple[int, int, int]
    songs: int
    artists: int
    listeners: int
    places: dict[Subject, list[PlainPlace]]

    @classmethod
    def of(cls, plain: Plain) -> Self:
        listens = plain.listens
        return cls(
            plain.sums(),
            len({play.song_name for play in listens}),
            len({name for play in listens for name in play.artist_names}),
            len({play.user for play in plain.plays}),
            {subject: plain.places(subject)[:TEN] for subject in Subject},
        )


@pytest.fixture(scope="module")
def plain(shared_data: Path) -> Plain:
    return raw_plays(shared_data)


@pytest.fixture(scope="module")
def expected(plain: Plain) -> Callable[[str | None, Span], Expected]:
    """Counted once for all databases: counting takes longer than asking."""
    return cache(lambda user, wanted: Expected.of(plain.of(user, wanted)))


# In this order: what has been swept stays so.
@pytest.mark.parametrize("swept", [False, True])
def test_statistics_of_real_histories_equal_a_count_of_the_files(
    recorded_once: Engine, plain: Plain, expected: Callable[[str | None, Span], Expected], *, swept: bool
) -> None:
    assert count(recorded_once, "stale_days") > 0
    if swept:
        refresh(recorded_once, ListenRule())
    assert (count(recorded_once, "stale_days") > 0) is not swept
    with snapshot(recorded_once) as session:
        connection = session.connection()
        for wanted in SPANS:
            _check(GlobalListening(connection, ListenRule()), wanted, expected(None, wanted))
        for username in USERS:
            listening = UserListening(connection, find_listener(connection, username).id, ListenRule())
            for wanted in SPANS:
                _check(listening, wanted, expected(username, wanted))
            _check_whole(listening, plain.of(username))


def _check(listening: Listening, wanted: Span, expected: Expected) -> None:
    found = totals(listening, wanted)
    assert (found.plays, found.listens, found.ms_played) == expected.sums
    assert (found.songs, found.artists, found.listeners) == (expected.songs, expected.artists, expected.listeners)
    for subject in Subject:
        assert [_plain(place) for place in rank(listening, subject, wanted, most=TEN)] == expected.places[subject]


def _plain(place: Place) -> PlainPlace:
    name = Name(canonical(place.artist), None if place.title is None else canonical(place.title))
    return PlainPlace(name, place.plays, place.listens, place.ms_played, place.listeners, place.identity)


def _check_whole(listening: UserListening, plain: Plain) -> None:
    by_day = plain.grouped(lambda play: play.day)
    found = {day.day: (day.plays, day.listens, day.ms_played) for day in days(listening, *ALL[1:])}
    assert found == by_day
    by_hour = plain.grouped(lambda play: (play.day.isoweekday(), play.local.hour))
    hours = {(h.weekday, h.hour): (h.plays, h.listens, h.ms_played) for h in week_hours(listening, ALL)}
    assert hours == by_hour
    longest = streaks(listening, ALL, today=date.max).longest
    assert longest is not None
    assert longest.days == max((last - first).days + 1 for first, last in plain.streaks())
    discovered = count_discoveries(listening, Period.ALL, ALL)
    assert sum(count.songs for count in discovered) == len(plain.first_listens())
