from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.hostile_json import anything
from tests.support.strategies import CHEAP
from worker.contract.json_limits import check_free_object
from worker.errors import MalformedRequestError
from worker.protocols import values
from worker.protocols.context import context_of

MBID = "98255a8c-017a-4bc7-8dd6-1fa36124572b"
AT = datetime(2015, 9, 29, 10, 19, 25, tzinfo=UTC)


@pytest.mark.parametrize("sent", [1443521965, 1443521965.0, "1443521965", " 1443521965 ", "1443521965.000"])
def test_seconds_since_1970_are_read_from_numbers_and_digits(sent: Any) -> None:
    assert values.epoch_time("listened_at", sent) == (AT, None)


@pytest.mark.parametrize("sent", [1443521965.25, "1443521965.25"])
def test_a_fraction_of_a_second_is_kept(sent: Any) -> None:
    assert values.epoch_time("listened_at", sent) == (AT.replace(microsecond=250_000), None)


@pytest.mark.parametrize(
    "sent", [1443521965000, 1443521965000.0, "1443521965000", 1443521965000000, 1443521965000000000, 10**30]
)
def test_smaller_units_are_refused_by_a_text_that_names_seconds(sent: Any) -> None:
    _, fault = values.epoch_time("listened_at", sent)
    assert fault == ("listened_at: must be in seconds since 1970, not in milliseconds, microseconds or nanoseconds")


@pytest.mark.parametrize("sent", [-1, True, [], {}, float("nan")])
def test_what_is_no_count_of_seconds_is_refused(sent: Any) -> None:
    _, fault = values.epoch_time("listened_at", sent)
    assert fault == "listened_at: must be in seconds since 1970"


@pytest.mark.parametrize("sent", ["2015-09-29T10:19:25+02:00", "yesterday", None])
def test_other_texts_are_the_contracts_to_judge(sent: Any) -> None:
    assert values.epoch_time("listened_at", sent) == (sent, None)


@pytest.mark.parametrize(
    ("sent", "ms"),
    [(245, 245_000), (245.5, 245_500), ("245", 245_000), ("245.5", 245_500), ("4:05", 245_000), ("1:02:03", 3_723_000),
     ("4:05.5", 245_500), (0.0004, None), (0, None), (-1, None), ("", None), ("4:65", None), (None, None), (True, None),
     (float("nan"), None), (float("inf"), None), (10**400, None), (24 * 86_400, 2_073_600_000), (24 * 86_400 + 1, None),
     ("9" * 20, None), ("long", None), ([245], None)],
)  # fmt: skip
def test_a_duration_in_seconds(sent: Any, ms: int | None) -> None:
    assert values.seconds(sent) == ms


@pytest.mark.parametrize(("sent", "ms"), [(222_000, 222_000), (222_000.4, 222_000), ("222000", 222_000), (0, None)])
def test_a_duration_in_milliseconds(sent: Any, ms: int | None) -> None:
    assert values.milliseconds(sent) == ms


@pytest.mark.parametrize(
    "sent",
    [MBID, MBID.upper(), f" {MBID} ", [MBID], [MBID, "other"], f"{MBID}/db92a151-1ac2-438b-bc43-b82e149ddd50",
     f"{MBID}; db92a151-1ac2-438b-bc43-b82e149ddd50"],
)  # fmt: skip
def test_an_mbid_is_found(sent: Any) -> None:
    assert values.mbid(sent) == MBID


@pytest.mark.parametrize(
    "sent", ["", None, [], [[MBID]], 5, MBID[1:], MBID + "0", "00000000-0000-0000-0000-000000000000", "not-a-uuid", {}]
)
def test_what_is_no_mbid_is_dropped(sent: Any) -> None:
    assert values.mbid(sent) is None


def test_outside_ids_are_spelled_as_the_importers_have_them() -> None:
    assert values.isrc("us-vr2-01-00398") == values.isrc(["USVR20100398"]) == "USVR20100398"
    assert values.isrc("unknown") is None
    for sent in (
        "http://open.spotify.com/track/1rrgWMXGCGHru5bIRxGFV0",
        "https://open.spotify.com/intl-de/track/1rrgWMXGCGHru5bIRxGFV0?si=1",
        "spotify:track:1rrgWMXGCGHru5bIRxGFV0",
    ):
        assert values.spotify(sent) == "spotify:track:1rrgWMXGCGHru5bIRxGFV0"
    assert values.spotify("https://open.spotify.com/album/1rrgWMXGCGHru5bIRxGFV0") is None


def test_optional_texts_are_cut_and_cleaned() -> None:
    assert values.optional("  a\0b\ud83d ", 10) == "ab"
    assert values.optional("long text", 5) == "long"
    assert values.optional(" \0 ", 10) is None
    assert values.optional(5, 10) is None


def test_a_client_without_a_name_is_none_and_a_long_one_is_cut() -> None:
    assert values.client("Navidrome", "0.55") == "Navidrome/0.55"
    assert values.client("Navidrome", "") == "Navidrome"
    assert values.client("", "0.55") is None
    assert len(values.client("n" * 300, "0.55") or "") == 100


@pytest.mark.parametrize("body", [b"", b"{", b'{"a": 1}}', b"\xff", b"[" * 100_000, b"9" * 10_000 + b"x", b"nan"])
def test_a_body_that_is_no_json_is_malformed_and_not_quoted(body: bytes) -> None:
    with pytest.raises(MalformedRequestError, match="the body is") as refused:
        values.parse_json(body)
    assert len(str(refused.value)) < 120


def test_what_only_some_json_libraries_write_costs_no_request() -> None:
    assert values.parse_json(b'\xef\xbb\xbf{"title": "cut \\ud83d", "duration": NaN}')["title"] == "cut \ud83d"


@CHEAP
@given(st.dictionaries(st.text(max_size=70), anything, max_size=12))
def test_any_facts_become_a_context_that_the_contract_takes(facts: dict[str, Any]) -> None:
    kept = context_of(facts.items())
    assert kept is None or check_free_object(kept) == kept


def test_a_fact_that_does_not_fit_costs_no_other() -> None:
    facts = {"huge": ["x" * 500] * 50, "tags": [f"tag {number}" for number in range(80)], "track": 5}
    assert context_of(facts.items()) == {"tags": [f"tag {number}" for number in range(50)], "track": 5}


def test_depth_is_cut_where_the_contract_cuts_it() -> None:
    deep: Any = "bottom"
    for _ in range(9):
        deep = {"down": deep, "level": 1}
    kept = context_of({"fact": deep}.items())
    assert kept is not None
    assert check_free_object(kept) == kept
    assert str(kept).count("level") == 7
