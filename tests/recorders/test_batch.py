import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from itertools import permutations
from typing import Any, TypeVar

import pytest
from sqlalchemy import Engine, delete, event, select, update

from tests.support.events import CANARY, Fields, accepted, event_id, favorite, play, preference, song
from tests.support.strategies import undone
from worker.books import Outcome
from worker.contract.events import local_days, parse_moment
from worker.database.engine import snapshot, transaction
from worker.errors import InvalidEventError, Reason, RowRefusedError
from worker.models import Base, DeadLetter, Favorite, PlayHistory, Preference, Song, StaleDay, TimestampMixin, User
from worker.recorders.batch import Recorded, record_batch
from worker.recorders.dead_letters import Letter, bury
from worker.recorders.known import BoundedCache, Known

Entity = TypeVar("Entity", bound=Base)

RECORDED, DUPLICATE, DEAD = Outcome.RECORDED, Outcome.DUPLICATE, Outcome.DEAD


def record(
    engine: Engine,
    *events: Fields,
    letters: Sequence[Letter] = (),
    known: Known | None = None,
    create_users: bool = True,
) -> Recorded:
    """Record the events as one batch in one transaction."""
    with transaction(engine) as session:
        return record_batch(
            session.connection(), accepted(*events), letters, known=known or Known(), create_users=create_users
        )


def outcomes(engine: Engine, *events: Fields, **options: Any) -> list[Outcome]:
    by_entry = record(engine, *events, **options).outcomes
    return [by_entry[f"{number}-0"] for number in range(1, len(events) + 1)]


def rows(engine: Engine, entity: type[Entity]) -> list[Entity]:
    with snapshot(engine) as session:
        return list(session.scalars(select(entity)))


def count(engine: Engine, entity: type[Base]) -> int:
    return len(rows(engine, entity))


# --- Plays --------------------------------------------------------------------------------------


def test_a_play_keeps_all_its_fields(engine: Engine) -> None:
    record(
        engine,
        play(
            id=event_id(1),
            time="2021-04-22T11:10:53.5+05:30",
            ms_played=181_200,
            source="mpd/0.23",
            context={"shuffle": True, "ü": ["\u2028", None]},
        ),
    )
    (row,) = rows(engine, PlayHistory)
    assert str(row.id) == event_id(1)
    assert (row.played_at, row.utc_offset_minutes) == (datetime(2021, 4, 22, 5, 40, 53, 500_000, tzinfo=UTC), 330)
    assert (row.ms_played, row.source) == (181_200, "mpd/0.23")
    assert row.context == {"shuffle": True, "ü": ["\u2028", None]}


@pytest.mark.parametrize("together", [True, False], ids=["one-batch", "two-batches"])
def test_i35_the_same_event_twice_is_stored_once(engine: Engine, together: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    twice = [play(id=event_id(1)), play(id=event_id(1))]
    said = outcomes(engine, *twice) if together else [outcomes(engine, one)[0] for one in twice]
    assert said == [RECORDED, DUPLICATE]
    assert count(engine, PlayHistory) == 1


def test_i35_an_event_without_an_id_is_stored_once_too(engine: Engine) -> None:
    assert outcomes(engine, play(), play(ms_played=5), play(song=song(album="Lateralus"))).count(RECORDED) == 1
    assert outcomes(engine, play(time="2021-04-22T11:10:53+05:30")) == [DUPLICATE]


def test_i36_of_two_plays_with_one_id_the_first_one_stands(engine: Engine) -> None:
    record(engine, play(id=event_id(1), ms_played=1))
    assert outcomes(engine, play(id=event_id(1), ms_played=2)) == [DUPLICATE]
    assert outcomes(engine, play(id=event_id(1), ms_played=2, time="2021-05-01T00:00:00Z")) == [DEAD]
    (row,) = rows(engine, PlayHistory)
    assert (row.ms_played, row.played_at.month) == (1, 4)


def test_a_play_published_twice_under_two_ids_is_one_row(engine: Engine) -> None:
    assert outcomes(engine, play(id=event_id(1)), play(id=event_id(2))).count(RECORDED) == 1
    assert outcomes(engine, play(id=event_id(3), song=song(title="PARABOLA", album="x"))) == [DUPLICATE]
    assert count(engine, PlayHistory) == 1


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(play(user="bob"), id="user"),
        pytest.param(play(time="2021-04-22T05:40:53.000001Z"), id="moment"),
        pytest.param(play(song=song(title="Schism")), id="song"),
    ],
)
def test_another_play_is_another_row(engine: Engine, other: Fields) -> None:
    assert outcomes(engine, play(), other) == [RECORDED, RECORDED]
    assert count(engine, PlayHistory) == 2


