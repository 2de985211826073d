"""A real browser without a screen, for tests of pages."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

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


def control(driver: Chrome, label: str) -> WebElement:
    """Return what a label on the page belongs to, once it is there."""
    path = f"//label[starts-with(normalize-space(), '{label}')]"
    wait_for(lambda: driver.find_elements("xpath", path))
    return driver.find_element("id", str(driver.find_element("xpath", path).get_attribute("for")))


def tick(driver: Chrome, label: str, done: Callable[[], bool]) -> None:
    """Click a checkbox until that has had its effect: a click is lost while the page builds the box anew."""
    for _ in range(3):
        driver.execute_script("arguments[0].click()", control(driver, label))
        with contextlib.suppress(AssertionError):
            wait_for(done, seconds=20.0)
            return
    raise AssertionError(f"clicking '{label}' has no effect")
