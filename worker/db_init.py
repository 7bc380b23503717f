"""Bring the schema up, from any number of processes at once, and report what was done.

Run as `python -m worker.db_init`; `zik init` and the task `bootstrap_schema` do the same.
"""

import sys

from worker.database.engine import open_engine
from worker.database.schema import Bootstrap, bring_up_schema
from worker.errors import ZikError
from worker.failpoints import arm
from worker.settings import load_settings, without_password

__all__ = ["Bootstrap", "bring_up_schema", "main"]


def main() -> int:
    try:
        settings = load_settings()
        arm(settings.crash_at)
        engine = open_engine(settings.database_url)
        print(f"{bring_up_schema(engine)} ({without_password(settings.database_url)})")  # noqa: T201 -- a command's answer
    except ZikError as error:
        print(f"zik: {error}", file=sys.stderr)  # noqa: T201 -- a command's error
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
