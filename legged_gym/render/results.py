"""Writes the files of an evaluation: results, report and film."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from legged_gym.common.paths import relative
from legged_gym.evaluation.report import write_report
from legged_gym.evaluation.results import EvaluationResult, save_json
from legged_gym.evaluation.samples import Sample
from legged_gym.render.film import TRIALS, film, film_strip, sample_scene


def write_results(
    result: EvaluationResult,
    samples: Sequence[dict[str, Sample]],
    path: str,
    video: str | None,
    film_seconds: float = 3.0,
    **more: Any,
) -> None:
    """Write the results, ``report.html`` beside them, and perhaps a film. Print their paths.

    Args:
        result: The results.
        samples: Samples of each policy by scenario.
        path: The JSON file.
        video: The film, ``.mp4``; None for no film. If this machine can't render, a note is printed instead.
        film_seconds: Longest part of each trial in the film, s.
        more: Further keys of the JSON file.

    Raises:
        UserError: A file can't be written.
    """
    save_json(result, path, **more)
    print(f"results    {relative(path)}", flush=True)
    report = os.path.join(os.path.dirname(path), "report.html")
    write_report(result, samples, report, film_strip)
    print(f"report     {relative(report)}", flush=True)
    if not video:
        return
    pairs = zip(result.policies, samples, strict=True)
    scenes = [sample_scene(policy.name, sample, film_seconds) for policy, kept in pairs for sample in kept.values()]
    film(scenes, video, TRIALS)
