"""One release of overlap in both directions: the last release on this schema, and this release on the last schema."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine, select

from tests.support import oracle
from tests.support.events import NOW, event_id, payload, play
from tests.support.fleet import Fleet, assert_statistics
from tests.support.processes import Process, count, eventually, running_worker, url_of
from tests.support.rollup_rows import RULE
from tests.support.year_of_listening import Listening
from worker.contract.identity import album_identity, artist_identity
from worker.database.engine import snapshot
from worker.database.schema import newest_revision
from worker.models import Song, Track
from worker.operations import corrections
from worker.operations.corrections import Changes
from worker.statistics import find_listener
from worker.statistics.rollups.sweep import refresh
from worker.stream.consumer import EventStream

EVENTS = 2_000


def test_the_wheel_is_the_last_release_and_not_this_checkout(old_release: Path, tmp_path: Path) -> None:
    asked = "import importlib.metadata, worker; print(importlib.metadata.version('zik'), worker.__file__)"
    command, environment = [sys.executable, "-c", asked], {"PYTHONPATH": str(old_release)}
    told = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["0.2.0", str(old_release / "worker" / "__init__.py")]


@pytest.fixture
def old_worker(engine: Engine, redis_url: str, old_release: Path, tmp_path: Path) -> Iterator[Process]:
    """A worker of the last release on this release's schema."""
    with running_worker(
        redis_url=redis_url, database_url=url_of(engine), folder=tmp_path, PYTHONPATH=str(old_release)
    ) as worker:
        yield worker


def test_f28_statistics_include_the_last_releases_recordings(
    engine: Engine, stream: EventStream, old_worker: Process
) -> None:
    payloads = Listening(3).take(EVENTS)
    first, then = payloads[: EVENTS // 2], payloads[EVENTS // 2 :]
    settle(stream, first, old_worker)
    assert count(engine, "songs", "twin_identity IS NOT NULL") == 0
    refresh(engine, RULE)
    assert count(engine, "stale_histories") == 0
    settle(stream, then, old_worker)
    # It knows nothing of statistics, and corrects them all the same: timezones of computed days.
    assert count(engine, "stale_histories", "user_id IS NOT NULL") > 0
    oracle.check(payloads, stream, engine)
    assert_statistics(engine)
    assert_filed(engine)


def test_s6_the_last_release_records_one_id_of_two_users(
    engine: Engine, stream: EventStream, old_worker: Process
) -> None:
    """It names no key when it inserts, so the key of this schema is its key too."""
    for user in ("ada", "bob"):
        settle(stream, [payload(play(id=event_id(1), user=user))], old_worker)
    assert stream.books().recorded == count(engine, "play_history") == 2
    settle(stream, [payload(play(id=event_id(1), user="bob"))], old_worker)
    assert stream.books().duplicate == 1
    assert_statistics(engine)


def test_a_deleted_play_that_the_last_release_records_again_does_not_return(
    engine: Engine, stream: EventStream, old_worker: Process
) -> None:
    """It looks at no deleted play, and its books say recorded. The trigger takes the play away in its transaction."""
    again = [payload(play(id=event_id(number), time=f"2021-04-22T05:40:{number:02}Z")) for number in range(1, 4)]
    settle(stream, again, old_worker)
    refresh(engine, RULE)
    with snapshot(engine) as session:
        ada = find_listener(session.connection(), "ada").id
    corrections.delete(engine, ada, [UUID(event_id(1))])
    corrections.edit(engine, ada, UUID(event_id(2)), Changes(title="Schism"), now=NOW)
    settle(stream, [*again, payload(play(id=event_id(9), time="2021-04-22T05:40:01Z"))], old_worker)
    assert count(engine, "play_history") == 2
    assert count(engine, "corrected_plays") == 2
    assert_statistics(engine)
    assert corrections.restore(engine, ada, [UUID(event_id(1)), UUID(event_id(2))]).restored == 2
    assert count(engine, "play_history") == 3
    assert_statistics(engine)


def settle(stream: EventStream, payloads: list[bytes], worker: Process) -> None:
    stream.append(payloads)
    eventually(lambda: stream.books().waiting == 0, within_s=60, told=lambda: worker.log[-5_000:])


def assert_filed(engine: Engine) -> None:
    """Every song is under the artist and the album that this release would have put it under."""
    with snapshot(engine) as session:
        songs = session.execute(select(Song, Track).outerjoin(Track, Track.id == Song.legacy_track_id)).all()
        assert any(track is not None for _, track in songs)
        for song, track in songs:
            assert song.artist_identity is not None
            assert song.artist_identity.hex == artist_identity(song.artist)
            # An album that it told of only after the song was filed counts no more.
            if track is not None:
                assert track.album_identity == UUID(album_identity(song.artist, track.album or ""))


def test_f26_a_new_worker_waits_for_its_schema_and_recovers(fleet: Fleet) -> None:
    with fleet.worker("new") as worker:
        fleet.publish(EVENTS)
        eventually(lambda: "run `zik init`" in worker.log, within_s=30, told=lambda: worker.log)
        # Time in which it could do wrong: it tries again with every ring.
        time.sleep(3)
        assert fleet.stream.books().waiting == EVENTS
        assert count(fleet.engine, "dead_letters") == count(fleet.engine, "play_history") == 0
        assert fleet.init().startswith(f"upgraded the schema from 0008 to {newest_revision()}")
        fleet.settle()
        assert worker.alive
    assert_statistics(fleet.engine)
