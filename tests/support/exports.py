"""A small invented sample of each format, in the exact structure that the named source writes."""

import json
from typing import Any, NamedTuple

from tests.support.events import Fields, favorite, play, song


class Sample(NamedTuple):
    """A file, and the expected events (without user, source and version) and reasons of refusals.

    `left_out` are the kinds of rows that are no songs, `details` the names of details that are left out.
    """

    format: str
    content: bytes
    events: list[Fields]
    refused: tuple[str, ...] = ()
    user: str | None = None
    source: str = "lastfm-export"
    left_out: tuple[str, ...] = ()
    details: tuple[str, ...] = ()


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=2, ensure_ascii=False).encode()


def _lines(*values: Any) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def _play(time: str, title: str, artist: str, /, *, ms_played: Any = ..., context: Any = ..., **more: Any) -> Fields:
    heard = song(title=title, artist=artist, **more)
    return play(time=time, user=..., song=heard, ms_played=ms_played, context=context)


def _favorite(time: str, title: str, artist: str, /, **more: Any) -> Fields:
    return favorite(time=time, user=..., song=song(title=title, artist=artist, **more))


UNDATED = "2002-01-01T00:00:00Z"

# As in ../shared/data/histories/spotify-2021; since 2023 the files are called StreamingHistory_music_0.json.
SPOTIFY_ACCOUNT = Sample(
    "Spotify account data",
    _json(
        [
            {"endTime": "2021-04-22 05:41", "artistName": "Shindy", "trackName": "Dreams", "msPlayed": 6408},
            {"endTime": "2021-04-22 05:41", "artistName": "", "trackName": "Nameless", "msPlayed": 10},
            {"endTime": "yesterday", "artistName": "Shindy", "trackName": "Dreams", "msPlayed": 10},
            {"endTime": "2021-04-22 05:45", "artistName": "Shindy", "trackName": "Dreams", "msPlayed": "10.5"},
            {"endTime": "2021-04-22 05:46", "artistName": "Mgła", "trackName": "I", "msPlayed": 0},
        ]
    ),
    [
        _play("2021-04-22T05:40:53.592Z", "Dreams", "Shindy", ms_played=6408),
        _play("2021-04-22T05:45:00Z", "Dreams", "Shindy"),
        _play("2021-04-22T05:46:00Z", "I", "Mgła", ms_played=0),
    ],
    ("missing_field", "invalid_value"),
    source="spotify-export-minutes",
    details=("ms_played",),
)
# The same, as somebody's table. Each cell is a text.
SPOTIFY_ACCOUNT_CSV = Sample(
    "Spotify account data",
    b"endTime,artistName,trackName,msPlayed\r\n2021-04-22 05:41,Shindy,Dreams,6408\r\n",
    [_play("2021-04-22T05:40:53.592Z", "Dreams", "Shindy", ms_played=6408)],
    source="spotify-export-minutes",
)
# StreamingHistory_podcast_0.json and StreamingHistory_audiobook_0.json beside it.
SPOTIFY_PODCASTS = Sample(
    "Spotify podcasts",
    _json([{"endTime": "2024-08-17 15:38", "podcastName": "Hack", "episodeName": "#144", "msPlayed": 1366726}] * 2),
    [],
    source="spotify-export",
    left_out=("podcast", "podcast"),
)
SPOTIFY_AUDIOBOOKS = Sample(
    "Spotify audiobooks",
    _json([{"endTime": "2024-08-17 15:38", "audiobookName": "Momo", "chapterName": "1", "msPlayed": 1366726}]),
    [],
    source="spotify-export",
    left_out=("audiobook",),
)
# Playlist1.json, as support.spotify.com/article/understanding-my-data describes it.
SPOTIFY_PLAYLISTS = Sample(
    "Spotify playlists",
    _json({"playlists": [{"name": "Slow", "lastModifiedDate": "2024-01-05", "items": [], "numberOfFollowers": 0}]}),
    [],
    source="spotify-export",
    left_out=("playlist",),
)
# StreamingHistory_video.json of somebody who has watched none.
EMPTY_LIST = Sample("empty list", b"[ ]\n", [], source="", left_out=("empty file",))

