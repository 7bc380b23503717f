import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, delete, func, inspect, select, text
from sqlalchemy.orm import Session

from tests.support.events import event as event_of
from tests.support.events import event_id, play
from worker.contract.events import PlayEvent
from worker.database.engine import snapshot, transaction
from worker.errors import RowRefusedError
from worker.models import Base, DeadLetter, Favorite, PlayHistory, Preference, Song, StaleDay, User
from worker.models.base import NAMING_CONVENTION

AT = datetime(2021, 4, 22, 5, 40, 53, 123456, tzinfo=UTC)
# Higher than any id that the databases assign in these tests.
ADA, BOB, PARABOLA, SCHISM = range(101, 105)


def play_row(number: int, **changes: Any) -> PlayHistory:
    columns = {"id": UUID(event_id(number)), "user_id": ADA, "song_id": PARABOLA, "played_at": AT}
    return PlayHistory(**columns | changes)


def favorite_row(**changes: Any) -> Favorite:
    columns = {"user_id": ADA, "song_id": PARABOLA, "said_at": AT, "event_id": UUID(event_id(1)), "is_favorite": True}
    return Favorite(**columns | changes)


def preference_row(**changes: Any) -> Preference:
    columns = {"user_id": ADA, "key": "mood", "said_at": AT, "event_id": UUID(event_id(1)), "value": "calm"}
    return Preference(**columns | changes)


def letter_row(**changes: Any) -> DeadLetter:
    return DeadLetter(**{"entry_id": "1-0", "reason": "invalid_json", "detail": "d", "payload": b"{"} | changes)


def stale_day() -> StaleDay:
    return StaleDay(user_id=ADA, day=date(2021, 4, 22), mark=UUID(int=1))


def save(engine: Engine, *rows: Base) -> None:
    with transaction(engine) as session:
        for row in rows:
            row.save(session)


def count(engine: Engine, entity: type[Base]) -> int | None:
    with snapshot(engine) as session:
        return session.scalar(select(func.count()).select_from(entity))


@pytest.fixture
def with_user_and_song(engine: Engine) -> Engine:
    save(engine, User(id=ADA, username="ada"), Song(id=PARABOLA, identity=UUID(int=1), artist="Tool", title="Parabola"))
    return engine


def test_save_gives_the_row_its_key_and_returns_it(engine: Engine) -> None:
    with transaction(engine) as session:
        user = User(username="ada")
        assert user.save(session) is user
        assert session.scalar(select(User.username).where(User.id == user.id)) == "ada"


def test_save_does_not_commit(engine: Engine) -> None:
    with transaction(engine) as session:
        User(username="ada").save(session)
        assert count(engine, User) == 0
        session.rollback()
    assert count(engine, User) == 0


def test_a_user_has_sensible_defaults(engine: Engine) -> None:
    save(engine, User(username="ada"))
    with snapshot(engine) as session:
        user = session.scalars(select(User)).one()
    assert (user.is_active, user.email, user.moods) == (True, None, None)


def test_timestamps_are_set_by_the_database_and_aware(engine: Engine) -> None:
    save(engine, User(username="ada"))
    with snapshot(engine) as session:
        user = session.scalars(select(User)).one()
    for at in (user.created_at, user.updated_at):
        assert at.tzinfo is UTC
        assert abs(datetime.now(UTC) - at) < timedelta(minutes=5)


def test_a_change_moves_updated_at_and_leaves_created_at(engine: Engine) -> None:
    save(engine, User(username="ada", created_at=AT, updated_at=AT))
    with transaction(engine) as session:
        session.scalars(select(User)).one().is_active = False
    with snapshot(engine) as session:
        user = session.scalars(select(User)).one()
    assert user.created_at == AT
    assert user.updated_at > AT


@pytest.mark.parametrize("offset_hours", [-11, 0, 5.5, 14])
def test_an_instant_keeps_its_microseconds_and_comes_back_in_utc(
    with_user_and_song: Engine, offset_hours: float
) -> None:
    local = AT.astimezone(timezone(timedelta(hours=offset_hours)))
    save(with_user_and_song, play_row(1, played_at=local))
    with snapshot(with_user_and_song) as session:
        played_at = session.scalars(select(PlayHistory.played_at)).one()
        found = session.scalar(select(PlayHistory.id).where(PlayHistory.played_at == local))
    assert (played_at, played_at.tzinfo) == (AT, UTC)
    assert found == UUID(event_id(1))


@pytest.mark.parametrize(
    "row",
    [
        lambda naive: play_row(1, played_at=naive),
        lambda naive: favorite_row(said_at=naive),
        lambda naive: preference_row(said_at=naive),
        lambda naive: User(username="bob", created_at=naive),
    ],
    ids=["play", "favorite", "preference", "timestamp"],
)
def test_a_naive_time_is_refused(with_user_and_song: Engine, row: Callable[[datetime], Base]) -> None:
    with pytest.raises(RowRefusedError):
        save(with_user_and_song, row(AT.replace(tzinfo=None)))