def test_i25_text_that_looks_like_sql_is_stored_literally(engine: Engine) -> None:
    title = "'; DROP TABLE songs; -- %s :rows $1 {rows} {0!r} \\u0041 \r\n\x1b[31m\u2028 =cmd|' /C calc'!A0 <b>"
    record(engine, play(song={"title": title, "artist": title, "album": title}, source=title[:90], user=title[:60]))
    (row,) = rows(engine, Song)
    assert {row.title, row.artist, row.album} == {title}
    assert rows(engine, User)[0].username == title[:60]


def test_i39_a_hot_song_is_one_row_and_each_play_is_kept(engine: Engine) -> None:
    many = [play(time=f"2021-04-22T05:{number // 60:02}:{number % 60:02}Z") for number in range(2_000)]
    assert outcomes(engine, *many).count(RECORDED) == 2_000
    assert (count(engine, User), count(engine, Song), count(engine, PlayHistory)) == (1, 1, 2_000)


# --- Songs --------------------------------------------------------------------------------------


def test_metadata_fills_gaps(engine: Engine) -> None:
    record(engine, play())
    record(engine, play(song=song(album="Lateralus", duration_ms=183_000, ids={"isrc": "US1"})))
    record(engine, favorite(song=song(ids={"mbid": "m"})))
    (row,) = rows(engine, Song)
    assert (row.album, row.duration_ms, row.attributes) == ("Lateralus", 183_000, {"isrc": "US1", "mbid": "m"})


