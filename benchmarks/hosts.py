"""Hosts on one machine: network namespaces with addresses of their own, joined to the servers by virtual cables."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

import psycopg

from benchmarks.servers import Servers

# Every host and the servers' end of its cable are a network of four addresses within this one.
NETWORK: Final = "10.213.0.0/16"


@dataclass(frozen=True)
class Host:
    """`address` is its own; `servers_at` is where it finds the servers."""

    name: str
    address: str
    servers_at: str

    @property
    def prefix(self) -> list[str]:
        """What a command begins with that is to run there."""
        return ["ip", "netns", "exec", self.name]

    def sees(self, servers: Servers) -> Servers:
        """The servers as this host reaches them."""
        with psycopg.connect(servers.postgres_uri) as connection:
            info = connection.info
            postgres_uri = f"postgresql://{info.user}@{self.servers_at}:{info.port}/{info.dbname}"
        redis_url = f"redis://{self.servers_at}:{urlsplit(servers.redis_url).port}/0"
        return replace(servers, redis_url=redis_url, postgres_uri=postgres_uri)


def why_none() -> str:
    """Why there can be no such hosts here; empty where there can."""
    if shutil.which("ip") is None:
        return "the command ip is missing"
    return "" if os.geteuid() == 0 else "only root makes network namespaces"


@contextmanager
def hosts(number: int) -> Iterator[tuple[Host, ...]]:
    """So many of them, gone with their cables when the block ends."""
    with ExitStack() as stack:
        yield tuple(stack.enter_context(_host(index)) for index in range(1, number + 1))


@contextmanager
def _host(index: int) -> Iterator[Host]:
    name, cable = f"zik-host-{index}", f"zik-cable-{index}"
    host = Host(name, f"10.213.{index}.2", f"10.213.{index}.1")
    _ip("netns", "add", name)
    try:
        _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("address", "add", f"{host.servers_at}/30", "dev", cable)
        _ip("link", "set", cable, "up")
        _ip("-n", name, "address", "add", f"{host.address}/30", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")
        _ip("-n", name, "link", "set", "lo", "up")
        yield host
    finally:
        # The cable has one end in it.
        _ip("netns", "delete", name)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)  # noqa: S603, S607 -- our own words
