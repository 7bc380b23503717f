"""zik's tables as SQLAlchemy models, for programs that share its database. Needs `zik-client[models]`."""

from worker import models as _models
from worker.models import *  # noqa: F403 -- The same names, wherever they are from.

__all__ = _models.__all__
