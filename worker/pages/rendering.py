"""Render a page: its templates, the one style sheet, and the policy that lets a browser load nothing else."""

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from worker.pages import heat, links, text
from worker.pages.plays import by_day
from worker.pages.reasons import sentence
from worker.pages.tops import span_name
from worker.report import wording

# No script and no style but files of ours, no request to elsewhere; forms and the base stay within the server.
POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)


_ASSETS: Final = (
    ("pages.css", "text/css; charset=utf-8"),
    ("live.js", "text/javascript; charset=utf-8"),
    ("icon.svg", "image/svg+xml"),
)


@dataclass(frozen=True)
class Frame:
    """What surrounds a page.

    `here` is the page's own path and query. `user` is the listener that it is about, None if it is about none. `viewer`
    is who is signed in, and may or may not look at closed pages, change plays, and open the operator's pages. `form`
    goes with each form that changes something; it is empty where there is none. `misnamed_timezone` is the listener's
    preference if it names no timezone and the viewer may know.
    """

    here: str
    user: str | None = None
    viewer: str | None = None
    form: str = ""
    may_look: bool = False
    may_change: bool = False
    is_operator: bool = False
    misnamed_timezone: str | None = None


def render(template: str, frame: Frame, **content: Any) -> bytes:
    """The page as UTF-8. Texts are escaped, and lose their control characters."""
    page = _environment().get_template(f"{template}.html.j2")
    return page.render(frame=frame, **content).encode()


@cache
def assets() -> Mapping[str, tuple[str, bytes]]:
    """The files that pages load, by path: content type and content.

    A path names its content by a digest, so a browser may keep the file for ever.
    """
    found = {}
    for name, content_type in _ASSETS:
        content = (files("worker.pages") / name).read_bytes()
        found[asset_path(name, content)] = (content_type, content)
    return found


def asset_path(name: str, content: bytes) -> str:
    return f"/page-assets/{hashlib.sha256(content).hexdigest()[:16]}/{name}"


def _path_of(name: str) -> str:
    return next(path for path in assets() if path.endswith(f"/{name}"))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("worker.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=text.finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        heat=heat, links=links, words=wording, asset=_path_of, plays_by_day=by_day, span_name=span_name, why=sentence
    )
    environment.filters.update(shown=text.shown, short=text.short, shell=shlex.quote)
    return environment
