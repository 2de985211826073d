"""Learning curves drawn from a run's events."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.image
import pytest
from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter

from legged_gym.common.errors import UserError
from legged_gym.evaluation.curves import plot_curves, read_curves

SECONDS = 36.0
"""Of an iteration: 0.01 h."""


def write_events(folder: Path, start: int, count: int, began: float = 1000.0) -> None:
    """Write what a training of some iterations leaves, with rsl_rl's second curve over seconds."""
    writer = SummaryWriter(log_dir=str(folder))
    for step in range(start, start + count):
        seconds = SECONDS * (step - start)
        writer.add_scalar("Train/mean_reward", began + step, step, walltime=began + seconds)
        writer.add_scalar("Train/mean_reward/time", 7.0, 100_000 + step, walltime=began + 10 * seconds)
        writer.add_scalar("Estimator/vel_x_mae", 1.0 / (step + 1), step, walltime=began + seconds)
    writer.close()


def captions(run: Path, monkeypatch: pytest.MonkeyPatch, others: Sequence[str] = ()) -> set[str]:
    """Draw curves of a run and of others beside it, and return what is written below them."""
    figures: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *args, **kwargs: figures.append(self) or save(self, *args, **kwargs)
    )
    plot_curves(str(run), str(run / "curves.png"), others=others)
    (figure,) = figures
    return {axes.get_xlabel() for axes in figure.axes}


def test_a_resumed_run_goes_on_where_it_was_resumed(tmp_path: Path) -> None:
    """Iterations 0 to 5, killed, then on from a checkpoint at 4, a week later."""
    write_events(tmp_path, 0, 6)
    later = 1000.0 + 7 * 24 * 3600.0
    write_events(tmp_path, 4, 3, began=later)
    steps, hours, values = read_curves(str(tmp_path))["Train/mean_reward"]
    assert steps.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert values.tolist() == [1000, 1001, 1002, 1003, later + 4, later + 5, later + 6]
    assert hours.tolist() == pytest.approx([0.0, 0.01, 0.02, 0.03, 0.03, 0.04, 0.05])


def test_a_run_that_began_anew_in_its_folder_replaces_all(tmp_path: Path) -> None:
    write_events(tmp_path, 0, 3)
    write_events(tmp_path, 0, 2, began=5000.0)
    steps, hours, values = read_curves(str(tmp_path))["Train/mean_reward"]
    assert (steps.tolist(), values.tolist()) == ([0, 1], [5000, 5001])
    assert hours.tolist() == pytest.approx([0.0, 0.01])


def test_only_what_is_counted_in_iterations_is_read(tmp_path: Path) -> None:
    write_events(tmp_path, 0, 3)
    assert set(read_curves(str(tmp_path))) == {"Train/mean_reward", "Estimator/vel_x_mae"}


def test_the_caption_tells_iterations_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_events(tmp_path, 0, 6)
    write_events(tmp_path, 6, 6, began=90_000.0)
    assert captions(tmp_path, monkeypatch) == {"iteration (12 in 6.0 min)"}


def test_a_picture_with_ink_is_written(tmp_path: Path) -> None:
    write_events(tmp_path, 0, 5)
    plot_curves(str(tmp_path), str(tmp_path / "curves.png"))
    image = matplotlib.image.imread(tmp_path / "curves.png")
    assert image.shape[1] > 500
    assert image[..., :3].min() < 0.5


def test_runs_are_drawn_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    write_events(first, 0, 6)
    write_events(second, 0, 3)
    assert captions(first, monkeypatch, [str(second)]) == {"iteration (solid: 6 in 3.0 min, dashed: 3 in 1.2 min)"}
    with pytest.raises(UserError, match="at most 3 other runs can be plotted with a run, got 4"):
        plot_curves(str(first), str(tmp_path / "curves.png"), others=[str(second)] * 4)


def test_what_can_go_wrong_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no TensorBoard events in"):
        plot_curves(str(tmp_path), str(tmp_path / "curves.png"))
    with SummaryWriter(log_dir=str(tmp_path)) as writer:
        writer.add_scalar("Other/figure", 1.0, 0, walltime=0.0)
    with pytest.raises(UserError, match="have no learning curves"):
        plot_curves(str(tmp_path), str(tmp_path / "curves.png"))
    write_events(tmp_path, 0, 1)
    with pytest.raises(UserError, match=r"can't write '.*nowhere"):
        plot_curves(str(tmp_path), str(tmp_path / "nowhere" / "curves.png"))
    with pytest.raises(UserError, match=r"can't write '.*curves.xyz'.*not supported"):
        plot_curves(str(tmp_path), str(tmp_path / "curves.xyz"))
    assert not (tmp_path / "curves.xyz").exists()
