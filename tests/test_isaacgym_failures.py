"""What can go wrong with a second process and a second Python: one line for the user, and nothing left behind."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from isaacgym_process import STANDIN, everyone, is_running, isaacgym_cfg, process_of, python_with, simulator

from legged_gym import LEGGED_GYM_ROOT_DIR
from legged_gym.cli.arguments import get_args, run_main
from legged_gym.common.errors import UserError
from legged_gym.scripts import train
from legged_gym.simulators.backend import ISAACGYM_PYTHON, choose_backend
from legged_gym.simulators.isaacgym.link import Block, Link, SharedMemory
from legged_gym.simulators.isaacgym.python import find_interpreter
from legged_gym.simulators.isaacgym_sim import IsaacGymSimulator

FAIL = "ISAACGYM_STANDIN_FAIL"


@pytest.fixture(autouse=True)
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Name a Python that has the stand-in."""
    path = python_with(tmp_path)
    monkeypatch.setenv(ISAACGYM_PYTHON, str(path))
    return path


def package(folder: Path, name: str, code: str) -> Path:
    """Write a package and return the folder to find it in."""
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text(code)
    return folder


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def open_descriptors() -> list[str]:
    """Return what this process has open, but for the folder that says so."""
    gc.collect()
    found = []
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/self/fd/{number}"))
    return sorted(found)


def assert_memory_has_no_name(*pids: int) -> None:
    """Check that processes share memory that is gone with the last of them."""
    for pid in pids:
        maps = Path(f"/proc/{pid}/maps").read_text()
        assert "/memfd:isaacgym_states (deleted)" in maps
        # Semaphores of Python's that others of this process made are there without a name, too.
        assert not [line for line in maps.splitlines() if "/dev/shm/" in line and not line.endswith("(deleted)")]


def start_link() -> None:
    """Only start the process."""
    memory = SharedMemory({"changed": Block((1,), "uint8"), "redamped": Block((1,), "uint8")})
    try:
        Link(find_interpreter(), "cpu", memory, 30.0).close()
    finally:
        memory.close()


# --- the interpreter -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("", "needs the Python 3.8 that has NVIDIA's Isaac Gym: name its Python with --isaacgym_python=PATH or "),
        ("{tmp}/nothing", "'{tmp}/nothing' does not exist: --isaacgym_python or ISAACGYM_PYTHON has to name a Python"),
        ("{tmp}/text", "'{tmp}/text' can't be executed"),
        ("{tmp}/empty", "'{tmp}/empty/bin/python' does not exist"),
        ("{tmp}/hello", "'{tmp}/hello' does not run as Python does: hello"),
        ("{tmp}/number", "'{tmp}/number' does not run as Python does: 5"),
        ("{tmp}/bytes", "'{tmp}/bytes' does not run as Python does: \ufffd"),
        ("{tmp}/damaged", "'{tmp}/damaged' can't be started: Exec format error"),
        ("{tmp}/old", "'{tmp}/old' is Python 2.7.18, and Isaac Gym needs 3.8"),
    ],
)
def test_what_is_no_python(named: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    said = {"hello": "hello", "number": "5", "bytes": r"'\377'", "old": "[[2,7,18],1,2]"}
    programs = {"text": "", "damaged": "", **{name: f"#!/bin/sh\nprintf {words}" for name, words in said.items()}}
    for name, content in programs.items():
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o644 if name == "text" else 0o755)
    monkeypatch.setenv(ISAACGYM_PYTHON, named.format(tmp=tmp_path))
    with pytest.raises(UserError, match=re.escape(message.format(tmp=tmp_path))):
        find_interpreter()


def test_an_environments_folder_names_its_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "env" / "bin").mkdir(parents=True)
    python_with(tmp_path / "env" / "bin").rename(tmp_path / "env" / "bin" / "python")
    monkeypatch.setenv(ISAACGYM_PYTHON, str(tmp_path / "env"))
    assert find_interpreter().path == str(tmp_path / "env" / "bin" / "python")


