"""The command `zik`. Ctrl-C ends it silently, also while it is still being imported."""

import sys

try:
    from worker.cli import main
except KeyboardInterrupt:
    sys.exit(130)

if __name__ == "__main__":
    main()
