"""A process that may open no more files, or finds no address, waits until it can (F30, F31)."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine

from tests.support.events import play_payloads
from tests.support.processes import count, url_of
from worker.database.engine import open_engine
from worker.drain.drain import Drain
from worker.errors import DatabaseUnavailableError, StreamUnavailableError
from worker.stream.consumer import EventStream


@contextmanager
def no_more_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The lowest number that is free is the one that the next file would get.
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_f30_a_stream_without_file_descriptors_is_an_outage(redis_url: str) -> None:
    stream = EventStream.at(redis_url)
    with no_more_files(), pytest.raises(StreamUnavailableError, match="Too many open files"):
        stream.books()
    assert stream.books().received == 0
    stream.close()


def test_f30_a_database_without_file_descriptors_buries_nothing(stream: EventStream, engine: Engine) -> None:
    fresh = open_engine(url_of(engine))
    stream.append(play_payloads(5))
    drain = Drain(stream, fresh, "a")
    with no_more_files(), pytest.raises(DatabaseUnavailableError):
        drain.run()
    drain.run()
    assert (count(engine, "play_history"), count(engine, "dead_letters")) == (5, 0)
    fresh.dispose()


@pytest.mark.parametrize("url", ["redis://nowhere.invalid:6379/0", "rediss://nowhere.invalid:6379/0"])
def test_f31_an_unresolvable_redis_host_is_an_outage(url: str) -> None:
    stream = EventStream.at(url)
    with pytest.raises(StreamUnavailableError, match=r"nowhere\.invalid"):
        stream.books()


def test_f31_an_unresolvable_database_host_is_an_outage(stream: EventStream) -> None:
    stream.append(play_payloads(1))
    with pytest.raises(DatabaseUnavailableError, match=r"nowhere\.invalid"):
        Drain(stream, open_engine("postgresql+psycopg://zik:pw@nowhere.invalid/zik"), "a").run()
    assert stream.books().dead == 0
