"""Merges and splits: in any order they count as a model in plain Python does, and a split gives the state before."""

import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, func, select, text

from tests.support.events import play, song
from tests.support.rollup_rows import RULE, emptied, record
from worker.contract.identity import loose_title
from worker.database.engine import snapshot, transaction
from worker.errors import MergeRefusedError, SongNotFoundError
from worker.models import Merge, Song, Track, TrackArtist, User
from worker.operations.merging import (
    CatalogueSong,
    Split,
    find_song,
    merge_artists,
    merge_songs,
    song_by_id,
    split_artist,
    split_song,
    suggest,
)
from worker.operations.songs import set_duration, show
from worker.statistics import Period, Subject, UserListening, rank, refresh_charts, span
from worker.statistics.questions.song_days import days_of_song
from worker.statistics.rollups.sweep import refresh
from worker.statistics.verify import verify

ALL = span(Period.ALL, date(2021, 4, 22))
PLAIN, CURLY, ACUTE = "Don't Cry", "Don\u2019t Cry", "Don\u00b4t Cry"
TITLES = (PLAIN, CURLY, ACUTE, "Other", "Oth\u200ber", "Third")


def heard(engine: Engine, *titles: str, start: int = 0) -> None:
    """A play of each title, a minute apart, one recorded after the other."""
    for minute, title in enumerate(titles, start=start):
        record(engine, play(time=f"2021-04-22T{minute // 60:02}:{minute % 60:02}:00Z", song=song(title=title)))


def id_of(engine: Engine, title: str) -> int:
    with snapshot(engine) as session:
        return find_song(session.connection(), "Tool", title).id


def merge(engine: Engine, title: str, into: str) -> None:
    merge_songs(engine, id_of(engine, title), id_of(engine, into))


def split(engine: Engine, title: str) -> Split:
    return split_song(engine, id_of(engine, title))


def top(engine: Engine) -> dict[str | None, int]:
    with snapshot(engine) as session:
        user_id = session.scalars(select(User.id)).one()
        places = rank(UserListening(session.connection(), user_id, RULE), Subject.SONG, ALL, most=50)
    return {place.title: place.plays for place in places}


def state(engine: Engine) -> list[list[Any]]:
    """All that a merge may change."""
    kept = (
        select(Song.id, Song.twin_identity, Song.merged_into_id, Song.counts_as_id, Song.artist_identity).order_by(
            Song.id
        ),
        select(Track.id, Track.album_identity, Track.merged_artist_identity).order_by(Track.id),
        select(TrackArtist.track_id, TrackArtist.position, TrackArtist.name, TrackArtist.artist_identity).order_by(
            TrackArtist.track_id, TrackArtist.position
        ),
        select(Merge.subject, Merge.identity, Merge.into_identity, Merge.counts_as_identity).order_by(Merge.identity),
    )
    with snapshot(engine) as session:
        return [[tuple(row) for row in session.execute(rows)] for rows in kept]


@dataclass
class Model:
    """Titles in the order in which they were recorded, the group of each, and the group that a group is merged into."""

    group: dict[str, str] = field(default_factory=dict)
    into: dict[str, str] = field(default_factory=dict)
    plays: Counter[str] = field(default_factory=Counter)

    def record(self, title: str) -> None:
        self.group.setdefault(title, loose_title(title))
        self.plays[title] += 1

    def end(self, group: str) -> str:
        return self.end(self.into[group]) if group in self.into else group

    def named(self, title: str) -> str | None:
        """What the command finds by a name: this song, else the first that differs in typography alone."""
        if title in self.group:
            return title
        return next((known for known, group in self.group.items() if group == loose_title(title)), None)

    def merge(self, title: str, into: str) -> bool:
        one, other = (self.group[name] for name in (title, into))
        if one in self.into or self.end(one) == self.end(other):
            return False
        self.into[one] = other
        return True

    def split(self, title: str) -> bool:
        group = self.group[title]
        if self.into.pop(group, None) is not None:
            return True
        if self.head(group) == title:
            return False
        self.group[title] = f"{title} apart"
        return True

    def head(self, group: str) -> str:
        """The first title of a group that hides no character, else the first."""
        return min((title for title in self.group if self.group[title] == group), key=lambda title: "\u200b" in title)

    def delete(self, title: str) -> None:
        gone = self.group.pop(title)
        del self.plays[title]
        if gone not in self.group.values():
            self.into = {one: other for one, other in self.into.items() if gone not in {one, other}}

    def counted(self) -> dict[str, int]:
        heads = {group: self.head(group) for group in self.group.values()}
        counted: Counter[str] = Counter()
        for title, plays in self.plays.items():
            counted[heads[self.end(self.group[title])]] += plays
        return dict(counted)


