"""Exact statistics of a user (`UserListening`) or of everyone (`GlobalListening`): one function for each question.

`worker.statistics.rollups` keeps the rollups up to date, `worker.statistics.verify` compares them with the plays.
"""

from worker.errors import UnknownUserError
from worker.statistics.charts import chart, refresh_charts, refresh_read_charts, top
from worker.statistics.listen_rule import ListenRule
from worker.statistics.periods import ONE_DAY, Period, Span, a_year_before, span, year_before
from worker.statistics.questions.accounts import Account, accounts
from worker.statistics.questions.artist_parts import ArtistPart, artist_parts
from worker.statistics.questions.comebacks import AWAY_DAYS, Comeback, artist_comebacks, song_comebacks
from worker.statistics.questions.days import Day, Listened, days, listened
from worker.statistics.questions.discoveries import Discovery, DiscoveryCount, count_discoveries, discoveries
from worker.statistics.questions.favorites import Opinion, opinions
from worker.statistics.questions.first_artists import first_artists
from worker.statistics.questions.first_heard import FirstHeard, first_heard
from worker.statistics.questions.first_last import FirstAndLast, first_and_last
from worker.statistics.questions.heard import Heard, counted_artist, first_listed, heard, listens_of, songs_of
from worker.statistics.questions.listener import Listener, find_listener, misnamed_timezones
from worker.statistics.questions.listens import Listen
from worker.statistics.questions.milestones import Milestone, milestones
from worker.statistics.questions.named_albums import NamedAlbums, named_albums
from worker.statistics.questions.recent import Between, History, RecentPlay, history, recent_plays
from worker.statistics.questions.repeats import Run, longest_run
from worker.statistics.questions.search import Found, search
from worker.statistics.questions.second_reports import second_reports, short_plays
from worker.statistics.questions.settled import settled
from worker.statistics.questions.song_days import days_of_song
from worker.statistics.questions.sources import GlobalListening, Listening, UserListening
from worker.statistics.questions.stayed import STAY_DAYS, Stayed, StayedDiscoveries, stayed_discoveries
from worker.statistics.questions.streaks import Streak, Streaks, streaks, streaks_of
from worker.statistics.questions.subjects import Subject
from worker.statistics.questions.top import By, Place, rank
from worker.statistics.questions.totals import Totals, totals
from worker.statistics.questions.visibility import PUBLIC_PROFILE, is_public
from worker.statistics.questions.week_hours import WeekHour, week_hours

__all__ = [
    "AWAY_DAYS",
    "ONE_DAY",
    "PUBLIC_PROFILE",
    "STAY_DAYS",
    "Account",
    "ArtistPart",
    "Between",
    "By",
    "Comeback",
    "Day",
    "Discovery",
    "DiscoveryCount",
    "FirstAndLast",
    "FirstHeard",
    "Found",
    "GlobalListening",
    "Heard",
    "History",
    "Listen",
    "ListenRule",
    "Listened",
    "Listener",
    "Listening",
    "Milestone",
    "NamedAlbums",
    "Opinion",
    "Period",
    "Place",
    "RecentPlay",
    "Run",
    "Span",
    "Stayed",
    "StayedDiscoveries",
    "Streak",
    "Streaks",
    "Subject",
    "Totals",
    "UnknownUserError",
    "UserListening",
    "WeekHour",
    "a_year_before",
    "accounts",
    "artist_comebacks",
    "artist_parts",
    "chart",
    "count_discoveries",
    "counted_artist",
    "days",
    "days_of_song",
    "discoveries",
    "find_listener",
    "first_and_last",
    "first_artists",
    "first_heard",
    "first_listed",
    "heard",
    "history",
    "is_public",
    "listened",
    "listens_of",
    "longest_run",
    "milestones",
    "misnamed_timezones",
    "named_albums",
    "opinions",
    "rank",
    "recent_plays",
    "refresh_charts",
    "refresh_read_charts",
    "search",
    "second_reports",
    "settled",
    "short_plays",
    "song_comebacks",
    "songs_of",
    "span",
    "stayed_discoveries",
    "streaks",
    "streaks_of",
    "top",
    "totals",
    "week_hours",
    "year_before",
]
