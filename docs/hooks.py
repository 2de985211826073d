"""What the site needs beside Markdown, as MkDocs' hooks."""

import re
import shutil
from pathlib import Path
from typing import Any

from jinja2 import Template

_POLICIES = Path(__file__).parent.parent / "resources" / "policies"
_ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):<code>(?:~[\w.]+\.)?")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Fill in the front pages, which show the page of every shipped policy, by the names of their tasks."""
    if not page.file.src_uri.startswith("index."):
        return markdown
    tasks = sorted((path.name for path in _POLICIES.iterdir()), key=lambda task: (task != "qmini", task))
    return Template(markdown).render(tasks=tasks)


def on_page_content(html: str, **_: Any) -> str:
    """Remove the roles of docstrings, which Markdown does not know."""
    return _ROLE.sub("<code>", html)


def on_post_build(config: Any) -> None:
    """Give the Chinese pages, once they are built, the list of pages that the theme's choice of a language asks for."""
    chinese = Path(config.site_dir, "zh")
    if chinese.is_dir():
        shutil.copy(Path(config.site_dir, "sitemap.xml"), chinese)
