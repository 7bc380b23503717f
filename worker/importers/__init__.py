"""Turn listening histories downloaded from other services into events; `json_lines` publishes files of events."""

from worker.importers.archive import Archive, open_archives
from worker.importers.formats import FORMATS, recognise
from worker.importers.importer import Importer, Summary, unmatched_loves

__all__ = [
    "FORMATS",
    "Archive",
    "Importer",
    "Summary",
    "open_archives",
    "recognise",
    "unmatched_loves",
]
