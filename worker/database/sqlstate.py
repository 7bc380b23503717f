"""Class a database error by what to do next: retry, ask an operator, or refuse the row."""

import sqlite3
from typing import Final

from sqlalchemy.exc import DataError, DBAPIError

from worker.errors import DatabaseMisusedError, DatabaseUnavailableError, RowRefusedError, ZikError

# SQLSTATE classes and codes from PostgreSQL's appendix A. A code takes precedence over its class.
_UNAVAILABLE: Final = {
    "08", "40", "53", "57", "58", "XX",
    "25006", "25P02", "25P03", "25P04", "28000", "28P01", "3D000", "55P03", "55006",
}  # fmt: skip
_LOCKED: Final = {"40001", "40P01", "55P03", "SQLITE_BUSY"}
_MISUSED: Final = {"42", "3F"}
_ROW_REFUSED: Final = {"22", "23"}
# pgbouncer's words; it gives every complaint the same code.
_STATEMENT_POOLING: Final = "not allowed in statement pooling mode"
_SQLITE_UNAVAILABLE: Final = {
    "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_READONLY", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN",
    "SQLITE_PROTOCOL", "SQLITE_NOMEM", "SQLITE_INTERRUPT", "SQLITE_SCHEMA",
}  # fmt: skip
_SQLITE_MISUSED: Final = {"SQLITE_ERROR", "SQLITE_PERM", "SQLITE_AUTH"}
_SQLITE_DAMAGED: Final = {"SQLITE_CORRUPT", "SQLITE_NOTADB"}
_SQLITE_ROW_REFUSED: Final = {"SQLITE_CONSTRAINT", "SQLITE_TOOBIG", "SQLITE_MISMATCH", "SQLITE_RANGE"}


def meaning_of(error: DBAPIError) -> ZikError:
    """Class an error by SQLSTATE and by whether the connection was lost, never by the driver's exception class.

    An error without a class, such as too many parameters, is a bug in zik: `DatabaseMisusedError`, so that an operator
    sees it before it is retried.
    """
    if isinstance(error.orig, sqlite3.Error):
        return sqlite_meaning_of(error.orig)
    code = getattr(error.orig, "sqlstate", None) or ""
    if known := _of_the_server(code, error.orig):
        return known
    if not code and (error.connection_invalidated or error.statement is None):
        return DatabaseUnavailableError(
            f"no connection to the database: {_first_line(error.orig)}", way_out="start it, or correct DATABASE_URL"
        )
    if not code and isinstance(error, DataError):
        return RowRefusedError("the driver refused a value")
    constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
    return _classed(code, code if code in _UNAVAILABLE else code[:2], f"constraint {constraint}" if constraint else "")


def sqlite_meaning_of(error: sqlite3.Error) -> ZikError:
    code = getattr(error, "sqlite_errorname", "") or type(error).__name__
    # Extended codes begin with the primary one: SQLITE_BUSY_SNAPSHOT, SQLITE_CONSTRAINT_UNIQUE.
    return _classed(code, "_".join(code.split("_")[:2]), str(error))


def _of_the_server(code: str, error: object) -> ZikError | None:
    """What an operator repairs elsewhere than in zik's tables, though the code's class would say so."""
    if code == "3F000":
        return DatabaseMisusedError(
            f"no schema on the search_path exists, or this role may not use it ({code})",
            way_out="create it, GRANT USAGE on it, or correct `search_path` of the role, the database or DATABASE_URL",
        )
    if code == "42501":
        return DatabaseMisusedError(
            f"this role lacks a right, or does not own the tables ({code})",
            way_out="run `zik init` as the owner of the schema, and grant as docs/postgresql-roles.sql does",
        )
    if _STATEMENT_POOLING in str(error):
        return DatabaseMisusedError(
            "pgbouncer pools statements, and zik needs transactions",
            way_out="set `pool_mode = transaction` in pgbouncer",
        )
    return None


def _classed(code: str, family: str, detail: str) -> ZikError:
    text = f"{code or 'no SQLSTATE'}{f': {detail}' if detail else ''}"
    if family in _UNAVAILABLE | _SQLITE_UNAVAILABLE:
        way_out = "DATABASE_URL must name a file that this user may open" if family == "SQLITE_CANTOPEN" else ""
        return DatabaseUnavailableError(
            f"the database cannot work now ({text})", way_out=way_out, is_locked=code in _LOCKED
        )
    if family in _ROW_REFUSED | _SQLITE_ROW_REFUSED:
        return RowRefusedError(f"the database refused a row ({text})")
    if family in _SQLITE_DAMAGED:
        return DatabaseMisusedError(
            f"the SQLite file of DATABASE_URL is damaged, or is no database ({text}): restore it from a backup, or "
            "move it away, and run `zik init`"
        )
    if family in _MISUSED | _SQLITE_MISUSED:
        return DatabaseMisusedError(
            f"the schema or the permissions do not fit this version of zik ({text})",
            way_out="run `zik init`, then `zik doctor`",
        )
    return DatabaseMisusedError(f"unknown database error ({text})", way_out="please report it")


def _first_line(error: object) -> str:
    return str(error).partition("\n")[0]