# The fields as ReadMeFirst_ExtendedStreamingHistory.pdf, which comes with the download, describes them.
_EXTENDED = {
    "ts": "2022-06-17T19:53:06Z",
    "platform": "Android OS 12 API 32 (Google, Pixel 5)",
    "ms_played": 227451,
    "conn_country": "US",
    "ip_addr": "192.0.2.7",
    "master_metadata_track_name": "Heroes - 2017 Remaster",
    "master_metadata_album_artist_name": "David Bowie",
    "master_metadata_album_album_name": "Heroes",
    "spotify_track_uri": "spotify:track:7Jh1bpe76CNTCgdgAdBw4Z",
    "episode_name": None,
    "episode_show_name": None,
    "spotify_episode_uri": None,
    "reason_start": "trackdone",
    "reason_end": "trackdone",
    "shuffle": False,
    "skipped": None,
    "offline": False,
    "offline_timestamp": 0,
    "incognito_mode": False,
}
_PODCAST = _EXTENDED | {
    "master_metadata_track_name": None,
    "master_metadata_album_artist_name": None,
    "master_metadata_album_album_name": None,
    "spotify_track_uri": None,
    "episode_name": "#144",
    "episode_show_name": "Gemischtes Hack",
}
SPOTIFY_EXTENDED = Sample(
    "Spotify extended streaming history",
    _json(
        [
            _EXTENDED,
            _PODCAST,
            _PODCAST | {"episode_name": None, "audiobook_title": "Momo", "audiobook_uri": "spotify:show:1"},
            _PODCAST | {"episode_name": None},
        ]
    ),
    [
        _play(
            "2022-06-17T19:49:18.549Z",
            "Heroes - 2017 Remaster",
            "David Bowie",
            ms_played=227451,
            album="Heroes",
            album_artist="David Bowie",
            ids={"spotify": "spotify:track:7Jh1bpe76CNTCgdgAdBw4Z"},
            context={
                "platform": "Android OS 12 API 32 (Google, Pixel 5)",
                "shuffle": False,
                "offline": False,
                "incognito_mode": False,
                "reason_start": "trackdone",
                "reason_end": "trackdone",
            },
        )
    ],
    source="spotify-export",
    left_out=("podcast", "audiobook", "nameless track"),
)
# A table that pandas made of it: with a column of row numbers, and truth values as words.
SPOTIFY_EXTENDED_CSV = Sample(
    "Spotify extended streaming history",
    b",ts,ms_played,master_metadata_track_name,master_metadata_album_artist_name,shuffle,skipped,episode_name\n"
    b"0,2025-01-01T10:06:20Z,90745,Parabola,Tool,True,,\n"
    b"1,2025-01-01T10:16:20Z,90745,,,False,,Episode\n",
    [_play("2025-01-01T10:04:49.255Z", "Parabola", "Tool", ms_played=90745, context={"shuffle": True})],
    source="spotify-export",
    left_out=("podcast",),
)

# YourLibrary.json of the account data: no times.
SPOTIFY_LIBRARY = Sample(
    "Spotify library",
    _json(
        {
            "tracks": [{"artist": "Tool", "album": "Lateralus", "track": "Parabola", "uri": "spotify:track:1"}],
            "albums": [{"artist": "Tool", "album": "Lateralus", "uri": "spotify:album:1"}],
            "shows": [],
        }
    ),
    [_favorite(UNDATED, "Parabola", "Tool", album="Lateralus", ids={"spotify": "spotify:track:1"})],
    source="spotify-export",
)


def _lastfm(**changes: Any) -> Fields:
    """A track of user.getRecentTracks, as its documentation and erikdstock/tipjar's recorded answers have it."""
    track = {
        "artist": {"#text": "Wild Belle", "mbid": "0da6296c-a562-4d06-85d2-5e2740885d07"},
        "name": "Take Me Away",
        "streamable": "0",
        "mbid": "33fbbd13-dbaf-40b7-89e2-9fec2fe66bd8",
        "album": {"#text": "Isles", "mbid": ""},
        "url": "http://www.last.fm/music/Wild+Belle/_/Take+Me+Away",
        "image": [{"#text": "http://img2-ak.lst.fm/i/u/34s/701f.png", "size": "small"}],
        "date": {"uts": "1464727569", "#text": "31 May 2016, 20:46"},
    }
    return {name: value for name, value in (track | changes).items() if value is not ...}


