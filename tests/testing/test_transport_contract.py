"""Every transport behaves like the one to Redis: each promise of `Transport`, on all that can give it."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytest
import redis

from tests.support.events import play_payload, play_payloads
from tests.support.native_api import TOKEN, NativeApi, native_api
from tests.support.proxy import Proxy, proxied
from worker.client import Appended, AsyncClient, Client, Transport
from worker.client.http_transport import HttpTransport
from worker.errors import StreamFullError, StreamUnavailableError
from worker.stream.keys import FIELD, STREAM
from worker.stream.producer import Producer
from worker.testing import MemoryTransport

SONG: Any = {"artist": "Tool", "title": "Parabola"}


@dataclass
class Backend:
    """A transport, what its stream holds, and a way to make it fail for a while.

    Through a server it carries nothing but events, and learns neither the entries' ids nor how many wait.
    """

    transport: Transport
    stored: Callable[[], list[bytes]]
    unreachable: Callable[[], AbstractContextManager[None]]


DIRECT: Final = pytest.mark.parametrize("backend", ["memory", "valkey"], indirect=True)


@pytest.fixture(params=["memory", "valkey", "http"])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    if request.param == "memory":
        yield in_memory()
    elif request.param == "valkey":
        proxy: Proxy = request.getfixturevalue("proxy")
        with closing(Producer.at(f"redis://127.0.0.1:{proxy.port}/0")) as producer:
            yield on_valkey(producer, proxy, request.getfixturevalue("valkey"))
    else:
        with native_api() as api, proxied(("127.0.0.1", api.port)) as proxy:
            yield over_http(HttpTransport(f"http://127.0.0.1:{proxy.port}", TOKEN), proxy, api)


@pytest.fixture
def transport(backend: Backend) -> Transport:
    return backend.transport


def in_memory() -> Backend:
    transport = MemoryTransport()

    @contextmanager
    def unreachable() -> Iterator[None]:
        transport.fault = StreamUnavailableError("away")
        yield
        transport.fault = None

    return Backend(transport, lambda: transport.payloads, unreachable)


def over_http(transport: HttpTransport, proxy: Proxy, api: NativeApi) -> Backend:
    return Backend(transport, lambda: api.stored, lambda: refusing(proxy))


@contextmanager
def refusing(proxy: Proxy) -> Iterator[None]:
    proxy.refuses = True
    yield
    proxy.refuses = False


def on_valkey(producer: Producer, proxy: Proxy, valkey: "redis.Redis") -> Backend:
    def stored() -> list[bytes]:
        entries: Any = valkey.xrange(STREAM)
        return [fields[FIELD] for _, fields in entries]

    return Backend(producer, stored, lambda: refusing(proxy))


def as_number(entry_id: str) -> tuple[int, int]:
    milliseconds, sequence = entry_id.split("-")
    return int(milliseconds), int(sequence)


def test_events_are_stored_in_order_and_unchanged(backend: Backend) -> None:
    first, second = [*play_payloads(300), play_payload("ü")], play_payloads(20, start=300)
    backend.transport.append(first)
    backend.transport.append(iter(second))
    assert backend.stored() == [*first, *second]


@DIRECT
def test_any_bytes_are_stored_unchanged(backend: Backend) -> None:
    payloads = [b"", "ü".encode(), b"a\r\nb"]
    backend.transport.append(payloads)
    assert backend.stored() == payloads


def test_nothing_is_refused_by_a_stream(transport: Transport) -> None:
    assert transport.append(play_payloads(5)).refused == {}


@DIRECT
def test_each_event_has_an_entry_id_and_ids_grow(transport: Transport) -> None:
    entry_ids = [*transport.append(play_payloads(5)).entry_ids, *transport.append(play_payloads(3)).entry_ids]
    numbers = [as_number(entry_id) for entry_id in entry_ids]
    assert len(set(numbers)) == 8
    assert numbers == sorted(numbers)


@DIRECT
def test_waiting_is_the_number_of_entries(transport: Transport) -> None:
    assert transport.waiting() == 0
    transport.append(play_payloads(2))
    transport.append(play_payloads(2))
    assert transport.waiting() == 4


@DIRECT
def test_a_counted_append_returns_the_number_of_entries_after_it(transport: Transport) -> None:
    assert [transport.append(play_payloads(3), counted=True).waiting for _ in range(2)] == [3, 6]


def test_an_append_that_is_not_counted_returns_no_number(transport: Transport) -> None:
    assert transport.append([play_payload()]).waiting is None


def test_appending_nothing_adds_nothing(backend: Backend) -> None:
    assert backend.transport.append([]) == Appended([], None)
    assert backend.stored() == []


@DIRECT
def test_counting_after_nothing_counts_nothing(transport: Transport) -> None:
    assert transport.append([], counted=True) == Appended([], 0)


def test_an_unreachable_transport_raises_and_adds_nothing(backend: Backend) -> None:
    backend.transport.append([play_payload("before")])
    with backend.unreachable(), pytest.raises(StreamUnavailableError):
        backend.transport.append([play_payload("lost")])
    assert backend.stored() == [play_payload("before")]


@DIRECT
def test_an_unreachable_transport_does_not_count(backend: Backend) -> None:
    with backend.unreachable(), pytest.raises(StreamUnavailableError):
        backend.transport.waiting()


def test_after_a_fault_the_same_transport_works_again(backend: Backend) -> None:
    with backend.unreachable(), pytest.raises(StreamUnavailableError):
        backend.transport.append([play_payload()])
    backend.transport.append([play_payload()])
    assert backend.stored() == [play_payload()]


def test_close_keeps_the_entries_and_may_be_repeated(backend: Backend) -> None:
    backend.transport.append([play_payload()])
    backend.transport.close()
    with backend.unreachable():
        backend.transport.close()
    assert backend.stored() == [play_payload()]


@DIRECT
def test_a_client_over_it_stops_at_max_waiting(backend: Backend) -> None:
    with Client("memory://", transport=backend.transport, sync=True, max_waiting=2) as client:
        client.play(user="ada", **SONG)
        client.play(user="ada", **SONG)
        with pytest.raises(StreamFullError):
            client.play(user="ada", **SONG)
    assert len(backend.stored()) == 2


def test_an_async_client_over_it_publishes(backend: Backend) -> None:
    async def player() -> None:
        async with AsyncClient("memory://", transport=backend.transport, max_waiting=0) as client:
            await client.play(user="ada", **SONG)
            assert await client.flush(30)

    asyncio.run(player())
    assert len(backend.stored()) == 1


def test_a_client_sends_what_waited_for_an_unreachable_transport(backend: Backend) -> None:
    client = Client("memory://", transport=backend.transport, max_waiting=0, flush_at=1, on_error=lambda _: None)
    with client:
        with backend.unreachable():
            client.play(user="ada", **SONG)
            assert not client.flush(0.3)
        assert client.flush(30)
    assert len(backend.stored()) == 1
