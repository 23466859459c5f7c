"""The loop on a tiny detector: nothing is lost when it is stopped, and nothing is hidden when it fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from tests_training_photos import write_photos

from restore_cli.errors import TrainingStopped, UsageProblem
from restore_cli.networks import UNetConfig
from restore_cli.training.config import DataConfig, LoopConfig
from restore_cli.training.optimizing import rate_factor
from restore_cli.training.stage_detector import DetectorStage, DetectorStageConfig
from restore_cli.training.trainer import Trainer

LOOP = LoopConfig(
    steps=4, batch_size=2, lr=1e-3, ema=0.9, log_every=1, validate_every=100, warmup_steps=2, tensorboard=False
)
DATA = DataConfig(crop=32, context=0, validation_photos=1, validation_crop=32)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_photos(tmp_path / "clean", 4)


def trainer(photos: Path, output: Path, loop: LoopConfig = LOOP, **options: object) -> Trainer:
    output.mkdir(exist_ok=True)
    config = DetectorStageConfig(network=UNetConfig(base=2, levels=2), plain=1.0)
    stage = DetectorStage(config=config, loop=loop, data=DATA, clean=photos, damage=None)
    return Trainer(stage, output, accelerator=Accelerator(cpu=True), workers=0, **options)  # type: ignore[arg-type]


def states_equal(one: Path, other: Path) -> bool:
    first, second = (torch.load(path / "detector.ckpt", weights_only=True) for path in (one, other))
    return first["step"] == second["step"] and all(
        torch.equal(first[part][key], second[part][key])
        for part in ("networks", "average")
        for key in first["networks"]
    )


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_stopped_run_goes_on_bit_for_bit(photos: Path, tmp_path: Path, accumulate: int) -> None:
    loop = replace(LOOP, accumulate=accumulate)
    trainer(photos, tmp_path / "whole", loop).run()
    stopped = trainer(photos, tmp_path / "parts", loop, stop=lambda: stopped.step == 2)
    stopped.run()
    assert stopped.step == 2
    again = trainer(photos, tmp_path / "parts", loop)
    again.resume()
    again.run()
    assert states_equal(tmp_path / "whole", tmp_path / "parts")


def test_a_run_writes_log_and_model(photos: Path, tmp_path: Path) -> None:
    figures = trainer(photos, tmp_path / "run").run()
    lines = [json.loads(line) for line in (tmp_path / "run" / "detector.log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 4]
    assert {"published_auc", "realistic_f1", "clean_called_damaged"} <= figures.keys()
    assert json.loads((tmp_path / "run" / "model.json").read_text())["detector"] == "detector.safetensors"


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_checkpoint(photos: Path, tmp_path: Path) -> None:
    run = trainer(photos, tmp_path / "run")
    run.save()
    before = run.checkpoint.read_bytes()
    with torch.no_grad():
        run.stage.networks["detector"].last.weight.fill_(torch.inf)  # type: ignore[union-attr, operator]
    with pytest.raises(TrainingStopped, match="step 1"):
        run.run()
    assert run.checkpoint.read_bytes() == before


def test_weights_that_a_step_has_ruined_are_not_kept(photos: Path, tmp_path: Path) -> None:
    """The losses of the step were good; those of the next will not be, and by then a checkpoint would be lost."""
    trainer(photos, tmp_path / "run", replace(LOOP, steps=2)).run()
    wild = replace(LOOP, steps=40, lr=1e3, checkpoint_minutes=0, warmup_steps=0)
    run = trainer(photos, tmp_path / "run", wild)
    before = run.checkpoint.read_bytes()
    run.resume()
    with pytest.raises(TrainingStopped, match=r"became|exploded"):
        run.run()
    assert run.step > 2
    assert run.checkpoint.read_bytes() == before


def test_weights_that_the_last_step_has_ruined_are_not_exported(photos: Path, tmp_path: Path) -> None:
    run = trainer(photos, tmp_path / "run", replace(LOOP, steps=1, ema=0))
    run.report = lambda step, steps, losses: next(run.stage.networks.parameters()).data.fill_(torch.nan)
    with pytest.raises(TrainingStopped, match="weights of detector are no numbers any more after step 1"):
        run.run()
    assert not (tmp_path / "run" / "detector.safetensors").exists()
    assert not run.checkpoint.exists()


def test_an_infinite_gradient_stops_before_it_reaches_the_weights(photos: Path, tmp_path: Path) -> None:
    """The losses are still numbers then, and a checkpoint after the step would hold what is not."""
    run = trainer(photos, tmp_path / "run")
    last = run.stage.networks["detector"].last
    assert isinstance(last, torch.nn.Conv2d)
    last.weight.register_hook(lambda gradient: gradient * torch.inf)
    before = {key: value.clone() for key, value in run.stage.networks.state_dict().items() if "weight" in key}
    with pytest.raises(TrainingStopped, match="gradient of detector"):
        run.run()
    after = run.stage.networks.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    assert not run.checkpoint.exists()


def test_a_checkpoint_is_kept_while_losses_are_far_above_normal(photos: Path, tmp_path: Path) -> None:
    run = trainer(photos, tmp_path / "run")
    run.save()
    good = run.checkpoint.read_bytes()
    run.guard.check("detector", {"a": 1.0}, step=1, hint="")
    run.guard.check("detector", {"a": 100.0}, step=2, hint="")
    run.step = 2
    run.save()
    assert run.checkpoint.read_bytes() == good


@pytest.fixture
def bf16() -> Iterator[Accelerator]:
    """accelerate keeps one state a process, which the next test must not meet."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield Accelerator(cpu=True, mixed_precision="bf16")
    AcceleratorState._reset_state(reset_partial_state=True)


