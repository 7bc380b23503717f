"""Wait for a database or a Redis that is away: with growing, jittered pauses, and one line in the log."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential, wait_random

from worker.errors import DatabaseMisusedError, DatabaseUnavailableError, StreamMisusedError, StreamUnavailableError

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

_TRY_AGAIN = (DatabaseUnavailableError, StreamUnavailableError)
_ASK_OPERATOR = (DatabaseMisusedError, StreamMisusedError)


class OutageRetry:
    """Runs work that may meet an outage. One for each process, so that an outage over many tasks is told once."""

    def __init__(
        self, *, sleep: Callable[[float], None] = time.sleep, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._sleep = sleep
        self._monotonic = monotonic
        self._told: set[str] = set()
        self._since = 0.0
        self._failures = 0

    def attempt(self, work: Callable[[], Result], *, within_s: float) -> Result | None:
        """The result of `work`, tried again for `within_s` while the servers are away; None if they stay away.

        Where only an operator can help, it is not tried again now: the next task will.
        """
        try:
            result = self._retrying(within_s)(work)
        except _TRY_AGAIN as error:
            self._complain(error, logging.WARNING)
            return None
        except _ASK_OPERATOR as error:
            self._complain(error, logging.ERROR)
            return None
        self._recover()
        return result

    def _retrying(self, within_s: float) -> Retrying:
        deadline = self._monotonic() + within_s
        return Retrying(
            retry=retry_if_exception_type(_TRY_AGAIN),
            wait=wait_exponential(multiplier=0.1, max=5.0) + wait_random(0, 0.5),
            stop=lambda _: self._monotonic() >= deadline,
            sleep=self._sleep,
            before_sleep=self._before_sleep,
            reraise=True,
        )

    def _before_sleep(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if error is not None:
            self._complain(error, logging.WARNING)

    def _complain(self, error: BaseException, level: int) -> None:
        self._failures += 1
        if not self._told:
            self._since = self._monotonic()
        # By its words: one outage may begin before the end of another has been noticed, or turn into another.
        if str(error) in self._told:
            return
        self._told.add(str(error))
        logger.log(level, "%s. Events stay in the stream, and work resumes by itself", error)

    def _recover(self) -> None:
        if self._told:
            logger.info("back to work after %.1f s, %d failures", self._monotonic() - self._since, self._failures)
            self._told.clear()
            self._failures = 0
