"""The rule of favorites and preferences: the newest word wins, whatever the order of arrival."""

from collections.abc import Hashable, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from worker.books import Outcome


class Rank(NamedTuple):
    """What orders the words on one thing: time, then event id."""

    said_at: datetime
    event_id: str


class Word(NamedTuple):
    """One event's word. `said` only orders words of one rank, that is, one event told in two ways."""

    entry_id: str
    key: Hashable
    rank: Rank
    said: Any
    row: dict[str, Any]


class Verdict(NamedTuple):
    outcomes: dict[str, Outcome]
    winners: list[dict[str, Any]]


def judge(words: Iterable[Word], *, in_force: Mapping[Hashable, Rank]) -> Verdict:
    """Tell which words are to be written, given the ranks of those in force.

    A word counts as recorded when it is newer than the one in force as its batch came, and than every older word of
    the batch: just as if the batch had arrived in the order of its events. One that is already known, or that a
    newer word has overtaken, changes nothing and is a duplicate.
    """
    newest: dict[Hashable, Word] = {}
    outcomes: dict[str, Outcome] = {}
    for word in sorted(words, key=lambda word: (word.rank, word.said)):
        standing = newest[word.key].rank if word.key in newest else in_force.get(word.key)
        if standing is not None and word.rank <= standing:
            outcomes[word.entry_id] = Outcome.DUPLICATE
        else:
            # One event sent twice by a device with a wrong clock: its skew is never quite the same. The later time
            # stands, whichever came first, but the event has been recorded before.
            again = standing is not None and word.rank.event_id == standing.event_id
            outcomes[word.entry_id] = Outcome.DUPLICATE if again else Outcome.RECORDED
            newest[word.key] = word
    return Verdict(outcomes, [word.row for word in newest.values()])


def one_row_a_key(words: Iterable[Word]) -> Iterable[dict[str, Any]]:
    """A row for each key that the words are about, to look up what is in force."""
    return {word.key: word.row for word in words}.values()
