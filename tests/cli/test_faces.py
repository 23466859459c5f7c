"""`oldphoto restore --faces`: what is asked for, what is told, on real networks that hardly change the photo."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from restore_cli import Restorer, RestoreSettings, imaging
from restore_cli.batch.restoring import RestoringProcessor
from restore_cli.cli.main import main
from restore_cli.networks import VAE, FaceGenerator, Mapping, MappingConfig, SpadeConfig, VAEConfig
from restore_cli.weights import save_network, write_manifest
from restore_cli.weights.manifest import add_to_manifest
from restore_cli.weights.places import model_folder

DATA = Path(__file__).parents[1] / "data" / "faces"
Restore = Callable[..., int]


@pytest.fixture(scope="session")
def gentle_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nearly the identity on photos, and a narrow face generator with random weights."""
    folder = tmp_path_factory.mktemp("gentle")
    torch.manual_seed(0)
    vae = VAEConfig(width=4, latent=48, blocks=1, norm="none", output="linear", patch_skip=True)
    mapping = MappingConfig(latent=48, width=4, ramp=1, blocks=1, attention="none", norm="none", residual=True)
    networks = {
        "encoder": VAE(vae),
        "quality.mapping": Mapping(mapping),
        "quality.decoder": VAE(vae),
        "faces.256": FaceGenerator(SpadeConfig(face_px=256, width=2, hidden_width=4)),
    }
    for role, network in networks.items():
        save_network(network, folder / f"{role}.safetensors")
    write_manifest(folder, name="gentle", roles={role: f"{role}.safetensors" for role in networks})
    return folder


@pytest.fixture
def restore(gentle_model: Path) -> Restore:
    def run(*arguments: str | Path) -> int:
        common = ["--model", gentle_model, "--device", "cpu", "--precision", "fp32", "--no-scratches"]
        return main(["restore", *map(str, [*common, *arguments])])

    return run


@pytest.fixture
def detector() -> None:
    """Installed, as `oldphoto weights download face-detector` leaves it."""
    folder = model_folder("face-detector")
    folder.mkdir(parents=True)
    shutil.copy(DATA / "yunet_n_320_320.onnx", folder / "yunet.onnx")
    add_to_manifest(folder, name="face-detector", roles=("face_detector",), file="yunet.onnx", origin="test")


@pytest.fixture
def couple(tmp_path: Path) -> Path:
    """A photo with a larger face on the left and a smaller one on the right."""
    portrait = imaging.read(DATA / "astronaut.jpg").pixels
    canvas = np.full((288, 432, 3), 90, np.uint8)
    canvas[:, :288] = portrait
    canvas[40:184, 288:] = portrait[::2, ::2]
    imaging.write(imaging.Photo(canvas, None, imaging.Carried()), tmp_path / "couple.png")
    return tmp_path / "couple.png"


def pixels(path: Path) -> np.ndarray:
    return imaging.read(path).pixels.astype(np.int32)


