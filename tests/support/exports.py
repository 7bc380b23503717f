"""A small invented sample of each format, in the exact structure that the named source writes."""

import json
from typing import Any, NamedTuple

from tests.support.events import Fields, favorite, play, song


class Sample(NamedTuple):
    """A file, and the expected events (without user, source and version) and reasons of refusals."""

    format: str
    content: bytes
    events: list[Fields]
    refused: tuple[str, ...] = ()
    user: str | None = None
    source: str = "lastfm-export"


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
        _play("2021-04-22T05:46:00Z", "I", "Mgła", ms_played=0),
    ],
    ("missing_field", "invalid_value", "invalid_value"),
    source="spotify-export",
)

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
    _json([_EXTENDED, _PODCAST]),
    [
        _play(
            "2022-06-17T19:49:18.549Z",
            "Heroes - 2017 Remaster",
            "David Bowie",
            ms_played=227451,
            album="Heroes",
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
    ("no_song",),
    source="spotify-export",
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
    ("no_song",),
    user="ada",
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
    b"Tool,Lateralus,Parabola,\n",
    [
        _play("2007-06-15T22:30:00Z", "Paranoid Android", "Radiohead", album="OK Computer"),
        _play("2016-08-19T20:39:00Z", "lonely", "goreşhit", album="gnb"),
        _play("2007-06-15T22:35:00Z", '7" single', "Tool"),
        _play("2007-06-15T22:37:00Z", "Parabol", "Tool", album="Lateralus"),
    ],
    ("invalid_value", "bad_encoding", "invalid_value"),
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
            "submission_client": "mpdscribble",
        },
    },
}
_TOOL = _play(
    "2023-11-14T22:13:20Z",
    "Parabola",
    "Tool",
    album="Lateralus",
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
            duration_ms=178000,
            ms_played=170000,
            context={"client": "client:navidrome"},
        ),
        _play("2025-05-05T08:40:10Z", "B", "A"),
    ],
    ("missing_field",),
    source="maloja-export",
)
# Maloja 2: the scrobble itself has the track's fields.
MALOJA_2 = Sample(
    "Maloja",
    _json({"scrobbles": [{"artists": ["A"], "title": "B", "album": "C", "duration": None, "time": 1746434410}]}),
    [_play("2025-05-05T08:40:10Z", "B", "A", album="C")],
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
    ("missing_field", "invalid_value"),
    source="rockbox",
)
ROCKBOX_LOCAL = b"#AUDIOSCROBBLER/1.1\n#TZ/UNKNOWN\n" + _LOG

SAMPLES = {name: value for name, value in globals().items() if isinstance(value, Sample)}
