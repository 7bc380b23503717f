"""Names of the report's periods and of timezones."""

from datetime import UTC, timedelta, tzinfo
from zoneinfo import ZoneInfo

from worker.report.wording import MONTH_NAMES
from worker.statistics import Listener, Period, Span


def title_of(span: Span) -> str:
    """A year or a month for a heading: `2021`, `May 2021`."""
    year = f"{span.first.year:04}"
    return f"{MONTH_NAMES[span.first.month - 1]} {year}" if span.period is Period.MONTH else year


def zone_of(listener: Listener | None) -> str:
    """The timezone of days and hours, as a sentence names it: the preference, else the offset of the latest play."""
    if listener is None:
        return "each listener's own timezone"
    zone: tzinfo = listener.timezone
    if isinstance(zone, ZoneInfo):
        return zone.key
    if zone is UTC:
        return "UTC"
    minutes = (zone.utcoffset(None) or timedelta()) // timedelta(minutes=1)
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"
