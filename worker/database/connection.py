"""A connection to PostgreSQL that gives up a server which takes its statements and never answers.

The kernel of a frozen server still confirms what arrives, so no keepalive notices; and a Unix socket has none.
"""

from typing import Any, Final

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.pq import TransactionStatus

_LOOK_UP_S: Final = 0.1


class TimeoutConnection(psycopg.Connection[Any]):
    """`silent_for_s` bounds the wait for each answer; None lifts the limit.

    It should be longer than the server's own `statement_timeout`, so that a server that lives is the one to give up.
    """

    silent_for_s: float | None = None

    def wait(self, gen: PQGen[RV], interval: float = _LOOK_UP_S, timeout: float | None = None) -> RV:
        limit_s = timeout or self.silent_for_s
        try:
            return super().wait(gen, interval, limit_s)
        except psycopg.OperationalError:
            # An error that came from the server would have ended the statement.
            if timeout is None and self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.close()
                raise psycopg.OperationalError(f"the server has said nothing for {limit_s} s") from None
            raise
