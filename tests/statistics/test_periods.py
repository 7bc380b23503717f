"""The same period a year before."""

from datetime import date

import pytest

from worker.statistics import Period, Span, span, year_before

LATER = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("period", "at", "first", "last"),
    [
        (Period.YEAR, date(2021, 5, 1), date(2020, 1, 1), date(2020, 12, 31)),
        (Period.MONTH, date(2024, 2, 10), date(2023, 2, 1), date(2023, 2, 28)),
        (Period.MONTH, date(2025, 2, 10), date(2024, 2, 1), date(2024, 2, 29)),
        (Period.WEEK, date(2021, 5, 10), date(2020, 5, 11), date(2020, 5, 17)),
        (Period.DAY, date(2024, 2, 29), date(2023, 2, 28), date(2023, 2, 28)),
    ],
)
def test_a_period_that_is_over_is_compared_with_a_whole_one(period: Period, at: date, first: date, last: date) -> None:
    assert year_before(span(period, at), today=LATER) == Span(period, first, last)


@pytest.mark.parametrize(
    ("period", "first", "last"),
    [
        (Period.YEAR, date(2025, 1, 1), date(2025, 11, 23)),
        (Period.MONTH, date(2025, 11, 1), date(2025, 11, 23)),
        # Of the 23rd, a Monday.
        (Period.WEEK, date(2025, 11, 24), date(2025, 11, 24)),
        (Period.DAY, date(2025, 11, 23), date(2025, 11, 23)),
    ],
)
def test_a_period_that_is_running_is_compared_with_as_much_of_it(period: Period, first: date, last: date) -> None:
    assert year_before(span(period, LATER), today=LATER) == Span(period, first, last)


def test_any_days_are_compared_with_the_same_dates() -> None:
    days = Span(Period.ALL, date(2024, 2, 29), date(2024, 3, 31))
    assert year_before(days, today=LATER) == Span(Period.ALL, date(2023, 2, 28), date(2023, 3, 31))
    open_end = Span(Period.ALL, date(2026, 1, 1), date.max)
    assert year_before(open_end, today=LATER) == Span(Period.ALL, date(2025, 1, 1), date(2025, 11, 23))


@pytest.mark.parametrize("last", [date.max, date(2021, 1, 1)])
def test_days_without_a_beginning_have_no_year_before(last: date) -> None:
    assert year_before(Span(Period.ALL, date.min, last), today=LATER) is None
