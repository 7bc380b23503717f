"""Draw a report as a card to share: an SVG of 1080 by 1350, and the same as PNG.

Nothing on it says whose it is, unless a name is given, nor when or where somebody listened.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec
from typing import Any, Final

from worker.contract.identity import loose_title
from worker.errors import ZikError
from worker.escaping import printable
from worker.report import colours, drawing
from worker.report.fitting import Fitted, fit
from worker.report.measure import Measure
from worker.report.page import accent_of, day_colours, palette_of, template
from worker.report.spans import title_of
from worker.report.wording import amount, days_and_hours
from worker.report.year import Year
from worker.statistics import ONE_DAY, Period, Subject

WIDTH: Final = 1080
HEIGHT: Final = 1350
_MARGIN: Final = 72
_INNER: Final = WIDTH - 2 * _MARGIN
_SONGS: Final = 5
_SONG_WIDTH: Final = 380
_TITLE_SIZES: Final = (32, 28, 25)
# XML has no place for these two.
_NO_XML: Final = {0xFFFE: 0xFFFD, 0xFFFF: 0xFFFD}


@dataclass(frozen=True)
class CardSong:
    """A song of the card with its tile."""

    title: Fitted
    artist: Fitted
    tile: str
    colour: str


def card(year: Year, *, name: str | None = None) -> str:
    """The card as SVG text. The same arguments give the same card. It names the listener only if `name` does."""
    palette = palette_of(year)
    accent = accent_of(year, palette)
    artists, songs = year.tops[Subject.ARTIST], year.tops[Subject.SONG]
    measure = Measure.of(year.days)
    heading = f"{title_of(year.span)} in music"
    return template("card.svg.j2").render(
        width=WIDTH,
        height=HEIGHT,
        margin=_MARGIN,
        ground=colours.DEEP[accent],
        bright=colours.DARK[accent],
        heading=_fitted(f"{name}: {heading}" if name else heading, _INNER, (40, 32), most=1),
        artist=_fitted(artists[0].artist, _INNER, (190, 170, 150, 135, 120, 96, 72, 56), most=2) if artists else None,
        period="year" if year.span.period is Period.YEAR else "month",
        listening=_listening(year, measure),
        songs=_songs([(place.title or "", place.artist) for place in songs[:_SONGS]], palette),
        rays=[(colours.DARK[ray.colour], ray.path) for ray in _ring(year, measure, palette)],
        title=title_of(year.span).split(),
    )


def _listening(year: Year, measure: Measure) -> str:
    if measure.in_time:
        return f"{days_and_hours(year.totals.ms_played)} of music"
    return amount(year.totals.listens, "listen")


def _ring(year: Year, measure: Measure, palette: Mapping[str, int]) -> Sequence[drawing.Ray]:
    """A ray for each week of a year, or day of a month: a week does not say who was away on which day."""
    step = 7 if year.span.period is Period.YEAR else 1
    counts: dict[date, int] = {}
    for day in year.days:
        first = year.span.first + (day.day - year.span.first).days // step * step * ONE_DAY
        counts[first] = counts.get(first, 0) + measure.count([day])
    return drawing.ring(list(year.span.days())[::step], counts, day_colours(year, palette))


def _songs(named: Sequence[tuple[str, str]], palette: Mapping[str, int]) -> Sequence[CardSong]:
    """The songs, all in the size that the longest title needs."""
    size = min((_fitted(title, _SONG_WIDTH, _TITLE_SIZES, most=1).size for title, _ in named), default=0)
    return [
        CardSong(
            title=_fitted(title, _SONG_WIDTH, (size,), most=1),
            artist=_fitted(artist, _SONG_WIDTH, (size - 6,), most=1),
            tile=colours.tile_path(title + artist),
            colour=colours.DARK[palette.get(loose_title(artist), colours.colour_of(artist))],
        )
        for title, artist in named
    ]


def _fitted(text: str, width: int, sizes: Sequence[int], *, most: int) -> Fitted:
    found = fit(printable(text).translate(_NO_XML), width, sizes=sizes, most=most)
    return found if found.lines else Fitted([""], sizes[-1])


def can_draw_png() -> bool:
    """Whether the extra `card` is installed."""
    return find_spec("resvg_py") is not None


def as_png(svg: str) -> bytes:
    """The card as a PNG.

    Raises:
        ZikError: resvg is not installed, or this machine has no font.
    """
    try:
        import resvg_py  # noqa: PLC0415 -- An optional extra.
    except ImportError:
        raise ZikError("a PNG needs resvg: pip install 'zik[card]'; or choose a file that ends in .svg") from None
    render: Any = resvg_py.svg_to_bytes
    # Without a font resvg leaves the text out, and says nothing.
    blank, letter = (render(svg_string=_PROBE.format(text)) for text in ("", "A"))
    if blank == letter:
        raise ZikError("this machine has no font: install one (Debian: fonts-dejavu-core), or choose an .svg file")
    png: bytes = render(svg_string=svg)
    return png


_PROBE: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text y="9" font-family="sans-serif">{}</text></svg>'
)