def test_library_and_programs_of_the_interpreter_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "libpython3.8.so.1.0").touch()
    (tmp_path / "conda").write_text(f'#!/bin/sh\necho \'[[3,8,18],"{tmp_path}","{tmp_path}/lib"]\'')
    (tmp_path / "conda").chmod(0o755)
    monkeypatch.setenv(ISAACGYM_PYTHON, str(tmp_path / "conda"))
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/mine")
    environment = find_interpreter().environment()
    assert environment["LD_LIBRARY_PATH"] == f"/opt/mine:{tmp_path}/lib"
    # Isaac Gym compiles a part of itself with the ninja in there.
    assert environment["PATH"].startswith(f"{tmp_path}/bin:")


def test_the_flag_overrules_the_variable_and_goes_with_isaacgym_only(monkeypatch: pytest.MonkeyPatch) -> None:
    choose_backend(get_args(["--sim=isaacgym", "--isaacgym_python=/somewhere"]))
    assert os.environ[ISAACGYM_PYTHON] == "/somewhere"
    with pytest.raises(UserError, match="--isaacgym_python needs --sim=isaacgym, not with --sim=mujoco"):
        choose_backend(get_args(["--sim=mujoco", "--isaacgym_python=/somewhere"]))


def test_isaacgym_takes_a_gpu_only_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, device in ((False, "cpu"), (True, "cuda")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        args = get_args(["--sim=isaacgym"])
        choose_backend(args)
        assert (args.sim_device, args.rl_device) == (device, device)


def test_a_user_sees_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv(ISAACGYM_PYTHON, "")
    monkeypatch.setattr(sys, "argv", ["train.py", "--sim=isaacgym", "--sim_device=cpu", "--headless"])
    assert run_main(train.main) == 2
    assert re.fullmatch(r"error: --sim=isaacgym needs the Python 3\.8 .*\n", capsys.readouterr().err)


# --- what it has to import -------------------------------------------------------------------------------------------

MISSING = "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')"
NINJA = "raise RuntimeError('Ninja is required to load C++ extensions')"
OLD_NAME = "raise AttributeError(\"module 'numpy' has no attribute 'typeDict'\")"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (None, "no Isaac Gym in '.*' (Python .*): its binaries load in Python 3.6 to 3.8 only"),
        (MISSING, "no package 'torch' in '.*' (Python .*), which Isaac Gym needs"),
        (NINJA, "needs ninja: '.*' -m pip install ninja"),
        (OLD_NAME, "does not work with the NumPy of .* -m pip install 'numpy<1.24'"),
        (
            "raise OSError('broken')",
            "Isaac Gym can't be imported in .*: broken; its binaries load in Python 3.6 to 3.8",
        ),
        ("import os; os._exit(3)", "Isaac Gym's process ended with exit code 3 at its start"),
        ("import os; print('bye'); os.abort()", "Isaac Gym's process was killed by SIGABRT at its start: bye"),
    ],
)
def test_imports_that_fail(code: str | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "packages"
    packages = [package(folder, "isaacgym", code)] if code is not None else [tmp_path]
    monkeypatch.setenv(ISAACGYM_PYTHON, str(python_with(tmp_path, *packages)))
    with pytest.raises(UserError, match=message.replace("(", r"\(").replace(")", r"\)")):
        start_link()


def test_a_missing_isaacgym_in_the_right_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probe = '[[3,8,18],"/env","/env/lib"]'
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\n[ "$1" = -c ] && echo \'{probe}\' || exec {sys.executable} "$@"')
    script.chmod(0o755)
    monkeypatch.setenv(ISAACGYM_PYTHON, str(script))
    with pytest.raises(
        UserError, match=r"\(Python 3\.8\.18\): install it there \('.*' -m pip install -e isaacgym/python"
    ):
        start_link()


def test_pytorch_imported_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text("import torch")
    monkeypatch.setenv(ISAACGYM_PYTHON, str(python_with(tmp_path, tmp_path, STANDIN)))
    with pytest.raises(UserError, match="imports PyTorch as it starts, and Isaac Gym has to come first: look for"):
        start_link()


def test_a_missing_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FAIL, "libpython")
    with pytest.raises(
        UserError, match=r"misses its Python's library \(libpython3\.8\.so\.1\.0: .*LD_LIBRARY_PATH has"
    ):
        start_link()


