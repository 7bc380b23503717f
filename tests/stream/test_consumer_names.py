"""Names of consumers: none is shared, and the host of one sees whether its process has ended."""

import os
from typing import Literal

import pytest

from tests.support.processes import named_by_another_process, waiting_process
from worker.stream.consumer_names import has_died, host_of, place_of, process_consumer, slot_consumer


def test_workers_started_alike_have_names_of_their_own() -> None:
    names = {named_by_another_process(), named_by_another_process(), slot_consumer("celery@here", "0")}
    assert len(names) == 3
    assert {place_of(name) for name in names} == {"celery@here:0"}


def test_a_process_has_one_name_for_each_slot() -> None:
    assert slot_consumer("celery@here", "0") == slot_consumer("celery@here", "0")
    assert slot_consumer("celery@here", "0") != slot_consumer("celery@here", "1")


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_process_has_died_when_it_is_killed(method: Literal["fork", "spawn"]) -> None:
    with waiting_process(method) as (name, end):
        assert name != slot_consumer("celery@here", "0")
        assert not has_died(name)
        end()
        assert has_died(name)


def test_this_process_has_not_died() -> None:
    assert not has_died(process_consumer("drain"))


def test_a_zombie_has_died() -> None:
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(theirs, slot_consumer("celery@here", "0").encode())
        os._exit(0)
    name = os.read(ours, 100).decode()
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    try:
        assert has_died(name)
    finally:
        os.waitpid(pid, 0)
        os.close(ours)
        os.close(theirs)


def test_a_number_used_again_is_another_process() -> None:
    name, _, started = slot_consumer("celery@here", "0").rpartition("-")
    assert has_died(f"{name}-{int(started) - 1}")


@pytest.mark.parametrize(
    "name",
    ["celery@here:0", "a", "", "celery@here:0/5f1d8a2c9b3e4d7f", "celery@here:0/00000000-4194999-1"],
    ids=["of an older release", "of anyone", "empty", "without /proc", "of another machine"],
)
def test_what_cannot_be_seen_from_here_has_not_died(name: str) -> None:
    assert not has_died(name)


def test_a_name_holds_its_place_and_host() -> None:
    assert place_of("celery@here:0") == "celery@here:0"
    assert host_of(slot_consumer("celery@here", "12")) == "here"
    assert host_of("celery@here:0") == "here"
    assert host_of(process_consumer("drain")) == os.uname().nodename