def test_bf16_channels_last_and_clipping_train(photos: Path, tmp_path: Path, bf16: Accelerator) -> None:
    """Not the last digit is looked at, only that such a run goes through and learns something finite."""
    loop = replace(LOOP, channels_last=True, clip_norm=0.1, accumulate=2)
    (tmp_path / "run").mkdir()
    config = DetectorStageConfig(network=UNetConfig(base=2, levels=2))
    stage = DetectorStage(config=config, loop=loop, data=DATA, clean=photos, damage=None)
    run = Trainer(stage, tmp_path / "run", accelerator=bf16, workers=0)
    before = {key: value.clone() for key, value in stage.networks.named_parameters()}
    seen: list[float] = []
    run.report = lambda step, steps, losses: seen.extend(losses.values())
    run.run()
    assert len(seen) == 2 * loop.steps
    assert all(0 < value < 100 for value in seen)
    assert any(not torch.equal(value, before[key]) for key, value in stage.networks.named_parameters())


def test_a_checkpoint_of_another_network_is_refused(photos: Path, tmp_path: Path) -> None:
    run = trainer(photos, tmp_path / "run")
    run.save()
    state = torch.load(run.checkpoint, weights_only=True)
    state["networks"].popitem()
    torch.save(state, run.checkpoint)
    with pytest.raises(TrainingStopped, match=r"does not fit.*1 missing: detector\.last\.bias"):
        trainer(photos, tmp_path / "run").resume()


@pytest.mark.parametrize("content", [[1, 2], {"networks": 3}, {}])
def test_a_file_of_torch_that_is_no_checkpoint_is_refused(photos: Path, tmp_path: Path, content: object) -> None:
    run = trainer(photos, tmp_path / "run")
    torch.save(content, run.checkpoint)
    with pytest.raises(TrainingStopped, match=r"detector\.ckpt"):
        run.resume()


def test_a_checkpoint_of_a_later_step_is_refused(photos: Path, tmp_path: Path) -> None:
    trainer(photos, tmp_path / "run").run()
    with pytest.raises(UsageProblem, match="4 steps behind it, more than the 2 asked for"):
        trainer(photos, tmp_path / "run", replace(LOOP, steps=2)).resume()


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_a_damaged_or_missing_checkpoint_is_named(photos: Path, tmp_path: Path, content: bytes | None) -> None:
    run = trainer(photos, tmp_path / "run")
    if content is not None:
        run.checkpoint.write_bytes(content)
    with pytest.raises(TrainingStopped, match=r"detector\.ckpt"):
        run.resume()


def test_the_rate_rises_stays_and_falls_to_zero() -> None:
    loop = LoopConfig(steps=100, warmup_steps=10, decay_share=0.5)
    assert [rate_factor(loop, step) for step in (0, 9, 30, 50, 75)] == pytest.approx([0.1, 1, 1, 1, 0.5])
    assert rate_factor(loop, 99) == pytest.approx(0.02)
