import re
from datetime import date, timedelta
from itertools import pairwise

import pytest

from worker.report.drawing import Days, Grid, calendar, ring, week_clock
from worker.report.shades import Shades


def squares(grids: list[Grid]) -> int:
    return sum(marks.path.count("M") for grid in grids for marks in grid.marks)


def year_of(first: date, last: date) -> list[Grid]:
    return list(calendar(Days(first, last, {}, {}), Shades.of([])))


@pytest.mark.parametrize("year", [2012, 2021, 2024, 2040])
def test_a_calendar_has_a_square_for_each_day_of_any_year(year: int) -> None:
    first, last = date(year, 1, 1), date(year, 12, 31)

    assert squares(year_of(first, last)) == (last - first).days + 1


@pytest.mark.parametrize("first", [date(2012, 1, 1), date(2021, 4, 22), date(2021, 8, 30)])
def test_all_parts_of_a_calendar_have_one_scale(first: date) -> None:
    assert {(grid.width, grid.height) for grid in year_of(first, date(first.year, 12, 31))} == {(390, 107)}


def test_no_square_is_outside_the_drawing() -> None:
    for grid in [*year_of(date(2012, 1, 1), date(2012, 12, 31)), week_clock({}, Shades.of([]), 0)]:
        for x, y in re.findall(r"M(\d+) (\d+)", "".join(marks.path for marks in grid.marks)):
            assert int(x) + 11 <= grid.width
            assert int(y) + 6 <= grid.height


def test_a_calendar_begins_with_its_first_day() -> None:
    (grid,) = year_of(date(2021, 9, 1), date(2021, 12, 31))

    # A Wednesday: two squares lower than Monday's.
    assert min(re.findall(r"M30 (\d+)", grid.marks[0].path), key=int) == "47"
    assert [label.text for label in grid.labels if label.y < 16] == ["Sep", "Oct", "Nov", "Dec"]


@pytest.mark.parametrize("year", range(2010, 2040))
def test_the_names_of_months_do_not_touch(year: int) -> None:
    for grid in year_of(date(year, 1, 1), date(year, 12, 31)):
        above = [label.x for label in grid.labels if label.y < 16]
        assert all(after - before >= 30 for before, after in pairwise(above))
        assert above[-1] <= grid.width - 20


def test_a_square_has_the_shade_of_its_count_and_the_colour_of_its_day() -> None:
    quiet, loud = date(2021, 3, 1), date(2021, 3, 2)
    shades = Shades.of([1, 10])

    (grid,) = calendar(Days(quiet, date(2021, 3, 3), {quiet: 1, loud: 10}, {quiet: 3, loud: 4}), shades)

    assert [(marks.colour, marks.level) for marks in grid.marks] == [(3, shades.level(1)), (4, 4), (None, 0)]


def test_a_ring_has_a_ray_for_each_day_with_a_count() -> None:
    days = [date(2021, 1, 1) + timedelta(days=number) for number in range(365)]

    rays = ring(days, {days[0]: 4, days[10]: 1}, {days[0]: 2})

    assert [(ray.colour, ray.path.count("M")) for ray in rays] == [(2, 1), (0, 1)]
    lengths = [float(re.findall(r"l-?[\d.]+ ?(-?[\d.]+)", ray.path)[0]) for ray in rays]
    # Both rays point up, the longer one twice as far for four times as much.
    assert lengths[0] < lengths[1] < 0
