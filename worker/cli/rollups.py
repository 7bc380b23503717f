from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer
from sqlalchemy import Engine

from worker.cli.terminal import AsJson, console, print_json, say
from worker.database.engine import opened_engine, transaction
from worker.failpoints import arm
from worker.report.wording import amount
from worker.settings import Settings, load_settings
from worker.statistics.charts import refresh_charts
from worker.statistics.listen_rule import ListenRule
from worker.statistics.questions.listener import listener
from worker.statistics.rollups.marks import mark_all
from worker.statistics.rollups.sweep import Refreshed, refresh
from worker.statistics.verify import verify as verify_rollups

User = Annotated[str | None, typer.Option("--user", "-u", help="Only this user.")]
_MOST_SHOWN = 50


def aggregate(*, as_json: AsJson = False) -> None:
    """Compute the statistics of all days that have changed, and the charts with them. Workers do it every 10 seconds.

    Safe beside running workers, and when stopped midway.
    """
    settings = load_settings()
    with _database(settings) as engine:
        _refresh(engine, settings, as_json=as_json)


def recompute(*, user: User = None, as_json: AsJson = False) -> None:
    """Compute all statistics anew from the history: after a change of the listen rule, or when `zik verify` asks."""
    settings = load_settings()
    with _database(settings) as engine:
        with transaction(engine) as session:
            user_id = None if user is None else listener(session.connection(), user).id
            mark_all(session.connection(), user_id=user_id)
        _refresh(engine, settings, as_json=as_json)


def verify(*, as_json: AsJson = False) -> None:
    """Compare all statistics with the history, and name each difference. Exit code 1 if there is one."""
    settings = load_settings()
    with _database(settings) as engine, console.status("Counting every play"):
        comparison = verify_rollups(engine, ListenRule.configured(settings))
    if as_json:
        print_json(
            {
                "users": comparison.users,
                "charts": comparison.charts,
                "waiting": comparison.waiting,
                "differences": [vars(each) for each in comparison.differences],
            }
        )
    else:
        for each in comparison.differences[:_MOST_SHOWN]:
            say(f"{each.where}: the history says {each.wanted}, the rollup {each.found}")
        say(
            f"{amount(len(comparison.differences), 'difference')} in the statistics of "
            f"{amount(comparison.users, 'user')} "
            f"and in {amount(comparison.charts, 'chart')}; marks that wait to be computed: {comparison.waiting:,}"
        )
        if not comparison.exact:
            say("`zik recompute` computes them anew. Please report it, too: they should never differ")
    raise typer.Exit(code=0 if comparison.exact else 1)


@contextmanager
def _database(settings: Settings) -> Iterator[Engine]:
    arm(settings.crash_at)
    with opened_engine(settings.database_url) as engine:
        yield engine


def _refresh(engine: Engine, settings: Settings, *, as_json: bool) -> None:
    with console.status("") as status:

        def tell(done: Refreshed) -> None:
            status.update(f"{done.days:,} days")

        done = refresh(engine, ListenRule.configured(settings), progress=tell)
        status.update("drawing charts")
        charts = refresh_charts(engine, today=datetime.now(UTC).date(), closed=True)
    if as_json:
        print_json({"days": done.days, "histories": done.histories, "charts": charts})
    else:
        say(f"computed {amount(done.days, 'day')} and drew {amount(charts, 'chart')}")
