"""The command `zik`, as its user calls it."""

import gzip
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest
import redis
from sqlalchemy import Engine

from tests.support.clients import UNREACHABLE
from tests.support.commands import Zik, zik_at
from tests.support.door import announce_song
from tests.support.processes import ROOT, named_by_another_process
from worker.cli import main
from worker.cli.commands import ENTRIES, PANELS, load
from worker.database.engine import transaction
from worker.drain.drain import Drain
from worker.models import User
from worker.stream.consumer import EventStream
from worker.stream.keys import now_playing_key

GOOD = b'{"type":"play","time":"2024-04-22T05:40:53Z","user":"ada","song":{"title":"Parabola","artist":"Tool"}}'
BAD = b'{"type":"play","user":"ada"}'


@pytest.fixture
def zik(engine: Engine, redis_url: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Zik:
    """The command, with a clean Redis and a clean database."""
    return zik_at(engine, redis_url, monkeypatch, capfd)


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """A file with two good lines, a bad one, a blank one and one that is no JSON."""
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join([GOOD, BAD, b"", b"no json", GOOD.replace(b"ada", b"bob")]))
    return file


def test_publish_sends_the_good_lines_and_names_the_bad_ones(zik: Zik, events: Path, stream: EventStream) -> None:
    answer = zik("publish", str(events))

    assert answer.code == 1
    assert "published 2 events, refused 2" in answer.out
    assert f"{events}:2: missing_field: time" in answer.err
    assert f"{events}:4: invalid_json" in answer.err
    assert stream.books().received == 2


def test_publish_reads_gzip_as_well_as_plain_files(zik: Zik, tmp_path: Path, stream: EventStream) -> None:
    packed = tmp_path / "events.gz"
    packed.write_bytes(gzip.compress(GOOD + b"\n" + GOOD))

    answer = zik("publish", str(packed))

    assert answer.code == 0
    assert stream.books().received == 2


@pytest.fixture
def packed() -> bytes:
    """1,500 events, gzipped, without too many repetitions."""
    return gzip.compress(b"".join(GOOD.replace(b"Parabola", uuid4().hex.encode()) + b"\n" for _ in range(1_500)))


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.999])
def test_publish_of_a_truncated_file_reports_the_last_line_sent(
    zik: Zik, tmp_path: Path, stream: EventStream, packed: bytes, kept: float
) -> None:
    file, whole = tmp_path / "cut.gz", tmp_path / "whole"
    file.write_bytes(packed[: int(len(packed) * kept)])
    whole.write_bytes(GOOD)

    answer = zik("publish", str(file), str(whole))

    sent = stream.books().received
    assert answer.code == 1
    assert 1_500 * kept * 0.8 < sent <= 1_500 + 1
    assert f"{file}: cannot be read after line {sent - 1:,}: the file is cut off\n" in answer.err
    assert f"published {sent:,} events" in answer.out


@pytest.mark.parametrize("after", [b"garbage", gzip.compress(b"")[:10] + b"\xff" * 100])
def test_publish_reports_a_damaged_file_without_its_bytes(
    zik: Zik, tmp_path: Path, packed: bytes, after: bytes
) -> None:
    file = tmp_path / "damaged.gz"
    file.write_bytes(packed + after)

    answer = zik("publish", "--json", str(file))

    facts = answer.json[str(file)]
    assert answer.code == 1
    assert facts == {"published": 1_500, "bad": [], "broken": {"line": 1_500, "detail": "the file is damaged"}}
    assert "Traceback" not in answer.err


def test_publish_reads_standard_input(zik: Zik, stream: EventStream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(GOOD)))

    answer = zik("publish", "-")

    assert answer.code == 0
    assert stream.books().received == 1
    assert f"{len(GOOD)}/{len(GOOD)} bytes" in answer.err


