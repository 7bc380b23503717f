"""Malicious and broken files are read in bounded memory, reported with their place, and cost no valid row."""

import io
import json
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.events import NOW
from tests.support.exports import SPOTIFY_ACCOUNT
from tests.support.strategies import CHEAP
from worker.importers.archive import open_archives
from worker.importers.bounded_file import MAX_ROW_BYTES
from worker.importers.format import JsonFormat
from worker.importers.formats import FORMATS, READABLE, recognise
from worker.importers.importer import MAX_SHOWN_PER_REASON, Importer, Summary, unmatched_loves
from worker.importers.rows import LeftOut, Notes, ParsedEvent, Refusal, convert_row

MIB = 2**20
GOOD = {"endTime": "2021-04-22 05:41", "artistName": "Shindy", "trackName": "Dreams", "msPlayed": 6408}

Write = Callable[[bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(content: bytes) -> Path:
        (tmp_path / "export").write_bytes(content)
        return tmp_path / "export"

    return to_file


def summary_of(path: Path, *, publish: Callable[[list[bytes]], object] = lambda _: None) -> Summary:
    with ExitStack() as opened:
        (archive,), unread = open_archives([str(path)], opened)
        assert unread == []
        archive.prepare(user="bob", has_timezone=False)
        (part,) = archive.parts
        return list(Importer(user="bob", now=NOW, publish=publish).import_part(archive, part))[-1]


def error_text_of(path: Path) -> str:
    with ExitStack() as opened:
        archives, (error_text,) = open_archives([str(path)], opened)
        assert archives == []
        return error_text


@contextmanager
def memory_within(max_bytes: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < max_bytes
    finally:
        tracemalloc.stop()


def rows(*values: Any) -> bytes:
    return json.dumps(list(values)).encode()


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(GOOD | {"trackName": None}, id="no title"),
        pytest.param(GOOD | {"trackName": {"a": [1]}}, id="title is an object"),
        pytest.param(GOOD | {"trackName": "x" * 501}, id="long title"),
        pytest.param(GOOD | {"trackName": "x" * MIB}, id="longer than an event"),
        pytest.param(GOOD | {"trackName": "a\0b"}, id="NUL"),
        pytest.param(GOOD | {"endTime": None}, id="no time"),
        pytest.param(GOOD | {"endTime": "1999-01-01 00:00"}, id="before 2002"),
        pytest.param(GOOD | {"endTime": "9999-12-31 23:59"}, id="far ahead"),
        pytest.param(GOOD | {"endTime": "2021-13-01 00:00"}, id="no such month"),
        pytest.param([GOOD], id="an array"),
        pytest.param(None, id="null"),
        pytest.param({}, id="empty"),
    ],
)
def test_a_bad_row_is_refused_alone(write: Write, bad: Any) -> None:
    summary = summary_of(write(rows(GOOD, bad, GOOD)))

    assert summary.plays == 2
    assert [refusal.place for refusal in summary.shown] == ["row 2"]


def test_a_broken_file_is_reported_by_place_without_its_text(write: Write) -> None:
    summary = summary_of(write(rows(GOOD, GOOD)[:-1] + b', {"trackName": secret}]'))

    assert summary.plays == 2
    (refusal,) = summary.shown
    assert (refusal.place, refusal.reason) == ("after row 2", "broken_file")
    assert "secret" not in refusal.detail


def test_endless_nesting_stops_reading_in_bounded_memory(write: Write) -> None:
    path = write(rows(GOOD)[:-1] + b', {"x":' + b"[" * 3 * MIB)

    with memory_within(16 * MIB):
        summary = summary_of(path)

    assert summary.plays == 1
    assert "nested deeper" in summary.shown[0].detail


def test_an_endless_value_stops_reading_in_bounded_memory(write: Write) -> None:
    path = write(rows(GOOD)[:-1] + b', {"x":"' + b"a" * 12 * MIB)

    with memory_within(10 * MIB):
        summary = summary_of(path)

    assert summary.plays == 1
    assert f"no row ends within {MAX_ROW_BYTES:,} bytes" in summary.shown[0].detail


def test_an_endless_line_is_one_refused_row_in_bounded_memory(write: Write) -> None:
    header = b"ts,track,artist\n"
    good = b"2021-05-10T12:59:22Z,Parabola,Tool\n"
    path = write(header + good + b"x" * 12 * MIB + b"\n" + good)

    with memory_within(10 * MIB):
        summary = summary_of(path)

    assert summary.plays == 2
    assert [refusal.place for refusal in summary.shown] == ["line 3"]


@pytest.mark.parametrize(
    "row",
    [
        'Tool,"Schism,Lateralus,1600000000',
        'Tool,"Schism"x,1600000000',
        '"""',
    ],
)
def test_a_quote_in_the_wrong_place_costs_no_row_after_it(write: Write, row: str) -> None:
    after = 'Tool,Parabola,7",1600000300\nTool,"Lateralus",,1600000600\n' + "Tool,Parabol,,1600000900\n" * 20

    summary = summary_of(write(f"Artist,Track,Album,Time\n{row}\n{after}".encode()))

    assert summary.plays == 22
    assert [refusal.place for refusal in summary.shown] == ["line 2"]


def test_unclosed_quotes_in_every_line_are_read_in_bounded_time_and_memory(write: Write) -> None:
    path = write(b"Artist,Track,Time\n" + (b'Tool,"' + b"x" * 200_000 + b"\n") * 30)

    with memory_within(16 * MIB):
        summary = summary_of(path)

    assert sum(summary.refused.values()) == 30


def test_a_long_file_is_read_in_bounded_memory(write: Write) -> None:
    row = json.dumps(GOOD).encode()
    path = write(b"[" + b",".join([row] * 8_000) + b"]")
    batches = []

    with memory_within(2 * MIB):
        summary = summary_of(path, publish=lambda batch: batches.append(len(batch)))

    assert summary.plays == 8_000
    assert batches == [1_000] * 8


def test_many_refusals_are_counted_and_only_the_first_kept(write: Write) -> None:
    summary = summary_of(write(rows(GOOD, *[GOOD | {"endTime": None}] * 1_000)))

    assert dict(summary.refused) == {"invalid_value": 1_000}
    assert len(summary.shown) == MAX_SHOWN_PER_REASON


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("StreamingHistory0.json", rows(GOOD)[:-1] + b" " * 20 * MIB + b"]")

    with memory_within(4 * MIB):
        assert "suspected zip bomb (1 files, 20,9" in error_text_of(tmp_path / "bomb")


def test_a_zip_of_countless_files_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "many", "w") as archive:
        for number in range(10_001):
            archive.writestr(str(number), b"")

    assert "suspected zip bomb (10,001 files" in error_text_of(tmp_path / "many")


