"""Albums and artists as the files of other services name them: from the command to the recorded rows."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Engine, select

from tests.support.commands import Zik, zik_at
from worker.contract.identity import album_identity, artist_identity
from worker.database.engine import snapshot
from worker.drain.drain import Drain
from worker.models import PlayHistory, Song, Track, TrackArtist, User
from worker.stream.consumer import EventStream

Play = tuple[Any, ...]
Imported = Callable[..., list[Play]]


@pytest.fixture
def zik(engine: Engine, redis_url: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Zik:
    return zik_at(engine, redis_url, monkeypatch, capfd)


@pytest.fixture
def imported(zik: Zik, engine: Engine, stream: EventStream, tmp_path: Path) -> Imported:
    def do_import(content: Any, *options: str) -> list[Play]:
        file = tmp_path / "file"
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        assert zik("import", str(file), *options).code == 0
        Drain(stream, engine, "test:1").run()
        return plays(engine)

    return do_import


def plays(engine: Engine) -> list[Play]:
    """Title, artist, album, album artist, artists and duration of each play, by user, in order of time."""
    columns = (Song.title, Song.artist, Track.album, Track.album_artist, Track.artists, PlayHistory.duration_ms)
    rows = select(*columns).select_from(PlayHistory).join(Song).join(User)
    rows = rows.outerjoin(Track, (Track.id == PlayHistory.track_id) & (Track.song_id == Song.id))
    with snapshot(engine) as session:
        return [tuple(row) for row in session.execute(rows.order_by(User.id, PlayHistory.played_at))]


def albums(engine: Engine) -> set[str]:
    with snapshot(engine) as session:
        return {identity.hex for identity in session.scalars(select(Track.album_identity)) if identity}


def lastfm(*of_albums: str) -> Any:
    tracks = [
        {"artist": {"#text": "The Duo"}, "name": "Rock Song", "album": {"#text": album}, "date": {"uts": str(number)}}
        for number, album in enumerate(of_albums, 1_700_000_000)
    ]
    return {"recenttracks": {"track": tracks, "@attr": {"user": "ada"}}}


def test_one_song_on_three_albums(imported: Imported, engine: Engine) -> None:
    of_albums = ("Studio Album", "Greatest Hits", "Greatest Hits", "Live in Town")
    found = imported(lastfm(*of_albums))
    assert [album for _, _, album, *_ in found] == list(of_albums)
    assert albums(engine) == {album_identity("The Duo", album) for album in of_albums}


ROWS: Final = (
    "Artist A,Song X,Album One,2024-01-01T10:00:00Z",
    "Artist A,Song X,Album Two,2024-01-02T10:00:00Z",
    "Artist A,Song X,Album Two,2024-01-03T10:00:00Z",
)


@pytest.mark.parametrize("rows", [ROWS, ROWS[::-1]], ids=["oldest-first", "newest-first"])
def test_no_album_depends_on_the_order_of_rows(imported: Imported, rows: tuple[str, ...]) -> None:
    table = "\n".join(("artist,track,album,ts", *rows))
    found = imported(table, "--user", "ada")
    assert [album for _, _, album, *_ in found] == ["Album One", "Album Two", "Album Two"]


def koito(*listens: tuple[str, list[str], bool]) -> Any:
    def named(name: str) -> list[Any]:
        return [{"alias": name.upper(), "is_primary": False}, {"alias": name, "is_primary": True}]

    rows = [
        {
            "listened_at": f"2024-01-01T1{number}:00:00Z",
            "track": {"duration": 200, "aliases": named(title)},
            "album": {"aliases": named("LP3"), "various_artists": is_compilation},
            "artists": [{"is_primary": not place, "aliases": named(name)} for place, name in enumerate(artists)],
        }
        for number, (title, artists, is_compilation) in enumerate(listens)
    ]
    return {"version": "1", "user": "ada", "listens": rows}


def test_an_album_with_guests_is_one_album(imported: Imported, engine: Engine) -> None:
    listens = [(title, ["Main Band", *guests], False) for title, *guests in (("One",), ("Two", "A"), ("Three", "B"))]
    found = imported(koito(*listens))
    assert found == [(title, ", ".join(artists), "LP3", None, artists, 200_000) for title, artists, _ in listens]
    assert albums(engine) == {album_identity("Main Band", "LP3")}
    with snapshot(engine) as session:
        counted = [identity.hex for identity in session.scalars(select(TrackArtist.artist_identity))]
    assert sorted(counted) == sorted(
        artist_identity(name) for name in ("Main Band", "Main Band", "Main Band", "A", "B")
    )


def test_a_compilation_of_koito_is_by_various_artists(imported: Imported, engine: Engine) -> None:
    imported(koito(("One", ["A"], True), ("Two", ["B"], True)))
    assert albums(engine) == {album_identity("Various Artists", "LP3")}


SPOTIFY: Final = [{"endTime": "2024-01-01 10:01", "artistName": "A", "trackName": "X", "msPlayed": 40000}]


def listenbrainz(info: Any, **more: Any) -> Any:
    song = {"artist_name": "A", "track_name": "X", "release_name": "LP", "additional_info": info, **more}
    return [{"listened_at": 1704103200, "track_metadata": song, "user_name": "bob"}]


def test_what_bobs_file_tells_does_not_reach_adas_play(imported: Imported) -> None:
    before = imported(SPOTIFY, "--user", "ada")
    assert before == [("X", "A", None, None, None, None)]
    assert imported(listenbrainz({"duration_ms": 240_000})) == [
        *before, ("X", "A", "LP", None, None, 240_000),
    ]  # fmt: skip


CREDITED: Final = {"artists": [{"artist_credit_name": "Á"}, {"artist_credit_name": "B"}]}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (listenbrainz({"artist_names": ["A", "B"]}, mbid_mapping={}), (None, ["A", "B"])),
        (listenbrainz({}, mbid_mapping=CREDITED), (None, ["Á", "B"])),
        (listenbrainz({"albumartist": "V"}), ("V", None)),
        # Of wrong form: left out, and nothing else is.
        (listenbrainz({"artist_names": ["A", 5], "release_artist_name": "V"}), ("V", None)),
        (listenbrainz({"artist_names": ["A"] * 21, "release_artist_name": ["V"]}), (None, None)),
        (listenbrainz({"artist_names": "A"}), (None, None)),
        ("Artist,Track,Album,Album Artist,Time\nA,X,LP,V,1600000000\n", ("V", None)),
        (json.dumps({"artists": ["A"], "title": "X", "album": "LP", "ts": "2024-01-01T00:00:00Z"}), (None, ["A"])),
    ],
)  # fmt: skip
def test_artists_and_the_albums_artist_are_what_the_file_says(
    imported: Imported, content: Any, told: tuple[Any, ...]
) -> None:
    (found,) = imported(content, "--user", "ada")
    assert found[:5] == ("X", "A", "LP", *told)
