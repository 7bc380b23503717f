"""What was heard of one song, artist or album, and search, against plain Python over the same plays."""

from collections import Counter
from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, update

from tests.statistics.test_questions import ADA, SONGS, History, Scope, histories, of_one, periods, stored
from tests.statistics.test_questions import found as places_of
from tests.support.events import accepted, play
from tests.support.plain_statistics import IDENTITIES, NAMES, Name, Plain, canonical
from tests.support.strategies import ON_DATABASE
from worker.contract.identity import song_identity
from worker.database.engine import snapshot, transaction
from worker.models import Song
from worker.recorders.batch import record_batch
from worker.recorders.known import Known
from worker.statistics import (
    Found,
    ListenRule,
    Period,
    Span,
    Subject,
    UserListening,
    find_listener,
    heard,
    listens_of,
    search,
    songs_of,
    span,
)


def identities(subject: Subject) -> list[UUID]:
    """Of every song, artist or album that a history can name, and one of nothing."""
    artists = ("Tool", "Low", "Tomte", "Various")
    names = {
        Subject.SONG: [Name(song["artist"], song["title"]) for song in SONGS],
        Subject.ARTIST: [Name(artist, None) for artist in artists],
        Subject.ALBUM: [Name(artist, album) for artist in artists for album in ("Lateralus", "Live")],
    }
    return [*(UUID(IDENTITIES[subject](name)) for name in names[subject]), UUID(int=0)]


def of_subject(plain: Plain, subject: Subject, identity: UUID) -> Plain:
    return Plain(
        [
            each
            for each in plain.plays
            if any(UUID(IDENTITIES[subject](name)) == identity for name in NAMES[subject](each))
        ]
    )


@pytest.mark.parametrize("subject", Subject)
@ON_DATABASE
@given(histories(), ADA)
def test_what_was_heard_of_a_subject_equals_a_recount(
    engine: Engine, subject: Subject, history: History, scope: Scope
) -> None:
    with stored(engine, history, scope) as listening:
        found = {identity: heard(of_one(listening), subject, identity) for identity in identities(subject)}
    for identity, answer in found.items():
        plain = of_subject(history.plain.of("ada"), subject, identity)
        if not plain.plays:
            assert answer is None
            continue
        assert answer is not None
        assert (answer.plays, answer.listens, answer.ms_played) == plain.sums()
        days = [each.day for each in plain.plays]
        assert (answer.first_day, answer.last_day) == (min(days), max(days))
        assert answer.months == Counter(each.day.replace(day=1) for each in plain.listens)
        name = Name(canonical(answer.artist), answer.title and canonical(answer.title))
        assert UUID(IDENTITIES[subject](name)) == identity


@pytest.mark.parametrize("subject", [Subject.ARTIST, Subject.ALBUM])
@ON_DATABASE
@given(histories(), ADA)
def test_songs_of_an_artist_or_album_are_those_of_the_ranking(
    engine: Engine, subject: Subject, history: History, scope: Scope
) -> None:
    with stored(engine, history, scope) as listening:
        answers = {each: places_of(songs_of(of_one(listening), subject, each, most=9)) for each in identities(subject)}
    plain = history.plain.of("ada")
    assert answers == {each: of_subject(plain, subject, each).places(Subject.SONG)[:9] for each in answers}


@pytest.mark.parametrize("subject", Subject)
@ON_DATABASE
@given(histories(), ADA, periods)
def test_listens_of_subjects_in_a_span_equal_a_recount(
    engine: Engine, subject: Subject, history: History, scope: Scope, wanted: Span
) -> None:
    with stored(engine, history, scope) as listening:
        found = listens_of(of_one(listening), subject, wanted, identities(subject))
    plain = history.plain.of("ada", wanted)
    expected = {identity: len(of_subject(plain, subject, identity).listens) for identity in identities(subject)}
    assert found == {identity: listens for identity, listens in expected.items() if listens}


