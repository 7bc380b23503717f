import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from worker.errors import SettingsError
from worker.failpoints import Point
from worker.settings import Settings, load_settings, variable_of, without_password

CHECKOUT = Path(__file__).resolve().parents[1]


def refusal(**given: object) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(**given)
    return str(caught.value)


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / ".env"
    monkeypatch.setattr("worker.settings.ENV_FILES", (path,))
    return path


def test_the_default_database_ignores_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings().database_url == f"sqlite:///{CHECKOUT / 'dev.db'}"


@pytest.mark.parametrize(
    ("setting", "most"),
    [
        ("listen_seconds", 24 * 86_400),
        ("listen_unknown_seconds", 24 * 86_400),
        ("keep_dead_letters_days", 36_500),
    ],
)
def test_a_number_too_large_for_a_date_is_refused_at_the_start(setting: str, most: int) -> None:
    assert getattr(load_settings(**{setting: most}), setting) == most
    assert refusal(**{setting: most + 1}).startswith(f"{variable_of(setting)}: ")


def test_a_token_has_a_rate_that_zero_takes_away() -> None:
    assert load_settings().http_rate == 100
    assert load_settings(http_rate="0").http_rate == 0
    assert refusal(http_rate="-1").startswith("ZIK_HTTP_RATE: ")


def test_remote_control_is_off_until_it_is_asked_for() -> None:
    assert load_settings().remote_control is False
    assert load_settings(remote_control="1").remote_control is True
    assert refusal(remote_control="perhaps").startswith("ZIK_REMOTE_CONTROL: ")


def test_a_process_in_another_directory_opens_the_same_file(tmp_path: Path) -> None:
    script = "from worker.settings import load_settings; print(load_settings().database_url)"
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    answer = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == load_settings().database_url


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("sqlite:///music.db", CHECKOUT / "music.db"),
        ("sqlite:///sub/music.db", CHECKOUT / "sub" / "music.db"),
        ("sqlite:////var/lib/music.db", Path("/var/lib/music.db")),
        ("sqlite+pysqlite:////var/lib/music.db", Path("/var/lib/music.db")),
        ("sqlite:///~/music.db", Path.home() / "music.db"),
    ],
)
def test_a_sqlite_path_becomes_absolute(given: str, path: Path) -> None:
    assert load_settings(database_url=given).database_url == f"sqlite:///{path}"


def test_an_installed_package_keeps_its_file_in_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.settings._CHECKOUT", tmp_path / "site-packages")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert load_settings().database_url == f"sqlite:///{tmp_path / 'zik' / 'dev.db'}"


@pytest.mark.parametrize(
    "scheme",
    ["postgres", "postgresql", "POSTGRES", "postgresql+psycopg", "postgresql+psycopg2", "postgresql+asyncpg"],
)
def test_every_spelling_of_postgresql_becomes_psycopg_3(scheme: str) -> None:
    settings = load_settings(database_url=f"{scheme}://ada:pw@db:5433/zik?sslmode=require")
    assert settings.database_url == "postgresql+psycopg://ada:pw@db:5433/zik?sslmode=require"


def test_a_child_process_has_every_setting_of_its_parent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # A value other than the default for each: a setting that is forgotten here or in the environment shows.
    unusual: dict[str, Any] = {
        "home": tmp_path,
        "database_url": "postgresql+psycopg://ada@db/zik",
        "redis_url": "redis://cache/1",
        "celery_broker_url": "redis://cache/2",
        "unknown_users": "reject",
        "batch_size": 7,
        "max_waiting": 8,
        "listen_percent": 9,
        "listen_seconds": 10,
        "listen_unknown_seconds": 11,
        "same_play_seconds": 12,
        "keep_dead_letters_days": 12,
        "http_rate": 13,
        "remote_control": True,
        "production": False,
        "crash_at": Point.BEFORE_COMMIT,
    }
    assert unusual.keys() == Settings.model_fields.keys() - {"clerk_secret_key", "gemini_api_key"}
    parent = load_settings(**unusual)
    for variable, value in parent.as_environment().items():
        monkeypatch.setenv(variable, value)
    assert load_settings() == parent


def test_secrets_stay_out_of_the_environment_of_children() -> None:
    given = load_settings(**dict.fromkeys(("clerk_secret_key", "gemini_api_key"), "hush"))
    assert "hush" not in " ".join(given.as_environment().values())
    assert not {"CLERK_SECRET_KEY", "GEMINI_API_KEY"} & given.as_environment().keys()


def test_a_variable_of_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZIK_UNKNOWN_USERS", "reject")
    assert load_settings().unknown_users == "reject"


def test_the_env_file_is_read(env_file: Path) -> None:
    env_file.write_text("ZIK_BATCH_SIZE=7\nGEMINI_API_KEY=hush\nOF_ANOTHER_PROGRAM=1\n")
    settings = load_settings()
    assert settings.batch_size == 7
    assert settings.secret("GEMINI_API_KEY") == "hush"


