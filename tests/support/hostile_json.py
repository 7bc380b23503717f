"""JSON as no player should send it, and what must hold for every item of a request whatever was sent."""

import json
from typing import Any, Final

import pytest
from hypothesis import strategies as st

from tests.support.events import NOW
from worker.contract.codec import decode
from worker.contract.events import MAX_EVENT_BYTES
from worker.errors import InvalidEventError, Reason
from worker.protocols.submission import Item

# Lone surrogates, NUL, white space that Python and the contract see differently, and what looks like a value.
texts: Final = st.text(max_size=12) | st.sampled_from(
    ["", " ", "\0", "\ud83d", "\x1c", "\u2028", "a\0b", "0", "-1", "4:05", "1e9", "NaN", "1443521965", "1443521965000",
     "2015-09-29T10:19:25Z", "98255a8c-017a-4bc7-8dd6-1fa36124572b", "x" * 501, "\x01" * 700, "\U0001f600" * 700],
)  # fmt: skip
scalars: Final[st.SearchStrategy[Any]] = (
    st.none() | st.booleans() | st.integers() | st.floats() | texts
    | st.sampled_from([0, -1, 2**63, 10**400, 1443521965, 1443521965000, 1443521965.25, float("nan"), float("inf")])
)  # fmt: skip
anything: Final[st.SearchStrategy[Any]] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
) | st.sampled_from([[["deep"]] * 60, {"a": [{"b": [{"c": [{"d": [{"e": {}}]}]}]}]}, ["t" * 64] * 80])


def as_sent(value: Any) -> bytes:
    """The body of a client whose JSON library writes lone surrogates as escapes, and NaN by its name."""
    return json.dumps(value).encode()


def assert_judged_as_by_a_worker(item: Item) -> None:
    """A worker accepts or refuses the item's payload as the door has said, and for the same reason."""
    assert len(item.payload) <= MAX_EVENT_BYTES + 1
    if item.error is None:
        assert item.event == decode(item.payload, now=NOW)
        return
    assert item.event is None
    with pytest.raises(InvalidEventError) as refused:
        decode(item.payload, now=NOW)
    assert item.error.reason == refused.value.reason
    assert item.error.detail
    assert (item.error.reason == Reason.TOO_LARGE) == (len(item.payload) > MAX_EVENT_BYTES)
