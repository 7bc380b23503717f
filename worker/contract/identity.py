"""Canonical forms: they decide when two texts name the same song, user or event."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from unicodedata import is_normalized, normalize

from msgspec import to_builtins
from uuid_utils import UUID, uuid5

# Generated once for zik. Changing it would turn every event without an id into a new event.
EVENT_NAMESPACE: Final = UUID("6ad2a1f6-7d4e-5cf0-9f0b-0d6f6c6b7a11")

# All white space of Unicode, for strip(), which without it also removes U+001C to U+001F. The contract keeps those.
WHITE_SPACE: Final = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)

# What keyboards and catalogues write for one another.
_APOSTROPHES: Final = "`\xb4\u02b9\u02bb\u02bc\u02bd\u02c8\u02ca\u02cb\u2018\u2019\u201a\u201b\u2032\u2035\u2039\u203a"
_QUOTES: Final = "\xab\xbb\u02ba\u201c\u201d\u201e\u201f\u2033\u2036\u301d\u301e\u301f"
_HYPHENS: Final = "\u02d7\u058a\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\u2e3a\u2e3b\ufe58\ufe63\uff0d"
# Soft hyphen, zero width, marks of direction, joiners, fillers, variation selectors. Not the tags in flags of regions.
_INVISIBLE: Final = (
    *map(ord, "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u3164\ufeff\uffa0"),
    *range(0x180B, 0x1810),
    *range(0x200B, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2070),
    *range(0xFE00, 0xFE10),
    *range(0xFFF9, 0xFFFC),
    *range(0xE0100, 0xE01F0),
)
_HIDDEN: Final = frozenset(map(chr, _INVISIBLE))
_TYPOGRAPHY: Final[Mapping[int, str | None]] = {
    **dict.fromkeys(map(ord, _APOSTROPHES), "'"),
    **dict.fromkeys(map(ord, _QUOTES), '"'),
    **dict.fromkeys(map(ord, _HYPHENS), "-"),
    **dict.fromkeys(_INVISIBLE),
}


def canonical_user(username: str) -> str:
    """Return the name in NFC, so that the spellings of two keyboards are one user."""
    return username if username.isascii() or is_normalized("NFC", username) else normalize("NFC", username)


def typed_user(username: str) -> str:
    r"""Trim and canonicalise a typed name, as the contract does.

    >>> typed_user(" Zoe\u0308\u00a0")
    'Zoë'
    """
    return canonical_user(username.strip(WHITE_SPACE))


@lru_cache(maxsize=16_384)
def canonical_title(text: str) -> str:
    r"""Return the form in which titles and artists are compared. Fixed by the event contract.

    >>> canonical_title("  The   KLF\u2122 ")
    'the klftm'
    """
    return " ".join(normalize("NFKC", text).casefold().split())


@lru_cache(maxsize=16_384)
def loose_title(text: str) -> str:
    r"""Return the form by which statistics compare: as `canonical_title`, but typography makes no difference.

    Quotes are straight, hyphens and dashes are `-`, and characters that nobody sees are left out. A text of nothing
    else keeps its canonical form.

    >>> loose_title("Guns N\u2019 Roses\u200b")
    "guns n' roses"
    """
    # Before the canonical form, which makes a space of an acute accent; and after it, which makes dashes of others.
    loose = canonical_title(text.translate(_TYPOGRAPHY)).translate(_TYPOGRAPHY)
    return " ".join(loose.split()) or canonical_title(text)


def hides_characters(*names: str) -> bool:
    """Whether a name has characters that nobody sees: of twins, another one is shown."""
    return not all(name.isascii() or _HIDDEN.isdisjoint(name) for name in names)


def song_identity(artist: str, title: str) -> str:
    """Return the song's key: 32 hex digits over the canonical artist and title, and nothing else.

    A digest, because NFKC can expand one character to eighteen, and PostgreSQL indexes keys up to 2,704 bytes.
    U+0000 separates the two: the contract refuses it in any text, so different pairs never collide.
    """
    return _digest(f"{canonical_title(artist)}\0{canonical_title(title)}")


def twin_identity(artist: str, title: str) -> str:
    """Return the key that songs share which differ only in typography: 32 hex digits over the loose forms.

    Equal to the song's own key where the names have no typography that is folded.
    """
    return _digest(f"{loose_title(artist)}\0{loose_title(title)}")


def apart_identity(identity: str) -> str:
    """Return the twin key of a song that is split from its twins: no other song has it."""
    # No artist begins with U+0000.
    return _digest(f"\0{identity}")


def artist_identity(artist: str) -> str:
    """Return the artist's key: 32 hex digits over the loose form of the name."""
    return _digest(loose_title(artist))


def album_identity(artist: str, album: str) -> str:
    """Return the album's key: 32 hex digits over artist and album, because many bands have a `Greatest Hits`."""
    return _digest(f"{loose_title(artist)}\0{loose_title(album)}")


def track_identity(song: str, album: str | None, album_artist: str | None, artists: Sequence[str]) -> str:
    """Return the track's key: 32 hex digits over the song's identity and what a client says of album and artists."""
    return _digest("\0".join((song, *map(canonical_title, (album or "", album_artist or "", *artists)))))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def derived_event_id(kind: str, user: str, subject: str, at: datetime) -> str:
    """Derive the id of an event without one: UUIDv5 over type, user, subject and instant, separated by U+0000.

    Args:
        kind: the event's `type`.
        user: its canonical user.
        subject: canonical artist and title, separated by U+0000; or a preference's key.
        at: aware; used as UTC with six decimals, so one instant written with two offsets is one event.
    """
    # A tenth of the time of isoformat(), but without decimals if all are zero.
    instant: str = to_builtins(at.astimezone(UTC))
    if not at.microsecond:
        instant = f"{instant[:-1]}.000000Z"
    return str(uuid5(EVENT_NAMESPACE, f"{kind}\0{user}\0{subject}\0{instant}"))
