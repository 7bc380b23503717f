"""The wire contract, version 1: the fields of each event, and the rule of each field.

It is the source of the JSON Schema and of every reason to refuse. worker/contract/reader.py repeats the rules, to read
what is valid faster.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    GetPydanticSchema,
    StringConstraints,
    TypeAdapter,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import no_info_after_validator_function, str_schema

from worker.contract import events
from worker.contract.events import (
    MAX_ARTISTS,
    MAX_DURATION_MS,
    MAX_ID_NAME,
    MAX_ID_VALUE,
    MAX_IDS,
    MAX_SONG_TEXT,
    MAX_SOURCE,
    MAX_USER,
    VERSION,
    Event,
    Moment,
    parse_moment,
)
from worker.contract.identity import canonical_title, canonical_user, derived_event_id
from worker.contract.json_limits import check_free_json, check_free_object
from worker.contract.timezones import RULE, TIMEZONE, can_be_timezone
from worker.errors import Reason

_HOUR_MINUTE = "([01][0-9]|2[0-3]):[0-5][0-9]"
RFC_3339: Final = (
    rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[Tt]{_HOUR_MINUTE}:[0-9]{{2}}(\.[0-9]{{1,9}})?([Zz]|[+-]{_HOUR_MINUTE})$"
)
UUID: Final = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
KEY: Final = r"^[a-z][a-z0-9_.-]{0,63}$"
NIL: Final = "00000000-0000-0000-0000-000000000000"


def _moment(text: str) -> Moment:
    try:
        return parse_moment(text)
    except ValueError as error:
        raise PydanticCustomError(Reason.INVALID_VALUE.value, "must be a date and a time that exist") from error
    except OverflowError as error:
        raise PydanticCustomError(Reason.OUT_OF_RANGE.value, "must be a time within the years 1 to 9999") from error


def _refuse_nil(event_id: str) -> str:
    if event_id == NIL:
        raise PydanticCustomError(Reason.INVALID_VALUE.value, "must not be the nil UUID")
    return event_id


def _user(username: str) -> str:
    canonical = canonical_user(username)
    if len(canonical) > MAX_USER:
        raise PydanticCustomError(Reason.OVER_LIMIT.value, "must have at most 64 characters in NFC")
    return canonical


def _preference(value: Any, info: ValidationInfo) -> Any:
    """Refuse a timezone that is none: its listener's days would be those of UTC."""
    if info.data.get("key") == TIMEZONE and value is not None and not can_be_timezone(value):
        raise PydanticCustomError(Reason.INVALID_VALUE.value, RULE)
    return value


def _text(most: int) -> StringConstraints:
    return StringConstraints(strip_whitespace=True, min_length=1, max_length=most)


EventId = Annotated[
    str,
    StringConstraints(pattern=UUID, to_lower=True),
    AfterValidator(_refuse_nil),
    Field(json_schema_extra={"format": "uuid"}),
]
EventTime = Annotated[
    Moment,
    # Refuses looser forms, such as epoch numbers and naive times, before Python parses anything.
    GetPydanticSchema(lambda _, __: no_info_after_validator_function(_moment, str_schema(pattern=RFC_3339))),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": RFC_3339}),
]
DurationMs = Annotated[int, Field(ge=1, le=MAX_DURATION_MS)]
# Python's split(), which makes the song's identity, treats U+001C to U+001F as white space; the trimming does not.
Text = Annotated[str, _text(MAX_SONG_TEXT), StringConstraints(pattern=r"[^\s\x1c-\x1f]")]
OptionalText = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_SONG_TEXT)]
Artists = Annotated[list[Text], Field(min_length=1, max_length=MAX_ARTISTS), AfterValidator(tuple)]
Ids = Annotated[
    dict[Annotated[str, _text(MAX_ID_NAME)], Annotated[str, _text(MAX_ID_VALUE)]], Field(max_length=MAX_IDS)
]


def _published_name(name: str) -> str:
    """`Play` of `WirePlay`: the schema's readers know only one kind of play."""
    return name.removeprefix("Wire")


