"""Listens as clients build them; where the facts of each are from stands above it."""

from typing import Any, Final

Fields = dict[str, Any]

RECORDING: Final = "98255a8c-017a-4bc7-8dd6-1fa36124572b"
RELEASE: Final = "bf9e91ea-8029-4a04-a26a-224e00a83266"
ARTIST: Final = "db92a151-1ac2-438b-bc43-b82e149ddd50"

# navidrome/navidrome, adapters/listenbrainz/{agent,client}.go.
NAVIDROME: Final[Fields] = {
    "submission_client": "navidrome", "submission_client_version": "0.55.1", "tracknumber": 1,
    "artist_names": ["Rick Astley"], "artist_mbids": [ARTIST], "recording_mbid": RECORDING, "release_mbid": RELEASE,
    "release_group_mbid": "5b11f4ce-a62d-471e-81fc-a69a8278c7da", "duration_ms": 222000,
}  # fmt: skip
# kawaiiDango/pano-scrobbler, api/listenbrainz/ListenBrainz.kt.
PANO: Final[Fields] = {
    "duration_ms": 222000,
    "submission_client": "Pano Scrobbler",
    "submission_client_version": "4.12",
}
# web-scrobbler/web-scrobbler, src/core/scrobbler/listenbrainz/listenbrainz-scrobbler.ts.
WEB_SCROBBLER: Final[Fields] = {
    "submission_client": "Web Scrobbler", "submission_client_version": "3.15.0", "music_service_name": "YouTube",
    "origin_url": "https://www.youtube.com/watch?v=dQw4w9WgXcQ", "release_artist_name": "Rick Astley", "duration": 222,
}  # fmt: skip
# The sample of the protocol's documentation, and two fields of its table.
DOCUMENTED: Final[Fields] = {
    "media_player": "Rhythmbox", "submission_client": "Rhythmbox ListenBrainz Plugin",
    "submission_client_version": "1.0", "release_mbid": RELEASE, "artist_mbids": [ARTIST], "recording_mbid": RECORDING,
    "tags": ["you", "just", "got", "rick rolled!"], "duration_ms": 222000, "isrc": "GBARL9300135",
    "spotify_id": "http://open.spotify.com/track/4PTG3Z6ehGkBFwjybzWkR8", "duration_played": 180,
}  # fmt: skip


# listenbrainz-mpd, src/submission_actor/api.rs.
MPD: Final[Fields] = {
    "media_player": "MPD", "submission_client": "listenbrainz-mpd", "submission_client_version": "2.3.9",
    "recording_mbid": RECORDING, "artist_mbids": [ARTIST], "release_mbid": RELEASE, "track_mbid": RELEASE,
    "work_mbids": [RECORDING], "tracknumber": "1", "duration_ms": 222000, "tags": ["pop", "80s"],
}  # fmt: skip
# FoxxMD/multi-scrobbler, src/core/vendor/listenbrainz/interfaces.ts.
MULTI_SCROBBLER: Final[Fields] = {
    "submission_client": "multi-scrobbler", "submission_client_version": "0.10.0", "media_player": "Jellyfin",
    "media_player_version": "10.9", "music_service": "spotify.com", "origin_url": "https://open.spotify.com/track/x",
    "artist_names": ["Rick Astley"], "duration": 222,
}  # fmt: skip


def listen(info: Any = None, *, at: Any = 1443521965, **metadata: Any) -> Fields:
    song = {"artist_name": "Rick Astley", "track_name": "Never Gonna Give You Up", "release_name": "Whenever"}
    known = {name: value for name, value in {**song, **metadata}.items() if value is not ...}
    return {"listened_at": at, "track_metadata": known | ({} if info is None else {"additional_info": info})}
