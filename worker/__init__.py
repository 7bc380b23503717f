"""zik records what people listen to."""

from typing import Final

# As in pyproject.toml. A container has no metadata to read it from.
__version__: Final = "0.3.0.dev0"