TITLE = st.sampled_from(TITLES)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("record"), st.lists(TITLE, min_size=1, max_size=3)),
        st.tuples(st.just("merge"), st.tuples(TITLE, TITLE)),
        st.tuples(st.just("merge"), st.tuples(TITLE, TITLE)),
        st.tuples(st.just("split"), TITLE),
        st.tuples(st.just("delete"), TITLE),
        st.tuples(st.just("refresh"), st.none()),
    ),
    min_size=1,
    max_size=9,
)


def merge_and_back(engine: Engine, model: Model, title: str, into: str) -> None:
    """Merge; take it back, which gives the state before; and merge again, which gives the same as at first."""
    one, other = map(model.named, (title, into))
    if not one or not other:
        return
    before = state(engine)
    if model.merge(one, other):
        merge(engine, title, into)
        merged = state(engine)
        assert split(engine, title) is Split.MERGE
        assert state(engine) == before
        merge(engine, title, into)
        assert state(engine) == merged
    else:
        with pytest.raises(MergeRefusedError):
            merge(engine, title, into)
        assert state(engine) == before


def split_if_possible(engine: Engine, model: Model, what: str) -> None:
    title = model.named(what)
    if title and model.split(title):
        split(engine, what)
    elif title:
        with pytest.raises(MergeRefusedError):
            split(engine, what)


def delete_song(engine: Engine, model: Model, title: str) -> None:
    if title in model.group:
        model.delete(title)
        with transaction(engine) as session:
            session.execute(delete(Song).where(Song.title == title))
        file_only(engine)


def file_only(engine: Engine) -> None:
    """File songs, and compute no day."""
    refresh(engine, RULE, budget_s=0)


def take(engine: Engine, model: Model, kind: str, what: Any, minute: int) -> None:
    match kind:
        case "record":
            heard(engine, *what, start=minute)
            for title in what:
                model.record(title)
            file_only(engine)
        case "merge":
            merge_and_back(engine, model, *what)
        case "split":
            split_if_possible(engine, model, what)
        case "delete":
            delete_song(engine, model, what)
        case _:
            refresh(engine, RULE)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(STEPS)
def test_merges_and_splits_in_any_order_count_as_the_model_does(
    engine_of_module: Engine, steps: list[tuple[str, Any]]
) -> None:
    engine, model = emptied(engine_of_module), Model()
    heard(engine, "Third")
    model.record("Third")
    for minute, (kind, what) in enumerate(steps, start=1):
        take(engine, model, kind, what, 4 * minute)
        assert top(engine) == model.counted()
        assert verify(engine, RULE).differences == []
    refresh(engine, RULE)
    refresh_charts(engine, today=date(2021, 4, 22), closed=True)
    assert top(engine) == model.counted()
    comparison = verify(engine, RULE)
    assert (comparison.differences, comparison.waiting) == ([], 0)
    with snapshot(engine) as session:
        assert session.scalar(select(func.count()).where(Song.is_filed.is_(False))) == 0


def test_later_spellings_of_a_merged_song_count_for_the_whole(engine: Engine) -> None:
    heard(engine, CURLY, "Other")
    merge(engine, CURLY, "Other")
    heard(engine, PLAIN, "Oth\u200ber", start=2)
    assert top(engine) == {"Other": 4}
    assert split(engine, ACUTE) is Split.MERGE
    assert top(engine) == {CURLY: 2, "Other": 2}


def test_what_is_merged_into_a_song_goes_with_it_and_comes_back(engine: Engine) -> None:
    heard(engine, PLAIN, CURLY, "Other", "Third")
    merge(engine, PLAIN, "Other")
    before = state(engine)
    merge(engine, "Other", "Third")
    assert top(engine) == {"Third": 4}
    assert split(engine, "Other") is Split.MERGE
    assert state(engine) == before
    assert top(engine) == {"Other": 3, "Third": 1}


