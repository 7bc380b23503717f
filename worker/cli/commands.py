"""Every command: its line in `zik --help`, and the function that is imported when the command is called."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Final, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class Entry(NamedTuple):
    """One command. `target` is `module:function` in this package; `summary` is the first line of its docstring."""

    name: str
    target: str
    summary: str


# In the order in which a newcomer meets them, which is the order of `zik --help`.
PANELS: Final[Mapping[str, Sequence[Entry]]] = {
    "Run": (
        Entry(
            "demo",
            "demo:demo",
            "Watch zik at work for a minute: an embedded Valkey, a real worker, simulated listeners, and the books.",
        ),
        Entry("up", "up:up", "Run Redis, a worker with beat, and the HTTP server on this machine until stopped."),
        Entry(
            "serve",
            "serve:serve",
            "Serve HTTP to players until stopped: ListenBrainz, Last.fm, AudioScrobbler, webhooks, and zik's own API.",
        ),
        Entry("token", "token:desk", "Tokens, with which players log in at the HTTP server: create, list, revoke."),
        Entry(
            "init",
            "init:init",
            "Bring the database schema up. Safe to run at any time, from any number of machines.",
        ),
        Entry("drain", "drain:drain", "Drain the stream until it is dry, without Celery and without a broker."),
        Entry(
            "status",
            "status:status",
            "Show where every event is. Exit code 0 only if the books balance and the schema is current.",
        ),
        Entry(
            "health",
            "health:health",
            "Report whether drains make progress. Exit code 0 if they do, 1 if not; an empty stream is healthy.",
        ),
        Entry(
            "doctor",
            "doctor:doctor",
            "Check Redis, the drains, the database, the schema and the clock. Exit code 1 if something needs a change.",
        ),
        Entry(
            "metrics",
            "metrics:metrics",
            "Serve metrics to Prometheus at /metrics until stopped. One process is enough for all workers.",
        ),
    ),
    "Events": (
        Entry(
            "publish",
            "publish:publish",
            "Publish events from files. Invalid lines are reported and skipped.",
        ),
        Entry(
            "import",
            "import_:import_files",
            "Publish listening histories. Importing the same or an overlapping history again adds nothing.",
        ),
        Entry(
            "import undo",
            "plays:undo_import",
            "Take a whole import back by deleting its plays, or list the imports of a user.",
        ),
        Entry(
            "user",
            "users:desk",
            "A user: show them, set their timezone, leave songs and artists out of their statistics.",
        ),
        Entry("plays", "plays:desk", "List, delete, restore and edit plays. Each can be taken back."),
        Entry("song", "song:desk", "What was told about a song, and corrections that hold for all of its plays."),
        Entry("artist", "merging:artist_desk", "Let an artist count as another one, and take it back."),
        Entry(
            "export",
            "export:export",
            "Write everything about a user to standard output, as JSON Lines that `zik publish` accepts again.",
        ),
        Entry(
            "forget",
            "forget:forget",
            "Erase a person everywhere: account, tokens, history, dead letters, waiting events. Prints a receipt.",
        ),
        Entry("dead", "dead:desk", "Dead letters: events that could not be recorded, and why."),
    ),
    "Statistics": (
        Entry(
            "stats",
            "stats:stats",
            "Show how much was played, listened to and skipped, by one user or by everyone.",
        ),
        Entry("users", "users:users", "List all users with their plays, the first and the last day, and the timezone."),
        Entry("recent", "recent:recent", "List a user's latest plays, newest first."),
        Entry("favorites", "favorites:favorites", "List a user's favorites, newest first."),
        Entry("top", "top:top", "Rank songs, artists or albums by listens, plays or time."),
        Entry(
            "days",
            "days:days",
            "Draw a year of listening, a square for each local day. JSON and CSV have the days with plays.",
        ),
        Entry(
            "clock",
            "clock:clock",
            "Draw when in the week a user listens, a square for each local hour.",
        ),
        Entry(
            "streaks",
            "streaks:streaks",
            "Show the current and the longest run of days with a listen. A run that reaches yesterday is current.",
        ),
        Entry(
            "discoveries",
            "discoveries:discoveries",
            "List the songs that a user listened to for the first time, newest first.",
        ),
        Entry(
            "report",
            "report:report",
            "Write a year or a month of listening as one HTML file, to look at and to share.",
        ),
        Entry(
            "aggregate",
            "rollups:aggregate",
            "Compute the statistics and charts of all days that have changed. Workers do so every 10 seconds.",
        ),
        Entry(
            "recompute",
            "rollups:recompute",
            "Compute all statistics again: after a change of the listen rule, or if `zik verify` asks for it.",
        ),
        Entry(
            "verify",
            "rollups:verify",
            "Compare all statistics with the plays, and report each difference. Exit code 1 if there is one.",
        ),
    ),
}
ENTRIES: Final[Mapping[str, Entry]] = {entry.name: entry for entries in PANELS.values() for entry in entries}


def load(entry: Entry) -> Any:
    """Import the command's module and build the command, or the group of commands."""
    module, _, attribute = entry.target.partition(":")
    loaded = getattr(import_module(f"{__package__}.{module}"), attribute)
    if isinstance(loaded, typer.Typer):
        return typer.main.get_command(loaded)
    alone = typer.Typer(add_completion=False)
    alone.command(entry.name)(loaded)
    return typer.main.get_command(alone)


class LazyGroup(TyperGroup):
    """Lists the commands from `PANELS`, and imports only the one that is called."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for entry in ENTRIES.values():
            self.add_command(TyperCommand(entry.name, help=entry.summary))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        if (two_words := " ".join(args[:2])) in ENTRIES:
            args = [two_words, *args[2:]]
        name, _, rest = super().resolve_command(ctx, args)
        return name, load(ENTRIES[name]) if name else None, rest

    def format_help(self, ctx: Any, formatter: Any) -> None:
        # Not TyperGroup's own: typer's drawing with rich takes longer to import than all the rest together.
        super(TyperGroup, self).format_help(ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        del ctx
        width = max(map(len, ENTRIES))
        for panel, entries in PANELS.items():
            with formatter.section(panel):
                formatter.write_dl([(f"{entry.name:<{width}}", entry.summary) for entry in entries])
