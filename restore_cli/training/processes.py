"""What several processes that train together have to agree on: gradients, losses, batch norm, when to stop."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from accelerate import Accelerator
from torch import Tensor, distributed, nn
from torch.distributed.nn.functional import all_reduce


def average_gradients(parameters: Iterable[nn.Parameter], accelerator: Accelerator) -> None:
    """Replace each gradient by its mean over the processes, all in one exchange."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    if accelerator.num_processes == 1 or not gradients:
        return
    joined = torch.cat([gradient.flatten() for gradient in gradients])
    mean = accelerator.reduce(joined, reduction="mean")
    for gradient, part in zip(gradients, mean.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def average(values: Tensor, accelerator: Accelerator) -> Tensor:
    """The mean over the processes."""
    if accelerator.num_processes == 1:
        return values
    mean: Tensor = accelerator.reduce(values, reduction="mean")
    return mean


def any_process(answer: bool, accelerator: Accelerator) -> bool:
    """Whether any process says yes. All must ask."""
    if accelerator.num_processes == 1:
        return answer
    return bool(accelerator.reduce(torch.tensor(float(answer), device=accelerator.device), reduction="sum") > 0)


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch norm over the samples of all processes, so that a batch means the same however many share it.

    nn.SyncBatchNorm does that for GPUs alone; this runs wherever torch.distributed does.
    """

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, C, H, W). Returns the same shape."""
        if not self.training:
            return super().forward(x)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        values = x.float()
        sums = torch.stack([values.sum((0, 2, 3)), values.square().sum((0, 2, 3))])  # (2, C)
        count = distributed.get_world_size() * x.numel() // x.shape[1]
        mean, square = all_reduce(sums) / count  # type: ignore[no-untyped-call]
        variance = (square - mean.square()).clamp_min(0)
        with torch.no_grad():
            share = self.momentum if self.momentum is not None else 0.1
            self.running_mean.lerp_(mean, share)
            self.running_var.lerp_(variance * count / max(1, count - 1), share)
            self.num_batches_tracked += 1
        scale = self.weight * torch.rsqrt(variance + self.eps)
        shift = self.bias - mean * scale
        normed: Tensor = values * scale[:, None, None] + shift[:, None, None]
        return normed.to(x.dtype)


def share_batch_norm(module: nn.Module) -> None:
    """Turn every batch norm below `module` into one over all processes, with the same parameters and state."""
    for child in module.modules():
        if type(child) is nn.BatchNorm2d:
            child.__class__ = SharedBatchNorm
