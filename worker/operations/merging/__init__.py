"""Say that two songs or two artists are one, and take it back: remembered, and undone exactly."""

from worker.operations.merging.artists import merge_artists, split_artist
from worker.operations.merging.songs import CatalogueSong, Split, find_song, merge_songs, song_by_id, split_song
from worker.operations.merging.suggestions import Suggestion, suggest

__all__ = [
    "CatalogueSong",
    "Split",
    "Suggestion",
    "find_song",
    "merge_artists",
    "merge_songs",
    "song_by_id",
    "split_artist",
    "split_song",
    "suggest",
]
