"""The Python of docs/models.md runs, where what it imports is installed."""

import importlib
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from sqlalchemy import Engine, select

from tests.support.events import favorite, play
from tests.support.processes import ROOT, url_of
from tests.support.rollup_rows import record
from worker.database.engine import snapshot
from worker.models import PlayHistory

PAGE: Final = (ROOT / "docs" / "models.md").read_text()
BLOCKS: Final = dict(re.findall(r"^## (\w+)\n.*?^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))


@pytest.fixture
def page(engine: Engine, capsys: pytest.CaptureFixture[str]) -> Iterator[dict[str, Any]]:
    """The names of a reader who has run the first block, whose output is captured."""
    capsys.readouterr()
    record(engine, play(user="ada"), favorite(user="ada"))
    names: dict[str, Any] = {"DATABASE_URL": url_of(engine).replace("postgresql:", "postgresql+psycopg:")}
    run("Read", names)
    yield names
    names["engine"].dispose()


def run(heading: str, names: dict[str, Any]) -> None:
    exec(compile(BLOCKS[heading], f"docs/models.md: {heading}", "exec"), names)  # noqa: S102 -- our own page


@pytest.mark.usefixtures("page")
def test_reading(capsys: pytest.CaptureFixture[str]) -> None:
    assert capsys.readouterr().out == "2021-04-22 05:40:53+00:00 Tool Parabola None\n['Parabola']\n"


def test_writing(page: dict[str, Any], engine: Engine) -> None:
    run("Write", page)
    with snapshot(engine) as session:
        assert len(session.scalars(select(PlayHistory)).all()) == 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_fastapi(page: dict[str, Any]) -> None:
    pytest.importorskip("fastapi")
    pytest.importorskip("httpx")
    run("FastAPI", page)
    client = importlib.import_module("fastapi.testclient").TestClient(page["app"])
    assert [row["title"] for row in client.get("/users/ada/plays").json()] == ["Parabola"]
    assert client.get("/users/nobody/plays").status_code == 404


def test_pandas(page: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pandas")
    run("pandas", page)
    assert "Tool" in capsys.readouterr().out


@pytest.mark.parametrize("heading", BLOCKS)
def test_each_block_is_python(heading: str) -> None:
    compile(BLOCKS[heading], heading, "exec")