_NOW_PLAYING = _lastfm(date=..., **{"@attr": {"nowplaying": "true"}})
_WILD_BELLE = _play(
    "2016-05-31T20:46:09Z",
    "Take Me Away",
    "Wild Belle",
    album="Isles",
    ids={"mbid": "33fbbd13-dbaf-40b7-89e2-9fec2fe66bd8"},
)
_ATTR = {"@attr": {"user": "ada", "page": "1", "perPage": "200", "totalPages": "2", "total": "249"}}
# What the API answers: one page, and a tool's file of pages one after another.
LASTFM_PAGE = Sample(
    "Last.fm pages",
    _lines({"recenttracks": {"track": [_NOW_PLAYING, _lastfm()], **_ATTR}}, {"recenttracks": {"track": [_lastfm()]}}),
    [_WILD_BELLE, _WILD_BELLE],
    user="ada",
    left_out=("now-playing track",),
)
# mainstream.ghan.nl/export.html: an array of pages; and of pages asked for with extended=1, which say what is loved.
LASTFM_PAGES = Sample(
    "Last.fm pages",
    _json(
        [
            {"track": [_lastfm(), _lastfm(album={"#text": "", "mbid": ""}, mbid="", date={"uts": "soon"})], **_ATTR},
            {"track": [_lastfm(artist={"name": "Wild Belle", "url": "…"}, loved="1")] * 2, **_ATTR},
        ]
    ),
    [
        _WILD_BELLE,
        _WILD_BELLE,
        _favorite(UNDATED, "Take Me Away", "Wild Belle", album="Isles", ids=_WILD_BELLE["song"]["ids"]),
        _WILD_BELLE,
    ],
    ("invalid_value",),
    user="ada",
)
# user.getLovedTracks: the artist has a name instead of #text, and there is no album.
LASTFM_LOVED = Sample(
    "Last.fm pages",
    _json(
        {"lovedtracks": {"track": [_lastfm(artist={"name": "Wild Belle", "mbid": ""}, album=..., mbid="")], **_ATTR}}
    ),
    [_favorite("2016-05-31T20:46:09Z", "Take Me Away", "Wild Belle")],
    user="ada",
)
# benjaminbenben.com/lastfm-to-csv: artist, album, track, date; no first line of names; the time is Last.fm's, in UTC.
LASTFM_TO_CSV = Sample(
    "Last.fm CSV",
    b"Radiohead,OK Computer,Paranoid Android,15 Jun 2007 22:30\n"
    b'gore\xc5\x9fhit,gnb,lonely,"19 Aug 2016, 20:39"\n'
    b'Tool,,"7"" single",15 Jun 2007 22:35\n'
    b'Tool,"never closed,Schism,15 Jun 2007 22:36\n'
    b"Tool,Lateralus,Parabol,15 Jun 2007 22:37\n"
    b"T\xffol,Lateralus,Parabol,15 Jun 2007 22:38\n"
    b"Tool,Lateralus,Parabola,\n"
    b'Tool,,"Schism\n(live)",15 Jun 2007 22:39\n',
    [
        _play("2007-06-15T22:30:00Z", "Paranoid Android", "Radiohead", album="OK Computer"),
        _play("2016-08-19T20:39:00Z", "lonely", "goreşhit", album="gnb"),
        _play("2007-06-15T22:35:00Z", '7" single', "Tool"),
        _play("2007-06-15T22:37:00Z", "Parabol", "Tool", album="Lateralus"),
        _play("2007-06-15T22:39:00Z", "Schism\n(live)", "Tool"),
    ],
    ("invalid_value", "bad_encoding"),
    left_out=("now-playing track",),
    source="lastfm-export-minutes",
)
# mainstream.ghan.nl and lastfm.ghan.nl/export, "Recent tracks".
LASTFM_GHAN = Sample(
    "Last.fm CSV",
    b"uts,utc_time,artist,artist_mbid,album,album_mbid,track,track_mbid\n"
    b'"1700000000","14 Nov 2023, 22:13","mgk","","mainstream sellout","","fake love don\'t last",""\n'
    b'"1700000600","14 Nov 2023, 22:23","The Wombats","abc","A Guide to Love","","Kill The Director","xyz"\n',
    [
        _play("2023-11-14T22:13:20Z", "fake love don't last", "mgk", album="mainstream sellout"),
        _play("2023-11-14T22:23:20Z", "Kill The Director", "The Wombats", album="A Guide to Love", ids={"mbid": "xyz"}),
    ],
)
# The same exporter's "Loved tracks": no album.
LASTFM_GHAN_LOVED = Sample(
    "Last.fm CSV",
    b'uts,utc_time,artist,artist_mbid,track,track_mbid\n1700000000,"14 Nov 2023, 22:13",mgk,,fake love,\n',
    [_favorite("2023-11-14T22:13:20Z", "fake love", "mgk")],
)
# lastfmstats.com: with a byte order mark, semicolons, milliseconds, and the user in the first line.
LASTFM_STATS = Sample(
    "Last.fm CSV",
    b'\xef\xbb\xbfArtist;Album;AlbumId;Track;Date#ada\r\n"Tool";"Lateralus";"";"Parabola";"1700000000000"\r\n',
    [_play("2023-11-14T22:13:20Z", "Parabola", "Tool", album="Lateralus")],
    user="ada",
)
# lastfmstats.com as JSON.
LASTFM_STATS_JSON = Sample(
    "table of plays",
    _json(
        {
            "username": "ada",
            "scrobbles": [
                {"track": "Parabola", "artist": "Tool", "album": "Lateralus", "albumId": "", "date": 1700000000000}
            ],
        }
    ),
    [_play("2023-11-14T22:13:20Z", "Parabola", "Tool", album="Lateralus")],
    user="ada",
    source="table",
)
# As in ../shared/data/histories/lastfm-2019, and the same with local times.
TABLE = Sample(
    "table of plays",
    b"ts,track,artist,album\n"
    b"2021-05-10 12:59:22+03:00,Parabola,Tool,Lateralus\n"
    b"2021-05-10 12:59:22,Parabol,Tool,Lateralus\n",
    [_play("2021-05-10T12:59:22+03:00", "Parabola", "Tool", album="Lateralus")],
    ("invalid_value",),
    source="table",
)

