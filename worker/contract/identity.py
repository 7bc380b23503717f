"""Canonical forms: they decide when two texts name the same song, user or event."""

import hashlib
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from unicodedata import is_normalized, normalize

from msgspec import to_builtins
from uuid_utils import UUID, uuid5

# Generated once for zik. Changing it would turn every event without an id into a new event.
EVENT_NAMESPACE: Final = UUID("6ad2a1f6-7d4e-5cf0-9f0b-0d6f6c6b7a11")

# Python's strip() also removes U+001C to U+001F; the contract keeps them as part of the name.
_OUTER_SPACE: Final = re.compile(r"\A[^\S\x1c-\x1f]+|[^\S\x1c-\x1f]+\Z")


def canonical_user(username: str) -> str:
    """Return the name in NFC, so that the spellings of two keyboards are one user."""
    return username if username.isascii() or is_normalized("NFC", username) else normalize("NFC", username)


def trimmed(text: str) -> str:
    """Remove outer white space, as the contract does."""
    shorter = text.strip()
    return text if len(shorter) == len(text) else _OUTER_SPACE.sub("", text)


def typed_user(username: str) -> str:
    r"""Trim and canonicalise a typed name, as the contract does.

    >>> typed_user(" Zoe\u0308\u00a0")
    'Zoë'
    """
    return canonical_user(trimmed(username))


@lru_cache(maxsize=16_384)
def canonical_title(text: str) -> str:
    r"""Return the form in which titles and artists are compared. Fixed by the event contract.

    >>> canonical_title("  The   KLF\u2122 ")
    'the klftm'
    """
    return " ".join(normalize("NFKC", text).casefold().split())


def song_identity(artist: str, title: str) -> str:
    """Return the song's key: 32 hex digits over the canonical artist and title, and nothing else.

    A digest, because NFKC can expand one character to eighteen, and PostgreSQL indexes keys up to 2,704 bytes.
    U+0000 separates the two: the contract refuses it in any text, so different pairs never collide.
    """
    return _digest(f"{canonical_title(artist)}\0{canonical_title(title)}")


def artist_identity(artist: str) -> str:
    """Return the artist's key: 32 hex digits over the canonical name."""
    return _digest(canonical_title(artist))


def album_identity(artist: str, album: str) -> str:
    """Return the album's key: 32 hex digits over artist and album, because many bands have a `Greatest Hits`."""
    return _digest(f"{canonical_title(artist)}\0{canonical_title(album)}")


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
