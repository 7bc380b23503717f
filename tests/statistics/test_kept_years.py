"""Kept answers about a year are those that would be found now, whatever was changed, in whatever way."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from sqlalchemy import Engine, ScalarSelect, delete, event, select, update

from tests.support.events import play, preference, song
from tests.support.rollup_rows import RULE, record
from worker.database.engine import snapshot, transaction
from worker.models import Merge, PlayHistory, Song, SummedStretch, Track
from worker.operations.left_out import leave_out
from worker.operations.merging.artists import merge_artists, split_artist
from worker.operations.songs import set_duration
from worker.report.kept import KeptYears
from worker.report.year import Year, year_of
from worker.statistics import ListenRule, UserListening, find_listener, settled
from worker.statistics.rollups.sweep import refresh

TODAY = date(2021, 6, 1)
_PLACES = ("2019-02-01", "2019-07-01", "2020-03-01", "2020-03-02", "2020-12-30", "2021-01-01", "2021-05-31")


def _play(
    day: str, title: str, *, user: str = "ada", hour: int = 12, artist: str = "Tool", **facts: Any
) -> dict[str, Any]:
    named = song(title=title, artist=artist, album="Lateralus", duration_ms=60_000, **facts)
    return play(user=user, time=f"{day}T{hour}:00:00Z", song=named, ms_played=60_000)


@pytest.fixture
def summed(engine: Engine) -> Engine:
    """Three years of Ada's, with a comeback in the second, and one play of Bea's."""
    heard = [_play(day, f"Song {number % 3}") for number, day in enumerate(_PLACES)]
    back = [
        _play("2019-01-01", "Back", artist="Björk"),
        *(_play("2020-06-01", "Back", artist="Björk", hour=h) for h in range(10, 22)),
    ]
    record(engine, *heard, *back, _play("2020-05-05", "Aenema", artist="Tööl", user="bea"))
    refresh(engine, RULE)
    return engine


def _ask(engine: Engine, kept: KeptYears | None, year: int = 2020, rule: ListenRule = RULE) -> Year:
    with snapshot(engine) as session:
        listener = find_listener(session.connection(), "ada")
        listening = UserListening(session.connection(), listener.id, rule)
        return (kept.year_of if kept else year_of)(listening, listener, year, today=TODAY)


def _statements(engine: Engine, ask: Callable[[], object]) -> int:
    asked: list[str] = []
    listen: Any = lambda *args: asked.append(args[2])  # noqa: E731 -- removed again
    event.listen(engine, "before_cursor_execute", listen)
    ask()
    event.remove(engine, "before_cursor_execute", listen)
    return len(asked)


def _late(engine: Engine) -> None:
    record(engine, _play("2020-07-01", "Late"))


def _back() -> ScalarSelect[int]:
    return select(Song.id).where(Song.title == "Back").scalar_subquery()


def _edited(engine: Engine) -> None:
    with transaction(engine) as session:
        session.execute(update(PlayHistory).where(PlayHistory.song_id == _back()).values(ms_played=1_000))


def _deleted(engine: Engine) -> None:
    with transaction(engine) as session:
        session.execute(delete(PlayHistory).where(PlayHistory.song_id == _back()))


def _renamed(engine: Engine) -> None:
    with transaction(engine) as session:
        session.execute(update(Song).where(Song.title == "Back").values(title="Forth"))


def _other_album(engine: Engine) -> None:
    with transaction(engine) as session:
        session.execute(update(Track).where(Track.album == "Lateralus").values(album="Undertow"))


def _song_deleted(engine: Engine) -> None:
    with transaction(engine) as session:
        session.execute(delete(Song).where(Song.title == "Back"))


def _longer(engine: Engine) -> None:
    set_duration(engine, "Björk", "Back", 600_000)


def _elsewhere(engine: Engine) -> None:
    record(engine, preference(user="ada", key="timezone", value="Asia/Tokyo"))


def _left_out(engine: Engine) -> None:
    with snapshot(engine) as session:
        user_id = find_listener(session.connection(), "ada").id
    leave_out(engine, user_id, "Björk")


def _merged(engine: Engine) -> None:
    merge_artists(engine, "Björk", "Tool")


def _merged_by_another_listener(engine: Engine) -> None:
    """Ada has no play of that artist, but hers has another spelling now."""
    merge_artists(engine, "Tööl", "TOOL")


def _merged_and_split(engine: Engine) -> None:
    _merged_by_another_listener(engine)
    split_artist(engine, "Tööl")


def _nothing(_: Engine) -> None:
    pass


CHANGES = [
    _nothing, _late, _edited, _deleted, _renamed, _other_album, _song_deleted, _longer, _elsewhere, _left_out, _merged,
    _merged_by_another_listener, _merged_and_split,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_kept_answers_are_those_of_now(summed: Engine, change: Callable[[Engine], None]) -> None:
    kept = KeptYears()
    before = _ask(summed, kept)
    change(summed)
    # Before a sweep has seen the change, after it, and once more.
    for _ in range(2):
        assert _ask(summed, kept) == _ask(summed, None)
        refresh(summed, RULE)
    assert _ask(summed, kept) == _ask(summed, None)
    assert (_ask(summed, kept) == before) is (change in {_nothing, _merged_and_split})


def test_another_spelling_of_a_merged_artist_is_shown_at_once(summed: Engine) -> None:
    """In SQL, which marks nothing."""
    _merged_by_another_listener(summed)
    # The first sweep forgets the sums, and a play of today lets the next one make them again.
    refresh(summed, RULE)
    record(summed, _play("2021-06-01", "New"))
    refresh(summed, RULE)
    kept = KeptYears()
    _ask(summed, kept)
    assert _statements(summed, lambda: _ask(summed, kept)) < 12
    with transaction(summed) as session:
        session.execute(update(Merge).values(into_artist="tOOL"))
    assert _ask(summed, kept) == _ask(summed, None)


def test_a_kept_year_asks_little(summed: Engine) -> None:
    kept = KeptYears()
    assert _statements(summed, lambda: _ask(summed, kept)) > 30
    assert _statements(summed, lambda: _ask(summed, kept)) < 12


def test_a_play_of_today_forgets_no_year_that_is_over(summed: Engine) -> None:
    kept = KeptYears()
    _ask(summed, kept)
    record(summed, _play("2021-06-01", "New"))
    assert _statements(summed, lambda: _ask(summed, kept)) < 12


def test_a_year_that_runs_is_not_kept(summed: Engine) -> None:
    kept = KeptYears()
    _ask(summed, kept, 2021)
    assert _statements(summed, lambda: _ask(summed, kept, 2021)) > 30


def test_another_listen_rule_is_another_answer(summed: Engine) -> None:
    kept, strict = KeptYears(), ListenRule(percent=100, enough_s=100_000)
    _ask(summed, kept)
    assert _statements(summed, lambda: _ask(summed, kept, rule=strict)) > 30


def test_sums_without_a_stamp_prove_nothing(summed: Engine) -> None:
    def proof() -> object:
        with snapshot(summed) as session:
            return settled(UserListening(session.connection(), 1, RULE), date(2020, 12, 31))

    assert proof() is not None
    with transaction(summed) as session:
        session.execute(update(SummedStretch).values(stamp=None))
    assert proof() is None


def test_sums_that_are_made_again_have_another_stamp(summed: Engine) -> None:
    def stamps() -> set[object]:
        with snapshot(summed) as session:
            ada = find_listener(session.connection(), "ada").id
            return set(session.scalars(select(SummedStretch.stamp).where(SummedStretch.user_id == ada)))

    before = stamps()
    _late(summed)
    refresh(summed, RULE)
    assert None not in before
    assert stamps().isdisjoint(before)
