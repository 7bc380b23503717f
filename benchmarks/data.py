"""The events that every contender records: seeded, the same for all, and written down before any clock runs."""

import gzip
import itertools
import json
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from worker.contract.codec import decode, encode
from worker.local.simulator import simulate

_UNTIL: Final = datetime(2026, 11, 1, tzinfo=UTC)
_FIRST_SENT_MS: Final = int(_UNTIL.timestamp() * 1000)
_EVENTS_PER_MS: Final = 10
_CACHE: Final = Path(tempfile.gettempdir()) / "zik-benchmark-data"
REAL: Final = Path(__file__).resolve().parents[2] / "shared" / "data" / "events"


@dataclass(frozen=True)
class Shape:
    """How many plays, of how many listeners and songs, by Zipf's law; or the real histories, whatever they hold."""

    events: int = 100_000
    users: int = 1_000
    songs: int = 10_000
    seed: int = 1
    real: bool = False

    @property
    def name(self) -> str:
        if self.real:
            return "real-histories"
        return f"{self.events}-events-{self.users}-users-{self.songs}-songs-seed-{self.seed}"


def payloads(shape: Shape) -> list[bytes]:
    """The plays as a client of the SDK sends them: compact JSON with a UUIDv7. Made once, then read from a file."""
    if shape.real:
        return _real()
    _CACHE.mkdir(exist_ok=True)
    path = _CACHE / f"{shape.name}.jsonl"
    if not path.exists():
        draft = path.with_suffix(".draft")
        with draft.open("wb") as file:
            file.writelines(encode(event) + b"\n" for event in _plays(shape))
        draft.rename(path)
    return path.read_bytes().splitlines()


def _real() -> list[bytes]:
    """The real histories in `../shared/data`, one after the other, each play once and with the id that zik derives."""
    lines = [gzip.decompress(path.read_bytes()).splitlines() for path in sorted(REAL.glob("*.jsonl.gz"))]
    if not lines:
        raise SystemExit(f"{REAL} is not here: leave out --real")
    plays = {decode(line, now=_UNTIL).id: line for line in itertools.chain(*lines)}
    return [encode({**json.loads(line), "id": play_id}) for play_id, line in plays.items()]


def _plays(shape: Shape) -> Iterator[dict[str, Any]]:
    rng = random.Random(shape.seed)  # noqa: S311 -- repeatable, not secret
    # A simulated event in twenty is no play or is sent twice; a tenth more than enough are asked for.
    simulated = simulate(
        shape.events + shape.events // 10 + 100,
        until=_UNTIL,
        seed=shape.seed,
        users=shape.users,
        songs=shape.songs,
    )
    for number, event in enumerate(islice(_played_once(simulated), shape.events)):
        yield {**event, "id": str(_uuid7(number, rng))}


def _played_once(simulated: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    last = None
    for event in simulated:
        if event["type"] == "play" and event["id"] != last:
            yield event
        last = event["id"]


def _uuid7(number: int, rng: random.Random) -> UUID:
    """The id that a client makes who sends ten events a millisecond: its beginning is the time of sending."""
    sent_ms = _FIRST_SENT_MS + number // _EVENTS_PER_MS
    return UUID(int=sent_ms << 80 | 7 << 76 | rng.getrandbits(12) << 64 | 2 << 62 | rng.getrandbits(62))
