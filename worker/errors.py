"""Every error that zik raises on purpose, as a tree: its three bases say what the caller does next.

ZikError
├── RetryableError             wait, then try again: nothing is lost, and nothing is buried
│   ├── StreamUnavailableError
│   │   └── StreamFullError
│   ├── DatabaseUnavailableError
│   └── WorkerUnfitError
├── OperatorError              stop until someone has changed something: every entry stays
│   ├── SettingsError
│   ├── StreamMisusedError
│   ├── DatabaseMisusedError
│   ├── NotDurableError
│   ├── OutboxError
│   └── UnreadableFileError
└── RejectedError              this input fails however often it is tried: bury it, skip it or correct it
    ├── InvalidEventError
    ├── RowRefusedError
    ├── NoSongError
    ├── RowTooLargeError
    ├── UnknownUserError
    ├── PlayNotFoundError
    ├── PlayTakenError
    ├── TokenRefusedError
    │   ├── TokenNameTakenError
    │   └── UnknownTokenError
    ├── MalformedRequestError
    ├── EventDroppedError
    └── ClientClosedError
"""

from collections.abc import Sequence
from enum import StrEnum, unique
from uuid import UUID

from worker.escaping import printable


@unique
class Reason(StrEnum):
    """Why an event is a dead letter. Users may rely on these codes: none is ever renamed or reused."""

    MISSING_EVENT = "missing_event"  # the stream entry has no field `event`
    TOO_LARGE = "too_large"  # the event is over 16 KiB
    BAD_ENCODING = "bad_encoding"  # not UTF-8; a byte order mark is refused too
    INVALID_JSON = "invalid_json"  # not one JSON text, or one with lone surrogates
    UNSUPPORTED_VERSION = "unsupported_version"  # `v` is newer than this worker; retry after an upgrade
    UNKNOWN_TYPE = "unknown_type"  # this worker knows no such `type`; retry after an upgrade
    MISSING_FIELD = "missing_field"  # a required field is absent
    WRONG_TYPE = "wrong_type"  # a value has another JSON type than the contract's
    INVALID_VALUE = "invalid_value"  # the right type, but not the required form
    OUT_OF_RANGE = "out_of_range"  # a number or a time outside its bounds
    OVER_LIMIT = "over_limit"  # text, free JSON or nesting beyond its limit
    UNKNOWN_USER = "unknown_user"  # ZIK_UNKNOWN_USERS=reject, and the user does not exist
    ID_CONFLICT = "id_conflict"  # the user has given the id to another play, which is recorded
    REFUSED_BY_DATABASE = "refused_by_database"  # the database refuses the row, even alone in its transaction
    KILLS_READER = "kills_reader"  # every process that tried to record it died or hit a bug


class ZikError(Exception):
    """Any error that zik raises on purpose. Its text tells the reader what to do.

    `way_out` is that part of the text, where it is known, and `found` the rest.
    """

    def __init__(self, found: str, *, way_out: str = "") -> None:
        super().__init__(f"{found}: {way_out}" if way_out else found)
        self.found = found
        self.way_out = way_out


class RetryableError(ZikError):
    """The surroundings cannot do it now: wait, then try again. Nothing is lost, and nothing may be buried."""


class OperatorError(ZikError):
    """No retry helps until someone has changed something: stop, and keep every entry."""


class RejectedError(ZikError):
    """The input itself is at fault: bury it, skip it or correct it. Its neighbours are not affected."""


# --- Retry ---------------------------------------------------------------------------------------


class StreamUnavailableError(RetryableError):
    """Redis, or the server in front of it, is away, loading, or refuses the command.

    `retry_after_s` is how long it asks not to be tried again; 0 if it does not say.
    """

    def __init__(self, found: str, *, way_out: str = "", retry_after_s: float = 0.0) -> None:
        super().__init__(found, way_out=way_out)
        self.retry_after_s = retry_after_s


class StreamFullError(StreamUnavailableError):
    """Redis has reached `maxmemory`, or the stream `ZIK_MAX_WAITING`: publish again when workers have drained it."""


class DatabaseUnavailableError(RetryableError):
    """The database cannot take the batch now, whatever is in it.

    `is_locked` is true where the database is up, and only another transaction was in the way.
    """

    def __init__(self, found: str, *, way_out: str = "", is_locked: bool = False) -> None:
        super().__init__(found, way_out=way_out)
        self.is_locked = is_locked