def test_a_twin_that_is_split_stays_apart_and_can_be_merged_again(engine: Engine) -> None:
    heard(engine, PLAIN, CURLY)
    assert split(engine, CURLY) is Split.TWIN
    heard(engine, CURLY, ACUTE, start=2)
    refresh(engine, RULE)
    assert top(engine) == {PLAIN: 2, CURLY: 2}
    merge(engine, CURLY, PLAIN)
    assert top(engine) == {PLAIN: 4}


def test_twins_show_the_name_that_hides_no_character(engine: Engine) -> None:
    heard(engine, "Oth\u200ber")
    heard(engine, "Other", "Oth\u00ader", start=1)
    refresh(engine, RULE)
    assert top(engine) == {"Other": 3}
    assert verify(engine, RULE).differences == []


@pytest.mark.parametrize("number", range(4))
def test_twins_of_one_batch_show_it_at_once(engine: Engine, number: int) -> None:
    """Whatever the order of their identities is."""
    titles = (f"{number}\u200b", f"{number}", f"\u2060{number}")
    record(
        engine,
        *(play(time=f"2021-04-22T00:0{minute}:00Z", song=song(title=each)) for minute, each in enumerate(titles)),
    )
    assert top(engine) == {f"{number}": 3}


def test_a_twin_that_comes_later_has_the_duration_that_was_set(engine: Engine) -> None:
    heard(engine, PLAIN)
    assert set_duration(engine, "Tool", PLAIN, 100_000) == 1
    heard(engine, CURLY, start=1)
    with transaction(engine) as session:
        session.add(Song(title=ACUTE, artist="Tool"))
    refresh(engine, RULE)
    with snapshot(engine) as session:
        assert session.scalars(select(Song.duration_set_ms)).all() == [100_000] * 3
    assert set_duration(engine, "Tool", ACUTE, None) == 3


def test_a_name_in_another_spelling_finds_the_song(engine: Engine) -> None:
    heard(engine, CURLY)
    with snapshot(engine) as session:
        connection = session.connection()
        assert show(connection, "To\u200bol", PLAIN).title == CURLY
        listening = UserListening(connection, session.scalars(select(User.id)).one(), RULE)
        assert [day.plays for day in days_of_song(listening, "Tool", PLAIN, ALL)] == [1]
    heard(engine, PLAIN, start=1)
    assert split(engine, PLAIN) is Split.TWIN
    with snapshot(engine) as session:
        listening = UserListening(session.connection(), session.scalars(select(User.id)).one(), RULE)
        assert [day.plays for day in days_of_song(listening, "Tool", PLAIN, ALL)] == [1]


def test_a_merge_waits_for_a_batch_that_is_being_recorded(postgres: Engine) -> None:
    """Otherwise a spelling that the batch adds would not be found by the merge, nor find it."""
    heard(postgres, PLAIN, "Other")
    merging = threading.Thread(target=merge, args=(postgres, PLAIN, "Other"))
    with transaction(postgres) as session:
        # As a recorder that has looked for twins just before the merge.
        session.execute(text("UPDATE songs SET updated_at = now() WHERE title = 'Other'"))
        merging.start()
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'ShareRowExclusiveLock'")
        while merging.is_alive() and session.scalar(waiting) == 0:
            merging.join(0.01)
        session.add(Song(title=CURLY, artist="Tool", is_filed=True))
    merging.join()
    with snapshot(postgres) as session:
        other = session.scalars(select(Song.id).where(Song.title == "Other")).one()
        assert session.scalars(select(Song.counts_as_id).where(Song.title != "Other")).all() == [other, other]


