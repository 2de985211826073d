"""The documentation site: its front pages show the shipped policies, and every page fits a phone and works."""

from __future__ import annotations

import functools
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import browser
import pytest

from legged_gym import LEGGED_GYM_ROOT_DIR

pytest.importorskip("mkdocs", reason="MkDocs is missing (pip install '.[docs]')")

_PAGES = [path.with_suffix(".html").name for path in sorted(Path(LEGGED_GYM_ROOT_DIR, "docs").glob("*.md"))]
_TOO_WIDE = """
const wide = document.documentElement.clientWidth + 1;
const scrolls = (e) => e && (getComputedStyle(e).overflowX !== "visible" || scrolls(e.parentElement));
return [...document.querySelectorAll("article *")]
  .filter((e) => e.getBoundingClientRect().right > wide && !scrolls(e.parentElement.closest("article *")))
  .map((e) => e.outerHTML.slice(0, 80))
  .concat([...document.images].filter((e) => e.complete && !e.naturalWidth).map((e) => e.src));
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "-q", "--site-dir", str(folder)]
    done = subprocess.run(
        command, cwd=LEGGED_GYM_ROOT_DIR, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(("page", "above"), [("index.html", ""), ("zh/index.html", "../")])
def test_front_pages_show_every_shipped_policy_when_asked_to(site: Path, page: str, above: str) -> None:
    text = (site / page).read_text()
    tasks = [path.name for path in Path(LEGGED_GYM_ROOT_DIR, "resources/policies").iterdir()]
    assert "qmini" in tasks
    for task in tasks:
        assert f'<a href="{above}demo/{task}.html">' in text
        assert f"this.open ? '{above}demo/{task}.html'" in text
    assert text.count("<iframe") == len(tasks)
    assert "<iframe src" not in text


def test_every_page_fits_a_phone_and_search_finds(address: str) -> None:
    browser.skip_without_browser()
    with browser.open_browser() as page:
        screen = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
        page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        for name in [
            *(n for n in _PAGES if ".zh." not in n),
            *(f"zh/{n.replace('.zh', '')}" for n in _PAGES if ".zh." in n),
        ]:
            page.get(f"{address}/{name}")
            assert page.execute_script("return document.documentElement.scrollWidth") == 390, name
            assert page.execute_script(_TOO_WIDE) == [], name
            assert page.get_log("browser") == [], name
        for start, word in (("index", "friction"), ("zh/index", "估计器")):
            page.get(f"{address}/{start}.html")
            field = page.find_element("css selector", "input.md-search__input")
            page.execute_script("document.getElementById('__search').click()")
            browser.wait_for(field.is_displayed)
            field.send_keys(word, "\ue008")  # Shift: the driver inserts Chinese without the key events that a page sees
            browser.wait_for(lambda: len(page.find_elements("css selector", ".md-search-result__item")) > 1)
            assert page.get_log("browser") == [], word