# listenbrainz-server, background/export.py: user.json, listens/2023/11.jsonl and feedback.jsonl of the zip.
LISTENBRAINZ_USER = _lines({"user_id": 7, "username": "ada"})
_LISTEN = {
    "listened_at": 1700000000.000000,
    "inserted_at": 1700000123.456789,
    "track_metadata": {
        "artist_name": "Tool",
        "track_name": "Parabola",
        "release_name": "Lateralus",
        "recording_msid": "11111111-1111-4111-8111-111111111111",
        "mbid_mapping": None,
        "additional_info": {
            "recording_mbid": "22222222-2222-4222-8222-222222222222",
            "isrc": "USZO10100001",
            "duration_ms": 183000,
            "duration_played": 181,
            "artist_names": ["Tool", "Ada"],
            "release_artist_name": "Various Artists",
            "submission_client": "mpdscribble",
        },
    },
}
_TOOL = _play(
    "2023-11-14T22:13:20Z",
    "Parabola",
    "Tool",
    album="Lateralus",
    album_artist="Various Artists",
    artists=["Tool", "Ada"],
    duration_ms=183000,
    ids={"mbid": "22222222-2222-4222-8222-222222222222", "isrc": "USZO10100001"},
    ms_played=181000,
    context={"client": "mpdscribble"},
)
LISTENBRAINZ_FEEDBACK = _lines(
    {
        "recording_msid": "11111111-1111-4111-8111-111111111111",
        "recording_mbid": None,
        "score": 1,
        "created": 1700000050,
    },
    {
        "recording_msid": "33333333-3333-4333-8333-333333333333",
        "recording_mbid": None,
        "score": 1,
        "created": 1700000051,
    },
    {
        "recording_msid": "11111111-1111-4111-8111-111111111111",
        "recording_mbid": None,
        "score": -1,
        "created": 1700000052,
    },
)
LISTENBRAINZ = Sample(
    "ListenBrainz listens",
    _lines(_LISTEN) + b"{broken\n[]\n" + _lines(_LISTEN | {"listened_at": None}),
    [_TOOL],
    ("invalid_json", "wrong_type", "invalid_value"),
    source="listenbrainz-export",
)
# The export until 2024: one array, with the user in every listen.
LISTENBRAINZ_ARRAY = Sample(
    "ListenBrainz listens",
    _json([{**_LISTEN, "listened_at": 1700000000, "user_name": "ada"}]),
    [_TOOL],
    user="ada",
    source="listenbrainz-export",
)
# The answer of /1/feedback/user/ada/get-feedback?metadata=true.
LISTENBRAINZ_FEEDBACK_API = Sample(
    "ListenBrainz feedback",
    _json(
        {
            "feedback": [
                {
                    "created": 1700000050,
                    "recording_msid": "11111111-1111-4111-8111-111111111111",
                    "score": 1,
                    "track_metadata": {"artist_name": "Tool", "track_name": "Parabola"},
                    "user_id": "ada",
                }
            ]
        }
    ),
    [_favorite("2023-11-14T22:14:10Z", "Parabola", "Tool")],
    user="ada",
    source="listenbrainz-export",
)

