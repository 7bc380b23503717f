"""After any sequence of plays, deletions, edits and restores, the tables equal those of a model in plain Python."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from tests.support import brute_force
from tests.support.events import NOW, accepted, event, event_id, play, song
from tests.support.rollup_rows import RULE, assert_exact, emptied, rollups_of_everyone, rollups_of_user
from worker.books import Outcome
from worker.database.engine import snapshot, transaction
from worker.errors import PlayNotFoundError, PlayTakenError
from worker.models import CorrectedPlay, PlayHistory, Song, User
from worker.operations import corrections
from worker.operations.corrections import Changes
from worker.recorders.batch import record_batch
from worker.recorders.known import Known
from worker.statistics.rollups.sweep import refresh
from worker.statistics.verify import verify

USERS = ("ada", "bob")
TIMES = ("2021-04-22T23:30:00Z", "2021-04-22T23:30:00.5Z", "2021-04-23T00:30:00+02:00")
TITLES = ("a", "b", "c")
NUMBERS = st.integers(1, 6)
PLAYS = st.builds(
    lambda number, user, time, title, ms: play(
        id=event_id(number), user=user, time=time, song=song(title=title), ms_played=ms
    ),
    NUMBERS,
    st.sampled_from(USERS),
    st.sampled_from(TIMES),
    st.sampled_from(TITLES),
    st.sampled_from((1_000, 60_000)),
)
CHANGES = st.builds(
    Changes,
    time=st.sampled_from((None, *TIMES)),
    title=st.sampled_from((None, *TITLES)),
    ms_played=st.sampled_from((None, 2_000, 70_000)),
)
OF_PLAY = st.tuples(st.sampled_from(USERS), NUMBERS)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("record"), st.lists(PLAYS, min_size=1, max_size=4)),
        st.tuples(st.just("record"), st.lists(PLAYS, min_size=1, max_size=4)),
        st.tuples(st.just("delete"), OF_PLAY),
        st.tuples(st.just("restore"), OF_PLAY),
        st.tuples(st.just("edit"), st.tuples(OF_PLAY, CHANGES)),
        st.tuples(st.just("refresh"), st.none()),
    ),
    min_size=1,
    max_size=8,
)
Key = tuple[str, str]


@dataclass(frozen=True)
class Version:
    """What a correction can change: instant, title, length."""

    at: Any
    title: str
    ms_played: int | None

    @property
    def place(self) -> tuple[Any, str]:
        return self.at, self.title


@dataclass
class Model:
    """Each play by user and id: its versions, the latest last, where None is a deletion."""

    plays: dict[Key, list[Version | None]] = field(default_factory=dict)

    def record(self, fields: Mapping[str, Any]) -> Outcome:
        told: Any = event(fields)
        new = Version(told.time.at, told.song.title, told.ms_played)
        for (user, _), versions in self.plays.items():
            if user == told.user and any(known and known.place == new.place for known in versions):
                return Outcome.DUPLICATE
        if (told.user, told.id) in self.plays:
            return Outcome.DEAD
        self.plays[told.user, told.id] = [new]
        return Outcome.RECORDED

    def delete(self, key: Key) -> int:
        versions = self.plays.get(key, [None])
        if versions[-1] is None:
            return 0
        versions.append(None)
        return 1

    def restore(self, key: Key) -> int:
        versions = self.plays.get(key, [])
        if len(versions) < 2:
            return 0
        versions.pop()
        return 1

    def edit(self, key: Key, changes: Changes) -> object:
        now = self.plays.get(key, [None])[-1]
        if now is None:
            return PlayNotFoundError
        told: Any = event(play(time=changes.time or TIMES[0]))
        new = Version(
            told.time.at if changes.time else now.at,
            changes.title or now.title,
            changes.ms_played if changes.ms_played is not None else now.ms_played,
        )
        if new == now:
            # The same instant told with another offset is an edit all the same.
            return None
        for other, versions in self.plays.items():
            if other != key and other[0] == key[0] and any(known and known.place == new.place for known in versions):
                return PlayTakenError
        self.plays[key].append(new)
        return True

    @property
    def counting(self) -> dict[Key, Version]:
        return {key: versions[-1] for key, versions in self.plays.items() if versions[-1]}


def counting(engine: Engine) -> dict[Key, Version]:
    with snapshot(engine) as session:
        rows = session.execute(
            select(User.username, PlayHistory.id, PlayHistory.played_at, Song.title, PlayHistory.ms_played)
            .join(User, User.id == PlayHistory.user_id)
            .join(Song, Song.id == PlayHistory.song_id)
        )
        return {(user, str(play_id)): Version(at, title, ms) for user, play_id, at, title, ms in rows}


def recorded(engine: Engine, batch: list[Mapping[str, Any]]) -> list[Outcome]:
    found: list[Outcome] = []
    for fields in batch:
        # One by one, because within a batch it is the order of the keys that counts.
        with transaction(engine) as session:
            found += record_batch(session.connection(), accepted(fields), known=Known()).outcomes.values()
    return found


def user_id(engine: Engine, name: str) -> int:
    with snapshot(engine) as session:
        return session.scalar(select(User.id).where(User.username == name)) or 0


def take(engine: Engine, model: Model, kind: str, what: Any) -> None:
    match kind:
        case "record":
            assert recorded(engine, what) == [model.record(fields) for fields in what]
        case "refresh":
            refresh(engine, RULE)
        case "delete" | "restore":
            user, number = what
            key, whose, ids = (user, event_id(number)), user_id(engine, user), [UUID(event_id(number))]
            if kind == "delete":
                assert corrections.delete(engine, whose, ids) == model.delete(key)
            else:
                restored = corrections.restore(engine, whose, ids)
                assert (restored.restored, restored.taken) == (model.restore(key), 0)
        case "edit":
            (user, number), changes = what
            key, done = (user, event_id(number)), edited(engine, user, number, changes)
            wanted = model.edit(key, changes)
            assert done == wanted or (wanted is None and done in {True, False})
            if wanted is None and done is True:
                # An edit of nothing but the offset: one more version, which equals the one before.
                model.plays[key].append(model.plays[key][-1])


def edited(engine: Engine, user: str, number: int, changes: Changes) -> object:
    try:
        return corrections.edit(engine, user_id(engine, user), UUID(event_id(number)), changes, now=NOW)
    except (PlayNotFoundError, PlayTakenError) as error:
        return type(error)


def assert_answers(engine: Engine) -> None:
    assert verify(engine, RULE).differences == []
    wanted = brute_force.rollups(engine)
    assert rollups_of_everyone(engine) == wanted
    for each in brute_force.users(engine):
        assert rollups_of_user(engine, each) == wanted.of(each)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(STEPS)
def test_what_counts_equals_the_model_after_anything(engine: Engine, steps: list[tuple[str, Any]]) -> None:
    emptied(engine)
    model = Model()
    for kind, what in steps:
        take(engine, model, kind, what)
        assert counting(engine) == model.counting
        assert_answers(engine)
    # An import of all that was ever told changes nothing.
    told = [fields for kind, batch in steps if kind == "record" for fields in batch]
    assert Outcome.RECORDED not in recorded(engine, told)
    assert counting(engine) == model.counting
    # Taken back one by one, the corrections leave what was told.
    while sum(model.restore(key) for key in model.plays):
        for user in USERS:
            corrections.restore(engine, user_id(engine, user), [UUID(event_id(number)) for number in range(1, 7)])
        assert counting(engine) == model.counting
    refresh(engine, RULE)
    assert_exact(engine)
    with snapshot(engine) as session:
        assert session.scalars(select(CorrectedPlay)).all() == []
