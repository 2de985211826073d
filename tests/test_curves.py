"""Learning curves drawn from a run's events."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image
import pytest
from torch.utils.tensorboard import SummaryWriter

from legged_gym.utils.curves import plot_curves, read_curves
from legged_gym.utils.errors import UserError


def write_events(folder: Path, start: int, count: int) -> None:
    writer = SummaryWriter(log_dir=str(folder))
    for step in range(start, start + count):
        writer.add_scalar("Train/mean_reward", 2.0 * step, step, walltime=1000.0 + 36.0 * step)
        writer.add_scalar("Estimator/vel_x_mae", 1.0 / (step + 1), step, walltime=1000.0 + 36.0 * step)
    writer.close()


def test_events_of_a_resumed_run_are_joined(tmp_path: Path) -> None:
    write_events(tmp_path, 0, 5)
    write_events(tmp_path, 5, 3)
    steps, hours, values = read_curves(str(tmp_path))["Train/mean_reward"]
    assert sorted(steps.tolist()) == list(range(8))
    assert sorted(values.tolist()) == [2.0 * step for step in range(8)]
    assert max(hours) == pytest.approx(0.07)


def test_a_picture_with_ink_is_written(tmp_path: Path) -> None:
    write_events(tmp_path, 0, 5)
    plot_curves(str(tmp_path), str(tmp_path / "curves.png"))
    image = matplotlib.image.imread(tmp_path / "curves.png")
    assert image.shape[1] > 500
    assert image[..., :3].min() < 0.5


def test_what_can_go_wrong_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no TensorBoard events in"):
        plot_curves(str(tmp_path), str(tmp_path / "curves.png"))
    write_events(tmp_path, 0, 1)
    with pytest.raises(UserError, match=r"can't write '.*nowhere"):
        plot_curves(str(tmp_path), str(tmp_path / "nowhere" / "curves.png"))
