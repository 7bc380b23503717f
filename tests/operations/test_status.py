from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.support.processes import litter
from worker.database.engine import opened_engine
from worker.operations.status import overview
from worker.stream.consumer import EventStream


def test_a_status_counts_the_dead_letters(stream: EventStream, engine: Engine) -> None:
    litter(engine, 3, b"{")
    state = overview(stream, engine)
    assert (state.letters, state.database_trouble, state.well) == ({"out_of_range": 3}, None, True)


def test_a_database_without_a_schema_is_no_trouble(stream: EventStream, tmp_path: Path) -> None:
    with opened_engine(f"sqlite:///{tmp_path / 'empty.db'}") as engine:
        state = overview(stream, engine)
    assert (state.schema, state.database_trouble, state.well) == (None, None, False)


@pytest.mark.parametrize(
    "content", [b"no database" * 500, b"SQLite format 3\0" + b"\xff" * 8000], ids=["other", "torn"]
)
def test_a_damaged_sqlite_file_is_trouble(stream: EventStream, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.db"
    path.write_bytes(content)
    with opened_engine(f"sqlite:///{path}") as engine:
        state = overview(stream, engine)
    assert "damaged" in (state.database_trouble or "")
