"""Keep Python's cycle collector out of the way of a process that makes many objects and hardly any cycles."""

import gc
from typing import Final

# A batch makes some ten thousand objects and frees them by reference count. At the default threshold of 700 the
# collector would walk them, and every library behind them, dozens of times a batch: a third of a drain's time, an
# eighth of what a request of a hundred events costs the HTTP server.
_THRESHOLD: Final = 100_000


def tune_gc() -> None:
    """Exclude everything loaded so far from collections, and collect rarely. Call it once a process, after fork."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_THRESHOLD, 20, 20)
