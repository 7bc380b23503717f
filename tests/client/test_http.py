"""A client over HTTP keeps the promises of one over Redis: order, no loss, and one event for each id."""

import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.clients import (
    ALL,
    KINDS,
    SYNC,
    THREADED,
    TIMEOUT_S,
    ErrorRecorder,
    forked,
    opened_client,
    publish_value,
    python,
)
from tests.support.events import event_id, preference
from tests.support.native_api import TOKEN, Handler, NativeApi, replying
from tests.support.processes import eventually
from tests.support.proxy import Proxy, proxied
from worker.client import AsyncClient, Client, Counters
from worker.client.outbox import Outbox
from worker.errors import EventDroppedError, NotDurableError, OperatorError, SettingsError, StreamUnavailableError
from worker.testing import MemoryTransport

# Python 3.12 and later warn about a fork with threads running, which a test does on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")

SONG: Any = {"artist": "Tool", "title": "Parabola"}
UNREACHABLE = "http://127.0.0.1:1"


@pytest.fixture
def lossy(api: NativeApi) -> Iterator[Proxy]:
    """A network before the server."""
    with proxied(("127.0.0.1", api.port)) as proxy:
        yield proxy


def url_of(proxy: Proxy) -> str:
    return f"http://127.0.0.1:{proxy.port}"


