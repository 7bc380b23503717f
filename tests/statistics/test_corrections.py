"""Every change of an input of statistics marks what depends on it, no matter who makes the change."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, Select, delete, func, select, update
from sqlalchemy.orm import Session

from tests.support import brute_force
from tests.support.events import event_id, play, preference, song
from tests.support.rollup_rows import RULE, assert_exact, record
from worker.contract.identity import album_identity, artist_identity
from worker.database.engine import snapshot, transaction
from worker.models import (
    ChartPlace,
    ListeningHour,
    PlayHistory,
    Preference,
    Song,
    SongDay,
    StaleChart,
    StaleDay,
    StaleHistory,
    Track,
)
from worker.models import User as Listener
from worker.statistics import ListenRule, Period, Subject, chart, refresh_charts, span
from worker.statistics.rollups.marks import mark_all
from worker.statistics.rollups.sweep import refresh
from worker.statistics.verify import verify

AT = datetime(2021, 4, 22, 5, 40, 53, tzinfo=UTC)
TODAY = date(2021, 4, 22)
ALL_TIME = span(Period.ALL, TODAY)
USERS = ("ada", "bob", "eve")


@pytest.fixture
def computed(engine: Engine) -> Engine:
    """Three users, two songs of an album, a week of plays, and statistics that are up to date."""
    for number, user in enumerate(USERS):
        plays = [
            play(
                id=event_id(100 * number + day),
                user=user,
                time=f"2021-04-{22 + day}T0{number}:30:00Z",
                song=song(title=f"Song {day % 2}", album="Lateralus"),
                ms_played=40_000 * (day + 1),
            )
            for day in range(7)
        ]
        record(engine, preference(user=user, key="timezone", value="America/New_York"), *plays)
    refresh(engine, RULE)
    refresh_charts(engine, today=TODAY, closed=True)
    assert stale(engine) == 0
    return engine


def stale(engine: Engine) -> int:
    with snapshot(engine) as session:
        return sum(
            session.scalar(select(func.count()).select_from(mark)) or 0 for mark in (StaleDay, StaleHistory, StaleChart)
        )


def user_id(name: str) -> Select[int]:
    return select(Listener.id).where(Listener.username == name)


THE_PLAY = PlayHistory.id == UUID(event_id(3))

Correction = Callable[[Session], object]
CORRECTIONS: dict[str, Correction] = {
    "a play is deleted": lambda session: session.execute(delete(PlayHistory).where(THE_PLAY)),
    "a play was shorter": lambda session: session.execute(update(PlayHistory).where(THE_PLAY).values(ms_played=1)),
    "a play was earlier": lambda session: session.execute(
        update(PlayHistory).where(THE_PLAY).values(played_at=AT - timedelta(days=90))
    ),
    "a play was another's": lambda session: session.execute(
        update(PlayHistory).where(THE_PLAY).values(user_id=user_id("eve").scalar_subquery())
    ),
    "an object is deleted": lambda session: session.delete(
        session.scalars(select(PlayHistory).where(PlayHistory.id == UUID(event_id(103)))).one()
    ),
    "a song is deleted": lambda session: session.execute(delete(Song).where(Song.title == "Song 1")),
    "a duration is set by hand": lambda session: session.execute(
        update(Song).where(Song.title == "Song 1").values(duration_set_ms=183_000)
    ),
    "a play told another duration": lambda session: session.execute(
        update(PlayHistory).where(THE_PLAY).values(duration_ms=600_000)
    ),
    "a play was of another album": lambda session: session.execute(
        update(PlayHistory).where(THE_PLAY).values(track_id=0)
    ),
    "a song counts as another": lambda session: session.execute(
        update(Song)
        .where(Song.title == "Song 1")
        .values(counts_as_id=select(Song.id).where(Song.title == "Song 0").scalar_subquery())
    ),
    "a user is deleted": lambda session: session.execute(delete(Listener).where(Listener.username == "bob")),
    "everybody is deleted": lambda session: session.execute(delete(Listener)),
    "a timezone changes": lambda session: session.execute(
        update(Preference).where(Preference.user_id == user_id("ada").scalar_subquery()).values(value="Asia/Tokyo")
    ),
    "a timezone is unset": lambda session: session.execute(delete(Preference)),
    "a timezone is called otherwise": lambda session: session.execute(update(Preference).values(key="tz")),
}


@pytest.mark.parametrize("correction", CORRECTIONS.values(), ids=CORRECTIONS.keys())
def test_after_a_correction_statistics_are_exact_again(computed: Engine, correction: Correction) -> None:
    before = brute_force.rollups(computed)
    with transaction(computed) as session:
        correction(session)
    assert brute_force.rollups(computed) != before
    assert stale(computed) > 0
    # The rollups are out of date until the refresh, and verify does not count that as a difference.
    assert verify(computed, RULE).exact
    refresh(computed, RULE)
    refresh_charts(computed, today=TODAY, closed=True)
    assert stale(computed) == 0
    assert_exact(computed)
    with snapshot(computed) as session:
        found = [
            (place.place, place.artist, place.title, place.plays, place.listens, place.ms_played, place.listeners)
            for place in chart(session.connection(), Subject.SONG, ALL_TIME, most=100)
        ]
    assert found == brute_force.song_chart(computed, ALL_TIME)
    assert verify(computed, RULE).exact


Chart = set[tuple[str, str | None, int]]
# A new name for `Song 1`, the artist and the album of its track, and the charts after it, with their plays.
NAMES: dict[str, tuple[dict[str, str], tuple[str, str | None], Chart, Chart]] = {
    "a title": ({"title": "Parabol"}, ("Tool", "Lateralus"), {("Tool", None, 21)}, {("Tool", "Lateralus", 21)}),
    "an artist": (
        {"artist": "Puscifer"},
        ("Puscifer", "Lateralus"),
        {("Tool", None, 12), ("Puscifer", None, 9)},
        {("Tool", "Lateralus", 12), ("Puscifer", "Lateralus", 9)},
    ),
    "an album": ({}, ("Tool", "Ænima"), {("Tool", None, 21)}, {("Tool", "Lateralus", 12), ("Tool", "Ænima", 9)}),
    "no album": ({}, ("Tool", None), {("Tool", None, 21)}, {("Tool", "Lateralus", 12)}),
    "artist and album": (
        {"artist": "Puscifer"},
        ("Puscifer", "V"),
        {("Tool", None, 12), ("Puscifer", None, 9)},
        {("Tool", "Lateralus", 12), ("Puscifer", "V", 9)},
    ),
    "capitals": ({"artist": "TOOL"}, ("TOOL", "LATERALUS"), {("Tool", None, 21)}, {("Tool", "Lateralus", 21)}),
}


@pytest.mark.parametrize(("names", "track", "artists", "albums"), NAMES.values(), ids=NAMES.keys())
def test_corrected_names_reach_the_charts_without_stale_days(
    computed: Engine, names: dict[str, str], track: tuple[str, str | None], artists: Chart, albums: Chart
) -> None:
    called = {"artist": "Tool", "title": "Song 1"} | names
    with transaction(computed) as session:
        correct(session, names, *track)
    assert verify(computed, RULE).exact
    assert refresh(computed, RULE).days == 0
    refresh_charts(computed, today=TODAY, closed=True)
    assert charted(computed, Subject.SONG) == {("Tool", "Song 0", 12), (called["artist"], called["title"], 9)}
    assert charted(computed, Subject.ARTIST) == artists
    assert charted(computed, Subject.ALBUM) == albums
    assert stale(computed) == 0
    assert verify(computed, RULE).exact


def correct(session: Session, names: dict[str, str], artist: str, album: str | None) -> None:
    """Give `Song 1` other names, and file its track under an album."""
    number = select(Song.id).where(Song.title == "Song 1").scalar_subquery()
    identity = album and UUID(album_identity(artist, album))
    session.execute(update(Track).where(Track.song_id == number).values(album=album, album_identity=identity))
    if names:
        session.execute(update(Song).where(Song.title == "Song 1").values(**names))


def charted(engine: Engine, subject: Subject) -> Chart:
    with snapshot(engine) as session:
        places = chart(session.connection(), subject, ALL_TIME, most=10)
    return {(place.artist, place.title, place.plays) for place in places}


def filed(engine: Engine, title: str) -> tuple[UUID | None, bool]:
    """The artist that the song is filed under, and whether it need not be filed again."""
    with snapshot(engine) as session:
        artist, is_filed = session.execute(select(Song.artist_identity, Song.is_filed).where(Song.title == title)).one()
    return artist, is_filed


def test_a_duration_set_with_a_name_makes_days_stale(computed: Engine) -> None:
    with transaction(computed) as session:
        session.execute(update(Song).where(Song.title == "Song 1").values(artist="Puscifer", duration_set_ms=183_000))
    assert refresh(computed, RULE).days > 0
    refresh_charts(computed, today=TODAY, closed=True)
    assert charted(computed, Subject.ARTIST) == {("Tool", None, 12), ("Puscifer", None, 9)}
    assert_exact(computed)


def test_a_renamed_song_is_not_filed_under_its_old_artist(computed: Engine) -> None:
    with transaction(computed) as session:
        session.execute(update(Song).where(Song.title == "Song 0").values(artist="Puscifer"))
        session.execute(update(Track).values(album="Ænima"))
    assert filed(computed, "Song 0") == (None, False)
    assert filed(computed, "Song 1") == (UUID(artist_identity("Tool")), False)


def test_a_correction_of_a_name_may_file_the_song_itself(computed: Engine) -> None:
    puscifer = UUID(artist_identity("Puscifer"))
    with transaction(computed) as session:
        renamed = {"artist": "Puscifer", "artist_identity": puscifer}
        session.execute(update(Song).where(Song.title == "Song 1").values(**renamed))
    assert filed(computed, "Song 1")[0] == puscifer


def test_what_is_told_later_of_a_song_changes_no_play_before(computed: Engine) -> None:
    """Only the songs' gaps are filled, which no statistic reads."""
    before = brute_force.stored(computed)
    record(
        computed,
        play(
            id=event_id(777),
            user="zoe",
            time="2021-05-30T12:00:00Z",
            song=song(title="Song 1", album="Ænima", duration_ms=600_000),
        ),
    )
    with snapshot(computed) as session:
        assert session.scalars(select(StaleHistory.mark)).all() == []
        known = session.execute(select(Song.duration_ms, Song.album).where(Song.title == "Song 1")).one()
    assert known == (600_000, "Lateralus")
    refresh(computed, RULE)
    after = brute_force.stored(computed)
    assert {key: after.songs[key] for key in before.songs} == before.songs
    assert_exact(computed)


