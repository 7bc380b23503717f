"""Read the sheet `10_listeningHistory` of Deezer's data export, saved as CSV."""

from collections.abc import Iterator

from worker.importers.format import CsvFormat
from worker.importers.rows import Fields, Notes, play_event, song_fields
from worker.importers.times import instant, rfc_3339, whole


def _play(row: Fields, _: Notes) -> Iterator[Fields]:
    song = song_fields(
        row.get("Song Title"), row.get("Artist"), album=row.get("Album Title"), ids={"isrc": row.get("ISRC")}
    )
    # The listening time is in seconds, the date in UTC.
    ms_played = whole(row.get("Listening Time"), times=1000)
    yield play_event(rfc_3339(instant("Date", row.get("Date"))), song, ms_played=ms_played)


FORMATS = (
    CsvFormat(
        name="Deezer",
        source="deezer-export",
        columns=("Song Title", "Artist", "Listening Time", "Date"),
        convert=_play,
    ),
)
