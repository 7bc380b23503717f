"""Corrections of plays last: what is deleted stays away, what is edited stays edited, and each can be taken back."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from sqlalchemy import Engine, delete, func, insert, select, update

from tests.support.events import NOW, Fields, accepted, event_id, play, preference, song
from tests.support.rollup_rows import RULE, assert_exact, record, rollups_of_user
from worker.books import Outcome
from worker.contract.identity import song_identity
from worker.database.engine import snapshot, transaction
from worker.errors import InvalidEventError, PlayNotFoundError, PlayTakenError
from worker.models import CorrectedPlay, PlayHistory, Song, Track, User
from worker.operations import corrections
from worker.operations.corrections import Changes, Choice
from worker.recorders import plays as recorder
from worker.recorders.batch import record_batch
from worker.recorders.known import Known
from worker.statistics import Period, Subject, UserListening, find_listener, rank, refresh_charts, span
from worker.statistics.rollups.sweep import refresh
from worker.statistics.verify import verify

DAY = date(2021, 4, 22)
EVER = span(Period.ALL, DAY)
HERS = [
    play(id=event_id(1), time="2021-04-22T20:00:00Z", source="a", ms_played=100_000, context={"import": "one"}),
    play(id=event_id(2), time="2021-04-22T21:00:00+02:00", source="b", song=song(title="Schism")),
    play(id=event_id(3), time="2021-04-23T10:00:00Z", source="a", song=song(title="Schism"), context={"import": "one"}),
    play(id=event_id(4), time="2021-04-23T11:00:00Z", song=song(title="Intro", artist="The xx"), context={"k": 1}),
]
OTHERS = [event | {"user": "bob"} for event in HERS]
FIRST, SECOND, THIRD, FOURTH = (UUID(event_id(number)) for number in range(1, 5))


@pytest.fixture
def listened(engine: Engine) -> Engine:
    record(engine, *HERS, *OTHERS)
    refresh(engine, RULE)
    refresh_charts(engine, today=DAY, closed=True)
    return engine


def ada(engine: Engine) -> int:
    with snapshot(engine) as session:
        return find_listener(session.connection(), "ada").id


def stored(engine: Engine, *, user: str = "ada") -> dict[UUID, tuple[object, ...]]:
    """All that `play_history` says about the user, without the time of the latest change."""
    columns = [column for column in PlayHistory.__table__.c if column.name != "updated_at"]
    with snapshot(engine) as session:
        rows = session.execute(select(*columns).join(User, User.id == PlayHistory.user_id).where(User.username == user))
        return {row.id: tuple(row) for row in rows}


def outcomes(engine: Engine, *events: Fields) -> list[Outcome]:
    with transaction(engine) as session:
        recorded = record_batch(session.connection(), accepted(*events), known=Known())
        return [recorded.outcomes[f"{number}-0"] for number in range(1, len(events) + 1)]


def assert_right(engine: Engine) -> None:
    """The rollups, the answers and the charts are those of the plays that are stored, before and after a sweep."""
    assert verify(engine, RULE).differences == []
    answered = rollups_of_user(engine, ada(engine))
    refresh(engine, RULE)
    refresh_charts(engine, today=DAY, closed=True)
    assert_exact(engine)
    assert rollups_of_user(engine, ada(engine)) == answered
    comparison = verify(engine, RULE)
    assert (comparison.waiting, comparison.differences) == (0, [])


def test_a_deleted_play_counts_in_no_answer(listened: Engine) -> None:
    assert corrections.delete(listened, ada(listened), [FIRST, THIRD]) == 2
    with snapshot(listened) as session:
        listening = UserListening(session.connection(), ada(listened), RULE)
        places = [(place.title, place.plays) for place in rank(listening, Subject.SONG, EVER, most=9)]
    assert sorted(places) == [("Intro", 1), ("Schism", 1)]
    assert stored(listened).keys() == {SECOND, FOURTH}
    assert stored(listened, user="bob").keys() == {FIRST, SECOND, THIRD, FOURTH}
    assert_right(listened)


def deleted_by_sql(engine: Engine, user_id: int, ids: list[UUID]) -> None:
    with transaction(engine) as session:
        session.execute(delete(PlayHistory).where(PlayHistory.user_id == user_id, PlayHistory.id.in_(ids)))


@pytest.mark.parametrize("delete_plays", [corrections.delete, deleted_by_sql])
def test_a_deleted_play_does_not_return(listened: Engine, delete_plays: Callable[..., object]) -> None:
    delete_plays(listened, ada(listened), [FIRST, SECOND])
    before = stored(listened)
    again = [*HERS, *(event | {"id": event_id(50 + number)} for number, event in enumerate(HERS))]
    assert outcomes(listened, *again) == [Outcome.DUPLICATE] * 8
    assert stored(listened) == before
    # A play of another moment is another play.
    assert outcomes(listened, HERS[0] | {"id": event_id(60), "time": "2021-04-22T20:00:01Z"}) == [Outcome.RECORDED]
    assert_right(listened)
    assert corrections.restore(listened, ada(listened), [FIRST, SECOND]).restored == 2
    assert_right(listened)


def test_the_id_of_a_deleted_play_is_not_free(listened: Engine) -> None:
    corrections.delete(listened, ada(listened), [FIRST])
    assert outcomes(listened, HERS[0] | {"song": song(title="another")}) == [Outcome.DEAD]
    assert outcomes(listened, HERS[0] | {"user": "eve"}) == [Outcome.RECORDED]


def test_deleting_twice_deletes_once(listened: Engine) -> None:
    for deleted in (1, 0):
        assert corrections.delete(listened, ada(listened), [FIRST, FIRST]) == deleted
    assert corrections.restore(listened, ada(listened), [FIRST]).restored == 1
    assert corrections.restore(listened, ada(listened), [FIRST]).restored == 0


def test_a_restored_play_is_exactly_as_it_was(listened: Engine) -> None:
    before = stored(listened)
    corrections.delete(listened, ada(listened), before)
    refresh(listened, RULE)
    assert stored(listened) == {}
    done = corrections.restore(listened, ada(listened), before)
    assert (done.restored, done.taken) == (len(HERS), 0)
    assert stored(listened) == before
    assert_right(listened)


@pytest.mark.parametrize("batches", [1, 3])
def test_many_plays_are_corrected_in_parts(engine: Engine, monkeypatch: pytest.MonkeyPatch, batches: int) -> None:
    monkeypatch.setattr("worker.operations.corrections.versions.AT_ONCE", -(-len(HERS) // batches))
    record(engine, *HERS)
    parts: list[int] = []
    assert corrections.delete(engine, ada(engine), [FIRST, SECOND, THIRD, FOURTH], deleted=parts.append) == 4
    assert sum(parts) == 4
    assert len(parts) == -(-4 // -(-4 // batches))
    assert corrections.restore(engine, ada(engine), [FIRST, SECOND, THIRD, FOURTH]).restored == 4
    assert_right(engine)


@pytest.mark.parametrize("inserts", [0, 20], ids=["copied", "inserted"])
def test_a_recorder_that_looked_before_the_deletion_brings_nothing_back(
    listened: Engine, monkeypatch: pytest.MonkeyPatch, inserts: int
) -> None:
    """So does a worker of the previous release, which never looks."""
    corrections.delete(listened, ada(listened), [FIRST, THIRD])
    corrections.edit(listened, ada(listened), SECOND, Changes(title="Lateralis"), now=NOW)
    before = stored(listened)
    monkeypatch.setattr(recorder, "judge_corrected", lambda *_: {})
    known = Known()
    if inserts:
        known.plays.saw_duplicate()
    returning = [HERS[0], HERS[1] | {"id": event_id(70)}, HERS[2] | {"id": event_id(71)}]
    with transaction(listened) as session:
        record_batch(session.connection(), accepted(*returning, play(id=event_id(72), user="eve")), known=known)
    assert stored(listened) == before
    assert len(stored(listened, user="eve")) == 1
    assert_right(listened)


EDITS = [
    Changes(title="Lateralis"),
    Changes(artist="The xx", title="Intro"),
    Changes(ms_played=1),
    Changes(time="2021-05-01T00:30:00+05:30"),
    Changes(time="2021-04-22T20:00:00+01:00", ms_played=7, title="Disposition"),
]


@pytest.mark.parametrize("changes", EDITS, ids=str)
def test_an_edited_play_stays_edited_until_it_is_taken_back(listened: Engine, changes: Changes) -> None:
    before = stored(listened)
    assert corrections.edit(listened, ada(listened), FIRST, changes, now=NOW)
    edited = stored(listened)
    assert {id_ for id_ in before if edited[id_] != before[id_]} == {FIRST}
    assert_right(listened)
    assert outcomes(listened, HERS[0], HERS[0] | {"id": event_id(80)}) == [Outcome.DUPLICATE] * 2
    assert stored(listened) == edited
    assert not corrections.edit(listened, ada(listened), FIRST, changes, now=NOW)
    assert corrections.restore(listened, ada(listened), [FIRST]).restored == 1
    assert stored(listened) == before
    assert_right(listened)


def test_corrections_are_taken_back_one_by_one(listened: Engine) -> None:
    states = [stored(listened)]
    for number, changes in enumerate(EDITS):
        corrections.edit(listened, ada(listened), FIRST, changes, now=NOW)
        states.append(stored(listened))
        if number % 2:
            corrections.delete(listened, ada(listened), [FIRST])
            states.append(stored(listened))
            corrections.restore(listened, ada(listened), [FIRST])
            states.pop()
    for state in states[-2::-1]:
        corrections.restore(listened, ada(listened), [FIRST])
        assert stored(listened) == state
    with snapshot(listened) as session:
        assert session.scalar(select(func.count()).select_from(CorrectedPlay)) == 0
    assert_right(listened)


def told(engine: Engine) -> tuple[object, ...]:
    """The first play's title, with what its client said of album, artists and duration."""
    with snapshot(engine) as session:
        columns = (Song.title, Track.album, Track.album_artist, Track.artists, PlayHistory.duration_ms)
        of_play = (Track.id == PlayHistory.track_id) & (Track.song_id == Song.id)
        rows = select(*columns).select_from(PlayHistory).join(Song).outerjoin(Track, of_play)
        return tuple(session.execute(rows.where(PlayHistory.id == FIRST)).one())


