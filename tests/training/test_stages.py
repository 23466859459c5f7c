"""What learns in each stage and what does not, with the adversaries and VGG in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from tests_training_photos import write_photos
from torch import nn

from restore_cli.errors import TrainingStopped, UsageProblem, WeightsDamaged
from restore_cli.networks import (
    VAE,
    VGG19,
    FusionConfig,
    Mapping,
    MappingConfig,
    ScratchUNet,
    SecondLook,
    SecondLookConfig,
    ToneConfig,
    UNetConfig,
    VAEConfig,
    VGGConfig,
)
from restore_cli.networks.discriminator import DiscriminatorConfig
from restore_cli.training.config import DataConfig, LoopConfig
from restore_cli.training.stage import Player, Shows, Stage
from restore_cli.training.stage_fusion import FusionStage, FusionStageConfig, RestoringNetworks
from restore_cli.training.stage_mapping import MappingStage, MappingStageConfig
from restore_cli.training.stage_second_look import SecondLookStage, SecondLookStageConfig
from restore_cli.training.stage_tone import ToneStage, ToneStageConfig
from restore_cli.training.stage_vae import VAEStage, VAEStageConfig
from restore_cli.training.trainer import Trainer

LOOP = LoopConfig(steps=2, batch_size=4, lr=1e-3, log_every=1, validate_every=1, sheet_every=1, tensorboard=False)
DATA = DataConfig(crop=32, context=0, validation_photos=1, validation_crop=32)
NETWORK = VAEConfig(width=4, latent=4, blocks=1)
JUDGES = DiscriminatorConfig(width=2)
VAES = VAEStageConfig(
    network=NETWORK, gan=1.0, feature_matching=10.0, perceptual=10.0, latent_gan=1.0, discriminator=JUDGES
)
MAPPING = MappingStageConfig(
    network=MappingConfig(latent=4, width=8, ramp=1, blocks=1, attention="non_local", non_local_blocks=1),
    gan=1.0,
    feature_matching=10.0,
    perceptual=10.0,
    discriminator=replace(JUDGES, spectral_norm=True),
    mapping_lr=0.5,
    discriminator_lr=2.0,
)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_photos(tmp_path / "clean", 4)


@pytest.fixture
def vgg() -> VGG19:
    torch.manual_seed(3)
    return VGG19(VGGConfig(width=2))


def vaes(photos: Path, vgg: VGG19 | None, config: VAEStageConfig = VAES, old: bool = True) -> VAEStage:
    folder = photos if old else None
    return VAEStage(config=config, loop=LOOP, data=DATA, clean=photos, old=folder, damage=None, vgg=vgg)


def mapping(photos: Path, vgg: VGG19 | None, config: MappingStageConfig = MAPPING) -> MappingStage:
    torch.manual_seed(1)
    a, b = (VAE(NETWORK).requires_grad_(False) for _ in range(2))
    detector = ScratchUNet(UNetConfig(base=2, levels=2)).requires_grad_(False)
    return MappingStage(
        config=config, loop=LOOP, data=DATA, clean=photos, damage=None, vae_a=a, vae_b=b, detector=detector, vgg=vgg
    )


def snapshot(networks: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.detach().clone() for key, value in networks.named_parameters()}


def trained(stage: Stage, folder: Path) -> list[dict[str, float]]:
    folder.mkdir()
    seen: list[dict[str, float]] = []
    Trainer(
        stage,
        folder,
        accelerator=Accelerator(cpu=True),
        workers=0,
        report=lambda step, steps, losses: seen.append(losses),
    ).run()
    return seen


def batch_of(stage: Stage) -> dict[str, torch.Tensor]:
    samples = [stage.dataset()[number] for number in range(4)]
    return {key: torch.stack([sample[key] for sample in samples]) for key in samples[0]}


def gradients_after(stage: Stage, player: Player, batch: dict[str, torch.Tensor]) -> set[str]:
    """Names of the networks, frozen ones too, that got a gradient from one player's objective."""
    for name, network in stage.networks.items():
        network.requires_grad_(name in player.networks)
    stage.networks.zero_grad(set_to_none=True)
    torch.stack(list(player.objective(batch).values())).sum().backward()
    everyone = [*stage.networks.items(), *stage.frozen.items()]
    return {
        name
        for name, network in everyone
        if any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in network.parameters())
    }


