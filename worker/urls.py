"""Read each URL of Redis in one way, because redis-py and Celery's kombu read the same one differently."""

from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

_SCHEMES: Final = {"redis": "redis", "rediss": "rediss", "unix": "unix", "valkey": "redis", "valkeys": "rediss"}
_EXAMPLES: Final = "redis://host:6379/0, rediss://host:6380/0 or unix:///path/to/socket?db=0"
_TLS_OPTIONS: Final = {
    "ssl_ca_certs", "ssl_ca_path", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname", "ssl_keyfile", "ssl_password",
}  # fmt: skip
# redis-py and kombu agree on these spellings only; how to speak RESP is redis-py's own affair.
_VALUES: Final = {
    "ssl_cert_reqs": {"none", "optional", "required"},
    "ssl_check_hostname": {"true", "false"},
    "protocol": {"2", "3"},
}


def scheme_of(url: str, example: str) -> str:
    """The scheme in lower case. Raises ValueError without one."""
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise ValueError(f"must be a URL, as in {example}")
    return scheme.lower()


def check_port(url: str) -> None:
    try:
        _ = urlsplit(url).port
    except ValueError:
        # Python's own message quotes the text there, which may be part of the password.
        raise ValueError("has no valid port; write /, #, ? and @ in a password as %2F, %23, %3F and %40") from None


def is_redis(url: str) -> bool:
    return url.partition("://")[0].lower() in _SCHEMES


def redis_py_url(url: str) -> str:
    """Check the URL, and return it as redis-py and `kombu_url` understand it.

    Raises:
        ValueError: the rule that it breaks, without any part of it.
    """
    scheme = scheme_of(url, "redis://127.0.0.1:6379/0")
    if "sentinel" in scheme or "cluster" in scheme:
        raise ValueError(f"must name one server, such as an address that follows the primary: {_EXAMPLES}")
    if scheme not in _SCHEMES:
        raise ValueError(f"must begin with redis://, rediss:// or unix://, as in {_EXAMPLES}")
    url = f"{_SCHEMES[scheme]}://{url.partition('://')[2]}"
    check_port(url)
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    _check_options(parts, options)
    if parts.scheme == "unix":
        if parts.hostname or not parts.path.strip("/"):
            raise ValueError("must name a socket by its whole path, as in unix:///path/to/socket?db=0")
        _check_database(options.get("db", "0"))
        return url
    # kombu reads the number from the path only, and no slash after it.
    database = options.pop("db", "") or parts.path.strip("/")
    _check_database(database or "0")
    path, query = f"/{database}" if database else "", urlencode(options, safe="/")
    return parts._replace(path=path, query=query).geturl()


def _check_options(parts: SplitResult, options: dict[str, str]) -> None:
    known = {"db", "protocol"} | (_TLS_OPTIONS if parts.scheme == "rediss" else set())
    if parts.fragment or not options.keys() <= known:
        # Its name may be the end of a password with a question mark in it.
        raise ValueError(
            "has an unknown option; zik reads `db` and `protocol`, and with rediss:// "
            f"{', '.join(sorted(_TLS_OPTIONS))}; write /, #, ? and @ in a password as %2F, %23, %3F and %40"
        )
    for option, values in _VALUES.items():
        if options.get(option, min(values)) not in values:
            raise ValueError(f"needs for {option} one of {', '.join(sorted(values))}")


def _check_database(number: str) -> None:
    if not (number.isascii() and number.isdigit()):
        raise ValueError(f"must give the database as a number, as in {_EXAMPLES}")


def kombu_url(url: str) -> str:
    """The same server and database as kombu reads them, of a URL that `redis_py_url` has returned."""
    parts = urlsplit(url)
    options = {name: value for name, value in parse_qsl(parts.query) if name != "protocol"}
    if parts.scheme == "unix":
        database = urlencode({"virtual_host": options.get("db", "0")})
        return f"redis+socket://{parts.netloc}{parts.path}?{database}"
    # kombu does not know this one, and always speaks RESP2.
    options.pop("protocol", None)
    if parts.scheme == "rediss":
        # Without it, kombu would accept any certificate, and redis-py none that it does not know.
        options = {"ssl_cert_reqs": "required", **options}
    return parts._replace(query=urlencode(options)).geturl()
