"""Check what a client is given to reach a server over HTTP: a URL, a token, and certificates to trust."""

import ssl
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from worker.errors import SettingsError

_EXAMPLE: Final = "as in https://music.example"


def checked_url(url: str) -> str:
    """The URL without a slash at its end.

    Raises:
        SettingsError: the rule that it breaks, without any part of it.
    """
    try:
        parts = parse_url(url)
    except LocationParseError:
        raise SettingsError(f"url: must be a valid URL, {_EXAMPLE}") from None
    if parts.scheme not in {"https", "http"} or not parts.host:
        raise SettingsError(f"url: must be https:// with a host, {_EXAMPLE}")
    if parts.auth is not None or parts.query is not None or parts.fragment is not None:
        raise SettingsError(f"url: must have neither user, password, query nor fragment, {_EXAMPLE}: give token=")
    if parts.scheme == "http" and not _is_this_machine(parts.host):
        found = "url: anybody on the way could read the token of an http:// request"
        raise SettingsError(found, way_out="use https://, or http://localhost for a server on this machine")
    return Url(parts.scheme, host=parts.host, port=parts.port, path=(parts.path or "").rstrip("/")).url


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def checked_token(token: str) -> str:
    """The token, if it fits into a header.

    Raises:
        SettingsError: without any part of it.
    """
    # http.client would quote it where it refuses it.
    if not token.isascii() or not token.isprintable() or " " in token:
        raise SettingsError("token: must be a word of ASCII characters, without a space or line feed")
    return token


def trusted_certificates() -> ssl.SSLContext:
    """Those that the system trusts. A Python that finds none of the system's takes certifi's, if that is installed."""
    context = ssl.create_default_context()
    if not context.cert_store_stats()["x509_ca"] and not _has_folder() and find_spec("certifi") is not None:
        context.load_verify_locations(import_module("certifi").where())
    return context


def _has_folder() -> bool:
    """Whether the system keeps its certificates as files in a folder: OpenSSL reads and counts them when needed."""
    folder: str | None = ssl.get_default_verify_paths().capath
    with suppress(OSError):
        return folder is not None and any(Path(folder).iterdir())
    return False