def test_every_part_of_stage_1_has_its_losses_and_learns(photos: Path, tmp_path: Path, vgg: VGG19) -> None:
    stage = vaes(photos, vgg)
    before, judge_of_features = snapshot(stage.networks), snapshot(vgg)
    losses = trained(stage, tmp_path / "run")[0]
    own = {f"{term}_{domain}" for term in ("kl", "l1", "gan", "feature_matching", "perceptual") for domain in "ab"}
    assert set(losses) == own | {"latent_gan", "judge_a", "judge_b", "judge_latent"}
    for name in stage.networks:
        moved = [not torch.equal(v, before[k]) for k, v in stage.networks.named_parameters() if k.startswith(name)]
        assert any(moved), name
    assert all(torch.equal(value, judge_of_features[key]) for key, value in vgg.named_parameters())


def test_in_stage_1_each_player_moves_its_own_networks_alone(photos: Path, vgg: VGG19) -> None:
    stage = vaes(photos, vgg.requires_grad_(False))
    batch = batch_of(stage)
    found = {player.name: gradients_after(stage, player, batch) for player in stage.players()}
    assert found == {name: {name} for name in ("vae_a", "judge_a", "judge_latent", "vae_b", "judge_b")}


def test_the_latent_judge_pulls_on_real_photos_alone(photos: Path) -> None:
    """Aged photos are its "real": they have nothing to prove, so no gradient comes from them."""
    silent = replace(VAES, gan=0.0, perceptual=0.0, kl=0.0, l1=0.0)
    stage = vaes(photos, None, silent)
    batch = batch_of(stage)
    batch["aged"].requires_grad_(True)
    batch["old"].requires_grad_(True)
    stage.objective_a(batch)["latent_gan"].backward()
    aged, old = batch["aged"].grad, batch["old"].grad
    assert old is not None
    assert old[:2].abs().sum() > 0
    assert aged is None or float(aged.abs().max()) == 0


