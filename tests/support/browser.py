"""A real browser for tests of pages, and a server that it can reach."""

import asyncio
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from granian.constants import Interfaces
from granian.server.embed import Server
from playwright.sync_api import Browser, expect, sync_playwright

from tests.support.processes import eventually
from worker.http.application import Application
from worker.local.http_server import answers
from worker.local.valkey import free_port

# What is waited for comes at once, but not on a machine that runs three such tests.
expect.set_options(timeout=20_000)

FLAGS: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip


def chromium_path() -> str:
    """The system's Chromium: Playwright's own would have to be downloaded. Skips the test where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("no chromium is installed (Debian: apt-get install chromium)")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser. While it runs, this thread cannot call `asyncio.run`."""
    path = chromium_path()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def reachable(application: Application) -> Iterator[str]:
    """Serve it on a port of this machine, from a thread, so that a test keeps its clock. Yields the URL."""
    port = free_port()
    server: Any = Server(application, port=port, interface=Interfaces.ASGI, log_enabled=False)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: answers(url), within_s=15)
        yield url
    finally:
        server.stop()
        thread.join(timeout=20)
