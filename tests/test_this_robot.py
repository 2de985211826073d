"""Logs, trajectories and the fit of hidden robots."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import quadruped
from robot_logs import some_robot

from legged_gym.common.errors import UserError
from legged_gym.envs import LeggedRobot, QminiCfg
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfgPPO
from legged_gym.envs.registry import TaskRegistry
from legged_gym.this_robot.excite import find_dangers, make_trajectory
from legged_gym.this_robot.fit import Fit
from legged_gym.this_robot.identify import identify
from legged_gym.this_robot.log import SIGNALS, RobotLog, read_log, write_log
from legged_gym.this_robot.replay import plot, simulated_pieces
from legged_gym.this_robot.report import advice, identified_page
from legged_gym.this_robot.robot_file import ThisRobot, apply_robot, read_robot, write_robot
from legged_gym.this_robot.stand import QUANTITIES, Stand, Truth, simulate

LEANS = 0.026
"""By which the hidden robot's IMU leans, rad."""


@pytest.fixture(scope="module")
def stand() -> Stand:
    return Stand()


@pytest.fixture(scope="module")
def hidden(stand: Stand) -> Truth:
    """Return a robot that nobody knows, with backlash, friction at rest and links of other masses."""
    return some_robot(stand, 11)


@pytest.fixture(scope="module")
def logs(stand: Stand, hidden: Truth) -> list[RobotLog]:
    upright, tilted = make_trajectory(stand, 8.0, 0), make_trajectory(stand, 8.0, 1, tilt=(0.35, 0.3))
    found = [simulate(stand, trajectory, hidden, seed, rate=250.0) for seed, trajectory in enumerate((upright, tilted))]
    for log in found:
        # The IMU shows a nose that is higher than the base's.
        x, _, z = log["gravity"].T
        log["gravity"][:, 0], log["gravity"][:, 2] = x + LEANS * z, z - LEANS * x
    return found


@pytest.fixture(scope="module")
def found(stand: Stand, logs: list[RobotLog]) -> tuple[ThisRobot, Fit]:
    return identify(stand, logs)


def test_a_hidden_robot_is_found(stand: Stand, hidden: Truth, found: tuple[ThisRobot, Fit]) -> None:
    robot, fit = found
    covered = []
    for name, largest in (("strength", 0.06), ("armature", 0.004), ("viscous_friction", 0.03), ("dry_friction", 0.03),
                          ("zero_offset", 0.03)):  # fmt: skip
        values, halves = fit.of(name)
        errors = np.abs(values - getattr(hidden, name))
        assert errors.max() < largest and np.median(errors) < 0.4 * largest, (name, errors)
        covered += (errors <= halves).tolist()
    assert np.mean(covered) >= 0.9
    assert robot.delay is not None and abs(robot.delay[1] - hidden.delay) < 4e-4
    for name, lean in (("mount_roll", 0.0), ("mount_pitch", -LEANS)):
        (angle,), (half,) = fit.of(name)
        assert abs(angle - lean) < half < 0.006
    assert any("the IMU shows -1.5°" in line for line in advice(robot, fit))
    assert set(robot.joints) == set(stand.joint_names)
    assert all("strength" in values for values in robot.joints.values())


def test_what_a_log_can_not_tell_is_named(stand: Stand, logs: list[RobotLog]) -> None:
    """From an upright log alone: nothing turns the yaw joints but their motors, and one joint did not move."""
    still = dataclasses.replace(logs[0], values=dict(logs[0].values))
    for name in ("target", "position", "velocity"):
        still.values[name] = still[name].copy()
        still.values[name][:, 4] = still[name][0, 4] if name != "velocity" else 0.0
    robot, _ = identify(stand, [still])
    assert "tilted" in robot.not_told["zero_offset of hip_yaw_l"] and "zero_offset" not in robot.joints["hip_yaw_l"]
    assert "hardly moved" in robot.not_told["armature of ankle_pitch_l"] and not robot.joints["ankle_pitch_l"]
    for what in (
        "link masses",
        "action delay separately from observation delay",
        "damping gain separately from damping",
        "payload",
    ):
        assert what in robot.not_told


def test_a_walk_tells_nothing_of_joints(stand: Stand, logs: list[RobotLog]) -> None:
    walk = dataclasses.replace(logs[0], values={**logs[0].values, "action": np.ones_like(logs[0]["target"])})
    with pytest.raises(UserError, match="from walking"):
        identify(stand, [walk])


