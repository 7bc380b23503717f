"""When a play counts as a listen."""

from dataclasses import asdict, dataclass
from typing import Final

from worker.settings import Settings


@dataclass(frozen=True)
class ListenRule:
    """The scrobblers' old rule: half the song, or four minutes of a long one.

    A play whose length nobody told counts. So does one of `percent` of the song's duration, or of `enough_s` seconds.
    Where the song's duration is unknown, `unknown_s` seconds are asked for. Changing the rule changes no play: compute
    the rollups anew, and they are as if it had never been another.
    """

    percent: int = 50
    enough_s: int = 240
    unknown_s: int = 30

    @classmethod
    def configured(cls, settings: Settings) -> "ListenRule":
        """The rule that the settings ask for."""
        return cls(settings.zik_listen_percent, settings.zik_listen_seconds, settings.zik_listen_unknown_seconds)

    def holds(self, *, ms_played: int | None, duration_ms: int | None) -> bool:
        """Whether a play of `ms_played` of a song of `duration_ms` counts; None is unknown."""
        if ms_played is None:
            return True
        if duration_ms is None:
            return ms_played >= 1000 * self.unknown_s
        return 100 * ms_played >= self.percent * duration_ms or ms_played >= 1000 * self.enough_s

    def as_parameters(self) -> dict[str, int]:
        """For `IS_LISTEN`."""
        return asdict(self)


# The same rule in SQL, over the aliases `play` and `song`. The factor is bigint: hours in milliseconds, times a
# hundred, are more than an integer holds.
IS_LISTEN: Final = """
    CASE WHEN play.ms_played IS NULL THEN true
         WHEN song.duration_ms IS NULL THEN play.ms_played >= 1000 * :unknown_s
         ELSE CAST(100 AS bigint) * play.ms_played >= CAST(:percent AS bigint) * song.duration_ms
              OR play.ms_played >= 1000 * :enough_s
    END
"""