@pytest.mark.parametrize("zone", ["Europe/Berlin", "none"])
def test_user_set_publishes_the_timezone(zik: Zik, stream: EventStream, engine: Engine, zone: str) -> None:
    stream.append([GOOD.replace(b"05:40:53Z", b"23:40:53Z")])
    Drain(stream, engine, "a").run()

    answer = zik("user", "set", "ada", "--timezone", zone)
    Drain(stream, engine, "a").run()

    assert answer.code == 0
    shown = zik("user", "show", "ada", "--json").json
    assert shown["timezone"] == (None if zone == "none" else zone)
    assert shown["first_day"] == shown["last_day"] == ("2024-04-22" if zone == "none" else "2024-04-23")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("ada", "PST"), "must name a timezone of the IANA database"),
        (("ada", "europe/berlin"), "did you mean Europe/Berlin?"),
        (("adda", "Europe/Berlin"), "unknown user 'adda'"),
    ],
)
def test_user_set_refuses_what_would_not_count(
    zik: Zik, stream: EventStream, engine: Engine, asked: tuple[str, str], said: str
) -> None:
    user, zone = asked
    stream.append([GOOD])
    Drain(stream, engine, "a").run()

    answer = zik("user", "set", user, "--timezone", zone)

    assert answer.code > 0
    assert said in " ".join(answer.err.replace("│", " ").split())
    assert stream.books().waiting == 0


def test_latest_plays_as_csv_are_imported_as_they_were(
    zik: Zik, stream: EventStream, engine: Engine, tmp_path: Path
) -> None:
    names = ("+44", "=(Equals)", "'74 -'75", "@@@", 'Ólafur; "Arnalds", live')
    stream.append([GOOD.replace(b"Parabola", json.dumps(name)[1:-1].encode()) for name in names])
    Drain(stream, engine, "a").run()
    file = tmp_path / "recent.csv"
    file.write_text("\ufeff" + zik("recent", "--user", "ada", "--csv").out, encoding="utf-8")

    zik("import", "--user", "ada", str(file))
    Drain(stream, engine, "a").run()

    assert stream.books().duplicate == len(names)
    assert {play["title"] for play in zik("recent", "--user", "ada", "--json").json["plays"]} == set(names)


def test_publish_refuses_a_timezone_that_is_none(zik: Zik, tmp_path: Path, stream: EventStream) -> None:
    """`unknown-timezone.jsonl` of the shared cases."""
    line = b'{"type":"preference","time":"2024-01-02T00:00:00Z","user":"ada","key":"timezone","value":"PST"}'
    file = tmp_path / "unknown-timezone.jsonl"
    file.write_bytes(GOOD + b"\n" + line)

    answer = zik("publish", str(file))

    assert answer.code == 1
    # Rich breaks lines, where the path is long.
    assert ":2: invalid_value: value: must name a timezone of the IANA database" in " ".join(answer.err.split())
    assert stream.books().received == 1


def test_publish_json_lists_the_bad_lines(zik: Zik, events: Path) -> None:
    answer = zik("publish", "--json", str(events))

    facts = answer.json[str(events)]
    assert facts["published"] == 2
    assert [(bad["line"], bad["reason"]) for bad in facts["bad"]] == [(2, "missing_field"), (4, "invalid_json")]


def test_publish_keeps_the_bytes_of_a_line(zik: Zik, tmp_path: Path, valkey: "redis.Redis") -> None:
    odd = GOOD.replace(b'"type"', b'  "x":1.50, "type"')
    (tmp_path / "odd").write_bytes(odd)

    zik("publish", str(tmp_path / "odd"))

    entries: Any = valkey.xrange("zik:{events}")
    assert entries[0][1] == {b"event": odd}


def test_publish_refuses_an_absent_file(zik: Zik, tmp_path: Path) -> None:
    answer = zik("publish", str(tmp_path / "absent"))

    assert answer.code == 2
    assert "No such file" in answer.err


def test_drain_reports_how_many_entries_had_each_outcome(zik: Zik, stream: EventStream) -> None:
    stream.append([GOOD, GOOD, BAD])

    answer = zik("drain", "--json")

    assert answer.code == 0
    assert answer.json == {"events": 3, "recorded": 1, "duplicate": 1, "dead": 1}


def test_drain_leaves_no_consumer_behind(zik: Zik, stream: EventStream) -> None:
    stream.append([GOOD])

    zik("drain")

    assert stream.consumers() == []


def test_status_json_contains_the_books(zik: Zik, stream: EventStream) -> None:
    stream.append([GOOD, GOOD, BAD])
    zik("drain")
    stream.append([GOOD])

    answer = zik("status", "--json")

    books = ("received", "recorded", "duplicate", "dead", "waiting", "unaccounted")
    assert answer.code == 0
    assert [answer.json[name] for name in books] == [4, 1, 1, 1, 1, 0]
    assert answer.json["dead_letters"] == {"missing_field": 1}


def test_status_fails_when_entries_were_deleted_by_hand(zik: Zik, stream: EventStream, valkey: "redis.Redis") -> None:
    stream.append([GOOD])
    valkey.xtrim("zik:{events}", maxlen=0)

    answer = zik("status")

    assert answer.code == 1
    assert "another program deleted entries" in answer.out


