"""Which plays count, and when a play counts as a listen."""

from dataclasses import asdict, dataclass
from typing import Any

from worker.settings import Settings


@dataclass(frozen=True)
class ListenRule:
    """The scrobblers' rule: half the song, or four minutes of a long one.

    A play counts if its length is unknown, if it lasts `percent` of the song's duration, or if it lasts `enough_s`
    seconds. If the song's duration is unknown, it must last `unknown_s` seconds.

    Plays of one user and song by different sources that begin within `same_play_s` seconds of each other, and within
    half the song (30 s if its duration is unknown), are one play on two roads, and count once. 0 counts each.

    No play depends on the rule: after a change of the rule, `zik recompute` computes the rollups as if the rule had
    never been different.
    """

    percent: int = 50
    enough_s: int = 240
    unknown_s: int = 30
    same_play_s: int = 120

    @classmethod
    def configured(cls, settings: Settings) -> "ListenRule":
        """The rule of the settings."""
        return cls(
            settings.listen_percent,
            settings.listen_seconds,
            settings.listen_unknown_seconds,
            settings.same_play_seconds,
        )

    def as_parameters(self) -> dict[str, Any]:
        """The rule as parameters of the SQL fragments `is_listen` and `reach_ms`."""
        return asdict(self)
