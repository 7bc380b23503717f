"""Build `zik-client` from the tree of `zik`."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent))

from vendoring import vendor


class VendorHook(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 -- hatchling's own name.
        self._folder = TemporaryDirectory()
        target = Path(self._folder.name)
        # In an sdist it has been written already.
        written = Path(self.root) / "zik"
        if not written.is_dir():
            vendor(Path(self.root).parent.parent, target)
            written = target / "zik"
        build_data["force_include"][str(written)] = "zik"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        self._folder.cleanup()
