"""Whether a listener shows their pages to everyone."""

from typing import Final

from sqlalchemy import Connection, select

from worker.models import Preference

# A preference with the value true opens the pages; they are closed without it.
PUBLIC_PROFILE: Final = "public_profile"


def is_public(connection: Connection, user_id: int) -> bool:
    """Whether the user's preference `public_profile` is true. Costs a look-up by key."""
    said = select(Preference.value).where(Preference.user_id == user_id, Preference.key == PUBLIC_PROFILE)
    return connection.scalar(said) is True
