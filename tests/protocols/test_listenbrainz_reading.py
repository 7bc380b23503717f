"""The fields that clients read: Pano Scrobbler's ListenBrainzDataClasses.kt, multi-scrobbler's interfaces.ts."""

from datetime import UTC, datetime, timedelta
from typing import Final

from tests.support.events import NOW
from worker.contract.events import PlayEvent, SongRef
from worker.protocols import listenbrainz
from worker.protocols import listenbrainz_reading as reading
from worker.protocols.submission import written

AT: Final = datetime(2015, 9, 29, 10, 19, 25, tzinfo=UTC)
RECORDING: Final = "98255a8c-017a-4bc7-8dd6-1fa36124572b"
ARTIST: Final = "db92a151-1ac2-438b-bc43-b82e149ddd50"
SONG: Final = SongRef(
    "Parabola", "Tool", "Lateralus", 183_000,
    {"mbid": RECORDING, "artist_mbid": ARTIST, "isrc": "USVR20100398",
     "spotify": "spotify:track:1rrgWMXGCGHru5bIRxGFV0"},
    ("Tool", "Ada"), "Various Artists",
)  # fmt: skip
MSID: Final = listenbrainz.recording_msid("Tool", "Parabola")
ALL: Final = reading.Range("all_time", AT, NOW, NOW)


def test_a_listen_is_returned_as_the_real_server_returns_it() -> None:
    context = {"music_service": "spotify.com", "tags": ["prog"]}
    listen = reading.listen(
        SONG, user="ada", listened_at=AT, inserted_at=NOW, source="mpd/0.24", ms_played=181_200, context=context
    )
    assert listen == {
        "listened_at": 1443521965,
        "inserted_at": int(NOW.timestamp()),
        "recording_msid": MSID,
        "user_name": "ada",
        "track_metadata": {
            "artist_name": "Tool",
            "track_name": "Parabola",
            "release_name": "Lateralus",
            "additional_info": {
                **context,
                "recording_msid": MSID,
                "duration_ms": 183_000,
                "duration_played": 181,
                "submission_client": "mpd",
                "submission_client_version": "0.24",
                "artist_names": ["Tool", "Ada"],
                "release_artist_name": "Various Artists",
                "recording_mbid": RECORDING,
                "artist_mbids": [ARTIST],
                "isrc": "USVR20100398",
                "spotify_id": "https://open.spotify.com/track/1rrgWMXGCGHru5bIRxGFV0",
            },
            "mbid_mapping": {"recording_mbid": RECORDING, "artist_mbids": [ARTIST]},
        },
    }


def test_a_listen_that_was_read_can_be_submitted_elsewhere_with_nothing_lost() -> None:
    listen = reading.listen(SONG, user="ada", listened_at=AT, source="mpd/0.24", ms_played=181_000, context={"a": "b"})
    body = b'{"listen_type": "import", "payload": [%s]}' % written(listen)
    (item,) = listenbrainz.submission_of(body, user="ada", now=NOW).items
    assert isinstance(item.event, PlayEvent)
    assert item.event.song == SONG
    assert (item.event.time.at, item.event.source, item.event.ms_played) == (AT, "mpd/0.24", 181_000)


def test_a_song_of_which_little_is_known_has_no_nulls() -> None:
    listen = reading.listen(SongRef("Parabola", "Tool"), user="ada", listened_at=AT)
    assert set(listen["track_metadata"]) == {"artist_name", "track_name", "additional_info"}
    assert list(listen["track_metadata"]["additional_info"]) == ["recording_msid"]


def test_a_page_has_the_ends_of_all_listens() -> None:
    page = reading.listens_page("ada", [], newest=NOW, oldest=AT)
    assert page["payload"]["latest_listen_ts"] == int(NOW.timestamp())
    assert page["payload"]["oldest_listen_ts"] == 1443521965
    empty = reading.listens_page("ada", [], newest=None, oldest=None)["payload"]
    assert empty == {"user_id": "ada", "count": 0, "listens": [], "latest_listen_ts": 0, "oldest_listen_ts": 0}


