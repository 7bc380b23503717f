"""Players that submit listens over HTTP as ListenBrainz's clients do, and repeat each request until it is answered."""

import json
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from typing import Any, Final, NamedTuple

_BEGIN_S: Final = 1_600_000_000
_LARGEST_IMPORT: Final = 50
# Of the requests; an import has twenty-five times as many listens.
_SINGLES: Final = 0.9
_PAUSE_S: Final = 0.05
_TIMEOUT_S: Final = 30.0
# 400: none of the listens is valid.
_FINAL: Final = frozenset({200, 400})
_LATER: Final = 503

# What a listener has heard: the user, when it began, and the title.
Heard = tuple[str, datetime, str]


class Request(NamedTuple):
    """A submission. `bad` are the positions of listens that zik has to refuse."""

    body: bytes
    heard: list[Heard]
    bad: dict[int, str]

    @property
    def size(self) -> int:
        return len(self.heard) + len(self.bad)


class Verdict(NamedTuple):
    """What the last answer to a request said."""

    status: int
    accepted: int
    ignored: set[int]


def requests_of(user: str, *, listens: int, seed: int) -> list[Request]:
    """Singles and imports of one user, each listen at another second. One listen in a hundred is bad, at least one."""
    rng = random.Random(seed)
    bad = set(rng.sample(range(listens), max(1, listens // 100)))
    requests, start = [], 0
    while start < listens:
        size = 1 if rng.random() < _SINGLES else rng.randrange(2, _LARGEST_IMPORT)
        numbers = range(start, min(start + size, listens))
        requests.append(_request(user, numbers, bad))
        start = numbers.stop
    return requests


def _request(user: str, numbers: range, bad: set[int]) -> Request:
    sent = [_bad_listen(user, number) if number in bad else _listen(number) for number in numbers]
    kind = "single" if len(sent) == 1 else "import"
    heard = [
        (user, datetime.fromtimestamp(_BEGIN_S + number, UTC), _title(number))
        for number in numbers
        if number not in bad
    ]
    refused = {index: _mark(user, number) for index, number in enumerate(numbers) if number in bad}
    return Request(json.dumps({"listen_type": kind, "payload": sent}).encode(), heard, refused)


def _listen(number: int) -> dict[str, Any]:
    info = {"submission_client": "Navidrome", "submission_client_version": "0.55", "duration_ms": 183_000}
    meta = {"artist_name": "Tool", "track_name": _title(number), "release_name": "Lateralus", "additional_info": info}
    return {"listened_at": _BEGIN_S + number, "track_metadata": meta}


def _bad_listen(user: str, number: int) -> dict[str, Any]:
    """A time in milliseconds, no artist, or no time at all, in turn."""
    listen = _listen(number)
    listen["track_metadata"]["additional_info"] = {"origin_url": _mark(user, number)}
    if number % 3 == 0:
        listen["listened_at"] *= 1_000
    elif number % 3 == 1:
        del listen["track_metadata"]["artist_name"]
    else:
        del listen["listened_at"]
    return listen


def _title(number: int) -> str:
    return f"song {number % 300}"


def _mark(user: str, number: int) -> str:
    return f"refused-{user}-{number}."


class Players:
    """One connection for each token, all at once. `verdicts` are in the order of the requests of a token."""

    def __init__(self, port: int, requests: dict[str, list[Request]]) -> None:
        self._port = port
        self._requests = requests
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self.answered = 0
        self.repeated = 0
        self.unexpected: Counter[str] = Counter()
        self.verdicts: dict[str, list[Verdict]] = {token: [] for token in requests}

    @contextmanager
    def playing(self) -> Iterator[None]:
        """Play while the block lasts, and then until all is answered."""
        threads = [threading.Thread(target=self._play, args=[token], daemon=True) for token in self._requests]
        for thread in threads:
            thread.start()
        try:
            yield
        except BaseException:
            self._ended.set()
            raise
        finally:
            for thread in threads:
                thread.join()

    def _play(self, token: str) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT_S)
        for request in self._requests[token]:
            while (verdict := self._send(connection, token, request.body)) is None:
                if self._ended.wait(_PAUSE_S):
                    return
                with self._lock:
                    self.repeated += 1
            self.verdicts[token].append(verdict)
            with self._lock:
                self.answered += request.size
        connection.close()

    def _send(self, connection: HTTPConnection, token: str, body: bytes) -> Verdict | None:
        """Send once. None if the same has to be sent again."""
        try:
            connection.request("POST", "/1/submit-listens", body, {"Authorization": f"Token {token}"})
            answer = connection.getresponse()
            content = json.loads(answer.read())
        except (OSError, HTTPException) as error:
            connection.close()
            if isinstance(error, TimeoutError):
                self.unexpected["no answer in time"] += 1
            return None
        if answer.status == _LATER:
            return None
        if answer.status not in _FINAL:
            # Repeated all the same, and named in the end.
            self.unexpected[f"status {answer.status}"] += 1
            return None
        ignored = {each["index"] for each in content.get("ignored", ())}
        return Verdict(answer.status, content.get("submitted_listens", 0), ignored)
