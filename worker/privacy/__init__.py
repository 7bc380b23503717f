"""A person's rights: `export_lines` writes everything about a user, `erase` deletes it."""

from worker.privacy.erasure import Receipt, erase
from worker.privacy.export import export_lines

__all__ = ["Receipt", "erase", "export_lines"]
