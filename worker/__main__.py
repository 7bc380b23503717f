"""The command `zik` from its first moment on: Ctrl-C ends it without a word, also before all of it is imported."""

import sys

_INTERRUPTED = 130


def main() -> None:
    try:
        # Importing the commands takes long enough for somebody to change their mind.
        from worker.cli import main as run  # noqa: PLC0415

        run()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
