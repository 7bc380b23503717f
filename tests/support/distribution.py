"""Which tests share a process where several run the suite (pytest-xdist).

Each test goes where there is room, but for those that use what takes long to start: they stay together, and begin
first, so that nobody waits for them in the end. xdist has a mark for that, which does nothing under pytest 9.2
(pytest-dev/pytest-xdist#1386).
"""

from typing import Final

from xdist.scheduler import LoadScopeScheduling

# Modules by the fixture that their tests share; conftest.py sees that none is forgotten.
TOGETHER: Final = {
    "shared_rig": ("test_server_faults.py", "test_security.py"),
    "live": ("test_worker.py",),
    "up": ("test_supervisor.py",),
    "node_modules": ("test_other_languages.py",),
    "recorded_once": ("test_page.py", "test_real_statistics.py"),
    "fleet": ("test_old_and_new.py", "test_rolling_upgrade.py"),
}
_GROUPS: Final = {module: group for group, modules in TOGETHER.items() for module in modules}


def group_of(test: str) -> str:
    """The group of a test by its node id: it is alone unless its module is among those above."""
    module = test.partition("::")[0].rpartition("/")[2]
    return _GROUPS.get(module, test)


class Distribution(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types.
    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
