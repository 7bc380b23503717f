from collections.abc import Sequence

from rich.console import Group

from worker.cli.heat_map import fits_wide, heat_map, legend
from worker.cli.question import Answer, AsCsv, At, From, InPeriod, OneUser, To, When, open_question, span_name
from worker.cli.terminal import AsJson, plain
from worker.report.shades import Shades
from worker.statistics import Period, WeekHour, week_hours


def clock(
    *,
    user: OneUser,
    period: InPeriod = Period.ALL,
    at: At = None,
    from_: From = None,
    to: To = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Draw when in the week a user listens, a square for each local hour."""
    with open_question(user, When(period, at, from_, to)) as question:
        found = week_hours(question.listening, question.span)
        title = f"When {question.who} listens, {span_name(question.span)}"
        Answer(
            facts=question.facts(),
            name="hours",
            columns=("weekday", "hour", "plays", "listens", "ms_played"),
            rows=found,
            picture=lambda: Group(plain(title), "", _picture(found)),
            why_empty=lambda: question.why_empty("plays"),
        ).show(as_json=as_json, as_csv=as_csv)


def _picture(found: Sequence[WeekHour]) -> Group:
    listens = {(hour.weekday, hour.hour): hour.listens for hour in found}
    columns = [[listens.get((weekday, hour), 0) for weekday in range(1, 8)] for hour in range(24)]
    shades, wide = Shades.of(listens.values()), fits_wide(len(columns))
    heading = "".join(f"{hour:<{6 if wide else 3}}" for hour in range(0, 24, 3)).rstrip()
    return Group(heat_map(columns, heading, shades, wide=wide), "", legend(shades))
