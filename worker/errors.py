"""What can go wrong, classed by what the caller does next: bury the event, wait, or stop."""

from enum import StrEnum, unique


@unique
class Reason(StrEnum):
    """Why an event is a dead letter. Users may rely on these codes: none is ever renamed or reused."""

    MISSING_EVENT = "missing_event"  # the stream entry has no field `event`
    TOO_LARGE = "too_large"  # the event is over 16 KiB
    BAD_ENCODING = "bad_encoding"  # not UTF-8 (UTF-16 and a byte order mark are not, either)
    INVALID_JSON = "invalid_json"  # not one JSON text, or one with lone surrogates
    UNSUPPORTED_VERSION = "unsupported_version"  # `v` is newer than this worker; retry after an upgrade
    UNKNOWN_TYPE = "unknown_type"  # `type` is none that this worker knows; retry after an upgrade
    MISSING_FIELD = "missing_field"  # a required field is absent
    WRONG_TYPE = "wrong_type"  # a value has another JSON type than the contract's
    INVALID_VALUE = "invalid_value"  # the right type, but not of the required form
    OUT_OF_RANGE = "out_of_range"  # a number or a time outside its bounds
    OVER_LIMIT = "over_limit"  # text, free JSON or nesting beyond its limit
    UNKNOWN_USER = "unknown_user"  # ZIK_UNKNOWN_USERS=reject, and the user was never seen
    REFUSED_BY_DATABASE = "refused_by_database"  # the database refuses the row, also when it stands alone
    KILLS_READER = "kills_reader"  # every process that tried to record it died of it, or met a bug of ours


class ZikError(Exception):
    """Any error that zik raises on purpose. Its text tells the reader what to do."""


class InvalidEventError(ZikError):
    """The event can never be recorded as it is: bury it (worker) or correct it (client).

    `detail` names the field and the rule, never the value.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class SettingsError(ZikError):
    """A setting has a wrong value: stop. The text is one line, names the variable and shows no secret."""


class StreamUnavailableError(ZikError):
    """Redis is away, loading, or refuses the command: wait, then try again. No entry is lost."""


class StreamFullError(StreamUnavailableError):
    """Redis has reached `maxmemory`: publishing must wait until the workers have drained the stream."""


class StreamMisusedError(ZikError):
    """The stream's key holds something that is not a stream: stop until an operator has looked."""


class DatabaseUnavailableError(ZikError):
    """The database cannot take the batch now, whatever is in it: wait, then try again. Bury nothing.

    `is_locked` where it is there, and only another transaction was in the way.
    """

    def __init__(self, text: str, *, is_locked: bool = False) -> None:
        super().__init__(text)
        self.is_locked = is_locked


class DatabaseMisusedError(ZikError):
    """The schema or the permissions do not fit the code: stop draining and keep every entry."""


class RowRefusedError(ZikError):
    """The database refuses a row of the batch for its content: bisect until that row stands alone."""


class NotDurableError(ZikError):
    """Redis cannot promise that an event is on its disk: change the server, or publish without `durable`."""


class OutboxError(ZikError):
    """The outbox cannot be opened, read or written: the text names the file and the way out."""


class ClientClosedError(ZikError):
    """The client has been closed: make another one."""


class EventDroppedError(ZikError):
    """The client had no room for an event, or no time to send it. It is gone unless the caller has kept it.

    `event_ids` are those of the dropped events.
    """

    def __init__(self, event_ids: list[str], why: str) -> None:
        super().__init__(f"{len(event_ids):,} {'event' if len(event_ids) == 1 else 'events'} dropped: {why}")
        self.event_ids = event_ids
