"""What is said while something takes long."""

from __future__ import annotations

import io
import re
import sys
import time

import pytest

from legged_gym.common.console import progress_bar, tell_if_slow


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def wait_for(text: str, stream: io.StringIO) -> None:
    deadline = time.monotonic() + 30.0
    while text not in stream.getvalue():
        assert time.monotonic() < deadline, f"never said {text!r}: {stream.getvalue()!r}"
        time.sleep(0.01)


def test_what_is_quick_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with tell_if_slow("counting sheep", seconds=100.0):
        pass
    assert capsys.readouterr().out == ""


def test_a_file_gets_one_line_and_one_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("legged_gym.common.console._TICK", 0.01)
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    looks: list[int] = []
    with tell_if_slow("counting sheep", seconds=0.0, so_far=lambda: f"{len(looks)} sheep"):
        wait_for("counting sheep …\n", stream)
        looks += [1, 2, 3]
        time.sleep(0.1)
    assert re.fullmatch("counting sheep …\ndone, 3 sheep, \\d+ s\n", stream.getvalue())


def test_a_terminal_shows_how_far_it_got(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("legged_gym.common.console._TICK", 0.01)
    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    sheep: list[int] = []
    with tell_if_slow("counting sheep", seconds=0.0, so_far=lambda: f"{len(sheep)} sheep"):
        wait_for("counting sheep … 0 sheep, ", stream)
        sheep.append(1)
        wait_for("\r\033[Kcounting sheep … 1 sheep", stream)
    assert "\n" not in stream.getvalue()[:-1], "it is one line"
    assert re.search(r"\r\033\[Kcounting sheep: done, 1 sheep, \d+ s\n$", stream.getvalue())


def test_what_fails_is_not_called_done(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(ZeroDivisionError), tell_if_slow("counting sheep", seconds=0.0):
        wait_for("counting sheep", stream)
        raise ZeroDivisionError
    assert "done" not in stream.getvalue()
    assert stream.getvalue().endswith("\n")


def test_a_bar_tells_what_is_done_and_what_it_is_at(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    bar = progress_bar(4, "{n}/{total} sheep", items=iter("abcd"))
    for name in bar:
        bar.set_postfix_str(name)
    assert "\r0/4 sheep |" in stream.getvalue()
    assert re.search(r"\r4/4 sheep \|\S{20}\| \d\d:\d\d<00:00, d\n$", stream.getvalue())


def test_a_bar_that_is_no_longer_wanted_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with progress_bar(2, leave=False) as bar:
        bar.update(2)
    assert "|" in stream.getvalue()
    assert stream.getvalue().rpartition("\r")[0].endswith(" "), "blanks over it"
