"""Check what two old protocols prove instead of sending the token, and make session keys that need no store.

A player of AudioScrobbler 1.2 proves md5(md5(token) + time), one of Last.fm 2.0 md5(user + md5(token)); so the server
has to keep md5(token). A session key is an HMAC under it: it ends with the token, and every process can check it.
https://www.last.fm/api/submissions (handshake), https://www.last.fm/api/mobileauth.
"""

import hashlib
import hmac
import re
from typing import Final

_MESSAGE: Final = b"session"
_is_key: Final = re.compile(r"[0-9a-f]{32}").fullmatch


def md5(text: str) -> str:
    """In 32 hex digits. Of what players send, not of what zik keeps secret: a token has 122 random bits."""
    return hashlib.md5(text.encode(errors="replace"), usedforsecurity=False).hexdigest()


def proves_audioscrobbler(proof: str, *, stored: str, time: str) -> bool:
    """Whether a handshake's `a` was made of the token whose MD5 is `stored`, and of its `t`."""
    return _equal(proof, md5(stored + time))


def proves_lastfm(proof: str, *, stored: str, user: str) -> bool:
    """Whether an `authToken` was made of the token whose MD5 is `stored`, and of the user name that came with it."""
    return _equal(proof, md5(user + stored))


def session_key(token_id: int, stored: str) -> str:
    """The key of every session of a token: 8 hex digits of its id, and 24 that only its MD5 gives."""
    mac = hmac.new(stored.encode(), _MESSAGE, hashlib.sha256).hexdigest()
    return f"{token_id:08x}{mac[:24]}"


def token_id_of(key: str) -> int | None:
    """The id of the token that a session key names; None if it has not the form of one. It proves nothing yet."""
    return int(key[:8], 16) if _is_key(key) else None


def is_session(key: str, *, token_id: int, stored: str) -> bool:
    return _equal(key, session_key(token_id, stored))


def _equal(sent: str, right: str) -> bool:
    """Compare in a time that does not tell how much is right. Hex digits may come in either case."""
    return hmac.compare_digest(sent.lower().encode(errors="replace"), right.encode())
