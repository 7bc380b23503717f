"""Without a server's own word nothing counts as sent, whatever it or a network in between answers."""

import gzip
import json
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from tests.support.clients import told
from tests.support.events import play_payloads
from tests.support.native_api import TOKEN, Handler, Misbehave, NativeApi, native_api, replying
from worker.client import http_transport as module
from worker.client.http_transport import HttpTransport
from worker.errors import NotDurableError, OperatorError, StreamMisusedError, StreamUnavailableError

PORTAL = b"<!doctype html><title>Welcome to the hotel's network</title><form action=/login>"


# --- answers that are none -----------------------------------------------------------------------


def hang_up(handler: Handler, _: list[bytes]) -> None:
    handler.reset()


def cut_off(handler: Handler, payloads: list[bytes]) -> None:
    body = handler.api.answer(payloads)
    handler.api.stored.clear()
    handler.reply(200, body[: len(body) // 2], length=len(body))
    handler.reset()


def cut_off_in_json(handler: Handler, payloads: list[bytes]) -> None:
    body = handler.api.answer(payloads)
    handler.api.stored.clear()
    handler.reply(200, body[:-3])


def compressed(handler: Handler, payloads: list[bytes]) -> None:
    handler.reply(200, gzip.compress(handler.api.answer(payloads)), {"Content-Encoding": "gzip"})


def garbage(handler: Handler, _: list[bytes]) -> None:
    handler.wfile.write(b"220 mail.example ESMTP\r\n")
    handler.wfile.flush()
    handler.close_connection = True


def endless(handler: Handler, _: list[bytes]) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "audio/mpeg")
    handler.end_headers()
    while True:
        handler.wfile.write(b"\xff" * 65_536)


def verdicts(*each: Any) -> Misbehave:
    return replying(200, json.dumps({"events": each}).encode())


ACCEPTED = {"id": None, "status": "accepted"}
HOSTILE: dict[str, Misbehave] = {
    "a portal": replying(200, PORTAL, {"Content-Type": "text/html"}),
    "hangs up": hang_up,
    "cut off": cut_off,
    "cut off within the JSON": cut_off_in_json,
    "no HTTP": garbage,
    "endless": endless,
    "empty": replying(200),
    "no content": replying(204),
    "too few": verdicts(ACCEPTED),
    "too many": verdicts(*[ACCEPTED] * 4),
    "none": verdicts(),
    "an unknown status": verdicts(ACCEPTED, ACCEPTED, {"id": None, "status": "queued"}),
    "no status": verdicts(ACCEPTED, ACCEPTED, {"id": None}),
    "another shape": replying(200, b'{"events":{"a":1}}'),
    "another key": replying(200, b'{"status":"ok"}'),
    "a list": replying(200, b"[]"),
    "null": replying(200, b"null"),
    "not UTF-8": replying(200, b'{"events":[{"status":"refused","reason":"\xff"}]}'),
    "deep": replying(200, b'{"x":' + b"[" * 60_000),
    "compressed, which no request asks for": compressed,
    "500": replying(500, b"oops"),
    "502": replying(502, PORTAL),
    "503": replying(503, b'{"code":503,"error":"away"}'),
    "400": replying(400),
    "201": replying(201, b'{"events":[{"status":"accepted"},{"status":"accepted"},{"status":"accepted"}]}'),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_what_is_no_answer_of_zik_counts_as_nothing_sent(api: NativeApi, transport: HttpTransport, how: str) -> None:
    payloads = play_payloads(3)
    transport.append(payloads)
    api.misbehaviours.append(HOSTILE[how])
    with pytest.raises(StreamUnavailableError) as caught:
        transport.append(payloads)
    assert TOKEN not in told(caught.value)
    assert api.url in str(caught.value)
    assert len(str(caught.value)) < 500
    # Nothing of it is left in the connection: the next answer is the next request's.
    assert transport.append(payloads).refused == {}
    assert transport.append(payloads).refused == {}


def test_a_server_that_is_silent_is_waited_for_no_longer_than_the_timeout(
    api: NativeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_READ_TIMEOUT_S", 0.2)
    over = threading.Event()

    def silent(handler: Handler, _: list[bytes]) -> None:
        over.wait(60)
        handler.reset()

    api.misbehaviours.append(silent)
    with closing(HttpTransport(api.url, TOKEN)) as transport:
        with pytest.raises(StreamUnavailableError, match="out of reach: timed out"):
            transport.append(play_payloads(1))
        over.set()


def test_an_unreachable_server_is_named_with_the_reason_alone() -> None:
    transport = HttpTransport("http://127.0.0.1:1/zik", TOKEN)
    with pytest.raises(StreamUnavailableError) as caught:
        transport.append(play_payloads(1))
    assert str(caught.value) == "http://127.0.0.1:1/zik is out of reach: [Errno 111] Connection refused"


# --- when to come back ---------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("value", "seconds"), [("7", 7), ("0", 0), ("soon", 0), ("-3", 0), ("9" * 5_000, 0), ("", 0)])
def test_the_wish_of_the_server_is_passed_on(
    api: NativeApi, transport: HttpTransport, status: int, value: str, seconds: float
) -> None:
    api.misbehaviours.append(replying(status, b"{}", {"Retry-After": value}))
    with pytest.raises(StreamUnavailableError) as caught:
        transport.append(play_payloads(1))
    assert caught.value.retry_after_s == seconds


def test_a_date_to_come_back_is_understood(api: NativeApi, transport: HttpTransport) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    api.misbehaviours.append(replying(503, b"", {"Retry-After": later}))
    with pytest.raises(StreamUnavailableError) as caught:
        transport.append(play_payloads(1))
    assert 3_000 < caught.value.retry_after_s <= 3_600


# --- what someone has to change ------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_named_with_the_way_out(api: NativeApi, transport: HttpTransport, status: int) -> None:
    api.misbehaviours.append(replying(status, f"no rights: {TOKEN}".encode()))
    with pytest.raises(OperatorError, match=rf"^token: .*\({status}\).*`zik token create`") as caught:
        transport.append(play_payloads(1))
    assert TOKEN not in told(caught.value)


@pytest.mark.parametrize("status", [404, 405])
def test_a_url_without_zik_is_named(api: NativeApi, transport: HttpTransport, status: int) -> None:
    api.misbehaviours.append(replying(status, PORTAL))
    with pytest.raises(OperatorError, match=rf"url: no zik answers at {api.url}/v1/events \({status}\)"):
        transport.append(play_payloads(1))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_gets_neither_token_nor_events(api: NativeApi, transport: HttpTransport, status: int) -> None:
    with native_api() as other:
        there = f"http://127.0.0.1:{other.port}"
        api.misbehaviours.append(replying(status, b"", {"Location": f"{there}/v1/events?secret=canary"}))
        with pytest.raises(StreamUnavailableError, match=rf"redirects to {there} \({status}\): give that") as caught:
            transport.append(play_payloads(1))
        assert "canary" not in str(caught.value)
        assert (other.received, other.connections, len(api.received)) == ([], 0, 1)


@pytest.mark.parametrize("location", ["/login", "http://[", "//x:y:z", ""])
def test_a_redirect_to_nowhere_is_a_fault_as_well(api: NativeApi, transport: HttpTransport, location: str) -> None:
    api.misbehaviours.append(replying(302, b"", {"Location": location}))
    with pytest.raises(StreamUnavailableError, match="redirects to another path"):
        transport.append(play_payloads(1))


def test_durable_and_a_count_are_refused_before_anything_is_sent(api: NativeApi, transport: HttpTransport) -> None:
    with pytest.raises(NotDurableError, match="appendfsync"):
        transport.append(play_payloads(1), durable=True)
    with pytest.raises(StreamMisusedError, match="leave out max_waiting"):
        transport.append(play_payloads(1), counted=True)
    with pytest.raises(StreamMisusedError, match="leave out max_waiting"):
        transport.waiting()
    assert api.received == []
