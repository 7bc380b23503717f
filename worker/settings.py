"""Settings, read once at the start from the environment, `.env` and files; a wrong one stops the start."""

import os
import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from worker.errors import SettingsError
from worker.failpoints import Point
from worker.urls import check_port, is_redis, kombu_url, redis_py_url, scheme_of

_CHECKOUT: Final = Path(__file__).resolve().parent.parent
# The later file wins: the working directory's.
ENV_FILES: tuple[Path, ...] = (_CHECKOUT / ".env", Path(".env"))
# Where containers mount their secrets: one file each, named like the variable in lower case.
_SECRETS_DIR: Final = "/run/secrets"
_POSTGRES: Final = {"postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2", "postgresql+asyncpg"}
# No play may be longer; in milliseconds it still fits PostgreSQL's integer.
_LONGEST_PLAY_S: Final = 24 * 86_400
_CENTURY_DAYS: Final = 36_500


def is_checkout() -> bool:
    """Whether this zik runs from its sources, and not from an installed wheel."""
    return (_CHECKOUT / "pyproject.toml").is_file()


def default_home() -> Path:
    """The checkout, or for an installed package the user's data folder: the same for every process."""
    if is_checkout():
        return _CHECKOUT
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "zik"


def _database_url(url: str, info: ValidationInfo) -> str:
    scheme = scheme_of(url, "sqlite:///dev.db or postgresql://user@host/name")
    rest = url.partition("://")[2]
    if scheme in _POSTGRES:
        check_port(url)
        return f"postgresql+psycopg://{rest}"
    if scheme in {"sqlite", "sqlite+pysqlite"}:
        return f"sqlite:///{_absolute(rest, info.data.get('home', default_home()))}"
    raise ValueError("must begin with sqlite:// or postgresql://, the databases that zik supports")


def _absolute(rest: str, home: Path) -> str:
    path, question_mark, query = rest.removeprefix("/").partition("?")
    if path in {"", ":memory:"}:
        raise ValueError("must name a file, as in sqlite:///dev.db: no other process sees an in-memory database")
    return f"{home / Path(path).expanduser()}{question_mark}{query}"


def _absolute_folder(folder: Path) -> Path:
    return folder.expanduser().absolute()


def _only_in_tests(point: Point | None, info: ValidationInfo) -> Point | None:
    if point is not None and info.data.get("production"):
        raise ValueError("kills processes, for tests only: unset it, or unset ZIK_PRODUCTION")
    return point


def _broker_url(url: str) -> str:
    scheme = scheme_of(url, "redis://127.0.0.1:6379/0")
    if is_redis(url) or "sentinel" in scheme:
        return redis_py_url(url)
    check_port(url)
    return url


# Shared with other programs of an installation, so they have no prefix.
_SECRETS: Final = {"clerk_secret_key", "gemini_api_key"}
_WITHOUT_PREFIX: Final = {"database_url", "redis_url", "celery_broker_url", *_SECRETS}


def variable_of(field: str) -> str:
    """The environment variable of a setting: `ZIK_BATCH_SIZE` of `batch_size`."""
    return field.upper() if field in _WITHOUT_PREFIX else f"ZIK_{field.upper()}"


class PublisherSettings(BaseSettings):
    """What a publisher reads. Its program may have a DATABASE_URL of its own, which is none of zik's business."""

    model_config = SettingsConfigDict(
        alias_generator=variable_of,
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=True,
    )

    max_waiting: Annotated[int, Field(ge=0)] = 1_000_000


