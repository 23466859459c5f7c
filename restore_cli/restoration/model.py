"""The networks of one model, loaded when they are first needed and kept on the device."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import nn

from restore_cli import weights
from restore_cli.networks import VAE, Fusion, Mapping, ToneNet
from restore_cli.networks.unet import fold_batch_norms
from restore_cli.networks.vae import Decoder, Encoder
from restore_cli.restoration.device import resolve_device, resolve_precision
from restore_cli.restoration.settings import Precision
from restore_cli.weights import ModelFolder


@dataclass(frozen=True)
class Way:
    """Tone, encoder A, mapping and decoder B: one way through the model."""

    encoder: Encoder
    mapping: Mapping
    decoder: Decoder
    tone: ToneNet | None = None
    """What corrects the tones before the encoder, in models that have it."""
    fusion: Fusion | None = None
    """Batch norms folded. Photos are restored at every octave in models that have it."""

    @property
    def is_local(self) -> bool:
        """Nothing in it looks at the whole photo, so that its rows can come in bands."""
        config = self.mapping.config
        return config.norm == "none" and (config.attention == "none" or config.window is not None)


class RestorationModel:
    """Parts of a model folder on a device."""

    def __init__(self, folder: ModelFolder, *, device: torch.device, dtype: torch.dtype) -> None:
        self.folder, self.device, self.dtype = folder, device, dtype
        self._ways: dict[str, Way] = {}
        self._loading = threading.Lock()

    @classmethod
    def load(cls, model: str | Path, *, device: str, precision: Precision) -> RestorationModel:
        """Resolve names. Raises WeightsMissing, WeightsDamaged, UsageProblem (device)."""
        place = resolve_device(device)
        return cls(weights.resolve_model(model), device=place, dtype=resolve_precision(precision, place))

    @property
    def branches(self) -> tuple[str, ...]:
        """Which ways the model has: some of "quality", "scratch", "patch"."""
        return self.folder.branches

    def way(self, branch: str) -> Way:
        """The networks of a branch, from any thread. Raises WeightsMissing if the model has no such branch."""
        with self._loading:
            if branch not in self._ways:
                self._ways[branch] = self._load_way(branch)
            return self._ways[branch]

    def _load_way(self, branch: str) -> Way:
        encoder_vae = self._encoder_vae
        mapping = self._ready(self.folder.path(f"{branch}.mapping"))
        decoder_vae = self._ready(self.folder.path(f"{branch}.decoder"))
        assert isinstance(mapping, Mapping)
        assert isinstance(decoder_vae, VAE)
        return Way(encoder_vae.encoder, mapping, decoder_vae.decoder, self._tone, self._fusion)

    @cached_property
    def on_cpu(self) -> RestorationModel:
        """The same model on the CPU, for photos that do not fit the device."""
        return RestorationModel(self.folder, device=torch.device("cpu"), dtype=torch.float32)

    @cached_property
    def _encoder_vae(self) -> VAE:
        vae = self._ready(self.folder.path("encoder"))
        assert isinstance(vae, VAE)
        return vae

    @cached_property
    def _tone(self) -> ToneNet | None:
        if self.folder.tone is None:
            return None
        tone = self._ready(self.folder.tone)
        assert isinstance(tone, ToneNet)
        return tone

    @cached_property
    def _fusion(self) -> Fusion | None:
        if self.folder.fusion is None:
            return None
        fusion = self._ready(self.folder.fusion)
        assert isinstance(fusion, Fusion)
        return fold_batch_norms(fusion)

    def _ready(self, path: Path) -> nn.Module:
        network = weights.load_network(path).to(self.device)
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
