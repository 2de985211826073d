"""What an evaluation leaves behind: results, a report and a film."""

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
    """Write the results, beside them ``report.html``, and a film if one is wanted, and print where each is.

    Args:
        result: What was found.
        samples: Samples of each policy by scenario.
        path: The JSON file.
        video: The film, ``.mp4``; None for none. Where nothing can be drawn, that is printed in its place.
        film_seconds: How much of each trial the film shows at most.
        more: Further keys of the JSON file.

    Raises:
        UserError: Something can't be written there.
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
