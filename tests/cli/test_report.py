"""`zik report`, as its users call it."""

import base64
import hashlib
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.support.clients import UNREACHABLE
from tests.support.commands import Zik, zik_at
from tests.support.events import NOW, accepted, play, preference, song
from tests.support.web_page import WebPage
from worker.database.engine import transaction
from worker.escaping import printable
from worker.recorders.batch import record_batch
from worker.recorders.known import Known
from worker.statistics import ListenRule, refresh_charts
from worker.statistics.rollups.sweep import refresh

HOSTILE = '=1+1</style><script>alert(1)</script>"\x1b[2J\u202e\U000e0041[red]&'
ATTACKER = "'\x1b]0;owned\x07 <b>"


@pytest.fixture
def zik(engine: Engine, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Zik:
    """The command in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return zik_at(engine, UNREACHABLE, monkeypatch, capfd)


def record(engine: Engine, *events: dict[str, object]) -> None:
    with transaction(engine) as session:
        record_batch(session.connection(), accepted(*events), known=Known())
    refresh(engine, ListenRule())
    refresh_charts(engine, today=NOW.date(), closed=True)


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
        play(user="bob", time="2021-05-25T10:10:00+02:00", ms_played=200_000),
    )


@pytest.fixture
def attacked(engine: Engine) -> None:
    record(engine, play(user=ATTACKER, song=song(title=HOSTILE, artist=HOSTILE[1:], album=HOSTILE[2:])))


def report(zik: Zik, *arguments: str) -> str:
    answer = zik("report", *arguments, "--output", "page.html")
    assert answer.code == 0, answer.err
    return Path("page.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("listened")
def test_a_report_shows_the_year(zik: Zik) -> None:
    page = WebPage(report(zik, "--user", "ada", "--year", "2021"))

    assert page.text.startswith("ada: 2021 in music Artist of the year Tool 9 minutes of music 9 minutes")
    assert page.figures["days with music"] == "2"
    assert page.figures["of 3 plays skipped"] == "33 %"
    assert "Schism Tool 1" in page.items
    assert "Lateralus Tool 2 listens 9 min" in page.items


@pytest.mark.usefixtures("listened")
def test_a_report_of_a_month_or_of_everyone_is_a_file_of_its_own(zik: Zik) -> None:
    month = zik("report", "--user", "ada", "--month", "2021-04", "--json")
    everyone = zik("report", "--everyone", "--year", "2021", "--json")

    assert (month.json["user"], month.json["first"], month.json["last"]) == ("ada", "2021-04-01", "2021-04-30")
    assert everyone.json["user"] is None
    assert "ada: April 2021 in music" in WebPage(Path("zik-ada-2021-04.html").read_text(encoding="utf-8")).text
    page = WebPage(Path("zik-everyone-2021.html").read_text(encoding="utf-8"))
    assert "Everyone: 2021 in music" in page.text
    assert page.figures["listeners"] == "2"


@pytest.mark.usefixtures("listened")
def test_a_report_calls_the_listener_by_the_given_name(zik: Zik) -> None:
    page = WebPage(report(zik, "--user", "ada", "--year", "2021", "--name", "Ada <3"))

    assert "Ada <3: 2021 in music" in page.text
    assert "ada" not in page.text


@pytest.mark.usefixtures("listened")
def test_a_card_is_written_instead_of_the_page(zik: Zik, tmp_path: Path) -> None:
    answer = zik("report", "-u", "ada", "-y", "2021", "--card", "card.svg", "--json")

    assert answer.json["file"] == str(tmp_path / "card.svg")
    assert not list(tmp_path.glob("*.html"))
    assert "Tool" in Path("card.svg").read_text(encoding="utf-8")


@pytest.mark.usefixtures("listened")
def test_a_png_without_its_library_names_the_package(zik: Zik, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)

    answer = zik("report", "-u", "ada", "-y", "2021", "--card", "card.png")

    assert answer.code == 1
    assert "zik[card]" in answer.err
    assert not Path("card.png").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--user", "ada", "--card", "card.jpg"), "--card must end in .svg or .png"),
        ((), "--user NAME, or --everyone"),
        (("--user", "ada", "--everyone"), "--user NAME, or --everyone"),
        (("--user", "ada", "--year", "2021", "--month", "2021-04"), "--year or --month"),
        (("--user", "ada", "--month", "April"), "must be a month, as in 2026-11"),
        (("--user", "ada", "--month", "2021-13"), "must be a month, as in 2026-11"),
        (("--user", "ada", "--month", "0001-01"), "must be a month, as in 2026-11"),
    ],
)
def test_an_ambiguous_report_names_the_options(zik: Zik, arguments: tuple[str, ...], said: str) -> None:
    answer = zik("report", *arguments)

    assert answer.code == 2
    assert said in " ".join(answer.err.replace("│", " ").split())


def test_nothing_but_skips_has_no_first_place(zik: Zik, engine: Engine) -> None:
    record(engine, *(play(time=f"2021-03-0{day}T10:00:00Z", ms_played=1_000) for day in (1, 2, 3)))

    html = report(zik, "-u", "ada", "-y", "2021")

    assert "Artist of the year" not in html
    assert html.count("None are known.") == 3
    assert WebPage(html).figures["of 3 plays skipped"] == "100 %"
    assert "0 listens" in WebPage(html).text
    assert "minute" not in WebPage(html).text


def test_a_report_shows_no_unreported_listening_time(zik: Zik, engine: Engine) -> None:
    record(engine, play(ms_played=None))

    html = report(zik, "-u", "ada", "-y", "2021")

    assert "minute" not in WebPage(html).text
    assert "0 min" not in html


@pytest.mark.usefixtures("attacked")
def test_names_in_a_report_are_never_markup(zik: Zik) -> None:
    html = report(zik, "--user", ATTACKER, "--year", "2021")
    page = WebPage(html)

    assert "script" not in page.tags
    assert "b" not in page.tags
    assert page.tags.count("style") == html.count("</style>") == 1
    assert printable(HOSTILE) in page.text
    assert printable(HOSTILE) not in html
    assert all(char.isprintable() or char == "\n" for char in html)


@pytest.mark.usefixtures("listened")
def test_a_report_has_no_scripts_and_no_external_resources(zik: Zik) -> None:
    html = report(zik, "-u", "ada", "-y", "2021")
    page = WebPage(html)

    names = {name for name, _ in page.attributes}
    assert not names & {"src", "href", "xlink:href", "style", "action", "srcset"}
    assert not [name for name in names if name.startswith("on")]
    assert "link" not in page.tags
    assert page.policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in page.policy
    assert "url(" not in html


@pytest.mark.usefixtures("listened")
def test_the_policy_of_a_report_allows_its_own_style(zik: Zik) -> None:
    html = report(zik, "-u", "ada", "-y", "2021")
    style = html.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in WebPage(html).policy


@pytest.mark.usefixtures("listened")
def test_a_report_without_plays_or_a_writable_path_fails(zik: Zik, tmp_path: Path) -> None:
    empty = zik("report", "-u", "ada", "-y", "2019")
    no_month = zik("report", "-u", "ada", "-m", "2021-06")
    nobody = zik("report", "--everyone", "-y", "2019")
    nowhere = zik("report", "-u", "ada", "-y", "2021", "-o", "absent/page.html")

    assert [answer.code for answer in (empty, no_month, nobody, nowhere)] == [1, 1, 1, 1]
    assert "no plays of ada in 2019" in empty.err
    assert "no plays of ada in June 2021" in no_month.err
    assert "no plays in 2019" in nobody.err
    assert "--output" in nowhere.err
    assert list(tmp_path.glob("*.html")) == []


def test_a_report_of_any_username_stays_in_the_working_directory(zik: Zik, engine: Engine, tmp_path: Path) -> None:
    record(engine, play(user="../../x"))

    answer = zik("report", "-u", "../../x", "-y", "2021", "--json")

    assert [path.name for path in tmp_path.glob("*.html")] == ["zik-______x-2021.html"]
    assert answer.json["file"] == str(tmp_path / "zik-______x-2021.html")
