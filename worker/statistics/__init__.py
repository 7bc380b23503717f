"""Exact statistics of a user (`UserListening`) or of everyone (`GlobalListening`): one function for each question.

`worker.statistics.rollups` keeps the rollups up to date, `worker.statistics.verify` compares them with the plays.
"""

from worker.errors import UnknownUserError
from worker.statistics.charts import chart, refresh_charts, refresh_read_charts, top
from worker.statistics.listen_rule import ListenRule
from worker.statistics.periods import ONE_DAY, Period, Span, a_year_before, span, year_before
from worker.statistics.questions.accounts import Account, accounts
from worker.statistics.questions.days import Day, days
from worker.statistics.questions.discoveries import Discovery, DiscoveryCount, count_discoveries, discoveries
from worker.statistics.questions.favorites import Opinion, opinions
from worker.statistics.questions.listener import Listener, find_listener, misnamed_timezones
from worker.statistics.questions.recent import Between, History, RecentPlay, history, recent_plays
from worker.statistics.questions.sources import GlobalListening, Listening, UserListening
from worker.statistics.questions.streaks import Streak, Streaks, streaks
from worker.statistics.questions.top import Place, Subject, rank
from worker.statistics.questions.totals import Totals, totals
from worker.statistics.questions.week_hours import WeekHour, week_hours

__all__ = [
    "ONE_DAY",
    "Account",
    "Between",
    "Day",
    "Discovery",
    "DiscoveryCount",
    "GlobalListening",
    "History",
    "ListenRule",
    "Listener",
    "Listening",
    "Opinion",
    "Period",
    "Place",
    "RecentPlay",
    "Span",
    "Streak",
    "Streaks",
    "Subject",
    "Totals",
    "UnknownUserError",
    "UserListening",
    "WeekHour",
    "a_year_before",
    "accounts",
    "chart",
    "count_discoveries",
    "days",
    "discoveries",
    "find_listener",
    "history",
    "misnamed_timezones",
    "opinions",
    "rank",
    "recent_plays",
    "refresh_charts",
    "refresh_read_charts",
    "span",
    "streaks",
    "top",
    "totals",
    "week_hours",
    "year_before",
]
