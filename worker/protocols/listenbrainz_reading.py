"""Write what a user has listened to as ListenBrainz's API returns it.

The shapes are those of its server (listenbrainz/listen.py, webserver/views/{api,feedback_api,stats_api,metadata_api,
social_api,playlist_api}.py in metabrainz/listenbrainz-server). Fields that Pano Scrobbler and multi-scrobbler need are
always there; what zik does not know is left out rather than null.
"""

import calendar
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

from worker.contract.events import SongRef

Json = dict[str, Any]
Entity = Literal["artists", "releases", "recordings"]

# What has the same meaning in `song.ids` and in `additional_info`.
_INFO_IDS: Final = (
    ("mbid", "recording_mbid"),
    ("release_mbid", "release_mbid"),
    ("release_group_mbid", "release_group_mbid"),
    ("track_mbid", "track_mbid"),
    ("isrc", "isrc"),
)
_SPOTIFY: Final = "spotify:track:"


class Range(NamedTuple):
    """The period of a statistic. `name` is ListenBrainz's, such as `this_week` or `all_time`."""

    name: str
    start: datetime
    end: datetime
    updated_at: datetime


class Count(NamedTuple):
    """How often something was listened to. A recording has artist and title, a release artist and album."""

    listens: int
    artist: str
    title: str | None = None
    album: str | None = None
    ids: Mapping[str, str] = {}


# --- Listens --------------------------------------------------------------------------------------


def listen(  # noqa: PLR0913 -- A listen's fields are keyword arguments.
    song: SongRef,
    *,
    user: str,
    listened_at: datetime,
    inserted_at: datetime | None = None,
    source: str | None = None,
    ms_played: int | None = None,
    context: Mapping[str, Any] | None = None,
) -> Json:
    """One of `listens`. What clients sent as `additional_info` and zik keeps as context is there again."""
    info = dict(context or {})
    if ms_played is not None:
        info["duration_played"] = ms_played // 1000
    return {
        "listened_at": _epoch(listened_at),
        "inserted_at": _epoch(inserted_at) if inserted_at else 0,
        "recording_msid": msid(song.identity),
        "user_name": user,
        "track_metadata": track_metadata(song, source=source, info=info),
    }


def track_metadata(song: SongRef, *, source: str | None = None, info: Mapping[str, Any] | None = None) -> Json:
    """The `track_metadata` of a listen, of a feedback or of what is playing now."""
    metadata: Json = {"artist_name": song.artist, "track_name": song.title}
    if song.album:
        metadata["release_name"] = song.album
    metadata["additional_info"] = _additional_info(song, source, info or {})
    ids = song.ids or {}
    if "mbid" in ids:
        # Pano Scrobbler looks here only.
        mapping = {"recording_mbid": ids["mbid"], "artist_mbids": _one(ids, "artist_mbid")}
        metadata["mbid_mapping"] = mapping | ({"release_mbid": ids["release_mbid"]} if "release_mbid" in ids else {})
    return metadata


def _additional_info(song: SongRef, source: str | None, info: Mapping[str, Any]) -> Json:
    known: Json = {**info, "recording_msid": msid(song.identity)}
    if song.duration_ms is not None:
        known["duration_ms"] = song.duration_ms
    if source:
        name, _, version = source.rpartition("/")
        known |= {"submission_client": name, "submission_client_version": version} if name else {
            "submission_client": source
        }  # fmt: skip
    known |= {"artist_names": list(song.artists)} if song.artists else {}
    known |= {"release_artist_name": song.album_artist} if song.album_artist else {}
    ids = song.ids or {}
    known |= {theirs: ids[name] for name, theirs in _INFO_IDS if name in ids}
    if "artist_mbid" in ids:
        known["artist_mbids"] = _one(ids, "artist_mbid")
    if ids.get("spotify", "").startswith(_SPOTIFY):
        known["spotify_id"] = "https://open.spotify.com/track/" + ids["spotify"].removeprefix(_SPOTIFY)
    return known


def _one(ids: Mapping[str, str], name: str) -> list[str]:
    return [ids[name]] if name in ids else []


def listens_page(user: str, listens: Sequence[Json], *, newest: datetime | None, oldest: datetime | None) -> Json:
    """The body of /1/user/U/listens: `listens` from the newest on, and the ends of all of the user's listens."""
    payload = {
        "user_id": user,
        "count": len(listens),
        "listens": list(listens),
        "latest_listen_ts": _epoch(newest) if newest else 0,
        "oldest_listen_ts": _epoch(oldest) if oldest else 0,
    }
    return {"payload": payload}


def playing_now(user: str, song: SongRef | None, *, source: str | None = None) -> Json:
    """The body of /1/user/U/playing-now; None if nothing is playing."""
    metadata = None if song is None else track_metadata(song, source=source)
    listens = [] if metadata is None else [{"track_metadata": metadata, "user_name": user, "playing_now": True}]
    return {"payload": {"user_id": user, "count": len(listens), "playing_now": True, "listens": listens}}


def listen_count(count: int) -> Json:
    return {"payload": {"count": count}}