def test_without_real_photos_or_vgg_the_rest_goes_on(photos: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("WARNING", logger="restore_cli"):
        stage = vaes(photos, None, old=False)
    assert "--old" in caplog.text
    assert "judge_latent" not in stage.networks
    losses = stage.objective_a(batch_of(stage))
    assert set(losses) == {"kl_a", "l1_a", "gan_a", "feature_matching_a"}


def test_one_sample_is_too_few_for_the_latent_judge(photos: Path) -> None:
    stage = vaes(photos, None)
    batch = {key: value[:1] for key, value in batch_of(stage).items()}
    with pytest.raises(TrainingStopped, match="two samples"):
        stage.objective_a(batch)


def test_stage_2_trains_the_mapping_and_its_judge_and_nothing_else(photos: Path, tmp_path: Path, vgg: VGG19) -> None:
    stage = mapping(photos, vgg)
    before, frozen = snapshot(stage.networks), snapshot(stage.frozen)
    losses = trained(stage, tmp_path / "run")[0]
    assert set(losses) == {"latent_l1", "gan", "feature_matching", "perceptual", "judge"}
    for name in ("mapping", "judge"):
        assert any(not torch.equal(v, before[k]) for k, v in stage.networks.named_parameters() if k.startswith(name))
    assert {name.split(".")[0] for name in frozen} == {"vae_a", "vae_b", "detector", "vgg"}
    assert all(torch.equal(value, frozen[key]) for key, value in stage.frozen.named_parameters())
    assert isinstance(stage, Shows)
    assert len(list((tmp_path / "run" / "stage2.sheets").glob("*.png"))) == 2


def test_in_stage_2_gradients_pass_through_the_frozen_decoder_and_stay_out_of_it(photos: Path, vgg: VGG19) -> None:
    stage = mapping(photos, vgg.requires_grad_(False), replace(MAPPING, latent_l1=0.0))
    batch = batch_of(stage)
    found = {player.name: gradients_after(stage, player, batch) for player in stage.players()}
    assert found == {"mapping": {"mapping"}, "judge": {"judge"}}
    assert [player.lr_scale for player in stage.players()] == [0.5, 2.0]


def test_a_mapping_beside_the_vaes_is_trained_on(photos: Path) -> None:
    torch.manual_seed(9)
    vaes = {"vae_a": VAE(NETWORK), "vae_b": VAE(NETWORK)}
    same, wider = (Mapping(replace(MAPPING.network, width=width)) for width in (8, 12))
    for start, taken in ((same, True), (wider, False)):
        stage = MappingStage(
            config=MAPPING, loop=LOOP, data=DATA, clean=photos, damage=None, detector=None, start=start, **vaes
        )
        weights = stage.networks["mapping"].state_dict()
        assert (
            torch.equal(weights["ramp_in.0.conv.weight"][:1, :1], start.state_dict()["ramp_in.0.conv.weight"][:1, :1])
            == taken
        )


def test_joint_training_moves_the_vaes_too(photos: Path) -> None:
    stage = mapping(photos, None, replace(MAPPING, joint=True, latent_l1=0.0, image_l1=1.0))
    (first, judge), batch = stage.players(), batch_of(stage)
    assert gradients_after(stage, first, batch) == {"mapping", "vae_a", "vae_b"}
    assert gradients_after(stage, judge, batch) == {"judge"}


def test_a_vae_with_another_latent_is_refused_by_name(photos: Path) -> None:
    wide = replace(MAPPING, network=replace(MAPPING.network, latent=8))
    with pytest.raises(WeightsDamaged, match=r"vae_a has a latent of 4 .* 8"):
        mapping(photos, None, wide)


def test_each_branch_has_a_run_of_its_own(photos: Path) -> None:
    assert mapping(photos, None).name == "stage2"
    assert mapping(photos, None, replace(MAPPING, branch="quality")).name == "stage2_quality"


def test_detected_masks_follow_from_the_sample(photos: Path) -> None:
    """The same sample gets the same threshold in any batch and process."""
    stage = mapping(photos, None)
    stage.frozen.eval()  # as the trainer does
    batch = batch_of(stage)
    drawn = {"share": 1.0, "threshold": (0.0, 1.0), "seed": 0}
    whole = stage.preparation.training_mask(batch, **drawn)
    part = stage.preparation.training_mask({key: value[2:] for key, value in batch.items()}, **drawn)
    assert torch.equal(whole[2:], part)
    assert not torch.equal(whole, batch["mask"])


def test_the_second_look_learns_and_the_first_stays_as_it_is(photos: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    detector = ScratchUNet(UNetConfig(base=2, levels=2))
    config = SecondLookStageConfig(network=SecondLookConfig(base=2, levels=1))
    stage = SecondLookStage(config=config, loop=LOOP, data=DATA, clean=photos, damage=None, detector=detector)
    before, first = snapshot(stage.networks), snapshot(detector)
    losses = trained(stage, tmp_path / "run")
    assert set(losses[0]) == {"balanced", "focal"}
    assert any(not torch.equal(before[name], value) for name, value in snapshot(stage.networks).items())
    assert all(torch.equal(first[name], value) for name, value in snapshot(detector).items())
    with torch.no_grad():
        figures = stage.validate(stage.networks)
    assert set(figures) >= {"realistic_f1", "realistic_auc", "clean_called_damaged"}


def test_a_second_look_that_goes_on_keeps_its_batch_statistics(photos: Path, tmp_path: Path) -> None:
    """It learns with what it has in use, not with those of a step's few crops."""
    torch.manual_seed(1)
    detector, start = ScratchUNet(UNetConfig(base=2, levels=2)), SecondLook(SecondLookConfig(base=2, levels=1))
    config = SecondLookStageConfig(network=SecondLookConfig(base=2, levels=1))
    given = {"config": config, "loop": LOOP, "data": DATA, "clean": photos, "damage": None, "detector": detector}
    for name, first in (("fresh", None), ("goes on", start)):
        stage = SecondLookStage(**given, start=first)
        before = {key: value.clone() for key, value in stage.networks.state_dict().items()}
        trained(stage, tmp_path / name)
        after = stage.networks.state_dict()
        changed = {key.rpartition(".")[2] for key in before if not torch.equal(before[key], after[key])}
        assert "weight" in changed
        assert ("running_var" in changed) == (first is None)


def test_the_second_look_sees_crops_large_and_at_every_other_step_smaller(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("restore_cli.networks.second_look.SEEN_ONCE_PX", 48)
    monkeypatch.setattr("restore_cli.networks.second_look.FARTHEST_PX", 16)
    torch.manual_seed(1)
    detector = ScratchUNet(UNetConfig(base=2, levels=2)).eval()
    config = SecondLookStageConfig(network=SecondLookConfig(base=2, levels=1))
    stage = SecondLookStage(config=config, loop=LOOP, data=DATA, clean=photos, damage=None, detector=detector)
    light = torch.linspace(-1, 1, 64).expand(4, 3, 64, 64)
    mask = torch.zeros(4, 1, 64, 64)
    mask[..., 32:] = 1  # where it is lighter, at any size

    looks: list[list[tuple[int, int]]] = []
    for step in range(3):
        batch = {"aged": light, "mask": mask, "number": torch.arange(4) + 4 * step}
        looks.append([(aged.shape[3], count) for aged, _, count in stage.seen(batch)])
        for aged, damage, _ in stage.seen(batch):
            assert torch.equal(damage > 0.5, aged[:, :1] > 0)
    assert looks == [[(64, 3)], [(32, 1), (32, 2)], [(64, 3)]]


def fusion(photos: Path, **config: int) -> FusionStage:
    torch.manual_seed(1)
    a, b = (VAE(NETWORK).requires_grad_(False) for _ in range(2))
    restoring = RestoringNetworks(vae_a=a, mapping=Mapping(MAPPING.network).requires_grad_(False), vae_b=b)
    stage_config = FusionStageConfig(network=FusionConfig(base=2, levels=1), **config)
    data = replace(DATA, crop=64)
    return FusionStage(config=stage_config, loop=LOOP, data=data, clean=photos, damage=None, restoring=restoring)


def test_the_fusion_learns_and_what_restores_stays_as_it_is(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("restore_cli.networks.fusion.FARTHEST_PX", 32)  # two octaves in the validation, too
    stage = fusion(photos)
    before, restoring = snapshot(stage.networks), snapshot(stage.frozen)
    losses = trained(stage, tmp_path / "run")
    assert set(losses[0]) == {"rmse", "laplacian", "ssim"}
    assert any(not torch.equal(before[name], value) for name, value in snapshot(stage.networks).items())
    assert all(torch.equal(restoring[name], value) for name, value in snapshot(stage.frozen).items())
    with torch.no_grad():
        figures = stage.validate(stage.networks)
    for name in ("published", "realistic", "sound"):
        assert figures[f"{name}_alone_db"] != figures[f"{name}_psnr_db"]


def test_a_crop_that_does_not_halve_so_often_is_refused(photos: Path) -> None:
    with pytest.raises(UsageProblem, match="64 px cannot be fused from 5"):
        fusion(photos, octaves=5)


def test_the_tone_network_learns_from_the_crop_it_corrects(photos: Path, tmp_path: Path) -> None:
    """Also where the configuration asks for context, as the other stages' do: a crop stands for the whole photo."""
    config = ToneStageConfig(network=ToneConfig(thumbnail=32, width=4))
    data = replace(DATA, context=16)
    stage = ToneStage(config=config, loop=LOOP, data=data, clean=photos, damage=None)
    batch = batch_of(stage)
    before = snapshot(stage.networks)
    assert torch.equal(batch["surroundings"][:, :3], batch["aged"])
    losses = trained(stage, tmp_path / "run")
    assert all("rmse" in step for step in losses)
    assert any(not torch.equal(before[name], value) for name, value in snapshot(stage.networks).items())
    assert set(stage.validate(stage.networks)) >= {"published_psnr_db", "realistic_psnr_db", "sound_psnr_db"}


def test_the_tone_network_is_not_asked_to_undo_damage(photos: Path) -> None:
    """Nor its rim, where a pixel of the thumbnail is half a hole: one that changes nothing is right about holes."""
    config = ToneStageConfig(network=ToneConfig(thumbnail=16, width=4))
    stage = ToneStage(config=config, loop=LOOP, data=DATA, clean=photos, damage=None)
    batch = batch_of(stage)
    holes = (torch.rand(batch["mask"].shape, generator=torch.Generator().manual_seed(0)) < 0.4).float()
    holed = batch["clean"] * (1 - holes) + holes
    assert stage.objective(batch | {"aged": holed, "mask": holes})["rmse"].item() == pytest.approx(0.01, abs=1e-4)
    assert stage.objective(batch | {"aged": holed, "mask": 0 * holes})["rmse"].item() > 0.1
