import functools
import struct
from datetime import date
from xml.etree import ElementTree as ET

import pytest
import resvg_py
from sqlalchemy import Engine, delete

from tests.support.events import accepted, play, preference, song
from worker.database.engine import snapshot, transaction
from worker.errors import ZikError
from worker.models import PlayHistory
from worker.recorders.batch import record_batch
from worker.recorders.known import Known
from worker.report.card import HEIGHT, WIDTH, as_png, card
from worker.report.fitting import fit, width_of
from worker.report.year import Year, year_of
from worker.statistics import ListenRule, Subject, UserListening, find_listener


def year_with(engine: Engine, *titles: str, artist: str = "Tool", day: str = "2021-03-04") -> Year:
    user = "ada-lovelace"
    zone = preference(user=user, key="timezone", value="Europe/Berlin")
    with transaction(engine) as session:
        events = [
            play(user=user, time=f"{day}T12:0{number}:00Z", ms_played=7_200_000, song=song(title=title, artist=artist))
            for number, title in enumerate(titles)
        ]
        record_batch(session.connection(), accepted(zone, *events), known=Known())
    with snapshot(engine) as session:
        listener = find_listener(session.connection(), user)
        listening = UserListening(session.connection(), listener.id, ListenRule())
        return year_of(listening, listener, 2021, today=date(2026, 11, 23))


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 -- It is ours, and this test is of its being whole.


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in parsed(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_a_card_has_the_artist_the_time_and_the_songs(engine: Engine) -> None:
    year = year_with(engine, *(f"Song {number}" for number in range(7)))
    first_five = [place.title for place in year.tops[Subject.SONG][:5]]

    assert texts(card(year)) == [
        *("2021", "2021 in music", "Artist of the year", "Tool", "14 hours of music"),
        *(text for title in first_five for text in (title, "Tool")),
        "zik",
    ]


def test_a_card_names_nobody_unless_asked(engine: Engine) -> None:
    year = year_with(engine, "Schism")

    private, named = card(year), card(year, name="Ada")

    assert not [fact for fact in ("ada", "Berlin", "UTC", "Mar", "12:", "13:", "Thursday") if fact in private]
    assert "Ada: 2021 in music" in texts(named)


@pytest.mark.parametrize(("day", "is_same"), [("2021-03-03", True), ("2021-03-12", False)])
def test_a_card_does_not_say_on_which_day_of_a_week_somebody_listened(
    engine: Engine, day: str, *, is_same: bool
) -> None:
    thursday = card(year_with(engine, "Schism"))
    with transaction(engine) as session:
        session.execute(delete(PlayHistory))

    assert (card(year_with(engine, "Schism", day=day)) == thursday) is is_same


@pytest.mark.parametrize(
    "text",
    [
        "x" * 500,
        "<script>&\"'",
        "\u202eevil\ufffe\uffff",
        "{{ 7 * 7 }}",
        "\U0001f469\u200d\U0001f3a4" * 60,
        "日本" * 90,
        "é" * 99,
    ],
)
def test_hostile_names_leave_the_card_whole(engine: Engine, text: str) -> None:
    svg = card(year_with(engine, text, artist=text), name=text)
    root = parsed(svg)

    names = {each.tag.rpartition("}")[2] for each in root.iter()}
    assert names == {"svg", "rect", "g", "path", "text"}
    assert not [each for each in root.iter() for key in each.attrib if key.startswith("on") or "href" in key]
    assert "49" not in texts(svg)
    for each in root.iter("{http://www.w3.org/2000/svg}g"):
        size = float(each.get("font-size") or 0)
        assert all(width_of(line.text or "") * size <= WIDTH - 144 for line in each)


@pytest.mark.parametrize(
    ("text", "lines", "size"),
    [
        ("Tool", ["Tool"], 100),
        ("King Gizzard", ["King", "Gizzard"], 100),
        ("Supercalifragilistic", ["Supercalifragili", "stic"], 50),
        ("one two three four five six seven", ["one two three", "four five six…"], 50),
        ("", [], 100),
    ],
)
def test_text_is_as_large_as_it_fits(text: str, lines: list[str], size: int) -> None:
    fitted = fit(text, 500, sizes=(100, 50), most=2)

    assert (list(fitted.lines), fitted.size) == (lines, size)


def png_of(svg: str) -> bytes:
    try:
        return as_png(svg)
    except ZikError as error:
        pytest.skip(str(error))


def test_a_png_has_the_size_of_the_card_and_its_text(engine: Engine) -> None:
    svg = card(year_with(engine, "Schism"))

    png = png_of(svg)

    assert png.startswith(b"\x89PNG")
    assert struct.unpack(">II", png[16:24]) == (WIDTH, HEIGHT) == (1080, 1350)
    assert png_of(svg.replace("Schism", "Lateralus")) != png


def test_a_machine_without_fonts_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    without_fonts = functools.partial(resvg_py.svg_to_bytes, skip_system_fonts=True)
    monkeypatch.setattr(resvg_py, "svg_to_bytes", without_fonts)

    with pytest.raises(ZikError, match="fonts-dejavu-core"):
        as_png('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
