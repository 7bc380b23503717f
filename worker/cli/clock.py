from collections.abc import Sequence

from rich.console import Group

from worker.cli.heat_map import fits_wide, heat_map, legend
from worker.cli.question import Answer, AsCsv, At, InPeriod, OneUser, question
from worker.cli.terminal import AsJson, plain
from worker.report.shades import Shades
from worker.report.wording import span_name
from worker.statistics.periods import Period
from worker.statistics.questions.week_hours import WeekHour
from worker.statistics.questions.week_hours import clock as week_hours


def clock(
    *,
    user: OneUser,
    period: InPeriod = Period.ALL,
    at: At = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Draw when in the week somebody listens: hours from left to right, by their own clock."""
    with question(user, period, at) as asked:
        found = week_hours(asked.listening, asked.span)
        title = f"When {asked.whose} listens, {span_name(asked.span)}"
        Answer(
            facts=asked.facts(),
            name="hours",
            columns=("weekday", "hour", "plays", "listens", "ms_played"),
            rows=found,
            picture=lambda: Group(plain(title), "", _picture(found)),
            why_nothing=lambda: asked.why_nothing("plays"),
        ).tell(as_json=as_json, as_csv=as_csv)


def _picture(found: Sequence[WeekHour]) -> Group:
    listens = {(hour.weekday, hour.hour): hour.listens for hour in found}
    columns = [[listens.get((weekday, hour), 0) for weekday in range(1, 8)] for hour in range(24)]
    shades, wide = Shades.of(listens.values()), fits_wide(len(columns))
    heading = "".join(f"{hour:<{6 if wide else 3}}" for hour in range(0, 24, 3)).rstrip()
    return Group(heat_map(columns, heading, shades, wide=wide), "", legend(shades))
