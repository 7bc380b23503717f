"""Redis over TLS: a certificate not to be trusted stops everything, and a renewed one needs no restart (F31)."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme
from sqlalchemy import Engine

from tests.support import oracle
from tests.support.load import Load
from tests.support.processes import eventually, running_worker, url_of
from tests.support.tls import tls_front
from worker.drain.drain import Drain
from worker.errors import StreamUnavailableError
from worker.stream.consumer import EventStream

AUTHORITY = trustme.CA()


def certificate(*, authority: trustme.CA = AUTHORITY, name: str = "127.0.0.1", days: int = 1) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, not_after=datetime.now(UTC) + timedelta(days=days)).configure_cert(context)
    return context


@pytest.fixture
def valkey_port(redis_url: str) -> int:
    port = urlsplit(redis_url).port
    assert port is not None
    return port


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(path))
    return path


def url(port: int, ca_file: Path) -> str:
    return f"rediss://:pw-canary@127.0.0.1:{port}/0?ssl_cert_reqs=required&ssl_ca_certs={ca_file}"


def test_f31_events_travel_over_tls(stream: EventStream, valkey_port: int, ca_file: Path, sqlite: Engine) -> None:
    load = Load(31).take(300)
    with tls_front(valkey_port, certificate()) as front:
        over_tls = EventStream.at(url(front.port, ca_file))
        over_tls.append(load)
        Drain(over_tls, sqlite, "a").run()
        over_tls.close()
    oracle.check(load, stream, sqlite)


@pytest.mark.parametrize(
    ("offered", "said"),
    [
        (certificate(days=-1), "certificate has expired"),
        (certificate(authority=trustme.CA()), "certificate verify failed"),
        (certificate(name="elsewhere.example"), "IP address mismatch"),
    ],
    ids=["expired", "of an unknown authority", "of another host"],
)
def test_f31_an_untrusted_certificate_is_named_without_password(
    offered: ssl.SSLContext, said: str, valkey_port: int, ca_file: Path
) -> None:
    with tls_front(valkey_port, offered) as front:
        over_tls = EventStream.at(url(front.port, ca_file))
        with pytest.raises(StreamUnavailableError, match=said) as caught:
            over_tls.books()
        assert "pw-canary" not in str(caught.value)
        over_tls.close()


@pytest.mark.full
def test_f31_a_worker_goes_on_once_the_certificate_is_renewed(
    stream: EventStream, valkey_port: int, ca_file: Path, postgres: Engine, tmp_path: Path
) -> None:
    load = Load(32).take(600)

    def dry() -> bool:
        return stream.books().waiting == 0

    with tls_front(valkey_port, certificate()) as front:
        port = front.port
        with running_worker(
            redis_url=url(port, ca_file), database_url=url_of(postgres), folder=tmp_path, slots=2
        ) as worker:
            stream.append(load[:300])
            eventually(dry, within_s=30, told=lambda: worker.log[-5_000:])
            front.close()
            with tls_front(valkey_port, certificate(days=-1), port=port):
                stream.append(load[300:])
                worker.wait_for("certificate has expired")
                assert not dry()
            with tls_front(valkey_port, certificate(), port=port):
                eventually(dry, within_s=60, told=lambda: worker.log[-5_000:])
                worker.stop()
            assert "pw-canary" not in worker.log
    oracle.check(load, stream, postgres)
