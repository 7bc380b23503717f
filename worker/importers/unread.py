"""Say what a file is that zik does not read, so that its user finds the right one."""

from typing import Final

from worker.importers.format import Head

_BEGINNINGS: Final = {
    b"%PDF": "is a PDF",
    b"\xff\xd8\xff": "is a picture",
    b"\x89PNG": "is a picture",
    b"SQLite format 3\x00": "is an SQLite database; export its plays as CSV",
    b"7z\xbc\xaf\x27\x1c": "is a 7z archive; unpack it and import the folder",
    b"Rar!": "is a RAR archive; unpack it and import the folder",
    b"BZh": "is packed with bzip2; unpack it",
    b"\xfd7zXZ\x00": "is packed with xz; unpack it",
    b"(\xb5/\xfd": "is packed with zstd; unpack it",
    b"PK\x03\x04": "is a zip in an archive; unpack it and import the folder",
    b"PK\x05\x06": "is an empty zip",
}
_TAR_MARK: Final = slice(257, 262)
WORKBOOK: Final = (
    "is an Excel workbook; save the sheet with the plays as CSV UTF-8 and import that (Deezer: 10_listeningHistory)"
)
# By columns or keys. Each stands for a whole file of a service, whose rows are no plays.
_TABLES: Final = {
    ("Track Description", "Play Count"): "is Apple's daily totals, which have no times; zik reads "
    "Apple Music Play Activity.csv",
    ("Track Description", "Total plays"): "is Apple's recent totals; zik reads Apple Music Play Activity.csv",
    ("Container Description", "Play Count"): "is Apple's totals of albums and playlists; zik reads "
    "Apple Music Play Activity.csv",
    ("Track URI", "Track Name"): "is a playlist, which has no plays",
    ("Video ID", "Playlist Video Creation Timestamp"): "is a playlist of Google Takeout; zik reads watch-history.json",
}
_EVENTS: Final = {"type", "time", "user"}


def what_it_is(content: bytes) -> str | None:
    """What a file is, by its beginning; None if that is not known."""
    if not content.strip():
        return "is empty"
    for beginning, words in _BEGINNINGS.items():
        if content.startswith(beginning):
            return words
    if content[_TAR_MARK] == b"ustar":
        return "is a tar archive; unpack it and import the folder"
    return _of_markup(content) or _of_table(Head(content))


def _of_markup(content: bytes) -> str | None:
    start = content.removeprefix(b"\xef\xbb\xbf").lstrip()[:500].lower()
    if start.startswith((b"<!doctype html", b"<html")):
        if b"youtube" in content[:200_000].lower():
            return "is YouTube's history as a web page; choose JSON for the history in Google Takeout"
        return "is a web page"
    if b"<!doctype plist" in start or b"<plist" in start:
        return "is a music library of iTunes, which has counts and the last time, but not each play"
    return "is XML" if start.startswith(b"<?xml") else None


def _of_table(head: Head) -> str | None:
    if head.paths.keys() >= _EVENTS:
        return "has events of zik; use zik publish"
    for columns, words in _TABLES.items():
        if any(set(columns) <= set(header.names) for header in head.headers):
            return words
    return None
