"""Whole runs as the command starts them: killed, stopped, on two processes, refused."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image
from tests_training_photos import scene, write_pairs, write_photos

from restore_cli.cli.main import main
from restore_cli.errors import UsageProblem, WeightsDamaged
from restore_cli.networks import VAE, Mapping, MappingConfig, VAEConfig
from restore_cli.training.photo_folder import PhotoFolder
from restore_cli.training.runs import TrainRequest, train
from restore_cli.weights import save_network, write_manifest
from restore_cli.weights.manifest import read_manifest

TINY = """
[loop]
batch_size = 4
accumulate = 1
log_every = 1
validate_every = 1000
sheet_every = 0
tensorboard = false
ema = 0.9
warmup_steps = 0
checkpoint_minutes = 0
[data]
crop = 32
context = 0
validation_photos = 1
validation_crop = 32
"""
DETECTOR = TINY + "[stage]\nnetwork = { base = 2, levels = 2 }\nbalanced = 1.0\nfocal = 10.0\ndice = 0.0\n"
SECOND_LOOK = TINY + "[stage]\nnetwork = { base = 2, levels = 1 }\n"
STAGE1 = (
    'base = "published"\n' + TINY + "[stage]\nnetwork = { width = 4, latent = 4, blocks = 1 }\n"
    "discriminator = { width = 2 }\n"
)
STAGE2 = (
    'base = "published"\n' + TINY + "[stage]\ndiscriminator = { width = 2 }\n"
    "[stage.network]\nlatent = 4\nwidth = 8\nramp = 1\nblocks = 1\nnon_local_blocks = 1\n"
)
TONE = TINY + "[stage]\nnetwork = { thumbnail = 32 }\n"
FUSION = (
    TINY.replace("crop = 32\ncontext", "crop = 64\ncontext")
    + "[stage]\noctaves = 2\nnetwork = { base = 2, levels = 1 }\n"
)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_photos(tmp_path / "clean", 4)


def configured(folder: Path, text: str) -> Path:
    file = folder / "tiny.toml"
    file.write_text(text)
    return file


def arguments(stage: str, photos: Path, output: Path, config: Path, steps: int) -> list[str]:
    given = {"--clean": photos, "--output": output, "--config": config, "--steps": steps, "--workers": 0}
    return ["train", stage, "--device", "cpu", *(str(word) for pair in given.items() for word in pair)]


def losses(run: Path, stage: str) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (run / f"{stage}.log.jsonl").read_text().splitlines()]
    timings = ("seconds", "waited_seconds")
    return [{key: value for key, value in line.items() if key not in timings} for line in lines]


def same(one: object, other: object) -> bool:
    """Deep equality, bit for bit."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return (
        torch.equal(one, other) if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor) else one == other
    )


def checkpoint(run: Path, stage: str) -> dict[str, object]:
    loaded: dict[str, object] = torch.load(run / f"{stage}.ckpt", weights_only=True)
    return loaded


def test_a_killed_run_goes_on_bit_for_bit(photos: Path, tmp_path: Path) -> None:
    """SIGKILL at a random step: networks, averages, optimisers and the log end as if nothing had happened."""
    config, steps = configured(tmp_path, STAGE1), 16
    command = arguments("stage1", photos, tmp_path / "killed", config, steps)
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}  # as here: it changes the last bits
    process = subprocess.Popen([sys.executable, "-m", "restore_cli", *command], env=environment)
    log, kill_after = tmp_path / "killed" / "stage1.log.jsonl", random.randint(2, 8)
    while process.poll() is None and not (log.is_file() and log.read_text().count("\n") >= kill_after):
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL, "it was still running"
    assert main([*command, "--resume"]) == 0
    assert main(arguments("stage1", photos, tmp_path / "whole", config, steps)) == 0
    assert same(checkpoint(tmp_path / "killed", "stage1"), checkpoint(tmp_path / "whole", "stage1")), kill_after
    assert losses(tmp_path / "killed", "stage1") == losses(tmp_path / "whole", "stage1")


