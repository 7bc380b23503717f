"""What earlier transactions have established, so that known users and songs are not looked up again."""

from collections.abc import Mapping
from typing import TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")

# At about 400 bytes an entry this is 13 MB in each process, for the songs that nearly all plays are of.
MOST = 32_768


class Memory(dict[Key, Value]):
    """A bounded map from a natural key to what the database knows of it.

    Learn only after COMMIT: what a rolled back transaction has seen was never true. It may be out of date, when
    somebody deletes rows; the foreign keys then refuse the batch, and the reader forgets all and asks again.
    """

    def __init__(self, most: int = MOST) -> None:
        super().__init__()
        self._most = most

    def learn(self, facts: Mapping[Key, Value]) -> None:
        self.update(facts)
        # The oldest half goes at once: cheaper than keeping an order of use, and as good for plays, whose favorites
        # come back within a batch or two.
        if len(self) > self._most:
            for key in list(self)[: -self._most // 2]:
                del self[key]

    def forget(self) -> None:
        self.clear()
