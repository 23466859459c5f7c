from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from restore_cli.errors import OldPhotoError
from restore_cli.networks import FaceGenerator, SpadeConfig
from restore_cli.restoration.faces.generator import LARGEST_BATCH, batch_size, changes, on_device

GIGABYTE = 1 << 30


def squares(count: int, size: int = 32) -> list[np.ndarray]:
    return list(np.random.default_rng(0).random((count, size, size, 3), np.float32))


def test_batches_are_bounded_and_keep_their_order() -> None:
    sizes: list[int] = []

    def mirror(faces: Tensor) -> Tensor:
        sizes.append(len(faces))
        assert faces.min() >= -1
        assert faces.max() <= 1
        return faces.flip(3)

    before = squares(5)
    made = changes(before, mirror, batch=2)
    assert sizes == [2, 2, 1]
    for face, change in zip(before, made, strict=True):
        np.testing.assert_allclose(face + change, face[:, ::-1], atol=1e-5)


def test_a_generator_that_changes_nothing_changes_nothing() -> None:
    (made,) = changes(squares(1), lambda faces: faces, batch=1)
    assert np.abs(made).max() < 1e-6


def test_tone_is_the_photos_own() -> None:
    """A generator that fades the picture is undone: the face has the histogram it had."""
    (made,) = changes(squares(1), lambda faces: 0.3 * faces + 0.5, batch=1)
    assert np.abs(made).max() < 1e-4


def test_a_grey_face_stays_grey() -> None:
    grey = np.repeat(squares(1)[0][..., :1], 3, axis=2)
    weights = torch.tensor([1.0, 0.5, -0.5])[:, None, None]
    (made,) = changes([grey], lambda faces: faces.flip(2) * weights, batch=1)
    assert np.ptp(made, axis=2).max() < 1e-6
    assert np.abs(made).max() > 0.1


def test_no_faces_need_no_generator() -> None:
    assert changes([], lambda faces: pytest.fail("called"), batch=4) == []


@pytest.mark.parametrize(
    ("face_px", "memory", "expected"),
    [(256, None, LARGEST_BATCH), (256, GIGABYTE, 4), (512, GIGABYTE, 1), (512, 1000, 1), (256, 99 * GIGABYTE, 16)],
)
def test_memory_sets_the_batch(face_px: int, memory: int | None, expected: int) -> None:
    assert batch_size(face_px, memory) == expected


def test_what_overflows_is_redone_in_float32_and_what_is_no_number_refused() -> None:
    last = nn.Conv2d(3, 3, 1, bias=False)
    last.weight.data = torch.eye(3)[:, :, None, None] * 1e6
    faces = torch.full((1, 3, 8, 8), 0.5)
    made = on_device(last, device=torch.device("cpu"), dtype=torch.float16)(faces)
    assert torch.equal(made, torch.full((1, 3, 8, 8), 5e5))
    last.weight.data *= float("nan")
    with pytest.raises(OldPhotoError, match="no numbers"):
        on_device(last, device=torch.device("cpu"), dtype=torch.float16)(faces)


def test_a_network_becomes_a_generator() -> None:
    module = FaceGenerator(SpadeConfig(face_px=32, width=2, hidden_width=4))
    faces = torch.rand(2, 3, 32, 32) * 2 - 1
    exact = on_device(module, device=torch.device("cpu"), dtype=torch.float32)(faces)
    rough = on_device(module, device=torch.device("cpu"), dtype=torch.bfloat16)(faces)
    assert exact.shape == faces.shape
    assert exact.dtype == rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, atol=0.1, rtol=0)


@pytest.mark.gpu
def test_the_gpu_gives_what_the_cpu_gives() -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs CUDA")
    torch.manual_seed(0)
    module = FaceGenerator(SpadeConfig(face_px=64, width=8, hidden_width=16))
    faces = torch.rand(5, 3, 64, 64) * 2 - 1
    on_cpu = on_device(module, device=torch.device("cpu"), dtype=torch.float32)(faces)
    on_gpu = on_device(module, device=torch.device("cuda"), dtype=torch.float32)(faces)
    torch.testing.assert_close(on_gpu, on_cpu, atol=2e-2, rtol=0)  # convolutions may use TF32
