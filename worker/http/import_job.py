"""What is known of one import in the browser, and where its upload is kept on the disk of this machine."""

import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Final, Literal

import msgspec

from worker.books import Books, Outcomes
from worker.errors import Reason
from worker.http.refusals import RequestRefusedError
from worker.importers.outline import Outline

Phase = Literal["reading", "read", "importing", "imported", "undoing", "undone", "stopped"]
# What is known of an import, and its file, are kept for so long.
KEEP_S: Final = 86_400


class Job(msgspec.Struct):
    """One import as its user sees it, whichever process works on it. `name` is the file's.

    `zone`, `undated`, `shift` and `encoding` are what `zik import` has as options, each empty if nobody said it.
    `done` of `total` are bytes of the unpacked file, or plays to be deleted. `saved_s` is in seconds since 1970.
    """

    id: str
    user: str
    name: str = ""
    zone: str = ""
    undated: str = ""
    shift: str = ""
    encoding: str = ""
    phase: Phase = "reading"
    saved_s: float = 0.0
    done: int = 0
    total: int = 0
    published: int = 0
    outline: Outline | None = None
    before: Books | None = None
    outcomes: Outcomes | None = None
    deleted: int = 0
    problem: str = ""

    @property
    def asks_for_zone(self) -> bool:
        """Whether rows have local times, or the whole file has: then it was not read."""
        return not self.zone and (self.outline is None or self.outline.local_times > 0)

    @property
    def may_be_undated(self) -> bool:
        """Whether the clock of the player was not set at times, or is said to have been."""
        return bool(self.undated or (self.outline and self.outline.years))

    @property
    def may_be_shifted(self) -> bool:
        """Whether times are too early, or still to come."""
        return bool(self.shift or (self.outline and Reason.OUT_OF_RANGE in self.outline.refused))

    @property
    def may_be_encoded(self) -> bool:
        """Whether lines are not UTF-8, or nothing was recognised at all."""
        if self.outline is None:
            return bool(self.encoding)
        return bool(self.encoding or Reason.BAD_ENCODING in self.outline.refused or not self.outline.formats)

    @property
    def is_busy(self) -> bool:
        return self.phase in {"reading", "importing", "undoing"}

    @property
    def is_recorded(self) -> bool:
        return self.outcomes is not None and not self.outcomes.waiting


def path_of(job: Job) -> Path:
    """Where the upload is kept. Raises RequestRefusedError (503) where someone else owns the folder."""
    base = Path(tempfile.gettempdir()) / f"zik-imports-{os.getuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    if base.is_symlink() or base.stat().st_uid != os.getuid():
        raise RequestRefusedError(503, "another user of this machine owns the folder of uploads: tell its operator")
    return base / hashlib.sha256(job.user.encode()).hexdigest()[:32] / job.id


def sweep(job: Job) -> None:
    """Remove the user's earlier uploads, and those of everyone that are older than a day."""
    folder = path_of(job).parent
    shutil.rmtree(folder, ignore_errors=True)
    for other in folder.parent.iterdir():
        if time.time() - other.stat().st_mtime > KEEP_S:
            shutil.rmtree(other, ignore_errors=True)


def remove(job: Job) -> None:
    shutil.rmtree(path_of(job).parent, ignore_errors=True)
