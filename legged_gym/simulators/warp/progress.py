"""How far Warp got with compiling."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import warp as wp


class CompilationCount:
    """Takes the place of a Warp logger: counts the modules that are reported as compiled and keeps such news back."""

    def __init__(self, logger: wp.Logger) -> None:
        """Pass warnings and errors on to ``logger``."""
        self._logger = logger
        self.number = 0
        """Modules compiled so far; those that come from the cache do not count."""

    def debug(self, message: str) -> None:
        """Keep a message back."""

    def info(self, message: str) -> None:
        """Count what was compiled."""
        self.number += message.rstrip().endswith("(compiled)")

    def warning(self, message: str, category: type[Warning] | None = None, stacklevel: int = 1) -> None:
        """Pass a warning on."""
        self._logger.warning(message, category=category, stacklevel=stacklevel + 1)

    def error(self, message: str) -> None:
        """Pass an error on."""
        self._logger.error(message)


@contextlib.contextmanager
def counting_compilations() -> Iterator[CompilationCount]:
    """Yield the count of the modules that Warp compiles in the block."""
    logger, level = wp.get_logger(), wp.config.log_level
    count = CompilationCount(logger)
    wp.set_logger(count)
    # Warp only reports its modules at this level.
    wp.config.log_level = min(level, wp.LOG_INFO)
    try:
        yield count
    finally:
        wp.set_logger(logger)
        wp.config.log_level = level