class WorkerUnfitError(RetryableError):
    """This worker can judge or record no event now, whichever it is: its clock is wrong, or it meets a bug each time.

    The text is the same for one cause, so that a lasting one is logged once.
    """


# --- Ask an operator -----------------------------------------------------------------------------


class SettingsError(OperatorError):
    """A setting has a wrong value. The text is one line, names the variable or argument and shows no secret."""


class StreamMisusedError(OperatorError):
    """The stream's key holds something that is not a stream."""


class DatabaseMisusedError(OperatorError):
    """The database, its schema or the permissions do not fit this version of zik."""


class NotDurableError(OperatorError):
    """Redis cannot promise that an event is on its disk: change the server, or publish without `durable`."""


class OutboxError(OperatorError):
    """The outbox cannot be opened, read or written. The text names the file and the way out."""


class UnreadableFileError(OperatorError):
    """The file cannot be imported as it is. The text names the file and the reason."""


# --- Reject the input ----------------------------------------------------------------------------


class InvalidEventError(RejectedError):
    """The event can never be recorded as it is: a worker buries it, a client corrects it.

    `detail` names the field and the rule, never the value.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class RowRefusedError(RejectedError):
    """The database refuses a row of the batch for its content: bisect until that row stands alone."""


class NoSongError(RejectedError):
    """A row of an export is about something other than a song, such as a podcast."""


class RowTooLargeError(RejectedError):
    """A row of an export is larger than any real one."""


class UnknownUserError(RejectedError):
    """zik has recorded no event of this user: correct the name, or wait until the user's events are recorded."""

    def __init__(self, username: str) -> None:
        super().__init__(
            f"unknown user '{printable(username)}': names are case-sensitive, and a user exists from their first "
            "recorded event on (`zik users` lists them, `zik status` shows what is still waiting)"
        )
        self.username = username


class PlayNotFoundError(RejectedError):
    """The user has no play with this id that counts."""

    def __init__(self, play_id: UUID) -> None:
        super().__init__(f"there is no play {play_id}: see `zik plays list`, or `zik plays restore` if it is deleted")
        self.play_id = play_id


class PlayTakenError(RejectedError):
    """Another play of the user is recognised by the same moment and song. `play_id` is the other one."""

    def __init__(self, play_id: UUID) -> None:
        super().__init__(
            f"play {play_id} has this moment and song, or had it before a correction: delete this play instead, or "
            "restore the other one"
        )
        self.play_id = play_id


class MergeRefusedError(RejectedError):
    """Songs or artists cannot be merged or split as asked. Nothing was changed."""


class SongNotFoundError(RejectedError):
    """No song has these names."""

    def __init__(self, artist: str, title: str) -> None:
        super().__init__(
            f"unknown song '{printable(title)}' by '{printable(artist)}': the artist comes first, and a song exists "
            "from its first recorded event on (`zik top songs` has the names)"
        )


class ArtistNotFoundError(RejectedError):
    """No song has an artist of this name."""

    def __init__(self, artist: str) -> None:
        super().__init__(
            f"unknown artist '{printable(artist)}': an artist exists from their first recorded play on (`zik top "
            "artists` has the names)"
        )


class TokenRefusedError(RejectedError):
    """What was asked about a token cannot be done."""


class TokenNameTakenError(TokenRefusedError):
    """The user has a token of that name: names tell players apart, so that one of them can be revoked."""

    def __init__(self, username: str, name: str) -> None:
        super().__init__(
            f"'{printable(username)}' has a token named '{printable(name)}' already",
            way_out="choose another --name, or revoke that one; `zik token list` has its id",
        )


class UnknownTokenError(TokenRefusedError):
    """There is no token of these ids, and nothing was changed."""

    def __init__(self, token_ids: Sequence[int]) -> None:
        numbers = ", ".join(map(str, token_ids))
        super().__init__(f"there is no token {numbers}; none was revoked", way_out="see `zik token list`")


class MalformedRequestError(RejectedError):
    """An HTTP request is not one of its protocol, so that nothing of it can be read. The text does not quote it."""


class EventDroppedError(RejectedError):
    """The client had no room for an event, or no time to send it, or the server refuses it for good.

    It is lost unless the caller has kept it.

    `event_ids` are those of the dropped events.
    """

    def __init__(self, event_ids: list[str], why: str) -> None:
        super().__init__(f"{len(event_ids):,} {'event' if len(event_ids) == 1 else 'events'} dropped: {why}")
        self.event_ids = event_ids


class ClientClosedError(RejectedError):
    """The client has been closed: make another one."""
