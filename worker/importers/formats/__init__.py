"""Every format that zik reads. The first that recognises a file reads it."""

from typing import Final

from worker.importers.format import Format, Head, Recognised
from worker.importers.formats import (
    apple,
    deezer,
    empty,
    koito,
    lastfm,
    listenbrainz,
    maloja,
    pano,
    rockbox,
    spotify,
    table,
    tidal,
    youtube,
)

# Tables come last, because they require the least.
FORMATS: Final[tuple[Format, ...]] = (
    *spotify.FORMATS,
    *listenbrainz.FORMATS,
    *lastfm.FORMATS,
    *maloja.FORMATS,
    *koito.FORMATS,
    *rockbox.FORMATS,
    *pano.FORMATS,
    *apple.FORMATS,
    *youtube.FORMATS,
    *tidal.FORMATS,
    *deezer.FORMATS,
    *empty.FORMATS,
    *table.FORMATS,
)
HEAD_BYTES: Final = 256 * 1024
# For error texts; `described_formats` has the details.
READABLE: Final = (
    "exports of Spotify, ListenBrainz, Last.fm, Maloja, Koito, Rockbox, Pano Scrobbler, Apple Music, YouTube Music, "
    "Tidal and Deezer, and tables of plays"
)


def recognise(head: bytes) -> Recognised | None:
    """The format of a file, given its first `HEAD_BYTES`; None if no format recognises it."""
    views = Head(head)
    return next(filter(None, (known.recognise(views) for known in FORMATS)), None)


def described_formats() -> str:
    """A line for each format with what it is recognised by, for a user whose file was not recognised."""
    return "\n".join(dict.fromkeys(f"  {known.name}: {known.looks_like}" for known in FORMATS))
