"""Players that die at any moment, and an outbox that must not forget what they were told is safe."""

import random
import time
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine, func, select

from tests.support.processes import running
from tests.support.proxy import Proxy, proxied
from worker.client import Client
from worker.database.engine import snapshot
from worker.drain.drain import Drain
from worker.models import PlayHistory
from worker.stream.consumer import EventStream

LONGEST_LIFE_S = 0.4


def recorded(engine: Engine) -> list[UUID]:
    with snapshot(engine) as session:
        return list(session.scalars(select(PlayHistory.id)))


def songs_recorded_twice(engine: Engine) -> int:
    twice = select(PlayHistory.song_id).group_by(PlayHistory.song_id).having(func.count() > 1).subquery()
    with snapshot(engine) as session:
        return session.scalar(select(func.count()).select_from(twice)) or 0


def killed_at_random(rng: random.Random, url: str, folder: Path, seed: int, proxy: Proxy) -> None:
    arguments = ["tests.support.player", url, str(folder / "o"), str(folder / "told"), str(seed)]
    with running(arguments, folder=folder) as player:
        player.wait_for("playing", within_s=60)
        proxy.refuses = rng.random() < 0.3
        if rng.random() < 0.5:
            proxy.lose_reply_to(b"XADD")
        time.sleep(rng.random() * LONGEST_LIFE_S)
        assert player.alive, player.log
        player.kill()
    proxy.refuses = False


@pytest.mark.parametrize("kills", [10, pytest.param(100, marks=[pytest.mark.full, pytest.mark.timeout(900)])])
def test_a_killed_player_loses_and_doubles_no_event_on_disk(
    kills: int, redis_url: str, stream: EventStream, sqlite: Engine, tmp_path: Path
) -> None:
    rng = random.Random(kills)
    port = int(redis_url.split(":")[2].removesuffix("/0"))
    with proxied(("127.0.0.1", port)) as proxy:
        for seed in range(kills):
            killed_at_random(rng, f"redis://127.0.0.1:{proxy.port}/0", tmp_path, seed, proxy)
    with Client(redis_url, outbox=tmp_path / "o") as successor:
        assert successor.flush(60)
    Drain(stream, sqlite, "a").run()

    told = [UUID(line) for line in (tmp_path / "told").read_text().split()]
    found = recorded(sqlite)
    assert len(told) > kills
    assert set(told) - set(found) == set()
    assert len(found) == len(set(found))
    assert songs_recorded_twice(sqlite) == 0
    books = stream.books()
    assert (books.recorded, books.dead, books.waiting, books.unaccounted) == (len(found), 0, 0, 0)