_MALOJA = {
    "time": 1746434682,
    "track": {
        "artists": ["Kendrick Lamar", "SZA"],
        "title": "luther",
        "album": {"artists": ["Kendrick Lamar"], "albumtitle": "GNX"},
        "length": 178,
    },
    "duration": 170,
    "origin": "client:navidrome",
}
# krateng/maloja, proccontrol/tasks/export.py; a null album and an empty list of artists as in Koito's test assets.
MALOJA = Sample(
    "Maloja",
    _json(
        {
            "maloja": {"export_time": 1748738994},
            "scrobbles": [
                _MALOJA,
                {
                    "time": 1746434410,
                    "track": {"artists": ["A"], "title": "B", "album": None, "length": None},
                    "duration": None,
                    "origin": None,
                },
                {
                    "time": 1746434900,
                    "track": {"artists": [], "title": "C", "album": None, "length": None},
                    "duration": None,
                    "origin": None,
                },
            ],
        }
    ),
    [
        _play(
            "2025-05-05T08:44:42Z",
            "luther",
            "Kendrick Lamar, SZA",
            album="GNX",
            album_artist="Kendrick Lamar",
            artists=["Kendrick Lamar", "SZA"],
            duration_ms=178000,
            ms_played=170000,
            context={"client": "client:navidrome"},
        ),
        _play("2025-05-05T08:40:10Z", "B", "A", artists=["A"]),
    ],
    ("missing_field",),
    source="maloja-export",
)
# Maloja 2: the scrobble itself has the track's fields.
MALOJA_2 = Sample(
    "Maloja",
    _json({"scrobbles": [{"artists": ["A"], "title": "B", "album": "C", "duration": None, "time": 1746434410}]}),
    [_play("2025-05-05T08:40:10Z", "B", "A", album="C", artists=["A"])],
    source="maloja-export",
)

# gabehf/Koito, internal/export/export.go and test_assets/koito_export_test.json.
KOITO = Sample(
    "Koito",
    _json(
        {
            "version": "1",
            "exported_at": "2025-06-18T12:56:53Z",
            "user": "ada",
            "listens": [
                {
                    "listened_at": "2022-01-08T22:32:08Z",
                    "client": "navidrome",
                    "track": {
                        "mbid": None,
                        "duration": 354,
                        "aliases": [
                            {"alias": "Each Wave", "source": "MusicBrainz", "is_primary": False},
                            {"alias": "Every Wave", "source": "Canonical", "is_primary": True},
                        ],
                    },
                    "album": {
                        "image_url": "",
                        "mbid": None,
                        "aliases": [{"alias": "LP3", "source": "Canonical", "is_primary": True}],
                        "various_artists": False,
                    },
                    "artists": [
                        {
                            "image_url": "",
                            "mbid": None,
                            "is_primary": False,
                            "aliases": [{"alias": "American Football", "source": "Canonical", "is_primary": True}],
                        },
                        {
                            "image_url": "",
                            "mbid": None,
                            "is_primary": False,
                            "aliases": [{"alias": "Elizabeth Powell", "source": "Canonical", "is_primary": True}],
                        },
                    ],
                },
                {
                    "listened_at": "2022-01-08T22:32:08Z",
                    "track": {"duration": 0, "aliases": []},
                    "album": {},
                    "artists": [],
                },
            ],
        }
    ),
    [
        _play(
            "2022-01-08T22:32:08Z",
            "Every Wave",
            "American Football, Elizabeth Powell",
            album="LP3",
            artists=["American Football", "Elizabeth Powell"],
            duration_ms=354000,
            context={"client": "navidrome"},
        )
    ],
    ("missing_field",),
    user="ada",
    source="koito-export",
)