def test_the_environment_takes_precedence_over_the_env_file(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file.write_text("ZIK_BATCH_SIZE=7\n")
    monkeypatch.setenv("ZIK_BATCH_SIZE", "8")
    assert load_settings().batch_size == 8


def test_the_env_file_of_the_working_directory_takes_precedence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in (("checkout", 7), ("here", 8)):
        (tmp_path / name).write_text(f"ZIK_BATCH_SIZE={size}\n")
    monkeypatch.setattr("worker.settings.ENV_FILES", (tmp_path / "checkout", tmp_path / "here"))
    assert load_settings().batch_size == 8


@pytest.fixture
def secrets_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZIK_SECRETS_DIR", str(tmp_path))
    return tmp_path


def test_a_setting_may_be_a_file(secrets_folder: Path) -> None:
    (secrets_folder / "redis_url").write_text("redis://worker:hush@cache:6379/0\n")
    (secrets_folder / "gemini_api_key").write_text("hush\n")
    settings = load_settings()
    assert settings.redis_url == "redis://worker:hush@cache:6379/0"
    assert settings.secret("GEMINI_API_KEY") == "hush"


def test_the_environment_takes_precedence_over_a_file(secrets_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secrets_folder / "redis_url").write_text("redis://cache/1")
    monkeypatch.setenv("REDIS_URL", "redis://cache/2")
    assert load_settings().redis_url == "redis://cache/2"


def test_a_wrong_value_in_a_file_is_named_without_its_text(secrets_folder: Path) -> None:
    (secrets_folder / "database_url").write_text("mysql://ada:hush@db/zik")
    text = refusal()
    assert text.startswith("DATABASE_URL: ")
    assert "hush" not in text


def test_a_missing_folder_of_secrets_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZIK_SECRETS_DIR", "/nowhere")
    assert load_settings().redis_url == "redis://127.0.0.1:6379/0"


def test_an_empty_variable_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    assert load_settings().database_url.endswith("dev.db")


def test_settings_cannot_be_changed() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError, match="frozen"):
        setattr(settings, "batch_size", 1)  # noqa: B010 -- mypy refuses the plain assignment, as it should


def test_secrets_and_passwords_never_show() -> None:
    settings = load_settings(
        clerk_secret_key="hush-1",  # noqa: S106 -- no real one
        gemini_api_key="hush-2",
        database_url="postgresql://ada:hush-3@db/zik",
        redis_url="redis://:hush-4@cache/0",
        celery_broker_url="amqp://ada:hush-5@broker//",
    )
    assert "hush" not in f"{settings!r} {settings} {settings!s} {settings.clerk_secret_key!r}"


@pytest.mark.parametrize("variable", ["CLERK_SECRET_KEY", "GEMINI_API_KEY"])
def test_asking_for_an_absent_secret_names_its_variable(variable: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        load_settings().secret(variable)


def test_a_secret_that_is_set_is_returned() -> None:
    assert load_settings(gemini_api_key="hush").secret("GEMINI_API_KEY") == "hush"


def test_the_broker_is_redis_unless_another_one_is_named() -> None:
    assert load_settings(redis_url="redis://cache:6380/3").broker_url == "redis://cache:6380/3"
    assert load_settings(celery_broker_url="amqp://broker//").broker_url == "amqp://broker//"


def test_redis_is_the_local_one_by_default() -> None:
    assert load_settings().redis_url == "redis://127.0.0.1:6379/0"


@pytest.mark.parametrize(
    ("given", "understood"),
    [("valkey://cache/1", "redis://cache/1"), ("valkeys://cache/1", "rediss://cache/1")],
)
def test_valkey_is_a_redis(given: str, understood: str) -> None:
    assert load_settings(redis_url=given).redis_url == understood


@pytest.mark.parametrize("size", [1, 10_000])
def test_the_batch_size_may_reach_its_bounds(size: int) -> None:
    assert load_settings(batch_size=size).batch_size == size


WRONG = {
    "I52-size-0": ("ZIK_BATCH_SIZE", "0"),
    "I52-size-negative": ("ZIK_BATCH_SIZE", "-5"),
    "I52-size-too-large": ("ZIK_BATCH_SIZE", "10001"),
    "I52-size-is-text": ("ZIK_BATCH_SIZE", "hush"),
    "I52-no-url": ("DATABASE_URL", "hush"),
    "I52-another-database": ("DATABASE_URL", "mysql://ada:hush@db/zik"),
    "I52-no-file": ("DATABASE_URL", "sqlite://"),
    "I52-memory": ("DATABASE_URL", "sqlite:///:memory:"),
    "I52-redis-scheme": ("REDIS_URL", "http://ada:hush@cache/0"),
    "I52-redis-port": ("REDIS_URL", "redis://ada:hush@cache:port/0"),
    "I52-redis-host": ("REDIS_URL", "redis://ada:hush@[cache/0"),
    "I52-broker": ("CELERY_BROKER_URL", "hush"),
    "unknown-users": ("ZIK_UNKNOWN_USERS", "hush"),
}


@pytest.mark.parametrize(("variable", "value"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_value_is_named_on_one_line_without_its_text(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    text = refusal()
    assert text.startswith(f"{variable}: ")
    assert "\n" not in text
    assert "hush" not in text


def test_a_default_is_checked_like_a_given_value() -> None:
    assert Settings.model_config["validate_default"]
    assert load_settings().database_url.startswith("sqlite:////")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg://ada:hush@db:5432/zik", "postgresql+psycopg://ada:***@db:5432/zik"),
        ("postgresql+psycopg://ada:hu@sh@db/zik", "postgresql+psycopg://ada:***@db/zik"),
        ("postgresql://ada@db/zik?sslkey=k&sslpassword=hush", "postgresql://ada@db/zik?sslkey=k&sslpassword=***"),
        (
            "postgresql://db/zik?SslPassword=hush&a=1&password=hush",
            "postgresql://db/zik?SslPassword=***&a=1&password=***",
        ),
        ("redis://:hush@cache/0", "redis://:***@cache/0"),
        ("redis://cache/0", "redis://cache/0"),
        ("sqlite:////var/lib/zik.db", "sqlite:////var/lib/zik.db"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown
