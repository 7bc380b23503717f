"""Songs that differ only in typography are one in every answer, whoever records them and in whatever order."""

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import date
from uuid import UUID

import pytest
from sqlalchemy import Engine, delete, insert, select, update

from tests.support.events import accepted, favorite, play, preference, song
from tests.support.rollup_rows import RULE, record
from worker.contract.identity import album_identity, artist_identity, song_identity, twin_identity
from worker.database.engine import open_engine, snapshot, transaction
from worker.models import Song, StaleHistory, Track, TrackArtist, User
from worker.recorders.batch import record_batch
from worker.recorders.known import Known
from worker.statistics import Period, Place, Span, Subject, UserListening, opinions, rank, span
from worker.statistics.questions.heard import heard as about
from worker.statistics.questions.search import search
from worker.statistics.questions.song_days import days_of_song
from worker.statistics.rollups.sweep import refresh
from worker.statistics.verify import verify

ALL: Span = span(Period.ALL, date(2021, 4, 22))
PLAIN, CURLY, ACUTE = "Don't Cry", "Don\u2019t Cry", "Don\u00b4t Cry"


def heard(*names: tuple[str, str]) -> list[dict[str, object]]:
    """A play of each song, an hour apart."""
    return [
        play(time=f"2021-04-22T{hour:02}:00:00Z", song=song(artist=artist, title=title))
        for hour, (artist, title) in enumerate(names)
    ]


def top(engine: Engine, subject: Subject = Subject.SONG) -> list[tuple[str, str | None, int]]:
    with snapshot(engine) as session:
        user_id = session.scalars(select(User.id)).one()
        places: Sequence[Place] = rank(UserListening(session.connection(), user_id, RULE), subject, ALL, most=50)
    return [(place.artist, place.title, place.plays) for place in places]


def titles_of(engine: Engine) -> dict[str, str | None]:
    """Each song's title, with the title that it counts as."""
    with snapshot(engine) as session:
        songs = {each.id: each for each in session.scalars(select(Song))}
    return {each.title: songs[each.counts_as_id].title if each.counts_as_id else None for each in songs.values()}


CASE = (
    ("Guns N' Roses", PLAIN), ("Guns N\u2019 Roses", CURLY), ("blink-182", "Small Things"),
    ("blink\u2010182", "Small Things"), ("DJ Shadow", "Stem"), ("DJ Shadow\u200b", "Stem"),
)  # fmt: skip
ONE_EACH = [("DJ Shadow", "Stem", 2), ("Guns N' Roses", PLAIN, 2), ("blink-182", "Small Things", 2)]


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one after another"])
def test_typographic_twins_are_one_song_and_one_artist(engine: Engine, *, together: bool) -> None:
    for batch in [heard(*CASE)] if together else [[each] for each in heard(*CASE)]:
        record(engine, *batch)
    before = sorted(top(engine)), sorted(top(engine, Subject.ARTIST))
    refresh(engine, RULE)
    assert before == (sorted(top(engine)), sorted(top(engine, Subject.ARTIST)))
    assert [plays for _, _, plays in top(engine)] == [2, 2, 2]
    assert [plays for _, _, plays in top(engine, Subject.ARTIST)] == [2, 2, 2]
    assert verify(engine, RULE).differences == []
    if not together:
        assert sorted(top(engine)) == ONE_EACH


def test_a_twin_counts_as_the_song_that_was_recorded_first(engine: Engine) -> None:
    for name in (CURLY, PLAIN, ACUTE):
        record(engine, *heard(("Tool", name)))
    assert titles_of(engine) == {CURLY: None, PLAIN: CURLY, ACUTE: CURLY}


def test_twins_of_two_transactions_are_found_by_the_next_sweep(postgres: Engine) -> None:
    with ExitStack() as stack:
        for number, name in enumerate((PLAIN, CURLY, ACUTE)):
            other = open_engine(str(postgres.url.render_as_string(hide_password=False)))
            stack.callback(other.dispose)
            session = stack.enter_context(transaction(other))
            row = {"title": name, "artist": "Tool", "identity": UUID(int=number)}
            session.execute(insert(Song).values(**row, is_filed=name == PLAIN))
    assert titles_of(postgres) == {PLAIN: None, CURLY: None, ACUTE: None}
    refresh(postgres, RULE)
    assert len(set(titles_of(postgres).values())) == 2


