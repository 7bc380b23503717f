"""Where a client reached this server, and where it comes from: through a proxy, as that says."""

import ipaddress
from typing import Final

from starlette.requests import Request

_IPV4: Final = 4
# What one household has.
_IPV6_NETWORK: Final = 64


def is_behind_tls(request: Request) -> bool:
    """Whether the client speaks TLS, to this server or to the proxy in front of it."""
    said = request.headers.get("x-forwarded-proto", request.url.scheme)
    return said.rpartition(",")[2].strip().lower() == "https"


def origin(request: Request) -> str:
    """Scheme and host, for the URLs that the client is to use next."""
    scheme = "https" if is_behind_tls(request) else "http"
    return f"{scheme}://{request.headers.get('host', request.url.netloc)}"


def client_address(request: Request) -> str:
    """The address of a client; IPv6 by its network.

    Only a proxy on this machine or in its own network is believed: anyone may write the header.
    """
    peer = request.client.host if request.client else ""
    forwarded = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    try:
        address = ipaddress.ip_address(peer)
        if forwarded and address.is_private:
            address = ipaddress.ip_address(forwarded)
    except ValueError:
        return peer
    if address.version == _IPV4:
        return str(address)
    return str(ipaddress.ip_network((address, _IPV6_NETWORK), strict=False))
