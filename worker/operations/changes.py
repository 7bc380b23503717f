"""Let open pages know of a correction, which never fails for it: pages look again by themselves."""

import logging
from collections.abc import Iterable

from worker.errors import ZikError
from worker.stream.inspection import StreamInspector

logger = logging.getLogger(__name__)


def announce_changed(stream: StreamInspector, users: Iterable[str] | None) -> None:
    """Announce whose data has changed, None for everyone's, after COMMIT."""
    try:
        stream.announce_changed(users)
    except ZikError as error:
        logger.debug("could not announce a correction: %s", error)