def test_names_that_numpy_has_dropped_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = f"import numpy as np\nnp.float, np.int, np.bool, np.object\n__path__.append({str(STANDIN / 'isaacgym')!r})"
    monkeypatch.setenv(ISAACGYM_PYTHON, str(python_with(tmp_path, package(tmp_path / "packages", "isaacgym", code))))
    start_link()


def test_no_gpu_over_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    memory = SharedMemory({"changed": Block((1,), "uint8")})
    with pytest.raises(UserError, match=r"can't use a GPU in .* \(no GPU: PyTorch .* finds none\): --sim_device=cpu"):
        Link(find_interpreter(), "cuda:0", memory, 30.0)
    memory.close()


def test_other_devices_are_refused() -> None:
    with pytest.raises(UserError, match="runs on 'cpu' or 'cuda' devices, not on 'mps'"):
        IsaacGymSimulator(isaacgym_cfg(), None, 4, "mps")


# --- the running process ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        ("create_sim", "Isaac Gym failed: create_sim failed"),
        ("die:2", "Isaac Gym's process was killed by SIGSEGV in a step: .*Segmentation fault"),
        ("hang:2", r"Isaac Gym has not answered for 1 s \(config key 'sim.physx.time_out'\): .*simulate hangs now"),
    ],
)
def test_a_process_that_fails(failure: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FAIL, failure)
    cfg = isaacgym_cfg()
    with simulator(cfg) as sim:
        pid = process_of(sim)
        sim._link._time_out = 1.0 if failure.startswith("hang") else 30.0
        with pytest.raises(UserError, match=message):
            for _ in range(3):
                sim.step(torch.zeros(4, 10))
        assert wait_until(lambda: not is_running(pid), 20.0)
        with pytest.raises(UserError, match="has been ended"):
            sim.step(torch.zeros(4, 10))


def test_a_training_that_loses_its_simulator_keeps_what_it_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # In the third iteration: an iteration has 24 control steps of 4 physics steps.
    monkeypatch.setenv(FAIL, "die:250")
    small = ["--num_envs=2", "--set=terrain.mesh_type=plane", "--set=estimator.batch_size=48"]
    where = ["--sim=isaacgym", "--sim_device=cpu", "--rl_device=cpu", f"--log_root={tmp_path}"]
    monkeypatch.setattr(sys, "argv", ["train.py", "--headless", "--max_iterations=50", *where, *small])
    assert run_main(train.main) == 2
    output = capsys.readouterr()
    assert re.fullmatch(r"error: Isaac Gym's process was killed by SIGSEGV in a step: .*\n", output.err)
    assert "--resume" in output.out
    (folder,) = (tmp_path / "qmini").iterdir()
    assert torch.load(folder / "model_1.pt", weights_only=True)["iter"] == 2


def test_a_killed_process_is_noticed() -> None:
    with simulator(isaacgym_cfg()) as sim:
        sim.step(torch.zeros(4, 10))
        os.kill(process_of(sim), signal.SIGKILL)
        with pytest.raises(UserError, match="Isaac Gym's process was killed by SIGKILL in a step"):
            sim.step(torch.zeros(4, 10))