def test_an_edited_play_keeps_album_artists_and_duration_under_its_new_song(engine: Engine) -> None:
    facts = {"album": "LP3", "album_artist": "Tol", "artists": ["Tol", "Guest"], "duration_ms": 183_000}
    record(engine, play(id=event_id(1), song=song(artist="Tol", **facts)))
    corrections.edit(engine, ada(engine), FIRST, Changes(title="Parabol"), now=NOW)
    assert told(engine) == ("Parabol", "LP3", "Tol", ["Tol", "Guest"], 183_000)
    # The artist is among the names, too.
    corrections.edit(engine, ada(engine), FIRST, Changes(artist="Tool"), now=NOW)
    assert told(engine) == ("Parabol", "LP3", "Tool", ["Tool", "Guest"], 183_000)
    for title in ("Parabol", "Parabola"):
        corrections.restore(engine, ada(engine), [FIRST])
        assert told(engine) == (title, "LP3", "Tol", ["Tol", "Guest"], 183_000)


def test_an_edited_play_without_album_and_artists_has_none_of_another(engine: Engine) -> None:
    record(engine, play(id=event_id(1)), play(id=event_id(2), song=song(title="Schism", album="LP3"), user="bob"))
    corrections.edit(engine, ada(engine), FIRST, Changes(title="Schism"), now=NOW)
    assert told(engine) == ("Schism", None, None, None, None)
    assert [row.track_id for row in corrected(engine)] == [0]


