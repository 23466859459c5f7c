from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from restore_cli.errors import WeightsMissing
from restore_cli.networks import FaceGenerator, SpadeConfig
from restore_cli.restoration.faces import FaceRestorer, load_face_restorer
from restore_cli.restoration.faces.alignment import TEMPLATE, align
from restore_cli.restoration.faces.detection import FaceDetector
from restore_cli.weights import FaceModels, save_network


def unchanged(faces: Tensor) -> Tensor:
    return faces


def with_white_nose(faces: Tensor) -> Tensor:
    """A dot where the template has the nose."""
    side = faces.shape[-1]
    x, y = TEMPLATE[2] * side
    v, u = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    dot = (u - x) ** 2 + (v - y) ** 2 < (0.04 * side) ** 2
    return torch.where(dot, 1.0, faces)


def softened(faces: Tensor) -> Tensor:
    return torch.nn.functional.avg_pool2d(torch.nn.functional.pad(faces, (4, 4, 4, 4), mode="reflect"), 9, 1)


@pytest.fixture
def identity(detector: FaceDetector) -> FaceRestorer:
    return FaceRestorer(detector, {256: unchanged})


@pytest.mark.parametrize("factor", [1, 257])
def test_an_identity_generator_gives_back_the_photo(
    factor: int, identity: FaceRestorer, two_portraits: np.ndarray
) -> None:
    photo = two_portraits.astype(np.uint16 if factor > 1 else np.uint8) * factor
    refined, records = identity.refine(photo)
    np.testing.assert_array_equal(refined, photo)
    assert [record.action for record in records] == ["refined", "refined"]


def test_what_the_generator_draws_lands_where_the_photo_has_it(
    detector: FaceDetector, two_portraits: np.ndarray
) -> None:
    """On the nose of the upright face and of the one that stands on its head."""
    refined, _ = FaceRestorer(detector, {256: with_white_nose}).refine(two_portraits)
    brighter = refined.astype(int).sum(axis=2) - two_portraits.astype(int).sum(axis=2)
    for face in detector.find(two_portraits):
        x, y, width, height = (round(value) for value in face.box)
        rows, columns = np.nonzero(brighter[y : y + height, x : x + width] > 60)
        square = align(face.points, 256)
        nose = square.to_photo @ [*(TEMPLATE[2] * 256), 1]
        np.testing.assert_allclose((x + columns.mean(), y + rows.mean()), nose, atol=0.02 * square.side_px)
        assert np.linalg.norm(nose - face.points[2]) < 0.1 * face.side_px


def test_small_large_and_cut_faces_of_a_group_are_refined_together(
    detector: FaceDetector, drawn_group: tuple[np.ndarray, list[np.ndarray]]
) -> None:
    photo, points = drawn_group
    refined, records = FaceRestorer(detector, {256: with_white_nose}).refine(photo)
    assert [record.action for record in records] == ["refined"] * 4
    brighter = refined.astype(int).sum(axis=2) - photo.astype(int).sum(axis=2)
    for nose in (person[2] for person in points):
        x, y = nose.round().astype(int)
        assert brighter[y - 8 : y + 8, x - 8 : x + 8].max() > 100


def test_pixels_outside_the_faces_keep_every_bit(detector: FaceDetector, two_portraits: np.ndarray) -> None:
    refined, _ = FaceRestorer(detector, {256: softened}).refine(two_portraits)
    outside = np.ones(two_portraits.shape[:2], bool)
    for face in detector.find(two_portraits):
        outside[align(face.points, 256).box(two_portraits.shape).slices] = False
    assert outside.mean() > 0.5
    np.testing.assert_array_equal(refined[outside], two_portraits[outside])
    assert (refined != two_portraits).any()


def test_the_edge_of_the_blend_is_no_steeper_than_the_photo(detector: FaceDetector, portrait: np.ndarray) -> None:
    """A generator that removes all texture, so that the square would show as a smooth patch with a rim."""
    refined, _ = FaceRestorer(detector, {256: softened}).refine(portrait)
    steps = [np.abs(np.diff(image.astype(int), axis=1)).max(axis=2) for image in (portrait, refined)]
    assert (steps[1] - steps[0]).max() <= np.percentile(steps[0], 99)