class Settings(PublisherSettings):
    """Every setting of zik with its default. The README has a row for each."""

    # Before the URLs: relative paths in the fields below start here, not in the working directory.
    home: Annotated[Path, AfterValidator(_absolute_folder)] = Field(default_factory=default_home)

    database_url: Annotated[str, AfterValidator(_database_url)] = Field("sqlite:///dev.db", repr=False)
    redis_url: Annotated[str, AfterValidator(redis_py_url)] = Field("redis://127.0.0.1:6379/0", repr=False)
    celery_broker_url: Annotated[str, AfterValidator(_broker_url)] | None = Field(None, repr=False)

    unknown_users: Literal["create", "reject"] = "create"
    batch_size: Annotated[int, Field(ge=1, le=10_000)] = 5_000

    listen_percent: Annotated[int, Field(ge=0, le=100)] = 50
    listen_seconds: Annotated[int, Field(ge=0, le=_LONGEST_PLAY_S)] = 240
    listen_unknown_seconds: Annotated[int, Field(ge=0, le=_LONGEST_PLAY_S)] = 30
    same_play_seconds: Annotated[int, Field(ge=0, le=3_600)] = 120
    keep_dead_letters_days: Annotated[int, Field(ge=1, le=_CENTURY_DAYS)] | None = None

    http_rate: Annotated[int, Field(ge=0, le=1_000_000)] = 100

    remote_control: bool = False

    production: bool = False
    crash_at: Annotated[Point | None, AfterValidator(_only_in_tests)] = None

    clerk_secret_key: SecretStr | None = None
    gemini_api_key: SecretStr | None = None

    @cached_property
    def broker_url(self) -> str:
        """Where Celery's messages go, as Celery reads it: `CELERY_BROKER_URL`, else `REDIS_URL`."""
        url = self.celery_broker_url or self.redis_url
        return kombu_url(url) if is_redis(url) else url

    def as_environment(self) -> dict[str, str]:
        """The settings as environment variables, so that a child process has the same.

        Without the secrets: a child reads those where this process did.
        """
        return {variable_of(name): "" if value is None else str(value) for name, value in self if name not in _SECRETS}

    def secret(self, variable: str) -> str:
        """The value of an optional secret, by its variable's name.

        Raises:
            SettingsError: names the variable when it is absent.
        """
        secret: SecretStr | None = getattr(self, variable.lower())
        if secret is None or not secret.get_secret_value():
            raise SettingsError(f"{variable} is not set: export it, or add it to .env")
        return secret.get_secret_value()


Loaded = TypeVar("Loaded", bound=PublisherSettings)


def _secrets_dir() -> Path | None:
    folder = Path(os.environ.get("ZIK_SECRETS_DIR") or _SECRETS_DIR)
    return folder if folder.is_dir() else None


def load_settings(**given: Any) -> Settings:
    """Read the settings: `given` by field name, else the environment, else `.env`, else a file in `ZIK_SECRETS_DIR`.

    Raises:
        SettingsError: one line that names the variable, the rule that it breaks and the way out.
    """
    return _loaded(Settings, {variable_of(name): value for name, value in given.items()})


def load_publisher_settings() -> PublisherSettings:
    """Read in the same way what a publisher needs, whatever else is set."""
    # Any bytes are Latin-1, and zik's own variables are ASCII: the `.env` is the program's, and need not be UTF-8.
    return _loaded(PublisherSettings, {"_env_file_encoding": "latin-1"})


def _loaded(kind: type[Loaded], named: dict[str, Any]) -> Loaded:
    try:
        return kind(_env_file=ENV_FILES, _secrets_dir=_secrets_dir(), **named)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False, include_context=False)[0]
        variable, rule = fault["loc"][0], fault["msg"].removeprefix("Value error, ")
        # Our own rules say what to write instead; pydantic's do not.
        way_out = "" if fault["type"] == "value_error" else "; correct it, or unset it for the default"
        raise SettingsError(f"{variable}: {rule}{way_out}") from None


def without_password(url: str) -> str:
    """The URL with its passwords masked. It is not parsed: a malformed URL may contain a password too."""
    return re.sub(r"(?i)([?&][^=&]*password=)[^&]*", r"\1***", re.sub(r"(://[^:/@]*:).*@", r"\1***@", url))
