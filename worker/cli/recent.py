from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.table import Table

from worker.cli.question import Answer, AsCsv, Limit, OneUser, open_question
from worker.cli.terminal import AsJson, plain
from worker.report.wording import counted_from, length
from worker.statistics import Listener, RecentPlay, UserListening, recent_plays, second_reports


@dataclass(frozen=True)
class _Row:
    """`at` is the listener's local time."""

    at: datetime
    title: str
    artist: str
    album: str | None
    ms_played: int | None
    source: str | None
    counted_from: str | None

    @property
    def time(self) -> str:
        return self.at.isoformat()

    @property
    def counts(self) -> bool:
        return self.counted_from is None


def recent(*, user: OneUser, limit: Limit = 20, as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """List a user's latest plays, newest first."""
    with open_question(user) as question:
        listening, listener = question.of_user()
        rows = _rows(listening, listener, most=limit)
        Answer(
            facts=question.whose(),
            name="plays",
            columns=("time", "title", "artist", "album", "ms_played", "source", "counts", "counted_from"),
            rows=rows,
            picture=lambda: _table(rows, f"Latest plays of {question.who}"),
            why_empty=lambda: question.why_empty("plays"),
        ).show(as_json=as_json, as_csv=as_csv)


def _rows(listening: UserListening, listener: Listener, *, most: int) -> Sequence[_Row]:
    plays = recent_plays(listening.connection, listener.id, most=most)
    times = [listener.local_time(play.played_at, play.utc_offset_minutes) for play in plays]
    sources = second_reports(listening, {at.date() for at in times})
    return [_row(play, at, sources.get(play.id)) for play, at in zip(plays, times, strict=True)]


def _row(play: RecentPlay, at: datetime, counted_from: str | None) -> _Row:
    song = play.song
    return _Row(at, song.title, song.artist, song.album, play.ms_played, play.source, counted_from)


def _table(rows: Sequence[_Row], title: str) -> Table:
    table = Table(title=plain(title), title_justify="left")
    table.add_column("time", no_wrap=True, style="dim")
    table.add_column("song", overflow="fold")
    table.add_column("artist", overflow="fold")
    table.add_column("played", justify="right", no_wrap=True)
    notes = ["" if row.counted_from is None else counted_from(row.counted_from) for row in rows]
    if any(notes):
        table.add_column("", overflow="fold")
    for row, note in zip(rows, notes, strict=True):
        cells = f"{row.at:%Y-%m-%d %H:%M}", plain(row.title), plain(row.artist), length(row.ms_played)
        table.add_row(*cells, *([plain(note)] if any(notes) else []), style="dim" if note else None)
    return table
