"""What a user leaves out of their statistics is as if it were deleted, and counts again exactly as before."""

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, func, select, text

from tests.support import brute_force
from tests.support.events import play, song
from tests.support.rollup_rows import RULE, assert_exact, emptied, record, rollups_of_everyone, rollups_of_user
from worker.database.engine import snapshot, transaction
from worker.errors import ArtistNotFoundError, MergeRefusedError, SongNotFoundError
from worker.models import LeftOut, PlayHistory, Song, StaleHistory, Track, User
from worker.operations.left_out import count_again, leave_out, left_out, why_left_out
from worker.operations.merging import find_song, merge_artists, merge_songs, split_artist, split_song
from worker.statistics import Period, Subject, UserListening, rank, refresh_charts, span, totals
from worker.statistics.rollups.sweep import refresh
from worker.statistics.verify import verify

ALL = span(Period.ALL, date(2021, 4, 22))


def heard(minute: int, artist: str = "Tool", title: str = "a", user: str = "ada", **facts: Any) -> dict[str, Any]:
    """A play; every five minutes three days later, because a mark reaches the days beside its own."""
    time = datetime(2021, 4, 1, tzinfo=UTC) + timedelta(days=minute // 5 * 3, minutes=minute)
    return play(user=user, time=time.isoformat(), song=song(artist=artist, title=title, **facts))


def id_of(engine: Engine, user: str = "ada") -> int:
    with snapshot(engine) as session:
        return session.scalars(select(User.id).where(User.username == user)).one()


def places(engine: Engine, subject: Subject, user: str = "ada") -> dict[str, int]:
    with snapshot(engine) as session:
        found = rank(UserListening(session.connection(), id_of(engine, user), RULE), subject, ALL, most=50)
    return {place.title or place.artist: place.plays for place in found}


def song_id(engine: Engine, artist: str, title: str) -> int:
    with snapshot(engine) as session:
        return find_song(session.connection(), artist, title).id


def assert_answers_are_exact(engine: Engine) -> None:
    """Those about each user, and about everyone, before and after a sweep."""
    wanted = brute_force.rollups(engine)
    for user_id in brute_force.users(engine):
        assert rollups_of_user(engine, user_id) == wanted.of(user_id)
    assert rollups_of_everyone(engine) == wanted
    assert verify(engine, RULE).differences == []
    refresh(engine, RULE)
    assert_exact(engine)
    refresh_charts(engine, today=date(2021, 4, 22), closed=True)
    comparison = verify(engine, RULE)
    assert (comparison.differences, comparison.waiting, comparison.charts_waiting) == ([], 0, 0)


HEARD = (
    heard(0, title="Don't"),
    heard(5, title="Don\u2019t"),
    heard(10, title="b"),
    heard(15, "A & B", "c", artists=["Tool", "Guest"]),
    heard(20, "Guest", "d"),
    heard(25, user="bob"),
)


def test_a_song_that_is_left_out_is_in_no_answer_of_its_user_and_all_plays_stay(engine: Engine) -> None:
    record(engine, *HEARD)
    refresh(engine, RULE)
    assert leave_out(engine, id_of(engine), "tool", "DON'T")
    assert places(engine, Subject.SONG) == {"b": 1, "c": 1, "d": 1}
    with snapshot(engine) as session:
        ada = UserListening(session.connection(), id_of(engine), RULE)
        assert (totals(ada, ALL).plays, totals(ada, ALL).songs) == (3, 3)
        assert session.scalar(select(func.count()).select_from(PlayHistory)) == len(HEARD)
    assert_answers_are_exact(engine)
    record(engine, heard(30, title="Don\u00b4t"))
    assert places(engine, Subject.SONG) == {"b": 1, "c": 1, "d": 1}
    assert places(engine, Subject.SONG, "bob") == {"a": 1}
    assert_answers_are_exact(engine)


def test_an_artist_is_left_out_with_every_play_that_lists_them(engine: Engine) -> None:
    record(engine, *HEARD)
    refresh(engine, RULE)
    leave_out(engine, id_of(engine), "TOOL")
    assert places(engine, Subject.ARTIST) == {"Guest": 1}
    assert places(engine, Subject.ARTIST, "bob") == {"Tool": 1}
    assert_answers_are_exact(engine)


@pytest.mark.parametrize("title", [None, "Don't"])
def test_what_counts_again_gives_exactly_the_state_before(engine: Engine, title: str | None) -> None:
    record(engine, *HEARD)
    refresh(engine, RULE)
    before = brute_force.stored(engine)
    assert leave_out(engine, id_of(engine), "Tool", title)
    assert not leave_out(engine, id_of(engine), "tool", title)
    refresh(engine, RULE)
    assert brute_force.stored(engine) != before
    assert count_again(engine, id_of(engine), "Tool", title)
    assert not count_again(engine, id_of(engine), "Tool", title)
    assert rollups_of_user(engine, id_of(engine)) == before.of(id_of(engine))
    refresh(engine, RULE)
    assert brute_force.stored(engine) == before


def test_the_report_of_another_source_counts_no_more_than_the_play_that_is_left_out(engine: Engine) -> None:
    """One source lists the artists, the other does not: only what lists the guest is left out."""
    record(engine, heard(0, artists=["Tool", "Guest"]) | {"source": "a"}, heard(0) | {"source": "b", "ms_played": 9})
    refresh(engine, RULE)
    leave_out(engine, id_of(engine), "guest")
    assert_answers_are_exact(engine)
    leave_out(engine, id_of(engine), "Tool")
    assert_answers_are_exact(engine)
    assert places(engine, Subject.ARTIST) == {}


def test_what_is_left_out_is_followed_through_merges_and_back(engine: Engine) -> None:
    record(engine, *HEARD)
    refresh(engine, RULE)
    leave_out(engine, id_of(engine), "Guest")
    leave_out(engine, id_of(engine), "Tool", "b")
    refresh(engine, RULE)
    before = brute_force.stored(engine)
    merge_artists(engine, "Guest", "Tool")
    assert places(engine, Subject.ARTIST) == {}
    assert_answers_are_exact(engine)
    split_artist(engine, "Guest")
    assert_answers_are_exact(engine)
    assert brute_force.stored(engine) == before
    merge_songs(engine, song_id(engine, "Tool", "b"), song_id(engine, "Tool", "Don't"))
    assert places(engine, Subject.SONG) == {}
    assert_answers_are_exact(engine)
    assert count_again(engine, id_of(engine), "Tool", "Don't")
    assert places(engine, Subject.SONG) == {"Don't": 3}
    split_song(engine, song_id(engine, "Tool", "b"))
    assert_answers_are_exact(engine)


def test_a_song_that_a_sweep_files_under_the_artist_is_left_out_then(engine: Engine) -> None:
    record(engine, *HEARD)
    refresh(engine, RULE)
    leave_out(engine, id_of(engine), "Tool")
    refresh(engine, RULE)
    with transaction(engine) as session:
        session.execute(text("UPDATE songs SET artist = 'TOOL', is_filed = false WHERE title = 'd'"))
        session.execute(text("UPDATE songs SET artist = 'Other' WHERE title = 'b'"))
    assert_answers_are_exact(engine)
    assert places(engine, Subject.SONG) == {"b": 1}


def test_a_track_whose_artists_are_corrected_is_left_out_then(engine: Engine) -> None:
    record(engine, heard(0, artists=["Other"]), heard(5, title="b"))
    refresh(engine, RULE)
    leave_out(engine, id_of(engine), "Tool", "b")
    record(engine, heard(10, "Guest", "d"))
    leave_out(engine, id_of(engine), "Guest")
    refresh(engine, RULE)
    with transaction(engine) as session:
        session.get_one(Track, 1).artists = ["Other", "Guest"]
    assert_answers_are_exact(engine)
    assert places(engine, Subject.SONG) == {}


def test_names_that_nothing_has_are_refused(engine: Engine) -> None:
    record(engine, heard(0))
    with pytest.raises(ArtistNotFoundError):
        leave_out(engine, id_of(engine), "Toool")
    with pytest.raises(SongNotFoundError):
        leave_out(engine, id_of(engine), "Tool", "z")
    assert not count_again(engine, id_of(engine), "Toool")
    assert not count_again(engine, 99, "Tool")
    assert not leave_out(engine, 99, "Tool")
    with snapshot(engine) as session:
        assert left_out(session.connection(), id_of(engine)) == []
        assert session.scalars(select(StaleHistory)).all() == []


def test_a_page_can_say_why_nothing_of_a_song_counts(engine: Engine) -> None:
    record(engine, *HEARD)
    leave_out(engine, id_of(engine), "Guest")
    leave_out(engine, id_of(engine), "Tool", "b")

    def why(artist: str, title: str) -> str | None:
        with snapshot(engine) as session:
            identity = session.scalars(select(Song.identity).where(Song.artist == artist, Song.title == title)).one()
            found = why_left_out(session.connection(), id_of(engine), Subject.SONG, identity)
        return None if found is None else found.title or found.artist

    assert (why("Tool", "b"), why("Guest", "d"), why("Tool", "Don't")) == ("b", "Guest", None)


def test_nothing_is_left_of_it_with_the_user(engine: Engine) -> None:
    record(engine, *HEARD)
    leave_out(engine, id_of(engine), "Tool")
    with transaction(engine) as session:
        session.execute(delete(User).where(User.username == "ada"))
    with snapshot(engine) as session:
        assert session.scalars(select(LeftOut)).all() == []
    assert_answers_are_exact(engine)


@pytest.mark.parametrize(
    "change",
    [
        lambda engine: merge_artists(engine, "Guest", "Tool"),
        lambda engine: merge_songs(engine, song_id(engine, "Guest", "d"), song_id(engine, "Tool", "b")),
    ],
    ids=["artists", "songs"],
)
def test_whoever_merges_waits_for_what_is_being_left_out(postgres: Engine, change: Callable[[Engine], object]) -> None:
    """Otherwise neither would see the other, and nobody would mark the history after both."""
    record(postgres, *HEARD)
    refresh(postgres, RULE)
    merging = threading.Thread(target=change, args=(postgres,))
    with transaction(postgres) as session:
        row = {"user_id": id_of(postgres), "artist": "x"}
        with snapshot(postgres) as other:
            twin, artist = other.execute(
                select(Song.twin_identity, Song.artist_identity).where(Song.title == "d")
            ).one()
        session.add(LeftOut(**row, subject="song", identity=twin))
        session.add(LeftOut(**row, subject="artist", identity=artist))
        session.flush()
        merging.start()
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'ShareLock'")
        while merging.is_alive() and session.scalar(waiting) == 0:
            merging.join(0.01)
        assert merging.is_alive()
        # A sweep that has seen what is left out, and not the merge.
        session.commit()
        refresh(postgres, RULE)
    merging.join()
    assert_answers_are_exact(postgres)


# --- Any order ------------------------------------------------------------------------------------

ARTISTS = ("Tool", "T\u200bool", "Guest", "A & B")
TITLES = ("Don't", "Don\u2019t", "b")
NAME = st.tuples(st.sampled_from(ARTISTS), st.none() | st.sampled_from(TITLES))
PLAY = st.builds(
    lambda minute, artist, title, user, artists, source: (
        heard(minute, artist, title, user, **({"artists": artists} if artists else {})) | {"source": source}
    ),
    st.integers(0, 90),
    st.sampled_from(ARTISTS),
    st.sampled_from(TITLES),
    st.sampled_from(("ada", "bob")),
    st.sampled_from(((), ("Tool",), ("Guest", "Tool"), ("Other",))),
    st.sampled_from("ab"),
)
STEP = st.one_of(
    st.tuples(st.just("record"), st.lists(PLAY, min_size=1, max_size=3)),
    st.tuples(st.just("leave out"), NAME),
    st.tuples(st.just("leave out"), NAME),
    st.tuples(st.just("count again"), NAME),
    st.tuples(st.just("merge"), st.tuples(NAME, NAME)),
    st.tuples(st.just("split"), NAME),
    st.tuples(st.just("refresh"), st.none()),
)
REFUSED = (ArtistNotFoundError, SongNotFoundError, MergeRefusedError)


def take(engine: Engine, kind: str, what: Any) -> None:
    match kind:
        case "record":
            record(engine, *what)
        case "leave out":
            leave_out(engine, id_of(engine), *what)
        case "count again":
            count_again(engine, id_of(engine), *what)
        case "merge":
            merge(engine, *what)
        case "split" if what[1]:
            split_song(engine, song_id(engine, *what))
        case "split":
            split_artist(engine, what[0])
        case _:
            refresh(engine, RULE)


def merge(engine: Engine, one: tuple[str, str], other: tuple[str, str]) -> None:
    if one[1] and other[1]:
        merge_songs(engine, song_id(engine, *one), song_id(engine, *other))
    else:
        merge_artists(engine, one[0], other[0])


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(STEP, min_size=1, max_size=8))
def test_in_any_order_it_counts_as_a_recount_does(engine_of_module: Engine, steps: list[tuple[str, Any]]) -> None:
    engine = emptied(engine_of_module)
    record(engine, heard(0, title="b"), heard(95, "Guest", "b", artists=["Tool", "Guest"]))
    for kind, what in steps:
        with suppress(*REFUSED):
            take(engine, kind, what)
        wanted = brute_force.rollups(engine)
        for user_id in brute_force.users(engine):
            assert rollups_of_user(engine, user_id) == wanted.of(user_id)
        assert rollups_of_everyone(engine) == wanted
        assert verify(engine, RULE).differences == []
    assert_answers_are_exact(engine)