def test_twins_that_two_batches_record_at_once_are_one_after_the_next_sweep(postgres: Engine) -> None:
    record(postgres, *heard(("Tool", "Other")))
    with transaction(postgres) as session:
        batch = accepted(play(time="2021-04-23T00:00:00Z", song=song(title=PLAIN)))
        record_batch(session.connection(), batch, known=Known())
        record(postgres, play(time="2021-04-24T00:00:00Z", song=song(title=CURLY)))
    assert titles_of(postgres) == {"Other": None, PLAIN: None, CURLY: None}
    refresh(postgres, RULE)
    assert sorted(plays for _, _, plays in top(postgres)) == [1, 2]
    assert verify(postgres, RULE).differences == []


def test_a_sweep_waits_for_a_twin_that_is_about_to_be_committed(postgres: Engine) -> None:
    """Otherwise it would file one, and nobody would look at the other, whose names are plain, again."""
    with transaction(postgres) as session:
        session.execute(insert(Song).values(title=PLAIN, artist="Tool", is_filed=True))
        record(postgres, *heard(("Tool", CURLY)))
        assert refresh(postgres, RULE).finished
        with snapshot(postgres) as other:
            assert other.scalars(select(Song.is_filed)).all() == [False]
    refresh(postgres, RULE)
    assert len(set(titles_of(postgres).values())) == 2


def test_the_next_song_takes_the_place_of_one_that_is_deleted(engine: Engine) -> None:
    for hour, name in enumerate((PLAIN, CURLY, ACUTE)):
        record(engine, play(time=f"2021-04-22T{hour:02}:00:00Z", song=song(title=name)))
    refresh(engine, RULE)
    with transaction(engine) as session:
        session.execute(delete(Song).where(Song.title == PLAIN))
    refresh(engine, RULE)
    assert titles_of(engine) == {CURLY: None, ACUTE: CURLY}
    assert top(engine) == [("Tool", CURLY, 2)]
    with transaction(engine) as session:
        session.execute(delete(Song))
    refresh(engine, RULE)
    assert verify(engine, RULE).differences == []


def test_a_song_of_an_older_release_is_filed_with_what_was_known_of_it(engine: Engine) -> None:
    record(engine, *heard(("Guns N' Roses", PLAIN)))
    with transaction(engine) as session:
        bare = {"artist_identity": None, "album_identity": None, "twin_identity": None}
        old = {"artist": "Guns N\u2019 Roses", "title": CURLY, "album": "Use\u200b", "duration_ms": 5_000}
        session.execute(insert(Song).values(**old, **bare))
    refresh(engine, RULE)
    assert titles_of(engine) == {PLAIN: None, CURLY: PLAIN}
    with snapshot(engine) as session:
        filed = session.scalars(select(Song).where(Song.title == CURLY)).one()
        track = session.scalars(select(Track)).one()
        assert filed.artist_identity == UUID(artist_identity("guns n' roses"))
        assert (filed.legacy_track_id, filed.legacy_duration_ms) == (track.id, 5_000)
        assert (track.song_id, track.album) == (filed.id, "Use\u200b")
        assert track.album_identity == UUID(album_identity("Guns N' Roses", "use"))
    with transaction(engine) as session:
        session.execute(update(Song).where(Song.title == CURLY).values(duration_ms=6_000, is_filed=False))
    refresh(engine, RULE)
    with snapshot(engine) as session:
        assert session.scalars(select(Song.legacy_duration_ms).where(Song.title == CURLY)).one() == 5_000
        assert len(session.scalars(select(Track)).all()) == 1


