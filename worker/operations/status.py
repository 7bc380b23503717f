"""The state of zik at a glance: books, drains, dead letters, schema, and what plays now."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine

from worker.books import Books
from worker.database.engine import snapshot
from worker.database.schema import current_revision, newest_revision
from worker.errors import ZikError
from worker.operations import dead_letters
from worker.operations.now_playing import NowPlaying, read_now_playing
from worker.stream.consumer import EventStream
from worker.stream.inspection import Consumer


@dataclass(frozen=True)
class Overview:
    """`schema` is None if the database has none; `database_trouble` is why the database could not be read."""

    books: Books
    consumers: list[Consumer]
    last_progress_s: dict[str, float]
    schema: str | None
    newest_schema: str
    letters: dict[str, int]
    database_trouble: str | None
    now_playing: Mapping[str, NowPlaying] = field(default_factory=dict)

    @property
    def well(self) -> bool:
        return self.books.balanced and self.schema == self.newest_schema and self.database_trouble is None

    def as_json(self) -> dict[str, Any]:
        books = self.books
        return {
            "received": books.received,
            "recorded": books.recorded,
            "duplicate": books.duplicate,
            "dead": books.dead,
            "waiting": books.waiting,
            "unaccounted": books.unaccounted,
            "pending": books.pending,
            "oldest_waiting_s": round(books.oldest_waiting_s, 1),
            "consumers": [
                consumer._asdict() | {"last_progress_s": self.last_progress_s.get(consumer.name)}
                for consumer in self.consumers
            ],
            "schema": self.schema,
            "newest_schema": self.newest_schema,
            "dead_letters": self.letters,
            "database_trouble": self.database_trouble,
            "now_playing": [
                {"user": user, "artist": playing.song.artist, "title": playing.song.title}
                for user, playing in self.now_playing.items()
            ],
            "well": self.well,
        }


def overview(stream: EventStream, engine: Engine) -> Overview:
    """Look at everything once.

    Raises:
        StreamUnavailableError: Redis is away, and with it the books. A database that is away is `database_trouble`.
    """
    books, consumers, last_progress_s = stream.books(), stream.consumers(), stream.last_progress_s()
    now_playing = {user: read_now_playing(value) for user, value in stream.now_playing().items()}
    schema, letters, trouble = None, {}, None
    try:
        with snapshot(engine) as session:
            schema = current_revision(session.connection())
        if schema is not None:
            letters = dead_letters.count_by_reason(engine)
    except ZikError as error:
        trouble = str(error)
    return Overview(
        books,
        consumers,
        last_progress_s,
        schema,
        newest_revision(),
        letters,
        trouble,
        {user: playing for user, playing in now_playing.items() if playing is not None},
    )
