"""ops/systemd and ops/kubernetes, as far as a machine without either can check them.

Their commands are those of compose.yaml, which `test_compose.py` runs.
"""

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml

from tests.support.processes import ROOT
from worker.celery.application import app
from worker.http.server import MOST_CONNECTIONS, STOP_WITHIN_S

SERVICES: Final[dict[str, dict[str, Any]]] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
KUBERNETES: Final = ROOT / "ops" / "kubernetes"
KUSTOMIZATION: Final[dict[str, Any]] = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
MANIFESTS: Final = {
    f"{manifest['kind']} {manifest['metadata']['name']}": manifest
    for file in KUSTOMIZATION["resources"]
    for manifest in yaml.safe_load_all((KUBERNETES / file).read_text())
}
PODS: Final = {
    name.partition("zik-")[2].replace("init", "bootstrap"): manifest["spec"]["template"]["spec"]
    for name, manifest in MANIFESTS.items()
    if "template" in manifest["spec"]
}
SYSTEMD: Final = ROOT / "ops" / "systemd"
UNITS: Final = {
    "bootstrap": "zik-init.service",
    "worker": "zik-worker@.service",
    "beat": "zik-beat.service",
    "http": "zik-http.service",
    "metrics": "zik-metrics.service",
}
NEEDS_SYSTEMD: Final = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")


# --- Kubernetes ----------------------------------------------------------------------------------


def test_the_kustomization_names_each_file_of_its_folder() -> None:
    others = {"kustomization.yaml", *KUSTOMIZATION["configMapGenerator"][0]["envs"]}
    assert {path.name for path in KUBERNETES.iterdir()} == {*KUSTOMIZATION["resources"], *others}


@pytest.mark.parametrize("name", MANIFESTS)
def test_kubernetes_accepts_each_manifest(name: str) -> None:
    kubernetes_validate.validate(MANIFESTS[name], "1.37", strict=True)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kustomize_builds_the_manifests_with_their_settings() -> None:
    built = subprocess.run(["kubectl", "kustomize", KUBERNETES], check=True, capture_output=True, text=True).stdout
    manifests = list(yaml.safe_load_all(built))
    for manifest in manifests:
        kubernetes_validate.validate(manifest, "1.37", strict=True)
    (settings,) = (each for each in manifests if each["kind"] == "ConfigMap")
    assert settings["data"] == {"ZIK_PRODUCTION": "true"}
    assert built.count(f"name: {settings['metadata']['name']}\n") == 1 + len(PODS)


@pytest.mark.parametrize("service", UNITS)
def test_a_pod_runs_the_command_of_its_compose_service(service: str) -> None:
    (container,) = PODS[service]["containers"]
    assert container["command"] == SERVICES[service]["command"]
    assert container["image"] == KUSTOMIZATION["images"][0]["name"]


@pytest.mark.parametrize("service", UNITS)
def test_a_pod_has_only_the_rights_it_needs(service: str) -> None:
    pod = PODS[service]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["automountServiceAccountToken"] is False
    rights = container["securityContext"]
    assert rights == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in container["resources"]["limits"]
    # The owner of the schema logs in where the schema is made, and nowhere else; the HTTP server has fewer rights.
    (secret,) = (volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume)
    assert secret == {"bootstrap": "zik-owner", "http": "zik-http"}.get(service, "zik")


@pytest.mark.parametrize("service", ["worker", "beat"])
def test_a_pod_is_probed_as_its_compose_service_is(service: str) -> None:
    (container,) = PODS[service]["containers"]
    assert ["CMD", *container["livenessProbe"]["exec"]["command"]] == SERVICES[service]["healthcheck"]["test"]


def test_a_pod_of_the_http_server_answers_players_while_redis_is_away() -> None:
    """A probe of /v1/health would take the pod out of its Service, and players would see no 503 of their protocol."""
    (container,) = PODS["http"]["containers"]
    for probe in ("readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/v1/openapi.json", "port": "http"}
    (port,) = MANIFESTS["Service zik-http"]["spec"]["ports"]
    assert port["targetPort"] == container["ports"][0]["name"]
    assert str(container["ports"][0]["containerPort"]) in container["command"]


