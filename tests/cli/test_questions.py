"""The commands that answer questions, as their users call them."""

import json
import re
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, update

from tests.support.clients import UNREACHABLE
from tests.support.commands import Zik, zik_at
from tests.support.events import NOW, accepted, favorite, play, preference, song
from tests.support.rollup_rows import store_timezone
from worker.database.engine import STATEMENT_TIMEOUT_MS, transaction
from worker.models import Track
from worker.recorders.batch import record_batch
from worker.recorders.known import Known
from worker.statistics import ListenRule, refresh_charts
from worker.statistics.rollups.sweep import refresh

HOSTILE = '=1+1</style><script>alert(1)</script>"\x1b[2J\u202e\U000e0041[red]&'


@pytest.fixture
def zik(engine: Engine, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Zik:
    """The command, with a clean database. No question needs Redis."""
    command = zik_at(engine, UNREACHABLE, monkeypatch, capfd)
    # So narrow that long titles are wrapped.
    monkeypatch.setenv("COLUMNS", "120")
    return command


def record(engine: Engine, *events: dict[str, Any], now: datetime = NOW) -> None:
    with transaction(engine) as session:
        record_batch(session.connection(), accepted(*events, now=now), known=Known())


@pytest.fixture
def listened(engine: Engine) -> None:
    """Ada's three plays of two songs, of which one is skipped, and Bob's one."""
    schism = song(title="Schism", album="Lateralus", duration_ms=400_000)
    record(
        engine,
        preference(key="timezone", value="Europe/Berlin"),
        play(time="2021-04-22T23:30:00Z", ms_played=181_000, song=song(album="Lateralus", duration_ms=183_000)),
        play(time="2021-04-24T10:00:00Z", ms_played=399_000, song=schism),
        play(time="2021-04-24T10:10:00Z", ms_played=1_000, song=schism),
        play(user="bob", time="2021-04-25T10:10:00+02:00"),
    )
    refresh(engine, ListenRule())
    refresh_charts(engine, today=NOW.date(), closed=True)


@pytest.mark.usefixtures("listened")
def test_top_ranks_a_users_songs(zik: Zik) -> None:
    answer = zik("top", "songs", "--user", "ada", "--json")

    assert answer.code == 0
    assert answer.json["user"] == "ada"
    assert answer.json["period"] == "all"
    assert [(p["place"], p["title"], p["listens"], p["plays"]) for p in answer.json["songs"]] == [
        (1, "Schism", 1, 2),
        (2, "Parabola", 1, 1),
    ]


@pytest.mark.usefixtures("listened")
def test_top_keeps_its_columns_where_an_album_has_no_title(zik: Zik, engine: Engine) -> None:
    with transaction(engine) as session:
        session.execute(update(Track).values(album=None))

    answer = zik("top", "albums", "--user", "ada")

    row = next(line for line in answer.out.splitlines() if "Tool" in line)
    assert [cell.strip() for cell in row.strip("│ ").split("│")][:4] == ["1", "", "Tool", "2"]


@pytest.mark.parametrize(
    ("columns", "figures"),
    [
        (40, ["listens"]),
        (60, ["listens", "plays"]),
        (80, ["listens", "plays", "listeners"]),
        (100, ["listens", "plays", "time", "listeners"]),
        (200, ["listens", "plays", "time", "listeners"]),
    ],
)
def test_a_narrow_top_drops_columns_before_it_cuts_names(
    zik: Zik, engine: Engine, monkeypatch: pytest.MonkeyPatch, columns: int, figures: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    names = song(title="Fire In the Booth", artist="The Just Banco", album="The Fire Live")
    record(engine, play(ms_played=50_000_000, song=names))
    refresh(engine, ListenRule())
    refresh_charts(engine, today=NOW.date(), closed=True)

    drawn = {
        (kind, *whose): zik("top", kind, *whose).out
        for kind in ("songs", "artists", "albums")
        for whose in (("--user", "ada"), ("--everyone",))
    }

    for (kind, *_), table in drawn.items():
        assert max(map(len, table.splitlines())) <= columns
        assert {"artist", "listens", "Just", "Banco"} <= set(re.findall(r"\w+", table))
        assert kind == "artists" or {kind.removesuffix("s"), "Fire"} <= set(re.findall(r"\w+", table))
    assert re.findall(r"\w+", drawn["songs", "--everyone"].splitlines()[2])[2:] == figures


@pytest.mark.usefixtures("listened")
@pytest.mark.parametrize(
    ("kind", "title", "listeners"),
    # Only one of them plays it from an album.
    [("songs", "Parabola", "2"), ("artists", "", "2"), ("albums", "Lateralus", "1")],
)
def test_top_ranks_for_everyone_as_csv_too(zik: Zik, kind: str, title: str, listeners: str) -> None:
    answer = zik("top", kind, "--everyone", "--csv", "--limit", "1")

    assert answer.code == 0
    assert [(row["place"], row["title"], row["artist"], row["listeners"]) for row in answer.rows] == [
        ("1", title, "Tool", listeners)
    ]


@pytest.mark.usefixtures("listened")
def test_top_of_a_week_holds_the_weeks_local_days(zik: Zik) -> None:
    answer = zik("top", "songs", "-u", "ada", "--period", "day", "--at", "2021-04-23", "--json")

    assert (answer.json["first"], answer.json["last"]) == ("2021-04-23", "2021-04-23")
    assert [place["title"] for place in answer.json["songs"]] == ["Parabola"]


@pytest.mark.usefixtures("listened")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("top", "songs"), "--user NAME, or --everyone"),
        (("top", "songs", "--user", "ada", "--everyone"), "--user NAME, or --everyone"),
        (("top", "songs", "--everyone", "--limit", "501"), "kept to place 500"),
        (("top", "songs", "--user", "ada", "--at", "2021-04-23"), "add --period"),
        (("top", "songs", "--user", "ada", "--period", "day", "--at", "yesterday"), "must be a day"),
        (("stats", "--json", "--csv"), "not both"),
        (("stats", "--period", "year", "--from", "2021-04-23"), "in one way"),
        (("clock", "--user", "ada", "--at", "2021-04-23", "--to", "2021-04-23"), "add --period"),
        (("discoveries", "--user", "ada", "--from", "2021-04-24", "--to", "2021-04-23"), "is after --to 2021-04-23"),
        (("days", "--user", "ada", "--from", "2021-04-24", "--to", "2021-04-23"), "is after --to 2021-04-23"),
        (("top", "songs", "--user", "ada", "--limit", "9" * 20), "--limit"),
        (("discoveries", "--user", "ada", "--limit", "9" * 20), "--limit"),
    ],
)
def test_an_unanswerable_question_names_the_option_to_add(zik: Zik, arguments: tuple[str, ...], said: str) -> None:
    answer = zik(*arguments)

    assert answer.code == 2
    assert answer.out == ""
    assert said in " ".join(answer.err.replace("│", " ").split())


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01", "today", "2026-02-30"])
@pytest.mark.parametrize("asked", [("top", "songs", "--period", "week", "--at"), ("days", "--until")])
def test_an_invalid_day_is_refused(zik: Zik, asked: tuple[str, ...], day: str) -> None:
    answer = zik(*asked, day, "--user", "ada")

    assert answer.code == 2
    assert "must be a day, as in 2026-11-23" in answer.err


