"""Whatever a user hands in: it works, or one line says what is wrong; no traceback, nothing written.

``FUZZ_CASES`` says how many cases there are in all: 2000 in ``make test``, always the same, 20000 new ones in
``make fuzz``.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import io
import math
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import quadruped
import torch
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from legged_gym import LEGGED_GYM_ROOT_DIR
from legged_gym.cli import arguments
from legged_gym.cli.arguments import get_args
from legged_gym.cli.job import resolve, resolve_policy
from legged_gym.common.errors import UserError
from legged_gym.common.yaml_text import dump_yaml, parse_yaml
from legged_gym.envs import task_registry
from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg
from legged_gym.envs.base.overrides import validate
from legged_gym.policies.exported import read_controller_config
from legged_gym.policies.networks import OnnxNet
from legged_gym.runners.checkpoint import check_part, read_checkpoint
from legged_gym.runners.runs import load_run_config, save_run_config
from legged_gym.simulators.mujoco_model import build_scene

CASES = int(os.getenv("FUZZ_CASES", "2000"))
SHIPPED = Path(LEGGED_GYM_ROOT_DIR, "resources", "policies", "qmini")


def cases(share: float) -> Callable[[Any], Any]:
    """Return the settings of a test that takes a share of all cases."""
    return settings(
        max_examples=max(1, round(share * CASES)),
        derandomize=CASES <= 2000,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@contextlib.contextmanager
def answered() -> Iterator[None]:
    """Let nothing but one line's error through."""
    try:
        yield
    except UserError as error:
        message = " ".join(str(error).split())
        assert message


NUMBERS = st.one_of(
    st.integers(), st.floats(), st.sampled_from([0, -1, 10**9, 10**400, math.nan, math.inf, -1e-9, 1e300, 2**63])
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=20))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=6), st.dictionaries(SCALARS, inner, max_size=4)),
    max_leaves=12,
)
KEYS = [
    (task, which, section.key(name))
    for task in task_registry.names
    for which, cfg in enumerate(task_registry.get_cfgs(task))
    for section, name, _ in cfg.walk()
]
CONFIGS = {task: task_registry.get_cfgs(task) for task in task_registry.names}


@cases(0.45)
@given(key=st.sampled_from(KEYS), value=VALUES, as_text=st.booleans())
def test_any_value_of_any_key(key: tuple[str, int, str], value: Any, as_text: bool) -> None:
    task, which, name = key
    *sections, last = name.split(".")
    section: Any = CONFIGS[task][which]
    for part in sections:
        section = getattr(section, part)
    before = getattr(section, last)
    if as_text:
        with contextlib.suppress(yaml.YAMLError, ValueError, TypeError):
            value = dump_yaml(value, default_flow_style=True)
    try:
        with answered():
            section.set(last, value)
            now = getattr(section, last)
            assert parse_yaml(dump_yaml({"value": now})) == {"value": now}
            validate(*CONFIGS[task])
    finally:
        section.__dict__[last] = before


class ParsedError(Exception):
    """Raised in place of doing what a command line asks for."""


def parsers() -> dict[str, Any]:
    """Return the parser of each script."""
    found: dict[str, Any] = {}
    original = arguments.get_args
    for path in sorted(Path(LEGGED_GYM_ROOT_DIR, "legged_gym", "scripts").glob("*.py")):
        if path.stem in ("__init__", "commands", "dashboard"):
            continue
        module = importlib.import_module(f"legged_gym.scripts.{path.stem}")

        def catch(argv: Any = None, parser: Any = None, name: str = path.stem) -> Any:
            found[name] = parser
            raise ParsedError

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "get_args", catch)
            patch.setattr(sys, "argv", [path.name])
            with contextlib.suppress(ParsedError):
                module.main()
    assert arguments.get_args is original
    return found


PARSERS = parsers()
OPTIONS = {
    name: [option for action in parser._actions for option in action.option_strings if option.startswith("--")]
    for name, parser in PARSERS.items()
}
TEXTS = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
    NUMBERS.map(str),
    st.sampled_from(["{a: 1}", "=", "9" * 5000]),
    st.sampled_from(["nan", "-inf", "1e999", "/etc/x", "../..", "cuda:99", "warp", "-1", "0", "["]),
)
SETS = st.builds(
    lambda key, value: f"--set={key[2]}={value}",
    st.sampled_from(KEYS),
    st.one_of(TEXTS, VALUES.map(lambda value: repr(value).replace("\n", " "))),
)


