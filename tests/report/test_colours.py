import pytest

from worker.report.colours import DARK, DEEP, LIGHT, colours_of, tile_path


def luminance(colour: str) -> float:
    """By WCAG 2.2, https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return sum(weight * each for weight, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("number", range(len(LIGHT)))
def test_colours_are_readable_on_paper_and_on_the_poster(number: int) -> None:
    """AA asks for 4.5 for text, and 3 for charts and large text."""
    assert contrast(LIGHT[number], "#fbfaf7") >= 3
    assert contrast(DARK[number], "#12100e") >= 4.5
    assert contrast("#ffffff", DEEP[number]) >= 7
    assert contrast("#d5cfc6", DEEP[number]) >= 4.5
    assert all(contrast(DARK[number], deep) >= 4.5 for deep in DEEP)


@pytest.mark.parametrize(("ink", "paper"), [("#5f5a52", "#fbfaf7"), ("#b0a89b", "#12100e")])
def test_soft_text_is_readable(ink: str, paper: str) -> None:
    assert contrast(ink, paper) >= 4.5


def test_up_to_twelve_artists_have_colours_of_their_own() -> None:
    names = [f"Artist {number}" for number in range(12)]

    assert len(set(colours_of(names).values())) == 12
    assert len(colours_of([*names, "One more"])) == 13


def test_the_most_frequent_artist_keeps_the_colour_of_its_name() -> None:
    alone = colours_of(["Tool"])

    assert colours_of([*(f"Artist {number}" for number in range(9)), "Tool", "TOOL"])["tool"] == alone["tool"]


def test_a_tile_follows_from_the_name_alone() -> None:
    assert tile_path("Björk") == tile_path("BJO\u0308RK")
    assert len({tile_path(f"Artist {number}") for number in range(100)}) > 90
    assert tile_path("\ud800")