TWINS: dict[str, tuple[Base, Base]] = {
    "username": (User(username="bob"), User(username="bob")),
    "email": (User(username="bob", email="b@x"), User(username="eve", email="b@x")),
    "identity": (Song.named("a", "b"), Song.named("A", " b ")),
    "event-id": (play_row(1), play_row(1, played_at=AT + timedelta(days=1))),
    "I35-user-moment-song": (play_row(1), play_row(2)),
    "favorite": (favorite_row(), favorite_row(said_at=AT + timedelta(days=1))),
    "preference": (preference_row(), preference_row(said_at=AT + timedelta(days=1))),
    "entry": (letter_row(), letter_row(detail="x")),
    "mark": (stale_day(), stale_day()),
}


@pytest.mark.parametrize("name", TWINS)
def test_a_second_row_with_the_same_key_is_refused(with_user_and_song: Engine, name: str) -> None:
    first, second = (_copy(row) for row in TWINS[name])
    save(with_user_and_song, first)
    with pytest.raises(RowRefusedError):
        save(with_user_and_song, second)
    assert count(with_user_and_song, type(first)) == 1 + (type(first) in (User, Song))


def _copy(row: Base) -> Base:
    """A copy, because a row belongs to one session, and these tests run on two databases."""
    given = {name: value for name, value in vars(row).items() if not name.startswith("_")}
    return type(row)(**given)


@pytest.mark.parametrize(
    "twin",
    [play_row(2, user_id=BOB), play_row(2, song_id=SCHISM), play_row(2, played_at=AT + timedelta(microseconds=1))],
    ids=["user", "song", "moment"],
)
def test_plays_that_differ_in_one_part_of_the_key_are_two(with_user_and_song: Engine, twin: PlayHistory) -> None:
    save(with_user_and_song, User(id=BOB, username="bob"), Song(id=SCHISM, identity=UUID(int=2), artist="a", title="b"))
    save(with_user_and_song, play_row(1), _copy(twin))
    assert count(with_user_and_song, PlayHistory) == 2


def everything(engine: Engine) -> None:
    save(engine, play_row(1), favorite_row(), preference_row(), stale_day(), letter_row())


@pytest.mark.parametrize(
    ("owner", "owned", "left"),
    [
        (User, (PlayHistory, Favorite, Preference, StaleDay), (Song, DeadLetter)),
        # Deleting it marks the days of its plays as stale, see test_corrections.py.
        (Song, (PlayHistory, Favorite), (User, Preference, DeadLetter)),
    ],
    ids=["user", "song"],
)
def test_deleting_a_row_deletes_only_the_rows_it_owns(
    with_user_and_song: Engine, owner: type[Base], owned: tuple[type[Base], ...], left: tuple[type[Base], ...]
) -> None:
    everything(with_user_and_song)
    with transaction(with_user_and_song) as session:
        session.execute(delete(owner))
    assert [count(with_user_and_song, entity) for entity in owned] == [0] * len(owned)
    assert [count(with_user_and_song, entity) for entity in left] == [1] * len(left)


VALUES = [{}, {"a": {"b": [1, 2.5, None, True]}}, {"ü 🎵": "'; DROP TABLE x; \u2028"}, {"null": None}, {"a": 2**63 - 1}]


@pytest.mark.parametrize("value", VALUES)
def test_json_comes_back_as_it_was_stored(with_user_and_song: Engine, value: dict[str, Any]) -> None:
    save(
        with_user_and_song,
        User(username="bob", moods=value),
        Song.named("a", "b", attributes=value),
        play_row(1, context=value),
        preference_row(value=value),
    )
    with snapshot(with_user_and_song) as session:
        assert session.scalar(select(User.moods).where(User.username == "bob")) == value
        assert session.scalar(select(Song.attributes).where(Song.artist == "a")) == value
        assert session.scalar(select(PlayHistory.context)) == value
        assert session.scalar(select(Preference.value)) == value


@pytest.mark.parametrize("value", ["calm", "null", "", 0, 1.5, False, [], ["ü", None]])
def test_a_preference_may_be_any_json(with_user_and_song: Engine, value: Any) -> None:
    save(with_user_and_song, preference_row(value=value))
    with snapshot(with_user_and_song) as session:
        stored = session.scalars(select(Preference.value)).one()
    assert (stored, type(stored)) == (value, type(value))


def test_a_cleared_preference_is_an_sql_null(with_user_and_song: Engine) -> None:
    save(with_user_and_song, preference_row(value=None), play_row(1, context=None))
    with snapshot(with_user_and_song) as session:
        assert session.scalar(text("SELECT count(*) FROM preferences WHERE value IS NULL")) == 1
        assert session.scalar(text("SELECT count(*) FROM play_history WHERE context IS NULL")) == 1


