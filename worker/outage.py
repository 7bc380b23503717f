"""Wait out a database or a Redis that is away: with growing, jittered pauses, and one log line for each cause."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential, wait_random

from worker.errors import OperatorError, RetryableError

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


class OutageRetry:
    """Run work that may meet an outage. Keep one for each process, so that an outage over many tasks is logged once."""

    def __init__(
        self, *, sleep: Callable[[float], None] = time.sleep, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._sleep = sleep
        self._monotonic = monotonic
        self._logged: set[str] = set()
        self._since = 0.0
        self._failures = 0

    def attempt(self, work: Callable[[], Result], *, within_s: float) -> Result | None:
        """Return the result of `work`, retried for `within_s` while a server is away; None if it stays away.

        An error that only an operator can clear is not retried here: the next task tries again.
        """
        try:
            result = self._retrying(within_s)(work)
        except RetryableError as error:
            self._log_once(error, logging.WARNING)
            return None
        except OperatorError as error:
            self._log_once(error, logging.ERROR)
            return None
        self._recover()
        return result

    def _retrying(self, within_s: float) -> Retrying:
        deadline = self._monotonic() + within_s
        return Retrying(
            retry=retry_if_exception_type(RetryableError),
            wait=wait_exponential(multiplier=0.1, max=5.0) + wait_random(0, 0.5),
            stop=lambda _: self._monotonic() >= deadline,
            sleep=self._sleep,
            before_sleep=self._before_sleep,
            reraise=True,
        )

    def _before_sleep(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if error is not None:
            self._log_once(error, logging.WARNING)

    def _log_once(self, error: BaseException, level: int) -> None:
        self._failures += 1
        if not self._logged:
            self._since = self._monotonic()
        # By its text: one outage can begin before the previous one has ended, or turn into another.
        if str(error) in self._logged:
            return
        self._logged.add(str(error))
        logger.log(level, "%s. Events stay in the stream; work resumes by itself", error)

    def _recover(self) -> None:
        if self._logged:
            logger.info("recovered after %.1f s and %d failures", self._monotonic() - self._since, self._failures)
            self._logged.clear()
            self._failures = 0