# --- what is given ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("url", "options", "said"),
    [
        ("https://music.example", {}, r"^token: is required with https://: make one with `zik token create`"),
        ("https://music.example", {"token": ""}, r"^token: is required"),
        ("redis://127.0.0.1:1/0", {"token": "canary"}, r"^token: is for https:// only"),
        ("https://music.example", {"token": "canary", "max_waiting": 5}, r"^max_waiting: is the server's affair"),
        ("http://music.example", {"token": "canary"}, r"^url: "),
    ],
)
def test_options_that_do_not_fit_are_refused_at_once(
    kind: type[Any], url: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        kind(url, **options)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_durable_is_refused_with_what_the_server_does_instead(kind: type[Any]) -> None:
    with pytest.raises(NotDurableError, match=r"its Redis holds an event, .*appendfsync"):
        kind("https://music.example", token=TOKEN, durable=True)


def test_a_wrong_limit_of_waiting_events_is_none_of_its_business(
    api: NativeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZIK_MAX_WAITING", "some")
    with Client(api.url, token=TOKEN, sync=True, max_waiting=0) as client:
        publish_value(client, 1)
    Client(api.url, token=TOKEN).close()
    assert api.values == [1]


def test_a_disabled_client_needs_no_token() -> None:
    with Client("https://music.example", disabled=True) as client:
        publish_value(client, 1)


def test_a_transport_of_the_players_own_needs_no_token() -> None:
    transport = MemoryTransport()
    with Client("https://music.example", transport=transport, sync=True) as client:
        publish_value(client, 1)
    assert len(transport.events) == 1


# --- order, and no loss ----------------------------------------------------------------------------


@ALL
def test_events_arrive_in_order_and_stamped(kind: str, outbox: Path | None, api: NativeApi) -> None:
    with opened_client(kind, api.url, token=TOKEN, outbox=outbox, source="phone/1") as client:
        events = [{"type": "preference", "time": "2026-01-01T00:00:00Z", "user": "ada", "key": "n"}] * 1_200
        client.publish_many([{**event, "value": number} for number, event in enumerate(events)])
        event_id = client.play(user="ada", **SONG)
        assert client.flush(TIMEOUT_S)
        assert client.counters == Counters(sent=1_201)
    stored = [json.loads(payload) for payload in api.stored]
    assert [event["value"] for event in stored[:-1]] == list(range(1_200))
    assert (stored[-1]["id"], stored[-1]["source"]) == (event_id, "phone/1")
    assert all("sent_at" in event for event in stored)


@THREADED
def test_events_published_while_the_server_is_away_arrive_in_order(
    kind: str, outbox: Path | None, lossy: Proxy, api: NativeApi, recorder: ErrorRecorder
) -> None:
    lossy.refuses = True
    with opened_client(kind, url_of(lossy), token=TOKEN, outbox=outbox, on_error=recorder) as client:
        for number in range(1_000):
            publish_value(client, number)
        eventually(lambda: recorder.errors != [], within_s=TIMEOUT_S)
        lossy.refuses = False
        assert client.flush(TIMEOUT_S)
        assert client.counters.sent == 1_000
    assert api.values == list(range(1_000))
    assert recorder.types == [StreamUnavailableError]


@ALL
def test_after_a_lost_answer_a_batch_is_sent_again_with_the_same_ids(
    kind: str, outbox: Path | None, lossy: Proxy, api: NativeApi
) -> None:
    lossy.lose_reply_to(b"POST")
    with opened_client(kind, url_of(lossy), token=TOKEN, outbox=outbox, on_error=lambda _: None) as client:
        try:
            event_id = publish_value(client, 1)
        except StreamUnavailableError:
            assert KINDS[kind]
            assert outbox is None
            event_id = client.preference(user="ada", key="n", value=1, event_id=json.loads(api.stored[0])["id"])
        assert client.flush(TIMEOUT_S)
    assert lossy.lost == 1
    assert [json.loads(payload)["id"] for payload in api.stored] == [event_id, event_id]


def test_a_portal_that_says_200_keeps_every_event_in_the_outbox(
    path: Path, api: NativeApi, recorder: ErrorRecorder
) -> None:
    portal = replying(200, b"<html>Sign in", {"Content-Type": "text/html"})
    api.misbehaviours.extend([portal] * 1_000)
    with Client(api.url, token=TOKEN, outbox=path, on_error=recorder) as client:
        for number in range(20):
            publish_value(client, number)
        eventually(lambda: recorder.errors != [], within_s=TIMEOUT_S)
        assert client.flush_outbox(TIMEOUT_S)
        assert client.counters.sent == 0
        client.close(timeout_s=0)
    api.misbehaviours.clear()
    with Client(api.url, token=TOKEN, outbox=path) as successor:
        assert successor.flush(TIMEOUT_S)
    assert sorted(set(api.values)) == api.values == list(range(20))
    assert recorder.types == [StreamUnavailableError]


def test_a_hanging_server_keeps_no_event_from_the_disk(lossy: Proxy, path: Path) -> None:
    lossy.silent = True
    with Client(url_of(lossy), token=TOKEN, outbox=path, on_error=lambda _: None) as client:
        for number in range(50):
            publish_value(client, number)
            assert client.flush_outbox(TIMEOUT_S)
        client.close(timeout_s=0)


@THREADED
@pytest.mark.parametrize("status", [401, 404])
def test_what_an_operator_must_change_is_reported_once_and_events_stay(
    kind: str, outbox: Path | None, api: NativeApi, recorder: ErrorRecorder, status: int
) -> None:
    tries: list[int] = []

    def refuse(handler: Handler, payloads: list[bytes]) -> None:
        tries.append(len(payloads))
        if len(tries) < 4:
            api.misbehaviours.append(refuse)
        handler.reply(status, b"{}")

    api.misbehaviours.append(refuse)
    with opened_client(kind, api.url, token=TOKEN, outbox=outbox, on_error=recorder) as client:
        publish_value(client, 1)
        eventually(lambda: client.flush(0.1), within_s=TIMEOUT_S)
        assert client.counters.sent == 1
    assert api.values == [1]
    assert len(tries) == 4
    assert [isinstance(error, OperatorError) for error in recorder.errors] == [True]


@SYNC
def test_an_unreachable_server_raises_for_a_sync_player(kind: str) -> None:
    with opened_client(kind, UNREACHABLE, token=TOKEN) as client, pytest.raises(StreamUnavailableError):
        client.play(user="ada", **SONG)


# --- what the server refuses for good --------------------------------------------------------------


def refuse_odd(event: dict[str, Any]) -> tuple[str, str] | None:
    return ("wrong_user", "user: is not the token's") if event["value"] % 2 else None


@ALL
def test_a_refused_event_blocks_no_other_and_is_named(
    kind: str, outbox: Path | None, api: NativeApi, recorder: ErrorRecorder
) -> None:
    api.refuse = refuse_odd
    ids, raised = [], []
    with opened_client(kind, api.url, token=TOKEN, outbox=outbox, on_error=recorder) as client:
        for number in range(6):
            try:
                ids.append(publish_value(client, number))
            except EventDroppedError as error:
                raised.append(error)
                ids += error.event_ids
        assert client.flush(TIMEOUT_S)
        assert client.counters == Counters(sent=3, refused=3)
    assert api.values == [0, 2, 4]
    dropped = raised + [error for error in recorder.errors if isinstance(error, EventDroppedError)]
    assert [event_id for error in dropped for event_id in error.event_ids] == ids[1::2]
    assert "the server refuses this for good, wrong_user: user: is not the token's" in str(dropped[0])
    # Only a call that waits for the server can raise.
    assert bool(raised) == (KINDS[kind] and outbox is None)


def test_each_reason_of_a_batch_is_an_error_and_a_sync_call_raises_the_first(
    api: NativeApi, recorder: ErrorRecorder
) -> None:
    api.refuse = lambda event: [None, ("over_limit", "a"), ("wrong_user", "b")][event["value"] % 3]
    events = [preference(id=event_id(number), value=number) for number in range(900)]
    with Client(api.url, token=TOKEN, sync=True, on_error=recorder) as client:
        with pytest.raises(EventDroppedError, match=r"167 events dropped: .* over_limit: a") as caught:
            client.publish_many(events)
        assert client.counters == Counters(sent=300, refused=600)
    dropped = [caught.value, *(error for error in recorder.errors if isinstance(error, EventDroppedError))]
    named = [each for error in dropped for each in error.event_ids]
    assert sorted(named) == sorted(event_id(number) for number in range(900) if number % 3)
    assert [value % 3 for value in api.values] == [0] * 300


def test_a_refused_event_is_not_sent_again_by_the_next_run(path: Path, api: NativeApi) -> None:
    api.refuse = refuse_odd
    for _ in range(2):
        with Client(api.url, token=TOKEN, outbox=path, on_error=lambda _: None) as client:
            publish_value(client, 1)
            assert client.flush(TIMEOUT_S)
    assert Outbox(path, max_events=9).count() == 0
    assert sum(len(request.payloads) for request in api.received) == 2


# --- threads, forks, exits -------------------------------------------------------------------------


def test_many_threads_may_share_a_client(api: NativeApi, path: Path) -> None:
    with Client(api.url, token=TOKEN, outbox=path) as client:

        def player(number: int) -> None:
            for step in range(100):
                publish_value(client, [number, step])

        threads = [threading.Thread(target=player, args=[number]) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert client.flush(TIMEOUT_S)
    assert all([step for who, step in api.values if who == number] == list(range(100)) for number in range(8))
    assert (len(api.values), api.connections) == (800, 1)


@pytest.mark.parametrize("with_outbox", [False, True])
def test_a_forked_child_sends_only_its_own_events(path: Path, api: NativeApi, *, with_outbox: bool) -> None:
    with Client(api.url, token=TOKEN, outbox=path if with_outbox else None, flush_interval_s=1) as client:
        publish_value(client, "first")
        assert client.flush(TIMEOUT_S)
        # Still unsent when the child begins.
        publish_value(client, "parent")

        def child() -> None:
            assert client.counters.sent == 0
            publish_value(client, "child")
            assert client.flush(TIMEOUT_S)
            client.close()

        forked(child)
        publish_value(client, "last")
        assert client.flush(TIMEOUT_S)
    assert sorted(api.values) == ["child", "first", "last", "parent"]
    # Two processes on one connection would read each other's answers. The parent sends what is in the outbox.
    assert api.connections == (1 if with_outbox else 2)


_EXITS = """
import sys
from worker.client import Client
client = Client(sys.argv[1], token=sys.argv[2], flush_interval_s=60)
client.preference(user="ada", key="n", value=1)
"""


def test_a_player_that_exits_without_close_has_sent_its_events(api: NativeApi) -> None:
    player: subprocess.Popen[str] = python(_EXITS, api.url, TOKEN)
    output, _ = player.communicate(timeout=60)
    assert (player.returncode, output) == (0, "")
    assert api.values == [1]