@pytest.mark.parametrize("entity", [User, Song])
def test_the_number_of_a_deleted_row_is_never_reused(engine: Engine, entity: type[User | Song]) -> None:
    def made(name: str) -> int:
        with transaction(engine) as session:
            row = User(username=name) if entity is User else Song.named(name, name)
            return row.save(session).id

    first = made("a")
    with transaction(engine) as session:
        session.execute(delete(entity))
    assert made("b") > first


def test_a_song_made_by_hand_has_the_identity_of_its_events(engine: Engine) -> None:
    event = event_of(play(song={"title": "PARABOLA ", "artist": "tool", "album": "Lateralus"}))
    assert isinstance(event, PlayEvent)
    save(engine, Song.named("Tool", "Parabola", duration_ms=183_000))
    with snapshot(engine) as session:
        song = session.scalars(select(Song)).one()
    assert song.identity == UUID(event.song.identity)
    assert (song.title, song.duration_ms) == ("Parabola", 183_000)


def test_lazy_loading_of_a_relationship_is_refused(with_user_and_song: Engine) -> None:
    save(with_user_and_song, play_row(1))
    with snapshot(with_user_and_song) as session, pytest.raises(Exception, match="raise_on_sql"):
        _ = session.scalars(select(PlayHistory)).one().user


def _names(session: Session, table: str) -> dict[str, set[str | None]]:
    inspector = inspect(session.connection())
    keys, foreign = inspector.get_pk_constraint(table), inspector.get_foreign_keys(table)
    return {
        "pk": {keys["name"]},
        "fk": {constraint["name"] for constraint in foreign},
        "uq": {constraint["name"] for constraint in inspector.get_unique_constraints(table)},
        "ix": {index["name"] for index in inspector.get_indexes(table) if "duplicates_constraint" not in index},
        "ck": {constraint["name"] for constraint in inspector.get_check_constraints(table)},
    }


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
@pytest.mark.parametrize("table", Base.metadata.tables)
def test_every_constraint_and_index_is_named_by_the_convention(engine: Engine, table: str) -> None:
    with snapshot(engine) as session:
        names = _names(session, table)
    assert names.keys() == NAMING_CONVENTION.keys()
    if engine.dialect.name == "sqlite" and Base.metadata.tables[table].dialect_options["sqlite"]["autoincrement"]:
        assert names.pop("pk") == {None}  # SQLite takes AUTOINCREMENT only inside the column, where no name fits.
    for kind, given in names.items():
        assert all(name is not None and name.startswith(f"{kind}_{table}") for name in given), names
    assert names.get("pk", {f"pk_{table}"}) == {f"pk_{table}"}


MBID = "8f3471b5-7e6a-48da-86a9-c1c07a0f47ae"


def test_songs_are_found_by_their_mbid_in_either_case(engine: Engine) -> None:
    other = MBID.replace("8", "9")
    save(
        engine,
        Song.named("Tool", "Parabola", attributes={"isrc": "US1", "mbid": MBID.upper()}),
        Song.named("TOOL", "Parabola (live)", attributes={"mbid": MBID}),
        Song.named("Tool", "Schism", attributes={"mbid": other}),
        Song.named("Tool", "Lateralus", attributes={"isrc": MBID}),
        Song.named("Tool", "Reflection"),
    )
    with snapshot(engine) as session:
        found = session.scalars(select(Song.title).where(Song.has_mbid(UUID(MBID))).order_by(Song.id)).all()
    assert found == ["Parabola", "Parabola (live)"]


def test_anything_may_stand_where_an_mbid_is_expected(engine: Engine) -> None:
    """PostgreSQL refuses a key of more than 2,704 bytes, and would refuse the song."""
    odd = ["".join(random.Random(1).choices("0123456789abcdef", k=20_000)), 7, None, ["a"], {"b": 1}, "", "🎧" * 36]
    save(engine, *(Song.named("Tool", f"song {n}", attributes={"mbid": value}) for n, value in enumerate(odd)))
    with snapshot(engine) as session:
        assert session.scalar(select(func.count()).select_from(Song)) == len(odd)


def test_a_song_is_found_by_its_mbid_without_reading_the_others(engine: Engine) -> None:
    save(engine, Song.named("Tool", "Parabola", attributes={"mbid": MBID}))
    query = select(Song.id).join(User, User.username != Song.title).where(Song.has_mbid(UUID(MBID)))
    explain = "EXPLAIN" if engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    with transaction(engine) as session:
        sql = str(query.compile(session.connection(), compile_kwargs={"literal_binds": True}))
        plan = "\n".join(str(row) for row in session.execute(text(f"{explain} {sql}")))
    assert "ix_songs_mbid" in plan