def test_an_unknown_user_is_an_error_with_advice(zik: Zik) -> None:
    answer = zik("stats", "--user", "nobody")

    assert answer.code == 1
    assert "'nobody'" in answer.err
    assert "zik status" in answer.err


@pytest.mark.usefixtures("listened")
@pytest.mark.parametrize(
    "asked", [("stats",), ("days", "--until", "2021-04-30"), ("streaks",), ("report", "-y", "2021")]
)
def test_a_username_is_found_despite_surrounding_spaces(
    zik: Zik, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)

    assert zik(*asked, "--user", " \u00a0ada\t", "--json").json["user"] == "ada"


@pytest.mark.parametrize("asked", [("top", "songs"), ("clock",), ("streaks",), ("discoveries",), ("stats",)])
def test_a_users_answers_include_stale_days(zik: Zik, engine: Engine, asked: tuple[str, ...]) -> None:
    record(engine, play())

    before = zik(*asked, "--user", "ada", "--csv")
    refresh(engine, ListenRule())

    assert before.code == 0
    assert before.rows == zik(*asked, "--user", "ada", "--csv").rows != []


@pytest.mark.parametrize("swept", [True, False])
def test_a_missing_chart_is_reported_with_the_command_to_run(zik: Zik, engine: Engine, *, swept: bool) -> None:
    record(engine, play(), play(user="bob"))
    if swept:
        refresh(engine, ListenRule())

    answer = zik("top", "songs", "--everyone")

    assert answer.out == ""
    assert "zik aggregate" in answer.err


