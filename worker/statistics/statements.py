"""Statistics SQL by name: the only place that asks which database a statement is for.

The statements stand in postgresql.sql and sqlite.sql, which have the same names.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal, get_args

from pydantic_core import to_json
from sqlalchemy import Connection, TextClause, bindparam, text

Name = Literal[
    "compute_days",
    "user_hours",
    "joined_days",
    "user_songs",
    "user_rows",
    "given_hours",
    "given_songs",
    "second_reports",
    "user_listens",
    "short_plays",
    "count_waiting_days",
    "waiting_days",
    "waiting_plays",
    "clear_stale_days",
    "mark_days_of_histories",
    "mark_days_without_user",
    "mark_charts_of_songs",
    "mark_charts",
    "forget_sums",
    "forget_sums_of_songs",
    "users_to_sum",
    "sum_stretches",
    "file_songs",
    "link_twins",
    "file_tracks",
    "compare_days",
    "compare_sums",
    "compare_song_charts",
    "compare_artist_charts",
    "compare_album_charts",
    "names_like",
]
NAMES: Final[Sequence[Name]] = get_args(Name)

Rows = Iterable[Mapping[str, Any]]

_HEADER: Final = re.compile(r"^-- (name|fragment): (\w+)\n((?:-- .*\n)*)", re.MULTILINE)
_OF_LEFT_OUT: Final = frozenset({"leaving", "left_out", "not_left_out"})
_FRAGMENT: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Section:
    """A statement or a fragment: what it does, and its SQL. A statement has one command or more."""

    description: str
    sql: str

    @property
    def commands(self) -> Sequence[str]:
        return self.sql.removesuffix(";").split(";\n")


@cache
def sections(dialect: str, *, with_left_out: bool = True) -> Mapping[str, Section]:
    """The statements and fragments of a dialect by name, the fragments filled in.

    Without `with_left_out` they are for users who leave nothing out of their statistics.
    """
    sql = (files("worker.statistics") / f"{dialect}.sql").read_text(encoding="utf-8")
    found: dict[str, Section] = {}
    headers = list(_HEADER.finditer(sql))
    for header, end in zip(headers, [*(each.start() for each in headers[1:]), len(sql)], strict=True):
        description = header[3].replace("-- ", "").strip()
        its_sql = _filled_in(sql[header.end() : end].strip(), found)
        found[header[2]] = Section(description, its_sql if with_left_out or header[2] not in _OF_LEFT_OUT else "")
    return found


def _filled_in(sql: str, fragments: Mapping[str, Section]) -> str:
    """Replace `{fragment}` by a fragment that stands above in the file, indented like the line."""

    def fragment(found: re.Match[str]) -> str:
        line = sql[sql.rfind("\n", 0, found.start()) + 1 :]
        indent = len(line) - len(line.lstrip(" "))
        return fragments[found[1]].sql.replace("\n", "\n" + " " * indent)

    return _FRAGMENT.sub(fragment, sql)


@cache
def _commands(dialect: str, name: Name, *, with_left_out: bool = True) -> Sequence[TextClause]:
    return [text(command) for command in sections(dialect, with_left_out=with_left_out)[name].commands]


def run(connection: Connection, name: Name, rows: Rows | None = None, **parameters: Any) -> Sequence[Any]:
    """Execute a statement. `rows` become `:rows`; an absent key is a null. Returns the rows of the last command."""
    values = _values(rows, parameters)
    found: Sequence[Any] = []
    for command in _commands(connection.dialect.name, name):
        result = connection.execute(command, values)
        found = result.all() if result.returns_rows else []
    return found


def bound(
    connection: Connection, name: Name, rows: Rows | None = None, *, with_left_out: bool = True, **parameters: Any
) -> TextClause:
    """A statement of one command with its values, to be part of another statement, even beside others."""
    (command,) = _commands(connection.dialect.name, name, with_left_out=with_left_out)
    # Unique, because a statement may hold this one twice, for different days.
    return command.bindparams(*(bindparam(*each, unique=True) for each in _values(rows, parameters).items()))


def _values(rows: Rows | None, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    return parameters if rows is None else {**parameters, "rows": to_json(list(rows)).decode()}