def test_a_key_that_becomes_the_timezone_is_a_correction(computed: Engine) -> None:
    for key in ("tz", "timezone"):
        before = brute_force.rollups(computed)
        with transaction(computed) as session:
            session.execute(update(Preference).values(key=key))
        assert brute_force.rollups(computed) != before
        refresh(computed, RULE)
        assert_exact(computed)


def test_a_mark_of_a_deleted_user_is_cleared(computed: Engine) -> None:
    with transaction(computed) as session:
        session.add(StaleDay(user_id=1_000, day=TODAY, mark=uuid4()))
    assert refresh(computed, RULE).days == 1
    assert refresh(computed, RULE).days == 0


def test_deleting_a_user_deletes_their_marks(engine: Engine) -> None:
    record(engine, play())
    assert stale(engine) > 0
    with transaction(engine) as session:
        session.execute(delete(Listener))
    assert stale(engine) == 0


def test_a_timezone_reported_later_is_a_correction(computed: Engine) -> None:
    """The recorder keeps the newest timezone."""
    record(
        computed,
        preference(user="ada", key="timezone", value="Asia/Tokyo", time="2021-06-01T00:00:00Z"),
        preference(user="bob", key="timezone", value=None, time="2021-06-01T00:00:00Z"),
    )
    refresh(computed, RULE)
    assert_exact(computed)


