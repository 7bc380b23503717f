"""What earlier transactions have established, so that known users and songs are not looked up again."""

from collections.abc import Mapping
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")

# At about 250 bytes an entry this stays below 30 MB in each process.
MOST = 100_000


class Memory(Generic[Key, Value]):
    """A bounded map from a natural key to what the database knows of it.

    Learn only after COMMIT: what a rolled back transaction has seen was never true. It may be out of date, when
    somebody deletes rows; the foreign keys then refuse the batch, and the reader forgets all and asks again.
    """

    def __init__(self, most: int = MOST) -> None:
        self._known: dict[Key, Value] = {}
        self._most = most

    def get(self, key: Key) -> Value | None:
        return self._known.get(key)

    def learn(self, facts: Mapping[Key, Value]) -> None:
        self._known.update(facts)
        # The oldest half goes at once: cheaper than keeping an order of use, and as good for plays, whose favorites
        # come back within a batch or two.
        if len(self._known) > self._most:
            self._known = dict(list(self._known.items())[-self._most // 2 :])

    def forget(self) -> None:
        self._known.clear()