# --- Feedback -------------------------------------------------------------------------------------


def feedback(song: SongRef, *, user: str, score: int, at: datetime, with_metadata: bool = True) -> Json:
    """One of `feedback`: a score of 1 is love, of -1 hate."""
    said = {
        "user_id": user,
        "recording_msid": msid(song.identity),
        "recording_mbid": (song.ids or {}).get("mbid"),
        "score": score,
        "created": _epoch(at),
    }
    return {**said, "track_metadata": track_metadata(song) if with_metadata else None}


def no_feedback(user: str, *, msid: str | None = None, mbid: str | None = None) -> Json:
    """The entry of get-feedback-for-recordings for a recording of which the user has said nothing."""
    ids = {"recording_msid": msid, "recording_mbid": mbid}
    return {"user_id": user, **ids, "score": 0, "created": None, "track_metadata": None}


def feedback_page(entries: Sequence[Json], *, total: int, offset: int) -> Json:
    """The body of get-feedback. get-feedback-for-recordings has only its `feedback`."""
    return {"feedback": list(entries), "count": len(entries), "total_count": total, "offset": offset}


# --- Statistics -----------------------------------------------------------------------------------

_TOTALS: Final[Mapping[Entity, str]] = {
    "artists": "total_artist_count",
    "releases": "total_release_count",
    "recordings": "total_recording_count",
}


def top(  # noqa: PLR0913 -- A page's fields are keyword arguments.
    entity: Entity, user: str, counts: Sequence[Count], *, of: Range, total: int, offset: int
) -> Json:
    """The body of /1/stats/user/U/{artists,releases,recordings}; `counts` from the most listened on."""
    page = {entity: [_count(entity, one) for one in counts], "count": len(counts), _TOTALS[entity]: total}
    return _statistic(user, of, {**page, "offset": offset})


def _count(entity: Entity, count: Count) -> Json:
    entry: Json = {"artist_name": count.artist, "listen_count": count.listens}
    if entity == "artists":
        return entry | ({"artist_mbid": count.ids["artist_mbid"]} if "artist_mbid" in count.ids else {})
    entry["artist_mbids"] = _one(count.ids, "artist_mbid")
    if "release_mbid" in count.ids:
        entry["release_mbid"] = count.ids["release_mbid"]
    if count.album is not None:
        entry["release_name"] = count.album
    if entity == "recordings":
        entry["track_name"] = count.title
        entry |= {"recording_mbid": count.ids["mbid"]} if "mbid" in count.ids else {}
    return entry


def listening_activity(user: str, spans: Sequence[tuple[str, datetime, datetime, int]], *, of: Range) -> Json:
    """The body of /1/stats/user/U/listening-activity. A span has a name, start, end and listens."""
    activity = [
        {"time_range": name, "from_ts": _epoch(start), "to_ts": _epoch(end), "listen_count": listens}
        for name, start, end, listens in spans
    ]
    return _statistic(user, of, {"listening_activity": activity})


def daily_activity(user: str, listens: Mapping[tuple[int, int], int], *, of: Range) -> Json:
    """The body of /1/stats/user/U/daily-activity. `listens` is by weekday, from Monday as 0, and hour."""
    activity = {
        calendar.day_name[day]: [{"hour": hour, "listen_count": listens.get((day, hour), 0)} for hour in range(24)]
        for day in range(7)
    }
    return _statistic(user, of, {"daily_activity": activity})


def _statistic(user: str, of: Range, facts: Json) -> Json:
    span = {"from_ts": _epoch(of.start), "to_ts": _epoch(of.end), "last_updated": _epoch(of.updated_at)}
    return {"payload": {"user_id": user, **facts, "range": of.name, **span}}


# --- The rest -------------------------------------------------------------------------------------


def lookup(song: SongRef | None) -> Json:
    """The body of /1/metadata/lookup: `{}` for a song that zik does not know with its MBID."""
    if song is None or "mbid" not in (song.ids or {}):
        return {}
    ids = song.ids or {}
    found = {"artist_credit_name": song.artist, "recording_name": song.title, "recording_mbid": ids["mbid"]}
    return {**found, "artist_mbids": _one(ids, "artist_mbid"), "release_mbid": ids.get("release_mbid"),
            "release_name": song.album}  # fmt: skip


def latest_import(user: str, at: datetime | None) -> Json:
    """The body of GET /1/latest-import."""
    return {"musicbrainz_id": user, "latest_import": _epoch(at) if at else 0}


def following(user: str) -> Json:
    return {"following": [], "user": user}


def playlists(*, offset: int, count: int) -> Json:
    """The body of /1/user/U/playlists/createdfor: none."""
    return {"playlists": [], "playlist_count": 0, "offset": offset, "count": count}


def msid(identity: str) -> str:
    """A song's identity in the form of a UUID, which is all that clients ask of a `recording_msid`."""
    return f"{identity[:8]}-{identity[8:12]}-{identity[12:16]}-{identity[16:20]}-{identity[20:]}"


def _epoch(at: datetime) -> int:
    return int(at.astimezone(UTC).timestamp())