def test_filing_a_song_elsewhere_makes_charts_stale_and_no_day(computed: Engine) -> None:
    with transaction(computed) as session:
        session.execute(update(Song).where(Song.title == "Song 1").values(artist_identity=None))
    assert refresh(computed, RULE).days == 0
    with snapshot(computed) as session:
        days_of_song = select(SongDay.day).join(Song, Song.id == SongDay.song_id).where(Song.title == "Song 1")
        assert set(session.scalars(select(StaleChart.day))) >= set(session.scalars(days_of_song))
    refresh_charts(computed, today=TODAY, closed=True)
    assert stale(computed) == 0
    assert verify(computed, RULE).exact


def test_a_song_filed_elsewhere_is_charted_there(computed: Engine) -> None:
    assert artists(computed) == 1
    with transaction(computed) as session:
        session.execute(update(Song).where(Song.title == "Song 1").values(artist_identity=uuid4()))
    refresh(computed, RULE)
    refresh_charts(computed, today=TODAY, closed=True)
    assert artists(computed) == 2
    assert verify(computed, RULE).exact


def artists(engine: Engine) -> int:
    with snapshot(engine) as session:
        return len(chart(session.connection(), Subject.ARTIST, ALL_TIME, most=10))


def test_songs_without_computed_days_are_filed_without_a_mark(engine: Engine) -> None:
    """After an upgrade the first sweep finds songs without identities."""
    record(engine, play(time="2021-04-22T10:00:00Z"))
    with transaction(engine) as session:
        session.execute(update(Song).values(artist_identity=None))
        session.execute(delete(StaleDay))
    assert refresh(engine, RULE).days == 0
    assert stale(engine) == 0


