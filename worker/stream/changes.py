"""Announce whose data has changed: names, and nothing of what has changed.

On a channel, not in a stream: it takes no memory, costs little where no page is open, and a full Redis takes it too.
"""

import json
from collections.abc import Collection, Iterable

from worker.stream.keys import CHANGED
from worker.stream.packing import Command


def announcement(users: Iterable[str] | None) -> Command:
    """The command that announces users, or everyone if it is None. They are named in NFC, as in the database."""
    return ("PUBLISH", CHANGED, json.dumps(None if users is None else list(users), ensure_ascii=False))


def users_of(text: str) -> Collection[str] | None:
    """The users of an announcement, None for everyone; none if it is not one of zik's."""
    try:
        users = json.loads(text)
    except ValueError:
        return ()
    if users is None:
        return None
    return {user for user in users if isinstance(user, str)} if isinstance(users, list) else ()
