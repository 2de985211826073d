"""Evaluate policies: ``python legged_gym/scripts/evaluate.py [POLICY ...]``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from legged_gym import cli, envs, evaluation, policies, render, this_robot
from legged_gym.cli import types
from legged_gym.cli.arguments import (
    add_log_arguments,
    add_policy_argument,
    add_robot_argument,
    add_set_argument,
    add_sim_arguments,
    get_args,
    make_task_parser,
    run_main,
)
from legged_gym.common.devices import resolve_device
from legged_gym.common.errors import UserError
from legged_gym.common.paths import relative
from legged_gym.envs.base.overrides import set_keys, update_cfg_from_args
from legged_gym.evaluation.scenarios import GRID, SCENARIOS, Scenario, fixed, select_scenarios
from legged_gym.simulators.backend import choose_backend

if TYPE_CHECKING:
    from legged_gym.envs.base.legged_robot_config import LeggedRobotCfg
    from legged_gym.evaluation.evaluator import EvaluationSettings
    from legged_gym.policies.finder import Policy

_DESCRIPTION = """\
Evaluate policies: commands on flat ground, pushes, slippery and rough ground, payload, delays, standing and more.
If you name an evaluation.json, the tables also show the results of that earlier evaluation. NAME=POLICY sets a policy's
name in the tables. On a CPU the same policy, seed and number of trials give the same results for a scenario."""

_EXAMPLES = (
    "python legged_gym/scripts/evaluate.py                                              (the newest run)",
    "python legged_gym/scripts/evaluate.py new=logs/qmini/2026-01-31_12-00-00/model_900.pt old=policy/ --quick",
    "python legged_gym/scripts/evaluate.py --scenarios flat,push_0.6 --trials 180 --video out.mp4",
    "python legged_gym/scripts/evaluate.py --sim warp --trials 360                         (on a GPU)",
)

_TRIALS, _QUICK_TRIALS, _QUICK_SECONDS = 72, 18, 4.0
_MOST_POLICIES = 12


def evaluate(args: argparse.Namespace) -> bool:
    """Evaluate policies, print a table, and write figures and report.

    Returns:
        Whether no margin is smaller than the baseline's.

    Raises:
        UserError: A policy or scenario does not exist, or a file can't be written.
        KeyboardInterrupt: The user stopped it. Finished scenarios are written.
    """
    scenarios = _scenarios(args)
    if args.list:
        print("\n".join(f"{scenario.name:<18} {scenario.title}" for scenario in scenarios))
        return True

    if args.video:
        render.video.check_video_path(args.video)
    render.video.prepare_offscreen()
    choose_backend(args, few_robots=True)
    adjust = _overrides(args)
    # Wrong input is reported before anything is loaded.
    evaluation.margins.chosen_axes(args.axes and args.axes.split(","))
    baseline = evaluation.margins.read_lows(args.baseline) if args.baseline else {}
    evaluation.evaluator.refuse_without_effect(set_keys(args), args.task)
    nominal, _ = envs.task_registry.get_cfgs(args.task)
    evaluation.evaluator.make_nominal(nominal)
    adjust(nominal)

    with cli.exporting.output_folder(args.out, "evaluations", args.log_root) as folder:
        args.policies = [*args.policies, *filter(None, [args.load_run])]
        earlier = [spec for spec in args.policies if spec.endswith(".json")]
        for path in earlier:
            if args.margins:
                raise UserError(f"'{path}' has no effect with --margins, which finds those of policies")
            evaluation.results.load_policies(path, scenarios)
        loaded = _load_policies(args)
        settings = evaluation.evaluator.EvaluationSettings(
            task=args.task,
            sim=args.sim,
            sim_device=resolve_device(args.sim_device),
            trials=args.trials or (_QUICK_TRIALS if args.quick else _TRIALS),
            seed=args.seed,
            longest=_QUICK_SECONDS if args.quick else float("inf"),
            adjust=adjust,
        )
        result = evaluation.results.EvaluationResult(
            task=args.task,
            sim=settings.sim,
            device=settings.sim_device,
            seed=settings.seed,
            trials=settings.trials,
            longest=_QUICK_SECONDS if args.quick else None,
            overrides=args.overrides,
            scenarios=scenarios,
        )
        if args.margins:
            return _margins(loaded, settings, args.axes, baseline, folder)
        samples = evaluation.evaluator.evaluate_policies(loaded, scenarios, settings, result)
        for path in earlier:
            result.policies += evaluation.results.load_policies(path, scenarios)
            samples += [{} for _ in result.policies[len(samples) :]]
        if any(policy.scenarios for policy in result.policies):
            print(flush=True)
            evaluation.report.print_results(result)
            print(flush=True)
            render.results.write_results(result, samples, os.path.join(folder, "evaluation.json"), args.video)
    if not result.finished:
        raise KeyboardInterrupt
    return True


def _margins(
    loaded: list[Policy], settings: EvaluationSettings, axes: str | None, baseline: dict[str, float], folder: str
) -> bool:
    """Find each policy's margins and write them. Print which are smaller than the baseline's."""
    margins = evaluation.margins
    worse: list[str] = []
    for number, policy in enumerate(loaded):
        found = margins.find_margins(policy, settings, axes and axes.split(","), lambda line: print(line, flush=True))
        print(f"\n{policy.name}\n{margins.table(found)}\n", flush=True)
        stem = os.path.join(folder, "margins" if len(loaded) == 1 else f"margins_{number + 1}")
        margins.save(found, f"{stem}.json")
        margins.radar(found, f"{stem}.png")
        print(f"margins    {relative(stem)}.json\nplot       {relative(stem)}.png")
        worse += [f"{policy.name}: {line}" for line in margins.shrunk(found, baseline)]
    for line in worse:
        print(f"shrunk     {line}")
    return not worse


def _scenarios(args: argparse.Namespace) -> tuple[Scenario, ...]:
    """Return the chosen scenarios. With ``--robot``, all use that robot, and its own scenarios come first."""
    if args.robot is None:
        return select_scenarios(args.scenarios)

    robot, late = this_robot.robot_file.read_robot(args.robot, args.task), (0.0, 0.0)
    if robot.delay is not None:
        late = this_robot.robot_file.simulated_delay(robot, envs.task_registry.get_cfgs(args.task)[0])
    load = fixed(robot.payload[1]) if robot.payload is not None else (0.0, 0.0)
    this = tuple(
        Scenario(name, f"this robot and its delay{what}", GRID, action_delay=late, push=push, payload=load)
        for name, what, push in (("this_robot", "", 0.0), ("this_robot_pushed", ", pushed by 0.6 m/s every 2 s", 0.6))
    )
    names = None if args.scenarios is None else args.scenarios.split(",")
    own = this if names is None else tuple(scenario for scenario in this if scenario.name in names)
    rest = None if names is None else ",".join(name for name in names if name not in {s.name for s in this})
    return own if rest == "" else (*own, *select_scenarios(rest))


def _load_policies(args: argparse.Namespace) -> list[Policy]:
    if len(args.policies) > _MOST_POLICIES:
        raise UserError(f"at most {_MOST_POLICIES} policies at once, got {len(args.policies)}")
    root = cli.exporting.root_of(args)
    specs: list[str | None] = [spec for spec in args.policies if not spec.endswith(".json")]
    sources = [policies.finder.find_policy(spec, args.task, root) for spec in specs or [None]]
    names = [source.name for source in sources]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{names.count(name)} policies are called '{name}': give each its own name, NAME=POLICY")
    loaded = [policies.finder.load_policy(source, resolve_device(args.rl_device)) for source in sources]
    for policy in loaded:
        # A policy of another robot is told before the first one is evaluated.
        evaluation.evaluator.evaluation_config(args.task, policy, num_envs=1, on_plane=True)
    print(getattr(args, "note", ""), end="")
    for source in sources:
        print(source.note or f"policy     {relative(source.path)}", flush=True)
    for policy in loaded:
        if not policy.contract:
            print(f"{relative(policy.path)} does not contain pose, gains and gait: using those of task '{args.task}'")
    return loaded


def _overrides(args: argparse.Namespace) -> Callable[[LeggedRobotCfg], None]:
    """Return the function that applies ``--set``."""
    robot = this_robot.robot_file.read_robot(args.robot, args.task) if args.robot else None

    def adjust(cfg: LeggedRobotCfg) -> None:
        if robot is not None:
            this_robot.robot_file.apply_robot(robot, cfg, likeliest=True)
        _, train_cfg = envs.task_registry.get_cfgs(args.task)
        update_cfg_from_args(cfg, train_cfg, argparse.Namespace(overrides=args.overrides, sim=args.sim))

    return adjust


def main() -> None:
    """Read the command line and evaluate."""
    parser = make_task_parser(_DESCRIPTION, _EXAMPLES)
    add = parser.add_argument
    add("policies", nargs="*", metavar="POLICY", help=f"{policies.finder.POLICY} (default: the newest run)")
    add_policy_argument(parser, "--policy", "one more")
    add(
        "--scenarios",
        "--suites",
        metavar="A,B",
        help=f"only these of: {', '.join(scenario.name for scenario in SCENARIOS)}",
    )
    add("--list", action="store_true", help="list the scenarios and stop")
    add(
        "--trials",
        type=types.trials,
        metavar="N",
        help=f"trials in a scenario (default: {_TRIALS}, quick {_QUICK_TRIALS})",
    )
    add("--margins", action="store_true", help="for each kind of disturbance, find where 5 %% of the trials fall")
    add("--baseline", metavar="FILE", help="with --margins: an earlier margins.json; exit code 1 if one clearly shrank")
    names = ", ".join(axis.name for axis in evaluation.axes.AXES)
    add("--axes", metavar="A,B", help=f"with --margins: only these of {names}")
    add("--quick", action="store_true", help=f"quick check: few trials of {_QUICK_SECONDS:g} s each")
    add("--seed", type=types.seed, default=1, metavar="N", help="seed of all random numbers (default: %(default)s)")
    add("--out", metavar="DIR", help="where the results go (default: a new folder in logs/evaluations)")
    add("--video", metavar="FILE.mp4", help="record a trial of each scenario, which takes some seconds for each")
    add_log_arguments(parser)
    add_sim_arguments(parser)
    add_robot_argument(parser, "all scenarios use its joints; this_robot and this_robot_pushed also its delay")
    add_set_argument(parser)
    parser.refuse("--baseline --axes", lambda args: not args.margins, "needs --margins")
    parser.refuse("--scenarios --video", lambda args: args.margins, "has no effect with --margins")
    listing = "has no effect with --list, which evaluates nothing"
    parser.refuse(
        "POLICY --policy --trials --margins --quick --seed --out --video --experiment_name --log_root --sim "
        "--isaacgym_python --sim_device --rl_device --set",
        lambda args: args.list, listing,
    )  # fmt: skip
    if not evaluate(get_args(parser=parser)):
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(run_main(main))