@ON_DATABASE
@given(histories(), ADA, st.sampled_from(["low", "LAT", "to", "tool", "  par ", "l", "a", "ool", "parabola tool", ""]))
def test_search_finds_names_by_the_beginning_of_a_word(
    engine: Engine, history: History, scope: Scope, text: str
) -> None:
    with stored(engine, history, scope) as listening:
        found = search(of_one(listening), text, most=100)
    wanted, plain = canonical(text), history.plain.of("ada")
    answers = {Subject.SONG: found.songs, Subject.ARTIST: found.artists, Subject.ALBUM: found.albums}
    for subject, places in answers.items():
        rows = {
            (canonical(each.artist), each.title and canonical(each.title)): (each.plays, each.listens, each.ms_played)
            for each in places
        }
        assert rows == {
            name: of_name.sums()
            for name, of_name in plain.ranked(NAMES[subject]).items()
            if wanted and begins_a_word(wanted, name)
        }
        assert [place.listens for place in places] == sorted((place.listens for place in places), reverse=True)


def begins_a_word(wanted: str, name: Name) -> bool:
    words = (name.artist if name.title is None else name.title).split(" ")
    return any(" ".join(words[at:]).startswith(wanted) for at in range(len(words)))


@pytest.mark.parametrize(
    ("text", "songs"),
    [
        ("jóga", ["Jóga"]),
        ("JÓGA", ["Jóga"]),
        ("Jo\u0301ga", ["Jóga"]),
        ("joga", []),
        ("戦場", ["戦場のメリークリスマス"]),
        ("\uff21\uff22\uff23", ["ABC  100%"]),
        ("abc 100%", ["ABC  100%"]),
        ("100%", ["ABC  100%"]),
        ("1__", []),
        ("strasse", ["Straße"]),
        ("\\", ["\\ slash"]),
        ("klftm", ["KLF™"]),
    ],
)
def test_search_compares_canonical_names(engine: Engine, text: str, songs: list[str]) -> None:
    titles = ("Jóga", "戦場のメリークリスマス", "ABC  100%", "Straße", "\\ slash", "KLF™")
    events = [play(song={"title": title, "artist": "x"}) for title in titles]
    assert [place.title for place in _found(engine, text, *events).songs] == songs


def test_search_finds_nothing_of_another_user(engine: Engine) -> None:
    found = _found(engine, "par", play(song=SONGS[1]), play(user="bob", song=SONGS[0]))
    assert found == Found([], [], [], is_cut=False)


def test_a_song_that_is_not_filed_yet_counts_as_an_artist_of_its_own(engine: Engine) -> None:
    """As the ranking has it, until a sweep files what an older release or a person inserted."""
    with transaction(engine) as session:
        record_batch(session.connection(), accepted(play(song=SONGS[0]), play(song=SONGS[2])), known=Known())
        session.execute(update(Song).where(Song.artist == "Tool").values(artist_identity=None))
    identity = UUID(song_identity("Tool", "Parabola"))
    with snapshot(engine) as session:
        connection = session.connection()
        ada = UserListening(connection, find_listener(connection, "ada").id, ListenRule())
        found = heard(ada, Subject.ARTIST, identity)
        listens = listens_of(ada, Subject.ARTIST, span(Period.ALL, date.min), [identity])
    assert found
    assert (found.artist, found.listens) == ("Tool", 1)
    assert listens == {identity: 1}


@pytest.mark.parametrize("title", ["`39", "The `39", "The\t`39", "The\x1f'39", "The \u201939"])
def test_search_knows_all_white_space_and_apostrophes(engine: Engine, title: str) -> None:
    found = _found(engine, "'39", play(song={"title": title, "artist": "Queen"}))
    assert [place.title for place in found.songs] == [title]


def _found(engine: Engine, text: str, *events: dict[str, object]) -> Found:
    with transaction(engine) as session:
        record_batch(session.connection(), accepted(*events), known=Known())
    with snapshot(engine) as session:
        connection = session.connection()
        return search(UserListening(connection, find_listener(connection, "ada").id, ListenRule()), text, most=10)
