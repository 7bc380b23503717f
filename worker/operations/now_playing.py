"""Read what a user plays now, as the HTTP door has stored it in Redis."""

import msgspec


class NowPlaying(msgspec.Struct, frozen=True):
    """The song, and since when it plays, as its player or the door said: RFC 3339."""

    song: "SongNames"
    source: str | None = None
    since: str | None = None


class SongNames(msgspec.Struct, frozen=True):
    artist: str
    title: str


def read_now_playing(value: bytes | None) -> NowPlaying | None:
    """None where nothing plays, and for a value that is not the door's."""
    if value is None:
        return None
    try:
        return msgspec.json.decode(value, type=NowPlaying)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
