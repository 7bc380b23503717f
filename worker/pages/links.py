"""The addresses of pages. Those of a listener are relative to `home`, which each of their pages names as its base."""

import re
from datetime import date
from typing import Final
from urllib.parse import quote, urlencode
from uuid import UUID

from worker.contract.identity import album_identity, artist_identity, song_identity

# What a server, a proxy or a browser could read as the end of a part of the path.
_ENCODED: Final = re.compile(r"[~/\\%]")
_CODE: Final = re.compile(r"~([0-9A-F]{2})")
# What a path and query may have as it is.
_PATH_AND_QUERY: Final = "/?&=%~:+,;@!$'()*"


def home(username: str) -> str:
    """The address of a listener's profile, and the base of their other pages.

    >>> home("ada"), home("AC/DC")
    ('/u/ada/', '/u/AC~2FDC/')
    """
    # Dots alone mean "here" and "one up", however they are percent-encoded.
    encoded = re.compile(r"\.") if set(username) == {"."} else _ENCODED
    return f"/u/{quote(encoded.sub(lambda found: f'~{ord(found[0]):02X}', username), safe='')}/"


def user_of(part: str) -> str:
    """The user that a part of a path names, percent-decoded.

    >>> user_of("AC~2FDC")
    'AC/DC'
    """
    return _CODE.sub(lambda found: chr(int(found[1], 16)), part)


def local(path: str) -> str | None:
    r"""A path and query of this server, as they may stand in a redirect; None for what a browser could read otherwise.

    >>> local("/u/ada/top/songs?period=week"), local("/u/\xfc"), local("//elsewhere.example"), local("https:x")
    ('/u/ada/top/songs?period=week', '/u/%C3%BC', None, None)
    """
    # A backslash, which browsers read as a slash, and control characters, which they skip, become percent-encoded.
    written = quote(path, safe=_PATH_AND_QUERY)
    return written if written.startswith("/") and not written.startswith("//") else None


def day(at: date, page: int = 1) -> str:
    return f"day/{at.isoformat()}" + (f"?page={page}" if page > 1 else "")


def subject(kind: str, identity: UUID) -> str:
    """The page of a song, artist or album, as questions identify it."""
    return f"{kind}/{identity.hex}"


def song(artist: str, title: str) -> str:
    return f"song/{song_identity(artist, title)}"


def artist(name: str) -> str:
    return f"artist/{artist_identity(name)}"


def album(by: str, title: str) -> str:
    return f"album/{album_identity(by, title)}"


def left_out() -> str:
    """What a listener leaves out of their statistics."""
    return "left-out"


def top(subject: str, period: str, at: date | None = None) -> str:
    """The favourites of a period: the one with the day `at`, or the current one."""
    asked = {"period": period} | ({"at": at.isoformat()} if at else {})
    return f"top/{subject}s?{urlencode(asked)}"
