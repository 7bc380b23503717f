"""Clients that others wrote, each against a running server: their plays are rows, once, with the time they began."""

import hashlib
import json
import shutil
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import liblistenbrainz
import pylast
import pytest
import trustme
from liblistenbrainz import Listen
from sqlalchemy import Engine, select

from tests.support.processes import eventually, running, url_of
from tests.support.tls import TlsFront
from worker.database.engine import snapshot
from worker.drain.opening import opened_drain
from worker.local.http_server import answers
from worker.local.valkey import free_port
from worker.models import Favorite, PlayHistory, Song
from worker.operations import tokens
from worker.operations.tokens import Scope
from worker.settings import load_settings
from worker.stream.consumer_names import process_consumer

AT = 1_700_000_000  # 2023-11-14T22:13:20Z
# Of an API account, which zik has none of.
ANYTHING = "zik"
PLAY_S = 32
# A song of half a minute, played in real time.
PLAYED_WITHIN_S = 90.0


class Served(NamedTuple):
    """A running `zik serve`, and ada's token for it."""

    port: int
    token: str
    redis_url: str
    engine: Engine

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def plays(self) -> list[tuple[str, str, int]]:
        """Artist, title and beginning of each play, oldest first."""
        settings = load_settings(redis_url=self.redis_url, database_url=url_of(self.engine))
        with opened_drain(settings, consumer=process_consumer("drain")) as opened:
            opened.run()
        found = select(Song.artist, Song.title, PlayHistory.played_at).join(Song, Song.id == PlayHistory.song_id)
        with snapshot(self.engine) as session:
            rows = session.execute(found.order_by(PlayHistory.played_at)).all()
        return [(artist, title, int(at.timestamp())) for artist, title, at in rows]

    def favorites(self) -> list[tuple[str, bool]]:
        self.plays()
        found = select(Song.title, Favorite.is_favorite).join(Song, Song.id == Favorite.song_id)
        with snapshot(self.engine) as session:
            return [(title, loved) for title, loved in session.execute(found.order_by(Song.title))]


@pytest.fixture
def served(tmp_path: Path, redis_url: str, sqlite: Engine) -> Iterator[Served]:
    token = tokens.create(sqlite, "ada", name="x", scopes=[Scope.SUBMIT, Scope.READ], audioscrobbler=True)
    found = Served(free_port(), token, redis_url, sqlite)
    environment = {"REDIS_URL": redis_url, "DATABASE_URL": url_of(sqlite)}
    with running(["worker", "serve", "--port", str(found.port)], folder=tmp_path, **environment) as server:
        eventually(lambda: answers(found.url), within_s=30, told=lambda: server.log)
        yield found
        assert token not in server.log
        assert "Parabola" not in server.log


def test_liblistenbrainz(served: Served) -> None:
    client = liblistenbrainz.ListenBrainz(api_base_url=served.url)
    client.set_auth_token(served.token)
    songs = [Listen(track_name=f"Parabola {n}", artist_name="Tool", listened_at=AT + 300 * n) for n in range(3)]
    client.submit_playing_now(Listen(track_name="Schism", artist_name="Tool"))
    playing = client.get_playing_now("ada")
    assert playing is not None
    assert playing.track_name == "Schism"
    client.submit_single_listen(songs[0])
    client.submit_multiple_listens(songs)
    assert served.plays() == [("Tool", f"Parabola {n}", AT + 300 * n) for n in range(3)]
    assert [listen.listened_at for listen in client.get_listens("ada", count=2)] == [AT + 600, AT + 300]
    assert client.get_user_listen_count("ada") == 3


def test_pylast(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    monkeypatch.setattr(pylast, "SSL_CONTEXT", trusting)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    front = TlsFront(served.port, context)
    try:
        network = pylast.LastFMNetwork.__new__(pylast.LastFMNetwork)
        pylast._Network.__init__(
            network, name="zik", homepage="", ws_server=(f"127.0.0.1:{front.port}", "/2.0/"), api_key="zik",
            api_secret=ANYTHING, session_key="", username="ada", password_hash=pylast.md5(served.token), token="",
            domain_names={}, urls={},
        )  # fmt: skip
        network.update_now_playing(artist="Tool", title="Schism", duration=400)
        tracks = [{"artist": "Tool", "title": f"Parabola {n}", "timestamp": AT + 300 * n} for n in range(3)]
        network.scrobble_many(tracks)
        network.scrobble_many(tracks)
        network.get_track("Tool", "Parabola 0").love()
        assert served.plays() == [("Tool", f"Parabola {n}", AT + 300 * n) for n in range(3)]
        assert served.favorites() == [("Parabola 0", True)]
        user = network.get_user("ada")
        recent = user.get_recent_tracks(limit=3)
        assert [(played.track.title, int(played.timestamp)) for played in recent] == [
            (f"Parabola {n}", AT + 300 * n) for n in (2, 1, 0)
        ]
        assert [loved.track.title for loved in user.get_loved_tracks()] == ["Parabola 0"]
        assert [(item.item.title, item.weight) for item in user.get_top_tracks(limit=1)] == [("Parabola 0", 1)]
    finally:
        front.close()


LASTFM_SCRIPT = """
const { LastFmNode } = require("lastfm");
const [port, key] = process.argv.slice(2);
const lastfm = new LastFmNode({ host: "127.0.0.1", port, api_key: "zik", secret: "zik" });
const session = lastfm.session({ user: "ada", key });
const track = { artist: { "#text": "Tool" }, name: "Parabola", album: { "#text": "Lateralus" } };
const fail = (error) => { console.error(error); process.exit(1); };
lastfm.update("scrobble", session, { track, timestamp: %d, handlers: { error: fail, retrying: fail, success: () =>
  lastfm.request("user.getRecentTracks", { user: "ada", sk: key, handlers: { error: fail, success: (answer) =>
    console.log(JSON.stringify(answer.recenttracks["@attr"])) } }) } });
"""


@pytest.fixture(scope="module")
def node_lastfm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the npm package `lastfm`."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not here")
    folder = tmp_path_factory.mktemp("node")
    command = [npm, "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund", "lastfm@0.9.4"]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"npm cannot install lastfm ({type(error).__name__})")
    return folder


