"""An upgrade as MIGRATIONS.md tells it, and the way back, while players publish and workers of both releases record."""

from collections.abc import Iterable
from contextlib import ExitStack
from functools import partial

import pytest
from celery import Celery

from tests.support.fleet import Fleet, assert_statistics
from tests.support.processes import Process, eventually
from tests.support.rollup_rows import RULE
from worker.celery.application import make_app
from worker.celery.names import MAINTENANCE
from worker.database.schema import newest_revision
from worker.settings import load_settings
from worker.statistics.rollups.sweep import refresh

# Two releases, four workers, two beats on two cores.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def broker(fleet: Fleet) -> Celery:
    return make_app(load_settings(redis_url=fleet.redis_url))


def test_f28_a_rolling_upgrade_under_load_loses_nothing(fleet: Fleet, broker: Celery) -> None:
    with ExitStack() as processes:
        start = processes.enter_context
        old = [start(fleet.worker(f"old-{number}", old=True)) for number in (1, 2)]
        old_beat = start(fleet.beat(old=True))
        with fleet.publishing():
            fleet.goes_on()
            assert fleet.init().startswith(f"upgraded the schema from 0008 to {newest_revision()}")
            fleet.goes_on()
            new = [start(fleet.worker(f"new-{number}")) for number in (1, 2)]
            for worker in old:
                worker.stop()
                fleet.goes_on()
            # What the beat of the last release asks for once an hour.
            broker.send_task(MAINTENANCE)
            said_by_new = partial(said_by, new)
            eventually(lambda: f"Task {MAINTENANCE}" in said_by_new(), within_s=30, told=said_by_new)
            old_beat.stop()
            start(fleet.beat())
            eventually(lambda: "computed " in said_by_new(), within_s=60, told=said_by_new)
            # What is recorded from here on is marked anew, days that have been computed too.
            fleet.goes_on()
        fleet.settle()
        assert "unregistered" not in said_by_new()
        assert "Traceback" not in said_by_new()
        assert_statistics(fleet.engine)


@pytest.mark.full
def test_f28_a_downgrade_under_load_loses_nothing(fleet: Fleet) -> None:
    with ExitStack() as processes:
        start = processes.enter_context
        fleet.init()
        new = start(fleet.worker("new"))
        with fleet.publishing():
            fleet.goes_on()
            refresh(fleet.engine, RULE)
            start(fleet.worker("old", old=True))
            new.stop()
            fleet.goes_on()
            fleet.downgrade()
            assert fleet.revision() == "0008"
            fleet.goes_on()
            assert fleet.init().startswith(f"upgraded the schema from 0008 to {newest_revision()}")
            fleet.goes_on()
        fleet.settle()
        assert_statistics(fleet.engine)


def said_by(workers: Iterable[Process]) -> str:
    return "".join(worker.log for worker in workers)
