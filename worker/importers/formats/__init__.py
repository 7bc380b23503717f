"""Every format that zik reads. The first that recognises a file has it."""

from typing import Final

from worker.importers.format import Format, Head, Recognised
from worker.importers.formats import koito, lastfm, listenbrainz, maloja, rockbox, spotify, table

# Tables last, because they ask for least.
FORMATS: Final[tuple[Format, ...]] = (
    *spotify.FORMATS,
    *listenbrainz.FORMATS,
    *lastfm.FORMATS,
    *maloja.FORMATS,
    *koito.FORMATS,
    *rockbox.FORMATS,
    *table.FORMATS,
)
HEAD_BYTES: Final = 256 * 1024


def recognise(beginning: bytes) -> Recognised | None:
    head = Head(beginning)
    return next(filter(None, (known.recognise(head) for known in FORMATS)), None)


def known_formats() -> str:
    """The formats and what each is recognised by, for somebody whose file is none of them."""
    return "\n".join(dict.fromkeys(f"  {known.name}: {known.looks_like}" for known in FORMATS))
