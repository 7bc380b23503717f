"""Events drawn by hypothesis so that many collide, and how many examples a test tries."""

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5
from zlib import crc32

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from tests.support.events import NOW, Fields, favorite, play, preference

# No deadline in any of them: the machines are shared, and a slow example is no fault.
settings.register_profile("dev", max_examples=25, deadline=None)
settings.register_profile("ci", max_examples=40, deadline=None, derandomize=True, print_blob=True)
settings.register_profile("nightly", max_examples=3_000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))

# A decoder costs microseconds where a database costs milliseconds, so it can be asked more often.
CHEAP: Final = settings(max_examples=6 * settings().max_examples)
# The engine and its empty tables serve all examples of a test: each example rolls its transaction back.
ON_DATABASE: Final = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

_IDS: Final = UUID("d0b7f0a4-2f5c-4a53-9d6c-6a1f0c1b8c55")

# --- Strategies ---------------------------------------------------------------------------------

json_values: Final[st.SearchStrategy[Any]] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(-1e9, 1e9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)

_USERS: Final = ("ada", "bob", "Zoë")
_TIMES: Final = ("2021-04-22T05:40:53Z", "2021-04-22T23:30:00.000001+05:30", "2021-04-23T00:10:00-08:00")
_PREFERENCES: Final[Mapping[str, Sequence[Any]]] = {
    "mood": (None, "calm", {"now": ["calm", None, 1.5]}),
    "timezone": (None, "Asia/Kolkata", "America/New_York"),
}
# All that is ever said of a song: an event says it or is silent, so that no order of arrival can tell.
_SONGS: Final[Sequence[Fields]] = (
    {
        "title": "Parabola",
        "artist": "Tool",
        "album": "Lateralus",
        "duration_ms": 183_000,
        "ids": {"isrc": "US1"},
        "album_artist": "Tool",
    },
    {
        "title": "Parabola",
        "artist": "Ada & the \u2028 Bobs",
        "album": "'; DROP TABLE songs --",
        "ids": {"a": "1"},
        "artists": ["Ada", "the \u2028 Bobs", "Ada"],
    },
    {"title": "%s $1 :rows {rows}", "artist": "Tool", "duration_ms": 1, "ids": {"mbid": "m", "isrc": "n"}},
)


_FACTS: Final = ("album", "duration_ms", "artists", "album_artist")


def _told(draw: st.DrawFn, song: Fields, silent: Collection[str]) -> Fields:
    """The song without what the client is silent about, with all its ids, the first, or none."""
    told = {name: value for name, value in song.items() if name not in silent}
    return told | {"ids": dict(list(song["ids"].items())[: draw(st.integers(0, 2))])}


@st.composite
def songs(draw: st.DrawFn) -> Fields:
    return _told(draw, draw(st.sampled_from(_SONGS)), draw(st.sets(st.sampled_from(_FACTS))))


@st.composite
def plays(draw: st.DrawFn, users: Sequence[str] = _USERS) -> Fields:
    """Plays of which some meet by id, and some only by user, moment and song, having come by two roads."""
    song = draw(st.sampled_from(_SONGS))
    fields = play(user=draw(st.sampled_from(users)), time=draw(st.sampled_from(_TIMES)), song=song)
    road = draw(st.integers(0, 1))
    named = f"{fields['user']} {fields['time']} {song['title']} {song['artist']}"
    # What the row keeps of a play follows from what identifies it, so that either road may be the first.
    chance = crc32(named.encode())
    fields["song"] = _told(draw, song, {name for bit, name in enumerate(_FACTS) if chance & 1 << bit})
    known = {"ms_played": len(named) * 1_000, "source": fields["time"][:10], "context": {"of": named}}
    return fields | known | {"id": str(uuid5(_IDS, f"play {named} {road}"))}


@st.composite
def favorites(draw: st.DrawFn) -> Fields:
    word = draw(st.booleans())
    fields = favorite(user=draw(st.sampled_from(_USERS)), time=draw(st.sampled_from(_TIMES)), favorite=word)
    fields["song"] = draw(songs())
    said = f"favorite {fields['user']} {fields['time']} {fields['song']['title']} {fields['song']['artist']} {word}"
    return fields | {"id": str(uuid5(_IDS, said))}


@st.composite
def preferences(draw: st.DrawFn) -> Fields:
    key = draw(st.sampled_from(sorted(_PREFERENCES)))
    fields = preference(
        user=draw(st.sampled_from(_USERS)),
        time=draw(st.sampled_from(_TIMES)),
        key=key,
        value=draw(st.sampled_from(_PREFERENCES[key])),
    )
    return fields | {"id": str(uuid5(_IDS, json.dumps(fields)))}


# How far a device's clock is behind; up to a minute it counts as right, and None is a client that does not say.
_SKEWS: Final = (
    None, *(timedelta(seconds=seconds) for seconds in (0, -60, 60, 61, -3600, 3600, 40 * 365 * 86_400)),
)  # fmt: skip