def command_lines(script: str) -> st.SearchStrategy[list[str]]:
    options = [option for option in OPTIONS[script] if option not in ("--help", "--version", "--list", "--log_root")]
    flag = st.builds(lambda option, value: f"{option}={value}", st.sampled_from(options), TEXTS)
    bare = st.sampled_from(options)
    return st.lists(st.one_of(flag, bare, SETS, TEXTS), max_size=6)


@cases(0.2)
@given(data=st.data())
def test_any_command_line(data: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    script = data.draw(st.sampled_from(sorted(PARSERS)))
    argv = data.draw(command_lines(script))
    root = tmp_path_factory.getbasetemp() / "untouched"
    root.mkdir(exist_ok=True)
    if script in ("train", "play", "export"):
        argv.append(f"--log_root={root}")
    with answered(), contextlib.redirect_stdout(io.StringIO()):
        args = get_args(argv, PARSERS[script])
        if script == "train":
            args.isaacgym_python = None
            resolve(args)
        elif script in ("play", "export"):
            args.isaacgym_python = None
            resolve_policy(args)
    assert not any(root.iterdir())


def mangled(original: bytes) -> st.SearchStrategy[bytes]:
    """Return a file with some bytes changed, cut off, taken out or put in."""
    place = st.integers(0, len(original) - 1)

    def change(edits: list[tuple[int, int, bytes]]) -> bytes:
        data = bytearray(original)
        for at, cut, new in edits:
            data[at : at + cut] = new
        return bytes(data)

    edit = st.tuples(place, st.sampled_from([0, 1, 1, 4, 100, len(original)]), st.binary(max_size=8))
    return st.lists(edit, min_size=1, max_size=5).map(change)


def texts_like(original: str) -> st.SearchStrategy[str]:
    """Return a text with some words changed, left out, doubled, or replaced by numbers."""
    words = original.replace("'", " ' ").replace('"', ' " ').split(" ")
    word = st.one_of(st.sampled_from(words), TEXTS)

    def change(edits: list[tuple[int, int, str]]) -> str:
        changed = list(words)
        for at, cut, new in edits:
            changed[at : at + cut] = [new]
        return " ".join(changed).replace(" ' ", "'").replace(' " ', '"')

    return st.lists(st.tuples(st.integers(0, len(words) - 1), st.integers(0, 3), word), max_size=4).map(change)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    save_run_config(str(folder), "qmini", *task_registry.get_cfgs("qmini"), "mujoco")
    return folder


@cases(0.05)
@given(text=st.one_of(texts_like((SHIPPED / "config.yaml").read_text()), st.text()))
def test_any_configuration_of_a_run(text: str, run: Path) -> None:
    (run / "config.yaml").write_text(text, encoding="utf-8", errors="replace")
    with answered():
        configs = task_registry.get_cfgs("qmini")
        load_run_config(str(run), "qmini", *configs)
        validate(*configs)


@cases(0.05)
@given(text=texts_like((SHIPPED / "qmini_controller.yaml").read_text()))
def test_any_file_of_a_controller(text: str, run: Path) -> None:
    path = run / "x_controller.yaml"
    path.write_text(text, encoding="utf-8", errors="replace")
    with answered():
        read_controller_config(path)


@cases(0.05)
@given(text=st.one_of(st.text(), VALUES.map(str), st.text("[]{}&*a: -\n,'\"|>!#", max_size=300)))
@example("[" * 20_000)
@example("a: " * 20_000)
@example("9" * 5_000)
@example("2026-13-45")
@example("\n".join(["a0: &a0 [1]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12))]))
@example("!!python/object/apply:os.system ['true']")
def test_any_yaml(text: str) -> None:
    with contextlib.suppress(yaml.YAMLError):
        parse_yaml(text)


def make_checkpoint() -> tuple[dict[str, Any], torch.nn.Module, torch.optim.Optimizer]:
    net = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    state = {
        "format": "qmini_rl_gym/1", "actor_state_dict": dict(net.state_dict()), "critic_state_dict": {},
        "optimizer_state_dict": optimizer.state_dict(), "iter": 1, "env": {}, "logger": {}, "config": {},
    }  # fmt: skip
    return state, net, optimizer


CHECKPOINT, NET, OPTIMIZER = make_checkpoint()


def saved(checkpoint: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    return buffer.getvalue()


def read_whole(contents: bytes) -> None:
    with answered():
        checkpoint = read_checkpoint("x.pt", "cpu", contents)
        check_part("x.pt", "actor_state_dict", checkpoint, NET)
        check_part("x.pt", "optimizer_state_dict", checkpoint, OPTIMIZER)
        NET.load_state_dict(checkpoint["actor_state_dict"])
        assert all(p.isfinite().all() for p in NET.parameters())


@cases(0.05)
@given(contents=mangled(saved(CHECKPOINT)))
def test_any_bytes_of_a_checkpoint(contents: bytes) -> None:
    read_whole(contents)


TENSORS = st.sampled_from([
    torch.full((2, 3), math.nan), torch.full((2, 3), math.inf), torch.zeros(2, 3).to_sparse(), torch.zeros(2, 3),
    torch.empty(2, 3, device="meta"), torch.zeros(2, 3, dtype=torch.cfloat), torch.zeros(2, 3, dtype=torch.int),
    torch.zeros(1).expand(10**6, 10**6), torch.zeros(0), torch.zeros(2, 3, dtype=torch.bool), torch.zeros(2, 3).t(),
])  # fmt: skip


@cases(0.05)
@given(key=st.sampled_from(sorted(CHECKPOINT)), value=st.one_of(VALUES, TENSORS), deep=st.booleans())
def test_any_entry_of_a_checkpoint(key: str, value: Any, deep: bool) -> None:
    checkpoint = copy.deepcopy(CHECKPOINT)
    if deep and key == "actor_state_dict":
        checkpoint[key]["weight"] = value
    elif deep and key == "optimizer_state_dict":
        checkpoint[key]["state"][0]["exp_avg"] = value
    else:
        checkpoint[key] = value
    try:
        contents = saved(checkpoint)
    except (RuntimeError, NotImplementedError):
        return
    read_whole(contents)


def network() -> onnx.ModelProto:
    weight = onnx.numpy_helper.from_array(np.ones((3, 2), np.float32), "w")
    ports = [onnx.helper.make_tensor_value_info(n, 1, ["batch", s]) for n, s in (("input", 3), ("output", 2))]
    node = onnx.helper.make_node("MatMul", ["input", "w"], ["output"])
    graph = onnx.helper.make_graph([node], "net", ports[:1], ports[1:], [weight])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=8)


def run_network(contents: bytes, path: Path) -> None:
    path.write_bytes(contents)
    with answered():
        net = OnnxNet(path)
        outputs, _ = net(np.ones((2, net.inputs), np.float32))
        assert outputs.shape == (2, net.outputs)


@cases(0.05)
@given(contents=mangled(network().SerializeToString()))
def test_any_bytes_of_a_network(contents: bytes, run: Path) -> None:
    run_network(contents, run / "x.onnx")


def test_names_of_a_network_that_are_no_text(tmp_path: Path) -> None:
    contents = network().SerializeToString().replace(b"batch", b"\x80atch")
    run_network(contents, tmp_path / "x.onnx")
    with pytest.raises(UserError):
        OnnxNet(tmp_path / "x.onnx")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_numbers_of_a_network_that_are_none(value: float, tmp_path: Path) -> None:
    model = network()
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(np.full((3, 2), value, np.float32), "w"))
    onnx.save(model, tmp_path / "x.onnx")
    with pytest.raises(UserError, match="'w' holds numbers that are in another file, infinite or not a number"):
        OnnxNet(tmp_path / "x.onnx")


@cases(0.05)
@given(text=texts_like(quadruped.urdf()))
def test_any_urdf(text: str, run: Path) -> None:
    with answered():
        build(text, run / "x.urdf")


@pytest.mark.parametrize("text", ["<robot/>", "<robot name='r'/>", quadruped.urdf().replace("'6.0'", "'inf'")])
def test_urdfs_of_nothing_and_of_infinite_mass(text: str, tmp_path: Path) -> None:
    with pytest.raises(UserError):
        build(text, tmp_path / "x.urdf")


def build(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8", errors="replace")
    cfg = LeggedRobotCfg()
    cfg.asset.file = str(path)
    assert np.isfinite(build_scene(cfg).model.body_mass).all()
