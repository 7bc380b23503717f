"""The scenario of the promise: SIGKILLs at random while hundreds of thousands of events flow in."""

import sys

import pytest

from tests.reliability.soak import kills_at_work, soaked

pytestmark = pytest.mark.full


@pytest.mark.timeout(1200)
def test_fifty_sigkills_in_a_long_run_lose_and_double_nothing() -> None:
    report = kills_at_work(seed=2026, events=200_000, kills=50)
    sys.stdout.write(f"{report}\n")
    assert (report.events, report.kills) == (200_000, 50)
    assert (report.lost, report.doubled) == (0, 0)
    assert report.duplicates >= 200_000 * 0.04


@pytest.mark.timeout(600)
def test_a_minute_of_random_faults_loses_and_doubles_nothing() -> None:
    report = soaked(seed=7, minutes=1, rate=500)
    assert (report.lost, report.doubled) == (0, 0)