def test_sigterm_writes_a_checkpoint_of_the_step_and_ends(photos: Path, tmp_path: Path) -> None:
    def ask(step: int, steps: int, found: dict[str, float]) -> None:
        if step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    config = configured(tmp_path, DETECTOR.replace("checkpoint_minutes = 0", "checkpoint_minutes = 60"))
    request = TrainRequest(
        stage="detector", clean=photos, output=tmp_path / "run", config=config, steps=50, device="cpu", workers=0
    )
    with pytest.raises(KeyboardInterrupt):
        train(request, report=ask)
    assert checkpoint(tmp_path / "run", "detector")["step"] == 3
    assert json.loads((tmp_path / "run" / "detector.run.json").read_text())["result"]["state"] == "stopped"


def test_a_second_look_beside_its_detector_goes_on_as_it_started(photos: Path, tmp_path: Path) -> None:
    """Its own export lies in the folder it started from by then, and is not to be taken for a second look before it."""
    text = SECOND_LOOK.replace("validate_every = 1000", "validate_every = 1") + "logit_shift = -1.0\n"
    runs = tmp_path / "whole", tmp_path / "parts"
    for run in runs:
        assert main(arguments("detector", photos, run, configured(tmp_path, DETECTOR), 1)) == 0
    config = configured(tmp_path, text)
    whole, parts = ([*arguments("second-look", photos, run, config, 4), "--init", str(run)] for run in runs)
    assert main(whole) == 0

    request = TrainRequest(
        stage="second-look",
        clean=photos,
        init=str(tmp_path / "parts"),
        output=tmp_path / "parts",
        config=config,
        steps=4,
        device="cpu",
        workers=0,
    )
    with pytest.raises(KeyboardInterrupt):
        train(request, report=lambda step, steps, found: os.kill(os.getpid(), signal.SIGTERM) if step == 2 else None)
    assert main([*parts, "--resume"]) == 0
    assert same(checkpoint(tmp_path / "parts", "second-look"), checkpoint(tmp_path / "whole", "second-look"))
    exported = ((run / "second_look.safetensors").read_bytes() for run in runs)
    assert len(set(exported)) == 1


def test_a_resumed_run_keeps_what_is_known_of_it(photos: Path, tmp_path: Path) -> None:
    """One that is finished has nothing to do; one that cannot go on leaves its file as it was."""
    run, config = tmp_path / "run", configured(tmp_path, DETECTOR)
    assert main(arguments("detector", photos, run, config, 2)) == 0
    before = json.loads((run / "detector.run.json").read_text())["result"]
    assert before["figures"]
    assert main([*arguments("detector", photos, run, config, 2), "--resume"]) == 0
    after = json.loads((run / "detector.run.json").read_text())["result"]
    assert (after["state"], after["figures"], after["steps"]) == ("finished", before["figures"], 2)

    written = (run / "detector.run.json").read_bytes()
    assert main([*arguments("detector", photos, run, config, 1), "--resume"]) == 2
    larger = configured(tmp_path, DETECTOR.replace("base = 2", "base = 4"))
    assert main([*arguments("detector", photos, run, larger, 4), "--resume"]) == 1
    assert (run / "detector.run.json").read_bytes() == written


