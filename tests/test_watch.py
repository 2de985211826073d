"""What a process makes of the others' signs of life; test_distributed.py shows what it does about it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest
import torch.distributed as dist

from legged_gym.common.errors import UserError
from legged_gym.runners import watch
from legged_gym.runners.watch import Watch


@pytest.fixture
def store() -> dist.Store:
    return dist.TCPStore("localhost", 0, is_master=True, wait_for_workers=False)


def meet(*watches: Watch) -> None:
    threads = [threading.Thread(target=one.meet, args=(10.0,)) for one in watches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def pair(store: dist.Store, monkeypatch: pytest.MonkeyPatch, silence: float = 30.0) -> tuple[Watch, Watch]:
    """Return the watches of two processes on two machines, which have met."""
    watches = []
    for rank in range(2):
        monkeypatch.setenv("GROUP_RANK", str(rank))
        watches.append(Watch(store.clone(), rank, 2, silence))
    meet(*watches)
    return watches[0], watches[1]


def test_signs_of_life_are_enough(store: dist.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = pair(store, monkeypatch, silence=0.5)
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        assert first.look() is None and second.look() is None
        time.sleep(0.02)


def silent_look(first: Watch) -> str | None:
    until, seen = time.monotonic() + 5.0, first.look()
    while seen is None and time.monotonic() < until:
        time.sleep(0.02)
        seen = first.look()
    return seen


def test_silence_is_a_loss(store: dist.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = pair(store, monkeypatch, silence=0.5)
    seen = silent_look(first)
    assert seen is not None and seen.startswith("error: lost rank 1 of 2 (process ")
    assert "no sign of it for" in seen


def test_who_slept_blames_nobody(store: dist.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = pair(store, monkeypatch, silence=0.2)
    first.look()
    time.sleep(0.4)
    assert first.look() is None


def test_leaving_is_no_loss(store: dist.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = pair(store, monkeypatch, silence=0.1)
    second.stop()
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        assert first.look() is None
        time.sleep(0.02)


def test_failures_are_passed_on_with_their_reason(store: dist.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = pair(store, monkeypatch)
    second.fail(MemoryError("no room\nfor more"))
    seen = first.look()
    assert seen is not None and seen.endswith("failed: MemoryError: no room")


def test_what_the_user_was_told_is_not_told_again(store: dist.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = pair(store, monkeypatch)
    second.fail(UserError("no such thing"))
    assert first.look() == ""


def test_a_process_that_is_gone_is_noticed_at_once(store: dist.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    first = Watch(store.clone(), 0, 2)
    monkeypatch.setattr(watch.os, "getpid", lambda: ended.pid)
    gone = Watch(store.clone(), 1, 2)
    monkeypatch.undo()
    meet(first, gone)
    seen = first.look()
    assert seen is not None and f"lost rank 1 of 2 (process {ended.pid} on " in seen


def test_standing_still_is_given_up(store: dist.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = pair(store, monkeypatch)
    monkeypatch.setattr(watch, "_STANDSTILL", 0.0)
    assert first.look() is None, "nothing was begun"
    first.note_progress()
    seen = first.look()
    assert seen is not None and "no iteration was completed" in seen


def test_not_all_came(store: dist.Store) -> None:
    with pytest.raises(UserError, match=r"only 1 of 3 processes started within 0 s"):
        Watch(store.clone(), 0, 3).meet(0.2)