@pytest.mark.parametrize("kind", ["songs", "artists", "albums"])
def test_of_a_single_listener_the_charts_for_everyone_are_theirs(zik: Zik, engine: Engine, kind: str) -> None:
    record(engine, play(song=song(album="Lateralus")), play(song=song(title="Schism", album="Lateralus")))
    refresh(engine, ListenRule())
    record(engine, play(time="2021-05-01T10:00:00Z", song=song(album="Lateralus")))

    everyone, ada = zik("top", kind, "--everyone", "--json"), zik("top", kind, "-u", "ada", "--json")

    assert everyone.json[kind] == ada.json[kind]
    assert everyone.json[kind][0]["plays"] == (2 if kind == "songs" else 3)
    assert "no listens of everyone in 2020" in zik("top", kind, "--everyone", "-p", "year", "--at", "2020-01-01").err


def test_aggregate_draws_no_chart_for_a_single_listener(zik: Zik, engine: Engine) -> None:
    record(engine, play())
    assert zik("aggregate").out == "computed 2 days; the charts for everyone are those of the only listener\n"
    record(engine, play(user="bob"))
    assert zik("aggregate", "--json").json["charts"] == 6


def test_verify_says_what_waits_and_was_not_compared(zik: Zik, engine: Engine) -> None:
    record(engine, play(time="2021-04-22T10:00:00+02:00"), play(user="bob", time="2021-04-23T10:00:00+02:00"))
    computed = "0 differences in the statistics of 2 users and in"

    waiting = zik("verify")
    refresh(engine, ListenRule())
    undrawn = zik("verify")
    zik("aggregate")
    exact = zik("verify")

    assert "not compared: 2 days that wait to be computed. A worker computes days every 10 s" in waiting.out
    assert f"{computed} 0 charts\nnot compared: 6 charts" in undrawn.out
    assert exact.code == 0
    assert re.fullmatch(rf"{computed} [1-9]\d* charts\n", exact.out)
    assert {"waiting": 0, "charts_waiting": 0}.items() <= zik("verify", "--json").json.items()


def test_verify_misses_no_chart_of_a_single_listener(zik: Zik, engine: Engine) -> None:
    record(engine, play())
    zik("aggregate")
    assert zik("verify").out == "0 differences in the statistics of 1 user and in 0 charts\n"


@pytest.mark.usefixtures("listened")
def test_an_empty_period_is_reported_with_the_days_of_plays(zik: Zik) -> None:
    answer = zik("top", "songs", "--user", "ada", "--period", "month", "--at", "2020-02-29", "--json")

    assert answer.json["songs"] == []
    assert "no listens of ada in Feb 2020; there are plays from 2021-04-23 to 2021-04-24" in answer.err


@pytest.mark.usefixtures("listened")
def test_stats_of_one_user_differ_from_those_of_everyone(zik: Zik) -> None:
    ada, everyone = zik("stats", "-u", "ada", "--json"), zik("stats", "--json")

    assert ada.json["totals"] == [
        {
            "plays": 3,
            "listens": 2,
            "skips": 1,
            "ms_played": 581_000,
            "songs": 2,
            "artists": 1,
            "listeners": 1,
            "days": 2,
            "first_day": "2021-04-23",
            "last_day": "2021-04-24",
        }
    ]
    assert (everyone.json["totals"][0]["plays"], everyone.json["totals"][0]["listeners"]) == (4, 2)


