from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer
from sqlalchemy import Engine

from worker.cli.question import find_user
from worker.cli.terminal import AsJson, console, print_json, say
from worker.database.engine import opened_engine, transaction
from worker.failpoints import arm
from worker.report.wording import amount
from worker.settings import Settings, load_settings
from worker.statistics import ListenRule, refresh_read_charts
from worker.statistics.examples import examples
from worker.statistics.rollups.marks import mark_all
from worker.statistics.rollups.sweep import Refreshed, refresh
from worker.statistics.verify import Comparison
from worker.statistics.verify import verify as verify_rollups

User = Annotated[str | None, typer.Option("--user", "-u", help="Only this user.")]
AsSql = Annotated[
    bool, typer.Option("--sql", help="Compare nothing; print the statistics SQL, ready to paste into psql or sqlite3.")
]
_MOST_SHOWN = 50


def aggregate(*, as_json: AsJson = False) -> None:
    """Compute the statistics and charts of all days that have changed. Workers do so every 10 seconds.

    Safe while workers run. Safe to interrupt.
    """
    settings = load_settings()
    with _database(settings) as engine:
        _refresh(engine, settings, as_json=as_json)


def recompute(*, user: User = None, as_json: AsJson = False) -> None:
    """Compute all statistics again: after a change of the listen rule, or if `zik verify` asks for it."""
    settings = load_settings()
    with _database(settings) as engine:
        with transaction(engine) as session:
            user_id = None if user is None else find_user(session.connection(), user).id
            mark_all(session.connection(), user_id=user_id)
        _refresh(engine, settings, as_json=as_json)


def verify(*, sql: AsSql = False, as_json: AsJson = False) -> None:
    """Compare all statistics with the plays, and report each difference. Exit code 1 if there is one.

    What waits to be computed is not compared. How much that is, is said.
    """
    settings = load_settings()
    rule = ListenRule.configured(settings)
    with _database(settings) as engine:
        if sql:
            typer.echo("\n\n\n".join(examples(engine.dialect.name, rule)))
            return
        with console.status("Counting every play"):
            comparison = verify_rollups(engine, rule)
    _report(comparison, as_json=as_json)
    raise typer.Exit(code=0 if comparison.exact else 1)


def _report(comparison: Comparison, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "users": comparison.users,
                "charts": comparison.charts,
                "waiting": comparison.waiting,
                "charts_waiting": comparison.charts_waiting,
                "differences": [vars(each) for each in comparison.differences],
            }
        )
        return
    for each in comparison.differences[:_MOST_SHOWN]:
        say(f"{each.where}: the plays say {each.wanted}, the rollup {each.found}")
    say(
        f"{amount(len(comparison.differences), 'difference')} in the statistics of "
        f"{amount(comparison.users, 'user')} "
        f"and in {amount(comparison.charts, 'chart')}"
    )
    counts = ((comparison.waiting, "day"), (comparison.charts_waiting, "chart"))
    if waiting := [amount(count, noun) for count, noun in counts if count]:
        say(
            f"not compared: {' and '.join(waiting)} that wait to be computed. A worker computes days every 10 s, "
            "charts every hour, and those of the past once a day; `zik aggregate` does it at once"
        )
    if not comparison.exact:
        say("`zik recompute` computes them again. Please report a bug, too: statistics should never differ")


@contextmanager
def _database(settings: Settings) -> Iterator[Engine]:
    arm(settings.crash_at)
    with opened_engine(settings.database_url) as engine:
        yield engine


def _refresh(engine: Engine, settings: Settings, *, as_json: bool) -> None:
    with console.status("") as status:

        def show(done: Refreshed) -> None:
            status.update(f"{done.days:,} days")

        done = refresh(engine, ListenRule.configured(settings), progress=show)
        status.update("drawing charts")
        charts = refresh_read_charts(engine, today=datetime.now(UTC).date(), closed=True)
    if as_json:
        print_json({"days": done.days, "histories": done.histories, "charts": charts or 0})
    elif charts is None:
        say(f"computed {amount(done.days, 'day')}; the charts for everyone are those of the only listener")
    else:
        say(f"computed {amount(done.days, 'day')} and drew {amount(charts, 'chart')}")
