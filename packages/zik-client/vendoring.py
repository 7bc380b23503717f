"""Write the package `zik` so that it works without `worker`: what it imports of that goes into `zik._sdk`.

A program may have a module `worker` of its own, so nothing here may be imported by that name.
"""

import ast
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_IMPORT: Final = re.compile(r"^(\s*(?:from|import) )worker\b", re.MULTILINE)
_HOME: Final = "zik._sdk"


def vendor(checkout: Path, target: Path) -> None:
    """Write the folder `zik` into `target`, made of `zik` and `worker` of the checkout."""
    sources = sorted((checkout / "zik").rglob("*.py"))
    for source in [*sources, checkout / "zik" / "py.typed"]:
        _write(source, target / source.relative_to(checkout))
    for source in _needed_by(sources, checkout):
        _write(source, target / "zik" / "_sdk" / source.relative_to(checkout / "worker"))


def _write(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix == ".py":
        target.write_text(_IMPORT.sub(rf"\1{_HOME}", source.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        shutil.copyfile(source, target)


def _needed_by(sources: list[Path], checkout: Path) -> list[Path]:
    """Each file of `worker` that is imported, with the packages around it and the data beside it."""
    needed: set[Path] = set()
    waiting = list(sources)
    while waiting:
        for name in _imported(waiting.pop()):
            for file in _files(name, checkout):
                if file not in needed:
                    needed.add(file)
                    waiting.append(file)
    scripts = {script for file in needed for script in file.parent.glob("lua/*.lua")}
    return sorted(needed | scripts)


def _imported(source: Path) -> Iterator[str]:
    if source.suffix != ".py":
        return
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from [f"{node.module}.{alias.name}" for alias in node.names]


def _files(name: str, checkout: Path) -> Iterator[Path]:
    """The modules that an import of this name runs: itself, and the packages around it."""
    parts = name.split(".")
    if parts[0] != "worker":
        return
    for length in range(1, len(parts) + 1):
        path = checkout.joinpath(*parts[:length])
        found = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if found.is_file():
            yield found