def corrected(engine: Engine) -> list[CorrectedPlay]:
    with snapshot(engine) as session:
        return list(session.scalars(select(CorrectedPlay)))


def test_an_edited_play_of_an_older_release_keeps_what_its_song_knew(engine: Engine) -> None:
    record(engine, play(id=event_id(1)), play(id=event_id(2), song=song(title="Schism", album="LP4"), user="bob"))
    with transaction(engine) as session:
        parabola = session.scalars(select(Song).where(Song.title == "Parabola")).one()
        legacy = Track(identity=UUID(int=1), song_id=parabola.id, album="LP3").save(session)
        parabola.legacy_track_id, parabola.legacy_duration_ms = legacy.id, 183_000
        session.execute(update(PlayHistory).where(PlayHistory.id == FIRST).values(track_id=None))
    corrections.edit(engine, ada(engine), FIRST, Changes(title="Schism"), now=NOW)
    assert told(engine) == ("Schism", "LP3", None, None, 183_000)
    corrections.restore(engine, ada(engine), [FIRST])
    assert told(engine) == ("Parabola", None, None, None, None)


def test_an_edit_may_not_take_the_place_of_another_play(listened: Engine) -> None:
    there = Changes(time="2021-04-23T10:00:00Z", title="Schism")
    with pytest.raises(PlayTakenError, match=str(THIRD)):
        corrections.edit(listened, ada(listened), FIRST, there, now=NOW)
    corrections.delete(listened, ada(listened), [THIRD])
    with pytest.raises(PlayTakenError, match="restore"):
        corrections.edit(listened, ada(listened), FIRST, there, now=NOW)
    assert_right(listened)


