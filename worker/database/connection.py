"""Give up a PostgreSQL server that accepts statements and never answers.

The kernel of a frozen server still acknowledges packets, so keepalives do not notice; a Unix socket has none at all.
"""

from typing import Any, Final

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.pq import TransactionStatus

_POLL_S: Final = 0.1


class TimeoutConnection(psycopg.Connection[Any]):
    """A connection that waits at most `silent_for_s` for each answer; None lifts the limit.

    Longer than the server's own `statement_timeout`, so that a running server is the first to give up.
    """

    silent_for_s: float | None = None

    def wait(self, gen: PQGen[RV], interval: float = _POLL_S, timeout: float | None = None) -> RV:
        limit_s = timeout or self.silent_for_s
        try:
            return super().wait(gen, interval, limit_s)
        except psycopg.OperationalError:
            # An error from the server would have ended the statement.
            if timeout is None and self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.close()
                raise psycopg.OperationalError(f"the server has not answered for {limit_s} s") from None
            raise
