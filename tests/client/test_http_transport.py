"""Requests to a server of zik: one connection, one token, bounded sizes, and an answer for each event."""

import socket
import threading
from contextlib import closing

import pytest

from tests.support.events import event_id, play_payload, play_payloads, preference
from tests.support.native_api import TOKEN, Handler, NativeApi, native_api, replying
from worker.client.http_transport import HttpTransport
from worker.contract.codec import encode
from worker.errors import SettingsError, StreamUnavailableError
from worker.stream.transport import Appended

# --- the request ---------------------------------------------------------------------------------


def test_a_request_has_the_token_and_the_events_as_lines(api: NativeApi, transport: HttpTransport) -> None:
    payloads = play_payloads(3)
    assert transport.append(payloads) == Appended([], None)
    (request,) = api.received
    assert (request.path, request.payloads) == ("/v1/events", payloads)
    assert request.headers["Authorization"] == f"Token {TOKEN}"
    assert request.headers["Content-Type"] == "application/x-ndjson"
    assert "Content-Encoding" not in request.headers


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_url_may_have_a_path_of_its_own(slash: str) -> None:
    with native_api(prefix="/music/zik") as api, closing(HttpTransport(api.url + slash, TOKEN)) as transport:
        transport.append(play_payloads(2))
        assert len(api.stored) == 2


def test_one_connection_carries_all_requests(api: NativeApi, transport: HttpTransport) -> None:
    for _ in range(5):
        transport.append(play_payloads(2))
    api.misbehaviours += [replying(503), replying(401), replying(429, b"{}")]
    for _ in range(3):
        with pytest.raises((StreamUnavailableError, SettingsError)):
            transport.append(play_payloads(2))
    transport.append(play_payloads(2))
    assert (api.connections, len(api.received), len(api.stored)) == (1, 9, 12)


def test_a_connection_that_the_server_has_closed_is_replaced(api: NativeApi, transport: HttpTransport) -> None:
    closed = threading.Event()

    def answer_and_close(handler: Handler, payloads: list[bytes]) -> None:
        handler.reply(200, api.answer(payloads))
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.close_connection = True
        closed.set()

    api.misbehaviours.append(answer_and_close)
    transport.append(play_payloads(1))
    assert closed.wait(30)
    transport.append(play_payloads(1))
    assert (api.connections, len(api.stored)) == (2, 2)


def test_a_closed_transport_connects_again(api: NativeApi, transport: HttpTransport) -> None:
    transport.append(play_payloads(1))
    transport.close()
    transport.append(play_payloads(1))
    assert (api.connections, len(api.stored)) == (2, 2)


def sized(number: int, size: int) -> bytes:
    fields = preference(id=event_id(number), value="")
    return encode(fields | {"value": "x" * (size - len(encode(fields)))})


def test_no_request_is_larger_than_proxies_let_through(api: NativeApi, transport: HttpTransport) -> None:
    payloads = [sized(number, 16_000) for number in range(150)]
    transport.append(payloads)
    assert api.stored == payloads
    sizes = [int(request.headers["Content-Length"]) for request in api.received]
    assert len(sizes) == 3
    assert max(sizes) <= 1_000_000


def test_no_request_has_more_than_a_thousand_events(api: NativeApi, transport: HttpTransport) -> None:
    payloads = play_payloads(2_001)
    transport.append(payloads)
    assert [len(request.payloads) for request in api.received] == [1_000, 1_000, 1]
    assert api.stored == payloads


# --- what is accepted, and what is refused -------------------------------------------------------


def test_a_refused_event_is_named_by_its_place_and_reason(api: NativeApi, transport: HttpTransport) -> None:
    api.refuse = lambda event: ("wrong_user", "user: is not the token's") if event["user"] == "bob" else None
    payloads = [play_payload("a"), play_payload("b", user="bob"), play_payload("c"), play_payload("d", user="bob")]
    why = "wrong_user: user: is not the token's"
    assert transport.append(payloads).refused == {1: why, 3: why}
    assert api.stored == [payloads[0], payloads[2]]


@pytest.mark.parametrize("status", [413, 408])
def test_a_batch_that_is_too_large_is_halved_in_order(api: NativeApi, transport: HttpTransport, status: int) -> None:
    api.refuse = lambda event: ("over_limit", "x") if event["song"]["title"] == "9" else None

    def limited(handler: Handler, payloads: list[bytes]) -> None:
        api.misbehaviours.append(limited)
        handler.reply(*((status, b"") if len(payloads) > 3 else (200, api.answer(payloads))))

    api.misbehaviours.append(limited)
    payloads = [play_payload(str(number)) for number in range(10)]
    assert transport.append(payloads).refused == {9: "over_limit: x"}
    assert api.stored == payloads[:9]


def test_a_single_event_that_a_proxy_refuses_as_too_large_stays(api: NativeApi, transport: HttpTransport) -> None:
    api.misbehaviours += [replying(413), replying(413)]
    with pytest.raises(SettingsError, match=r"\(413\): a proxy in front of zik must allow"):
        transport.append(play_payloads(2))


def test_a_reason_cannot_control_a_terminal_nor_fill_a_log(api: NativeApi, transport: HttpTransport) -> None:
    api.refuse = lambda _: ("\x1b[2Jx\n", "y" * 5_000)
    (why,) = transport.append(play_payloads(1)).refused.values()
    assert "\x1b" not in why
    assert "\n" not in why
    assert len(why) <= 300
