"""Why a request is not served: a status, a sentence, and when to try again. Each protocol has its own format for it."""

from typing import Final

from worker.errors import MalformedRequestError, RetryableError, StreamFullError, UnknownUserError, ZikError

# Long enough for a restart of Redis, short enough that a player's queue does not grow for long.
RETRY_AFTER_S: Final = 5
_RETRY_AFTER_FULL_S: Final = 30


class RequestRefusedError(Exception):
    """The request as a whole is not served, and nothing of it counts as accepted.

    `retry_after_s` is set where the same request may succeed later. Such a refusal is a 503 or a 429: several players
    delete a play that is answered with another 4xx.
    """

    def __init__(self, status: int, text: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.retry_after_s = retry_after_s

    @property
    def headers(self) -> dict[str, str]:
        """What tells a client when to come back, in the two ways that clients read."""
        if self.retry_after_s is None:
            return {}
        seconds = str(self.retry_after_s)
        return {"retry-after": seconds, "x-ratelimit-reset-in": seconds}


def busy(text: str = "too many requests at once: try again later") -> RequestRefusedError:
    return RequestRefusedError(503, text, retry_after_s=RETRY_AFTER_S)


def refusal_of(error: ZikError) -> RequestRefusedError:
    """What zik's error means to a client. A fault of a server behind this one is always a 503."""
    if isinstance(error, MalformedRequestError):
        return RequestRefusedError(400, str(error))
    if isinstance(error, UnknownUserError):
        return RequestRefusedError(404, "zik knows no user of this name")
    if isinstance(error, StreamFullError):
        text = "too many events wait to be recorded: try again later"
        return RequestRefusedError(503, text, retry_after_s=_RETRY_AFTER_FULL_S)
    if isinstance(error, RetryableError):
        return RequestRefusedError(503, "a server that zik needs is away: try again later", retry_after_s=RETRY_AFTER_S)
    text = "zik cannot store events until its operator has acted: try again later"
    return RequestRefusedError(503, text, retry_after_s=_RETRY_AFTER_FULL_S)