@pytest.mark.parametrize("together", [True, False], ids=["one-batch", "two-batches"])
def test_metadata_never_overwrites(engine: Engine, together: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    first = play(song=song(album="Lateralus", duration_ms=183_000, ids={"isrc": "US1"}))
    second = play(song={"title": "PARABOLA", "artist": "TOOL", "album": "x", "duration_ms": 1, "ids": {"isrc": "x"}})
    for batch in [[first, second]] if together else [[first], [second]]:
        record(engine, *batch)
    (row,) = rows(engine, Song)
    assert (row.title, row.artist, row.album) == ("Parabola", "Tool", "Lateralus")
    assert (row.duration_ms, row.attributes) == (183_000, {"isrc": "US1"})


@pytest.mark.parametrize("gap", ["album", "duration_ms", "ids"])
def test_filling_one_gap_overwrites_nothing_else(engine: Engine, gap: str) -> None:
    first = song(album="Lateralus", duration_ms=183_000, ids={"isrc": "US1"})
    first.pop(gap)
    record(engine, play(song=first))
    record(engine, play(song=song(album="x", duration_ms=1, ids={"isrc": "x", "mbid": "m"})))
    (row,) = rows(engine, Song)
    assert row.album == ("x" if gap == "album" else "Lateralus")
    assert row.duration_ms == (1 if gap == "duration_ms" else 183_000)
    assert row.attributes == {"isrc": "x" if gap == "ids" else "US1", "mbid": "m"}


def test_metadata_fills_gaps_of_a_cached_song(engine: Engine) -> None:
    known = Known()
    known.remember(record(engine, play(), known=known))
    known.remember(record(engine, play(song=song(album="Lateralus")), known=known))
    known.remember(record(engine, play(song=song(ids={"isrc": "US1"})), known=known))
    (row,) = rows(engine, Song)
    assert (row.album, row.attributes) == ("Lateralus", {"isrc": "US1"})


def test_a_song_that_is_deleted_while_its_gaps_are_filled_is_left_to_be_filed(engine: Engine) -> None:
    """Only songs that were not found are compared with their twins."""
    record(engine, play(song=song(album=...)))

    def delete_first(*arguments: Any) -> None:
        connection, _, statement, *_ = arguments
        if "INSERT INTO songs" in statement:
            connection.execute(delete(Song))

    event.listen(engine, "before_cursor_execute", delete_first)
    record(engine, play(time="2021-04-23T05:40:53Z", song=song(album="10,000 Days")))
    event.remove(engine, "before_cursor_execute", delete_first)
    (again,) = rows(engine, Song)
    assert (again.album, again.is_filed) == ("10,000 Days", False)


def test_an_album_is_no_part_of_a_songs_identity(engine: Engine) -> None:
    record(
        engine,
        play(song=song(album="Lateralus")),
        play(song=song(album="Salival", duration_ms=5), time="2021-05-01T00:00:00Z"),
        favorite(song=song()),
    )
    assert count(engine, Song) == 1


def test_an_empty_album_is_a_gap(engine: Engine) -> None:
    record(engine, play(song=song(album=" ")))
    record(engine, play(song=song(album="Lateralus")))
    assert rows(engine, Song)[0].album == "Lateralus"


def test_i24_two_spellings_of_a_title_and_a_user_are_one_of_each(engine: Engine) -> None:
    said = outcomes(
        engine,
        play(user="Zoe\u0308", song=song(title="Beyonce\u0301")),
        play(user="Zo\u00eb", song=song(title="BEYONC\u00c9")),
    )
    assert sorted(said) == [DUPLICATE, RECORDED]
    assert (count(engine, User), count(engine, Song)) == (1, 1)


# --- Favorites and preferences ------------------------------------------------------------------


def minute(number: int) -> str:
    return f"2021-04-22T05:{number:02}:00Z"


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
@pytest.mark.parametrize("together", [True, False], ids=["one-batch", "three-batches"])
def test_i37_add_remove_add_in_any_order_leaves_the_last_one(
    engine: Engine,
    order: tuple[int, ...],
    together: bool,  # noqa: FBT001 -- a parameter of the test
) -> None:
    words = [favorite(time=minute(number), favorite=number != 1) for number in range(3)]
    arriving = [words[number] for number in order]
    for batch in [arriving] if together else [[word] for word in arriving]:
        record(engine, *batch)
    (row,) = rows(engine, Favorite)
    assert (row.is_favorite, row.said_at.minute) == (True, 2)


@pytest.mark.parametrize("order", [(1, 2), (2, 1)], ids=str)
@pytest.mark.parametrize("together", [True, False], ids=["one-batch", "two-batches"])
def test_i37_two_claims_of_one_moment_keep_the_greater_id(
    engine: Engine,
    order: tuple[int, ...],
    together: bool,  # noqa: FBT001 -- a parameter of the test
) -> None:
    favorites = [favorite(id=event_id(number), favorite=number == 1) for number in order]
    preferences = [preference(id=event_id(number), value=number) for number in order]
    batches = [favorites + preferences] if together else [[word] for word in favorites + preferences]
    for batch in batches:
        record(engine, *batch)
    assert [row.is_favorite for row in rows(engine, Favorite)] == [False]
    assert [row.value for row in rows(engine, Preference)] == [2]


def test_i38_removing_an_absent_favorite_leaves_a_tombstone(engine: Engine) -> None:
    assert outcomes(engine, favorite(time=minute(5), favorite=False)) == [RECORDED]
    assert outcomes(engine, favorite(time=minute(4), favorite=True)) == [DUPLICATE]
    (row,) = rows(engine, Favorite)
    assert (row.is_favorite, row.said_at.minute) == (False, 5)


def test_an_older_value_does_not_restore_a_cleared_preference(engine: Engine) -> None:
    record(engine, preference(time=minute(5), value=None))
    record(engine, preference(time=minute(4), value="calm"))
    assert [row.value for row in rows(engine, Preference)] == [None]
    record(engine, preference(time=minute(6), value="wild"))
    assert [row.value for row in rows(engine, Preference)] == ["wild"]


@pytest.mark.parametrize("value", [None, "null", "calm", 0, 1.5, False, {"now": ["ü", None]}, [], {}])
def test_a_preference_keeps_any_json(engine: Engine, value: Any) -> None:
    record(engine, preference(value=value))
    (row,) = rows(engine, Preference)
    assert (row.value, type(row.value)) == (value, type(value))


def test_i36_two_claims_of_one_id_and_moment_keep_the_first(engine: Engine) -> None:
    record(engine, favorite(id=event_id(1), favorite=True), preference(id=event_id(2), value="calm"))
    again = outcomes(engine, favorite(id=event_id(1), favorite=False), preference(id=event_id(2), value="wild"))
    assert again == [DUPLICATE, DUPLICATE]
    assert rows(engine, Favorite)[0].is_favorite
    assert rows(engine, Preference)[0].value == "calm"


def test_claims_of_different_keys_are_all_recorded(engine: Engine) -> None:
    different = [
        favorite(),
        favorite(user="bob"),
        favorite(song=song(title="Schism")),
        preference(),
        preference(user="bob"),
        preference(key="weather"),
    ]
    assert outcomes(engine, *different) == [RECORDED] * 6
    assert (count(engine, Favorite), count(engine, Preference)) == (3, 3)


def test_the_database_itself_refuses_an_older_claim(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    record(engine, favorite(time=minute(5)), preference(time=minute(5), value="calm"))
    # Another worker may write between the look at what is in force and the upsert: as if nothing had been there yet.
    nothing = type("Blind", (), {"run": staticmethod(lambda *_: [])})
    monkeypatch.setattr("worker.recorders.favorites._CURRENT", nothing)
    monkeypatch.setattr("worker.recorders.preferences._CURRENT", nothing)
    record(engine, favorite(time=minute(4), favorite=False), preference(time=minute(4), value="wild"))
    assert rows(engine, Favorite)[0].is_favorite
    assert rows(engine, Preference)[0].value == "calm"


# --- Users --------------------------------------------------------------------------------------


def test_i22_an_unknown_user_is_a_dead_letter_if_not_created(engine: Engine) -> None:
    record(engine, play(user="ada"))
    said = outcomes(engine, play(user="eve"), favorite(user="ada"), preference(user="eve"), create_users=False)
    assert said == [DEAD, RECORDED, DEAD]
    letters = rows(engine, DeadLetter)
    assert {(letter.entry_id, letter.reason) for letter in letters} == {
        ("1-0", "unknown_user"),
        ("3-0", "unknown_user"),
    }
    assert b'"eve"' in letters[0].payload
    assert [user.username for user in rows(engine, User)] == ["ada"]


def test_a_refused_users_songs_are_not_created(engine: Engine) -> None:
    record(engine, play(user="eve"), create_users=False)
    assert count(engine, Song) == 0


def test_a_rolled_back_batch_caches_nothing(engine: Engine) -> None:
    known = Known()
    with undone(engine) as connection:
        assert record_batch(connection, accepted(play()), known=known).users.keys() == {"ada"}
    assert known.users.get("ada") is None
    assert outcomes(engine, play(), known=known) == [RECORDED]
    assert count(engine, User) == 1


def test_cached_users_and_songs_are_not_reported_as_new(engine: Engine) -> None:
    known = Known()
    known.remember(record(engine, play(), known=known))
    again = record(engine, play(time="2021-05-01T00:00:00Z"), known=known)
    assert (again.users, again.songs) == ({}, {})
    assert count(engine, PlayHistory) == 2


@pytest.mark.parametrize("entity", [User, Song])
def test_a_deleted_cached_row_refuses_the_batch_until_forget(engine: Engine, entity: type[Base]) -> None:
    known = Known()
    known.remember(record(engine, play(), known=known))
    with transaction(engine) as session:
        session.execute(delete(entity))
    with pytest.raises(RowRefusedError):
        record(engine, play(), known=known)
    known.forget()
    assert outcomes(engine, play(), known=known) == [RECORDED]


# --- BoundedCache -------------------------------------------------------------------------------------


def test_a_cache_holds_only_remembered_values() -> None:
    memory = BoundedCache[str, int]()
    assert memory.get("ada") is None
    memory.remember({"ada": 1})
    assert memory.get("ada") == 1
    memory.forget()
    assert memory.get("ada") is None


def test_a_cache_over_its_bound_keeps_the_newer_half() -> None:
    memory = BoundedCache[int, int](max_entries=10)
    memory.remember({number: number for number in range(10)})
    assert memory.get(0) == 0
    memory.remember({10: 10})
    assert [number for number in range(11) if memory.get(number) is not None] == [6, 7, 8, 9, 10]


# --- Stale days ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("time", "days"),
    [
        ("2021-04-22T23:30:00+05:30", {22}),
        ("2021-04-22T00:10:00+05:30", {22}),
        ("2021-04-22T23:30:00-08:00", {22}),
        ("2021-04-22T23:30:00+00:00", {22}),
        ("2021-04-22T09:59:59Z", {21, 22}),
        ("2021-04-22T10:00:00Z", {21, 22, 23}),
        ("2021-04-22T11:59:59Z", {21, 22, 23}),
        ("2021-04-22T12:00:00Z", {22, 23}),
        ("2021-04-22T23:30:00-00:00", {22, 23}),
    ],
)
def test_local_days_are_all_days_that_a_play_may_be_on(time: str, days: set[int]) -> None:
    moment = parse_moment(time)
    assert set(local_days(moment.at, moment.offset_minutes)) == {date(2021, 4, day) for day in days}


def test_the_local_day_of_a_new_play_is_marked(engine: Engine) -> None:
    record(engine, play(time="2021-04-22T23:30:00-08:00"), play(user="bob", time="2021-04-23T00:30:00+05:30"))
    with snapshot(engine) as session:
        marks = session.execute(select(User.username, StaleDay.day).join(User, User.id == StaleDay.user_id)).all()
    assert sorted((name, day.day) for name, day in marks) == [("ada", 22), ("bob", 23)]


def test_a_play_without_an_offset_marks_every_possible_day(engine: Engine) -> None:
    record(engine, play(time="2021-04-22T11:00:00Z"))
    assert sorted(row.day.day for row in rows(engine, StaleDay)) == [21, 22, 23]


def test_each_batch_marks_a_day_once(engine: Engine) -> None:
    record(engine, *(play(time=f"2021-04-22T05:{number:02}:00+00:00") for number in range(30)))
    assert count(engine, StaleDay) == 1
    record(engine, play(time="2021-04-22T06:00:00+00:00"))
    assert count(engine, StaleDay) == 2


def test_only_a_new_play_marks_a_day(engine: Engine) -> None:
    record(engine, play(), favorite(), preference())
    before = count(engine, StaleDay)
    record(engine, play(), favorite(time=minute(50)), preference(time=minute(50)))
    assert count(engine, StaleDay) == before


# --- Dead letters -------------------------------------------------------------------------------


def letter(detail: str = "time: must be", payload: bytes = b"{", entry_id: str = "7-0") -> Letter:
    return Letter(entry_id, payload, InvalidEventError(Reason.INVALID_VALUE, detail))


def buried(engine: Engine, *letters: Letter) -> DeadLetter:
    with transaction(engine) as session:
        bury(session.connection(), letters)
    (row,) = rows(engine, DeadLetter)
    return row


def test_a_dead_letter_is_kept_beside_the_events_of_its_batch(engine: Engine) -> None:
    recorded = record(engine, play(), letters=[letter(payload=b"\xff\x00{")])
    assert recorded.outcomes == {"1-0": RECORDED, "7-0": DEAD}
    (row,) = rows(engine, DeadLetter)
    assert (row.entry_id, row.reason, row.detail) == ("7-0", "invalid_value", "time: must be")
    assert (row.payload, row.attempts) == (b"\xff\x00{", 1)


def test_f5_a_dead_letter_buried_twice_stays_as_it_first_was(engine: Engine) -> None:
    buried(engine, letter("first"))
    assert buried(engine, letter("second")).detail == "first"
    assert buried(engine, letter("third"), letter("fourth")).detail == "first"


@pytest.mark.parametrize("detail", ["a\0b", "a\r\nb\x1b[31m\u2028", "\ud800"], ids=["I10-nul", "I26", "I11"])
def test_any_detail_is_kept_on_one_printable_line(engine: Engine, detail: str) -> None:
    assert buried(engine, letter(detail)).detail.isprintable()


def test_i16_an_oversized_payload_is_cut_off_with_a_digest(engine: Engine) -> None:
    payload = b"x" * 1_000_000
    row = buried(engine, letter("too large", payload=payload))
    assert row.payload == payload[:16_384]
    assert row.detail == f"too large; sha256 {hashlib.sha256(payload).hexdigest()}"


def test_a_long_detail_is_cut(engine: Engine) -> None:
    assert buried(engine, letter("x" * 10_000)).detail == "x" * 500


# --- Cost and discretion ------------------------------------------------------------------------


def statements(engine: Engine, work: Callable[[], object]) -> int:
    seen: list[str] = []

    def listener(*arguments: Any) -> None:
        seen.append(arguments[2])

    event.listen(engine, "before_cursor_execute", listener)
    work()
    event.remove(engine, "before_cursor_execute", listener)
    return len(seen)


def test_the_number_of_statements_does_not_grow_with_the_batch(engine: Engine) -> None:
    def batch(size: int, year: int) -> list[Fields]:
        numbers = range(size)
        plays = [
            play(user=f"{year} {number}", song=song(title=f"{year} {number}", album="x", artists=["a", "b"]))
            for number in numbers
        ]
        words = [favorite(user=f"{year} {number}") for number in numbers]
        return plays + words + [preference(user=f"{year} {number}") for number in numbers]

    few = statements(engine, lambda: record(engine, *batch(2, 2021)))
    many = statements(engine, lambda: record(engine, *batch(200, 2022)))
    assert many == few


def test_the_error_of_a_refused_batch_hides_its_events(engine: Engine) -> None:
    known = Known()
    known.remember(record(engine, play(user=CANARY), known=known))
    with transaction(engine) as session:
        session.execute(delete(User))
    with pytest.raises(RowRefusedError) as caught:
        record(engine, play(user=CANARY, song=song(title=CANARY)), known=known)
    assert CANARY not in str(caught.value)


def changed_at(engine: Engine, *entities: type[TimestampMixin]) -> set[datetime]:
    with snapshot(engine) as session:
        return {at for entity in entities for at in session.scalars(select(entity.updated_at))}


def test_the_time_of_a_change_moves_only_with_a_change(engine: Engine) -> None:
    long_ago = datetime(2002, 1, 1, tzinfo=UTC)
    record(engine, favorite(time=minute(5)), preference(time=minute(5)))
    with transaction(engine) as session:
        for entity in (Favorite, Preference, Song, User):
            session.execute(update(entity).values(updated_at=long_ago))
    record(engine, favorite(time=minute(4)), preference(time=minute(4)))
    assert changed_at(engine, Favorite, Preference, Song, User) == {long_ago}
    record(engine, favorite(time=minute(6), song=song(album="Lateralus")), preference(time=minute(6)))
    assert changed_at(engine, User) == {long_ago}
    assert min(changed_at(engine, Favorite, Preference, Song)) > long_ago
