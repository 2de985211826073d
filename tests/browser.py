"""A real browser without a screen, for tests of pages."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable

import pytest

DRIVER = shutil.which("chromedriver")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE = 60.0
"""Seconds in which a page has to do what is waited for; a computer without a GPU draws a frame in one of them."""


def skip_without_browser() -> None:
    pytest.importorskip("selenium", reason="selenium is missing (pip install selenium)")
    if DRIVER is None or CHROMIUM is None:
        pytest.skip("Chromium or its driver is missing (Debian, Ubuntu: apt install chromium chromium-driver)")


def open_browser(size: tuple[int, int] = (1000, 900)):  # noqa: ANN201  (selenium may be missing)
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--use-gl=angle", "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader", f"--window-size={size[0]},{size[1]}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.binary_location = str(CHROMIUM)
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))


def wait_for(what: Callable[[], object], seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
