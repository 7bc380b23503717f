"""Corrections by command are announced to open pages, and none fails because Redis is away."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from tests.support.announced import Ear, listening
from tests.support.clients import UNREACHABLE
from tests.support.commands import Zik, zik_at
from tests.support.events import event_id, play, song
from tests.support.rollup_rows import record

OF_ADA = ["ada"]
CORRECTIONS = [
    (("plays", "delete", "--user", " ada ", event_id(1), "--yes"), OF_ADA),
    (("plays", "edit", "--user", "ada", event_id(1), "--ms-played", "5"), OF_ADA),
    (("plays", "restore", "--user", "ada", event_id(1)), OF_ADA),
    (("import", "undo", "--user", "ada", "one", "--yes"), OF_ADA),
    (("user", "leave-out", "ada", "--artist", "Tool"), OF_ADA),
    (("user", "count-again", "ada", "--artist", "Tool"), OF_ADA),
    (("song", "set", "Tool", "Schism", "--duration", "4:05"), None),
    (("song", "merge", "Tool", "Schism", "Tool", "Parabola"), None),
    (("artist", "merge", "Tool", "Lie"), None),
]


@pytest.fixture
def recorded(engine: Engine) -> Engine:
    context = {"import": "one"}
    record(
        engine,
        play(id=event_id(1), song=song(title="Schism"), context=context),
        play(id=event_id(2), song=song(title="Parabola", artist="Lie"), context=context),
        play(id=event_id(3), song=song(title="Parabola")),
    )
    return engine


@pytest.fixture
def ear(redis_url: str) -> Iterator[Ear]:
    with listening(redis_url) as ear:
        yield ear


@pytest.fixture
def zik(recorded: Engine, redis_url: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Zik:
    return zik_at(recorded, redis_url, monkeypatch, capfd)


@pytest.mark.parametrize(("command", "users"), CORRECTIONS)
def test_a_correction_is_announced(zik: Zik, ear: Ear, command: tuple[str, ...], users: list[str] | None) -> None:
    answer = zik(*command)
    assert answer.code == 0, answer.err
    assert ear.listen() == [users]


def test_taking_a_merge_back_is_announced(zik: Zik, ear: Ear) -> None:
    zik("song", "merge", "Tool", "Schism", "Tool", "Parabola")
    zik("song", "split", "Tool", "Schism")
    zik("artist", "merge", "Tool", "Lie")
    assert zik("artist", "split", "Tool").code == 0
    while len(ear.heard) < 4:
        ear.listen()
    assert ear.heard == [None] * 4


def test_pages_of_a_user_who_is_forgotten_learn_of_it(zik: Zik, ear: Ear) -> None:
    assert zik("forget", "ada", "--yes").code == 0
    assert ["ada"] in ear.listen()


@pytest.mark.parametrize("command", [command for command, _ in CORRECTIONS])
def test_a_correction_needs_no_redis(
    recorded: Engine, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    answer = zik_at(recorded, UNREACHABLE, monkeypatch, capfd)(*command)
    assert (answer.code, "Redis" in answer.err) == (0, False), answer.err
