"""A client gives its token to the server that it was told, whose certificate it trusts, and to no log or text."""

import logging
import ssl
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from tests.support.clients import told
from tests.support.events import play_payloads
from tests.support.native_api import TOKEN, NativeApi
from tests.support.tls import tls_front
from worker.client.http_access import trusted_certificates
from worker.client.http_transport import HttpTransport
from worker.errors import SettingsError, StreamUnavailableError

# --- what is given -------------------------------------------------------------------------------

WRONG_URLS = {
    "http://music.example": "anybody on the way could read the token",
    "http://192.168.1.5:9641": "http://localhost",
    "http://127.0.0.1.example": "anybody",
    "https://": "a host",
    "https:///v1": "a host",
    "https://ada:pw-canary@music.example": "neither user",
    "https://music.example/?key=pw-canary": "neither user",
    "https://music.example/#pw-canary": "neither user",
    "https://music.example:pw-canary": "valid URL",
    "https://[::1": "valid URL",
}


@pytest.mark.parametrize("url", WRONG_URLS)
def test_a_wrong_url_is_refused_by_its_rule_and_not_quoted(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^url: ") as caught:
        HttpTransport(url, TOKEN)
    assert WRONG_URLS[url] in str(caught.value)
    assert "canary" not in told(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:9641",
        "http://zik.localhost",
        "http://127.9.9.9/a",
        "http://[::1]:80",
        "HTTPS://Music.example/a/",
    ],
)
def test_urls_that_can_be_used(url: str) -> None:
    HttpTransport(url, TOKEN).close()


@pytest.mark.parametrize("token", ["canary\n", "canary canary", "canary\r\nX-Admin: 1", "canäry", "\ufeffcanary"])
def test_a_token_that_fits_no_header_is_refused_and_not_quoted(token: str) -> None:
    with pytest.raises(SettingsError, match=r"^token: must be a word") as caught:
        HttpTransport("https://music.example", token)
    assert "can" not in str(caught.value)


def test_the_token_is_in_no_log_and_no_repr(
    api: NativeApi, transport: HttpTransport, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    api.refuse = lambda _: ("invalid_value", f"Authorization: Token {TOKEN}")
    refused = transport.append(play_payloads(1)).refused
    assert refused == {0: "invalid_value: Authorization: Token ***"}
    assert TOKEN not in f"{caplog.text}{transport!r}{refused}"
    assert "/v1/events" in caplog.text


# --- TLS -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def certificate(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, not_after=datetime.now(UTC) + timedelta(days=1)).configure_cert(context)
    return context


def trust(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    """As if the system had these certificates alone."""
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.setenv("SSL_CERT_DIR", str(file.parent / "none"))


def test_events_travel_over_tls_by_what_the_system_trusts(
    api: NativeApi, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    trust(monkeypatch, tmp_path / "ca.pem")
    with tls_front(api.port, certificate(authority, "127.0.0.1")) as front:
        transport = HttpTransport(f"https://127.0.0.1:{front.port}", TOKEN)
        transport.append(play_payloads(2))
        transport.append(play_payloads(2))
        transport.close()
    assert (len(api.stored), api.connections) == (4, 1)


@pytest.mark.parametrize("fault", ["unknown authority", "another name"])
def test_no_token_goes_to_a_server_whose_certificate_is_not_trusted(
    api: NativeApi, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    (trustme.CA() if fault == "unknown authority" else authority).cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    trust(monkeypatch, tmp_path / "ca.pem")
    name = "music.example" if fault == "another name" else "127.0.0.1"
    with tls_front(api.port, certificate(authority, name)) as front:
        transport = HttpTransport(f"https://127.0.0.1:{front.port}", TOKEN)
        with pytest.raises(StreamUnavailableError, match="certificate verify failed"):
            transport.append(play_payloads(1))
    assert api.received == []


def test_without_certificates_of_the_system_certifis_are_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, tmp_path / "absent.pem")
    assert trusted_certificates().cert_store_stats()["x509_ca"] > 50
    monkeypatch.setitem(sys.modules, "certifi", None)
    assert trusted_certificates().cert_store_stats()["x509_ca"] == 0


def test_a_folder_of_certificates_is_the_systems_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "0a1b2c3d.0").write_text("read when needed")
    trust(monkeypatch, tmp_path / "absent.pem")
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "some"))
    assert trusted_certificates().cert_store_stats()["x509_ca"] == 0