def test_a_damaged_zip_is_reported_as_a_broken_file(tmp_path: Path) -> None:
    path = tmp_path / "damaged"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("StreamingHistory0.json", rows(*[GOOD] * 5_000))
    content = bytearray(path.read_bytes())
    content[300_000] ^= 1
    path.write_bytes(content)

    summary = summary_of(path)

    assert summary.shown[-1].reason == "broken_file"


def test_a_file_that_only_begins_as_a_zip_is_refused(write: Write) -> None:
    assert "cannot be read: File is not a zip file" in error_text_of(write(b"PK\x03\x04 and no more"))


def test_a_zip_without_a_history_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "holiday.zip", "w") as archive:
        archive.writestr("beach.jpg", b"\xff\xd8\xff")

    error_text = error_text_of(tmp_path / "holiday.zip")

    assert f"holiday.zip: contains no file of a recognised format; zik reads {READABLE}" in error_text
    assert error_text.endswith("holiday.zip/beach.jpg: is a picture")


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "locked.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("StreamingHistory0.json", SPOTIFY_ACCOUNT.content)
    content = bytearray(path.read_bytes())
    # Set the flag "encrypted" in the local header and in the directory.
    content[6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)

    assert "is encrypted" in error_text_of(path)


def test_file_names_cannot_control_the_terminal(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a\x1b[2J.zip", "w") as archive:
        archive.writestr("b\x1b]0;c.json", SPOTIFY_ACCOUNT.content)

    assert "\x1b" not in summary_of(tmp_path / "a\x1b[2J.zip").name


def test_recording_ids_cannot_control_the_terminal(write: Write) -> None:
    feedback = {"recording_msid": "\x1b[2J", "recording_mbid": None, "score": 1, "created": 1700000050}

    with ExitStack() as opened:
        (archive,), _ = open_archives([str(write(rows(feedback)))], opened)
        archive.prepare(user="bob", has_timezone=False)
        _ = list(Importer(user="bob", now=NOW, publish=lambda _: None).import_part(archive, archive.parts[0]))
        summary = unmatched_loves(archive)

    assert summary is not None
    assert summary.shown[0].place == "recording \\u001b[2J"


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.from_regex(r"[-0-9:. TZ+]{0,12}"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
json_formats = [known for known in FORMATS if isinstance(known, JsonFormat)]


@st.composite
def distorted_rows(draw: st.DrawFn, known: JsonFormat) -> dict[str, Any]:
    """A row with the format's keys, each of which may have any value, or be missing."""
    row: dict[str, Any] = {}
    for key in (*known.keys, *draw(st.lists(st.sampled_from(OPTIONAL_KEYS), max_size=4))):
        *above, last = key.split(".")
        node = row
        for name in above:
            node = node.setdefault(name, {}) if isinstance(node.get(name, {}), dict) else {}
        node[last] = draw(anything | st.sampled_from(LIKELY_VALUES))
    return {name: value for name, value in row.items() if draw(st.integers(0, 9))}


OPTIONAL_KEYS = (
    *("album", "track", "artist", "mbid", "loved", "duration", "@attr", "artist.#text", "track.length"),
    *("track_metadata.additional_info", "track_metadata.additional_info.duration", "track.duration", "recording_msid"),
)
LIKELY_VALUES = ("1700000000", 1700000000, "2021-04-22 05:41", "2021-04-22T05:41:00Z", "--5", "Tool", 1, ["Tool"])


@pytest.mark.parametrize("known", json_formats, ids=lambda known: known.name)
@CHEAP
@given(data=st.data())
def test_any_row_becomes_an_event_or_a_refusal(known: JsonFormat, data: st.DataObject) -> None:
    row = data.draw(distorted_rows(known))

    for parsed in convert_row("row 1", row, known.convert, Notes()):
        assert isinstance(parsed, Refusal | LeftOut) or parsed.event["type"] in {"play", "favorite"}


# Any bytes, as text: hypothesis compares what it draws, and `python -b` forbids that for bytes.
any_line = st.text(st.characters(max_codepoint=255), max_size=60)


@CHEAP
@given(lines=st.lists(any_line | st.sampled_from(["a\tb\tc\t1\t2\tL\t--5\t", "1,2,3", '"'])))
@pytest.mark.parametrize(
    "head", ["#AUDIOSCROBBLER/1.1\n#TZ/UTC\n", "ts,track,artist\n", '{"user_id":1,"username":"a"}\n']
)
def test_any_line_leaves_the_next_one_readable(head: str, lines: list[str]) -> None:
    content = (head + "\n".join(lines)).encode("latin-1")
    recognised = recognise(head.encode())
    assert recognised is not None

    for row in recognised.read(io.BytesIO(content), Notes()):
        assert isinstance(row, Refusal | ParsedEvent | LeftOut)
