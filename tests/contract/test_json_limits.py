import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from tests.support.strategies import CHEAP, json_values
from worker.contract.json_limits import (
    MAX_BYTES,
    MAX_DEPTH,
    as_published,
    check_free_json,
    check_free_object,
    compact_json,
)


def nested(depth: int, leaf: Any) -> Any:
    value = leaf
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


def refusal(value: Any) -> str:
    with pytest.raises(PydanticCustomError) as caught:
        check_free_json(value)
    return caught.value.type


@CHEAP
@given(value=json_values)
def test_json_within_limits_passes_unchanged(value: Any) -> None:
    assert check_free_json(value) is value


@pytest.mark.parametrize("leaf", [1, None, "x"])
def test_the_deepest_allowed_value_passes(leaf: Any) -> None:
    value = nested(MAX_DEPTH, leaf)
    assert check_free_json(value) is value


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, MAX_DEPTH + 2, 190])
def test_i15_a_value_that_nests_deeper_is_refused(depth: int) -> None:
    assert refusal(nested(depth, 1)) == "over_limit"


def test_i15_a_hostile_depth_is_refused_as_over_limit() -> None:
    assert refusal(nested(100_000, 1)) == "over_limit"


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 0, 1e308, -1e308, True])
def test_a_number_within_64_bits_passes(number: float) -> None:
    assert check_free_json([number]) == [number]


@pytest.mark.parametrize(
    "number", [2**63, -(2**63) - 1, 10**4000, float("nan"), float("inf"), float("-inf")], ids=lambda _: "I12-I13-I14"
)
@pytest.mark.parametrize("depth", [0, 1, MAX_DEPTH])
def test_a_non_portable_number_is_refused_at_any_depth(number: float, depth: int) -> None:
    assert refusal(nested(depth, number)) == "out_of_range"


@pytest.mark.parametrize("character", ["x", "ü", "🎵"])
def test_the_limit_of_an_object_is_in_bytes(character: str) -> None:
    room = MAX_BYTES - len(b'{"a":""}')
    fits = {"a": character * (room // len(character.encode()))}
    assert check_free_object(fits) is fits
    with pytest.raises(PydanticCustomError) as caught:
        check_free_object({"a": character * (room // len(character.encode()) + 1)})
    assert caught.value.type == "over_limit"


@CHEAP
@given(value=json_values)
def test_compact_json_keeps_the_value(value: Any) -> None:
    assert json.loads(compact_json(value)) == value


@CHEAP
@given(value=st.dictionaries(st.text(max_size=3), json_values))
def test_compact_json_ignores_the_order_of_keys(value: dict[str, Any]) -> None:
    assert compact_json(dict(reversed(value.items()))) == compact_json(value)


@pytest.mark.parametrize("value", ["\ud800", float("nan"), float("inf")])
def test_compact_json_refuses_values_that_json_cannot_hold(value: Any) -> None:
    with pytest.raises(ValueError, match=r"surrogates|JSON"):
        compact_json(value)


@CHEAP
@given(value=json_values)
def test_an_accepted_json_value_is_exported_unchanged(value: Any) -> None:
    assert compact_json(as_published(value)) == compact_json(value)


def test_an_integer_that_no_float_reaches_stays_one() -> None:
    assert as_published([10**400, -(10**400)]) == [10**400, -(10**400)]
