import pytest

from worker.report.drawing import bars


@pytest.mark.parametrize(
    ("count", "short"),
    [
        (999, "999"),
        (1_000, "1.0k"),
        (2_455, "2.5k"),
        (9_949, "9.9k"),
        (9_950, "10k"),
        (9_999, "10k"),
        (123_456, "123k"),
    ],
)
def test_no_count_is_wider_than_the_step_between_two_bars(count: int, short: str) -> None:
    first, second, *_ = bars([count, *[count] * 11])
    # At the style's ten pixels, a digit is at most seven pixels wide.
    assert first.short == short
    assert len(short) * 7 < second.middle - first.middle
