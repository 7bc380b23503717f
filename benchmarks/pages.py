"""Pages of one user with a million plays, from a request to the last byte, while 200 other pages are open."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from http.client import HTTPConnection
from typing import Final
from urllib.parse import urlencode

from benchmarks import goals
from benchmarks.contenders.http_servers import zik_serving
from benchmarks.contenders.open_pages import open_pages
from benchmarks.long_history import LISTENER, YEARS, fill, most_played, today_waits
from benchmarks.machine import machine
from benchmarks.report import Line, Report
from benchmarks.rounds import Measured, alternate
from benchmarks.servers import Servers, running_servers
from worker.database.engine import opened_engine
from worker.operations import tokens
from worker.operations.tokens import Scope

PLAYS: Final = 1_000_000
READERS: Final = 200
_ASKED: Final = 20
_KB: Final = 1_000
_WAITS: Final = ", while today waits"
_ALSO_WAITING: Final = ("profile", "top songs, month", "top artists, year", "top albums, all")
_FORM: Final = b'name="form" value="'


@dataclass
class _Visitor:
    """A browser that is signed in, and what it has measured: milliseconds and the largest size of each page."""

    port: int
    cookie: str
    taken: dict[str, list[list[float]]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    def ask(self, name: str, path: str) -> float:
        """Open a page once unmeasured, then a few times. Returns the median in ms."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            self._open(connection, path)
            taken = [self._open(connection, path) for _ in range(_ASKED)]
        self.taken.setdefault(name, []).append([ms for ms, _ in taken])
        self.sizes[name] = max(size for _, size in taken)
        return statistics.median(ms for ms, _ in taken)

    def _open(self, connection: HTTPConnection, path: str) -> tuple[float, int]:
        began = time.perf_counter()
        connection.request("GET", path, headers={"cookie": self.cookie})
        answer = connection.getresponse()
        size = len(answer.read())
        if answer.status != HTTPStatus.OK:
            raise AssertionError(f"{path}: answered {answer.status}")
        return 1_000 * (time.perf_counter() - began), size


def measure(*, rounds: int, plays: int) -> Report:
    """Open each page twenty times a round; some of them also while today waits for a sweep."""
    with running_servers() as servers:
        fill(servers, plays)
        with zik_serving(servers, workers=1) as port, _visitor(servers, port) as visitor:
            asked = {name: partial(visitor.ask, name, path) for name, path in _paths(servers).items()}
            asked |= {f"{name}{_WAITS}": _while_today_waits(servers, visitor, name) for name in _ALSO_WAITING}
            with open_pages(port, f"/u/{LISTENER}/events", visitor.cookie, READERS) as readers:
                measured = alternate(asked, rounds)
                if readers.lost:
                    raise AssertionError(f"{readers.lost} of {READERS} open pages were closed")
        measured_on = machine(servers)
    lines = [*_p50(measured), *_p99(visitor), _largest(visitor)]
    title = f"Pages of a user with {plays:,} plays, {READERS} of them open elsewhere"
    return Report("pages", title, measured_on, lines, {"plays": plays, "years": YEARS, "readers": READERS})


def _while_today_waits(servers: Servers, visitor: _Visitor, name: str) -> Callable[[], float]:
    path = _paths(servers)[name]

    def ask() -> float:
        today_waits(servers, waits=True)
        try:
            return visitor.ask(f"{name}{_WAITS}", path)
        finally:
            today_waits(servers, waits=False)

    return ask


def _paths(servers: Servers) -> Mapping[str, str]:
    """What is measured, and its path. The names are those of the table in docs/performance.md."""
    home, now = f"/u/{LISTENER}", datetime.now(UTC)
    found = {subject: most_played(servers, subject) for subject in ("song", "artist", "album")}
    tops = {
        f"top {subject}s, {period}": f"{home}/top/{subject}s?{urlencode({'period': period})}"
        for period in ("month", "year", "all")
        for subject in ("song", "artist", "album")
    }
    words = {"a letter": "m", "the beginning of a word": "kar", "a name": found["artist"][1], "nothing": "xyzzy"}
    return {
        "profile": f"{home}/",
        "live": f"{home}/live",
        **tops,
        "a day": f"{home}/day/{now.replace(year=now.year - 1, day=10).date()}",
        **{f"the {subject} played most": f"{home}/{subject}/{identity}" for subject, (identity, _) in found.items()},
        **{f"search, {name}": f"{home}/search?{urlencode({'q': text})}" for name, text in words.items()},
        "the year's report": f"{home}/{now.year - 1}",
    }


@contextmanager
def _visitor(servers: Servers, port: int) -> Iterator[_Visitor]:
    """Someone signed in with a token, as a browser does it."""
    with opened_engine(servers.database_url) as engine:
        token = tokens.create(engine, LISTENER, name="benchmark", scopes=[Scope.READ, Scope.SUBMIT])
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("GET", "/sign-in")
        asked = connection.getresponse()
        form = asked.read().partition(_FORM)[2].partition(b'"')[0].decode()
        headers = {"cookie": _cookie(asked.headers["set-cookie"]), "content-type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/sign-in", urlencode({"form": form, "token": token}), headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != HTTPStatus.SEE_OTHER:
            raise AssertionError(f"not signed in: {answer.status}")
        yield _Visitor(port, _cookie(answer.headers["set-cookie"]))


def _cookie(header: str) -> str:
    return header.partition(";")[0]


# --- Lines ----------------------------------------------------------------------------------------


def _p50(measured: Mapping[str, Measured]) -> list[Line]:
    return [Line(name, each, "ms", goal=goals.PAGE_P50) for name, each in measured.items()]


def _p99(visitor: _Visitor) -> list[Line]:
    """Of all rounds together: the twenty of one round say nothing about one in a hundred."""
    slowest: Callable[[list[float]], float] = lambda taken: statistics.quantiles(taken, n=100)[98]  # noqa: E731
    return [
        Line(f"{name}, p99", Measured((slowest([ms for taken in rounds for ms in taken]),)), "ms", goal=goals.PAGE_P99)
        for name, rounds in visitor.taken.items()
    ]


def _largest(visitor: _Visitor) -> Line:
    name, size = max(visitor.sizes.items(), key=lambda each: each[1])
    return Line(goals.PAGE_SIZE.what, Measured((size / _KB,)), "kB", note=name, goal=goals.PAGE_SIZE)
