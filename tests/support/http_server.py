"""The HTTP server for tests: in this process, with what its events become in the database."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import redis
from sqlalchemy import Engine, select, text
from starlette.testclient import TestClient

from tests.support.processes import url_of
from worker.contract.clock_skew import utc_now
from worker.database.engine import snapshot, transaction
from worker.database.grants import HTTP_ROLE, grant_to_http_role
from worker.drain.opening import opened_drain
from worker.http.application import Application
from worker.models import DeadLetter, Favorite, PlayHistory, Preference, Song, User
from worker.operations import tokens
from worker.operations.tokens import Scope
from worker.settings import Settings
from worker.stream.consumer import EventStream
from worker.stream.consumer_names import process_consumer
from worker.stream.inspection import StreamInspector


class HttpServer:
    """`client` sends requests; `token` is one of ada's that may submit and read."""

    def __init__(self, client: TestClient, settings: Settings, engine: Engine) -> None:
        self.client = client
        self.settings = settings
        self.engine = engine
        self.token = self.new_token("ada")

    def new_token(self, user: str, *scopes: Scope, name: str = "test", audioscrobbler: bool = False) -> str:
        wanted = scopes or (Scope.SUBMIT, Scope.READ)
        return tokens.create(self.engine, user, name=name, scopes=wanted, audioscrobbler=audioscrobbler)

    def revoke(self, text: str) -> None:
        """As `zik token revoke` does. The server hears of it a moment later."""
        found = tokens.find(self.engine, tokens.digest_of(text))
        assert found is not None
        with StreamInspector.opened(self.settings.redis_url) as stream:
            assert tokens.announce_revoked(stream, tokens.revoke(self.engine, [found.id]))

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Token {self.token}"}

    def post(self, path: str, content: Any, *, token: str | None = None, **headers: str) -> Any:
        """Send JSON, or bytes as they are."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        sent = {"Authorization": f"Token {token or self.token}", **headers}
        return self.client.post(path, content=body, headers=sent)

    def get(self, path: str, *, token: str | None = None, **params: Any) -> Any:
        return self.client.get(path, params=params, headers={"Authorization": f"Token {token or self.token}"})

    def waiting(self) -> int:
        with EventStream.opened(self.settings.redis_url) as stream:
            return stream.books().waiting

    def redis(self) -> "redis.Redis":
        return redis.Redis.from_url(self.settings.redis_url)

    def drain(self) -> None:
        """Record what waits."""
        with opened_drain(self.settings, consumer=process_consumer("drain")) as opened:
            opened.run()

    def plays(self) -> list[dict[str, Any]]:
        """What is recorded, oldest first, as the fields of the contract."""
        self.drain()
        query = (
            select(User.username, PlayHistory, Song)
            .select_from(PlayHistory)
            .join(User, User.id == PlayHistory.user_id)
            .join(Song, Song.id == PlayHistory.song_id)
            .order_by(PlayHistory.played_at, Song.title)
        )
        with snapshot(self.engine) as session:
            return [
                {
                    "user": user,
                    "time": play.played_at.isoformat().replace("+00:00", "Z"),
                    "artist": song.artist,
                    "title": song.title,
                    "album": song.album,
                    "duration_ms": song.duration_ms,
                    "ids": song.attributes,
                    "ms_played": play.ms_played,
                    "source": play.source,
                    "context": play.context,
                }
                for user, play, song in session.execute(query)
            ]

    def favorites(self) -> dict[tuple[str, str, str], bool]:
        """By user, artist and title."""
        self.drain()
        query = (
            select(User.username, Song.artist, Song.title, Favorite.is_favorite)
            .select_from(Favorite)
            .join(User, User.id == Favorite.user_id)
            .join(Song, Song.id == Favorite.song_id)
        )
        with snapshot(self.engine) as session:
            return {(user, artist, title): loved for user, artist, title, loved in session.execute(query)}

    def preferences(self) -> dict[tuple[str, str], Any]:
        """By user and key."""
        self.drain()
        query = select(User.username, Preference.key, Preference.value).join(User, User.id == Preference.user_id)
        with snapshot(self.engine) as session:
            return {(user, key): value for user, key, value in session.execute(query)}

    def letters(self) -> list[tuple[str, dict[str, Any]]]:
        """Reason and payload of each dead letter."""
        self.drain()
        with snapshot(self.engine) as session:
            found = session.scalars(select(DeadLetter).order_by(DeadLetter.id)).all()
            return [(letter.reason, json.loads(letter.payload)) for letter in found]


@contextmanager
def serving(
    settings: Settings, engine: Engine, *, its_url: str | None = None, now: Callable[[], datetime] = utc_now
) -> Iterator[HttpServer]:
    """`its_url` is the database as the server sees it, where it logs in as another role than workers do."""
    of_server = settings.model_copy(update={"database_url": its_url or settings.database_url})
    with TestClient(Application(of_server, now=now), raise_server_exceptions=True) as client:
        yield HttpServer(client, settings, engine)


def url_of_its_role(engine: Engine) -> str:
    """The database for a server that has only the rights it needs: as docs/postgresql-roles.sql and `zik init` give."""
    if engine.dialect.name != "postgresql":
        return url_of(engine)
    with transaction(engine) as session:
        if not session.scalar(text(f"SELECT count(*) FROM pg_roles WHERE rolname = '{HTTP_ROLE}'")):
            session.execute(text(f"CREATE ROLE {HTTP_ROLE} LOGIN"))
        session.execute(text(f"GRANT USAGE ON SCHEMA public TO {HTTP_ROLE}"))
        grant_to_http_role(session.connection())
    return engine.url.set(username=HTTP_ROLE).render_as_string(hide_password=False)