def test_recorders_and_merges_at_once_leave_no_song_apart(postgres: Engine) -> None:
    heard(postgres, "Other")

    def many(number: int) -> None:
        for count in range(10):
            heard(postgres, f"Don't {count}", f"Don\u2019t {count}", start=30 * number + count)

    recorders = [threading.Thread(target=many, args=(number,)) for number in range(3)]
    for each in recorders:
        each.start()
    for count in range(10):
        with suppress(MergeRefusedError, SongNotFoundError):
            merge(postgres, f"Don't {count}", "Other")
        refresh(postgres, RULE)
    for each in recorders:
        each.join()
    for count in range(10):
        with suppress(MergeRefusedError):
            merge(postgres, f"Don't {count}", "Other")
    refresh(postgres, RULE)
    with snapshot(postgres) as session:
        other = session.scalars(select(Song.id).where(Song.title == "Other")).one()
        assert set(session.scalars(select(Song.counts_as_id).where(Song.id != other))) == {other}


def test_what_cannot_be_merged_or_split_says_why_and_changes_nothing(engine: Engine) -> None:
    heard(engine, PLAIN, CURLY, "Other", "Third")
    merge(engine, PLAIN, "Other")
    before, known = state(engine), id_of(engine, PLAIN)
    for one, other, why in (
        (CURLY, "Other", "count as one"),
        ("Other", CURLY, "count as one"),
        (CURLY, "Third", "is merged into another one"),
    ):
        with pytest.raises(MergeRefusedError, match=why):
            merge(engine, one, other)
    with pytest.raises(MergeRefusedError, match="counts for itself"):
        split(engine, "Other")
    with snapshot(engine) as session:
        assert song_by_id(session.connection(), known) == CatalogueSong(known, "Tool", PLAIN)
        with pytest.raises(MergeRefusedError, match="no song 9999"):
            song_by_id(session.connection(), 9999)
        with pytest.raises(SongNotFoundError):
            find_song(session.connection(), "Tool", "Nothing")
    with pytest.raises(MergeRefusedError, match="no song 9999"):
        merge_songs(engine, 9999, known)
    assert state(engine) == before


def test_no_merge_is_left_of_a_song_that_is_deleted(engine: Engine) -> None:
    heard(engine, PLAIN, CURLY, "Other", "Third")
    merge(engine, "Third", PLAIN)
    merge(engine, PLAIN, "Other")
    for title, left in ((PLAIN, 2), (CURLY, 0)):
        with transaction(engine) as session:
            session.execute(delete(Song).where(Song.title == title))
        refresh(engine, RULE)
        with snapshot(engine) as session:
            assert session.scalar(select(func.count()).select_from(Merge)) == left
    assert top(engine) == {"Other": 1, "Third": 1}


SUGGESTED = {
    ("Tool", "Schism (Remastered 2011)"): "an edition in brackets",
    ("Tool", "Schism [feat. Ada]"): "a guest",
    ("Tool", "Schism - 2011 Remaster"): "an edition at the end",
    ("Tool feat. Ada", "Schism"): "a guest",
    ("Tool", "Schism!"): "punctuation",
    ("T\u00f6ol", "Schism"): "accents",
}
NOT_SUGGESTED = (
    ("Tool", "Schism (Live)"), ("Tool", "Schism (Ada Remix)"), ("Puscifer", "Schism"), ("Tool", "Movement, Part I"),
    ("Tool", "Movement, Part II"), ("Tool", "Movement 1"), ("Tool", "Movement 2"), ("Tool", "Sober"),
    ("Tool", "Sobers"), ("Tool", "(Live)"), ("Tool", "\u2764"), ("Tool", "\u266b"),
)  # fmt: skip


def test_suggestions_are_alike_beyond_the_automatic_rule_and_say_why(engine: Engine) -> None:
    names = [("Tool", "Schism"), *SUGGESTED, *NOT_SUGGESTED, ("Tool", "The Grudge"), ("Tool", "The Grugde")]
    with transaction(engine) as session:
        session.add_all([Song.named(artist, title) for artist, title in names])
    with snapshot(engine) as session:
        found = suggest(session.connection(), most=50)
        assert suggest(session.connection(), most=1) == found[:1]
        assert suggest(session.connection(), most=50, artist="tool ft. Bob") == found
        assert suggest(session.connection(), most=50, artist="Puscifer") == []
    why = {(each.artist, each.title): each.why for each in found}
    assert why.pop(("Tool", "The Grugde")) == "the titles are nearly the same"
    assert {each.into_title for each in found} == {"Schism", "The Grudge"}
    assert why.keys() == SUGGESTED.keys()
    for name, reason in SUGGESTED.items():
        assert reason in why[name]


