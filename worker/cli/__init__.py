"""The command `zik`."""

import sys

import typer

from worker.cli.clock import clock
from worker.cli.days import days
from worker.cli.dead import desk
from worker.cli.demo import demo
from worker.cli.discoveries import discoveries
from worker.cli.doctor import doctor
from worker.cli.drain import drain
from worker.cli.export import export
from worker.cli.forget import forget
from worker.cli.health import health
from worker.cli.import_ import import_files
from worker.cli.init import init
from worker.cli.metrics import metrics
from worker.cli.publish import publish
from worker.cli.report import report
from worker.cli.rollups import aggregate, recompute, verify
from worker.cli.stats import stats
from worker.cli.status import status
from worker.cli.streaks import streaks
from worker.cli.terminal import complain
from worker.cli.top import top
from worker.cli.up import up
from worker.errors import ZikError
from worker.logs import set_up_logs

app = typer.Typer(
    name="zik",
    help="zik records what people listen to: every accepted event once, and the books balance.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
# In the order in which a newcomer meets them, which is the order of `zik --help`.
PANELS = {
    "Run": (demo, up, init, drain, status, health, doctor, metrics),
    "Events": (publish, import_files, export, forget),
    "Statistics": (stats, top, days, clock, streaks, discoveries, report, aggregate, recompute, verify),
}
for panel, commands in PANELS.items():
    for command in commands:
        app.command(command.__name__.removesuffix("_files"), rich_help_panel=panel)(command)
app.add_typer(desk, name="dead", rich_help_panel="Events")


def main() -> None:
    """Run the command line. An error that zik raised on purpose becomes one message and exit code 1."""
    set_up_logs()
    try:
        app(prog_name="zik")
    except ZikError as error:
        complain(str(error))
        sys.exit(1)
