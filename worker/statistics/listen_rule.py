"""When a play counts as a listen."""

from dataclasses import asdict, dataclass

from worker.settings import Settings


@dataclass(frozen=True)
class ListenRule:
    """The scrobblers' rule: half the song, or four minutes of a long one.

    A play counts if its length is unknown, if it lasts `percent` of the song's duration, or if it lasts `enough_s`
    seconds. If the song's duration is unknown, it must last `unknown_s` seconds. No play depends on the rule: after a
    change of the rule, `zik recompute` computes the rollups as if the rule had never been different.
    """

    percent: int = 50
    enough_s: int = 240
    unknown_s: int = 30

    @classmethod
    def configured(cls, settings: Settings) -> "ListenRule":
        """The rule of the settings."""
        return cls(settings.listen_percent, settings.listen_seconds, settings.listen_unknown_seconds)

    def as_parameters(self) -> dict[str, int]:
        """The rule as parameters of the SQL fragment `is_listen`."""
        return asdict(self)