# The Audioscrobbler portable player log as quoted in Rockbox, apps/plugins/lastfm_scrobbler.c.
_LOG = (
    b"#CLIENT/Rockbox h3xx 1.1\n"
    b"#ARTIST #ALBUM #TITLE #TRACKNUM #LENGTH #RATING #TIMESTAMP #MUSICBRAINZ_TRACKID\n"
    b"Metallica\tMetallica\tEnter Sandman\t1\t365\tL\t1143374412\t62c2e20a-559e-422f-a44c-9afa7882f0c4\n"
    b"Portishead\tRoseland NYC Live\tCowboys\t2\t312\tS\t1143374777\t\n"
    b"Steppenwolf\t\tThe Pusher\t\t350\tL\t0\t\n"
    b"Steppenwolf\tLive\n"
)
ROCKBOX = Sample(
    "Rockbox scrobbler log",
    b"#AUDIOSCROBBLER/1.1\n#TZ/UTC\n" + _LOG,
    [
        _play(
            "2006-03-26T12:00:12Z",
            "Enter Sandman",
            "Metallica",
            album="Metallica",
            duration_ms=365000,
            ids={"mbid": "62c2e20a-559e-422f-a44c-9afa7882f0c4"},
        ),
        _play(
            "2006-03-26T12:06:17Z",
            "Cowboys",
            "Portishead",
            album="Roseland NYC Live",
            duration_ms=312000,
            ms_played=0,
            context={"skipped": True},
        ),
    ],
    ("out_of_range", "invalid_value"),
    source="rockbox",
)
# Without the lines above, as some players write it. The song was skipped and heard in one second.
ROCKBOX_HEADERLESS = Sample(
    "Rockbox scrobbler log",
    b"\xef\xbb\xbfTool\tLateralus\tParabola\t3\t183\tS\t1500812596\t\r\n"
    b"Tool\tLateralus\tParabola\t3\t183\tL\t1500812596\t\r\n"
    b"Tool\tLateralus\tSchism\t5\t-1\tL\t1500812779\r\n",
    [
        _play("2017-07-23T12:23:16Z", "Parabola", "Tool", album="Lateralus", duration_ms=183000),
        _play("2017-07-23T12:26:19Z", "Schism", "Tool", album="Lateralus"),
    ],
    source="rockbox",
    left_out=("repeated skip",),
    details=("song.duration_ms",),
)
ROCKBOX_LOCAL = b"#AUDIOSCROBBLER/1.1\n#TZ/UNKNOWN\n" + _LOG

# Rockbox's playback.log: add_playbacklog in its apps/playback.c, when a track ends, by the local clock.
ROCKBOX_PLAYBACK = (
    b"# Playback log Rockbox\n"
    b"1743000215:215000:215000:/<microSD0>/Music/Tool/Lateralus/1-06 Parabola.flac\n"
    b"1743000218:2500:180000:/Music/Tool/Lateralus/07. Schism.mp3\n"
    b"1743000400:1000:1000:/Schism.mp3\n"
)

# kawaiiDango/pano-scrobbler, api/file/FileScrobblable.kt: the same entries as JSON Lines and as CSV.
_PANO = {
    "timeHuman": "November 14, 2023, 22:13 GMT",
    "timeMs": 1700000000500,
    "artist": "Tool",
    "track": "Parabola",
    "album": "Lateralus",
    "albumArtist": "Tool",
    "durationMs": 183000,
    "mediaPlayerPackage": "com.maxmpz.audioplayer",
    "mediaPlayerName": "Poweramp",
    "mediaPlayerVersion": "1",
    "event": "scrobble",
}
PANO = Sample(
    "Pano Scrobbler",
    _lines(
        _PANO,
        _PANO | {"event": "love", "timeMs": 1700000001000, "durationMs": None, "album": None},
        _PANO | {"event": "unlove", "timeMs": 1700000002000, "durationMs": None, "album": None},
        _PANO | {"event": "skip"},
    ),
    [
        _play(
            "2023-11-14T22:13:20.500Z",
            "Parabola",
            "Tool",
            album="Lateralus",
            album_artist="Tool",
            duration_ms=183000,
            context={"client": "Poweramp"},
        ),
        _favorite("2023-11-14T22:13:21Z", "Parabola", "Tool"),
        _favorite("2023-11-14T22:13:22Z", "Parabola", "Tool") | {"favorite": False},
    ],
    ("invalid_value",),
    source="pano-scrobbler",
)
PANO_CSV = Sample(
    "Pano Scrobbler",
    b"timeHuman,timeMs,artist,track,album,albumArtist,durationMs,mediaPlayerPackage,mediaPlayerName,"
    b"mediaPlayerVersion,event\r\n"
    b'"Nov 14, 2023",1700000000500,Tool,Parabola,Lateralus,Tool,null,com.maxmpz.audioplayer,Poweramp,1,scrobble\r\n',
    [
        _play(
            "2023-11-14T22:13:20.500Z",
            "Parabola",
            "Tool",
            album="Lateralus",
            album_artist="Tool",
            context={"client": "Poweramp"},
        )
    ],
    source="pano-scrobbler",
)

