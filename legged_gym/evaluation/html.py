"""Reports as one HTML file that needs nothing beside it: tables, plots and pictures, in the order they are added."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from legged_gym.common.paths import write_text

_STYLE = """
:root { --ink: #1d2530; --faint: #667085; --line: #dfe3e9; --paper: #ffffff; --band: #f5f7fa; --mark: #1b6ca8;
  --good: #d8f0df; --fair: #fdf1cf; --bad: #fadbd6; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--band); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 28px 32px 60px; background: var(--paper); min-height: 100vh; }
h1 { font-size: 26px; margin: 0 0 4px; }
h2 { font-size: 19px; margin: 38px 0 8px; padding-top: 10px; border-top: 1px solid var(--line); }
h3 { font-size: 15px; margin: 22px 0 4px; }
p { margin: 6px 0; max-width: 80ch; }
.faint, figcaption, caption { color: var(--faint); font-size: 13px; }
.scroll { overflow-x: auto; margin: 10px 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; }
caption { caption-side: bottom; text-align: left; padding-top: 6px; }
th, td { padding: 3px 9px; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { font-weight: 600; background: var(--band); vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--paper); }
th:first-child { background: var(--band); }
td.text, th.text { text-align: left; white-space: normal; }
td.good { background: var(--good); } td.fair { background: var(--fair); } td.bad { background: var(--bad); }
td.best { font-weight: 700; }
tr.group td { border-top: 2px solid var(--line); }
.unit { display: block; font-weight: 400; color: var(--faint); font-size: 11px; }
figure { margin: 12px 0; }
figure > img { width: 100%; }
.strip { display: grid; grid-auto-flow: column; grid-auto-columns: 1fr; gap: 4px; }
.strip div { text-align: center; font-size: 11px; color: var(--faint); }
.strip img { width: 100%; display: block; border-radius: 4px; }
"""


@dataclass(frozen=True)
class Cell:
    """A table's cell that stands out."""

    text: str
    tone: str = ""
    """``good``, ``fair``, ``bad`` (colours), ``best`` (bold), ``text`` (a sentence), or several of them."""


class Page:
    """A report; call its methods in the order in which things shall appear."""

    def __init__(self, title: str) -> None:
        """Begin with a title."""
        self._title = title
        self._parts = [f"<h1>{html.escape(title)}</h1>"]

    def heading(self, text: str, level: int = 2) -> None:
        """Add a heading; level 3 is a smaller one."""
        self._parts.append(f"<h{level}>{html.escape(text)}</h{level}>")

    def text(self, text: str, faint: bool = False) -> None:
        """Add a paragraph."""
        self._parts.append(f"<p{_class('faint' if faint else '')}>{html.escape(text)}</p>")

    def table(
        self,
        head: Sequence[str | tuple[str, str]],
        rows: Sequence[Sequence[str | Cell]],
        caption: str = "",
        groups: Sequence[int] = (),
    ) -> None:
        """Add a table.

        Args:
            head: Titles of the columns, or pairs of a title and its unit.
            rows: The cells of each row; the first is its name.
            caption: Below the table.
            groups: Indices of rows that begin a group.
        """
        titles = "".join(_title(column) for column in head)
        body = "".join(
            f"<tr{_class('group' if index in groups else '')}>{''.join(map(_cell, row))}</tr>"
            for index, row in enumerate(rows)
        )
        note = f"<caption>{html.escape(caption)}</caption>" if caption else ""
        self._parts.append(f'<div class="scroll"><table>{note}<tr>{titles}</tr>{body}</table></div>')

    def figure(self, figure: Figure, caption: str = "") -> None:
        """Add a plot, as scalable graphics."""
        buffer = io.BytesIO()
        # Without a date and with fixed names the same plot is the same file.
        with mpl.rc_context({"svg.hashsalt": "report"}):
            figure.savefig(buffer, format="svg", metadata={"Date": None})
        self._parts.append(
            f'<figure><img alt="{html.escape(caption)}" src="{_data("svg+xml", buffer.getvalue())}">'
            f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        )

    def film_strip(self, frames: Sequence[np.ndarray], labels: Sequence[str], caption: str = "") -> None:
        """Add pictures side by side.

        Args:
            frames: RGB pictures of one size, uint8, (H, W, 3).
            labels: Below each of them.
            caption: Below all.
        """
        pictures = "".join(
            f'<div><img alt="" src="{_data("jpeg", _jpeg(frame))}">{html.escape(label)}</div>'
            for frame, label in zip(frames, labels, strict=True)
        )
        self._parts.append(
            f'<figure><div class="strip">{pictures}</div><figcaption>{html.escape(caption)}</figcaption></figure>'
        )

    def write(self, path: str) -> None:
        """Write the report; the file is complete or as it was before.

        Raises:
            UserError: The file can't be written.
        """
        body = "\n".join(self._parts)
        write_text(
            path,
            f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{html.escape(self._title)}</title>'
            f'\n<meta name="viewport" content="width=device-width">\n<style>{_STYLE}</style></head>\n'
            f"<body><main>\n{body}\n</main></body>\n</html>\n",
        )


def _class(names: str) -> str:
    return f' class="{names}"' if names else ""


def _title(column: str | tuple[str, str]) -> str:
    title, unit = (column, "") if isinstance(column, str) else column
    return f'<th>{html.escape(title)}<span class="unit">{html.escape(unit)}</span></th>'


def _cell(cell: str | Cell) -> str:
    if isinstance(cell, str):
        return f"<td>{html.escape(cell)}</td>"
    return f"<td{_class(cell.tone)}>{html.escape(cell.text)}</td>"


def _jpeg(frame: np.ndarray) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, format="jpeg", quality=85)
    return buffer.getvalue()


def _data(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