@pytest.mark.parametrize("service", ["compose", "systemd", "kubernetes"])
def test_the_http_server_may_finish_its_answers_before_it_is_killed(service: str) -> None:
    allowed = {
        "compose": int(SERVICES["http"]["stop_grace_period"].removesuffix("s")),
        "systemd": int(options(UNITS["http"])["TimeoutStopSec"]),
        "kubernetes": PODS["http"]["terminationGracePeriodSeconds"],
    }
    assert allowed[service] > STOP_WITHIN_S


def test_the_http_server_may_open_a_file_for_each_connection() -> None:
    assert SERVICES["http"]["ulimits"]["nofile"] > MOST_CONNECTIONS
    assert int(options(UNITS["http"])["LimitNOFILE"]) > MOST_CONNECTIONS


def test_the_unit_of_the_http_server_logs_in_as_its_own_users() -> None:
    loaded = re.findall(r"^LoadCredential=(\w+):/etc/zik/(\w+)$", (SYSTEMD / UNITS["http"]).read_text(), re.MULTILINE)
    secrets = [(secret["target"], secret["source"]) for secret in SERVICES["http"]["secrets"]]
    assert loaded == secrets == [("redis_url", "door_redis_url"), ("database_url", "door_database_url")]


def test_a_worker_pod_may_finish_its_task_before_it_is_killed() -> None:
    assert PODS["worker"]["terminationGracePeriodSeconds"] > app.conf.task_time_limit


# --- systemd -------------------------------------------------------------------------------------


def options(unit: str) -> dict[str, str]:
    """The last value of each option of a unit."""
    return dict(re.findall(r"^(\w+)=(.*)$", (SYSTEMD / unit).read_text(), re.MULTILINE))


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with programs that exist on this machine."""
    for name in ("celery", "zik"):
        (tmp_path / name).symlink_to("/bin/true")
    for path in SYSTEMD.iterdir():
        (tmp_path / path.name).write_text(path.read_text().replace("/opt/zik/bin", str(tmp_path)))
    return tmp_path


@NEEDS_SYSTEMD
@pytest.mark.parametrize("unit", [*UNITS.values(), "zik.target"])
def test_systemd_accepts_each_unit_without_a_warning(units: Path, unit: str) -> None:
    command = ["systemd-analyze", "verify", "--man=no", str(units / unit.replace("@.", "@1."))]
    environment = {"SYSTEMD_UNIT_PATH": f"{units}:", "PATH": "/usr/bin:/bin"}
    verified = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    # Units of this machine may have faults of their own.
    assert [line for line in verified.stderr.splitlines() if "zik" in line] == []
    assert verified.returncode == 0, verified.stderr


@NEEDS_SYSTEMD
@pytest.mark.parametrize("unit", UNITS.values())
def test_systemd_rates_the_exposure_of_each_unit_as_low(units: Path, unit: str) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=15", str(units / unit)]
    rated = subprocess.run(command, check=False, capture_output=True, text=True)
    assert rated.returncode == 0, rated.stdout[-400:]


@pytest.mark.parametrize("service", UNITS)
def test_a_unit_runs_the_command_of_its_compose_service(service: str) -> None:
    started = shlex.split(options(UNITS[service])["ExecStart"].removeprefix("/opt/zik/bin/"))
    here = {"/tmp/beat": "%S/zik-beat/schedule", "0.0.0.0": "127.0.0.1"}  # noqa: S104, S108 -- the container's
    wanted = [here.get(part, part) for part in SERVICES[service]["command"]]
    assert started[: len(wanted)] == wanted
    assert started[len(wanted) :] == (["--hostname", "worker%i@%%h"] if service == "worker" else [])


def test_a_worker_unit_sees_that_its_predecessor_has_died() -> None:
    """By the boot id, which is not among the processes of /proc."""
    assert "ProcSubset" not in options(UNITS["worker"])
    for name in ("beat", "metrics"):
        assert options(UNITS[name])["ProcSubset"] == "pid"


def test_a_worker_unit_may_finish_its_task_before_it_is_killed() -> None:
    worker = options(UNITS["worker"])
    assert int(worker["TimeoutStopSec"]) > app.conf.task_time_limit
    # Its pool must not get SIGTERM, or drains end in the middle of a batch.
    assert worker["KillMode"] == "mixed"
