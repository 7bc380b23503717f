"""The fixture `zik_client`. To load it, put `pytest_plugins = ["zik.testing.plugin"]` into conftest.py."""

from worker.testing.plugin import zik_client

__all__ = ["zik_client"]