def test_status_shows_what_plays_now(zik: Zik, redis_url: str, valkey: "redis.Redis") -> None:
    assert zik("status", "--json").json["now_playing"] == []
    assert "now playing" not in zik("status").out
    for number in range(6):
        announce_song(redis_url, f"user {number}", ttl_s=100 + number)
    announce_song(redis_url, "ada\x1b[2J", title="Par\x1babola", ttl_s=600)
    valkey.set(now_playing_key("user 0"), "no json")

    shown, answer = zik("status"), zik("status", "--json")

    assert "now playing: 6, 1 more than these\n" in shown.out
    assert "ada\\u001b[2J: Par\\u001babola by Tool" in shown.out
    assert "user 2: Parabola by Tool" in shown.out
    assert "\x1b[2J" not in shown.out
    assert answer.json["now_playing"][0] == {"user": "ada\x1b[2J", "artist": "Tool", "title": "Par\x1babola"}
    assert len(answer.json["now_playing"]) == 6


def test_stats_of_a_user_show_their_song_and_need_no_redis(
    zik: Zik, redis_url: str, stream: EventStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream.append([GOOD])
    zik("drain")
    announce_song(redis_url, "ada")
    announce_song(redis_url, "bob", title="another")

    playing, everyone = zik("stats", "--user", "ada"), zik("stats")
    stream.clear_now_playing("ada")
    silence = zik("stats", "--user", "ada")
    monkeypatch.setenv("REDIS_URL", UNREACHABLE)
    away = zik("stats", "--user", "ada")

    assert "now playing: Parabola by Tool\n" in playing.out
    assert "playing:" not in everyone.out + silence.out
    assert "what plays now is unknown: Redis is out of reach (zik doctor)\n" in away.out
    assert (away.code, away.err) == (0, "")


def test_status_without_redis_is_one_line_on_standard_error(zik: Zik, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:canary@127.0.0.1:1/0")

    answer = zik("status")

    assert answer.code == 1
    assert answer.out == ""
    assert answer.err.startswith("zik: Redis is out of reach")
    assert "canary" not in answer.err
    assert "Traceback" not in answer.err


def test_a_wrong_setting_is_one_line_that_names_it(zik: Zik, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZIK_BATCH_SIZE", "many")

    answer = zik("drain")

    assert answer.code == 1
    assert answer.err.startswith("zik: ZIK_BATCH_SIZE: ")
    assert answer.err.count("\n") == 1


def test_init_reports_its_outcome(zik: Zik) -> None:
    answer = zik("init", "--json")

    assert answer.code == 0
    assert answer.json["outcome"] == "unchanged"


def test_a_dead_letter_can_be_listed_and_shown(zik: Zik, stream: EventStream) -> None:
    stream.append([BAD])
    zik("drain")

    (letter,) = zik("dead", "list", "--json").json
    shown = zik("dead", "show", str(letter["number"]))

    assert letter["reason"] == "missing_field"
    assert BAD.decode() in shown.out
    assert "kept_since: 20" in shown.out


def test_the_list_of_dead_letters_says_whose_they_are_and_what_they_were(zik: Zik, stream: EventStream) -> None:
    song = {"title": "[bold]Parabola[/]", "artist": "Tool"}
    event = {"v": 1, "type": "play", "user": "ada", "source": "mpd/0.23", "song": song}
    stream.append([json.dumps(event).encode(), b"no json"])
    zik("drain")

    first, second = zik("dead", "list").out.splitlines()[4:6]

    assert [cell.strip() for cell in first.split("│")[1:-1]] == [
        "1", "ada", "mpd/0.23", "[bold]Parabola[/], Tool", "missing_field", "time: Field required",
    ]  # fmt: skip
    assert [cell.strip() for cell in second.split("│")[1:6]] == ["2", "", "unknown", "", "invalid_json"]


def test_showing_a_missing_dead_letter_names_its_number(zik: Zik) -> None:
    answer = zik("dead", "show", "77")

    assert answer.code == 1
    assert "there is no dead letter 77" in answer.err


def test_retry_records_an_event_once_its_user_exists(
    zik: Zik, stream: EventStream, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream.append([GOOD])
    monkeypatch.setenv("ZIK_UNKNOWN_USERS", "reject")
    assert zik("drain", "--json").json["dead"] == 1
    with transaction(engine) as session:
        User(username="ada").save(session)

    answer = zik("dead", "retry", "--all", "--json")

    assert answer.code == 0
    assert answer.json == {"recorded": 1, "duplicate": 0, "dead": 0}
    assert zik("status", "--json").json["dead_letters"] == {}


def test_retry_fails_when_a_dead_letter_fails_again(zik: Zik, stream: EventStream) -> None:
    stream.append([BAD])
    zik("drain")

    answer = zik("dead", "retry", "--reason", "missing_field")

    assert answer.code == 1
    assert "still dead 1" in answer.out


def test_dead_list_refuses_an_impossible_limit(zik: Zik) -> None:
    answer = zik("dead", "list", "--limit", "9" * 20)

    assert answer.code == 2
    assert "--limit" in answer.err


def test_retry_without_a_selection_is_a_usage_error(zik: Zik) -> None:
    answer = zik("dead", "retry")

    assert answer.code == 2
    assert "--all" in answer.err


def test_discard_deletes_only_the_selected_dead_letters(zik: Zik, stream: EventStream) -> None:
    stream.append([BAD, b"no json"])
    zik("drain")

    answer = zik("dead", "discard", "--reason", "invalid_json", "--yes", "--json")

    assert answer.json == {"discarded": 1}
    assert zik("status", "--json").json["dead_letters"] == {"missing_field": 1}


@pytest.mark.parametrize("doing", [["retry"], ["discard", "--yes"]], ids=" ".join)
def test_progress_of_many_dead_letters_is_on_standard_error(zik: Zik, stream: EventStream, doing: list[str]) -> None:
    stream.append([BAD, b"no json"])
    zik("drain")
    answer = zik("dead", *doing, "--reason", "invalid_json")
    assert "1/1" in answer.err
    assert "1/1" not in answer.out
    assert zik("dead", *doing, "--reason", "missing_field", "--json").err == ""


@pytest.mark.parametrize("doing", ["retry", "discard"])
def test_dead_letters_selected_in_two_ways_are_left_alone(zik: Zik, stream: EventStream, doing: str) -> None:
    stream.append([BAD])
    zik("drain")
    (letter,) = zik("dead", "list", "--json").json

    answers = [
        zik("dead", doing, str(letter["number"]), "--reason", "invalid_json"),
        zik("dead", doing, str(letter["number"]), "--all"),
        zik("dead", doing, "--reason", "missing_field", "--all"),
    ]

    assert {answer.code for answer in answers} == {2}
    assert all("in one way" in answer.err for answer in answers)
    assert zik("dead", "list", "--json").json == [letter]


@pytest.mark.parametrize("doing", ["retry", "discard"])
def test_an_unknown_dead_letter_number_stops_before_any_change(zik: Zik, stream: EventStream, doing: str) -> None:
    stream.append([BAD])
    zik("drain")
    (letter,) = zik("dead", "list", "--json").json

    answer = zik("dead", doing, str(letter["number"]), "77", "78")

    assert answer.code == 1
    assert "there is no dead letter 77, 78" in answer.err
    assert zik("dead", "list", "--json").json == [letter]


def test_the_doctor_advises_an_append_only_file(zik: Zik) -> None:
    answer = zik("doctor", "--json")

    findings = {finding["subject"]: finding for finding in answer.json}
    assert answer.code == 1
    assert "appendonly" in findings["Persistence"]["advice"]
    assert findings["Schema"]["well"]
    assert findings["Eviction"]["well"]


def test_the_doctor_finds_an_evicting_redis(zik: Zik, valkey: "redis.Redis") -> None:
    valkey.config_set("maxmemory-policy", "allkeys-lru")
    try:
        answer = zik("doctor")
    finally:
        valkey.config_set("maxmemory-policy", "noeviction")

    assert answer.code == 1
    assert "noeviction" in answer.out


def test_the_doctor_survives_servers_that_are_away(zik: Zik, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("DATABASE_URL", "postgresql://ada:canary@127.0.0.1:1/zik")

    answer = zik("doctor")

    assert answer.code == 1
    assert "REDIS_URL" in answer.out
    assert "DATABASE_URL" in answer.out
    assert "canary" not in answer.out + answer.err


@pytest.mark.parametrize("command", [*ENTRIES, "dead list"])
def test_every_command_has_help(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["zik", *command.split(), "--help"])

    with pytest.raises(SystemExit) as end:
        main()

    assert end.value.code == 0
    assert "Usage: zik" in capsys.readouterr().out


@pytest.mark.parametrize("name", ENTRIES)
def test_the_list_of_commands_shows_each_docstrings_first_line(name: str) -> None:
    assert load(ENTRIES[name]).help.splitlines()[0] == ENTRIES[name].summary


def test_help_lists_every_command_and_imports_none() -> None:
    script = "import atexit, sys; atexit.register(lambda: print(*sys.modules)); sys.argv[1:] = ['--help']"
    command = [sys.executable, "-c", f"{script}; from worker.__main__ import main; main()"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    *lines, modules = ended.stdout.splitlines()
    for panel, entries in PANELS.items():
        assert f"{panel}:" in lines
        assert {entry.name for entry in entries} <= {re.split(r"\s{2,}", line.strip())[0] for line in lines}
    ours = {module for module in modules.split() if module.startswith("worker.cli.")}
    assert ours == {"worker.cli.commands", "worker.cli.messages"}
    assert {"redis", "sqlalchemy", "pydantic", "rich", "structlog"} & set(modules.split()) == set()


def test_an_unknown_command_is_named_with_the_nearest_known_one(zik: Zik) -> None:
    answer = zik("heath")
    assert answer.code == 2
    assert "'health'" in answer.err


def test_a_drain_beside_the_command_keeps_its_entries(zik: Zik, stream: EventStream, engine: Engine) -> None:
    stream.append([GOOD])
    stream.ensure_group()
    other = Drain(stream, engine, "other")
    held = stream.read_new("other", count=10, block_ms=0)

    drained = zik("drain", "--json").json["events"]

    assert len(held.entries) == 1
    assert drained == 0
    assert other.run().events == 1


def test_s4_a_drain_takes_over_from_one_that_failed_before_it(zik: Zik, stream: EventStream) -> None:
    stream.append([GOOD, BAD])
    stream.ensure_group()
    stream.read_new(named_by_another_process(), count=10, block_ms=0)

    answer = zik("drain", "--json")

    assert (answer.code, answer.json["events"]) == (0, 2)


def test_a_drain_names_who_holds_events_and_makes_no_progress(zik: Zik, stream: EventStream) -> None:
    stream.append([GOOD, GOOD])
    stream.ensure_group()
    stream.read_new("celery@elsewhere:0", count=10, block_ms=0)

    answer = zik("drain")

    assert answer.code == 1
    assert answer.out.startswith("drained 0 events")
    assert answer.err.startswith("zik: 2 events wait in the hands of celery@elsewhere:0, which makes no progress")


def test_a_drain_ignores_an_idle_consumer_that_holds_nothing(zik: Zik, stream: EventStream) -> None:
    stream.ensure_group()
    stream.read_new("celery@elsewhere:0", count=10, block_ms=0)

    answer = zik("drain")

    assert (answer.code, answer.err) == (0, "")


def test_health_as_json_has_the_verdict_and_one_line(zik: Zik, stream: EventStream) -> None:
    without = zik("health", "--json")
    stream.report("celery@elsewhere:0", {})
    running = zik("health", "--json")

    assert (without.code, without.json["well"], running.code, running.json["well"]) == (1, False, 0, True)
    assert without.json.keys() == {"well", "detail"}
    assert without.json["detail"].startswith("no drain is known")


def test_a_drain_beside_a_worker_that_records_is_fine(zik: Zik, stream: EventStream) -> None:
    stream.append([GOOD])
    stream.ensure_group()
    stream.read_new("celery@elsewhere:0", count=10, block_ms=0)
    stream.report("celery@elsewhere:0", {})

    assert zik("drain").code == 0


INTERRUPTED: Final = """
import os, runpy, signal, sys
from importlib.metadata import entry_points

class Impatient:
    def find_spec(self, name, *_):
        if name == MODULE:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Impatient())
sys.argv = ["zik", "top"]
"""


@pytest.mark.parametrize("module", ["typer", "worker.cli.commands", "worker.cli.top", "worker.statistics.charts"])
@pytest.mark.parametrize(
    "call",
    ["runpy.run_module('worker', run_name='__main__')", "entry_points(group='console_scripts')['zik'].load()()"],
    ids=["python -m worker", "zik"],
)
def test_ctrl_c_during_the_imports_exits_without_output(call: str, module: str) -> None:
    script = f"MODULE = {module!r}\n{INTERRUPTED}{call}"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)

    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")
