import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        pytest.param("worker.models", {"celery", "kombu", "redis"}, id="models"),
        pytest.param("worker.recorders.batch", {"celery", "kombu", "redis"}, id="recorders"),
        pytest.param("worker.client", {"celery", "kombu", "sqlalchemy", "alembic"}, id="client"),
    ],
)
def test_importing_a_module_loads_no_optional_dependency(module: str, absent: set[str]) -> None:
    script = f"import sys, {module}; print(' '.join(name for name in sys.modules if '.' not in name))"
    answer = subprocess.run(
        [sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(answer.stdout.split())
    assert "worker" in loaded
    assert not loaded & absent
