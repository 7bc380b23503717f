"""The command `zik`, called in this process as its user calls it."""

import csv
import io
import json
import sys
from typing import Any, NamedTuple, Protocol

import pytest
from sqlalchemy import Engine

from tests.support.processes import url_of
from worker.cli import main, terminal  # noqa: F401 -- rich fixes the width when a console is made, not in a test


class Answer(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def rows(self) -> list[dict[str, str]]:
        """Of an answer in CSV."""
        return list(csv.DictReader(io.StringIO(self.out)))


class Zik(Protocol):
    def __call__(self, *arguments: str) -> Answer: ...


def zik_at(database: Engine, redis_url: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Zik:
    """A function that calls `zik` with these servers, on a terminal of 160 columns."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("DATABASE_URL", url_of(database))
    monkeypatch.setenv("COLUMNS", "160")

    def call(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["zik", *arguments])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        return Answer(code, *capfd.readouterr())

    return call