@pytest.mark.parametrize(
    "changes",
    [Changes(time="yesterday"), Changes(time="1999-01-01T00:00:00Z"), Changes(ms_played=-1), Changes(title=" ")],
    ids=str,
)
def test_an_edit_obeys_the_contract(listened: Engine, changes: Changes) -> None:
    before = stored(listened)
    with pytest.raises(InvalidEventError):
        corrections.edit(listened, ada(listened), FIRST, changes, now=NOW)
    assert stored(listened) == before


def test_only_a_play_that_counts_can_be_edited(listened: Engine) -> None:
    corrections.delete(listened, ada(listened), [FIRST])
    for missing in (FIRST, UUID(event_id(99))):
        with pytest.raises(PlayNotFoundError, match=str(missing)):
            corrections.edit(listened, ada(listened), missing, Changes(ms_played=1), now=NOW)


def test_what_sql_put_in_the_place_of_a_deleted_play_stays(listened: Engine) -> None:
    corrections.delete(listened, ada(listened), [FIRST])
    with transaction(listened) as session:
        other = session.scalar(select(Song.id).where(Song.title == "Intro"))
        values = {
            "id": FIRST,
            "user_id": ada(listened),
            "song_id": other,
            "played_at": datetime(2022, 1, 1, tzinfo=UTC),
        }
        session.execute(insert(PlayHistory), values)
    before = stored(listened)
    done = corrections.restore(listened, ada(listened), [FIRST])
    assert (done.restored, done.taken) == (0, 1)
    assert stored(listened) == before


def test_deleting_a_listen_by_song_and_second(listened: Engine) -> None:
    at, parabola = datetime(2021, 4, 22, 20, 0, 0, 900, tzinfo=UTC), song_identity("TOOL", "parabola")
    assert not corrections.delete_play(listened, "nobody", at, parabola)
    assert not corrections.delete_play(listened, "ada", at, song_identity("Tool", "Schism"))
    assert not corrections.delete_play(listened, "ada", at.replace(second=1), parabola)
    assert corrections.delete_play(listened, " ada ", at, parabola)
    assert not corrections.delete_play(listened, "ada", at, parabola)
    assert stored(listened).keys() == {SECOND, THIRD, FOURTH}
    assert FIRST in stored(listened, user="bob")


