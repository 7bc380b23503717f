"""Say to a listener in one sentence why an event, or a row of a file, was not recorded.

docs/events.md has the codes of events, and what helps.
"""

from collections.abc import Mapping
from typing import Final

from worker.errors import Reason
from worker.importers.rows import BROKEN_FILE, NO_ROWS, UNKNOWN_SONG

_SENTENCES: Final[Mapping[str, str]] = {
    Reason.MISSING_EVENT: "There was no event in what was sent.",
    Reason.TOO_LARGE: "It is larger than one event may be.",
    Reason.BAD_ENCODING: "It is not text in UTF-8.",
    Reason.INVALID_JSON: "It is not written as events are.",
    Reason.UNSUPPORTED_VERSION: "The player is newer than this server.",
    Reason.UNKNOWN_TYPE: "This server does not know such an event.",
    Reason.MISSING_FIELD: "Something that zik needs is missing.",
    Reason.WRONG_TYPE: "A value is of another kind than it must be, such as a text for a number.",
    Reason.INVALID_VALUE: "A value is not in the form that zik reads.",
    Reason.OUT_OF_RANGE: "A number or a time cannot be right.",
    Reason.OVER_LIMIT: "A text, or what comes with it, is too long.",
    Reason.UNKNOWN_USER: "This server did not know the listener.",
    Reason.ID_CONFLICT: "The player gave it the id of another play.",
    Reason.REFUSED_BY_DATABASE: "The database did not take it.",
    Reason.KILLS_READER: "zik itself failed at it, several times.",
    NO_ROWS: "There is nothing in the file.",
    BROKEN_FILE: "The file is damaged from there on.",
    UNKNOWN_SONG: "It is of a song that the export names nowhere.",
}
# Of the fields that players get wrong, by the field that the detail names.
_OF_FIELDS: Final[Mapping[tuple[str, str], str]] = {
    (Reason.MISSING_FIELD, "time"): "The player did not say when it was played.",
    (Reason.MISSING_FIELD, "song"): "The player did not say what was played.",
    (Reason.MISSING_FIELD, "song.title"): "The player did not say the title.",
    (Reason.MISSING_FIELD, "song.artist"): "The player did not say who the artist is.",
    (Reason.INVALID_VALUE, "time"): "The player sent a time that zik cannot read.",
    (Reason.INVALID_VALUE, "song.title"): "The player sent an empty title, or one that cannot be kept.",
    (Reason.INVALID_VALUE, "song.artist"): "The player sent an empty artist, or one that cannot be kept.",
    (Reason.OUT_OF_RANGE, "time"): "The player's clock was wrong: the time is too long ago, or still to come.",
    (Reason.OUT_OF_RANGE, "ms_played"): "The player sent a length of listening that cannot be right.",
    (Reason.OVER_LIMIT, "song.title"): "The player sent a title that is too long.",
    (Reason.OVER_LIMIT, "song.artist"): "The player sent an artist that is too long.",
}
_OF_A_LATER_RELEASE: Final = "This event broke a rule."


def sentence(reason: str, detail: str = "") -> str:
    """`reason` is a code of `Reason` or of an importer. `detail` begins with the field, where there is one.

    >>> sentence("missing_field", "time: Field required"), sentence("invalid_json", "trailing comma at line 1")
    ('The player did not say when it was played.', 'It is not written as events are.')
    """
    of_field = _OF_FIELDS.get((reason, detail.partition(":")[0]))
    return of_field or _SENTENCES.get(reason, _OF_A_LATER_RELEASE)
