from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.table import Table

from worker.cli.question import Answer, AsCsv, Limit, OneUser, open_question
from worker.cli.terminal import AsJson, plain
from worker.statistics import Listener, Opinion, opinions


@dataclass(frozen=True)
class _Row:
    """`at` is the listener's local time."""

    at: datetime
    title: str
    artist: str
    album: str | None

    @property
    def time(self) -> str:
        return self.at.isoformat()


def favorites(*, user: OneUser, limit: Limit = 50, as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """List a user's favorites, newest first."""
    with open_question(user) as question:
        listening, listener = question.of_user()
        loved = (each for each in opinions(listening.connection, listener.id) if each.score > 0)
        rows = [_row(each, listener) for each in loved]
        title = f"Favorites of {question.who} ({len(rows):,})"
        shown = rows[:limit]
        Answer(
            facts={**question.whose(), "favorites_in_all": len(rows)},
            name="favorites",
            columns=("time", "title", "artist", "album"),
            rows=shown,
            picture=lambda: _table(shown, title),
            why_empty=lambda: f"{question.who} has no favorites",
        ).show(as_json=as_json, as_csv=as_csv)


def _row(opinion: Opinion, listener: Listener) -> _Row:
    song = opinion.song
    return _Row(listener.local_time(opinion.said_at, None), song.title, song.artist, song.album)


def _table(rows: Sequence[_Row], title: str) -> Table:
    table = Table(title=plain(title), title_justify="left")
    table.add_column("since", no_wrap=True, style="dim")
    table.add_column("song", overflow="fold")
    table.add_column("artist", overflow="fold")
    for row in rows:
        table.add_row(f"{row.at:%Y-%m-%d}", plain(row.title), plain(row.artist))
    return table
