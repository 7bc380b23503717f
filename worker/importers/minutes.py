"""Tell equal rows apart in exports that are cut to the minute."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Final

from worker.importers.rows import Fields

# Other exports of the same service know the second. So this is a source of its own: statistics compare its plays with
# those of other sources by the minute.
SUFFIX: Final = "-minutes"
_MOST: Final = 59


class MinuteRows:
    """The rows of one file. The second of two equal rows is a play of its own, a second later; the 61st is none."""

    def __init__(self) -> None:
        self._seen: Counter[tuple[str, ...]] = Counter()

    def placed(self, fields: Fields) -> Fields:
        """The event of a row that says only the minute, with the source and time by which it is known."""
        song = fields["song"]
        key = (str(fields["time"]), str(song.get("artist")), str(song.get("title")))
        number = min(self._seen[key], _MOST)
        self._seen[key] += 1
        time = fields["time"] if not number else _later(fields["time"], number)
        return {**fields, "time": time, "source": f"{fields['source']}{SUFFIX}"}


def _later(time: str, seconds: int) -> str:
    """An RFC 3339 time some seconds later, spelled as it was."""
    later = (datetime.fromisoformat(time) + timedelta(seconds=seconds)).isoformat()
    return f"{later.removesuffix('+00:00')}Z" if time.endswith("Z") else later
