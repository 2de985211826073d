"""What an evaluation leaves behind: figures, a report and a film."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from legged_gym.common.paths import relative
from legged_gym.evaluation.film import make_film
from legged_gym.evaluation.report import write_report
from legged_gym.evaluation.results import EvaluationResult, save_json
from legged_gym.evaluation.samples import Sample
from legged_gym.render.video import VideoUnavailableError


def write_results(
    result: EvaluationResult,
    samples: Sequence[dict[str, Sample]],
    figures: str,
    video: str | None,
    film_seconds: float = 3.0,
    **more: Any,
) -> None:
    """Write figures, beside them ``report.html``, and a film if one is wanted, and print where each is.

    Args:
        result: What was found.
        samples: Samples of each policy by scenario.
        figures: The JSON file.
        video: The film, ``.mp4``; None for none. Where nothing can be drawn, that is printed in its place.
        film_seconds: How much of each trial the film shows at most.
        more: Further keys of the JSON file.

    Raises:
        UserError: Something can't be written there.
    """
    save_json(result, figures, **more)
    print(f"figures    {relative(figures)}", flush=True)
    report = os.path.join(os.path.dirname(figures), "report.html")
    write_report(result, samples, report)
    print(f"report     {relative(report)}", flush=True)
    if not video:
        return
    pairs = zip(result.policies, samples, strict=True)
    try:
        make_film([(policy.name, sample) for policy, kept in pairs for sample in kept.values()], video, film_seconds)
        print(f"video      {relative(video)}")
    except VideoUnavailableError as error:
        print(f"no video: {error}")