class _Wire(BaseModel):
    """Frozen and strict about types. Unknown fields are ignored, so that clients may be newer than workers."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="ignore", model_title_generator=lambda model: _published_name(model.__name__)
    )


class WireSongRef(_Wire):
    """A song as the client names it. Artist and title are its identity; the other fields are facts of one event."""

    title: Text
    artist: Text
    album: OptionalText | None = None
    duration_ms: DurationMs | None = None
    ids: Ids | None = None
    artists: Artists | None = None
    album_artist: OptionalText | None = None


class _WireEvent(_Wire):
    v: Annotated[int, Field(ge=1, le=VERSION)] = VERSION
    time: EventTime
    user: Annotated[str, _text(MAX_USER), AfterValidator(_user)]
    source: Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_SOURCE)] | None = None
    # When the client sent the event, by the same clock as `time`.
    sent_at: EventTime | None = None


def song_event_id(kind: str, user: str, song: "WireSongRef | events.SongRef", time: Moment) -> str:
    """Derive the id of a play or a favorite without one."""
    subject = f"{canonical_title(song.artist)}\0{canonical_title(song.title)}"
    return derived_event_id(kind, user, subject, time.at)


# pydantic 2.11 asks for the id of an event that lacks a field, too. It refuses that event for the field.


def _song_event_id(fields: dict[str, Any]) -> str:
    if not fields.keys() >= {"user", "song", "time"}:
        return NIL
    return song_event_id(fields["type"], fields["user"], fields["song"], fields["time"])


def _preference_id(fields: dict[str, Any]) -> str:
    if not fields.keys() >= {"user", "key", "time"}:
        return NIL
    return derived_event_id(fields["type"], fields["user"], fields["key"], fields["time"].at)


# `id` is last in each event, because a derived id needs the fields before it.


class WirePlay(_WireEvent):
    """A song was played; `time` is when listening began."""

    type: Literal["play"]
    song: WireSongRef
    ms_played: Annotated[int, Field(ge=0, le=MAX_DURATION_MS)] | None = None
    context: Annotated[dict[str, Any], AfterValidator(check_free_object)] | None = None
    id: EventId = Field(default_factory=_song_event_id)


class WireFavorite(_WireEvent):
    """A song became a favorite, or stopped being one."""

    type: Literal["favorite"]
    song: WireSongRef
    favorite: bool
    id: EventId = Field(default_factory=_song_event_id)


class WirePreference(_WireEvent):
    """A user set a preference; `null` clears it."""

    type: Literal["preference"]
    key: Annotated[str, StringConstraints(pattern=KEY)]
    value: Annotated[Any, AfterValidator(check_free_json), AfterValidator(_preference)]
    id: EventId = Field(default_factory=_preference_id)


_CONTRACT: Final[TypeAdapter[WirePlay | WireFavorite | WirePreference]] = TypeAdapter(
    Annotated[WirePlay | WireFavorite | WirePreference, Discriminator("type")]
)
_RECORDS: Final = {record.type: record for record in (events.PlayEvent, events.FavoriteEvent, events.PreferenceEvent)}
_ONLY_ON_THE_WIRE: Final = frozenset({"v", "type"})


def validate(text: str) -> Event:
    """Read an event from JSON by all rules that need nothing but the event.

    Raises:
        pydantic.ValidationError: the text breaks a rule.
    """
    # Skips the adapter's own method, which spends half a microsecond on its arguments.
    return _accepted(_CONTRACT.validator.validate_json(text))


def _accepted(event: WirePlay | WireFavorite | WirePreference) -> Event:
    """Convert to the event that the rest of zik uses; its fields have the same names."""
    fields = {name: value for name, value in event if name not in _ONLY_ON_THE_WIRE}
    if not isinstance(event, WirePreference):
        fields["song"] = events.SongRef(**dict(event.song))
    return _RECORDS[event.type](**fields)


class _PublishedSchema(GenerateJsonSchema):
    def normalize_name(self, name: str) -> str:
        return _published_name(super().normalize_name(name))


def json_schema() -> Mapping[str, Any]:
    """Return the contract as JSON Schema 2020-12. Sizes in bytes and rules about the clock are only in the docs."""
    schema = _CONTRACT.json_schema(schema_generator=_PublishedSchema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:zik:event:1",
        "title": "zik event, version 1",
        **schema,
    }
