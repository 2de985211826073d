"""Signals at bad moments, and output that nobody reads any more."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TextIO

import pytest
from test_cli import SCRIPTS, SMALL, command, iterations, only_run, start_training

from legged_gym.cli.arguments import run_main
from legged_gym.common import output, signals
from legged_gym.common.errors import UserError
from legged_gym.envs import Qmini
from legged_gym.scripts import train


def test_a_signal_waits_until_a_module_is_imported(tmp_path: Path) -> None:
    """A module of C makes an ImportError of whatever strikes inside it."""
    (tmp_path / "slow.py").write_text("""if True:
        import os, signal, time
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.5)
        except BaseException as error:
            raise ImportError("initialization failed") from error
        print("imported", flush=True)
    """)
    code = """if True:
        import sys, time
        from legged_gym.cli.arguments import run_main
        def main():
            import slow
            time.sleep(60)
        sys.exit(run_main(main))
    """
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (143, "imported\n", "\nstopped by SIGTERM\n")


def test_a_second_signal_does_not_wait_until_a_module_is_imported(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("""if True:
        import os, signal, time
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1.3)
        print("imported", flush=True)
    """)
    code = """if True:
        import sys
        from legged_gym.cli.arguments import run_main
        def main():
            import slow
        sys.exit(run_main(main))
    """
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "\nended at once\n")


@pytest.mark.parametrize("script", sorted(path.stem for path in SCRIPTS.glob("*.py") if path.stem != "__init__"))
def test_ctrl_c_while_the_first_packages_are_imported(script: str, tmp_path: Path) -> None:
    """Nothing can be kept then: the command ends as one that knows no signals, without a traceback."""
    (tmp_path / "sitecustomize.py").write_text("""if True:
        import os, signal, sys
        class Finder:
            def find_spec(name, path=None, target=None):
                if name in {"mujoco", "numpy", "pydantic", "tensorboard", "torch", "yaml"}:
                    os.kill(os.getpid(), signal.SIGINT)
        sys.meta_path.insert(0, Finder)
    """)
    start = [str(SCRIPTS / f"{script}.py")]
    if script == "commands":
        start = ["-c", "import sys; sys.argv = ['qmini-play']; from legged_gym.scripts.commands import play; play()"]
    path = os.pathsep.join((str(tmp_path), os.environ["PYTHONPATH"]))
    done = subprocess.run([sys.executable, *start], env={**os.environ, "PYTHONPATH": path}, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, b"", b"")


def test_a_pipe_whose_reader_ends_ends_the_training_with_a_checkpoint(tmp_path: Path) -> None:
    """As in ``train.py | head``; the end of its output also took what Ctrl-C was to save."""
    process = start_training(tmp_path)
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        stream.close()
    assert process.wait(timeout=60) == 128 + signal.SIGPIPE
    assert iterations(only_run(tmp_path))[-1] > 1


def test_a_terminal_that_is_closed_leaves_a_checkpoint(tmp_path: Path) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, command("train", *SMALL, f"--log_root={tmp_path}", "--max_iterations=100000"))
    shown = b""
    while b"20/100000" not in shown and select.select([terminal], [], [], 60.0)[0]:
        shown += os.read(terminal, 4096)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 128 + signal.SIGHUP
    assert iterations(only_run(tmp_path))[-1] >= 20


@pytest.mark.parametrize("swallowed", [False, True])
@pytest.mark.parametrize("ignored", [False, True])
def test_ctrl_c_while_the_environment_is_built(
    swallowed: bool,
    ignored: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also where a shell's background job inherits it ignored, and where a library catches everything."""
    build = Qmini._bind_simulator

    def bind_simulator(env: Qmini) -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            if not swallowed:
                raise
        build(env)

    monkeypatch.setattr(Qmini, "_bind_simulator", bind_simulator)
    monkeypatch.setattr(sys, "argv", ["train.py", *SMALL, "--max_iterations=2", f"--log_root={tmp_path / 'logs'}"])
    signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler)
    assert run_main(train.main) == 130
    assert capsys.readouterr().err == "\nstopped by SIGINT\n"
    assert not list(tmp_path.glob("logs/qmini/*"))


def test_ctrl_c_while_the_first_kernel_is_compiled(tmp_path: Path) -> None:
    """The terminal sends it to the compiler, too, which dies of it."""
    compiler = tmp_path / "compiler"
    compiler.write_text('#!/bin/sh\nmkdir "$(dirname "$0")/sent" 2>/dev/null && kill -INT 0\nexit 1\n')
    compiler.chmod(0o755)
    program = """
import sys, warnings
import torch
from legged_gym.cli.arguments import run_main
from legged_gym.common import signals
from legged_gym.common.compiling import Fused

def main():
    warnings.simplefilter("ignore")
    function = Fused(lambda x: x.sin() * 2 + 1, "the sum")
    with signals.deferred():
        answers = [function(torch.ones(8)).sum().item() for _ in range(3)]
        print("went on", max(answers) - min(answers) < 1e-5, flush=True)

sys.exit(run_main(main))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=100, start_new_session=True,
        check=False, env={**os.environ, "CXX": str(compiler), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")},
    )  # fmt: skip
    assert (tmp_path / "sent").is_dir()
    assert done.returncode == 130, done.stderr
    assert done.stdout.endswith("went on True\n")
    assert done.stderr.count("finishing what has begun") == 1 and "Traceback" not in done.stderr


def test_a_signal_while_a_mistake_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def first_to_say(text: str) -> bool:
        os.kill(os.getpid(), signal.SIGTERM)
        return True

    def main() -> None:
        raise UserError("a mistake")

    monkeypatch.setattr("legged_gym.runners.distributed.is_first_to_say", first_to_say)
    for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert run_main(main) == 143
    assert capsys.readouterr().err == "error: a mistake\n\nstopped by SIGTERM\n"
    # And one that comes while the interpreter ends.
    os.kill(os.getpid(), signal.SIGTERM)


def nobody_reads(what: str) -> TextIO:
    """Return a stream to a pipe or a terminal whose other end is closed, or to a full disk."""
    if what == "full disk":
        return open("/dev/full", "w")
    read, write = os.pipe() if what == "pipe" else pty.openpty()
    os.close(read)
    return os.fdopen(write, "w")


@pytest.mark.parametrize(("what", "ends"), [("pipe", 1), ("terminal", 0)])
def test_only_a_pipes_end_asks_for_the_end(what: str, ends: int, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(sys, "stdout", nobody_reads(what))
    output.survive_lost_readers(lambda: told.append(what))
    for _ in range(3):
        print("anything", flush=True)
    assert len(told) == ends


def test_a_full_disk_is_no_lost_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", nobody_reads("full disk"))
    output.survive_lost_readers(lambda: None)
    with pytest.raises(OSError, match="No space left"):
        print("anything", flush=True)


def test_a_pipes_end_that_another_thread_meets_is_only_noted() -> None:
    signals.take_signals()
    thread = threading.Thread(target=signals._lose_reader)
    thread.start()
    thread.join()
    assert signals.requested() and signals.exit_code() == 128 + signal.SIGPIPE
