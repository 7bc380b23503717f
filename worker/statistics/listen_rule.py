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
        return cls(settings.listen_percent, settings.listen_seconds, settings.listen_unknown_seconds)

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
