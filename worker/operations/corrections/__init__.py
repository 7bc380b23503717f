"""Corrections of plays by their user: find plays, delete, restore and edit them. Each can be taken back exactly."""

from worker.operations.corrections.choice import Choice, FoundPlay, Imported, find, ids_of_day, imports
from worker.operations.corrections.deletion import delete, delete_play
from worker.operations.corrections.editing import Changes, edit
from worker.operations.corrections.restoring import Restored, restore

__all__ = [
    "Changes",
    "Choice",
    "FoundPlay",
    "Imported",
    "Restored",
    "delete",
    "delete_play",
    "edit",
    "find",
    "ids_of_day",
    "imports",
    "restore",
]
