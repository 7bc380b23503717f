"""`zik metrics`, as Prometheus reads it."""

import re
import shutil
import subprocess
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine

from tests.support.events import play_payload, play_payloads
from tests.support.processes import ROOT, count, eventually, full, running, running_worker, url_of
from worker.celery.names import RECORD_EVENTS
from worker.database.engine import open_engine, transaction
from worker.drain.drain import Drain
from worker.local.valkey import free_port
from worker.models import AccessToken, User
from worker.operations.metrics import HELP, Name, ZikCollector
from worker.stream.consumer import EventStream
from worker.stream.keys import GROUP, MEASURES, STREAM
from worker.stream.measurements import of_aggregation, of_http_events, of_http_report, of_http_request

Samples = dict[str, float]


def samples_of(text: str) -> Samples:
    """Each sample by its name and labels, as `name{label=value}`."""
    samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sample.labels.items())
            samples[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return samples


def scrape(stream: EventStream, engine: Engine) -> Samples:
    registry = CollectorRegistry()
    registry.register(ZikCollector(stream, engine))
    return samples_of(generate_latest(registry).decode())


def test_every_event_is_in_exactly_one_place(stream: EventStream, engine: Engine) -> None:
    stream.append([*play_payloads(10), play_payloads(1)[0], b"{", b"[]"])
    Drain(stream, engine, "a").run()
    stream.append(play_payloads(2, start=50))
    seen = scrape(stream, engine)
    assert seen["zik_received_events_total"] == 15
    assert seen["zik_recorded_events_total"] == 10
    assert seen["zik_duplicate_events_total"] == 1
    assert seen["zik_dead_events"] == 2
    assert seen["zik_waiting_events"] == 2
    assert seen["zik_unaccounted_events"] == 0
    assert seen["zik_dead_letters{reason=invalid_json}"] == 1
    assert seen["zik_dead_letters{reason=wrong_type}"] == 1
    assert seen["zik_stale_statistics"] == count(engine, "(SELECT DISTINCT user_id, day FROM stale_days) AS days") > 0
    assert (seen["zik_redis_up"], seen["zik_database_up"], seen["zik_schema_current"]) == (1, 1, 1)


def test_deleted_entries_are_unaccounted(stream: EventStream, sqlite: Engine, valkey: "redis.Redis") -> None:
    stream.append(play_payloads(3))
    valkey.xtrim(STREAM, maxlen=1, approximate=False)
    assert scrape(stream, sqlite)["zik_unaccounted_events"] == 2


def test_batches_are_counted_by_size_and_timed_by_phase(stream: EventStream, engine: Engine) -> None:
    stream.append(play_payloads(25))
    Drain(stream, engine, "a", batch_size=10).run()
    seen = scrape(stream, engine)
    assert seen["zik_batch_events_bucket{le=1}"] == 0
    assert seen["zik_batch_events_bucket{le=10}"] == 3
    assert seen["zik_batch_events_bucket{le=+Inf}"] == seen["zik_batch_events_count"] == 3
    assert seen["zik_batch_events_sum"] == 25
    for phase in ("decode", "record", "acknowledge"):
        assert seen[f"zik_batch_seconds_count{{phase={phase}}}"] == 3
        assert 0 < seen[f"zik_batch_seconds_sum{{phase={phase}}}"] < 60


def test_the_counts_of_all_drains_of_all_times_are_one(stream: EventStream, sqlite: Engine, redis_url: str) -> None:
    for start in (0, 10, 20):
        stream.append(play_payloads(10, start=start))
        another = EventStream.at(redis_url)
        Drain(another, sqlite, f"worker-{start}").run()
        another.close()
    seen = scrape(stream, sqlite)
    assert seen["zik_batch_events_count"] == 3
    assert seen["zik_drains_running"] == 3
    assert seen["zik_last_drain_age_seconds"] < 10


def test_a_retired_consumer_is_no_running_drain(stream: EventStream, sqlite: Engine) -> None:
    Drain(stream, sqlite, "a").run()
    assert scrape(stream, sqlite)["zik_drains_running"] == 1
    stream.retire("a")
    assert scrape(stream, sqlite)["zik_drains_running"] == 0


def test_the_last_aggregation_is_a_time_that_outlives_the_worker(
    stream: EventStream, sqlite: Engine, valkey: "redis.Redis", redis_url: str
) -> None:
    name = "zik_last_aggregation_timestamp_seconds"
    assert name not in scrape(stream, sqlite)
    valkey.hset(MEASURES, mapping=dict.fromkeys(of_aggregation(), 1_600_000_000))
    assert scrape(stream, sqlite)[name] == 1_600_000_000
    with EventStream.opened(redis_url) as of_another_worker:
        of_another_worker.report("", of_aggregation())
        of_another_worker.report("", of_aggregation())
    now_s, _ = valkey.time()
    assert now_s - 60 <= scrape(stream, sqlite)[name] <= now_s


def test_the_http_server_and_its_tokens_are_measured(
    stream: EventStream, engine: Engine, valkey: "redis.Redis"
) -> None:
    assert "zik_http_last_report_timestamp_seconds" not in scrape(stream, engine)
    stream.report("", of_http_request("/1/submit-listens", 200, 0.004) | of_http_report())
    stream.report("", of_http_events("listenbrainz", {"accepted": 9, "out_of_range": 1}))
    with transaction(engine) as session:
        user = User(username="ada").save(session)
        for ago in (timedelta(hours=1), timedelta(days=2), timedelta(days=6), timedelta(days=8), None):
            used_at = ago and datetime.now(UTC) - ago
            named = {"digest": str(ago), "name": str(ago), "scopes": "submit"}
            AccessToken(user_id=user.id, last_used_at=used_at, **named).save(session)
    seen = scrape(stream, engine)
    assert seen["zik_http_requests_total{route=/1/submit-listens,status=200}"] == 1
    assert seen["zik_http_request_seconds_count{route=/1/submit-listens}"] == 1
    assert seen["zik_http_events_total{outcome=accepted,protocol=listenbrainz}"] == 9
    assert seen["zik_http_events_total{outcome=out_of_range,protocol=listenbrainz}"] == 1
    now_s, _ = valkey.time()
    assert now_s - 60 <= seen["zik_http_last_report_timestamp_seconds"] <= now_s
    used = {last_use: seen[f"zik_tokens{{last_use={last_use}}}"] for last_use in ("day", "week", "longer", "never")}
    assert used == {"day": 1, "week": 2, "longer": 1, "never": 1}


def test_f11_a_full_redis_takes_measurements_and_progress(
    stream: EventStream, sqlite: Engine, valkey: "redis.Redis"
) -> None:
    stream.append(play_payloads(500))
    with full(valkey):
        assert Drain(stream, sqlite, "a").run().events == 500
    seen = scrape(stream, sqlite)
    assert seen["zik_batch_events_sum"] == 500
    assert seen["zik_drains_running"] == 1


def test_without_redis_a_scrape_still_reports_the_database(sqlite: Engine) -> None:
    seen = scrape(EventStream.at("redis://127.0.0.1:1/0"), sqlite)
    assert (seen["zik_redis_up"], seen["zik_database_up"]) == (0, 1)
    assert "zik_received_events_total" not in seen


def test_without_a_database_a_scrape_still_reports_redis(stream: EventStream) -> None:
    engine = open_engine("postgresql+psycopg://zik@127.0.0.1:1/zik")
    seen = scrape(stream, engine)
    assert (seen["zik_redis_up"], seen["zik_database_up"]) == (1, 0)
    assert seen["zik_received_events_total"] == 0


def test_a_database_without_a_schema_counts_as_up(stream: EventStream, empty_postgres_url: str) -> None:
    engine = open_engine(empty_postgres_url)
    seen = scrape(stream, engine)
    assert (seen["zik_database_up"], seen["zik_schema_current"]) == (1, 0)
    engine.dispose()


def test_an_unknown_field_in_the_hash_stops_no_scrape(
    stream: EventStream, sqlite: Engine, valkey: "redis.Redis"
) -> None:
    valkey.hset(MEASURES, mapping={"nonsense": 1, "a/b/c/d": 2, "batch_events//77": 3})
    assert scrape(stream, sqlite)["zik_redis_up"] == 1


def test_the_lag_that_an_autoscaler_reads_follows_the_stream(
    stream: EventStream, sqlite: Engine, valkey: "redis.Redis"
) -> None:
    """XINFO GROUPS gives up counting when an entry beyond the last one read was deleted; zik deletes only before."""

    def lag() -> int | None:
        groups: Any = valkey.xinfo_groups(STREAM)
        lags: dict[str, int | None] = {group["name"].decode(): group["lag"] for group in groups}
        return lags[GROUP]

    stream.append(play_payloads(30))
    Drain(stream, sqlite, "a", batch_size=10).run()
    assert lag() == 0
    stream.append(play_payloads(7, start=100))
    assert lag() == 7
    stream.read_new("a", count=3, block_ms=0)
    assert lag() == 4


def test_the_command_serves_a_workers_metrics_and_stops_cleanly(
    stream: EventStream, redis_url: str, sqlite: Engine, tmp_path: Path
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/metrics"
    where = {"REDIS_URL": redis_url, "DATABASE_URL": url_of(sqlite)}
    with running(["worker", "metrics", "--port", str(port)], folder=tmp_path, **where) as metrics:
        metrics.wait_for("serving metrics")
        with running_worker(redis_url=redis_url, database_url=url_of(sqlite), folder=tmp_path):
            stream.append([play_payload()])
            eventually(lambda: seen(url).get("zik_recorded_events_total") == 1, within_s=20, every_s=0.2)
            drained = f"zik_task_seconds_count{{task={RECORD_EVENTS}}}"
            eventually(lambda: seen(url).get(drained, 0) >= 1, within_s=20, every_s=0.2)
        metrics.stop()


def seen(url: str) -> Samples:
    with urllib.request.urlopen(url) as answer:  # noqa: S310 -- our own
        return samples_of(answer.read().decode())


def test_a_taken_port_is_named(redis_url: str, tmp_path: Path) -> None:
    port = redis_url.rpartition(":")[2].partition("/")[0]
    with running(["worker", "metrics", "--port", port], folder=tmp_path, REDIS_URL=redis_url) as metrics:
        assert metrics.wait() == 1
    assert f"cannot serve on 127.0.0.1:{port}" in metrics.log
    assert "Traceback" not in metrics.log


# --- the page and the rules ----------------------------------------------------------------------

PAGE = (ROOT / "docs" / "metrics.md").read_text()
RULES = yaml.safe_load((ROOT / "ops" / "prometheus" / "alerts.yml").read_text())["groups"][0]["rules"]


def test_each_metric_has_help_and_its_row_on_the_page() -> None:
    assert set(HELP) == set(Name)
    assert re.findall(r"^\| `(zik_\w+)` \|", PAGE, re.MULTILINE) == [name.value for name in Name]


def test_the_exported_metrics_are_exactly_the_named_ones(stream: EventStream, sqlite: Engine) -> None:
    stream.append([play_payload(), b"{"])
    Drain(stream, sqlite, "a").run()
    stream.report("", {"task_seconds/t/1": 1, "task_seconds/t/sum": 5, "task_failures/t/sum": 1} | of_aggregation())
    stream.report("", of_http_report())
    registry = CollectorRegistry()
    registry.register(ZikCollector(stream, sqlite))
    described = re.findall(r"^# HELP (\S+) ", generate_latest(registry).decode(), re.MULTILINE)
    assert sorted(described) == sorted(name.value for name in Name)


def test_the_rules_and_the_page_have_the_same_alerts() -> None:
    assert re.findall(r"^\| `(Zik\w+)` \|", PAGE, re.MULTILINE) == [rule["alert"] for rule in RULES]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_each_alert_uses_exported_metrics_and_has_a_runbook(rule: dict[str, dict[str, str]]) -> None:
    named = {name.removesuffix("_bucket") for name in re.findall(r"zik_\w+", str(rule["expr"]))}
    assert named <= {name.value for name in Name}
    assert rule["annotations"]["runbook"]
    # The label is the operator's copy of docs/; the rest must lead to a section that exists.
    assert rule["annotations"]["runbook_url"] == "{{ $externalLabels.zik_docs }}/metrics.md#alerts"
    assert "\n## Alerts\n" in PAGE
    assert rule["labels"]["severity"] in {"page", "ticket"}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_f23_prometheus_accepts_the_rules_and_their_tests_pass() -> None:
    prometheus = ROOT / "ops" / "prometheus"
    subprocess.run(["promtool", "check", "config", prometheus / "prometheus.yml"], check=True)
    subprocess.run(["promtool", "test", "rules", ROOT / "tests" / "alerts.yml"], check=True)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_the_names_follow_prometheus_conventions(stream: EventStream, sqlite: Engine) -> None:
    registry = CollectorRegistry()
    registry.register(ZikCollector(stream, sqlite))
    subprocess.run(["promtool", "check", "metrics"], input=generate_latest(registry), check=True)
