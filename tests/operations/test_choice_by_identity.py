"""Plays are chosen by artist and title as statistics compare them; and feedback finds a song by a twin's MBID."""

from typing import Any

import pytest
from sqlalchemy import Engine, select

from tests.support.events import event_id, favorite, play, song
from tests.support.rollup_rows import record
from worker.database.engine import snapshot
from worker.models import Song, User
from worker.operations import corrections
from worker.operations.corrections import Choice
from worker.operations.merging import merge_artists, merge_songs, split_artist
from worker.pages.subject import subject_page
from worker.statistics import ListenRule, Subject, UserListening, opinions

HEARD: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("Guns N' Roses", "Don't Cry", {}),
    ("Guns N\u2019 Roses", "Don\u2019t Cry", {}),
    ("A & B", "Duet", {"artists": ["guns n' roses", "B"]}),
    ("Axl", "Solo", {}),
    ("Other", "Don't Cry", {}),
)
MBIDS = [str(event_id(number)) for number in (70, 71)]


@pytest.fixture
def heard(engine: Engine) -> Engine:
    for number, (artist, title, facts) in enumerate(HEARD, start=1):
        time = f"2021-04-22T0{number}:00:00Z"
        record(engine, play(id=event_id(number), time=time, song=song(artist=artist, title=title, **facts)))
    return engine


def chosen(engine: Engine, *, artist: str | None = None, title: str | None = None) -> list[int]:
    with snapshot(engine) as session:
        user_id = session.scalars(select(User.id)).one()
        found = corrections.find(session.connection(), user_id, Choice(artist=artist, title=title))
    return [each.time.hour for each in found]


def song_id(engine: Engine, artist: str) -> int:
    with snapshot(engine) as session:
        return session.scalars(select(Song.id).where(Song.artist == artist)).one()


def test_an_artist_is_one_in_all_spellings_lists_and_merges(heard: Engine) -> None:
    assert chosen(heard, artist="GUNS N\u02bc ROSES") == [1, 2, 3]
    merge_artists(heard, "Axl", "Guns N' Roses")
    for name in ("Axl", "Guns N\u2019 Roses"):
        assert chosen(heard, artist=name) == [1, 2, 3, 4]
    split_artist(heard, "Axl")
    assert (chosen(heard, artist="Axl"), chosen(heard, artist="A & B")) == ([4], [3])


def test_a_song_is_one_with_its_twins_and_what_is_merged_into_it(heard: Engine) -> None:
    assert chosen(heard, artist="Guns N' Roses", title="Don\u02bct Cry") == [1, 2]
    assert chosen(heard, title="don\u2019t cry") == [1, 2, 5]
    merge_songs(heard, song_id(heard, "Axl"), song_id(heard, "Guns N' Roses"))
    assert chosen(heard, artist="axl", title="solo") == [1, 2, 4]
    assert chosen(heard, title="Don't Cry") == [1, 2, 4, 5]
    assert chosen(heard, title="Solo") == [4]


def test_a_page_named_by_a_merged_artist_is_the_whole_one(heard: Engine) -> None:
    with snapshot(heard) as session:
        identity = session.scalars(select(Song.artist_identity).where(Song.artist == "Axl")).one()
    merge_artists(heard, "Axl", "Guns N' Roses")
    assert identity is not None
    with snapshot(heard) as session:
        listening = UserListening(session.connection(), session.scalars(select(User.id)).one(), ListenRule())
        page = subject_page(listening, Subject.ARTIST, identity)
    assert page is not None
    assert (page.heard.artist, page.heard.plays) == ("Guns N' Roses", 4)


def test_an_opinion_has_the_mbids_of_all_that_count_as_its_song(engine: Engine) -> None:
    titles = ("Schism", "Schism\u200b")
    for hour, (title, mbid) in enumerate(zip(titles, MBIDS, strict=True)):
        record(engine, favorite(time=f"2021-04-22T0{hour}:00:00Z", song=song(title=title, ids={"mbid": mbid.upper()})))
    with snapshot(engine) as session:
        (said,) = opinions(session.connection(), session.scalars(select(User.id)).one())
    assert said.mbids == set(MBIDS)
