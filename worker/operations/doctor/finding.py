from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One check. `advice` says what to change; it is empty where nothing must."""

    subject: str
    found: str
    advice: str = ""

    @property
    def well(self) -> bool:
        return not self.advice
