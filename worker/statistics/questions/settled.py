"""Whether what is known of a user's days up to one is the same as it was."""

from collections.abc import Hashable
from datetime import date

from sqlalchemy import func, select

from worker.models import Merge, SummedStretch
from worker.statistics.periods import ONE_DAY
from worker.statistics.questions.sources import UserListening
from worker.statistics.questions.subjects import Subject
from worker.statistics.rollups.pending import pending_of


def settled(listening: UserListening, last: date) -> Hashable | None:
    """A value that is the same as long as all answers about days up to `last` are the same; None if nobody can tell.

    It is of the sums of all time, which go as soon as one of their days, or what one of their songs is filed under or
    named, changes; so there is one only for a long history, and for days some time ago. Until a sweep has seen a
    change, its mark is there. Names of merged artists are part of it: they are shown to listeners of others, too.
    Costs look-ups by key, and a look at all merges of artists.
    """
    of_user = select(SummedStretch.stamp).where(SummedStretch.user_id == listening.user_id)
    of_all_time = of_user.where(SummedStretch.first_day == date.min, SummedStretch.last_day >= last)
    stamp = listening.connection.scalar(of_all_time.order_by(SummedStretch.last_day.desc()).limit(1))
    pending = pending_of(listening.connection, listening.user_id)
    # The day after may be joined to it by a run of plays.
    if stamp is None or pending.is_filing or any(day <= last + ONE_DAY for day in pending.days):
        return None
    names = select(Merge.into_identity, func.min(Merge.into_artist)).where(Merge.subject == Subject.ARTIST.value)
    merged = listening.connection.execute(names.group_by(Merge.into_identity).order_by(Merge.into_identity))
    return listening.user_id, listening.rule, stamp, tuple(map(tuple, merged))
