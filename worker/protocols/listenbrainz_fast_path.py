"""Read common listens of ListenBrainz at less cost than `listenbrainz_listen`.

A shortcut, not a second reader: it accepts only what that one would read as the same event, and leaves everything else,
valid or not, to it. So it refuses nothing, and could be removed without a change in behaviour.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, MsgspecError, Raw, Struct
from msgspec.json import Decoder, Encoder

from worker.contract.codec import decode
from worker.contract.events import MAX_DURATION_MS, MAX_SONG_TEXT
from worker.contract.json_limits import MAX_BYTES, MAX_INTEGER
from worker.errors import InvalidEventError
from worker.protocols import values
from worker.protocols.context import MAX_ITEMS, MAX_TEXT
from worker.protocols.submission import Item, credit

_SongText = Annotated[str, Meta(min_length=1, max_length=MAX_SONG_TEXT)]
_Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
_Texts = Annotated[list[_Text], Meta(min_length=1, max_length=MAX_ITEMS)]
# Name, slash and version fit into a source.
_Client = Annotated[str, Meta(max_length=49)]
_Ms = Annotated[int, Meta(ge=0, le=MAX_DURATION_MS)]
_Seconds = Annotated[int, Meta(ge=0, le=MAX_DURATION_MS // 1000)]
_Integer = Annotated[int, Meta(ge=-MAX_INTEGER, le=MAX_INTEGER - 1)]


class _Context(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    tracknumber: _Integer | _Text | None = None
    media_player: _Text | None = None
    media_player_version: _Text | None = None
    music_service: _Text | None = None
    music_service_name: _Text | None = None
    origin_url: _Text | None = None
    tags: _Texts | None = None


# Unknown fields are forbidden because they are facts, too.
class _Info(_Context, frozen=True, forbid_unknown_fields=True, gc=False):
    artist_names: list[_Text] | None = None
    release_artist_name: _Text | None = None
    albumartist: _Text | None = None
    submission_client: _Client = ""
    submission_client_version: _Client = ""
    duration_ms: _Ms = 0
    duration: _Seconds = 0
    duration_played: _Seconds = 0
    recording_mbid: str | None = None
    artist_mbids: list[str] | None = None
    release_mbid: str | None = None
    release_group_mbid: str | None = None
    track_mbid: str | None = None
    work_mbids: list[str] | None = None


class _Metadata(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    artist_name: _SongText
    track_name: _SongText
    release_name: Annotated[str, Meta(max_length=MAX_SONG_TEXT)] | None = None
    additional_info: _Info = _Info()


class _Listen(Struct, frozen=True, gc=False):
    listened_at: Annotated[int, Meta(ge=0, lt=values.FIRST_MILLISECONDS)]
    track_metadata: _Metadata


class CommonRequest(Struct, frozen=True, gc=False):
    """A request with listens, each as its JSON."""

    listen_type: Literal["single", "import"]
    payload: Annotated[list[Raw], Meta(min_length=1)]


class _Song(Struct, frozen=True, omit_defaults=True, gc=False):
    title: str
    artist: str
    album: str = ""
    duration_ms: int = 0
    ids: dict[str, str] | None = None
    artists: list[str] | None = None
    album_artist: str = ""


class _Play(Struct, frozen=True, omit_defaults=True, tag_field="type", tag="play", gc=False):
    user: str
    song: _Song
    time: datetime
    source: str = ""
    ms_played: int = 0
    context: _Context | None = None


_request: Final = Decoder(CommonRequest).decode
_listen: Final = Decoder(_Listen).decode
_encode: Final = Encoder().encode
_NOTHING: Final[Mapping[str, Any]] = {}
_NO_CONTEXT: Final = _Context()


def common_request(body: bytes) -> CommonRequest | None:
    """A `single` or `import` of the documented form; None leaves the request to the tolerant reader."""
    try:
        return _request(body)
    except (MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def common_play(listen: bytes | Raw, *, user: str, now: datetime) -> Item | None:
    """The play of a listen exactly as the tolerant reader would have it; None leaves the listen to that."""
    try:
        sent = _listen(listen)
    except (MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    info = sent.track_metadata.additional_info
    ids = _ids(info)
    if ids is None or not _is_plain(info):
        return None
    payload = _encode(_play(sent, info, ids, user))
    # A context in a payload of this size is within its limit, too. NUL is cleaned away elsewhere.
    if len(payload) > MAX_BYTES or b"\\u0000" in payload:
        return None
    try:
        return Item(payload, decode(payload, now=now), None)
    except InvalidEventError:
        return None


def _is_plain(info: _Info) -> bool:
    """Whether name and version of the client need no trimming, and no player has to stand for a nameless client."""
    client, version = info.submission_client, info.submission_client_version
    return client == client.strip() and version == version.strip() and (client != "" or not info.media_player)


def _play(sent: _Listen, info: _Info, ids: dict[str, str], user: str) -> _Play:
    metadata = sent.track_metadata
    client, version = info.submission_client, info.submission_client_version
    album_artist = values.optional(info.release_artist_name, MAX_SONG_TEXT) or info.albumartist
    return _Play(
        user,
        _Song(
            metadata.track_name,
            metadata.artist_name,
            (metadata.release_name or "").strip(),
            info.duration_ms or info.duration * 1000,
            ids or None,
            **(credit(info.artist_names, album_artist) if info.artist_names or album_artist else _NOTHING),
        ),
        datetime.fromtimestamp(sent.listened_at, UTC),
        f"{client}/{version}" if client and version else client,
        info.duration_played * 1000,
        _context(info),
    )


def _context(info: _Info) -> _Context | None:
    context = _Context(
        info.tracknumber,
        info.media_player,
        info.media_player_version,
        info.music_service,
        info.music_service_name,
        info.origin_url,
        info.tags,
    )
    return None if context == _NO_CONTEXT else context


def _ids(info: _Info) -> dict[str, str] | None:
    """The MBIDs by their names in `song.ids`; None if one has not the usual form."""
    ids = {}
    for name, sent in (
        ("mbid", info.recording_mbid),
        ("artist_mbid", info.artist_mbids[0] if info.artist_mbids else None),
        ("release_mbid", info.release_mbid),
        ("release_group_mbid", info.release_group_mbid),
        ("track_mbid", info.track_mbid),
        ("work_mbid", info.work_mbids[0] if info.work_mbids else None),
    ):
        if sent:
            if not values.is_uuid(sent):
                return None
            ids[name] = sent
    return ids
