"""Partial non-local block: damaged latent positions are rebuilt from sound ones elsewhere in the picture.

Source: Wan et al. 2020, section 3.3, equations 6 to 8, and the released `mapping_scratch`. For a position i the
weights over all positions j are softmax_j(theta_i . phi_j), zero where j is not valid, then divided by their sum.
That equals softmax over the valid positions alone, which is how it is computed here.

Departs from the released code: queries go through scaled_dot_product_attention in chunks, so no N x N matrix exists
and memory is linear in N; without a single valid position the result is zero instead of NaN. The released weights are
asked in the released form, whose division by a sum of at least 1e-12 fades out answers that almost all of the softmax
withholds (`attend_faded`). Our own gather keys and values at the valid positions (`attend`). Without instance norm
nothing sees the whole picture, so only damaged positions and the reach of the block's own convolutions ask, and with
`window` they ask within a fixed grid of neighbourhoods, whatever bands the picture comes in.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from restore_cli.networks.blocks import Norm, ResBlock
from restore_cli.networks.convolution import Conv

Slices = tuple[slice, slice]
QUERY_CHUNK = 4096
"""Queries that attend at a time: bounds what scaled_dot_product_attention may allocate on any backend."""
MATRIX_CHUNK = 512
"""Queries whose scores are kept at a time: 16 MB of them for 16,384 keys in bfloat16. Always as many: oneDNN compiles
its products anew for each size."""


def valid_map(mask: Tensor, *, any_pixel: bool) -> Tensor:
    """mask: (B, 1, H, W), 1 = damaged. Returns (B, 1, H/4, W/4), 1 where the latent position is sound.

    any_pixel: a position is sound if none of its 16 pixels is damaged. Otherwise as released: the bilinear sample of
    the mask must be zero and the nearest sample of its complement one, which misses single pixels.
    """
    if any_pixel:
        return 1 - F.max_pool2d(mask, 4)
    size = (mask.shape[-2] // 4, mask.shape[-1] // 4)
    touched = (F.interpolate(mask, size=size, mode="bilinear", align_corners=False) > 0).to(mask.dtype)
    return (1 - touched) * F.interpolate(1 - mask, size=size, mode="nearest")


def attend(query: Tensor, key: Tensor, value: Tensor, *, scale: float, chunk: int = QUERY_CHUNK) -> Tensor:
    """softmax(scale * query key^T) value for (Nq, C), (Nk, C), (Nk, C), Nk > 0, in chunks of queries. As (Nq, C)."""
    in_matrices = key.dtype == torch.bfloat16 and key.device.type == "cpu"
    whole = len(query) // MATRIX_CHUNK * MATRIX_CHUNK if in_matrices else 0
    parts = [_attend_in_matrices(q, key, value, scale) for q in torch.split(query[:whole], MATRIX_CHUNK) if whole]
    if whole < len(query) or not parts:
        k, v = key[None, None], value[None, None]
        rest = torch.split(query[whole:], chunk)
        parts += [F.scaled_dot_product_attention(q[None, None], k, v, scale=scale)[0, 0] for q in rest]
    return torch.cat(parts)


def _attend_in_matrices(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """`attend` for a few queries, written out: on CPUs scaled_dot_product_attention is no faster in bfloat16."""
    return torch.softmax((scale * query) @ key.T, dim=1) @ value


def attend_faded(query: Tensor, key: Tensor, value: Tensor, valid: Tensor, *, scale: float) -> Tensor:
    """Softmax over all keys, zero where `valid` (Nk,) is not, divided by what is left but at least 1e-12.

    The released normalisation: where damaged positions take all but 1e-12 of a softmax, the answer fades to zero.
    Shapes as in `attend`.
    """
    return Sources.of(key, value, valid).answer(query, scale=scale)


@dataclass(frozen=True)
class Sources:
    """Keys and values made ready for any number of queries, with eight columns more (so that rows stay aligned).

    The first of them adds a bias to the scores and brings back the share of a softmax that valid positions got.
    """

    key: Tensor
    """(Nk, C + 8)"""
    value: Tensor
    """(Nk, C + 8), zero at positions that are not valid."""

    @classmethod
    def of(cls, key: Tensor, value: Tensor, valid: Tensor, count: Tensor | None = None) -> Sources:
        """key, value: (Nk, C). valid: (Nk,). count: (Nk,), how many positions a key stands for; None: one."""
        bias = torch.zeros_like(key[:, :1]) if count is None else count.to(key.dtype).log()[:, None]
        sound = valid.to(value.dtype)[:, None]
        return cls(F.pad(torch.cat([key, bias], 1), (0, 7)), F.pad(torch.cat([value * sound, sound], 1), (0, 7)))

    def to(self, dtype: torch.dtype) -> Sources:
        """The same in another precision."""
        return Sources(self.key.to(dtype), self.value.to(dtype))

    def answer(self, query: Tensor, *, scale: float) -> Tensor:
        """query: (Nq, C). Returns (Nq, C) as `attend_faded` does, in the query's precision, computed in the keys'."""
        channels = query.shape[1]
        one = query.new_full((query.shape[0], 1), 1 / scale)
        asking = F.pad(torch.cat([query, one], 1), (0, 7)).to(self.key.dtype)
        answers = attend(asking, self.key, self.value, scale=scale).to(query.dtype)
        return answers[:, :channels] / answers[:, channels : channels + 1].clamp_min(1e-12)


class PartialNonLocal(nn.Module):
    """Rebuild damaged latent positions from the sound ones."""

    def __init__(
        self, channels: int, *, blocks: int, norm: Norm, scaled: bool, window: int | None, leak: float = 0.0
    ) -> None:
        """scaled: scores over sqrt(channels) and plain softmax over valid positions, instead of the released form.

        window: side of the grid of neighbourhoods in latent positions, None for the whole picture.
        """
        super().__init__()
        self.norm_kind = norm
        self.window = window
        self.scale = channels**-0.5 if scaled else 1.0
        self.faded = not scaled
        self.g = Conv(channels, channels, 1)
        self.theta = Conv(channels, channels, 1)
        self.phi = Conv(channels, channels, 1)
        self.W = Conv(channels, channels, 1)
        self.res_block = nn.Sequential(*(ResBlock(channels, norm=norm, leak=leak) for _ in range(blocks)))

    @property
    def reach(self) -> int:
        """Latent positions that the block's convolutions carry an answer sideways."""
        return 2 * len(self.res_block)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """x: (B, C, h, w) features. valid: (B, 1, h, w), 1 = sound, 0 = damaged. Returns (B, C, h, w)."""
        y = torch.stack([self.ask(x[b], valid[b, 0] > 0.5) for b in range(x.shape[0])])
        return self.blend(x, y, valid)

    def blend(self, x: Tensor, answers: Tensor, valid: Tensor) -> Tensor:
        """Answers (B, C, h, w) through W and the residual blocks, taken where valid is 0."""
        return valid * x + (1 - valid) * self.rebuild(answers)

    def rebuild(self, answers: Tensor) -> Tensor:
        """Answers (B, C, h, w) through W and the residual blocks."""
        return self.res_block(self.W(answers))  # type: ignore[no-any-return]

    def ask(self, x: Tensor, valid: Tensor, region: Slices | None = None) -> Tensor:
        """x: (C, h, w); valid: (h, w) bool. Returns the answers y of `region` (all: None), zero where nobody asks."""
        h, w = x.shape[-2:]
        region = region or (slice(0, h), slice(0, w))
        asking = self._asking(valid, region)
        y = x.new_zeros(*asking.shape, x.shape[0]).permute(2, 0, 1)
        for inner, outer in self._neighbourhoods(h, w):
            part = _overlap(inner, region)
            if part is None:
                continue
            place = _relative(part, region)
            if bool(asking[place].any()):
                y[:, place[0], place[1]] = self._answer(x, valid, asking[place], part, outer)
        return y

    def _asking(self, valid: Tensor, region: Slices) -> Tensor:
        """Which positions of the region need an answer: all of them where a norm sees the whole picture."""
        if self.norm_kind == "instance":
            return torch.ones_like(valid[region])
        around = tuple(
            slice(max(side.start - self.reach, 0), min(side.stop + self.reach, size))
            for side, size in zip(region, valid.shape, strict=True)
        )
        damaged = (~valid[around]).float()[None, None]
        spread = F.max_pool2d(damaged, 2 * self.reach + 1, 1, self.reach)[0, 0] > 0
        return spread[_relative(region, (around[0], around[1]))]

    def _answer(self, x: Tensor, valid: Tensor, wanted: Tensor, inner: Slices, outer: Slices) -> Tensor:
        """Attend from the wanted positions of `inner` to the valid ones of `outer`. Returns (C, *inner).

        On a CPU in the weights' precision: in bfloat16 oneDNN compiles a product for every number of positions, and
        keeps 1,024 of them (0.24 GB of twelve megapixels), for no gain in speed where there is no AMX.
        """
        channels, sound = x.shape[0], valid[outer]
        positions = x.permute(1, 2, 0)  # where channels lie last, so that each position is read in one piece
        around = positions[outer]
        askers = positions[inner][wanted]  # (Nq, C)
        if x.device.type == "cpu":
            askers, around = askers.to(self.theta.weight.dtype), around.to(self.theta.weight.dtype)
        with torch.autocast("cpu", enabled=False) if x.device.type == "cpu" else nullcontext():
            if self.faded:
                answers = self._faded_answers(askers, around.flatten(0, 1), sound.flatten())
            else:
                answers = self._plain_answers(askers, around[sound])
        block = torch.zeros(*wanted.shape, channels, dtype=x.dtype, device=x.device)
        block[wanted] = answers.to(x.dtype)
        return block.permute(2, 0, 1)

    def _faded_answers(self, askers: Tensor, sources: Tensor, sound: Tensor) -> Tensor:
        """askers: (Nq, C); sources: (Nk, C), of which those count that are `sound`, (Nk,). Returns (Nq, C)."""
        query, key, value = _linear(self.theta, askers), _linear(self.phi, sources), _linear(self.g, sources)
        return attend_faded(query, key, value, sound, scale=self.scale)

    def _plain_answers(self, askers: Tensor, sources: Tensor) -> Tensor:
        """The same where all sources count, with nothing computed for each of them.

        theta_i . (P x_j + p) and theta_i . P x_j differ by the same amount for all j, which softmax does not see, and
        the latter is (P^T theta_i) . x_j. The weights sum to one: the answer to G x_j + g is G (answer to x_j) + g.
        """
        if sources.shape[0] == 0:
            return torch.zeros_like(askers)
        query = F.linear(_linear(self.theta, askers), self.phi.weight[:, :, 0, 0].t())
        return _linear(self.g, attend(query, sources, sources, scale=self.scale))

    def _neighbourhoods(self, h: int, w: int) -> list[tuple[Slices, Slices]]:
        """Blocks of the fixed grid, each with the block plus one window on every side, clipped to the picture."""
        if self.window is None:
            whole = (slice(0, h), slice(0, w))
            return [(whole, whole)]
        step = self.window
        return [
            (
                (slice(top, min(top + step, h)), slice(left, min(left + step, w))),
                (
                    slice(max(top - step, 0), min(top + 2 * step, h)),
                    slice(max(left - step, 0), min(left + 2 * step, w)),
                ),
            )
            for top in range(0, h, step)
            for left in range(0, w, step)
        ]


def _linear(conv: nn.Conv2d, positions: Tensor) -> Tensor:
    """A 1 x 1 convolution over (N, C)."""
    return F.linear(positions, conv.weight[:, :, 0, 0], conv.bias)


def _overlap(one: Slices, other: Slices) -> Slices | None:
    """What two rectangles share, if anything."""
    rows = slice(max(one[0].start, other[0].start), min(one[0].stop, other[0].stop))
    columns = slice(max(one[1].start, other[1].start), min(one[1].stop, other[1].stop))
    return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else None


def _relative(inner: Slices, outer: Slices) -> Slices:
    """`inner` in coordinates that start at the corner of `outer`."""
    top, left = outer[0].start, outer[1].start
    return slice(inner[0].start - top, inner[0].stop - top), slice(inner[1].start - left, inner[1].stop - left)
