"""Merges and splits of artists, in any order with all else, count as the facts say, and are undone exactly.

The facts are names as clients sent them. Which artist a play counts for is worked out anew in plain Python.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from tests.operations.test_merging import file_only, state
from tests.support import brute_force
from tests.support.events import event_id, play, song
from tests.support.rollup_rows import RULE, emptied, record
from worker.contract.identity import album_identity, artist_identity, loose_title
from worker.database.engine import snapshot, transaction
from worker.errors import MergeRefusedError
from worker.models import PlayHistory, Song, Track, User
from worker.operations import corrections
from worker.operations.merging import merge_artists, split_artist
from worker.statistics import By, ListenRule, Period, Subject, UserListening, rank, refresh_charts, span
from worker.statistics.rollups.marks import mark_all
from worker.statistics.rollups.sweep import refresh
from worker.statistics.verify import verify

ALL = span(Period.ALL, date(2021, 4, 22))
NAMES = ("Yusuf", "Yu\u200bsuf", "Cat Stevens", "cat stevens", "C", "A & B")
RULES = (RULE, ListenRule(same_play_s=0))


@dataclass
class Model:
    """Loose names: all that were recorded, what each is merged into, and how that is spelled."""

    known: set[str] = field(default_factory=set)
    into: dict[str, tuple[str, str]] = field(default_factory=dict)
    rule: ListenRule = RULE

    def end(self, name: str) -> str:
        loose = loose_title(name)
        return self.end(self.into[loose][0]) if loose in self.into else loose

    def shown(self, end: str) -> str | None:
        return min((spelled for into, spelled in self.into.values() if into == end), default=None)

    def merge(self, name: str, into: str) -> bool:
        one, other = loose_title(name), loose_title(into)
        if not {one, other} <= self.known or one in self.into or self.end(one) == self.end(other):
            return False
        self.into[one] = (other, into)
        return True


PLAY = st.builds(
    lambda number, artist, artists, album, album_artist, source: play(
        id=event_id(number),
        # Three days apart, because a mark reaches the days beside its own.
        time=f"2021-04-{1 + number // 3 * 3:02}T00:00:{5 * number:02}Z",
        song=song(
            artist=artist,
            title=f"t{number % 2}",
            **({"artists": artists} if artists else {}),
            **({"album": album} if album else {}),
            **({"album_artist": album_artist} if album and album_artist else {}),
        ),
        source=source,
    ),
    st.integers(1, 9),
    st.sampled_from(NAMES),
    st.sampled_from((None, None, ["Yusuf"], ["Cat Stevens", "yusuf"], ["D"])),
    st.sampled_from((None, "Tea", "tea")),
    st.sampled_from((None, None, "Yusuf", "C")),
    st.sampled_from("ab"),
)
NAME = st.sampled_from(NAMES)
PLAYS = st.lists(PLAY, min_size=1, max_size=3)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("record"), PLAYS),
        st.tuples(st.just("merge"), st.tuples(NAME, NAME)),
        st.tuples(st.just("merge"), st.tuples(NAME, NAME)),
        st.tuples(st.just("split"), NAME),
        st.tuples(st.sampled_from(("delete", "restore", "rule", "refresh")), st.none()),
    ),
    min_size=1,
    max_size=6,
)


def user_id(engine: Engine) -> int:
    with snapshot(engine) as session:
        return session.scalars(select(User.id)).one()


def merge_and_back(engine: Engine, model: Model, name: str, into: str) -> None:
    """Merge; take it back, which gives the state before; and merge again, which gives the same as at first."""
    file_only(engine)
    before = state(engine)
    if not model.merge(name, into):
        with pytest.raises(MergeRefusedError):
            merge_artists(engine, name, into)
        assert state(engine) == before
        return
    merge_artists(engine, name, into)
    merged = state(engine)
    split_artist(engine, name)
    assert state(engine) == before
    merge_artists(engine, name, into)
    assert state(engine) == merged


def take(engine: Engine, model: Model, kind: str, what: Any) -> None:
    match kind:
        case "record":
            record(engine, *what)
            for each in what:
                names = [each["song"]["artist"], *each["song"].get("artists", ())]
                model.known |= set(map(loose_title, names))
        case "merge":
            merge_and_back(engine, model, *what)
        case "split" if model.into.pop(loose_title(what), None):
            split_artist(engine, what)
        case "split":
            with pytest.raises(MergeRefusedError):
                split_artist(engine, what)
        case "rule":
            model.rule = RULES[model.rule == RULES[0]]
            with transaction(engine) as session:
                mark_all(session.connection())
        case "refresh":
            refresh(engine, model.rule)
        case _:
            correct(engine, kind)


def correct(engine: Engine, kind: str) -> None:
    with snapshot(engine) as session:
        ids = session.scalars(select(PlayHistory.id).order_by(PlayHistory.id).limit(2)).all()
    if kind == "delete":
        corrections.delete(engine, user_id(engine), ids)
    else:
        with snapshot(engine) as session:
            gone = corrections.find(session.connection(), user_id(engine), corrections.Choice(), deleted=True)
        corrections.restore(engine, user_id(engine), [each.id for each in gone])


def counted(engine: Engine, model: Model) -> tuple[Counter[str], Counter[str], dict[str, str | None]]:
    """Plays of artists and of albums by identity, and how the artist of each album is shown if others count as them."""
    artists, albums, shown = Counter[str](), Counter[str](), dict[str, str | None]()
    with snapshot(engine) as session:
        songs = {each.id: each.artist for each in session.scalars(select(Song))}
        tracks = {each.id: each for each in session.scalars(select(Track))}
    for each in brute_force.local_plays(engine, same_play_s=model.rule.same_play_s):
        track, artist = tracks.get(each.track_id), songs[each.song_id]
        listed = (track and track.artists) or [artist]
        artists.update({artist_identity(model.end(name)) for name in listed})
        if track and track.album:
            # The artist of the song that was sent, and not of the one that it counts as.
            end = model.end(track.album_artist or (track.artists or [songs[track.song_id]])[0])
            identity = album_identity(end, track.album)
            albums[identity] += 1
            shown[identity] = model.shown(end)
    return artists, albums, shown


def assert_counted(engine: Engine, model: Model) -> None:
    artists, albums, shown = counted(engine, model)
    with snapshot(engine) as session:
        listening = UserListening(session.connection(), session.scalars(select(User.id)).one(), model.rule)
        top = {each: rank(listening, each, ALL, most=50, by=By.PLAYS) for each in (Subject.ARTIST, Subject.ALBUM)}
    assert {place.identity.hex: place.plays for place in top[Subject.ARTIST]} == artists
    assert {place.identity.hex: place.plays for place in top[Subject.ALBUM]} == albums
    for place in top[Subject.ALBUM]:
        assert shown[place.identity.hex] in {None, place.artist}
    assert verify(engine, model.rule).differences == []


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(PLAYS, STEPS)
def test_artists_and_albums_in_any_order_count_as_the_facts_say(
    engine_of_module: Engine, first: list[dict[str, Any]], steps: list[tuple[str, Any]]
) -> None:
    engine, model = emptied(engine_of_module), Model()
    take(engine, model, "record", first)
    for kind, what in steps:
        take(engine, model, kind, what)
        file_only(engine)
        assert_counted(engine, model)
    refresh(engine, model.rule)
    refresh_charts(engine, today=date(2021, 4, 22), closed=True)
    assert_counted(engine, model)
    assert verify(engine, model.rule).charts_waiting == 0
