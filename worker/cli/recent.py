from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.table import Table

from worker.cli.question import Answer, AsCsv, Limit, OneUser, open_question
from worker.cli.terminal import AsJson, plain
from worker.report.wording import length
from worker.statistics import Listener, RecentPlay, recent_plays


@dataclass(frozen=True)
class _Row:
    """`at` is the listener's local time."""

    at: datetime
    title: str
    artist: str
    album: str | None
    ms_played: int | None
    source: str | None

    @property
    def time(self) -> str:
        return self.at.isoformat()


def recent(*, user: OneUser, limit: Limit = 20, as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """List a user's latest plays, newest first."""
    with open_question(user) as question:
        listening, listener = question.of_user()
        rows = [_row(play, listener) for play in recent_plays(listening.connection, listener.id, most=limit)]
        Answer(
            facts=question.whose(),
            name="plays",
            columns=("time", "title", "artist", "album", "ms_played", "source"),
            rows=rows,
            picture=lambda: _table(rows, f"Latest plays of {question.who}"),
            why_empty=lambda: question.why_empty("plays"),
        ).show(as_json=as_json, as_csv=as_csv)


def _row(play: RecentPlay, listener: Listener) -> _Row:
    at = listener.local_time(play.played_at, play.utc_offset_minutes)
    return _Row(at, play.song.title, play.song.artist, play.song.album, play.ms_played, play.source)


def _table(rows: Sequence[_Row], title: str) -> Table:
    table = Table(title=plain(title), title_justify="left")
    table.add_column("time", no_wrap=True, style="dim")
    table.add_column("song", overflow="fold")
    table.add_column("artist", overflow="fold")
    table.add_column("played", justify="right", no_wrap=True)
    for row in rows:
        table.add_row(f"{row.at:%Y-%m-%d %H:%M}", plain(row.title), plain(row.artist), length(row.ms_played))
    return table
