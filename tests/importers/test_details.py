"""A detail of the wrong form is left out and counted; it never costs a play, nor another detail."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.events import NOW, play, song
from tests.support.strategies import CHEAP
from worker.contract.events import MAX_DURATION_MS
from worker.errors import InvalidEventError
from worker.importers.details import encoded
from worker.importers.formats import koito, listenbrainz, maloja
from worker.importers.rows import Notes

WRONG_DURATIONS = ["4:05", -1, 245.5, "245.5", [245], {"s": 245}, True, 2**70, "\ud800"]


@pytest.mark.parametrize("duration", WRONG_DURATIONS)
@pytest.mark.parametrize("format_of", ["ListenBrainz", "Maloja", "Koito"])
def test_a_wrong_duration_never_costs_a_play(duration: Any, format_of: str) -> None:
    event = event_of(format_of, duration)

    _, accepted, left_out = encoded(event, now=NOW)

    assert accepted.song.duration_ms is None  # type: ignore[union-attr]  # It is a play.
    assert list(left_out) == ["song.duration_ms"]


@pytest.mark.parametrize(
    ("duration", "ms"), [(245, 245_000), ("245", 245_000), ("245.0", 245_000), ("", None), (None, None)]
)
def test_a_duration_is_a_number_or_digits_or_unknown(duration: Any, ms: int | None) -> None:
    for format_of in ("ListenBrainz", "Maloja", "Koito"):
        _, accepted, left_out = encoded(event_of(format_of, duration), now=NOW)

        assert (accepted.song.duration_ms, left_out) == (ms, {})  # type: ignore[union-attr]  # It is a play.


def event_of(format_of: str, duration: Any) -> dict[str, Any]:
    rows = {
        "ListenBrainz": {
            "listened_at": 1700000000,
            "track_metadata": {"track_name": "a", "artist_name": "b", "additional_info": {"duration": duration}},
        },
        "Maloja": {"time": 1700000000, "track": {"title": "a", "artists": ["b"], "length": duration}},
        "Koito": {
            "listened_at": "2023-11-14T22:13:20Z",
            "track": {"duration": duration, "aliases": [{"alias": "a", "is_primary": True}]},
            "artists": [{"aliases": [{"alias": "b", "is_primary": True}]}],
        },
    }
    converters: dict[str, Any] = {
        "ListenBrainz": listenbrainz._listen,
        "Maloja": maloja._scrobble,
        "Koito": koito._listen,
    }
    (event,) = converters[format_of](rows[format_of], Notes())
    return {**event, "user": "bob"}


def test_only_the_wrong_details_are_left_out() -> None:
    wrong = play(
        song=song(album="x" * 501, duration_ms=183_000, ids={"mbid": ["x"], "isrc": "USZO10100001", "spotify": ""}),
        ms_played=MAX_DURATION_MS + 1,
        context={"client": "x" * 5_000, "shuffle": True, "bad": "a\0b", "deep": [[[[[[[[[[]]]]]]]]]]},
    )

    _, event, left_out = encoded(wrong, now=NOW)

    assert (event.song.duration_ms, event.song.ids) == (183_000, {"isrc": "USZO10100001"})  # type: ignore[union-attr]
    assert event.context == {"shuffle": True}  # type: ignore[union-attr]  # It is a play.
    assert set(left_out) == {
        *("song.album", "song.ids.mbid", "song.ids.spotify", "ms_played"),
        *("context.client", "context.bad", "context.deep"),
    }
    assert not any("x" * 5 in rule for rule in left_out.values())


@pytest.mark.parametrize("needed", [{"time": "soon"}, {"song": {"title": "a"}}, {"song": {"title": "", "artist": "b"}}])
def test_an_event_that_lacks_what_it_needs_is_refused_for_that(needed: dict[str, Any]) -> None:
    with pytest.raises(InvalidEventError) as refused:
        encoded(play(ms_played="x") | needed, now=NOW)

    assert "ms_played" not in str(refused.value)


anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.lists(st.integers())


@CHEAP
@given(
    album=anything, duration_ms=anything, ids=st.dictionaries(st.text(max_size=3), anything), ms_played=anything,
    context=st.dictionaries(st.text(max_size=3), anything),
)  # fmt: skip
def test_no_detail_costs_a_play(**details: Any) -> None:
    ms_played, context = details.pop("ms_played"), details.pop("context")

    payload, event, left_out = encoded(play(song=song(**details), ms_played=ms_played, context=context), now=NOW)

    again = encoded(play(song=song(**details), ms_played=ms_played, context=context), now=NOW)
    assert (payload, event.id) == (again.payload, encoded(play(), now=NOW).event.id)
    assert set(left_out) <= {
        *("song.album", "song.duration_ms", "ms_played"),
        *(f"song.ids.{name}" for name in details["ids"]),
        *(f"context.{name}" for name in context),
    }
