"""Begin an outbox again after a fault of its file, with every event that can still be read.

What is damaged is renamed to `<path>.rescue`, and deleted or renamed to `<path>.damaged-<time>` only once the new file
has all that could be read. So a process that dies in between leaves the rest to the next one.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from worker.client.events import id_of
from worker.client.outbox_file import SUFFIXES, Footprint, Span, connect, is_damage, locked, opened, span_of
from worker.errors import InvalidEventError

# A damaged counter must not make the reading endless. One inner page of the file leads to fewer events.
_MAX_NUMBER: Final = 2**53
_MAX_GAP: Final = 100_000
_NEXT: Final = "SELECT number, payload FROM events WHERE number > ? AND number <= ? ORDER BY number"
# Unless another process that had the same file open has saved it already.
_KEEP: Final = """
    INSERT INTO events (number, payload)
    SELECT :number + :shift, :payload
    WHERE :shift = 0 OR NOT EXISTS (SELECT 1 FROM events WHERE number = :number AND payload = :payload)
"""


class Rescued(NamedTuple):
    """How many events the new file has of the former one, and how many it lacks at least.

    `shift` is added to the number of each, because the file in the place of the former one had used some.
    `kept_at` is where the damaged file is now. Without a loss it was deleted.
    """

    saved: int
    lost: int
    shift: int = 0
    kept_at: Path | None = None

    def __str__(self) -> str:
        if not self.lost:
            return f"A new one has all {self.saved:,} events that waited in it"
        where = "" if self.kept_at is None else f"; the damaged file is now {self.kept_at}"
        return f"A new one has the {self.saved:,} events that could be read, at least {self.lost:,} are lost{where}"


def begin_again(
    path: Path, source: sqlite3.Connection | None, footprint: Footprint | None, *, known: Span
) -> tuple[sqlite3.Connection, Rescued]:
    """Put an outbox at `path` that has the events of the former one, and return a connection to it.

    Args:
        path: of the outbox.
        source: a connection to the former one, which may have lost its path. None if it cannot be opened.
        footprint: of `source`.
        known: the former one's span when it was last read. Events above it may be in it; those below are delivered.

    Raises:
        sqlite3.Error, OSError: no new file can be begun now. `source` is as it was; call again later.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.parent):
        owned = [suffix for suffix in SUFFIXES if footprint is None or footprint.owns(suffix)]
        if "" in owned:
            _rename_all(_rescue(path), _aside(path))
        _rename_all(path, _rescue(path), owned)
        target = _connect_or_move_aside(path)
        try:
            if source is None:
                return target, _finish(path, target, known=known)
            return target, _put_away(path, _take_in(target, source, known=known))
        except BaseException:
            target.close()
            raise


def has_leftover(path: Path) -> bool:
    """Whether a process has died, or met a full disk, before it had saved the events."""
    return _rescue(path).exists()


def finish(path: Path, target: sqlite3.Connection) -> Rescued:
    """Save the events that an earlier run has left in `<path>.rescue`."""
    with locked(path.parent):
        return _finish(path, target, known=Span(0, 0))


def skip_to(target: sqlite3.Connection, number: int) -> None:
    """Give no later event this number or a lower one: others wait for one of theirs to be delivered."""
    if number > span_of(target).last:
        target.execute("INSERT INTO events (number, payload) VALUES (?, '')", [number])
        target.execute("DELETE FROM events WHERE number = ?", [number])


def _finish(path: Path, target: sqlite3.Connection, *, known: Span) -> Rescued:
    if not has_leftover(path):  # Another process was first.
        return Rescued(0, 0)
    with closing(opened(_rescue(path))) as source:
        rescued = _take_in(target, source, known=known)
    return _put_away(path, rescued)


def _rescue(path: Path) -> Path:
    return path.with_name(f"{path.name}.rescue")


def _rename_all(old: Path, new: Path, suffixes: Sequence[str] = SUFFIXES) -> None:
    for suffix in suffixes:
        with suppress(FileNotFoundError):
            Path(f"{old}{suffix}").replace(f"{new}{suffix}")


