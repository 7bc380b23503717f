"""Canonical forms: when two texts mean the same song, user or event."""

import hashlib
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from unicodedata import is_normalized, normalize

from uuid_utils import UUID, uuid5

# Made once, for zik alone. Changing it would make every event without an id a new event.
EVENT_NAMESPACE: Final = UUID("6ad2a1f6-7d4e-5cf0-9f0b-0d6f6c6b7a11")

# U+001C to U+001F are white space to Python's strip(), but to the contract a part of the name.
_OUTER_SPACE: Final = re.compile(r"\A[^\S\x1c-\x1f]+|[^\S\x1c-\x1f]+\Z")


def canonical_user(username: str) -> str:
    """NFC, so that two keyboards' spellings of one name are one user."""
    return username if username.isascii() or is_normalized("NFC", username) else normalize("NFC", username)


def typed_user(username: str) -> str:
    r"""The user whom a person means by a name as they typed it: trimmed and canonical, as the contract records one.

    >>> typed_user(" Zoe\u0308\u00a0")
    'Zoë'
    """
    return canonical_user(_OUTER_SPACE.sub("", username))


@lru_cache(maxsize=16_384)
def canonical_title(text: str) -> str:
    r"""The form in which titles and artists are compared. Fixed by the event contract.

    >>> canonical_title("  The   KLF\u2122 ")
    'the klftm'
    """
    return " ".join(normalize("NFKC", text).casefold().split())


def song_identity(artist: str, title: str) -> str:
    """The song's key: 32 hex digits over the canonical artist and title, and nothing else.

    A digest, because NFKC can make eighteen characters of one, and PostgreSQL indexes no key beyond 2,704 bytes.
    U+0000 separates the two: the contract refuses it in any text, so no two pairs can run together.
    """
    return _digest(f"{canonical_title(artist)}\0{canonical_title(title)}")


def artist_identity(artist: str) -> str:
    """What tells artists apart, in 32 hex digits: the canonical name."""
    return _digest(canonical_title(artist))


def album_identity(artist: str, album: str) -> str:
    """What tells albums apart, in 32 hex digits: canonical artist and album. Many bands have a `Greatest Hits`."""
    return _digest(f"{canonical_title(artist)}\0{canonical_title(album)}")


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def derived_event_id(kind: str, user: str, subject: str, at: datetime) -> str:
    """The id of an event that came without one: UUIDv5 over type, user, subject and instant, parted by U+0000.

    Args:
        kind: the event's `type`.
        user: its canonical user.
        subject: canonical artist and title, parted by U+0000; or a preference's key.
        at: aware; enters as UTC with six decimals, so one instant written with two offsets is one event.
    """
    instant = at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    return str(uuid5(EVENT_NAMESPACE, f"{kind}\0{user}\0{subject}\0{instant}"))