def test_the_report_shows_every_joint(found: tuple[ThisRobot, Fit], logs: list[RobotLog]) -> None:
    robot, fit = found
    page = identified_page(robot, fit, logs[0])
    assert all(f"<td>{name}</td>" in page for name in robot.joints) and "data:image/png;base64," in page
    assert "link masses" in page and f"{1000 * robot.delay[1]:.1f} ms" in page  # type: ignore[index]


def test_a_robot_is_written_read_and_becomes_the_task(found: tuple[ThisRobot, Fit], tmp_path: Path) -> None:
    path = str(tmp_path / "my_robot.yaml")
    write_robot(found[0], path)
    robot, cfg = read_robot(path, "qmini"), QminiCfg()
    assert robot.joints["knee_pitch_l"]["strength"] == pytest.approx(
        found[0].joints["knee_pitch_l"]["strength"], rel=1e-4
    )
    apply_robot(robot, cfg)
    low, _, high = robot.joints["hip_roll_l"]["armature"]
    assert cfg.motors.armature["hip_roll_l"] == [low, high]
    assert cfg.domain_rand.stiffness_multiplier_range == [1.0, 1.0]
    # Half a step of 5 ms more than in a simulation with steps of 1 ms.
    assert cfg.domain_rand.action_delay_range[1] == pytest.approx(robot.delay[2] + 0.002)  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("joints: {knee: {strengt: [1, 1, 1]}}", "unknown key 'joints.knee.strengt': did you mean 'strength'"),
        ("joints: {knee: {strength: [2, 1, 1]}}", "key 'joints.knee.strength' takes 3 numbers"),
        ("joints: {}\ndelays: 1", "unknown key 'delays'"),
        ("[1]", "needs a section 'joints'"),
    ],
)
def test_a_file_that_is_no_robot_is_refused(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "robot.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=said):
        read_robot(str(path), "qmini")


def test_trajectories_are_safe_on_robots_unlike_the_nominal_one(stand: Stand) -> None:
    trajectory = make_trajectory(stand, 8.0, 0)
    assert not list(find_dangers(stand, trajectory))
    assert (np.ptp(trajectory["target"], axis=0) > 0.08).all()
    for change, word in ((lambda t: t["target"].__imul__(1.5), "stop"), (lambda t: t["kp"].__imul__(8.0), "torque")):
        spoiled = make_trajectory(stand, 8.0, 0)
        change(spoiled)  # type: ignore[no-untyped-call]
        assert any(word in danger.text for danger in find_dangers(stand, spoiled))


def test_a_robot_that_nothing_is_drawn_of_is_as_its_file_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one whose joints have no stops."""
    inside = quadruped.LIMIT + "<dynamics damping='0.3' friction='0.2'/>"
    hips = {f"{leg}_hip": quadruped.joint(f"{leg}_hip", "trunk", f"{leg}_thigh", f"{x} {y} 0", "continuous", inside)
            for leg, (x, y) in quadruped.LEGS.items()}  # fmt: skip
    (tmp_path / "quadruped.urdf").write_text(quadruped.urdf(**hips))
    cfg, registry = quadruped.QuadrupedCfg(), TaskRegistry()
    cfg.asset.file = str(tmp_path / "quadruped.urdf")
    registry.register("quadruped", LeggedRobot, cfg, LeggedRobotCfgPPO())
    monkeypatch.setattr("legged_gym.this_robot.stand.task_registry", registry)
    standing = Stand("quadruped")
    nominal = standing.nominal()
    assert nominal.viscous_friction.tolist() == [0.3, 0.0] * 4 and nominal.dry_friction.tolist() == [0.2, 0.0] * 4
    assert standing.branch.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert np.ptp(make_trajectory(standing, 4.0, gentle=True)["target"], axis=0).min() > 0.05


@pytest.mark.parametrize("ending", ["csv", "npz"])
def test_logs_are_read_as_they_were_written(ending: str, logs: list[RobotLog], tmp_path: Path) -> None:
    path = str(tmp_path / f"log.{ending}")
    write_log(logs[0].rows(0, 50), path)
    again = read_log(path)
    assert again.joint_names == logs[0].joint_names and again.values.keys() == logs[0].values.keys()
    for name, values in logs[0].rows(0, 50).values.items():
        np.testing.assert_allclose(again[name], values, atol=1e-5)


def test_a_bag_is_read(tmp_path: Path) -> None:
    rosbag2, typesys = pytest.importorskip("rosbags.rosbag2"), pytest.importorskip("rosbags.typesys")
    store = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE)

    def make(kind: str, /, **values: Any) -> Any:
        return store.types[kind](**values)

    header = make("std_msgs/msg/Header", stamp=make("builtin_interfaces/msg/Time", sec=1, nanosec=0), frame_id="")
    zero = make("geometry_msgs/msg/Vector3", x=0.0, y=0.0, z=0.5)
    upright = make("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0)
    imu = make("sensor_msgs/msg/Imu", header=header, orientation=upright, orientation_covariance=np.zeros(9),
               angular_velocity=zero, angular_velocity_covariance=np.zeros(9), linear_acceleration=zero,
               linear_acceleration_covariance=np.zeros(9))  # fmt: skip
    layout = make("std_msgs/msg/MultiArrayLayout", dim=[], data_offset=0)
    numbers = make("std_msgs/msg/Float64MultiArray", layout=layout, data=np.array([3.0, 4.0]))
    topics = {"joint_states": "sensor_msgs/msg/JointState", "imu": "sensor_msgs/msg/Imu"}
    topics |= dict.fromkeys(("target", "kp", "kd"), "std_msgs/msg/Float64MultiArray")
    with rosbag2.Writer(tmp_path / "bag", version=9, storage_plugin=rosbag2.StoragePlugin.MCAP) as writer:
        to = {name: writer.add_connection(f"/{name}", kind, typestore=store) for name, kind in topics.items()}
        for row in range(20):
            joints = make(topics["joint_states"], header=header, name=["hip", "knee"],
                          position=np.array([0.1 * row, 2.0]), velocity=np.zeros(2), effort=np.zeros(0))  # fmt: skip
            for name, kind in topics.items():
                message = {"joint_states": joints, "imu": imu}.get(name, numbers)
                writer.write(to[name], int(1e9 + 2e6 * row), store.serialize_cdr(message, kind))
    alone = tmp_path / "alone.mcap"
    shutil.copy(next((tmp_path / "bag").glob("*.mcap")), alone)
    for path in (tmp_path / "bag", alone):
        log = read_log(str(path))
        assert log.joint_names == ["hip", "knee"] and log.dt == pytest.approx(0.002)
        assert log["position"][5].tolist() == pytest.approx([0.5, 2.0]) and (log["kp"] == [3.0, 4.0]).all()
        assert (log["gyro"] == [0.0, 0.0, 0.5]).all() and (log.gravity == [0.0, 0.0, -1.0]).all()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda values: values.pop("kp"), "lacks the signal 'kp'"),
        (lambda values: values.update(targt=values.pop("target")), "unknown signal 'targt': did you mean 'target'"),
        (
            lambda values: values["time"].__isub__(np.where(np.arange(50) > 30, 0.5, 0.0)),
            "goes back by 0.496 s after row 30",
        ),
        (
            lambda values: values.update(time=np.floor(20.0 * values["time"]) / 20.0),
            "rows have the time of the row before",
        ),
        (lambda values: values.update(gyro=values["gyro"][:, :2]), r"'gyro' has the shape \(50, 2\)"),
        (lambda values: values["position"].__setitem__((3, 1), np.nan), "'position' has 1 values that are no numbers"),
    ],
)
def test_damaged_logs_are_refused(spoil: Any, said: str, logs: list[RobotLog], tmp_path: Path) -> None:
    values = {name: value.copy() for name, value in logs[0].rows(0, 50).values.items()}
    spoil(values)
    path = str(tmp_path / "log.npz")
    np.savez(path, joint_names=np.array(logs[0].joint_names), **values)
    with pytest.raises(UserError, match=said):
        read_log(path)


def test_quantities_and_signals_are_documented() -> None:
    """The note lists every signal that the code knows."""
    note = (Path(__file__).parents[1] / "docs" / "robot_log.md").read_text(encoding="utf-8")
    assert all(f"| `{name}`" in note for name in SIGNALS)
    assert len(QUANTITIES) == 5


def test_a_log_is_replayed_beside_a_simulation(
    stand: Stand, hidden: Truth, logs: list[RobotLog], tmp_path: Path
) -> None:
    pieces = simulated_pieces(stand, logs[0], hidden)
    assert sum(len(chunk.time) for chunk, _ in pieces) == len(logs[0].time)
    errors = []
    for robot in (hidden, stand.nominal()):
        both = simulated_pieces(stand, logs[0], robot)
        errors.append(max(float(np.sqrt(np.square(shown - chunk.position).mean())) for chunk, shown in both))
    assert errors[0] < 0.004 < errors[1]
    plot(stand, pieces, str(tmp_path / "replay.png"))
    assert (tmp_path / "replay.png").stat().st_size > 50_000