def test_a_correction_without_effect_on_statistics_marks_nothing(computed: Engine) -> None:
    with transaction(computed) as session:
        session.execute(update(Song).values(attributes={"isrc": "x"}))
        session.execute(update(Listener).values(email=None, moods={"now": "calm"}))
        session.execute(delete(PlayHistory).where(PlayHistory.id == UUID(event_id(99))))
    assert stale(computed) == 0


@pytest.mark.parametrize(
    "rule", [ListenRule(percent=100), ListenRule(percent=0), ListenRule(enough_s=10), ListenRule(unknown_s=200)]
)
def test_a_recomputation_applies_a_new_rule_to_all_days(computed: Engine, rule: ListenRule) -> None:
    record(computed, play(id=event_id(778), user="eve", song=song(title="Song 0", duration_ms=600_000), ms_played=1))
    with transaction(computed) as session:
        mark_all(session.connection())
    refresh(computed, rule)
    refresh_charts(computed, today=TODAY, closed=True)
    assert_exact(computed, rule)
    assert verify(computed, rule).exact


DAMAGE: dict[str, Correction] = {
    "an hour": lambda session: session.execute(update(ListeningHour).values(plays=ListeningHour.plays + 1)),
    "a missing hour": lambda session: session.execute(delete(ListeningHour)),
    "a song": lambda session: session.execute(update(SongDay).values(ms_played=0)),
    "an hour too many": lambda session: session.add(
        ListeningHour(
            user_id=session.scalar(user_id("ada")), day=TODAY, hour=23, plays=1, listens=0, ms_played=0
        )
    ),
    "hours without a user": lambda session: session.add(
        ListeningHour(user_id=999, day=date(2020, 1, 1), hour=23, plays=1, listens=0, ms_played=0)
    ),
    "songs without a user": lambda session: session.add(
        SongDay(user_id=999, day=date(2020, 1, 1), song_id=1, track_id=0, plays=1, listens=1, ms_played=0)
    ),
    "a chart": lambda session: session.execute(update(ChartPlace).values(listeners=99)),
    "a missing chart": lambda session: session.execute(delete(ChartPlace).where(ChartPlace.period == "week")),
    "a chart too many": lambda session: session.add(
        ChartPlace(
            subject="song", period="day", starts_on=date(2030, 1, 1), place=1, identity=uuid4(), artist="a", title="b",
            plays=1, listens=1, ms_played=1, listeners=1,
        )
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_verify_names_the_damage_and_a_recomputation_repairs_it(computed: Engine, damage: Correction) -> None:
    assert verify(computed, RULE).exact
    with transaction(computed) as session:
        damage(session)
    comparison = verify(computed, RULE)
    assert not comparison.exact
    assert all(difference.where and difference.wanted != difference.found for difference in comparison.differences)
    with transaction(computed) as session:
        mark_all(session.connection())
    refresh(computed, RULE)
    refresh_charts(computed, today=TODAY, closed=True)
    assert verify(computed, RULE).exact
    assert_exact(computed)


@pytest.mark.parametrize("rollup", [ListeningHour, SongDay])
def test_verify_names_the_rollup_that_differs_from_the_plays(
    computed: Engine, rollup: type[ListeningHour] | type[SongDay]
) -> None:
    """A wrong `song_days` is also one that charts differ from."""
    with transaction(computed) as session:
        session.execute(update(rollup).values(listens=rollup.listens + 1))
    assert rollup.__tablename__ in {each.where.partition(":")[0] for each in verify(computed, RULE).differences}