def test_lastfm_of_npm(served: Served, node_lastfm: Path) -> None:
    script = node_lastfm / "play.js"
    script.write_text(LASTFM_SCRIPT % AT)
    token = tokens.find(served.engine, tokens.digest_of(served.token))
    assert token is not None
    command = ["node", str(script), str(served.port), served.token]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["user"] == "ada"
    assert served.plays() == [("Tool", "Parabola", AT)]


def test_curl(served: Served) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not here")
    event = {
        "type": "play",
        "time": "2023-11-14T22:13:20Z",
        "user": "ada",
        "song": {"artist": "Tool", "title": "Parabola"},
    }
    command = [curl, "-sS", "--fail-with-body", "-H", f"Authorization: Token {served.token}", "-d", json.dumps(event)]
    for _ in range(2):
        done = subprocess.run([*command, f"{served.url}/v1/events"], check=True, capture_output=True, timeout=30)
        assert json.loads(done.stdout)["events"][0]["status"] == "accepted"
    assert served.plays() == [("Tool", "Parabola", AT)]


def silence(artist: str, title: str, *, seconds: int) -> bytes:
    """A WAV file with the names of a song."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)

    rate = 8_000
    names = b"INFO" + chunk(b"IART", artist.encode() + b"\0") + chunk(b"INAM", title.encode() + b"\0")
    sound = bytes([128]) * rate * seconds
    content = [
        chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, rate, rate, 1, 8)),
        chunk(b"LIST", names),
        chunk(b"data", sound),
    ]
    return chunk(b"RIFF", b"WAVE" + b"".join(content))


@contextmanager
def daemon(command: list[Any], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()


def mpd_says(path: Path, *commands: str) -> str:
    with socket.socket(socket.AF_UNIX) as mpd:
        mpd.settimeout(10)
        mpd.connect(str(path))
        mpd.sendall("".join(f"{command}\n" for command in (*commands, "close")).encode())
        return b"".join(iter(lambda: mpd.recv(4_096), b"")).decode()


def test_mpd_with_mpdscribble(served: Served, tmp_path: Path) -> None:
    mpd, mpdscribble = shutil.which("mpd"), shutil.which("mpdscribble")
    if mpd is None or mpdscribble is None:
        pytest.skip("mpd and mpdscribble are not here (Debian: apt-get install mpd mpdscribble)")
    music = tmp_path / "music"
    music.mkdir()
    (music / "song.wav").write_bytes(silence("Tool", "Parabola", seconds=PLAY_S))
    socket_path = Path(f"/tmp/zik-mpd-{served.port}")  # noqa: S108 -- the path of a socket may have 107 characters
    (tmp_path / "mpd.conf").write_text(
        f'music_directory "{music}"\ndb_file "{tmp_path / "db"}"\n'
        f'bind_to_address "{socket_path}"\nzeroconf_enabled "no"\n'
        'audio_output {\n  type "null"\n  name "null"\n}\n'
    )
    (tmp_path / "scribble.conf").write_text(
        f"[zik]\nurl = {served.url}/\nusername = ada\npassword = {served.token}\njournal = {tmp_path / 'journal'}\n"
    )
    try:
        with daemon([mpd, "--no-daemon", "--stderr", tmp_path / "mpd.conf"], tmp_path / "mpd.log"):
            eventually(socket_path.exists, within_s=20)
            mpd_says(socket_path, "update")
            eventually(lambda: "song.wav" in mpd_says(socket_path, "listall"), within_s=20)
            command = [mpdscribble, "--no-daemon", "--conf", tmp_path / "scribble.conf", "--host", socket_path]
            log = tmp_path / "scribble.log"
            with daemon([*command, "--log", "-"], log):
                eventually(lambda: "OK" in log.read_text() or "handshake" in log.read_text(), within_s=20)
                began = time.time()
                mpd_says(socket_path, "add song.wav", "play")
                eventually(lambda: bool(served.plays()), within_s=PLAYED_WITHIN_S, every_s=1.0, told=log.read_text)
    finally:
        socket_path.unlink(missing_ok=True)
    ((artist, title, at),) = served.plays()
    assert (artist, title) == ("Tool", "Parabola")
    assert abs(at - began) < PLAY_S / 2


def test_the_password_of_pylast_is_the_md5_of_the_token() -> None:
    assert pylast.md5("token") == hashlib.md5(b"token", usedforsecurity=False).hexdigest()
