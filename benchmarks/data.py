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
from typing import Any, Final, Literal
from uuid import UUID

from benchmarks.mix import mixed
from worker.contract.codec import decode, encode
from worker.local.simulator import simulate

_UNTIL: Final = datetime(2026, 11, 1, tzinfo=UTC)
_FIRST_SENT_MS: Final = int(_UNTIL.timestamp() * 1000)
# Entry ids say when Redis received an event, and some clients stamp when they sent it. All come at one instant.
ENTRY_IDS: Final = f"{_FIRST_SENT_MS}-*"
RECEIVED: Final = f"{_FIRST_SENT_MS}-0"

Kind = Literal["mix", "ordinary", "real"]
_EVENTS_PER_MS: Final = 10
_CACHE: Final = Path(tempfile.gettempdir()) / "zik-benchmark-data"
REAL: Final = Path(__file__).resolve().parents[2] / "shared" / "data" / "events"


@dataclass(frozen=True)
class Shape:
    """How many events, of how many listeners and songs, by Zipf's law; or the real histories, whatever they hold.

    `mix` is what players send (`benchmarks.mix`). `ordinary` are plays as a client of the SDK sends them: compact JSON
    with a UUIDv7, ASCII names, no context.
    """

    events: int = 100_000
    users: int = 1_000
    songs: int = 10_000
    seed: int = 1
    kind: Kind = "ordinary"

    @property
    def name(self) -> str:
        if self.kind == "real":
            return "real-histories"
        return f"{self.kind}-{self.events}-events-{self.users}-users-{self.songs}-songs-seed-{self.seed}"


def payloads(shape: Shape) -> list[bytes]:
    """The payloads of the stream's entries. Made once, then read from a file."""
    if shape.kind == "real":
        return _real()
    _CACHE.mkdir(exist_ok=True)
    path = _CACHE / f"{shape.name}.jsonl"
    if not path.exists():
        draft = path.with_suffix(".draft")
        with draft.open("wb") as file:
            file.writelines(payload + b"\n" for payload in (_mix(shape) if shape.kind == "mix" else _ordinary(shape)))
        draft.rename(path)
    return path.read_bytes().splitlines()


def _real() -> list[bytes]:
    """The real histories in `../shared/data`, one after the other, each play once and with the id that zik derives."""
    lines = [gzip.decompress(path.read_bytes()).splitlines() for path in sorted(REAL.glob("*.jsonl.gz"))]
    if not lines:
        raise SystemExit(f"{REAL} is not here: leave out --real")
    plays = {decode(line, now=_UNTIL).id: line for line in itertools.chain(*lines)}
    return [encode({**json.loads(line), "id": play_id}) for play_id, line in plays.items()]


def _mix(shape: Shape) -> Iterator[bytes]:
    received = datetime.fromtimestamp(_FIRST_SENT_MS / 1000, UTC)
    return mixed(_once(shape), shape.events, received=received, rng=random.Random(shape.seed))  # noqa: S311 -- repeatable, not secret


def _ordinary(shape: Shape) -> Iterator[bytes]:
    rng = random.Random(shape.seed)  # noqa: S311 -- repeatable, not secret
    plays = (event for event in _once(shape) if event["type"] == "play")
    for number, event in enumerate(islice(plays, shape.events)):
        yield encode({**event, "id": str(_uuid7(number, rng))})


def _once(shape: Shape) -> Iterator[dict[str, Any]]:
    """Simulated events without those that are sent twice."""
    # One in twenty is no play or is sent twice; a tenth more than enough are asked for.
    simulated = simulate(
        shape.events + shape.events // 10 + 100,
        until=_UNTIL,
        seed=shape.seed,
        users=shape.users,
        songs=shape.songs,
    )
    last = None
    for event in simulated:
        if event["id"] != last:
            yield event
        last = event["id"]


def _uuid7(number: int, rng: random.Random) -> UUID:
    """The id that a client makes who sends ten events a millisecond: its beginning is the time of sending."""
    sent_ms = _FIRST_SENT_MS + number // _EVENTS_PER_MS
    return UUID(int=sent_ms << 80 | 7 << 76 | rng.getrandbits(12) << 64 | 2 << 62 | rng.getrandbits(62))