@pytest.mark.slow
def test_two_processes_find_the_losses_of_one(photos: Path, tmp_path: Path) -> None:
    """The detector for its batch norm, stage 1 for its noise and its judges. Differences are those of summation order:
    float32 sums over half a batch each, carried through four optimiser steps.
    """
    driver = tmp_path / "both.py"
    calls = {}
    for stage, text in (("detector", DETECTOR), ("stage1", STAGE1)):
        (tmp_path / stage).mkdir()
        config = configured(tmp_path / stage, text)
        both = [arguments(stage, photos, tmp_path / stage / run, config, 4) for run in ("two", "one")]
        calls[stage] = [[*words, "--precision", "fp32"] for words in both]
    commands = [two for two, _ in calls.values()]
    driver.write_text(
        f"import sys\nfrom restore_cli.cli.main import main\nsys.exit(max(main(c) for c in {commands!r}))\n"
    )
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(driver)]
    ran = subprocess.run(launch, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    for stage, (_, one) in calls.items():
        assert main(one) == 0
        alone, shared = (losses(tmp_path / stage / run, stage)[:4] for run in ("one", "two"))  # then the validation
        for expected, found in zip(alone, shared, strict=True):
            assert found == pytest.approx(expected, rel=2e-3, abs=1e-5)
        assert alone[0] == pytest.approx(shared[0], rel=1e-5)
        assert json.loads((tmp_path / stage / "two" / f"{stage}.run.json").read_text())["processes"] == 2


def test_the_stages_make_a_folder_that_restores(photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    stages = {
        "detector": (DETECTOR, []),
        "second-look": (SECOND_LOOK, ["--init", str(run)]),
        "stage1": (STAGE1, ["--old", str(photos)]),
        "stage2": (STAGE2, ["--vae", str(run)]),
        "fusion": (FUSION, ["--init", str(run)]),
    }
    for stage, (text, more) in stages.items():
        config = configured(tmp_path, text)
        assert main([*arguments(stage, photos, run, config, 2), *more]) == 0
        facts = json.loads((run / f"{stage}.run.json").read_text())
        assert facts["result"]["state"] == "finished"
        # The second look gets photos that the detector has not learned from.
        assert facts["data"]["training_photos"] == {"detector": 2, "second-look": 1}.get(stage, 3)
        assert facts["result"]["figures"]
        assert facts["versions"]["torch"] == torch.__version__
    assert {"detector", "second_look", "encoder", "fusion"} <= set(read_manifest(run).roles)
    assert main(["restore", str(photos), str(tmp_path / "out"), "--model", str(run), "--device", "cpu"]) == 0
    assert len(list((tmp_path / "out").glob("*.jpg"))) == 4
    again = arguments("stage1", photos, run, config, 2)
    assert main(again) == 2, "its VAEs would no longer fit the mapping"


@pytest.mark.parametrize(
    ("stage", "text", "left"),
    [
        ("detector", DETECTOR, b""),
        ("tone", TONE, b"\x89PNG nothing"),
        ("stage1", STAGE1, None),
        ("fusion", FUSION, b""),
    ],
)
def test_without_a_usable_validation_photo_training_says_so_once(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, stage: str, text: str, left: bytes | None
) -> None:
    """left: of the photo kept apart; None: it is too small."""
    (kept,) = PhotoFolder.find(photos, validation=1).validation
    if left is None:
        Image.fromarray(scene(20, 40)).save(kept)
    else:
        kept.write_bytes(left)
    run, config = tmp_path / "run", configured(tmp_path, text.replace("validate_every = 1000", "validate_every = 1"))
    more = ["--init", "small"] if stage == "fusion" else []
    assert main([*arguments(stage, photos, run, config, 2), *more]) == 0
    told = [
        record.getMessage() for record in caplog.records if "kept for validation cannot be read" in record.getMessage()
    ]
    assert [words.split(" cannot")[0] for words in told] == ["1 of 1 photos kept for validation"]
    result = json.loads((run / f"{stage}.run.json").read_text())["result"]
    assert (result["state"], result["figures"]) == ("finished", {})
    assert list(run.glob("*.safetensors"))


def test_unreadable_photos_are_counted_in_the_run(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (photos / "broken.png").write_bytes(b"\x89PNG nothing")
    config = configured(tmp_path, DETECTOR.replace("validation_photos = 1", "validation_photos = 0"))
    assert main(arguments("detector", photos, tmp_path / "run", config, 4)) == 0
    assert json.loads((tmp_path / "run" / "detector.run.json").read_text())["result"]["unreadable_photos"] == 1
    assert "broken.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["detector"], 2, "--clean or --pairs"),
        (["detector", "--clean", "{clean}", "--pairs", "{clean}"], 2, "--clean or --pairs"),
        (["detector", "--clean", "{tmp}/empty"], 4, "no photos"),
        (["detector", "--clean", "{tmp}/absent"], 2, "is no folder"),
        (["stage1", "--clean", "{clean}", "--old", "{tmp}/absent"], 2, "is no folder"),
        (["detector", "--pairs", "{clean}"], 4, "has a mask"),
        (["detector", "--clean", "{clean}", "--device", "tpu"], 2, "tpu"),
        (["detector", "--clean", "{clean}", "--device", "cuda:x"], 2, "cuda:x"),
        (["detector", "--clean", "{clean}", "--precision", "fp16"], 2, "fp16"),
        (["detector", "--clean", "{clean}", "--precision", "fp8"], 2, "fp8"),
        (["detector", "--clean", "{clean}", "--config", "pulished"], 2, "pulished"),
        (["detector", "--clean", "{clean}", "--init", "{tmp}/empty"], 3, "model.json"),
        (["stage2", "--clean", "{clean}", "--vae", "{tmp}/empty"], 3, "vae_a.safetensors"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture, words: list[str], code: int, message: str
) -> None:
    (tmp_path / "empty").mkdir()
    filled = [word.format(clean=photos, tmp=tmp_path) for word in words]
    assert main(["train", *filled, "--output", str(tmp_path / "run")]) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_an_output_among_the_photos_is_refused(photos: Path, tmp_path: Path) -> None:
    for folders in ({"clean": photos}, {"clean": tmp_path / "others", "old": photos}):
        request = TrainRequest(stage="stage1", **folders, output=photos / "run")
        with pytest.raises(UsageProblem, match="which is trained on"):
            train(request)
    assert not (photos / "run").exists()


def test_parts_of_another_kind_are_refused_by_name(photos: Path, tmp_path: Path) -> None:
    vae = VAE(VAEConfig(width=4, latent=4, blocks=1))
    save_network(vae, tmp_path / "vae_a.safetensors")
    save_network(Mapping(MappingConfig(latent=4, width=8, ramp=1, blocks=1)), tmp_path / "vae_b.safetensors")
    request = TrainRequest(stage="stage2", clean=photos, vae=tmp_path, output=tmp_path / "run", device="cpu")
    with pytest.raises(WeightsDamaged, match=r"vae_b\.safetensors holds a Mapping"):
        train(request)


def test_a_second_branch_does_not_overwrite_the_vaes_of_the_first(photos: Path, tmp_path: Path) -> None:
    for folder, seed in (("run", 0), ("vaes", 1)):
        torch.manual_seed(seed)
        (tmp_path / folder).mkdir()
        for name in ("vae_a", "vae_b"):
            save_network(VAE(VAEConfig(width=4, latent=4, blocks=1)), tmp_path / folder / f"{name}.safetensors")
    mapping = Mapping(MappingConfig(latent=4, width=8, ramp=1, blocks=1))
    save_network(mapping, tmp_path / "run" / "mapping_scratch.safetensors")
    roles = {"encoder": "vae_a", "scratch.mapping": "mapping_scratch", "scratch.decoder": "vae_b"}
    write_manifest(tmp_path / "run", name="run", roles={key: f"{file}.safetensors" for key, file in roles.items()})
    config = configured(tmp_path, STAGE2.replace("[stage]", '[stage]\nbranch = "quality"'))
    request = TrainRequest(
        stage="stage2",
        clean=photos,
        vae=tmp_path / "vaes",
        output=tmp_path / "run",
        config=config,
        steps=1,
        device="cpu",
        workers=0,
    )
    with pytest.raises(UsageProblem, match="mapping_scratch"):
        train(request)


def test_fine_tuning_by_command(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """From a model folder, on labelled pairs: the figures are printed and kept."""
    pairs, model = write_pairs(tmp_path / "pairs", 6), tmp_path / "model"
    config = configured(tmp_path, DETECTOR)
    assert main(arguments("detector", pairs, model, config, 1)) == 0
    words = ["--pairs", str(pairs), "--init", str(model), "--config", str(config), "--steps", "2", "--workers", "0"]
    assert main(["train", "detector", "--device", "cpu", "--output", str(tmp_path / "tuned"), *words]) == 0
    assert "labelled_auc" in capsys.readouterr().err
    result = json.loads((tmp_path / "tuned" / "detector.run.json").read_text())["result"]
    assert set(result["figures"]) == {"labelled_f1", "labelled_auc"}