def test_stats_include_plays_recorded_after_the_last_sweep(zik: Zik, engine: Engine) -> None:
    record(engine, play())
    refresh(engine, ListenRule())
    record(engine, play(user="bob"))

    everyone = zik("stats", "--json")

    assert everyone.err == ""
    assert (everyone.json["totals"][0]["plays"], everyone.json["totals"][0]["listeners"]) == (2, 2)


@pytest.mark.parametrize(("asked", "limit_ms"), [(("stats",), 0), (("stats", "-u", "ada"), STATEMENT_TIMEOUT_MS)])
def test_only_a_question_about_everyone_has_no_statement_timeout(
    postgres: Engine,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    asked: tuple[str, ...],
    limit_ms: int,
) -> None:
    record(postgres, play())
    begun: list[str] = []

    @event.listens_for(Engine, "before_cursor_execute")
    def hear(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        begun.append(statement)

    try:
        zik_at(postgres, UNREACHABLE, monkeypatch, capfd)(*asked)
    finally:
        event.remove(Engine, "before_cursor_execute", hear)

    assert f"statement_timeout = {limit_ms};" in begun[0]


@pytest.mark.parametrize("asked", [("stats",), ("top", "songs"), ("top", "albums")])
def test_an_unreported_listening_time_is_a_dash(zik: Zik, engine: Engine, asked: tuple[str, ...]) -> None:
    record(engine, play(ms_played=None, song=song(album="Lateralus")))

    told = zik(*asked, "--user", "ada").out

    assert "0 min" not in told
    assert "│ \u2013 │" in re.sub(" +", " ", told)


@pytest.mark.usefixtures("listened")
def test_days_draws_a_square_for_each_day_of_a_year(zik: Zik) -> None:
    drawn = zik("days", "-u", "ada", "--until", "2021-04-30").out
    rows = zik("days", "-u", "ada", "--until", "2021-04-30", "--csv").rows

    assert "2 listens on 2 days" in drawn
    # Fifty-two weeks, and of the last one Monday to Friday; two of them are in the legend.
    assert sum(drawn.count(square) for square in "·░▒▓█") == 52 * 7 + 5 + 2
    assert [(row["day"], row["plays"], row["listens"]) for row in rows] == [
        ("2021-04-23", "1", "1"),
        ("2021-04-24", "2", "1"),
    ]


@pytest.mark.parametrize(
    ("until", "weeks", "shown"), [("2012-12-31", 54, 366), ("2024-02-28", 53, 365), ("2024-12-31", 53, 366)]
)
def test_days_draws_a_whole_leap_year_whatever_day_it_begins_on(
    zik: Zik, engine: Engine, until: str, weeks: int, shown: int
) -> None:
    last = date.fromisoformat(until)
    year = [last - timedelta(days=ago) for ago in range(shown)]
    record(engine, *(play(time=f"{day}T12:00:00Z") for day in year))

    drawn = zik("days", "-u", "ada", "--until", until).out

    assert f"{shown} listens on {shown} days" in drawn
    rows = [line for line in drawn.splitlines() if line.startswith("Sun ")]
    assert sum(square in "·░▒▓█" for row in rows for square in row) == weeks - (last.isoweekday() != 7)


@pytest.mark.parametrize("columns", [30, 40, 58, 60, 110])
@pytest.mark.parametrize("asked", [("days", "--until", "2021-04-30"), ("clock",)])
def test_a_heat_map_is_complete_in_a_narrow_window(
    zik: Zik, engine: Engine, monkeypatch: pytest.MonkeyPatch, columns: int, asked: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    # Four shades, so that their legend is long.
    times = [f"2021-04-{day:02}T10:{minute:02}:00Z" for day in range(5, 13) for minute in range(0, 7 * (day - 4), 7)]
    record(engine, *(play(time=time) for time in times))

    drawn = zik(*asked, "-u", "ada").out.splitlines()

    begin, end = drawn.index(""), max(number for number, line in enumerate(drawn) if "█" in line)
    assert {line[:4] for line in drawn[begin : end + 1]} <= {"", "Mon ", "Wed ", "Fri ", "Sun ", "    "}
    assert sum(square in "·░▒▓█" for line in drawn if line.startswith("Mon ") for square in line) == (
        53 if asked[0] == "days" else 24
    )


@pytest.mark.usefixtures("listened")
def test_the_clock_shows_local_hours(zik: Zik) -> None:
    drawn = zik("clock", "-u", "ada").out
    rows = zik("clock", "-u", "ada", "--csv").rows

    assert [(row["weekday"], row["hour"], row["listens"]) for row in rows] == [("5", "1", "1"), ("6", "12", "1")]
    friday = next(line for line in drawn.splitlines() if line.startswith("Fri"))
    assert friday.removeprefix("Fri").split()[:3] == ["·", "█", "·"]


def test_streaks_show_the_current_one_until_a_day_is_missed(zik: Zik, engine: Engine) -> None:
    now = datetime.now(UTC)
    # Noon, so that the test may run over midnight: yesterday's listen keeps a streak until the day after tomorrow's.
    noons = [now.replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=ago) for ago in (1, 2, 5, 6, 7)]
    record(engine, *(play(time=noon.isoformat()) for noon in noons), now=now)
    refresh(engine, ListenRule())

    found = {row["streak"]: row for row in zik("streaks", "-u", "ada", "--json").json["streaks"]}

    assert (found["longest"]["days"], found["longest"]["first"]) == (3, noons[-1].date().isoformat())
    assert found["current"]["days"] == 2


@pytest.mark.usefixtures("listened")
def test_a_broken_streak_is_not_current(zik: Zik) -> None:
    answer = zik("streaks", "-u", "ada")

    assert "current" in answer.out
    assert "none" in answer.out


@pytest.mark.usefixtures("listened")
def test_discoveries_come_newest_first(zik: Zik) -> None:
    rows = zik("discoveries", "-u", "ada", "--csv").rows

    assert [(row["day"], row["title"]) for row in rows] == [("2021-04-24", "Schism"), ("2021-04-23", "Parabola")]


# --- From one day to another, and a year before ---------------------------------------------------


@pytest.mark.usefixtures("listened")
@pytest.mark.parametrize(
    ("days", "plays", "ends", "named"),
    [
        (("--from", "2021-04-24"), 2, ["2021-04-24", None], "since 2021-04-24"),
        (("--to", "2021-04-23"), 1, [None, "2021-04-23"], "until 2021-04-23"),
        (("--from", "2021-04-23", "--to", "2021-04-24"), 3, ["2021-04-23", "2021-04-24"], "2021-04-23 to 2021-04-24"),
        (("--from", "2021-04-24", "--to", "2021-04-24"), 2, ["2021-04-24"] * 2, "2021-04-24 to 2021-04-24"),
    ],
)
def test_the_first_and_the_last_day_are_both_included(
    zik: Zik, days: tuple[str, ...], plays: int, ends: list[str | None], named: str
) -> None:
    answer = zik("stats", "-u", "ada", *days, "--json").json

    assert answer["totals"][0]["plays"] == plays
    assert [answer["first"], answer["last"]] == ends
    for asked in (("top", "songs"), ("clock",), ("stats",)):
        rows = zik(*asked, "-u", "ada", *days, "--csv").rows
        assert sum(int(row["plays"]) for row in rows) == plays
        assert f"ada, {named}" in zik(*asked, "-u", "ada", *days).out.replace(" listens", "")
    heard = zik("discoveries", "-u", "ada", *days, "--csv").rows
    assert [row["title"] for row in heard] == ["Schism"] * (plays > 1) + ["Parabola"] * (plays % 2)


@pytest.mark.usefixtures("listened")
def test_any_days_of_everyone_are_ranked_without_a_chart(zik: Zik) -> None:
    rows = zik("top", "artists", "--everyone", "--from", "2021-04-24", "--to", "2021-04-25", "--csv").rows
    assert [(row["plays"], row["listens"], row["listeners"]) for row in rows] == [("3", "2", "2")]


@pytest.mark.usefixtures("listened")
def test_no_plays_between_two_days_are_reported_as_such(zik: Zik) -> None:
    assert "no plays of ada since 2021-05-01; there" in zik("stats", "-u", "ada", "--from", "2021-05-01").err
    assert "no plays of ada in 2020-01-01 to 2020-01-02; there" in zik(
        "stats", "-u", "ada", "--from", "2020-01-01", "--to", "2020-01-02"
    ).err  # fmt: skip


@pytest.mark.usefixtures("listened")
def test_stats_have_the_year_before_beside_each_figure(zik: Zik, engine: Engine) -> None:
    record(engine, play(time="2020-04-03T10:00:00Z", ms_played=1_000, song=song(duration_ms=183_000)))
    record(engine, play(time="2020-04-03T11:00:00Z", ms_played=183_000, song=song(duration_ms=183_000)))
    asked = ("stats", "-u", "ada", "--period", "month", "--at", "2021-04-30")

    answer, (row,) = zik(*asked, "--json").json, zik(*asked, "--csv").rows
    drawn = [[cell.strip() for cell in line.strip("│").split("│")] for line in zik(*asked).out.splitlines()]

    assert answer["year_before"] == {"first": "2020-04-01", "last": "2020-04-30"}
    figures = {"plays": (3, 2), "listens": (2, 1), "skips": (1, 1), "songs": (2, 1), "artists": (1, 1), "days": (2, 1)}
    for name, (now, before) in figures.items():
        assert (answer["totals"][0][name], answer["totals"][0][f"{name}_year_before"]) == (now, before)
        assert (row[name], row[f"{name}_year_before"]) == (str(now), str(before))
        assert [name, str(now), str(before)] in [cells[:3] for cells in drawn]
    assert ["time", "9 min", "3 min"] in [cells[:3] for cells in drawn]
    assert "Apr 2020" in zik(*asked).out


@pytest.mark.usefixtures("listened")
def test_all_time_has_no_year_before(zik: Zik) -> None:
    answer = zik("stats", "-u", "ada", "--json").json
    assert answer["year_before"] is None
    assert not [name for name in answer["totals"][0] if name.endswith("_year_before")]


@pytest.mark.usefixtures("listened")
def test_days_are_drawn_from_one_day_to_another(zik: Zik) -> None:
    drawn = zik("days", "-u", "ada", "--from", "2021-04-23", "--to", "2021-05-02").out

    assert "ada, 2021-04-23 to 2021-05-02" in drawn
    # And the two of the legend.
    assert sum(drawn.count(square) for square in "·░▒▓█") == 10 + 2


# --- Users, latest plays and favorites ------------------------------------------------------------


@pytest.mark.usefixtures("listened")
@pytest.mark.parametrize("swept", [True, False])
def test_users_are_listed_with_their_plays_and_timezone(zik: Zik, engine: Engine, *, swept: bool) -> None:
    record(engine, preference(user="joe"), play(user="bob", time="2021-04-26T10:10:00+02:00"))
    store_timezone(engine, "PST", user="bob")
    if swept:
        refresh(engine, ListenRule())

    rows = zik("users", "--csv").rows

    assert [tuple(row.values()) for row in rows] == [
        ("ada", "3", "2021-04-23", "2021-04-24", "Europe/Berlin", ""),
        ("bob", "2", "2021-04-25", "2021-04-26", "", "PST"),
        ("joe", "0", "", "", "", ""),
    ]
    assert '"PST" names none' in zik("users").out
    assert [row["user"] for row in zik("users", "--json").json["users"]] == ["ada", "bob", "joe"]
    assert zik("user", "show", "ada", "--json").json == {
        "user": "ada", "plays": 3, "first_day": "2021-04-23", "last_day": "2021-04-24", "timezone": "Europe/Berlin",
        "misnamed_timezone": None,
    }  # fmt: skip


@pytest.mark.usefixtures("listened")
def test_recent_lists_the_latest_plays_in_local_time(zik: Zik, engine: Engine) -> None:
    record(engine, play(time="2021-04-25T08:00:00-03:00", ms_played=3_601_000))

    shown = zik("recent", "-u", "ada", "--limit", "3")

    assert [
        (row["time"], row["title"], row["ms_played"]) for row in zik("recent", "-u", "ada", "-n3", "--csv").rows
    ] == [
        ("2021-04-25T08:00:00-03:00", "Parabola", "3601000"),
        ("2021-04-24T12:10:00+02:00", "Schism", "1000"),
        ("2021-04-24T12:00:00+02:00", "Schism", "399000"),
    ]
    assert [line.split("│")[1].strip() for line in shown.out.splitlines() if "Tool" in line] == [
        "2021-04-25 08:00", "2021-04-24 12:10", "2021-04-24 12:00",
    ]  # fmt: skip
    assert "60:01" in shown.out
    record(engine, play(user="joe", ms_played=None))
    assert "│      \u2013 │" in zik("recent", "-u", "joe").out
    assert zik("recent", "-u", "ada", "--json").json["plays"][3]["album"] == "Lateralus"


def test_recent_says_which_plays_are_reported_twice(zik: Zik, engine: Engine) -> None:
    for second, source in enumerate(("[red]mpd", "phone", "phone")):
        time = f"2021-04-25T08:00:0{2 * second}Z"
        record(engine, play(time=time, source=source, song=song(title=f"Song {source[-1]}")))
    record(engine, play(time="2021-04-25T08:00:01Z", source="other", song=song(title="Song d"), ms_played=...))

    assert [
        (row["source"], row["counts"], row["counted_from"]) for row in zik("recent", "-u", "ada", "--csv").rows
    ] == [("phone", "True", ""), ("phone", "True", ""), ("other", "False", "[red]mpd"), ("[red]mpd", "True", "")]
    (told,) = [line for line in zik("recent", "-u", "ada").out.splitlines() if "counted once" in line]
    assert "counted once, from [red]mpd" in told
    assert "08:00" in told
    assert [each["counts"] for each in zik("recent", "-u", "ada", "--json").json["plays"]] == [True, True, False, True]


def test_favorites_are_those_that_hold_newest_first(zik: Zik, engine: Engine) -> None:
    record(
        engine,
        favorite(time="2021-04-22T05:40:53Z"),
        favorite(time="2021-04-23T05:40:53Z", song=song(title="Schism")),
        favorite(time="2021-04-24T05:40:53Z", song=song(title="Lateralus")),
        favorite(time="2021-04-25T05:40:53Z", song=song(title="Lateralus"), favorite=False),
    )

    answer = zik("favorites", "-u", "ada", "--limit", "1", "--json").json

    assert (answer["favorites_in_all"], [row["title"] for row in answer["favorites"]]) == (2, ["Schism"])
    assert [row["title"] for row in zik("favorites", "-u", "ada", "--csv").rows] == ["Schism", "Parabola"]
    assert "Favorites of ada (2)" in zik("favorites", "-u", "ada").out


@pytest.mark.parametrize(("asked", "said"), [("recent", "no plays of ada"), ("favorites", "ada has no favorites")])
def test_an_empty_list_says_so(zik: Zik, engine: Engine, asked: str, said: str) -> None:
    record(engine, preference())

    answer = zik(asked, "--user", "ada")

    assert (answer.code, answer.out) == (0, "")
    assert said in answer.err


# --- Timezones that are none ----------------------------------------------------------------------


@pytest.mark.parametrize("stored", ["PST", "europe/berlin", 7, {"zone": ["Europe/Berlin"]}])
@pytest.mark.parametrize(
    "asked",
    [("stats",), ("top", "songs"), ("days", "--until", "2021-04-30"), ("clock",), ("streaks",), ("discoveries",)],
)
def test_a_stored_timezone_that_is_none_is_named_by_each_question(
    zik: Zik, engine: Engine, asked: tuple[str, ...], stored: object
) -> None:
    record(engine, play())
    store_timezone(engine, stored)

    answer = zik(*asked, "--user", "ada", "--json")

    assert answer.code == 0
    assert answer.json["misnamed_timezone"] == stored
    assert f"{json.dumps(stored)}, the timezone of ada, names none" in answer.err
    assert "zik user set ada --timezone" in answer.err


@pytest.mark.parametrize("stored", [None, "Europe/Berlin", "UTC"])
def test_a_timezone_or_none_at_all_is_not_mentioned(zik: Zik, engine: Engine, stored: object) -> None:
    record(engine, play())
    store_timezone(engine, stored)

    answer = zik("stats", "--user", "ada", "--json")

    assert answer.json["misnamed_timezone"] is None
    assert answer.err == ""


@pytest.mark.usefixtures("listened")
def test_a_stored_timezone_cannot_control_the_terminal(zik: Zik, engine: Engine) -> None:
    store_timezone(engine, "\x1b[2J\u202e" + "x" * 5_000)

    answer = zik("stats", "--user", "ada")

    assert all(char.isprintable() or char == "\n" for char in answer.err)
    assert len(answer.err) < 300


# --- Hostile titles -----------------------------------------------------------------------------


@pytest.fixture
def attacked(engine: Engine) -> None:
    record(engine, play(user="'\x1b]0;owned\x07 <b>", song=song(title=HOSTILE, artist=HOSTILE[1:], album=HOSTILE[2:])))
    refresh(engine, ListenRule())
    refresh_charts(engine, today=NOW.date(), closed=True)


ATTACKER = "'\x1b]0;owned\x07 <b>"


@pytest.mark.usefixtures("attacked")
@pytest.mark.parametrize("form", [(), ("--json",), ("--csv",)])
@pytest.mark.parametrize(
    "asked",
    [
        ("top", "songs"),
        ("top", "albums"),
        ("discoveries",),
        ("stats",),
        ("days", "--until", "2021-04-30"),
        ("recent",),
        ("favorites",),
    ],
)
def test_no_title_and_no_name_controls_the_terminal(zik: Zik, asked: tuple[str, ...], form: tuple[str, ...]) -> None:
    answer = zik(*asked, "--user", ATTACKER, *form)

    assert answer.code == 0
    assert all(char.isprintable() or char == "\n" for char in answer.out + answer.err)
    if asked[0] in {"top", "discoveries"}:
        # Markup that rich would have read is still there.
        assert "[red]" in answer.out.replace("\n", "")


@pytest.mark.parametrize("form", [(), ("--json",), ("--csv",)])
def test_blanks_and_joiners_in_names_are_shown_unchanged(zik: Zik, engine: Engine, form: tuple[str, ...]) -> None:
    names = "Audrey\u00a0Hannah", "می\u200cشود \U0001f469\u200d\U0001f3a4\u3000ヒカル"
    record(engine, play(song=song(title=names[0], artist=names[1])))

    answer = zik("top", "songs", "--user", "ada", *form)

    assert [name for name in names if name not in answer.out] == []


@pytest.mark.usefixtures("attacked")
def test_json_keeps_a_hostile_title_as_it_is(zik: Zik) -> None:
    assert zik("top", "songs", "--user", ATTACKER, "--json").json["songs"][0]["title"] == HOSTILE


@pytest.mark.parametrize("title", ["=1+1", "+1", "-1", "@SUM(A1)", "\uff1d1+1", "\uff20x", "\u200d=1+1"])
def test_no_title_is_a_formula_in_a_spreadsheet(zik: Zik, engine: Engine, title: str) -> None:
    record(engine, play(song=song(title="x", artist=f"{title}!")), play(song=song(title=f"{title}!")))
    refresh(engine, ListenRule())

    cells = [cell for row in zik("top", "songs", "-u", "ada", "--csv").rows for cell in (row["title"], row["artist"])]

    assert not [cell for cell in cells if cell.lstrip().startswith(("=", "+", "-", "@", "\uff1d", "\uff20"))]
    assert sum(cell.startswith("'") for cell in cells) == 2


def test_csv_in_a_file_is_read_as_utf_8_by_excel(
    zik: Zik, engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    record(engine, play(song=song(title="Öüé", artist="Ólafur")))
    path = tmp_path / "top.csv"
    with path.open("w", encoding="utf-8") as file:
        monkeypatch.setattr(sys, "stdout", file)
        zik("top", "songs", "-u", "ada", "--csv")

    assert path.read_bytes().startswith(b"\xef\xbb\xbfplace,title,artist")
    assert "1,Öüé,Ólafur,1,1," in path.read_text(encoding="utf-8-sig")


@pytest.mark.usefixtures("listened")
def test_csv_in_a_pipe_has_no_byte_order_mark(zik: Zik) -> None:
    assert zik("top", "songs", "-u", "ada", "--csv").out.startswith("place,")


# --- The report ---------------------------------------------------------------------------------
