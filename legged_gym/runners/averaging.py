"""Averages of checkpoints: nets that one training has led to from a common start, each parameter their mean.

Trained from the same checkpoint, nets mostly lie in one basin, and their mean often does what each of them does well
(Wortsman et al. 2022, "Model soups", https://arxiv.org/abs/2203.05482). Whether it does is for the evaluation to say.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from legged_gym.common.errors import UserError
from legged_gym.runners.checkpoint import check_alike, read_checkpoint

_NETS, _OPTIMIZER = "_state_dict", "optimizer_state_dict"
_ESTIMATOR = "estimator_state_dict"
_FLAG = "--estimator_weights"


def average_checkpoints(
    paths: Sequence[str], weights: Sequence[float], estimator_weights: Sequence[float] | None = None
) -> dict[str, Any]:
    """Return the weighted mean of checkpoints' nets, the estimator's perhaps by other weights; the rest is the last's.

    Raises:
        UserError: A file can't be read or holds other nets than the last one, or the weights don't fit.
    """
    shares = _shares("--weights", weights, len(paths))
    estimator_shares = shares if estimator_weights is None else _shares(_FLAG, estimator_weights, len(paths))
    checkpoints = [read_checkpoint(path, "cpu") for path in paths]
    result = checkpoints[-1]
    if estimator_weights is not None and _ESTIMATOR not in result:
        raise UserError(f"{paths[-1]} holds no estimator, so there is nothing to weigh by {_FLAG}")
    for name in [key for key in result if key.endswith(_NETS) and not key.endswith(_OPTIMIZER)]:
        for path, checkpoint in zip(paths, checkpoints, strict=True):
            _check_same_net(path, name, checkpoint.get(name), result[name])
        nets = [checkpoint[name] for checkpoint in checkpoints]
        result[name] = _mean(nets, estimator_shares if name == _ESTIMATOR else shares)
    return result


def _shares(flag: str, weights: Sequence[float], number: int) -> list[float]:
    if len(weights) != number or not all(weight >= 0.0 for weight in weights) or not 0.0 < sum(weights) < math.inf:
        given = " ".join(f"{weight:g}" for weight in weights)
        raise UserError(
            f"{number} checkpoints need as many {flag}, finite, none negative and not all zero, not '{given}'"
        )
    return [weight / sum(weights) for weight in weights]


def _check_same_net(path: str, name: str, net: Any, last: Mapping[str, torch.Tensor]) -> None:
    """Raise UserError unless a net has the same parameters as the last one."""
    check_alike(path, name, net, last)
    for key, parameter in last.items():
        if net[key].shape != parameter.shape:
            sizes = f"{tuple(net[key].shape)}, the last checkpoint's {tuple(parameter.shape)}"
            raise UserError(f"{path} holds another net than the last checkpoint: '{name}.{key}' is {sizes}")


def _mean(nets: Sequence[Mapping[str, torch.Tensor]], shares: Sequence[float]) -> dict[str, torch.Tensor]:
    """Return the weighted mean of nets; counters, which have none, are the last one's."""
    mean = dict(nets[-1])
    for name, last in mean.items():
        if last.is_floating_point():
            mean[name] = torch.stack([share * net[name] for share, net in zip(shares, nets, strict=True)]).sum(dim=0)
    return mean
