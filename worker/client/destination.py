"""Choose by its URL how a client's events travel, and refuse the options that this way cannot keep."""

from worker.client.http_transport import NOT_DURABLE, HttpTransport
from worker.errors import NotDurableError, SettingsError
from worker.stream.producer import Producer
from worker.stream.transport import Transport


def is_http(url: str) -> bool:
    return url.partition("://")[0].lower() in {"https", "http"}


def waiting_limit(url: str, given: int | None) -> int:
    """The limit of waiting entries that a client keeps. Over HTTP the server keeps its own."""
    if given is not None:
        return given
    if is_http(url):
        return 0
    from worker.settings import load_publisher_settings  # noqa: PLC0415 -- 11 MB, which no client over HTTP needs

    return load_publisher_settings().max_waiting


def transport_to(url: str, *, token: str | None, durable: bool, max_waiting: int) -> Transport:
    """A new transport. It connects when first used.

    Raises:
        SettingsError: zik serves no such `url`, or `token` or `max_waiting` does not fit it.
        NotDurableError: `durable`, over HTTP.
    """
    if not is_http(url):
        if token is not None:
            raise SettingsError("token: is for https:// only; the URL of a Redis has its user and password")
        return Producer.at(url)
    if not token:
        raise SettingsError("token: is required with https://", way_out="make one with `zik token create`")
    if durable:
        raise NotDurableError(NOT_DURABLE)
    if max_waiting:
        raise SettingsError("max_waiting: is the server's affair over https:// (its ZIK_MAX_WAITING): leave it out")
    return HttpTransport(url, token)