def test_corrected_tracks_are_filed_again_with_their_artists(engine: Engine) -> None:
    record(engine, *heard(("Tool", "Schism")))
    refresh(engine, RULE)
    with transaction(engine) as session:
        song_id = session.scalars(select(Song.id)).one()
        session.add(Track(identity=UUID(int=1), song_id=song_id, album="x", artists=["A", "B", "a"]))
    with transaction(engine) as session:
        session.execute(update(Track).values(album="Lateralus"))
    refresh(engine, RULE)
    with transaction(engine) as session:
        assert session.scalars(select(Track.album_identity)).one() == UUID(album_identity("A", "Lateralus"))
        listed = session.execute(select(TrackArtist.position, TrackArtist.name).order_by(TrackArtist.position)).all()
        assert [tuple(each) for each in listed] == [(0, "A"), (1, "B")]
        session.execute(update(Track).values(artists=None, album_artist="C"))
    refresh(engine, RULE)
    with snapshot(engine) as session:
        assert session.scalars(select(Track.album_identity)).one() == UUID(album_identity("C", "Lateralus"))
        assert session.scalars(select(TrackArtist)).all() == []
        assert session.scalars(select(StaleHistory)).all() == []


def test_a_song_keeps_its_twin_identity_when_it_is_renamed(engine: Engine) -> None:
    record(engine, *heard(("Tool", PLAIN), ("Tool", CURLY)))
    with transaction(engine) as session:
        session.execute(update(Song).where(Song.title == CURLY).values(title="Other"))
    refresh(engine, RULE)
    with snapshot(engine) as session:
        assert set(session.scalars(select(Song.twin_identity))) == {UUID(twin_identity("Tool", PLAIN))}


def test_favorites_of_twins_are_one_by_the_newest_word(engine: Engine) -> None:
    record(engine, *heard(("Tool", PLAIN), ("Tool", "Other")))
    record(engine, *heard(("Tool", CURLY)), *heard(("Tool", ACUTE)))

    def say(day: int, title: str, *, love: bool) -> list[tuple[int, str, int, frozenset[str]]]:
        time = f"2021-04-{day:02}T00:00:00Z"
        record(engine, favorite(time=time, song=song(title=title), favorite=love))
        with snapshot(engine) as session:
            user_id = session.scalars(select(User.id)).one()
            said = opinions(session.connection(), user_id)
        return [(each.said_at.day, each.song.title, each.score, each.identities) for each in said]

    spellings = frozenset(song_identity("Tool", name) for name in (PLAIN, CURLY, ACUTE))
    loved = (1, PLAIN, 1, spellings)
    assert say(1, CURLY, love=True) == [loved]
    assert say(2, "Other", love=True) == [(2, "Other", 1, frozenset({song_identity("Tool", "Other")})), loved]
    assert [each[:2] for each in say(3, ACUTE, love=True)] == [(3, PLAIN), (2, "Other")]
    assert [each[:2] for each in say(4, PLAIN, love=False)] == [(2, "Other")]
    hated = preference(time="2021-04-05T00:00:00Z", key=f"hated.{song_identity('Tool', CURLY)}", value=True)
    record(engine, hated)
    assert [each[:3] for each in say(5, CURLY, love=False)] == [(5, PLAIN, -1), (2, "Other", 1)]


def test_questions_about_a_twin_are_about_the_song_that_it_counts_as(engine: Engine) -> None:
    record(engine, *heard(("Tool", PLAIN)))
    record(engine, play(time="2021-04-23T00:00:00Z", song=song(title=CURLY)))
    with snapshot(engine) as session:
        listening = UserListening(session.connection(), session.scalars(select(User.id)).one(), RULE)
        for name in (PLAIN, CURLY):
            found = about(listening, Subject.SONG, UUID(song_identity("Tool", name)))
            assert found is not None
            assert (found.title, found.plays) == (PLAIN, 2)
            assert [day.plays for day in days_of_song(listening, "Tool", name, ALL)] == [1, 1]
            (place,) = search(listening, name[:5], most=5).songs
            assert (place.title, place.plays) == (PLAIN, 2)
