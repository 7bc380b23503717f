"""What a client says of album, artists and duration stays with the play that it came with."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest
from sqlalchemy import Engine, delete, select

from tests.support.events import Fields, accepted, favorite, play, song
from worker.contract.identity import album_identity, artist_identity
from worker.database.engine import snapshot, transaction
from worker.errors import RowRefusedError
from worker.models import PlayHistory, Song, Track, TrackArtist
from worker.recorders.batch import Recorded, assign, record_batch, resolve_new
from worker.recorders.known import Known


def record(engine: Engine, *events: Fields, known: Known | None = None) -> Recorded:
    with transaction(engine) as session:
        recorded = record_batch(session.connection(), accepted(*events), known=known or Known())
    if known is not None:
        known.remember(recorded)
    return recorded


def minutes(*songs: Fields) -> list[Fields]:
    """A play of each, one a minute."""
    return [play(time=f"2021-04-22T05:{number:02}:00Z", song=each) for number, each in enumerate(songs)]


def plays(engine: Engine) -> list[tuple[Any, ...]]:
    """Album, album artist, artists and duration of each play, in the order of time."""
    with snapshot(engine) as session:
        rows = session.execute(
            select(Track.album, Track.album_artist, Track.artists, PlayHistory.duration_ms)
            .select_from(PlayHistory)
            .outerjoin(Track, (Track.id == PlayHistory.track_id) & (Track.song_id == PlayHistory.song_id))
            .order_by(PlayHistory.played_at)
        )
        return [tuple(row) for row in rows]


def track_ids(engine: Engine) -> list[int | None]:
    with snapshot(engine) as session:
        return list(session.scalars(select(PlayHistory.track_id).order_by(PlayHistory.played_at)))


def tracks(engine: Engine) -> Sequence[Track]:
    with snapshot(engine) as session:
        return session.scalars(select(Track).order_by(Track.id)).all()


ALBUMS = ("Studio Album", "Greatest Hits", "Greatest Hits", "Live in Town")


@pytest.mark.parametrize("together", [True, False], ids=["one-batch", "four-batches"])
def test_one_song_on_three_albums_is_three_tracks(engine: Engine, together: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    events, known = minutes(*(song(album=album) for album in ALBUMS)), Known()
    for batch in [events] if together else [[event] for event in events]:
        record(engine, *batch, known=known)
    assert [album for album, *_ in plays(engine)] == list(ALBUMS)
    assert len(tracks(engine)) == 3
    assert {track.album_identity and track.album_identity.hex for track in tracks(engine)} == {
        album_identity("Tool", album) for album in ALBUMS
    }


def test_each_play_keeps_its_own_duration(engine: Engine) -> None:
    record(engine, *minutes(song(duration_ms=183_000), song(duration_ms=24 * 86_400_000), song()))
    assert [duration_ms for *_, duration_ms in plays(engine)] == [183_000, 24 * 86_400_000, None]


@pytest.mark.parametrize(
    "said", [song(), song(album=""), song(album=None, artists=None), song(album_artist="Tool"), song(album_artist="")]
)
def test_a_play_without_album_and_artists_has_no_track(engine: Engine, said: Fields) -> None:
    record(engine, play(song=said))
    assert track_ids(engine) == [0]
    assert tracks(engine) == []


def test_an_album_belongs_to_its_artist_else_to_the_first_of_the_artists_else_to_the_songs(engine: Engine) -> None:
    guests = ["Main Band", "Guest"]
    for said, owner in (
        (song(album="LP3", album_artist="Various Artists", artists=guests), "Various Artists"),
        (song(album="LP3", artists=guests), "Main Band"),
        (song(album="LP3", artists=guests, album_artist=""), "Main Band"),
        (song(album="LP3"), "Tool"),
    ):
        record(engine, play(song=said))
        with transaction(engine) as session:
            (identity,) = session.scalars(select(Track.album_identity))
            assert identity is not None
            assert identity.hex == album_identity(owner, "LP3")
            session.execute(delete(Song))


def test_each_artist_of_a_track_is_a_row_once_in_the_clients_order(engine: Engine) -> None:
    record(engine, *minutes(song(artists=["Main Band", "Guest", "GUEST ", "Other"]), song(artists=["Guest"])))
    with snapshot(engine) as session:
        rows = session.execute(
            select(TrackArtist.position, TrackArtist.name, TrackArtist.artist_identity)
            .join(Track, Track.id == TrackArtist.track_id)
            .order_by(Track.id, TrackArtist.position)
        ).all()
    names = {("Main Band", 0), ("Guest", 1), ("Other", 3), ("Guest", 0)}
    assert {(name, position) for position, name, _ in rows} == names
    assert all(identity.hex == artist_identity(name) for _, name, identity in rows)
    assert len(rows) == len(names)
    assert [artists for _, _, artists, _ in plays(engine)] == [["Main Band", "Guest", "GUEST", "Other"], ["Guest"]]


def test_spellings_of_one_album_are_one_track_which_keeps_the_first(engine: Engine) -> None:
    known = Known()
    record(engine, *minutes(song(album="LP3", artists=["A"]), song(album=" lp3", artists=["a"])), known=known)
    record(engine, play(song=song(album="\uff2cP3", artists=["A "])), known=known)
    assert [track.album for track in tracks(engine)] == ["LP3"]
    assert set(track_ids(engine)) == {tracks(engine)[0].id}


def test_whose_album_and_who_plays_are_never_mixed_up(engine: Engine) -> None:
    said = [
        song(album="A", album_artist="B"), song(album="A", artists=["B"]), song(album="B", artists=["A"]),
        song(artists=["A", "B"]), song(artists=["A"]), song(artists=["B", "A"]), song(album="A"),
    ]  # fmt: skip
    record(engine, *minutes(*said))
    assert len(set(track_ids(engine))) == len(said)


def test_the_song_keeps_the_first_album_to_show_it(engine: Engine) -> None:
    record(engine, *minutes(*(song(album=album) for album in ALBUMS)))
    with snapshot(engine) as session:
        assert session.scalars(select(Song.album)).one() in ALBUMS


def test_a_favorite_has_no_track(engine: Engine) -> None:
    record(engine, favorite(song=song(album="LP3", artists=["A"])))
    assert tracks(engine) == []


def test_new_tracks_are_resolved_before_their_plays_and_then_known(engine: Engine) -> None:
    known, batch = Known(), accepted(*minutes(song(album="LP3"), song(artists=["A"]), song()))
    with transaction(engine) as session:
        known.remember(resolve_new(session.connection(), assign(batch, known).unknown, known=known))
    assert not assign(batch, known).unknown
    assert len(tracks(engine)) == 2
    # A song that is known, on another album.
    assert assign(accepted(play(song=song(album="LP4"))), known).unknown
    assert not assign(accepted(favorite(song=song(album="LP4"))), known).unknown
    recorded = record(engine, *minutes(song(album="LP3"), song(artists=["A"]), song()), known=known)
    assert recorded.places == {}


def test_a_rolled_back_track_is_not_remembered(engine: Engine) -> None:
    known = Known()
    with engine.connect() as connection:
        record_batch(connection, accepted(play(song=song(album="LP3"))), known=known)
        connection.rollback()
    record(engine, play(song=song(album="LP3")), known=known)
    assert [album for album, *_ in plays(engine)] == ["LP3"]


def test_a_cached_track_of_a_deleted_song_is_never_the_track_of_another_song(engine: Engine) -> None:
    known = Known()
    record(engine, play(song=song(album="LP3")), known=known)
    with transaction(engine) as session:
        session.execute(delete(Song))
    # SQLite gives the number of the track to another one.
    record(engine, play(song=song(title="other", album="LP4")))
    # The cached track goes with its cached song, whose id no other song gets.
    with pytest.raises(RowRefusedError):
        record(engine, play(song=song(album="LP3")), known=known)
    known.forget()
    record(engine, play(song=song(album="LP3")), known=known)
    assert sorted(album for album, *_ in plays(engine)) == ["LP3", "LP4"]


def test_transactions_that_create_the_same_tracks_share_them(postgres: Engine) -> None:
    """The second waits for the first, and finds its rows."""
    said = [song(album=album, artists=["A", "B"]) for album in ALBUMS[1:]]
    batches = [minutes(*said), [event | {"user": "bob"} for event in minutes(*reversed(said))]]
    known_song = song(album="x")
    record(postgres, *(play(user=user, time="2020-01-01T00:00:00Z", song=known_song) for user in ("ada", "bob")))
    with ThreadPoolExecutor() as pool:
        with transaction(postgres) as session:
            record_batch(session.connection(), accepted(*batches[0]), known=Known())
            other = pool.submit(record, postgres, *batches[1])
            # Long enough to look the tracks up, which are not there yet.
            assert not wait([other], timeout=0.5).done
        other.result()
    assert len(tracks(postgres)) == 3
    assert sorted(album for album, *_ in plays(postgres)) == sorted(["x", *ALBUMS[1:]] * 2)
    with snapshot(postgres) as session:
        assert len(session.scalars(select(TrackArtist.track_id)).all()) == 4