def test_what_is_playing_now_has_no_time() -> None:
    payload = reading.playing_now("ada", SONG, source="mpd")["payload"]
    assert (payload["count"], payload["playing_now"], payload["user_id"]) == (1, True, "ada")
    (listen,) = payload["listens"]
    assert "listened_at" not in listen
    assert listen["playing_now"] is True
    assert listen["track_metadata"]["additional_info"]["submission_client"] == "mpd"
    assert reading.playing_now("ada", None)["payload"]["listens"] == []
    assert reading.listen_count(7) == {"payload": {"count": 7}}


def test_feedback_has_the_ids_that_unlove_it() -> None:
    entry = reading.feedback(SONG, user="ada", score=1, at=AT)
    assert {**entry, "track_metadata": None} == {
        "user_id": "ada", "recording_msid": MSID, "recording_mbid": RECORDING, "score": 1, "created": 1443521965,
        "track_metadata": None,
    }  # fmt: skip
    assert entry["track_metadata"]["track_name"] == "Parabola"
    page = reading.feedback_page([entry], total=9, offset=4)
    assert (page["count"], page["total_count"], page["offset"]) == (1, 9, 4)
    assert reading.no_feedback("ada", msid=MSID)["score"] == 0


def test_charts_have_the_field_names_of_their_entity() -> None:
    ids = {"mbid": RECORDING, "artist_mbid": ARTIST, "release_mbid": RECORDING}
    count = reading.Count(5, "Tool", title="Parabola", album="Lateralus", ids=ids)
    artists = reading.top("artists", "ada", [reading.Count(5, "Tool")], of=ALL, total=40, offset=2)["payload"]
    assert artists == {
        "user_id": "ada", "artists": [{"artist_name": "Tool", "listen_count": 5}], "count": 1, "total_artist_count": 40,
        "offset": 2, "range": "all_time", "from_ts": 1443521965, "to_ts": int(NOW.timestamp()),
        "last_updated": int(NOW.timestamp()),
    }  # fmt: skip
    release = {"artist_name": "Tool", "listen_count": 5, "artist_mbids": [ARTIST], "release_name": "Lateralus",
               "release_mbid": RECORDING}  # fmt: skip
    assert reading.top("releases", "ada", [count], of=ALL, total=1, offset=0)["payload"]["releases"] == [release]
    recording = {**release, "track_name": "Parabola", "recording_mbid": RECORDING}
    assert reading.top("recordings", "ada", [count], of=ALL, total=1, offset=0)["payload"]["recordings"] == [recording]


def test_activity_is_by_span_and_by_hour_of_the_week() -> None:
    spans = [("29 September 2015", AT, AT + timedelta(days=1), 3)]
    activity = reading.listening_activity("ada", spans, of=ALL)["payload"]["listening_activity"]
    assert activity == [
        {"time_range": "29 September 2015", "from_ts": 1443521965, "to_ts": 1443608365, "listen_count": 3}
    ]
    week = reading.daily_activity("ada", {(6, 23): 4}, of=ALL)["payload"]["daily_activity"]
    assert list(week) == ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    assert week["Sunday"][23] == {"hour": 23, "listen_count": 4}
    assert len(week["Monday"]) == 24


def test_a_lookup_is_empty_unless_the_mbid_is_known() -> None:
    assert reading.lookup(None) == {}
    assert reading.lookup(SongRef("Parabola", "Tool", ids={"isrc": "x"})) == {}
    assert reading.lookup(SONG)["recording_mbid"] == RECORDING


def test_what_zik_does_not_have_is_an_empty_list() -> None:
    assert reading.following("ada") == {"following": [], "user": "ada"}
    assert reading.playlists(offset=0, count=25)["playlists"] == []
    assert reading.latest_import("ada", None) == {"musicbrainz_id": "ada", "latest_import": 0}
    assert reading.latest_import("ada", AT)["latest_import"] == 1443521965
