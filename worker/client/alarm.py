"""When a pump should look: enough events, the oldest waiting long enough, or somebody in a hurry."""

from threading import Event


class Alarm:
    """Rung from any thread; one pump waits.

    Args:
        flush_at: so many events are worth a batch at once.
        flush_interval_s: fewer wait so long for company.
        look_every_s: look also when nobody has rung; None where nobody else can put events there.
    """

    def __init__(self, *, flush_at: int, flush_interval_s: float, look_every_s: float | None = None) -> None:
        self._flush_at = flush_at
        self._flush_interval_s = flush_interval_s
        self._look_every_s = look_every_s
        self._some = Event()
        self._due = Event()
        self._hurried = Event()

    def ring(self, waiting: int) -> None:
        """Say that so many events wait. Cheap when it has been said already: each call of a player comes here."""
        if waiting >= self._flush_at and not self._due.is_set():
            self._due.set()
        if not self._some.is_set():
            self._some.set()

    def hurry(self) -> None:
        """End every wait, a pause after a fault too."""
        for event in (self._hurried, self._due, self._some):
            event.set()

    def wait(self) -> None:
        """Until there is something to do."""
        self._some.wait(self._look_every_s)
        self._due.wait(self._flush_interval_s)
        # Before the pump looks: what comes after that look rings anew.
        for event in (self._some, self._due, self._hurried):
            event.clear()

    def pause(self, seconds: float) -> None:
        """Wait after a fault, however many events come meanwhile."""
        self._hurried.wait(seconds)
        self._hurried.clear()
