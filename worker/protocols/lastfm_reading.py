"""Write what a user has listened to as Last.fm's API 2.0 returns it; `lastfm_answers.xml` derives the XML.

Bodies by https://www.last.fm/api/show/user.getRecentTracks and its siblings, with the fields that clients need: pylast
(`_collect_nodes`, `_extract_played_track`), Pano Scrobbler (LastfmDataClasses.kt) and multi-scrobbler
(LastfmApiClient.ts). Numbers are texts, as there.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

from worker.contract.events import SongRef

Json = dict[str, Any]
Chart = Literal["artists", "albums", "tracks"]

# Clients look for a size in the list, and some fail without the list.
_NO_IMAGES: Final = [{"size": size, "#text": ""} for size in ("small", "medium", "large", "extralarge")]


class Page(NamedTuple):
    """Which page of a list it is, counted from 1, of how many entries each, and how many entries there are."""

    number: int
    size: int
    total: int


class Counted(NamedTuple):
    """An entry of a chart. An artist has no title and no album, an album no title."""

    plays: int
    artist: str
    title: str | None = None
    album: str | None = None
    duration_ms: int | None = None
    mbid: str | None = None


class Totals(NamedTuple):
    """How many plays a user has, and of how many artists, albums and tracks."""

    plays: int
    artists: int
    albums: int
    tracks: int


def user_info(user: str, *, url: str, totals: Totals, registered: datetime) -> Json:
    """The body of user.getInfo. Pano Scrobbler needs `url`, and shows the counts."""
    counts = {
        "playcount": totals.plays,
        "artist_count": totals.artists,
        "album_count": totals.albums,
        "track_count": totals.tracks,
    }
    return {
        "user": {
            "name": user,
            "realname": "",
            "url": url,
            "image": _NO_IMAGES,
            **{name: str(count) for name, count in counts.items()},
            "subscriber": "0",
            "registered": {"unixtime": _uts(registered), "#text": _uts(registered)},
        }
    }


def played(song: SongRef, at: datetime | None, *, is_loved: bool | None = None) -> Json:
    """One of `recent_tracks`; `at` is None for what is playing now. With `is_loved` it is one of `extended=1`."""
    track = _track(song)
    if is_loved is None:
        track["artist"] = {"mbid": _id(song, "artist_mbid"), "#text": song.artist}
    else:
        track["loved"] = str(int(is_loved))
    track["album"] = {"mbid": _id(song, "release_mbid"), "#text": song.album or ""}
    if at is None:
        return {"@attr": {"nowplaying": "true"}, **track}
    return {**track, "date": _date(at)}


def loved_track(song: SongRef, at: datetime) -> Json:
    """One of `loved_tracks`. It has no album: by that an export of both is told apart."""
    return {**_track(song), "date": _date(at)}


def _track(song: SongRef) -> Json:
    # pylast takes the first `name` for the track's, the second for the artist's.
    artist = {"name": song.artist, "mbid": _id(song, "artist_mbid"), "url": ""}
    return {
        "name": song.title,
        "mbid": _id(song, "mbid"),
        "url": "",
        "streamable": {"fulltrack": "0", "#text": "0"},
        "artist": artist,
        "image": _NO_IMAGES,
    }


def recent_tracks(user: str, tracks: Sequence[Json], page: Page) -> Json:
    """The body of user.getRecentTracks: what is playing now first, which no count knows, then from the newest on."""
    return {"recenttracks": {"track": list(tracks), "@attr": _paging(user, page)}}


def loved_tracks(user: str, tracks: Sequence[Json], page: Page) -> Json:
    """The body of user.getLovedTracks, from the newest on."""
    return {"lovedtracks": {"track": list(tracks), "@attr": _paging(user, page)}}


def top(chart: Chart, user: str, entries: Sequence[Counted], page: Page) -> Json:
    """The body of user.getTopArtists, getTopAlbums or getTopTracks, from the most played on."""
    first = (page.number - 1) * page.size + 1
    ranked = [{"@attr": {"rank": str(rank)}, **_counted(chart, entry)} for rank, entry in enumerate(entries, first)]
    return {f"top{chart}": {chart.removesuffix("s"): ranked, "@attr": _paging(user, page)}}


def _counted(chart: Chart, entry: Counted) -> Json:
    artist = {"name": entry.artist, "mbid": "", "url": ""}
    name = {"artists": entry.artist, "albums": entry.album, "tracks": entry.title}[chart]
    ids = {"name": name or "", "mbid": entry.mbid or "", "url": "", "playcount": str(entry.plays)}
    if chart == "tracks":
        ids["duration"] = str((entry.duration_ms or 0) // 1000)
    more = {"streamable": "0"} if chart == "artists" else {"artist": artist}
    return {**ids, **more, "image": _NO_IMAGES}


def _paging(user: str, page: Page) -> Json:
    pages = -(-page.total // page.size)
    counts = {"page": page.number, "perPage": page.size, "totalPages": pages, "total": page.total}
    return {"user": user, **{name: str(count) for name, count in counts.items()}}


def _date(at: datetime) -> Json:
    return {"uts": _uts(at), "#text": f"{at.astimezone(UTC):%d %b %Y, %H:%M}"}


def _uts(at: datetime) -> str:
    return str(int(at.timestamp()))


def _id(song: SongRef, name: str) -> str:
    return (song.ids or {}).get(name, "")
