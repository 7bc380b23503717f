"""What a browser sees of a page: tags, attributes and text."""

from html.parser import HTMLParser

_SILENT = {"style", "title"}
_INLINE = {"bdi", "strong"}
_CELLS = {"td", "th"}
# A cell ends where one of them begins or ends: HTML needs no end tag of its own.
_AROUND_CELLS = {*_CELLS, "tr", "thead", "tbody", "table"}


class WebPage(HTMLParser):
    """`text` is on one line. `tables` have the cells of each row, `items` the entries of all lists."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.tables: list[list[list[str]]] = []
        self.items: list[str] = []
        self.figures: dict[str, str] = {}
        self._text: list[str] = []
        self._open: list[str] = []
        self._dt = ""
        self._is_in_cell = False
        self.feed(html)

    @property
    def text(self) -> str:
        return _one_line("".join(self._text))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self._end_cell(tag)
        if tag in {*_CELLS, "li", "dt", "dd"}:
            self._open.append("")
            self._is_in_cell = tag in _CELLS
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])

    def handle_endtag(self, tag: str) -> None:
        if tag not in _INLINE:
            self._text.append(" ")
        self._end_cell(tag)
        if tag == "li":
            self.items.append(_one_line(self._open.pop()))
        elif tag == "dt":
            self._dt = _one_line(self._open.pop())
        elif tag == "dd":
            self.figures[self._dt] = _one_line(self._open.pop())

    def _end_cell(self, tag: str) -> None:
        if self._is_in_cell and tag in _AROUND_CELLS:
            self._is_in_cell = False
            self.tables[-1][-1].append(_one_line(self._open.pop()))
            self._text.append(" ")

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] in _SILENT:
            return
        self._text.append(data)
        if self._open:
            self._open[-1] += data

    def values(self, name: str) -> list[str | None]:
        """The values of an attribute."""
        return [value for key, value in self.attributes if key == name]

    @property
    def policy(self) -> str:
        return next(value for value in self.values("content") if value and "default-src" in value)


def _one_line(text: str) -> str:
    return " ".join(text.split())
