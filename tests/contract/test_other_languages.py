"""What we hand to people who write players in other languages works, with the tools that they use."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from jsonschema import Draft7Validator
from sqlalchemy import Engine, select

from tests.support.native_api import TOKEN, native_api
from worker.contract.codec import decode
from worker.contract.events import PlayEvent
from worker.database.engine import snapshot
from worker.drain.drain import Drain
from worker.models import PlayHistory, Song
from worker.stream.consumer import EventStream

DOCS = Path(__file__).resolve().parents[2] / "docs"
PACKAGES = ("redis@6.3.1", "@asyncapi/specs@6.11.1")
INSTALL_S = 90


@pytest.fixture(scope="module")
def node_modules() -> Iterator[Path]:
    """A folder with the npm packages that the samples and the check of the AsyncAPI document need."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not here")
    with TemporaryDirectory() as folder:
        command = [npm, "install", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund", *PACKAGES]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_S, cwd=folder)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"npm cannot install {' and '.join(PACKAGES)} ({type(error).__name__})")
        yield Path(folder) / "node_modules"


def recorded_plays(engine: Engine) -> list[tuple[Any, ...]]:
    with snapshot(engine) as session:
        columns = (Song.title, Song.artist, PlayHistory.ms_played, PlayHistory.utc_offset_minutes, PlayHistory.source)
        return [tuple(row) for row in session.execute(select(*columns).join(Song))]


def ends(engine: Engine) -> list[datetime]:
    """When each play was over: its beginning and what was heard."""
    with snapshot(engine) as session:
        rows = session.execute(select(PlayHistory.played_at, PlayHistory.ms_played))
        return [began + timedelta(milliseconds=ms_played or 0) for began, ms_played in rows]


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/St_Johns", "UTC"])
def test_the_javascript_sample_publishes_a_play_in_local_time(
    node_modules: Path, stream: EventStream, redis_url: str, sqlite: Engine, zone: str
) -> None:
    environment = {**os.environ, "REDIS_URL": redis_url, "NODE_PATH": str(node_modules), "TZ": zone}

    run = subprocess.run(
        ["node", str(DOCS / "samples" / "publish.js")], env=environment, capture_output=True, timeout=60, check=False
    )
    Drain(stream, sqlite, "a").run()

    assert (run.returncode, run.stderr) == (0, b"")
    offset = datetime.now(ZoneInfo(zone)).utcoffset() or timedelta()
    assert recorded_plays(sqlite) == [("Parabola", "Tool", 181200, offset.total_seconds() // 60, "sample.js/1.0")]
    assert ends(sqlite)[0] <= datetime.now(UTC)


def test_the_shell_sample_publishes_a_play(stream: EventStream, redis_url: str, sqlite: Engine, tmp_path: Path) -> None:
    cli = shutil.which("redis-cli") or shutil.which("valkey-cli")
    if cli is None:
        pytest.skip("neither redis-cli nor valkey-cli is here")
    (tmp_path / "redis-cli").symlink_to(cli)
    environment = {**os.environ, "REDIS_URL": redis_url, "PATH": f"{tmp_path}:{os.environ['PATH']}"}

    run = subprocess.run(
        ["sh", str(DOCS / "samples" / "publish.sh")], env=environment, capture_output=True, timeout=60, check=False
    )
    Drain(stream, sqlite, "a").run()

    assert run.returncode == 0, run.stderr
    assert recorded_plays(sqlite) == [("Parabola", "Tool", 181200, None, "redis-cli")]
    assert ends(sqlite)[0] <= datetime.now(UTC)


def test_the_sample_over_http_publishes_a_play_and_repeats_it_until_it_is_answered() -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not here")
    with native_api() as api:
        # As after a lost answer.
        api.misbehaviours.append(
            lambda handler, payloads: handler.reply(503, api.answer(payloads), {"Retry-After": "0"})
        )
        environment = {**os.environ, "ZIK_URL": api.url, "ZIK_TOKEN": TOKEN}
        command = ["sh", str(DOCS / "samples" / "publish-http.sh")]
        run = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)

        assert run.returncode == 0, run.stderr
        assert json.loads(run.stdout)["events"][0]["status"] == "accepted"
        first, second = (decode(payload, now=datetime.now(UTC)) for payload in api.stored)
    assert first == second
    assert isinstance(first, PlayEvent)
    assert (first.song.title, first.ms_played, first.source) == ("Parabola", 181_200, "curl")
    assert first.time.at + timedelta(milliseconds=181_200) <= datetime.now(UTC)


def test_no_sample_takes_the_end_of_a_song_for_its_beginning() -> None:
    """Go and Kotlin are not run here, so this reads them: each gives `time` a moment that it has moved back."""
    field = re.compile(r"""\bTime: |"?\btime"?[:,]["' ]+""")
    for sample in sorted((DOCS / "samples").iterdir()):
        (time,) = [line for line in sample.read_text().splitlines() if field.search(line)]
        assert re.search(r"began|- msPlayed", time), f"{sample.name}: {time.strip()}"


def test_the_asyncapi_document_is_valid_by_the_official_schema(node_modules: Path) -> None:
    schema = json.loads((node_modules / "@asyncapi/specs/schemas/3.0.0-without-$id.json").read_text())
    document = yaml.safe_load((DOCS / "asyncapi.yaml").read_text())
    validator = Draft7Validator(schema)

    assert list(validator.iter_errors(document)) == []
    assert not validator.is_valid(document | {"operations": {"record": {"action": "sing"}}})