def behind(fields: Fields, skew: timedelta | None) -> Fields:
    """The event of this time, as a device tells it whose clock is `skew` behind, and that Redis receives at `NOW`."""
    if skew is None:
        return fields
    stamped = fields | {"sent_at": (NOW - skew).isoformat()}
    if abs(skew) <= timedelta(minutes=1):
        return stamped
    at = datetime.fromisoformat(fields["time"]) - skew
    return stamped | {"time": at.isoformat().replace("+00:00", "Z")}


@st.composite
def skewed_plays(draw: st.DrawFn, users: Sequence[str] = _USERS) -> Fields:
    """Plays of devices with wrong clocks. How wrong follows from what identifies the play, as all that it tells does:

    of two roads, the first stands, and which one that was must not show.
    """
    fields = draw(plays(users))
    return behind(fields, _SKEWS[crc32(fields["context"]["of"].encode()) % len(_SKEWS)])


@st.composite
def skewed_words(draw: st.DrawFn) -> Fields:
    """Favorites and preferences of devices with wrong clocks, also one event sent by several clocks."""
    fields = draw(favorites() | preferences())
    skew = draw(st.sampled_from(_SKEWS))
    if skew is None:
        return fields
    return fields | {"sent_at": (NOW - min(skew, timedelta(days=1))).isoformat()}


skewed: Final = skewed_plays() | skewed_words()
many_users: Final = plays(users=tuple(f"user {number}" for number in range(12)))
events: Final = plays() | favorites() | preferences()


@st.composite
def far_apart(draw: st.DrawFn) -> str:
    """A valid RFC 3339 time with any offset, within the contract's range."""
    at = draw(st.datetimes(datetime(2002, 1, 2), datetime(2026, 11, 22)))  # noqa: DTZ001 -- the offset comes next
    offset = timedelta(minutes=draw(st.integers(-14 * 60, 14 * 60)))
    sign, minutes = "-" if offset < timedelta() else "+", abs(offset) // timedelta(minutes=1)
    return f"{at.isoformat()}{sign}{minutes // 60:02}:{minutes % 60:02}"


# --- What the tables hold ------------------------------------------------------------------------

_ROWS: Final = {
    "users": "SELECT username FROM app_users",
    "songs": "SELECT identity, artist, title, album, duration_ms, CAST(attributes AS text) AS json FROM songs",
    "plays": """SELECT username, artist, title, played_at, reported_at, ms_played, p.duration_ms, utc_offset_minutes,
                       source, CAST(context AS text) AS json, CAST(t.identity AS text) AS track,
                       CASE track_id WHEN 0 THEN 0 END AS no_track
                  FROM play_history p JOIN app_users u ON u.id = user_id JOIN songs s ON s.id = p.song_id
                  LEFT JOIN tracks t ON t.id = track_id AND t.song_id = p.song_id""",
    "tracks": """SELECT CAST(tracks.identity AS text) AS track, title, tracks.album, album_artist,
                        CAST(tracks.album_identity AS text) AS of_album, CAST(artists AS text) AS json
                   FROM tracks JOIN songs ON songs.id = song_id""",
    "track_artists": """SELECT CAST(identity AS text) AS track, position, CAST(artist_identity AS text) AS artist, name
                          FROM track_artists JOIN tracks ON tracks.id = track_id""",
    "favorites": """SELECT username, artist, title, said_at, reported_at, event_id, is_favorite
                      FROM favorites JOIN app_users u ON u.id = user_id JOIN songs s ON s.id = song_id""",
    "preferences": """SELECT username, key, said_at, reported_at, event_id, CAST(value AS text) AS json
                        FROM preferences JOIN app_users u ON u.id = user_id""",
    "stale_days": "SELECT DISTINCT username, day FROM stale_days JOIN app_users u ON u.id = user_id",
    "dead_letters": "SELECT entry_id, reason, attempts FROM dead_letters",
}


def stored(connection: Connection) -> dict[str, list[str]]:
    """Each table's rows in any order, with names instead of numbers, and without the database's own clock."""
    return {
        name: sorted(str(_plain(row._asdict())) for row in connection.execute(text(sql))) for name, sql in _ROWS.items()
    }


def _plain(plain: Fields) -> Fields:
    """PostgreSQL and SQLite write one JSON value with different blanks and in a different order."""
    if plain.get("json") is not None:
        plain["json"] = json.dumps(json.loads(plain["json"]), sort_keys=True)
    return plain


@contextmanager
def undone(engine: Engine) -> Iterator[Connection]:
    """A transaction for one example, rolled back at its end. Recorders never commit, so this is all they see."""
    with engine.connect() as connection:
        try:
            yield connection
        finally:
            connection.rollback()
