from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from restore_cli.networks.spade import SPADE_256, SPADE_512, FaceGenerator, SpadeConfig
from restore_cli.weights.spectral import fold_spectral_norm

PARITY = Path(__file__).parents[1] / "data" / "faces" / "parity.npz"
StateMaker = Callable[[torch.nn.Module], dict[str, Tensor]]


def smooth_face(numbers: Any, size: int) -> Tensor:
    """The input of the reference: noise under a 9 x 9 mean, stretched to fill [-1, 1]."""
    noise = numbers.noise(f"face{size}", (1, 3, size, size))
    return (F.avg_pool2d(F.pad(noise, (4, 4, 4, 4), mode="reflect"), 9, 1) * 6).clamp(-1, 1)


def with_released_weights(config: SpadeConfig, released_face_state: StateMaker) -> FaceGenerator:
    generator = FaceGenerator(config)
    generator.load_state_dict(fold_spectral_norm(released_face_state(generator)), strict=True)
    return generator.eval()


@pytest.mark.slow
@pytest.mark.parametrize("config", [SPADE_256, SPADE_512], ids=["256", "512"])
def test_agrees_with_the_released_network(config: SpadeConfig, numbers: Any, released_face_state: StateMaker) -> None:
    """2e-4 is what fp32 summation order may do on other machines; here it is 3e-5."""
    generator = with_released_weights(config, released_face_state)
    with torch.inference_mode():
        output = generator(smooth_face(numbers, config.face_px))
    expected = np.load(PARITY)[f"face{config.face_px}"]
    np.testing.assert_allclose(output.numpy()[..., ::16, ::16], expected, atol=2e-4)


def test_a_narrow_generator_keeps_its_numbers(numbers: Any, released_face_state: StateMaker) -> None:
    """The numbers are this code's own, taken when the slow test above agreed with the released network."""
    generator = with_released_weights(SpadeConfig(face_px=64, width=4, hidden_width=8), released_face_state)
    with torch.inference_mode():
        output = generator(smooth_face(numbers, 64))
    np.testing.assert_allclose(output.numpy()[0, :, 5::27, 40], NARROW, atol=2e-4)


NARROW = [[0.81787, 0.600189, -0.566405], [0.851774, -0.784691, -0.198839], [0.75288, 0.875007, -0.205309]]


@pytest.mark.parametrize("size", [(32, 32), (64, 96)])
def test_output_size_equals_input_size(size: tuple[int, int]) -> None:
    generator = FaceGenerator(SpadeConfig(face_px=32, width=2, hidden_width=4)).eval()
    with torch.inference_mode():
        output = generator(torch.rand(2, 3, *size) * 2 - 1)
    assert output.shape == (2, 3, *size)
    assert output.abs().max() <= 1


def test_has_the_released_number_of_parameters() -> None:
    with torch.device("meta"):
        generator = FaceGenerator(SPADE_256)
    assert sum(p.numel() for p in generator.parameters()) == 92_059_587
    assert len(generator.state_dict()) == 234 - 2 * 18  # 18 convolutions keep two vectors more while not folded


def test_faces_of_a_batch_do_not_touch_each_other() -> None:
    """Batch norm reads running statistics: a face must come out the same whatever it is batched with."""
    generator = FaceGenerator(SpadeConfig(face_px=32, width=2, hidden_width=4)).eval()
    faces = torch.rand(3, 3, 32, 32) * 2 - 1
    with torch.inference_mode():
        torch.testing.assert_close(generator(faces)[1:2], generator(faces[1:2]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("wrong", [{"face_px": 100}, {"face_px": 0}, {"width": 0}, {"hidden_width": 0}])
def test_impossible_sizes_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=str(next(iter(wrong.values())))):
        SpadeConfig(**wrong)
