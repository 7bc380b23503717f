"""The settings: read once, at the edge, from the environment, `.env` and files; wrong ones stop the start."""

import os
import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from worker.errors import SettingsError
from worker.failpoints import Point

_CHECKOUT: Final = Path(__file__).resolve().parent.parent
# Of a variable that is in both, the working directory's counts.
ENV_FILES: tuple[Path, ...] = (_CHECKOUT / ".env", Path(".env"))
# Where containers find their secrets: a file for each, named as the setting is, in small letters.
_SECRETS: Final = "/run/secrets"
_POSTGRES: Final = {"postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2", "postgresql+asyncpg"}
# Beyond this no play can count, and neither can PostgreSQL's integers in milliseconds.
_LONGEST_PLAY_S: Final = 24 * 86_400
_CENTURY_DAYS: Final = 36_500
_REDIS: Final = {"redis", "rediss", "unix", "valkey", "valkeys"}


def default_home() -> Path:
    """The checkout, or for an installed package the user's data folder: the same one for every process."""
    if (_CHECKOUT / "pyproject.toml").is_file():
        return _CHECKOUT
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "zik"


def _scheme(url: str, example: str) -> str:
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise ValueError(f"must be a URL, as in {example}")
    return scheme.lower()


def _check_port(url: str) -> None:
    try:
        _ = urlsplit(url).port
    except ValueError:
        # Python's own message quotes what stands there, and that may be a part of the password.
        raise ValueError("has no valid port; write /, #, ? and @ in a password as %2F, %23, %3F and %40") from None


def _database_url(url: str, info: ValidationInfo) -> str:
    scheme = _scheme(url, "sqlite:///dev.db or postgresql://user@host/name")
    rest = url.partition("://")[2]
    if scheme in _POSTGRES:
        _check_port(url)
        return f"postgresql+psycopg://{rest}"
    if scheme in {"sqlite", "sqlite+pysqlite"}:
        return f"sqlite:///{_absolute(rest, info.data.get('zik_home', default_home()))}"
    raise ValueError("must begin with sqlite:// or postgresql://")


def _absolute(rest: str, home: Path) -> str:
    path, question_mark, query = rest.removeprefix("/").partition("?")
    if path in {"", ":memory:"}:
        raise ValueError("must name a file: every process would see an empty in-memory database of its own")
    return f"{home / Path(path).expanduser()}{question_mark}{query}"


def _absolute_folder(folder: Path) -> Path:
    return folder.expanduser().absolute()


def _redis_url(url: str) -> str:
    scheme = _scheme(url, "redis://127.0.0.1:6379/0")
    if scheme not in _REDIS:
        raise ValueError("must begin with redis://, rediss:// or unix://")
    _check_port(url)
    return f"{scheme.replace('valkey', 'redis')}://{url.partition('://')[2]}"


def _only_in_tests(point: Point | None, info: ValidationInfo) -> Point | None:
    if point is not None and info.data.get("zik_production"):
        raise ValueError("makes processes kill themselves, for tests: unset it, or ZIK_PRODUCTION")
    return point


def _broker_url(url: str) -> str:
    _scheme(url, "redis://127.0.0.1:6379/0")
    _check_port(url)
    return url


class Settings(BaseSettings):
    """Every setting that zik has, with its default. The README has the same in prose."""

    model_config = SettingsConfigDict(
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=True,
    )

    # First, because relative paths below start here, whatever the working directory is.
    zik_home: Annotated[Path, AfterValidator(_absolute_folder)] = Field(default_factory=default_home)

    database_url: Annotated[str, AfterValidator(_database_url)] = Field("sqlite:///dev.db", repr=False)
    redis_url: Annotated[str, AfterValidator(_redis_url)] = Field("redis://127.0.0.1:6379/0", repr=False)
    celery_broker_url: Annotated[str, AfterValidator(_broker_url)] | None = Field(None, repr=False)

    zik_unknown_users: Literal["create", "reject"] = "create"
    zik_batch_size: Annotated[int, Field(ge=1, le=10_000)] = 2_000
    zik_max_waiting: Annotated[int, Field(ge=0)] = 1_000_000

    zik_listen_percent: Annotated[int, Field(ge=0, le=100)] = 50
    zik_listen_seconds: Annotated[int, Field(ge=0, le=_LONGEST_PLAY_S)] = 240
    zik_listen_unknown_seconds: Annotated[int, Field(ge=0, le=_LONGEST_PLAY_S)] = 30
    zik_keep_dead_letters_days: Annotated[int, Field(ge=1, le=_CENTURY_DAYS)] | None = None

    zik_production: bool = False
    zik_crash_at: Annotated[Point | None, AfterValidator(_only_in_tests)] = None

    clerk_secret_key: SecretStr | None = None
    gemini_api_key: SecretStr | None = None

    @cached_property
    def broker_url(self) -> str:
        """Where Celery's messages go: `CELERY_BROKER_URL`, else `REDIS_URL`."""
        return self.celery_broker_url or self.redis_url

    def as_environment(self) -> dict[str, str]:
        """The settings as the environment of another process of zik, so that it cannot differ from this one."""
        return {
            "ZIK_HOME": str(self.zik_home),
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "CELERY_BROKER_URL": self.broker_url,
            "ZIK_UNKNOWN_USERS": self.zik_unknown_users,
            "ZIK_BATCH_SIZE": str(self.zik_batch_size),
            "ZIK_MAX_WAITING": str(self.zik_max_waiting),
            "ZIK_LISTEN_PERCENT": str(self.zik_listen_percent),
            "ZIK_LISTEN_SECONDS": str(self.zik_listen_seconds),
            "ZIK_LISTEN_UNKNOWN_SECONDS": str(self.zik_listen_unknown_seconds),
            "ZIK_KEEP_DEAD_LETTERS_DAYS": str(self.zik_keep_dead_letters_days or ""),
        }

    def secret(self, variable: str) -> str:
        """The value of an optional secret, by its variable's name.

        Raises:
            SettingsError: names the variable when it is absent.
        """
        secret: SecretStr | None = getattr(self, variable.lower())
        if secret is None or not secret.get_secret_value():
            raise SettingsError(f"{variable} is not set: export it, or add it to .env")
        return secret.get_secret_value()


def _secrets_dir() -> Path | None:
    folder = Path(os.environ.get("ZIK_SECRETS_DIR") or _SECRETS)
    return folder if folder.is_dir() else None


def load_settings(**given: Any) -> Settings:
    """Read the settings: `given` by field name, else the environment, else `.env`, else a file in `ZIK_SECRETS_DIR`.

    Raises:
        SettingsError: one line that names the variable and the rule it breaks.
    """
    try:
        return Settings(_env_file=ENV_FILES, _secrets_dir=_secrets_dir(), **given)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False, include_context=False)[0]
        variable = str(fault["loc"][0]).upper()
        raise SettingsError(f"{variable}: {fault['msg'].removeprefix('Value error, ')}") from None


def without_password(url: str) -> str:
    """The URL as it may be shown. It is not parsed, because a URL that is not quite right may hold a password too."""
    return re.sub(r"(?i)([?&][^=&]*password=)[^&]*", r"\1***", re.sub(r"(://[^:/@]*:).*@", r"\1***@", url))