def row(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    return json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("detector")
def test_every_face_is_told_in_json_sidecar_and_report(
    couple: Path, tmp_path: Path, restore: Restore, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ("--json", "--faces", "largest", "--sidecar", "--report", tmp_path / "run.html", couple, out)
    assert restore(*arguments) == 0
    told = row(capsys)
    large, small = sorted(told["faces"], key=lambda face: face["box"])  # type: ignore[call-overload]
    assert large["box"] == pytest.approx([100, 45, 89, 110], abs=8)
    assert small["box"] == pytest.approx([338, 62, 45, 55], abs=8)
    assert 0.7 < small["score"] <= 1
    assert (large["action"], small["action"]) == ("refined", "left: not the largest")
    sidecar = json.loads((out / "couple.json").read_text())
    assert sidecar["faces"] == told["faces"]
    assert sidecar["settings"]["faces"] == "largest"
    assert len(sidecar["settings"]["face_model_sha256"]) == 64
    page = (tmp_path / "run.html").read_text()
    assert "1 of 2 faces refined" in page
    x, y, width, height = small["box"]
    assert f"{width} x {height} px at {x}, {y} · score {small['score']:.2f} · left: not the largest" in page
    assert restore(*arguments) == 0
    again = row(capsys)
    assert (again["status"], again["faces"]) == ("skipped", told["faces"])


@pytest.mark.usefixtures("detector")
def test_faces_change_and_everything_else_keeps_its_bits(couple: Path, tmp_path: Path, restore: Restore) -> None:
    for faces in ("off", "on", "largest"):
        assert restore("--faces", faces, couple, tmp_path / f"{faces}.png") == 0
    off, on, largest = (pixels(tmp_path / f"{faces}.png") for faces in ("off", "on", "largest"))
    left, right = np.s_[60:140, 110:180], np.s_[68:110, 344:376]
    assert np.abs(on[left] - off[left]).mean() > 3
    assert np.abs(on[right] - off[right]).mean() > 3
    assert np.abs(largest[left] - on[left]).max() <= 1  # a batch of two adds up in another order
    assert np.array_equal(largest[right], off[right])
    for beside in (np.s_[230:], np.s_[:, 240:310], np.s_[:, :50]):
        assert np.array_equal(on[beside], off[beside])


@pytest.mark.usefixtures("detector")
def test_face_strength_and_min_face(
    couple: Path, tmp_path: Path, restore: Restore, capsys: pytest.CaptureFixture[str]
) -> None:
    results = {}
    for strength in ("0", "0.5", "1"):
        arguments = ("--json", "--faces", "on", "--face-strength", strength)
        assert restore(*arguments, couple, tmp_path / f"{strength}.png") == 0
        results[strength] = pixels(tmp_path / f"{strength}.png")
        expected = "left: strength 0" if strength == "0" else "refined"
        assert {face["action"] for face in row(capsys)["faces"]} == {expected}  # type: ignore[attr-defined]
    unclipped = (results["1"] > 0) & (results["1"] < 255)
    off_half = 2 * results["0.5"] - results["0"] - results["1"]
    assert np.abs(off_half[unclipped]).max() <= 2  # each is rounded to a level
    assert restore("--json", "--faces", "on", "--min-face", "80", couple, tmp_path / "large.png") == 0
    actions = {face["action"] for face in row(capsys)["faces"]}  # type: ignore[attr-defined]
    assert actions == {"refined", "left: too small"}


@pytest.mark.usefixtures("detector")
def test_16_bits_tiles_and_a_memory_limit(couple: Path, tmp_path: Path, restore: Restore) -> None:
    """The same photo with 16 bits a value, in tiles of the smallest size: the same faces, with finer levels."""
    deep = imaging.read(couple).pixels.astype(np.uint16) * 257
    imaging.write(imaging.Photo(deep, None, imaging.Carried()), tmp_path / "deep.tif")
    for arguments in (
        (couple, "8.png"),
        (tmp_path / "deep.tif", "16.tif"),
        ("--max-memory", "64MB", couple, "tiled.png"),
    ):
        assert restore("--faces", "on", *arguments[:-1], tmp_path / arguments[-1]) == 0
    assert imaging.read(tmp_path / "16.tif").pixels.dtype == np.uint16
    shallow, fine, tiled = (pixels(tmp_path / name) for name in ("8.png", "16.tif", "tiled.png"))
    assert np.abs(fine / 257 - shallow).mean() < 0.6
    assert len(np.unique(fine[60:140, 110:180])) > 1000
    assert np.abs(tiled - shallow).max() <= 2


def test_without_the_detector_one_line_says_so_and_faces_are_off(
    couple: Path, tmp_path: Path, restore: Restore, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(couple, tmp_path / "again.png")
    assert restore("--json", couple, tmp_path / "again.png", tmp_path / "out") == 0
    told = capsys.readouterr()
    assert [json.loads(line)["faces"] for line in told.out.splitlines()] == [[], []]
    said = [line for line in told.err.splitlines() if "faces" in line]
    assert said == ["faces are left as they are; to refine them: oldphoto weights download face-detector"]
    assert restore("--faces", "off", couple, tmp_path / "off.png") == 0
    assert "faces" not in capsys.readouterr().err
    assert restore("--faces", "on", couple, tmp_path / "on.png") == 3
    told = capsys.readouterr()
    assert "oldphoto weights download face-detector" in told.err
    assert not (tmp_path / "on.png").exists()


@pytest.mark.usefixtures("detector")
def test_faces_installed_later_are_worth_another_run(
    couple: Path, tmp_path: Path, gentle_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With auto, and with a generator other than the one before."""
    arguments = ["restore", "--json", "--no-scratches", "--device", "cpu", "--model", str(tmp_path / "model")]
    arguments += [str(couple), str(tmp_path / "out")]
    shutil.copytree(gentle_model, tmp_path / "model")
    whole = json.loads((gentle_model / "model.json").read_text())
    without = {key: value for key, value in whole.items() if not key.startswith("face")}
    assert without != whole
    statuses = []
    for manifest in (without, without, whole, whole):
        (tmp_path / "model" / "model.json").write_text(json.dumps(manifest))
        assert main(arguments) == 0
        statuses.append(row(capsys)["status"])
    assert statuses == ["done", "skipped", "done", "skipped"]


@pytest.mark.usefixtures("detector")
def test_on_a_gpu_the_faces_of_several_photos_go_together_and_come_out_as_alone(
    couple: Path, gentle_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Computed on the CPU: what a GPU changes is only that photos are taken in groups."""
    settings = RestoreSettings(scratches=False, faces="on", strength=0.5)
    processor = RestoringProcessor(str(gentle_model), "cpu", "fp32", None, settings)
    processor.load()
    assert processor.photos_at_once == 1
    colour = imaging.read(couple)
    grey = imaging.Photo(np.ascontiguousarray(colour.pixels[:, :288, :1]), None, imaging.Carried())
    together = processor.process_all([(colour, None), (grey, None)])
    for photo, grouped in zip((colour, grey), together, strict=True):
        alone = processor.process(photo, None)
        assert len(grouped.faces) == len(alone.faces) > 0
        assert grouped.pixels.shape == photo.pixels.shape
        assert np.abs(grouped.pixels.astype(int) - alone.pixels).max() <= 1
    monkeypatch.setattr(Restorer, "device_name", "cuda")
    processor.load()
    assert processor.photos_at_once > 1