# Apple Music Play Activity.csv of privacy.apple.com, with the columns that ewanc26's apple-music.ts and
# Apple-Music-Play-History tools read. Exports until about 2021 name the artist; newer ones do not.
_APPLE_COLUMNS = (
    "Artist Name,{title},Album Name,End Reason Type,Event End Timestamp,Event Start Timestamp,Event Type,"
    "Media Duration In Milliseconds,Media Type,Play Duration Milliseconds,UTC Offset In Seconds\n"
)
APPLE = Sample(
    "Apple Music",
    _APPLE_COLUMNS.format(title="Song Name").encode()
    + b"Tool,Parabola,Lateralus,NATURAL_END_OF_TRACK,2018-07-22T03:56:17.331Z,2018-07-22T03:53:14.331Z,PLAY_END,"
    b"183000,AUDIO,183000,-14400\n"
    b"Tool,Schism,,SKIP_FORWARD,2018-07-22T03:57:00Z,,PLAY_END,,AUDIO,10000,\n"
    b",Parabol,,,,2018-07-22T04:00:00Z,PLAY_END,1,AUDIO,1,0\n"
    b"Tool,Parabol,,,,2018-07-22T04:00:00Z,LYRIC_DISPLAY,,,,0\n"
    b"Tool,Parabol,,,,2018-07-22T04:00:00Z,PLAY_END,,VIDEO,,0\n",
    [
        _play(
            "2018-07-21T23:53:14.331000-04:00",
            "Parabola",
            "Tool",
            album="Lateralus",
            duration_ms=183000,
            ms_played=183000,
            context={"reason_end": "NATURAL_END_OF_TRACK"},
        ),
        _play("2018-07-22T03:56:50Z", "Schism", "Tool", ms_played=10000, context={"reason_end": "SKIP_FORWARD"}),
    ],
    ("missing_field",),
    source="apple-export",
    left_out=("other event", "video"),
)
APPLE_OLD = Sample(
    "Apple Music",
    _APPLE_COLUMNS.format(title="Content Name").encode()
    + b"Tool,Parabola,,,,2018-07-22T03:53:14Z,PLAY_END,,AUDIO,183000,3600\n",
    [_play("2018-07-22T04:53:14+01:00", "Parabola", "Tool", ms_played=183000)],
    source="apple-export",
)

# watch-history.json of Google Takeout, as Jason-Pallone/Solstice-Top-10 has it; the sentences of other languages as
# atillaturkmen/youtube-rewind lists them.
_WATCHED = {
    "header": "YouTube Music",
    "title": "Watched Parabola",
    "titleUrl": "https://www.youtube.com/watch?v\u003d-e8Nfjl_AKk",
    "subtitles": [{"name": "Tool - Topic", "url": "https://www.youtube.com/channel/UC"}],
    "time": "2022-04-25T18:09:04.784Z",
    "products": ["YouTube"],
    "activityControls": ["YouTube watch history"],
}
YOUTUBE = Sample(
    "YouTube Music",
    _json(
        [
            _WATCHED,
            _WATCHED | {"title": "Schism angesehen", "titleUrl": None, "time": "2022-04-25T18:12:04Z"},
            _WATCHED | {"header": "YouTube", "title": "Watched a cat"},
            _WATCHED | {"title": "Fylgdist með Schism"},
            {name: value for name, value in _WATCHED.items() if name != "subtitles"},
        ]
    ),
    [
        _play("2022-04-25T18:09:04.784Z", "Parabola", "Tool", ids={"youtube": "-e8Nfjl_AKk"}),
        _play("2022-04-25T18:12:04Z", "Schism", "Tool"),
    ],
    ("invalid_value", "missing_field"),
    source="youtube-export",
    left_out=("YouTube video",),
)

# metabrainz/listenbrainz-server, testdata/tidal_streaming.csv, and background/listens_importer/tidal.py for the zone.
TIDAL = Sample(
    "Tidal",
    b"artist_name,track_title,entry_date,stream_duration_ms,product_type,ip_address,client_name_from_session,"
    b"country_name,region_name,city_name,postal_code,time_zone\n"
    b'Tool,"Parabola, live",08/03/2022 19:06,238000.0,TRACK,000.00.000.001,Tidal,Canada,P,C,A1B,America/Toronto\n'
    b"Tool,Schism,09/03/2022 0:00,330.00000000000000,TRACK,null,mobile,null,null,null,null,null\n"
    b"Tool,Schism,09/03/2022 0:02,120000.0,TRACK,null,mobile,null,null,null,null,Not/AZone\n"
    b"Tool,Schism,2022-03-09,120000.0,TRACK,null,mobile,null,null,null,null,null\n"
    b"Tool,Schism,09/03/2022 0:03,120000.0,VIDEO,null,mobile,null,null,null,null,null\n",
    [
        _play("2022-03-08T19:06:00-05:00", "Parabola, live", "Tool", ms_played=238000),
        _play("2022-03-09T00:00:00Z", "Schism", "Tool", ms_played=330),
        _play("2022-03-09T00:02:00Z", "Schism", "Tool", ms_played=120000),
    ],
    ("invalid_value",),
    source="tidal-export",
    left_out=("video",),
)

