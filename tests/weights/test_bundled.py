"""The weights that come with oldphoto, looked into."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from restore_cli import Restorer
from restore_cli.networks import VAE
from restore_cli.networks.attention import PartialNonLocal
from restore_cli.weights import load_network, resolve_model
from restore_cli.weights.places import model_folder

SIDE = 96


@pytest.fixture
def picture() -> Tensor:
    """(1, 3, S, S) in [-1, 1]: smooth shapes with grain."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    shapes = np.stack([np.sin(7 * rows), np.cos(9 * columns * rows), columns - 0.5])
    return torch.from_numpy(0.6 * shapes + rng.normal(0, 0.1, shapes.shape)).float()[None]


def silent_layers(network: nn.Module, *inputs: Tensor) -> list[str]:
    """Convolutions that answer the same all over a picture, or all in the same direction."""
    silent: list[str] = []

    def look(name: str) -> object:
        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            answers = output[0].flatten(1)
            spread = answers - answers.mean(dim=1, keepdim=True)
            powers = torch.linalg.svdvals(spread.float()).square()
            directions = float(powers.sum().square() / powers.square().sum().clamp_min(1e-30))
            if float(spread.abs().max()) < 1e-3 or (len(answers) > 3 and directions < 1.05):
                silent.append(f"{name}: {float(spread.abs().max()):.1e}, {directions:.2f} directions")

        return hook

    # The non-local block answers with nearly one average so far (weights/MODEL_CARD.md, "Where it is weak").
    averaging = {part for block in network.modules() if isinstance(block, PartialNonLocal) for part in block.modules()}
    for name, module in network.named_modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)) and module not in averaging:
            module.register_forward_hook(look(name))  # type: ignore[arg-type]
    with torch.inference_mode():
        network(*inputs)
    return silent


def test_no_layer_of_the_bundled_mapping_is_silent(picture: Tensor) -> None:
    """ReLUs had died in an earlier one, and it gave every photo the same correction. Nobody saw."""
    folder = model_folder("small")
    vae, mapping = (load_network(folder / f"{name}.safetensors") for name in ("vae_a", "mapping_scratch"))
    assert isinstance(vae, VAE)
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., 20:28, 30:60] = 1
    with torch.inference_mode():
        latent = vae.encoder(picture)
    assert silent_layers(vae.encoder, picture) == []
    assert silent_layers(mapping, latent, mask) == []


def test_the_bundled_model_is_called_small() -> None:
    """In rows, sidecars and metadata; it had once gone out under the name of an experiment."""
    assert resolve_model("small").name == "small"


def test_the_bundled_model_takes_grain_away() -> None:
    rng = np.random.default_rng(0)
    clean = np.tile(np.linspace(60, 190, 160)[:, None, None], (1, 160, 3))
    grainy = np.clip(clean + rng.normal(0, 15, (160, 160, 1)), 0, 255).astype(np.uint8)
    restored = Restorer.load("small", device="cpu").restore(grainy, np.zeros((160, 160), bool)).image.astype(float)

    def grain(image: np.ndarray) -> float:
        return float((image[8:-8, 8:-8] - image[8:-8, 8:-8].mean(axis=1, keepdims=True)).std())

    assert grain(restored) < 0.6 * grain(grainy.astype(float))
