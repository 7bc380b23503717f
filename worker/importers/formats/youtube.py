"""Read YouTube Music's plays from the watch history of Google Takeout, saved as JSON."""

import re
from collections.abc import Iterator
from typing import Any, Final

from worker.errors import InvalidEventError, NoSongError, Reason
from worker.importers.format import JsonFormat
from worker.importers.rows import Fields, Notes, play_event, song_fields, value_at
from worker.importers.times import from_text

# The title is a sentence in the language of the account.
_SENTENCES: Final = tuple(
    re.compile(sentence, re.DOTALL)
    for sentence in (
        r"Watched (.+)",
        r"(.+) angesehen",
        r"Vous avez regardé (.+)",
        r"Has visto (.+)",
        r"Hai guardato (.+)",
        r"Je hebt naar (.+) gekeken",
        r"Tittade på (.+)",
        r"Obejrzano: (.+)",
        r"Просмотрено видео (.+)",
        r"(.+) を視聴しました",
    )
)
_VIDEO: Final = re.compile(r"[?&]v=([\w-]{5,20})")
# The channels that YouTube makes for an artist's songs.
_TOPIC: Final = " - Topic"


def _watched(row: Fields, _: Notes) -> Iterator[Fields]:
    if row.get("header") != "YouTube Music":
        raise NoSongError("YouTube video")
    channels = row.get("subtitles")
    artist = value_at(channels[0], "name") if isinstance(channels, list) and channels else None
    song = song_fields(
        _title(row.get("title")),
        artist.removesuffix(_TOPIC) if isinstance(artist, str) else artist,
        ids={"youtube": _video(row.get("titleUrl"))},
    )
    yield play_event(from_text("time", row.get("time")), song)


def _title(sentence: Any) -> Any:
    if not isinstance(sentence, str):
        return sentence
    for known in _SENTENCES:
        if found := known.fullmatch(sentence):
            return found[1]
    rule = "title: is a sentence in a language that zik does not know; export again with the account in English"
    raise InvalidEventError(Reason.INVALID_VALUE, rule)


def _video(url: Any) -> str | None:
    found = _VIDEO.search(url) if isinstance(url, str) else None
    return found[1] if found else None


FORMATS = (
    JsonFormat(
        name="YouTube Music",
        source="youtube-export",
        prefixes=("item",),
        keys=("header", "title", "time", "products"),
        convert=_watched,
    ),
)
