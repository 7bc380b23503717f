import pytest

from worker.statistics import ONE_DAY


@pytest.fixture(autouse=True)
def summed_histories(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every history is summed up after each sweep, to its last day, as if it were long and no play were late."""
    monkeypatch.setattr("worker.statistics.rollups.sums.WORTH_SUMMING", 1)
    monkeypatch.setattr("worker.statistics.rollups.sums._LATE", ONE_DAY * 0)