# The sheet 10_listeningHistory of Deezer's deezer-data_*.xlsx, as your_spotify's importer and others read it, as CSV.
DEEZER = Sample(
    "Deezer",
    b"Song Title,Artist,ISRC,Album Title,IP Address,Listening Time,Platform Name,Platform Model,Date\n"
    b"Parabola,Tool,USZO10100001,Lateralus,192.0.2.1,181,ios,,2024-11-25 12:34:56\n",
    [
        _play(
            "2024-11-25T12:34:56Z",
            "Parabola",
            "Tool",
            album="Lateralus",
            ids={"isrc": "USZO10100001"},
            ms_played=181000,
        )
    ],
    source="deezer-export",
)

# metabrainz/listenbrainz-server, testdata/librefm.csv and librefm_with_comments.csv. The whole file is in UTF-7.
LIBREFM = Sample(
    "table of plays",
    b"+ACM- Data export from Libre.fm,,,\n+ACM- 2025+AC0-07+AC0-23 15:05:47 +AC0-0400,,,\n+ACM- cabot.local,,,\n"
    b"Artist,Track,Album,Time\nThe Horrors,New+AC0-Ice Age,Primary Colours,1690347960\nT+APw-l,Altered,,1690348225\n",
    [
        _play("2023-07-26T05:06:00Z", "New-Ice Age", "The Horrors", album="Primary Colours"),
        _play("2023-07-26T05:10:25Z", "Altered", "Tül"),
    ],
    source="table",
)
LIBREFM_WITH_COMMENTS = Sample(
    "table of plays",
    b"# Any number of lines, with commas.\n# And\n\nuserid,Artist,track,Album,time\n"
    b"1,Vega Trails,Old Friend; The Sea,Sierra Tracks,1760532855\n",
    [_play("2025-10-15T12:54:15Z", "Old Friend; The Sea", "Vega Trails", album="Sierra Tracks")],
    source="table",
)
# People's own tables.
TABLE_WITH_SPACES = Sample(
    "table of plays",
    b"sep=|\nTrack Name|Artist Name(s)|Artist Name|Played At|ms_played|Duration (ms)|ISRC\n"
    b"Parabola|x|Tool|1704103200.0|181000|183000|USZO10100001\n"
    b"Parabola|x|Tool|Mon, 01 Jan 2024 10:10:00 +0200|4:05|1e99|\n",
    [
        _play(
            "2024-01-01T10:00:00Z",
            "Parabola",
            "Tool",
            duration_ms=183000,
            ids={"isrc": "USZO10100001"},
            ms_played=181000,
        ),
        _play("2024-01-01T10:10:00+02:00", "Parabola", "Tool"),
    ],
    source="table",
    details=("song.duration_ms", "ms_played"),
)
TABLE_OF_DATES = Sample(
    "table of plays",
    b"date,title,artist\n2024-01-05,Parabola,Tool\n2024-01-05,PARABOLA,Tool\n5 Jan 2024,Schism,Tool\n05/01/2024,x,y\n",
    [
        _play("2024-01-05T12:00:00Z", "Parabola", "Tool"),
        _play("2024-01-05T12:00:01Z", "PARABOLA", "Tool"),
        _play("2024-01-05T12:00:00Z", "Schism", "Tool"),
    ],
    ("invalid_value",),
    source="table",
)
JSON_LINES = Sample(
    "table of plays",
    _lines({"artist": "Tool", "track": "Parabola", "scrobbled_at": "2026-05-07T16:59:38Z", "ms_played": 5}),
    [_play("2026-05-07T16:59:38Z", "Parabola", "Tool", ms_played=5)],
    source="table",
)
# Arrays under keys that nobody has heard of, one for each year; an array of something else does not count.
JSON_BY_YEAR = Sample(
    "ListenBrainz listens",
    _json({"data": {"y2023": [_LISTEN], "y2024": [_LISTEN], "artists": [{"name": "Tool"}]}}),
    [_TOOL, _TOOL],
    source="listenbrainz-export",
    left_out=("other row",),
)

SAMPLES = {name: value for name, value in globals().items() if isinstance(value, Sample)}