def test_merged_songs_are_suggested_no_more(engine: Engine) -> None:
    heard(engine, "Schism", "Schism!")
    merge(engine, "Schism!", "Schism")
    with snapshot(engine) as session:
        assert suggest(session.connection(), most=5) == []
        assert find_song(session.connection(), "tool", "schism!").title == "Schism!"


# --- Artists --------------------------------------------------------------------------------------


def track(minute: int, artist: str, **facts: Any) -> dict[str, Any]:
    return play(time=f"2021-04-22T00:{minute:02}:00Z", song=song(artist=artist, **facts))


ARTISTS_HEARD = (
    track(0, "Yusuf", title="a", album="Tea"),
    track(1, "Cat Stevens", title="b", album="tea"),
    track(2, "A & B", title="c", album="Tea", artists=["Cat Stevens", "yusuf"]),
    track(3, "C", title="d", album="Tea", album_artist="Yusuf"),
    track(4, "C", title="e"),
)


def places(engine: Engine, subject: Subject) -> dict[tuple[str, str | None], int]:
    with snapshot(engine) as session:
        user_id = session.scalars(select(User.id)).one()
        found = rank(UserListening(session.connection(), user_id, RULE), subject, ALL, most=50)
    return {(place.artist, place.title): place.plays for place in found}


def test_a_merged_artist_counts_as_the_other_with_albums_and_in_all_that_comes(engine: Engine) -> None:
    record(engine, *ARTISTS_HEARD)
    refresh(engine, RULE)
    before = state(engine), places(engine, Subject.ARTIST), places(engine, Subject.ALBUM)
    assert before[1] == {("Yusuf", None): 2, ("Cat Stevens", None): 2, ("C", None): 2}
    assert merge_artists(engine, "yusuf", "Cat Stevens") == 3
    assert places(engine, Subject.ARTIST) == {("Cat Stevens", None): 3, ("C", None): 2}
    assert places(engine, Subject.ALBUM) == {("Cat Stevens", "Tea"): 4}
    merged = state(engine)
    record(engine, track(9, "Yu\u200bsuf", title="f", album="Tea"), track(10, "C", title="e", artists=["Yusuf"]))
    refresh(engine, RULE)
    assert places(engine, Subject.ARTIST) == {("Cat Stevens", None): 5, ("C", None): 2}
    assert places(engine, Subject.ALBUM) == {("Cat Stevens", "Tea"): 5}
    refresh_charts(engine, today=date(2021, 4, 22), closed=True)
    assert verify(engine, RULE).differences == []
    split_artist(engine, "Yusuf")
    refresh(engine, RULE)
    assert places(engine, Subject.ARTIST) == {("Yusuf", None): 4, ("Cat Stevens", None): 2, ("C", None): 2}
    refresh_charts(engine, today=date(2021, 4, 22), closed=True)
    assert verify(engine, RULE).differences == []
    assert merged != before[0]


def test_splitting_merged_artists_gives_the_state_before(engine: Engine) -> None:
    record(engine, *ARTISTS_HEARD)
    refresh(engine, RULE)
    states = [state(engine)]
    for artist, into in (("Yusuf", "Cat Stevens"), ("Cat Stevens", "C")):
        merge_artists(engine, artist, into)
        states.append(state(engine))
    assert places(engine, Subject.ARTIST) == {("C", None): 5}
    for artist in ("Cat Stevens", "Yusuf"):
        assert state(engine) == states.pop()
        split_artist(engine, artist)
    assert state(engine) == states.pop()


def test_what_cannot_be_merged_of_artists_says_why(engine: Engine) -> None:
    record(engine, *ARTISTS_HEARD)
    with pytest.raises(MergeRefusedError, match="no song has an artist of that name"):
        merge_artists(engine, "Yusuf", "Nobody")
    with pytest.raises(MergeRefusedError, match="is not merged"):
        split_artist(engine, "Yusuf")
    merge_artists(engine, "Yusuf", "C")
    with pytest.raises(MergeRefusedError, match="merged into another"):
        merge_artists(engine, "Yusuf", "Cat Stevens")
    with pytest.raises(MergeRefusedError, match="count as one"):
        merge_artists(engine, "C", "YUSUF")
