"""How far something got, and tables, on terminals and in files."""

from __future__ import annotations

import io
import re
import sys
import time

import pytest

from legged_gym.common.console import Progress, print_table, progress, tell_if_slow

FIGURES = "123,456 steps/s", "reward 3.21  length 480  estimator 0.051 m/s  and much more than fits into a line"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def shown(self) -> list[str]:
        """Return all lines that were ever shown, without what moves the cursor and colours them."""
        return [line.strip() for line in re.split(r"[\r\n]", re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", self.getvalue()))]


def wait_for(text: str, stream: io.StringIO) -> None:
    deadline = time.monotonic() + 30.0
    while text not in stream.getvalue():
        assert time.monotonic() < deadline, f"never said {text!r}: {stream.getvalue()!r}"
        time.sleep(0.01)


def test_a_file_gets_a_line_for_the_first_update_and_the_last() -> None:
    stream = io.StringIO()
    with Progress("iteration", 30, stream, start=10) as line:
        for iteration in range(10, 30):
            line.update(iteration + 1, *FIGURES, rest=60.0 * (29 - iteration))
    lines = stream.getvalue().splitlines()
    assert lines[0] == f"iteration 11/30  37%  {FIGURES[0]}  ETA 0:19:00  {FIGURES[1]}"
    assert lines[1:] == [f"iteration 30/30 100%  {FIGURES[0]}  ETA 0:00:00  {FIGURES[1]}"]


@pytest.mark.parametrize(("columns", "seen"), [(80, "reward"), (120, "reward 3.21  length 480  estimator 0.051 m/s")])
def test_a_terminal_shows_speed_and_time_whatever_its_width(
    columns: int, seen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with Progress("iteration", 10_000, stream, start=5000) as line:
        line.update(5001, *FIGURES, rest=4000.0)
    last = next(text for text in reversed(stream.shown()) if text)
    assert len(last) <= columns
    assert "5001/10000  50%" in last and "123,456 steps/s" in last and "ETA 1:06:40" in last and seen in last


def test_the_time_still_needed_follows_from_what_was_done(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("legged_gym.common.console.time.monotonic", lambda: clock[0])
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    for _ in progress(range(4), "sheep", 4):
        clock[0] += 20.0
    assert stream.getvalue().splitlines() == [
        "sheep 1/4  25%  ETA 0:01:00", "sheep 2/4  50%  ETA 0:00:40", "sheep 3/4  75%  ETA 0:00:20",
        "sheep 4/4 100%  ETA 0:00:00",
    ]  # fmt: skip


def test_what_is_quick_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with tell_if_slow("counting sheep", seconds=100.0):
        pass
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_what_is_slow_tells_how_far_it_got(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("legged_gym.common.console._TICK", 0.01)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", stream)
    sheep: list[int] = []
    with tell_if_slow("counting sheep", seconds=0.0, so_far=lambda: f"{len(sheep)} sheep"):
        wait_for("0 sheep", stream)
        sheep += [1, 2, 3]
        if stream.isatty():
            wait_for("3 sheep", stream)
    assert re.search(r"counting sheep: done, 3 sheep, \d+ s\n$", stream.getvalue())
    if not stream.isatty():
        assert stream.getvalue().startswith("counting sheep … 0 s  0 sheep\n") and stream.getvalue().count("\n") == 2


def test_what_fails_is_not_called_done(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(ZeroDivisionError), tell_if_slow("counting sheep", seconds=0.0):
        wait_for("counting sheep", stream)
        raise ZeroDivisionError
    assert "done" not in stream.getvalue()


HEAD, ROWS = ["", *(f"column {i}\nm/s" for i in range(9))], [["flat", *["0.123"] * 9], ["push", *["-1.0"] * 9]]


def test_a_table_in_a_file_is_one() -> None:
    stream = io.StringIO()
    print_table(HEAD, ROWS, stream)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 4 and lines[1].split() == ["m/s"] * 9
    assert lines[2].split() == ["flat", *["0.123"] * 9] and lines[0].index("column 8") == lines[2].rindex("0.123") - 3


def test_a_table_on_a_narrow_terminal_is_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    print_table(HEAD, ROWS, stream)
    lines = [line for line in stream.shown() if line]
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines] == 2 * ["column", "m/s", "flat", "push"]
    assert sum(line.count("0.123") for line in lines) == 9