def _connect_or_move_aside(path: Path) -> sqlite3.Connection:
    """Open what another process has begun meanwhile, or a new file in the place of anything else."""
    try:
        return _checked(connect(path))
    except sqlite3.DatabaseError as error:
        # Without a code it is our own: a file of another program.
        if hasattr(error, "sqlite_errorcode") and not is_damage(error):
            raise
    _rename_all(path, _aside(path))
    return connect(path)


def _checked(target: sqlite3.Connection) -> sqlite3.Connection:
    try:
        span_of(target)
    except BaseException:
        target.close()
        raise
    return target


def _aside(path: Path) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
    return path.with_name(f"{path.name}.damaged-{stamp}")


def _put_away(path: Path, rescued: Rescued) -> Rescued:
    if rescued.lost:
        aside = _aside(path)
        _rename_all(_rescue(path), aside)
        return rescued._replace(kept_at=aside) if aside.exists() else rescued
    for suffix in SUFFIXES:
        Path(f"{_rescue(path)}{suffix}").unlink(missing_ok=True)
    return rescued


def _take_in(target: sqlite3.Connection, source: sqlite3.Connection, *, known: Span) -> Rescued:
    readable = _Readable(source, known=known)
    saved = last = 0
    target.execute("BEGIN IMMEDIATE")
    try:
        used = span_of(target).last
        shift = used if used > readable.after else 0
        for number, payload in readable:
            target.execute(_KEEP, {"number": number, "payload": payload, "shift": shift})
            saved, last = saved + 1, number
        skip_to(target, readable.last + shift)
        target.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            target.execute("ROLLBACK")
        raise
    if not readable.lost:
        # Another process that has the former file open too then has nothing left to save.
        with suppress(sqlite3.Error):
            source.execute("DELETE FROM events WHERE number <= ?", [last])
    return Rescued(saved, readable.lost, shift)


class _Readable:
    """The events of a damaged file, oldest first.

    Attributes:
        after: the number before the first one.
        last: the highest number that was used, as far as can be known.
        lost: how many cannot be read, at least. Complete once all have been read, as `last` is.
    """

    def __init__(self, source: sqlite3.Connection, *, known: Span) -> None:
        self._source = source
        self.after, self.last, self.lost = known.after, known.last, 0
        self._end, self._max_unreadable = known.last or _MAX_NUMBER, known.last or _MAX_GAP
        try:
            found = span_of(source)
        except sqlite3.Error:
            return
        self.after = max(known.after, found.after)
        # Events that were in a file and are not in the one that has replaced its content.
        self.lost = max(0, known.last - max(found.last, known.after))
        self._end = self.last = max(known.last, min(found.last, _MAX_NUMBER - 1))
        self._max_unreadable = max(_MAX_GAP, known.last - known.after)

    def __iter__(self) -> Iterator[tuple[int, str]]:
        number, unreadable = self.after, 0
        while number < self._end and unreadable <= self._max_unreadable:
            try:
                for found, payload in self._rows_after(number):
                    self.lost, unreadable = self.lost + unreadable, 0
                    number = found
                    self.last = max(self.last, number)
                    yield number, payload
                break
            except sqlite3.Error as error:
                # On to the next number, because this one cannot be read; or none can.
                skipped = self._end - number if is_damage(error, whole=True) else 1
                number += skipped
                unreadable += skipped
        # If the end is unknown, it need not have had an event of each number.
        self.lost += min(unreadable, 1) if self._end == _MAX_NUMBER else unreadable

    def _rows_after(self, number: int) -> Iterator[tuple[int, str]]:
        for found, payload in self._source.execute(_NEXT, [number, self._end]):
            if not number < found <= self._end or not _is_event(payload):
                raise sqlite3.DatabaseError("no event")
            number = found
            yield number, payload


def _is_event(payload: object) -> bool:
    try:
        return isinstance(payload, str) and bool(id_of(payload.encode()))
    except (InvalidEventError, UnicodeError):
        return False