def found(engine: Engine, choice: Choice, *, deleted: bool = False) -> set[UUID]:
    with snapshot(engine) as session:
        plays = corrections.find(session.connection(), ada(engine), choice, deleted=deleted)
    assert all(play.is_deleted is deleted for play in plays)
    return {play.id for play in plays}


CHOICES = [
    (Choice(), {FIRST, SECOND, THIRD, FOURTH}),
    (Choice(ids=[FIRST, FOURTH, UUID(event_id(99))]), {FIRST, FOURTH}),
    # By the offset of the play, and else by the user's timezone: 06:00 in Tokyo is the next day.
    (Choice(day=date(2021, 4, 22)), {SECOND}),
    (Choice(day=date(2021, 4, 23)), {FIRST, THIRD, FOURTH}),
    (Choice(artist="TOOL"), {FIRST, SECOND, THIRD}),
    (Choice(title="schism "), {SECOND, THIRD}),
    (Choice(artist="tool", title="SCHISM"), {SECOND, THIRD}),
    (Choice(artist="The xx", title="Schism"), set()),
    (Choice(source="a"), {FIRST, THIRD}),
    (Choice(import_id="one"), {FIRST, THIRD}),
    (Choice(import_id="one", day=date(2021, 4, 22)), set()),
    (Choice(import_id="1"), set()),
]


@pytest.mark.parametrize(("choice", "wanted"), CHOICES, ids=str)
def test_plays_are_found_whether_they_count_or_not(listened: Engine, choice: Choice, wanted: set[UUID]) -> None:
    record(listened, preference(key="timezone", value="Asia/Tokyo"))
    assert found(listened, choice) == wanted
    assert found(listened, choice, deleted=True) == set()
    corrections.delete(listened, ada(listened), [FIRST, SECOND, THIRD, FOURTH])
    assert found(listened, choice) == set()
    assert found(listened, choice, deleted=True) == wanted


def test_plays_are_listed_in_order_and_no_more_than_asked(listened: Engine) -> None:
    corrections.edit(listened, ada(listened), FOURTH, Changes(ms_played=5), now=NOW)
    with snapshot(listened) as session:
        first, second = corrections.find(session.connection(), ada(listened), Choice(), most=2)
        *_, last = corrections.find(session.connection(), ada(listened), Choice())
    assert (first.id, second.id, last.id) == (SECOND, FIRST, FOURTH)
    assert (first.time.isoformat(), first.is_edited) == ("2021-04-22T21:00:00+02:00", False)
    assert (last.ms_played, last.is_edited, last.song.artist, last.import_id) == (5, True, "The xx", None)


def test_imports_are_listed_with_what_is_left_of_them(listened: Engine) -> None:
    corrections.delete(listened, ada(listened), [FIRST])
    record(listened, play(id=event_id(9), time="2021-04-25T10:00:00Z", context={"import": "two"}))
    with transaction(listened) as session:
        session.execute(update(PlayHistory).where(PlayHistory.id == UUID(event_id(9))).values(created_at=NOW))
    with snapshot(listened) as session:
        imports = corrections.imports(session.connection(), ada(listened))
    assert {(each.import_id, each.plays, each.deleted) for each in imports} == {("one", 1, 1), ("two", 1, 0)}
    assert next(each.since for each in imports if each.import_id == "two") == NOW


def test_deleting_the_user_or_the_song_deletes_what_was_corrected(listened: Engine) -> None:
    corrections.delete(listened, ada(listened), [FIRST, FOURTH])
    with transaction(listened) as session:
        session.execute(delete(Song).where(Song.title == "Intro"))
        assert session.scalars(select(CorrectedPlay.id)).all() == [FIRST]
        session.execute(delete(User).where(User.username == "ada"))
        assert session.scalars(select(CorrectedPlay.id)).all() == []
