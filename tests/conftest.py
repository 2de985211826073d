"""Small environments that several tests share."""

from __future__ import annotations

import importlib.util
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from legged_gym import LEGGED_GYM_ROOT_DIR
from legged_gym.render.video import prepare_offscreen

# Where tests run in the background of a shell, Ctrl-C is ignored, under nohup a closed terminal, and by all programs
# that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
# The programs that tests start find the package also where it is not installed.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [LEGGED_GYM_ROOT_DIR, os.getenv("PYTHONPATH")]))
# This must be set before MuJoCo is imported, which then chooses how it renders.
prepare_offscreen()

from legged_gym.common import signals  # noqa: E402
from legged_gym.envs import LeggedRobot, Qmini, QminiCfg, task_registry  # noqa: E402
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg, LeggedRobotCfgPPO  # noqa: E402

# With nets and batches this small, threads only wait for each other.
torch.set_num_threads(1)

# On a processor each of Warp's kernels runs a few times: optimising takes ten seconds and saves less than one.
if not torch.cuda.is_available() and importlib.util.find_spec("warp") is not None:
    import warp

    warp.config.optimization_level = 0

QminiFactory = Callable[..., Qmini]


def small_cfg(num_envs: int = 8, plane: bool = True) -> QminiCfg:
    """Return Qmini's configuration with few robots, on a plane or on a small height field."""
    cfg = QminiCfg()
    cfg.env.num_envs = num_envs
    if plane:
        cfg.terrain.mesh_type = "plane"
    else:
        cfg.terrain.num_rows, cfg.terrain.num_cols, cfg.terrain.border_size = 3, 5, 5.0
    return cfg


def quiet(cfg: QminiCfg) -> QminiCfg:
    """Take everything random out of a configuration."""
    cfg.noise.add_noise = False
    rand = cfg.domain_rand
    for name in rand.names():
        if name.startswith(("randomize_", "push_robots")):
            setattr(rand, name, False)
    rand.action_delay_range = rand.observation_delay_range = [0.0, 0.0]
    cfg.init_state.joint_noise = {}
    cfg.init_state.velocity_noise = cfg.init_state.orientation_noise = cfg.init_state.stand_up_share = 0.0
    cfg.motors.armature = {}
    cfg.asset.terminate_past_tilt = cfg.gait.stepping_share = 0.0
    return cfg


class PlainCfg(LeggedRobotCfg):
    """Qmini's body as any legged robot's: no gait, no estimator."""

    class asset(QminiCfg.asset):
        pass

    class init_state(QminiCfg.init_state):
        pass

    class control(QminiCfg.control):
        pass


class PlainRobot(LeggedRobot):
    """A class with the constructor that the docs recommend to those who had legged_gym's."""

    def __init__(self, cfg: LeggedRobotCfg, **kwargs: Any) -> None:
        super().__init__(cfg, **kwargs)


@pytest.fixture
def plain_task(monkeypatch: pytest.MonkeyPatch) -> str:
    """Register a task of the base classes for this test, and return its name."""
    monkeypatch.setitem(task_registry._tasks, "plain", (PlainRobot, PlainCfg(), LeggedRobotCfgPPO()))
    return "plain"


@pytest.fixture
def make_qmini() -> Iterator[QminiFactory]:
    """Return a function that makes Qmini tasks and closes them after the test."""
    made: list[LeggedRobot] = []

    def make(cfg: QminiCfg | None = None, seed: int = 1) -> Qmini:
        made.append(Qmini(cfg or small_cfg(), seed=seed))
        return made[-1]

    yield make
    for env in made:
        env.close()


@pytest.fixture(autouse=True)
def fresh_signals() -> Iterator[None]:
    """Forget signals that a test had this process take, as every command begins in a process of its own."""
    handlers = {number: signal.getsignal(number) for number in signals.SIGNALS}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    signals._requests.__init__()  # type: ignore[misc]
