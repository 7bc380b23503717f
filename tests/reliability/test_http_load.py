"""What `zik serve` has answered with 200 is a row, once, whatever is killed meanwhile.

Valkey syncs each write. With `appendfsync everysec` it answers before it has written anything while a sync is under way
(`flushAppendOnlyFile` in its aof.c), so that even a SIGKILL loses what was answered in up to two seconds.
"""

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Final, Literal, NamedTuple

import psutil
import pytest
from sqlalchemy import Engine, select

from tests.support.processes import Process, eventually, running, running_worker
from tests.support.rig import make_database
from tests.support.servers import Postgres, Valkey, own_postgres, own_valkey
from tests.support.submitting import Heard, Players, Request, requests_of
from worker.database.engine import opened_engine, snapshot
from worker.errors import StreamUnavailableError
from worker.local.http_server import answers
from worker.local.valkey import free_port
from worker.models import DeadLetter, PlayHistory, Song, User
from worker.operations import tokens
from worker.operations.tokens import Scope
from worker.stream.consumer import EventStream

CONNECTIONS: Final = 64
SERVING: Final = 2
# Granian waits a few seconds before it starts a process again.
RESPAWNED_WITHIN_S: Final = 30.0

Fault = tuple[float, Literal["redis", "server", "postgres"]]
# What is killed as soon as this share of the listens is answered.
ONE_OF_EACH: Final[Sequence[Fault]] = ((0.2, "server"), (0.4, "postgres"), (0.5, "redis"))
MANY: Final[Sequence[Fault]] = (
    (0.05, "redis"), (0.15, "server"), (0.25, "redis"), (0.35, "postgres"), (0.4, "redis"),
    (0.5, "server"), (0.6, "redis"), (0.7, "server"), (0.8, "redis"), (0.9, "redis"),
)  # fmt: skip


class Site(NamedTuple):
    """All of zik's processes and servers, used by nobody else."""

    valkey: Valkey
    postgres: Postgres
    server: Process
    port: int
    engine: Engine


@contextmanager
def running_site(folder: Path) -> Iterator[Site]:
    with own_valkey(folder / "valkey") as valkey, own_postgres() as postgres:
        make_database(postgres)
        port = free_port()
        urls = {"REDIS_URL": valkey.url, "DATABASE_URL": postgres.url("zik", user="zik_worker")}
        command = ["worker", "serve", "--port", str(port), "--workers", str(SERVING)]
        with (
            opened_engine(postgres.url("zik")) as engine,
            running_worker(
                redis_url=valkey.url, database_url=urls["DATABASE_URL"], folder=folder, slots=2, ready=False
            ) as worker,
            running(command, folder=folder, ZIK_HTTP_RATE="0", **urls) as server,
        ):
            worker.wait_for(" ready.")
            eventually(lambda: answers(f"http://127.0.0.1:{port}"), within_s=30, told=lambda: server.log)
            yield Site(valkey, postgres, server, port, engine)
            assert "a request met a bug" not in server.log


def players_of(site: Site, listens: int) -> tuple[Players, dict[str, list[Request]]]:
    """A token and a connection for each of 64 users."""
    requests = {
        tokens.create(site.engine, f"player-{number}", name="load", scopes=[Scope.SUBMIT]): requests_of(
            f"player-{number}", listens=listens // CONNECTIONS, seed=number
        )
        for number in range(CONNECTIONS)
    }
    return Players(site.port, requests), requests


def serving_processes(site: Site) -> set[int]:
    return {child.pid for child in psutil.Process(site.server.pid).children()}


def kill_serving_process(site: Site) -> None:
    before = serving_processes(site)
    assert len(before) == SERVING
    os.kill(min(before), signal.SIGKILL)
    eventually(
        lambda: len(serving_processes(site) - {min(before)}) == SERVING,
        within_s=RESPAWNED_WITHIN_S,
        told=lambda: site.server.log,
    )


def inflict(site: Site, players: Players, faults: Sequence[Fault], *, listens: int, away_s: float) -> list[Timer]:
    """Each fault when its share of the listens is answered. PostgreSQL comes back by itself."""
    returning = []
    for share, what in faults:
        eventually(
            lambda share=share: players.answered >= share * listens,  # type: ignore[misc]  # mypy wants no default
            within_s=300,
            told=lambda: (players.answered, players.unexpected),
        )
        if what == "redis":
            site.valkey.kill()
            site.valkey.start()
        elif what == "server":
            kill_serving_process(site)
        else:
            site.postgres.kill()
            returning.append(Timer(away_s, site.postgres.start))
            returning[-1].start()
    return returning


def play_through(site: Site, faults: Sequence[Fault], *, listens: int, away_s: float) -> None:
    players, requests = players_of(site, listens)
    sent = sum(request.size for of_token in requests.values() for request in of_token)
    with players.playing():
        returning = inflict(site, players, faults, listens=sent, away_s=away_s)
    for timer in returning:
        timer.join()
    # Its connections are to a server that has died.
    site.engine.dispose()
    assert players.answered == sent
    assert not players.unexpected
    # Something was under way when a server died.
    assert players.repeated > 0
    with EventStream.opened(site.valkey.url) as stream:
        eventually(lambda: is_dry(stream), within_s=120, every_s=0.1, told=stream.books)
        assert_every_answer_was_true(site.engine, players, requests)
        books, rows = stream.books(), recorded(site.engine).total()
        assert books.dead == len(desk(site.engine))
        # What was committed when Redis died is read again, and counts as a duplicate then.
        assert books.recorded <= rows <= books.recorded + books.duplicate
        assert books.received == books.recorded + books.duplicate + books.dead
        assert books.received >= sent


def is_dry(stream: EventStream) -> bool:
    try:
        return stream.books().waiting == 0
    except StreamUnavailableError:
        return False


def assert_every_answer_was_true(engine: Engine, players: Players, requests: dict[str, list[Request]]) -> None:
    accepted: Counter[Heard] = Counter()
    refused: set[str] = set()
    for token, of_token in requests.items():
        for request, verdict in zip(of_token, players.verdicts[token], strict=True):
            assert verdict.ignored == set(request.bad)
            assert verdict.accepted == len(request.heard)
            assert verdict.status == (200 if request.heard else 400)
            accepted.update(request.heard)
            refused |= set(request.bad.values())
    assert recorded(engine) == accepted
    letters = desk(engine)
    assert {mark for mark in refused if not any(mark in letter for letter in letters)} == set()
    assert [letter for letter in letters if not any(mark in letter for mark in refused)] == []


def recorded(engine: Engine) -> Counter[Heard]:
    query = (
        select(User.username, PlayHistory.played_at, Song.title)
        .select_from(PlayHistory)
        .join(User, User.id == PlayHistory.user_id)
        .join(Song, Song.id == PlayHistory.song_id)
    )
    with snapshot(engine) as session:
        return Counter((user, at, title) for user, at, title in session.execute(query))


def desk(engine: Engine) -> list[str]:
    """What the client sent of each dead letter."""
    with snapshot(engine) as session:
        return [json.loads(payload)["received"] for payload in session.scalars(select(DeadLetter.payload))]


@pytest.mark.timeout(120)
def test_what_is_answered_with_200_is_a_row_once_though_each_server_is_killed(tmp_path: Path) -> None:
    with running_site(tmp_path) as site:
        play_through(site, ONE_OF_EACH, listens=2_048, away_s=1.0)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_of_a_hundred_thousand_listens_none_is_lost_or_doubled_through_ten_kills(tmp_path: Path) -> None:
    with running_site(tmp_path) as site:
        play_through(site, MANY, listens=102_400, away_s=60.0)
