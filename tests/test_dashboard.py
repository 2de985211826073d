from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from torch.utils.tensorboard import SummaryWriter

from legged_gym import LEGGED_GYM_ROOT_DIR
from legged_gym.common.errors import UserError
from legged_gym.runners.logger import custom_scalars_layout
from legged_gym.scripts import dashboard


def test_dashboard_opens_on_the_grouped_page(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path / "run")) as writer:
        writer.add_custom_scalars(custom_scalars_layout({"alive": 1.0}))
        writer.add_scalar("Train/mean_reward", 1.0, 0)
    script = os.path.join(LEGGED_GYM_ROOT_DIR, "legged_gym", "scripts", "dashboard.py")
    server = subprocess.Popen(
        [sys.executable, script, f"--logdir={tmp_path}", "--port=0"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stderr is not None
        url = next(line.split(" at ")[1].split()[0] for line in server.stderr if line.startswith("TensorBoard "))
        end = time.monotonic() + 60.0
        pages: list[str] = []
        while "custom_scalars" not in pages and time.monotonic() < end:
            with urllib.request.urlopen(f"{url}data/plugins_listing") as answer:
                # TensorBoard's page opens the first one that has something to show.
                pages = [name for name, page in json.load(answer).items() if page["enabled"]]
            time.sleep(0.2)
        assert pages[0] == "custom_scalars"
        assert "timeseries" in pages
    finally:
        server.terminate()
        server.wait()


def test_help_tells_its_own_options() -> None:
    script = os.path.join(LEGGED_GYM_ROOT_DIR, "legged_gym", "scripts", "dashboard.py")
    done = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True, check=True)
    assert "--logdir" in done.stdout and "--bind_all" in done.stdout and "tensorboard --help" in done.stdout
    assert len(done.stdout.splitlines()) < 25


def test_a_port_that_is_taken_is_refused() -> None:
    with socket.create_server(("localhost", 0)) as taken, pytest.raises(UserError, match="already in use"):
        dashboard._check_address("localhost", taken.getsockname()[1])