def test_an_interrupted_exchange_is_finished_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    with simulator(isaacgym_cfg()) as sim:
        sim.step(torch.zeros(4, 10), refresh=True)
        height = float(sim.root_states[0, 2])
        receive = Link._receive

        def interrupt(*args: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(Link, "_receive", interrupt)
        with pytest.raises(KeyboardInterrupt):
            sim.step(torch.zeros(4, 10), refresh=True)
        monkeypatch.setattr(Link, "_receive", receive)
        sim.step(torch.zeros(4, 10), refresh=True)
        # Three steps of free fall.
        assert height - float(sim.root_states[0, 2]) == pytest.approx(9.81 * 0.005**2 * (2 + 3), rel=0.02)


def test_what_isaacgym_complains_of_is_passed_on_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = f"__path__.append({str(STANDIN / 'isaacgym')!r})\nprint('[Error] buffer overflow detected', flush=True)"
    monkeypatch.setenv(ISAACGYM_PYTHON, str(python_with(tmp_path, package(tmp_path / "packages", "isaacgym", code))))
    with simulator(isaacgym_cfg()) as sim:
        with pytest.warns(UserWarning, match=r"Isaac Gym printed: \[Error\] buffer overflow detected"):
            for _ in range(300):
                sim.check()
        with warnings.catch_warnings(action="error"):
            for _ in range(600):
                sim.check()


def test_closing_leaves_nothing_behind() -> None:
    descriptors = open_descriptors()
    with simulator(isaacgym_cfg()) as sim:
        pid = process_of(sim)
        sim.set_state(everyone(), sim.root_states.clone(), sim.dof_pos.clone(), sim.dof_vel.clone())
        sim.step(torch.zeros(4, 10), refresh=True)
        states = sim.root_states
        assert_memory_has_no_name(os.getpid(), pid)
    assert not is_running(pid)
    sim.close()
    assert states.isfinite().all(), "tensors outlive the process"
    del sim, states
    assert open_descriptors() == descriptors


OWNER = """
import sys, torch
sys.path.insert(0, {tests!r})
from isaacgym_process import isaacgym_cfg, process_of
from legged_gym.simulators.isaacgym_sim import IsaacGymSimulator
sim = IsaacGymSimulator(isaacgym_cfg(), None, 4)
sim.step(torch.zeros(4, 10))
print("process", process_of(sim), flush=True)
while True:
    sim.step(torch.zeros(4, 10))
"""


def test_a_killed_owner_takes_the_process_along() -> None:
    code = OWNER.format(tests=str(Path(__file__).parent))
    environment = {**os.environ, "PYTHONPATH": LEGGED_GYM_ROOT_DIR, FAIL: "hang:50"}
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)
    assert owner.stdout is not None
    pid = next(int(line.split()[1]) for line in owner.stdout if line.startswith("process"))
    time.sleep(0.5)
    assert_memory_has_no_name(owner.pid, pid)
    owner.kill()
    owner.wait()
    assert wait_until(lambda: not is_running(pid))


# --- Python 3.8 ------------------------------------------------------------------------------------------------------


SIMULATORS = Path(LEGGED_GYM_ROOT_DIR, "legged_gym", "simulators")


@pytest.mark.parametrize(
    "code",
    [
        "",
        "import zoneinfo\n",
        "X = 'abc'.removeprefix('a')\n",
        "X = {'a': 1} | {'b': 2}\n",
        "match X:\n    case 1:\n        pass\n",
    ],
)
def test_vermin_knows_what_python_3_8_does_not_have(code: str, tmp_path: Path) -> None:
    vermin = Path(sys.executable).with_name("vermin")
    if not vermin.exists():
        pytest.skip("needs vermin: pip install vermin")
    makefile = Path(LEGGED_GYM_ROOT_DIR, "Makefile").read_text()
    (options,) = re.findall(r"/vermin (--.*) legged_gym/", makefile)
    for source in SIMULATORS.glob("isaacgym/w*.py"):
        path = tmp_path / source.name
        path.write_text(source.read_text() + code)
        done = subprocess.run([vermin, *options.split(), path], capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == (code == ""), done.stdout


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("", ""),
        ("X: int | None = 1\n", "FA102"),
        ("with (open('a') as X, open('b') as Y):\n    pass\n", "on Python 3.8"),
    ],
)
def test_ruff_knows_what_python_3_8_does_not_understand(code: str, found: str) -> None:
    ruff = Path(sys.executable).with_name("ruff")
    if not ruff.exists():
        pytest.skip("needs ruff: pip install ruff")
    source = SIMULATORS / "isaacgym" / "worker.py"
    command = [ruff, "check", "--output-format=concise", f"--stdin-filename={source}", "-"]
    done = subprocess.run(
        command, input=source.read_text() + code, capture_output=True, text=True, check=False, cwd=LEGGED_GYM_ROOT_DIR
    )
    assert (done.returncode == 0) == (code == ""), done.stdout
    assert found in done.stdout
