"""Saying what takes so long."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator


@contextlib.contextmanager
def tell_if_slow(what: str, seconds: float = 5.0) -> Iterator[None]:
    """Print what is going on if the block takes more than some seconds, and how long it took."""
    start = time.perf_counter()
    timer = threading.Timer(seconds, print, (f"{what} …",), {"flush": True})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    elapsed = time.perf_counter() - start
    if elapsed > seconds:
        print(f"done after {elapsed:.0f} s", flush=True)
