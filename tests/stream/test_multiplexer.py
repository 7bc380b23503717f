"""One connection for all: no reply may reach another caller, and no caller may wait for ever."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
import redis
import trustme

from tests.support.clients import UNREACHABLE
from tests.support.proxy import Proxy
from tests.support.servers import own_valkey
from tests.support.tls import tls_front
from worker.errors import SettingsError, StreamMisusedError, StreamUnavailableError
from worker.stream.connection import connect_async
from worker.stream.keys import STREAM
from worker.stream.multiplexer import Multiplexer
from worker.stream.packing import packed
from worker.stream.pipeline import Room, open_pipeline

AUTHORITY: Final = trustme.CA()
CANARY: Final = "pw-canary"
# More than a test may ever wait; a call that hangs for ever fails here.
PATIENCE_S: Final = 60.0

Result = TypeVar("Result")


def run(scenario: Coroutine[Any, Any, Result]) -> Result:
    return asyncio.run(asyncio.wait_for(scenario, PATIENCE_S))


async def eventually_answers(multiplexer: Multiplexer) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                assert await multiplexer.call(("PING",)) == [b"PONG"]
            except StreamUnavailableError:
                await asyncio.sleep(0.05)
            else:
                return


Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(answer: Answer) -> AsyncIterator[str]:
    """A server that answers as the test says; its URL."""

    async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        finally:
            writer.close()

    async with await asyncio.start_server(answered, "127.0.0.1", 0) as listening:
        yield f"redis://127.0.0.1:{listening.sockets[0].getsockname()[1]}/0"


# --- replies in order ----------------------------------------------------------------------------


def test_each_of_ten_thousand_concurrent_callers_gets_its_own_replies(redis_url: str) -> None:
    async def scenario() -> None:
        multiplexer = Multiplexer(redis_url)

        async def ask(number: int) -> None:
            assert await multiplexer.call(("ECHO", number), ("ECHO", f"{number} again")) == [
                b"%d" % number,
                b"%d again" % number,
            ]

        await asyncio.gather(*map(ask, range(10_000)))
        multiplexer.close()

    run(scenario())


def test_all_callers_share_one_connection(redis_url: str, valkey: "redis.Redis") -> None:
    async def scenario() -> None:
        multiplexer = Multiplexer(redis_url)
        replies = await asyncio.gather(*[multiplexer.call(("CLIENT", "ID")) for _ in range(100)])
        assert len({connection for (connection,) in replies}) == 1
        assert [client["name"] for client in valkey.client_list()].count("zik") == 1
        multiplexer.close()

    run(scenario())


def test_a_cancelled_caller_does_not_shift_the_replies(proxy: Proxy) -> None:
    async def scenario() -> None:
        multiplexer = Multiplexer(f"redis://127.0.0.1:{proxy.port}/0")
        await multiplexer.call(("PING",))
        proxy.delay_s = 0.3
        asking = [asyncio.create_task(multiplexer.call(("ECHO", number), ("ECHO", "x"))) for number in range(100)]
        await asyncio.sleep(0.1)
        for task in asking[::3]:
            task.cancel()
        replies = await asyncio.gather(*asking, return_exceptions=True)
        for number, reply in enumerate(replies):
            if number % 3:
                assert reply == [b"%d" % number, b"x"]
            else:
                assert isinstance(reply, asyncio.CancelledError)
        multiplexer.close()

    run(scenario())


def test_a_cancelled_caller_does_not_end_the_attempt_to_connect_of_the_others(proxy: Proxy) -> None:
    async def scenario() -> None:
        multiplexer = Multiplexer(f"redis://127.0.0.1:{proxy.port}/0")
        proxy.delay_s = 0.3
        first, second = [asyncio.create_task(multiplexer.call(("ECHO", number))) for number in range(2)]
        await asyncio.sleep(0.1)
        first.cancel()
        assert await second == [b"1"]
        multiplexer.close()

    run(scenario())


def test_replies_that_come_in_pieces_are_put_together(redis_url: str) -> None:
    port = int(redis_url.split(":")[2].removesuffix("/0"))

    async def crumble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)

        async def up() -> None:
            while said := await reader.read(1 << 16):
                inner_writer.write(said)
            inner_writer.close()

        pumping = asyncio.create_task(up())
        while byte := await inner_reader.read(1):
            writer.write(byte)
            await asyncio.sleep(0)
        await pumping

    async def scenario() -> None:
        async with server(crumble) as url:
            multiplexer = Multiplexer(url)
            asking = [multiplexer.call(("ECHO", number), ("ECHO", b"\r\n$3\r\n")) for number in range(50)]
            assert await asyncio.gather(*asking) == [[b"%d" % number, b"\r\n$3\r\n"] for number in range(50)]
            multiplexer.close()

    run(scenario())


def test_an_error_among_the_replies_is_raised_and_the_next_calls_are_intact(redis_url: str) -> None:
    async def scenario() -> None:
        multiplexer = Multiplexer(redis_url)
        await multiplexer.call(("SET", STREAM, "something else"))
        outcomes = await asyncio.gather(
            multiplexer.call(("PING",), ("XLEN", STREAM), ("ECHO", "a")),
            multiplexer.call(("ECHO", "b")),
            return_exceptions=True,
        )
        assert isinstance(outcomes[0], StreamMisusedError)
        assert outcomes[1] == [b"b"]
        multiplexer.close()

    run(scenario())


# --- where Redis is away -------------------------------------------------------------------------


def test_after_a_lost_reply_the_next_call_connects_again(proxy: Proxy, valkey: "redis.Redis") -> None:
    async def scenario() -> None:
        multiplexer = Multiplexer(f"redis://127.0.0.1:{proxy.port}/0")
        proxy.lose_reply_to(b"lost")
        with pytest.raises(StreamUnavailableError, match="out of reach"):
            await multiplexer.call(("INCR", "lost"))
        assert valkey.get("lost") == b"1"
        assert await multiplexer.call(("ECHO", "next")) == [b"next"]
        multiplexer.close()

    run(scenario())


def test_every_caller_of_a_silent_connection_fails_in_time(proxy: Proxy) -> None:
    async def scenario() -> None:
        multiplexer = Multiplexer(f"redis://127.0.0.1:{proxy.port}/0", timeout_s=0.5)
        proxy.fall_silent_at(b"silent")
        asking = [multiplexer.call(("ECHO", "silent")) for _ in range(50)]
        outcomes = await asyncio.gather(*asking, return_exceptions=True)
        assert {str(outcome) for outcome in outcomes} == {"Redis is out of reach: it has not answered in time"}
        # The next one cannot log in, either.
        with pytest.raises(StreamUnavailableError, match="not answered in time"):
            await multiplexer.call(("PING",))
        proxy.silent = False
        await eventually_answers(multiplexer)
        multiplexer.close()

    run(scenario())


def test_a_call_that_has_less_time_than_those_before_it_ends_when_its_own_is_up(proxy: Proxy) -> None:
    async def scenario() -> None:
        now_s = asyncio.get_running_loop().time()
        client = connect_async(f"redis://127.0.0.1:{proxy.port}/0")
        pipeline = await open_pipeline(client, Room(1_000), deadline=now_s + PATIENCE_S)
        proxy.fall_silent_at(b"PING")
        commands = packed(("PING",))
        asking = [
            pipeline.ask(commands, 1, size=1, deadline=now_s + seconds) for seconds in (2 * PATIENCE_S, PATIENCE_S, 0.5)
        ]
        assert {type(outcome) for outcome in await asyncio.gather(*asking)} == {redis.TimeoutError}

    run(scenario())


def test_a_frozen_server_is_answered_for_within_six_seconds_and_serves_after_the_thaw(tmp_path: Path) -> None:
    async def scenario() -> None:
        with own_valkey(tmp_path) as frozen:
            multiplexer = Multiplexer(frozen.url)
            await multiplexer.call(("PING",))
            frozen.freeze()
            for _ in range(2):
                async with asyncio.timeout(6):
                    with pytest.raises(StreamUnavailableError):
                        await multiplexer.call(("PING",))
            frozen.thaw()
            await eventually_answers(multiplexer)
            multiplexer.close()

    run(scenario())


def test_a_killed_server_fails_all_who_wait_and_serves_again_once_restarted(tmp_path: Path) -> None:
    async def scenario() -> None:
        with own_valkey(tmp_path) as server:
            multiplexer = Multiplexer(server.url)
            await multiplexer.call(("PING",))
            server.freeze()
            asking = [asyncio.create_task(multiplexer.call(("ECHO", number))) for number in range(100)]
            await asyncio.sleep(0.1)
            server.kill()
            outcomes = await asyncio.gather(*asking, return_exceptions=True)
            assert all(isinstance(outcome, StreamUnavailableError) for outcome in outcomes)
            with pytest.raises(StreamUnavailableError, match="out of reach"):
                await multiplexer.call(("PING",))
            server.start()
            await eventually_answers(multiplexer)
            multiplexer.close()

    run(scenario())


def test_callers_share_an_attempt_to_connect_and_the_next_ones_fail_at_once() -> None:
    connections: list[int] = []

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        writer.transport.abort()

    async def scenario() -> None:
        async with server(hang_up) as url:
            multiplexer = Multiplexer(url)
            for _ in range(2):
                asking = [multiplexer.call(("PING",)) for _ in range(100)]
                outcomes = await asyncio.gather(*asking, return_exceptions=True)
                assert all(isinstance(outcome, StreamUnavailableError) for outcome in outcomes)
            assert len(connections) == 1

    run(scenario())


def test_nothing_waits_beyond_the_limit_and_what_has_ended_makes_room(proxy: Proxy) -> None:
    async def scenario() -> None:
        multiplexer = Multiplexer(f"redis://127.0.0.1:{proxy.port}/0", max_in_flight_bytes=20_000, timeout_s=1)
        await multiplexer.call(("PING",))
        for _ in range(3):
            proxy.fall_silent_at(b"silent")
            asking = [asyncio.create_task(multiplexer.call(("ECHO", b"silent" + bytes(5_000)))) for _ in range(3)]
            await asyncio.sleep(0.1)
            # The bytes of a caller who has gone are still on their way.
            asking[0].cancel()
            with pytest.raises(StreamUnavailableError, match="too many requests wait"):
                await multiplexer.call(("ECHO", bytes(5_000)))
            outcomes = await asyncio.gather(*asking, return_exceptions=True)
            assert "answered in time" in str(outcomes[1])
            proxy.silent = False
            await eventually_answers(multiplexer)
        assert await multiplexer.call(("ECHO", bytes(18_000))) == [bytes(18_000)]
        multiplexer.close()

    run(scenario())


def test_a_call_that_could_not_connect_takes_no_room() -> None:
    async def scenario() -> None:
        multiplexer = Multiplexer(UNREACHABLE, max_in_flight_bytes=3_000)
        for _ in range(10):
            with pytest.raises(StreamUnavailableError, match="out of reach"):
                await multiplexer.call(("PING",))

    run(scenario())


def test_closing_fails_the_calls_that_wait(proxy: Proxy) -> None:
    async def scenario() -> None:
        multiplexer = Multiplexer(f"redis://127.0.0.1:{proxy.port}/0")
        await multiplexer.call(("PING",))
        proxy.fall_silent_at(b"silent")
        asking = asyncio.create_task(multiplexer.call(("ECHO", "silent")))
        await asyncio.sleep(0.1)
        multiplexer.close()
        with pytest.raises(StreamUnavailableError, match="closed the connection"):
            await asking

    run(scenario())


# --- what a server refuses -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (b"-LOADING Redis is loading the dataset in memory", "out of reach: Redis is loading"),
        (b"-MOVED 3999 127.0.0.1:6381", "slot 3999 is at 127.0.0.1:6381"),
        (b"-NOPERM this user has no permissions to run the 'xadd' command", "docs/redis.acl"),
        (b"-NOAUTH Authentication required.", "correct the user and password"),
        (b"-ERR unknown command 'XADD', with args beginning with: 'k' '*' 'secret song'", "from 7.0"),
        (b"?what", "out of reach"),
    ],
)
def test_what_a_server_refuses_is_named_without_the_event(refusal: bytes, said: str) -> None:
    async def scenario() -> None:
        first = True

        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal first
            while await reader.read(1 << 16):
                writer.write(b"+OK\r\n" if first else refusal + b"\r\n")
                first = False

        async with server(refuse) as url:
            multiplexer = Multiplexer(url)
            with pytest.raises(StreamUnavailableError, match=said) as caught:
                await multiplexer.call(("XADD", "k", "*", "event", "secret song"))
            assert "secret" not in f"{caught.value!r} {caught.value.__cause__}"
            multiplexer.close()

    run(scenario())


def test_a_reply_that_nobody_asked_for_ends_the_connection() -> None:
    async def say_too_much(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1 << 16):
            writer.write(b"+OK\r\n+OK\r\n")

    async def scenario() -> None:
        async with server(say_too_much) as url:
            multiplexer = Multiplexer(url)
            with pytest.raises(StreamUnavailableError, match="reply without a command"):
                await multiplexer.call(("PING",))
            multiplexer.close()

    run(scenario())


def test_a_replica_is_left_for_whatever_the_address_leads_to_next(tmp_path: Path) -> None:
    async def scenario() -> None:
        with own_valkey(tmp_path) as valkey, valkey.client() as admin:
            multiplexer = Multiplexer(valkey.url)
            (before,) = await multiplexer.call(("CLIENT", "ID"))
            admin.replicaof("127.0.0.1", 1)
            with pytest.raises(StreamUnavailableError, match="REDIS_URL must be the primary"):
                await multiplexer.call(("SET", "a", 1))
            (after,) = await multiplexer.call(("CLIENT", "ID"))
            assert before != after
            multiplexer.close()

    run(scenario())


# --- every form of the URL -----------------------------------------------------------------------


def test_a_wrong_password_is_named_and_not_shown(tmp_path: Path) -> None:
    async def scenario() -> None:
        with own_valkey(tmp_path, password=CANARY) as valkey:
            for url in (valkey.url_of("", ""), valkey.url_of("", "pw-wrong"), valkey.url_of("nobody", "pw-wrong")):
                multiplexer = Multiplexer(url)
                with pytest.raises(StreamUnavailableError, match="correct the user and password") as caught:
                    await multiplexer.call(("PING",))
                assert "pw-" not in f"{caught.value!r} {caught.value.__cause__}"
                multiplexer.close()
            for url in (valkey.url, valkey.url_of("default", CANARY)):
                multiplexer = Multiplexer(url)
                assert await multiplexer.call(("PING",)) == [b"PONG"]
                multiplexer.close()

    run(scenario())


def test_the_database_of_the_url_is_used(redis_url: str, valkey: "redis.Redis") -> None:
    async def scenario() -> None:
        multiplexer = Multiplexer(redis_url.removesuffix("0") + "3")
        await multiplexer.call(("SET", "mine", "there"))
        assert valkey.get("mine") is None
        assert await multiplexer.call(("GET", "mine")) == [b"there"]
        multiplexer.close()
        multiplexer = Multiplexer(redis_url.removesuffix("0") + "999")
        with pytest.raises(StreamUnavailableError, match="DB index"):
            await multiplexer.call(("PING",))
        multiplexer.close()

    run(scenario())


def test_a_unix_socket_is_reached(tmp_path: Path) -> None:
    path = tmp_path / "valkey.sock"

    async def scenario() -> None:
        with own_valkey(tmp_path, password=CANARY, more=f"unixsocket {path}\n"):
            multiplexer = Multiplexer(f"unix://:{CANARY}@{path}?db=2")
            (info,) = await multiplexer.call(("CLIENT", "INFO"))
            assert b" db=2 " in info
            assert b" name=zik " in info
            multiplexer.close()

    run(scenario())


@pytest.mark.parametrize("protocol", [2, 3])
def test_either_protocol_of_redis_may_be_asked_for(redis_url: str, protocol: int) -> None:
    async def scenario() -> None:
        multiplexer = Multiplexer(f"{redis_url}?protocol={protocol}")
        assert await multiplexer.call(("PING",)) == [b"PONG"]
        multiplexer.close()

    run(scenario())


def test_a_url_that_zik_does_not_serve_is_refused() -> None:
    with pytest.raises(SettingsError, match="the URL of Redis must begin with"):
        Multiplexer("http://127.0.0.1")


@pytest.mark.parametrize("trusted", [True, False])
def test_tls_is_verified(redis_url: str, tmp_path: Path, *, trusted: bool) -> None:
    authority = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(authority))
    offered = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (AUTHORITY if trusted else trustme.CA()).issue_cert("127.0.0.1").configure_cert(offered)

    async def scenario(port: int) -> None:
        multiplexer = Multiplexer(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={authority}")
        if trusted:
            assert await multiplexer.call(("ECHO", bytes(500_000))) == [bytes(500_000)]
        else:
            with pytest.raises(StreamUnavailableError, match="certificate verify failed"):
                await multiplexer.call(("PING",))
        multiplexer.close()

    with tls_front(int(redis_url.split(":")[2].removesuffix("/0")), offered) as front:
        run(scenario(front.port))


def test_tls_without_options_accepts_no_unknown_authority(redis_url: str) -> None:
    offered = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(offered)

    async def scenario(port: int) -> None:
        multiplexer = Multiplexer(f"rediss://127.0.0.1:{port}/0")
        with pytest.raises(StreamUnavailableError, match="certificate verify failed"):
            await multiplexer.call(("PING",))
        multiplexer.close()

    with tls_front(int(redis_url.split(":")[2].removesuffix("/0")), offered) as front:
        run(scenario(front.port))