def test_several_photos_share_batches_and_come_out_as_alone(detector: FaceDetector, two_portraits: np.ndarray) -> None:
    sizes: list[int] = []

    def counted(faces: Tensor) -> Tensor:
        sizes.append(len(faces))
        return softened(faces)

    photos = [two_portraits, np.zeros((40, 40, 3), np.uint8), np.ascontiguousarray(two_portraits[:, :288])]
    together = FaceRestorer(detector, {256: counted}).refine_all(photos)
    assert sizes == [3]
    alone = [FaceRestorer(detector, {256: softened}).refine(photo) for photo in photos]
    for (image, records), (expected, expected_records) in zip(together, alone, strict=True):
        assert np.abs(image.astype(int) - expected).max() <= 1
        assert records == expected_records


def test_which_faces_are_refined_is_asked_for_and_told(identity: FaceRestorer, two_portraits: np.ndarray) -> None:
    def actions(**settings: object) -> list[str]:
        records = identity.refine(two_portraits, **settings)[1]  # type: ignore[arg-type]
        return [record.action for record in sorted(records, key=lambda record: record.box)]

    assert actions(which="largest") == ["refined", "left: not the largest"]
    assert actions(min_face_px=95) == ["refined", "left: too small"]
    assert actions(min_face_px=500) == ["left: too small", "left: too small"]
    assert actions(strength=0) == ["left: strength 0", "left: strength 0"]


def test_a_record_says_where_and_how_sure(identity: FaceRestorer, portrait: np.ndarray) -> None:
    (record,) = identity.refine(portrait)[1]
    assert record.box == pytest.approx((100, 45, 89, 110), abs=6)
    assert 0.9 < record.score < 1


def test_large_faces_go_to_the_large_generator_if_there_is_one(detector: FaceDetector, portrait: np.ndarray) -> None:
    sizes: list[int] = []

    def noting(faces: Tensor) -> Tensor:
        sizes.append(faces.shape[-1])
        return faces

    small, large = (portrait[30:180, 70:220].repeat(times, axis=0).repeat(times, axis=1) for times in (1, 3))
    for generators in ({256: noting, 512: noting}, {256: noting}, {512: noting}):
        FaceRestorer(detector, generators).refine_all([small, large])
    assert sizes == [256, 512, 256, 512]


def test_loading_runs_the_network_of_the_file(tmp_path: Path, detector_path: Path, portrait: np.ndarray) -> None:
    torch.manual_seed(0)
    save_network(FaceGenerator(SpadeConfig(width=2, hidden_width=4)), tmp_path / "face.safetensors")
    models = FaceModels(face_256=tmp_path / "face.safetensors", face_512=None)
    refined, records = FaceRestorer.load(detector_path, models, device="cpu").refine(portrait)
    assert [record.action for record in records] == ["refined"]
    assert (refined != portrait).any()


def test_missing_parts_say_how_to_get_them(tmp_path: Path, detector_path: Path) -> None:
    models = FaceModels(face_256=tmp_path / "face.safetensors", face_512=None)
    with pytest.raises(WeightsMissing) as caught:
        FaceRestorer.load(None, models)
    assert "download face-detector" in caught.value.hint
    with pytest.raises(WeightsMissing) as caught:
        FaceRestorer.load(detector_path, None)
    assert "download wan2020-faces" in caught.value.hint


def test_without_weights_auto_leaves_faces_alone_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="restore_cli"):
        assert load_face_restorer("auto") is None
        assert load_face_restorer("off") is None
    assert [record.message for record in caplog.records] == [
        "faces are left as they are: the face detector is not installed; run `oldphoto weights download face-detector`"
    ]


@pytest.mark.parametrize("faces", ["on", "largest"])
def test_faces_that_are_asked_for_need_their_weights(faces: str) -> None:
    with pytest.raises(WeightsMissing):
        load_face_restorer(faces)  # type: ignore[arg-type]
