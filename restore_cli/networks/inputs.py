"""What the networks are shown: the photo in grey, the photo with its damage painted white."""

from __future__ import annotations

from torch import Tensor


def to_grey(image: Tensor) -> Tensor:
    """(B, 3, H, W) in [-1, 1] to (B, 1, H, W): the luma of Rec. 601, as PIL's "L"."""
    return (image * image.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(dim=1, keepdim=True)


def as_detector_sees(image: Tensor, colours: int) -> Tensor:
    """(B, 3, H, W) in [-1, 1] as it is for 3 colours, in grey for 1."""
    return image if colours == 3 else to_grey(image)


def paint_damage(image: Tensor, mask: Tensor) -> Tensor:
    """White where mask (B, 1, H, W) is 1, the image (B, 3, H, W) in [-1, 1] elsewhere (Wan et al. 2020)."""
    return image * (1 - mask) + mask
