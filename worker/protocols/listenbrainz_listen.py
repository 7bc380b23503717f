"""Read one listen of ListenBrainz as a play, with everything that clients are known to send.

Fields by https://listenbrainz.readthedocs.io/en/latest/users/json.html, and as they are read in Navidrome
(adapters/listenbrainz/client.go), Pano Scrobbler (ListenBrainzDataClasses.kt), Web Scrobbler
(listenbrainz-scrobbler.ts), listenbrainz-mpd (src/submission_actor/api.rs) and multi-scrobbler
(core/vendor/listenbrainz/interfaces.ts); what another server reads of them in Koito
(engine/handlers/lbz_submit_listen.go).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from msgspec import Raw

from worker.contract.events import MAX_SONG_TEXT
from worker.protocols import submission, values
from worker.protocols.context import context_of
from worker.protocols.listenbrainz_fast_path import common_play
from worker.protocols.submission import Item, NowPlaying

# The MBIDs by their names in `song.ids`. Some are lists, of which the first counts.
_MBIDS: Final = (
    ("mbid", "recording_mbid"),
    ("artist_mbid", "artist_mbids"),
    ("release_mbid", "release_mbid"),
    ("release_group_mbid", "release_group_mbid"),
    ("track_mbid", "track_mbid"),
    ("work_mbid", "work_mbids"),
)
# What has a field in an event. Everything else of `additional_info` is context.
_READ: Final = frozenset(
    (*(field for _, field in _MBIDS), "artist_names", "release_artist_name", "albumartist", "isrc", "spotify_id",
     "duration", "duration_ms", "duration_played", "duration_played_ms", "submission_client",
     "submission_client_version"),
)  # fmt: skip
_NOTHING: Final[Mapping[str, Any]] = {}


def play_of_json(listen: Raw, *, user: str, now: datetime) -> Item:
    """The play of a listen that is still JSON. Raises MalformedRequestError if it is none."""
    play = common_play(listen, user=user, now=now)
    return play_of(values.parse_json(bytes(listen)), user=user, now=now) if play is None else play


def play_of(listen: Any, *, user: str, now: datetime) -> Item:
    """The play of a listen, whatever it is: what the contract refuses of it is an error of the item."""
    meta, info = _parts(listen)
    return submission.play(
        _song(meta, info),
        user=user,
        time=values.epoch_time("listened_at", listen.get("listened_at") if isinstance(listen, dict) else None),
        now=now,
        received=listen,
        ms_played=_ms(info, "duration_played_ms", "duration_played"),
        source=_source(info),
        context=context_of((name, fact) for name, fact in info.items() if name not in _READ),
    )


def playing_of(listen: Any, *, user: str, now: datetime) -> NowPlaying:
    """What is playing now; a time is ignored. Raises MalformedRequestError if it is no song."""
    meta, info = _parts(listen)
    return submission.playing(_song(meta, info), user=user, now=now, source=_source(info))


def _parts(listen: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The listen's `track_metadata` and its `additional_info`, empty where they are no objects."""
    meta = listen.get("track_metadata") if isinstance(listen, dict) else None
    if not isinstance(meta, dict):
        return _NOTHING, _NOTHING
    info = meta.get("additional_info")
    return meta, info if isinstance(info, dict) else _NOTHING


def _song(meta: Mapping[str, Any], info: Mapping[str, Any]) -> dict[str, Any]:
    ids, artists = values.mbids(info, _MBIDS), info.get("artist_names")
    # What a server has added to a listen, as clients send it that copy from one to another.
    if isinstance(mapping := meta.get("mbid_mapping"), dict):
        ids = values.mbids(mapping, _MBIDS) | ids
        artists = values.artist_names(artists) or _credited(mapping.get("artists"))
    if "isrc" in info and (isrc := values.isrc(info["isrc"])):
        ids["isrc"] = isrc
    if "spotify_id" in info and (spotify := values.spotify(info["spotify_id"])):
        ids["spotify"] = spotify
    return submission.song(
        meta.get("track_name"),
        meta.get("artist_name"),
        album=meta.get("release_name"),
        duration_ms=_ms(info, "duration_ms", "duration"),
        ids=ids,
        artists=artists,
        album_artist=values.optional(info.get("release_artist_name"), MAX_SONG_TEXT) or info.get("albumartist"),
    )


def _credited(artists: Any) -> list[Any] | None:
    """The names as credited of the artists of `mbid_mapping`."""
    if not isinstance(artists, list):
        return None
    return [artist.get("artist_credit_name") if isinstance(artist, dict) else None for artist in artists]


def _ms(info: Mapping[str, Any], in_ms: str, in_seconds: str) -> int | None:
    if in_ms in info and (ms := values.milliseconds(info[in_ms])):
        return ms
    return values.seconds(info[in_seconds]) if in_seconds in info else None


def _source(info: Mapping[str, Any]) -> str | None:
    client = values.client(info.get("submission_client"), info.get("submission_client_version"))
    return client or values.client(info.get("media_player"), info.get("media_player_version"))
