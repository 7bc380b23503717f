"""One play on its way into `play_history`, and whether a stored play is the same one."""

from datetime import datetime
from typing import Any, NamedTuple

from worker.contract.clock_skew import TOLERATED
from worker.contract.events import PlayEvent
from worker.database.statement import instant, read_instant


class PlayToRecord(NamedTuple):
    """A row of `play_history`, its natural key first, and the stream entry that it comes from."""

    user_id: int
    played_at: datetime
    song_id: int
    id: str
    reported_at: datetime | None
    ms_played: int | None
    duration_ms: int | None
    track_id: int
    utc_offset_minutes: int | None
    source: str | None
    context: dict[str, Any] | None
    entry_id: str

    @classmethod
    def of(cls, entry_id: str, play: PlayEvent, user_id: int, song_id: int, track_id: int) -> "PlayToRecord":
        time = play.time
        return cls._make(
            (
                user_id, time.at, song_id, play.id, time.reported_at, play.ms_played,
                play.song.duration_ms, track_id, time.offset_minutes, play.source, play.context, entry_id,
            )
        )  # fmt: skip

    def is_same_as(self, song_id: int, played_at: datetime | str, reported_at: datetime | str | None) -> bool:
        """Whether the stored play is this one, sent again. A device with a wrong clock is corrected differently."""
        at = read_instant(played_at)
        at_as_sent = read_instant(reported_at) if reported_at else at
        is_corrected = bool(self.reported_at or reported_at)
        return song_id == self.song_id and (
            at_as_sent == (self.reported_at or self.played_at)
            # An export that was published again has lost the time as sent.
            or (is_corrected and abs(at - self.played_at) <= TOLERATED)
        )

    def as_row(self) -> dict[str, Any]:
        """The play as a row for an SQL statement."""
        return {
            **self._asdict(),
            "id": hex_of(self.id),
            "played_at": instant(self.played_at),
            "reported_at": self.reported_at and instant(self.reported_at),
        }


def hex_of(play_id: str) -> str:
    """The id without its hyphens, as SQLite stores it."""
    return play_id.replace("-", "")
