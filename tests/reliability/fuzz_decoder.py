"""Look for an input that the decoder answers with anything but an event or a reason, or reads in two ways.

`uv run --group fuzz python -m tests.reliability.fuzz_decoder -max_total_time=300`; further options are libFuzzer's.
"""

import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import UUID

import atheris

with atheris.instrument_imports(include=["worker"]):
    from worker.contract.codec import _validated as by_the_contract
    from worker.contract.codec import decode
    from worker.contract.events import EARLIEST_TIME, MAX_AHEAD, MAX_EVENT_BYTES, MAX_USER
    from worker.contract.reader import read
    from worker.errors import InvalidEventError

from tests.contract.test_golden import ACCEPTED, REFUSED, normalised, payload

NOW: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
ENTRY_ID: Final = f"{round(NOW.timestamp()) * 1000}-0"
TOKENS: Final = (
    '"v":', '"id":', '"type":', '"play"', '"favorite"', '"preference"', '"time":', '"user":', '"source":', '"song":',
    '"title":', '"artist":', '"album":', '"duration_ms":', '"ids":', '"ms_played":', '"context":', '"favorite":',
    '"key":', '"value":', "null", "true", "NaN", "Infinity", "1e400", "-0", "9223372036854775808", "\\u0000", "\\ud800",
    '"artists":["', '"album_artist":',
    '"sent_at":', "2021-04-22T05:40:53Z", "+23:59", "-00:00", "00000000-0000-0000-0000-000000000000", "[[[[", '{"":',
)  # fmt: skip


def try_one(data: bytes) -> None:
    # The contract raises where the reader answers what is no event.
    if (fast := read(data)) is not None:
        assert repr(fast) == repr(by_the_contract(data))
    try:
        event = decode(data, now=NOW, entry_id=ENTRY_ID)
    except InvalidEventError as error:
        str(error).encode()
        return
    # An event that was accepted keeps what the recorders and both databases rely on.
    assert len(data) <= MAX_EVENT_BYTES
    assert EARLIEST_TIME <= event.time.at <= NOW + MAX_AHEAD
    assert str(UUID(event.id)) == event.id
    assert 1 <= len(event.user) <= MAX_USER
    # Without the backslashes that stand for themselves.
    assert "\\u0000" not in json.dumps(normalised(event)).replace("\\\\", "")
    assert decode(data, now=NOW, entry_id=ENTRY_ID) == event


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        seeds = Path(folder) / "seeds"
        seeds.mkdir()
        for number, vector in enumerate([*ACCEPTED, *REFUSED]):
            (seeds / str(number)).write_bytes(payload(vector))
        words = Path(folder) / "words"
        words.write_text("".join(f"{json.dumps(token)}\n" for token in TOKENS))
        atheris.Setup(
            [sys.argv[0], f"-dict={words}", "-max_len=20000", "-keep_seed=1", *sys.argv[1:], str(seeds)], try_one
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
