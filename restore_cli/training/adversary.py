"""The two sides of adversarial training: what a generator loses to a discriminator, and the reverse.

Least squares (Mao et al. 2017), as published. A condition is a picture that both real and made ones belong to; it is
joined to them as further channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from restore_cli.training import losses
from restore_cli.training.stage import Losses


def fool(
    judge: nn.Module,
    made: Tensor,
    real: Tensor,
    *,
    gan: float,
    feature_matching: float,
    condition: Tensor | None = None,
) -> Losses:
    """The generator's weighted losses: be taken for real, look like it to each of the judge's layers."""
    judged = judge(_joined(made, condition))
    found = {"gan": gan * losses.lsgan(judged, real=True)}
    if feature_matching:
        with torch.no_grad():
            wanted = judge(_joined(real, condition))
        found["feature_matching"] = feature_matching * losses.feature_matching(judged, wanted)
    return found


def tell_apart(judge: nn.Module, made: Tensor, real: Tensor, *, condition: Tensor | None = None) -> Tensor:
    """The discriminator's loss: half for each side. `made` must come without gradient."""
    of_real = losses.lsgan(judge(_joined(real, condition)), real=True)
    of_made = losses.lsgan(judge(_joined(made, condition)), real=False)
    return (of_real + of_made) / 2


def _joined(picture: Tensor, condition: Tensor | None) -> Tensor:
    return picture if condition is None else torch.cat([condition, picture], dim=1)
