"""Files are opened whatever they are packed or written in; one that zik does not read is named for what it is."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.events import NOW
from tests.support.exports import ROCKBOX, SPOTIFY_ACCOUNT, SPOTIFY_EXTENDED, TABLE, YOUTUBE
from worker.importers.archive import open_archives
from worker.importers.formats import FORMATS, READABLE
from worker.importers.importer import Importer, Summary
from worker.importers.opening import readable

TITLES = "Artist,Track,Time\nMotörhead,Überfall — “live”,1600000000\nSigur Rós,Ágætis,1600000300\n"


def read(*paths: Path, encoding: str | None = None) -> tuple[list[str], list[Summary], list[str]]:
    """The titles of the plays, the summaries, and what is unread."""
    titles: list[str] = []

    def publish(batch: list[bytes]) -> None:
        titles.extend(payload.decode() for payload in batch)

    with ExitStack() as opened:
        archives, unread = open_archives([str(path) for path in paths], opened, encoding=encoding)
        summaries = []
        for archive in archives:
            archive.prepare(user="bob", has_timezone=False)
            importer = Importer(user="bob", now=NOW, publish=publish)
            summaries += [list(importer.import_part(archive, part))[-1] for part in archive.parts]
    return titles, summaries, unread


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, bytes], Path]:
    def to_file(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    return to_file


Write = Callable[[str, bytes], Path]


@pytest.mark.parametrize(
    ("written_in", "told"),
    [("utf-8", None), ("utf-8-sig", "cp1252"), ("utf-16", None), ("utf-16", "cp1252"), ("cp1252", "cp1252")],
)
def test_a_table_is_read_in_its_encoding_by_mark_or_option(write: Write, written_in: str, told: str | None) -> None:
    events, (summary,), _ = read(write("a.csv", TITLES.encode(written_in)), encoding=told)

    assert not summary.has_faults
    assert ["Motörhead" in events[0], "Überfall — “live”" in events[0], "Ágætis" in events[1]] == [True] * 3


@pytest.mark.parametrize("sample", [SPOTIFY_ACCOUNT, ROCKBOX, TABLE, YOUTUBE])
def test_any_file_may_be_in_utf_16(write: Write, sample: Any) -> None:
    text = sample.content.decode()
    for mark, encoding in (("\ufeff", "utf-16-be"), ("\ufeff", "utf-16-le")):
        events, (summary,), _ = read(write("a", (mark + text).encode(encoding)))

        assert len(events) == len(sample.events)
        assert tuple(refusal.reason for refusal in summary.shown) == sample.refused


def test_rows_in_another_encoding_are_refused_alone_and_name_the_option(write: Write) -> None:
    events, (summary,), _ = read(write("a.csv", TITLES.encode("cp1252") + b"Tool,Schism,1600000600\n"))

    assert len(events) == 1
    assert [refusal.place for refusal in summary.shown] == ["line 2", "line 3"]
    assert all("--encoding" in refusal.detail for refusal in summary.shown)


def test_bytes_that_the_named_encoding_lacks_cost_their_row_only(write: Write) -> None:
    events, (summary,), _ = read(write("a.csv", TITLES.encode("cp1252") + b"\x81,x,1600000600\n"), encoding="cp1252")

    assert len(events) == 2
    assert dict(summary.refused) == {"bad_encoding": 1}


def test_gzip_is_read_loose_in_a_zip_and_in_another_encoding(write: Write, tmp_path: Path) -> None:
    packed = gzip.compress(TITLES.encode("utf-16"))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.csv.gz", packed)

    loose, in_zip = read(write("a.gz", packed)), read(tmp_path / "a.zip")

    assert loose[0] == in_zip[0]
    assert len(loose[0]) == 2


def test_a_truncated_gzip_gives_the_rows_before_the_cut(write: Write) -> None:
    lines = "".join(f"Tool,Song {number},{1600000000 + number}\n" for number in range(20_000))
    packed = gzip.compress(f"Artist,Track,Time\n{lines}".encode())

    events, (summary,), _ = read(write("a.gz", packed[: len(packed) * 3 // 4]))

    assert 1_000 < len(events) < 20_000
    assert summary.shown[-1].reason == "broken_file"


def test_a_gzip_bomb_stops_the_reading(write: Write) -> None:
    packed = gzip.compress(b"Artist,Track,Time\nTool,Schism,1600000000\n" + b"\n" * 2**26)

    events, (summary,), _ = read(write("a.gz", packed))

    assert len(events) == 1
    assert dict(summary.refused) == {"broken_file": 1}


def test_closing_a_converted_file_closes_the_one_below(write: Write) -> None:
    opened: list[io.BufferedReader] = []

    def open_file() -> io.BufferedReader:
        opened.append(write("a.gz", gzip.compress(TITLES.encode("utf-16"))).open("rb"))
        return opened[-1]

    with readable(open_file)() as file:
        assert file.read().decode() == TITLES
    assert opened[0].closed


def test_a_folder_is_one_export_with_its_zips(write: Write, tmp_path: Path) -> None:
    write("export/deep/a.json", SPOTIFY_ACCOUNT.content)
    write("export/deep/Read me.pdf", b"%PDF")
    with zipfile.ZipFile(tmp_path / "export" / "b.zip", "w") as archive:
        archive.writestr("endsong.json", SPOTIFY_EXTENDED.content)

    events, _, unread = read(tmp_path / "export")

    assert len(events) == len(SPOTIFY_ACCOUNT.events) + len(SPOTIFY_EXTENDED.events)
    assert unread == []


def test_a_broken_file_in_a_folder_is_named_and_costs_no_other(write: Write, tmp_path: Path) -> None:
    write("export/a.json", SPOTIFY_ACCOUNT.content)
    write("export/b.zip", b"PK\x03\x04 and no more")

    events, _, (unread,) = read(tmp_path / "export")

    assert len(events) == len(SPOTIFY_ACCOUNT.events)
    assert unread.endswith("b.zip: cannot be read: File is not a zip file")


def tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \r\n", "is empty"),
        (b"%PDF-1.7", "is a PDF"),
        (b"SQLite format 3\x00....", "is an SQLite database; export its plays as CSV"),
        (tar(), "is a tar archive; unpack it and import the folder"),
        (gzip.compress(tar(), mtime=0), "is a tar archive; unpack it and import the folder"),
        (b"<!DOCTYPE html><title>YouTube</title>", "is YouTube's history as a web page; choose JSON"),
        (b"<html><body>", "is a web page"),
        (b'<?xml version="1.0"?>\n<!DOCTYPE plist PUBLIC "-//Apple">', "is a music library of iTunes"),
        (b"<?xml version='1.0'?><feed/>", "is XML"),
        (b"Track Description,Date Played,Play Count\n", "is Apple's daily totals, which have no times; zik reads"),
        (b'{"type": "play", "time": "2024-01-05T12:00:00Z", "user": "a"}\n', "has events of zik; use zik publish"),
        (b"buy milk", f"unrecognised format; zik reads {READABLE}"),
    ],
)
def test_a_file_that_is_not_read_is_named_for_what_it_is(write: Write, content: bytes, words: str) -> None:
    _, _, (unread,) = read(write("file", content))

    assert f"file: {words}" in unread


def test_a_workbook_a_missing_file_and_a_folder_without_plays_are_named(write: Write, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "deezer-data_1.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", b"<workbook/>")
    write("photos/a.jpg", b"\xff\xd8\xff")

    _, _, (workbook, missing, folder) = read(tmp_path / "deezer-data_1.xlsx", tmp_path / "none", tmp_path / "photos")

    assert "is an Excel workbook; save the sheet with the plays as CSV UTF-8" in workbook
    assert missing.endswith("none: cannot be read: No such file or directory")
    assert "photos: contains no file of a recognised format" in folder
    assert folder.endswith("a.jpg: is a picture")


def test_a_recognised_file_without_rows_is_a_fault(write: Write) -> None:
    for content in (b"Artist,Track,Time\n", b"#AUDIOSCROBBLER/1.1\n#TZ/UTC\n"):
        _, (summary,), _ = read(write("a", content))

        assert dict(summary.refused) == {"no_rows": 1}


def test_what_is_readable_names_each_service_that_a_format_is_of() -> None:
    services = {known.name.split()[0] for known in FORMATS} - {"empty", "flat"}
    assert [name for name in services if name not in READABLE] == []
