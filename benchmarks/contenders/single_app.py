"""The usual way: one Celery task per event, one transaction each, through zik's own models."""

import os
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, create_engine, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from benchmarks.contenders.celery_app import make_app
from worker.contract.identity import song_identity
from worker.models import PlayHistory, Song, User

QUEUE = "bench.single"

app = make_app("single", queue=QUEUE, prefetch=int(os.environ.get("BENCH_PREFETCH", "4")))


@cache
def _engine(pid: int) -> Engine:
    del pid  # A part of the key: connections are made after fork.
    return create_engine(os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://"))


@app.task(name="bench.record_play")
def record_play(event: dict[str, Any]) -> None:
    song = event["song"]
    with Session(_engine(os.getpid())) as session, session.begin():
        user_id = _user_id(session, event["user"])
        song_id = _song_id(session, UUID(song_identity(song["artist"], song["title"])), song)
        session.execute(
            insert(PlayHistory)
            .values(
                id=UUID(event["id"]),
                user_id=user_id,
                song_id=song_id,
                played_at=datetime.fromisoformat(event["time"]),
                ms_played=event.get("ms_played"),
                source=event.get("source"),
            )
            .on_conflict_do_nothing()
        )


def _user_id(session: Session, username: str) -> int:
    find = select(User.id).where(User.username == username)
    if (user_id := session.scalar(find)) is None:
        session.execute(insert(User).values(username=username).on_conflict_do_nothing())
        user_id = session.scalars(find).one()
    return user_id


def _song_id(session: Session, identity: UUID, song: dict[str, Any]) -> int:
    find = select(Song.id).where(Song.identity == identity)
    if (song_id := session.scalar(find)) is None:
        values = {name: song.get(name) for name in ("artist", "title", "album", "duration_ms")}
        session.execute(insert(Song).values(identity=identity, **values).on_conflict_do_nothing())
        song_id = session.scalars(find).one()
    return song_id
