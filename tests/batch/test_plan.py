from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from restore_cli.batch.masks import MaskSource
from restore_cli.batch.names import Naming
from restore_cli.batch.plan import Job, PlanOptions, make_plan
from restore_cli.batch.shard import Shard
from restore_cli.errors import NoPhotosFound, UsageProblem

MakePhoto = Callable[..., Path]


def plan(inputs: list[Path | str], output: Path | str, **options: object) -> tuple[Job, ...]:
    naming = {name: options.pop(name) for name in list(options) if name in Naming.__dataclass_fields__}
    settings = PlanOptions(naming=Naming(**naming), **options)  # type: ignore[arg-type]
    return make_plan([str(path) for path in inputs], str(output), settings)


def keys(made: tuple[Job, ...]) -> list[str]:
    return [job.key for job in made]


def test_one_file_and_an_image_suffix_is_a_file(tmp_path: Path, make_photo: MakePhoto) -> None:
    job = plan([make_photo(tmp_path / "a.jpg")], tmp_path / "b.png")[0]
    assert (job.target, job.format) == (tmp_path / "b.png", "png")


@pytest.mark.parametrize("output", ["out", "out.album", "out.jpg/"])
def test_anything_else_is_a_folder(tmp_path: Path, make_photo: MakePhoto, output: str) -> None:
    made = plan([make_photo(tmp_path / "a.jpg")], f"{tmp_path}/{output}")
    assert made[0].target == tmp_path / output / "a.jpg"


def test_an_existing_folder_with_an_image_suffix_is_a_folder(tmp_path: Path, make_photo: MakePhoto) -> None:
    (tmp_path / "out.png").mkdir()
    made = plan([make_photo(tmp_path / "a.jpg")], tmp_path / "out.png")
    assert made[0].target == tmp_path / "out.png" / "a.jpg"


def test_two_files_to_a_name_with_image_suffix_make_a_folder_but_not_over_a_file(
    tmp_path: Path, make_photo: MakePhoto
) -> None:
    photos: list[Path | str] = [make_photo(tmp_path / "a.jpg"), make_photo(tmp_path / "b.jpg")]
    assert keys(plan(photos, tmp_path / "out.jpg")) == ["a.jpg", "b.jpg"]
    make_photo(tmp_path / "taken.jpg")
    with pytest.raises(UsageProblem, match="is a file"):
        plan(photos, tmp_path / "taken.jpg")


def test_names_follow_format_and_suffix(tmp_path: Path, make_photo: MakePhoto) -> None:
    make_photo(tmp_path / "in" / "a.JPG")
    make_photo(tmp_path / "in" / "b.tif")
    assert keys(plan([tmp_path / "in"], tmp_path / "out")) == ["a.JPG", "b.tif"]
    assert keys(plan([tmp_path / "in"], tmp_path / "out", format="png", suffix="_x")) == ["a_x.png", "b_x.png"]
    assert keys(plan([tmp_path / "in"], tmp_path / "out", as_mask=True)) == ["a_mask.png", "b_mask.png"]


def test_what_else_is_written_is_known(tmp_path: Path, make_photo: MakePhoto) -> None:
    make_photo(tmp_path / "a.jpg")
    job = plan([tmp_path / "a.jpg"], tmp_path / "out", save_mask=True, sidecar=True)[0]
    assert [path.name for path in job.targets] == ["a.jpg", "a_mask.png", "a.json"]


def test_two_photos_with_one_output_are_refused(tmp_path: Path, make_photo: MakePhoto) -> None:
    one, other = make_photo(tmp_path / "x" / "a.jpg"), make_photo(tmp_path / "y" / "a.jpg")
    with pytest.raises(UsageProblem, match="would both be written to") as refused:
        plan([one, other], tmp_path / "out")
    assert str(one) in str(refused.value)
    assert str(other) in str(refused.value)


def test_masks_that_would_replace_each_other_are_refused(tmp_path: Path, make_photo: MakePhoto) -> None:
    make_photo(tmp_path / "in" / "a.jpg")
    make_photo(tmp_path / "in" / "a.tif")
    assert len(plan([tmp_path / "in"], tmp_path / "out")) == 2
    with pytest.raises(UsageProblem, match=r"a_mask\.png"):
        plan([tmp_path / "in"], tmp_path / "out", save_mask=True)


def test_a_photo_given_twice_is_done_once(tmp_path: Path, make_photo: MakePhoto) -> None:
    photo = make_photo(tmp_path / "in" / "a.jpg")
    assert keys(plan([tmp_path / "in", photo], tmp_path / "out")) == ["a.jpg"]


def test_case_only_differences_are_refused_where_the_file_system_ignores_case(
    tmp_path: Path, make_photo: MakePhoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_photo(tmp_path / "in" / "a.jpg")
    make_photo(tmp_path / "in" / "A.jpg")
    assert keys(plan([tmp_path / "in"], tmp_path / "out")) == ["A.jpg", "a.jpg"]
    monkeypatch.setattr("restore_cli.batch.plan.ignores_case", lambda folder: True)
    with pytest.raises(UsageProblem, match="would both be written to"):
        plan([tmp_path / "in"], tmp_path / "out")


@pytest.mark.parametrize("link", ["plain", "symbolic", "hard"])
def test_an_output_that_is_an_input_is_refused(tmp_path: Path, make_photo: MakePhoto, link: str) -> None:
    photo = make_photo(tmp_path / "a.jpg")
    target = tmp_path if link == "plain" else tmp_path / "b.jpg"
    if link == "symbolic":
        target.symlink_to(photo)
    elif link == "hard":
        os.link(photo, target)
    with pytest.raises(UsageProblem, match="one of the inputs"):
        plan([photo], target)


def test_a_suffix_lets_results_lie_beside_a_single_input(tmp_path: Path, make_photo: MakePhoto) -> None:
    assert keys(plan([make_photo(tmp_path / "a.jpg")], tmp_path, suffix="_restored")) == ["a_restored.jpg"]


@pytest.mark.parametrize("below", ["", "/results"])
def test_this_disk_under_another_name_is_the_same_disk(tmp_path: Path, make_photo: MakePhoto, below: str) -> None:
    make_photo(tmp_path / "in" / "a.jpg")
    with pytest.raises(UsageProblem, match="lies inside the input folder"):
        plan([tmp_path / "in"], f"local://{tmp_path}/in{below}")
    with pytest.raises(UsageProblem, match="one of the inputs"):
        plan([tmp_path / "in" / "a.jpg"], f"local://{tmp_path}/in/a.jpg")


def test_the_report_may_not_replace_an_input(tmp_path: Path, make_photo: MakePhoto) -> None:
    photo = make_photo(tmp_path / "a.jpg")
    with pytest.raises(UsageProblem, match="one of the inputs"):
        plan([photo], tmp_path / "out", reserved=(photo,))


def test_stdin_and_stdout(tmp_path: Path, make_photo: MakePhoto) -> None:
    assert plan(["-"], "-")[0].target is None
    assert plan([make_photo(tmp_path / "a.jpg")], "-")[0].target is None
    assert plan(["-"], tmp_path / "out.png")[0].source is None
    for inputs, output, options in (
        (["-"], tmp_path / "folder", {}),
        (["-", "-"], tmp_path / "folder", {}),
        ([tmp_path], "-", {}),
        (["-"], "-", {"save_mask": True}),
    ):
        with pytest.raises(UsageProblem):
            plan(inputs, output, **options)  # type: ignore[arg-type]


def test_a_name_that_contradicts_the_format_is_refused(tmp_path: Path, make_photo: MakePhoto) -> None:
    photo = make_photo(tmp_path / "a.jpg")
    for output, options in (("b.gif", {}), ("b.jpg", {"format": "png"}), ("b.jpg", {"as_mask": True})):
        with pytest.raises(UsageProblem):
            plan([photo], tmp_path / output, **options)


def test_no_photos(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(NoPhotosFound) as error:
        plan([tmp_path / "in"], tmp_path / "out")
    assert error.value.exit_code == 4
    assert "-r" in error.value.hint


def test_shards_part_the_list(tmp_path: Path, make_photo: MakePhoto) -> None:
    for number in range(40):
        make_photo(tmp_path / "in" / f"{number}.jpg")
    shards = [keys(plan([tmp_path / "in"], tmp_path / "out", shard=Shard(index=index, count=3))) for index in (1, 2, 3)]
    assert all(shards)
    assert sorted(key for shard in shards for key in shard) == sorted(keys(plan([tmp_path / "in"], tmp_path / "out")))


def test_a_new_photo_moves_no_other_to_another_shard(tmp_path: Path, make_photo: MakePhoto) -> None:
    for number in range(10):
        make_photo(tmp_path / "in" / f"{number}.jpg")
    before = keys(plan([tmp_path / "in"], tmp_path / "out", shard=Shard(index=1, count=2)))
    make_photo(tmp_path / "in" / "0a.jpg")
    after = keys(plan([tmp_path / "in"], tmp_path / "out", shard=Shard(index=1, count=2)))
    assert [key for key in after if key != "0a.jpg"] == before


class TestMasks:
    def test_found_by_both_names_in_the_same_subfolder(self, tmp_path: Path, make_photo: MakePhoto) -> None:
        for name in ("a.jpg", "sub/b.jpg", "c.jpg"):
            make_photo(tmp_path / "in" / name)
        for name in ("a.png", "sub/b_mask.png"):
            make_photo(tmp_path / "masks" / name)
        made = plan([tmp_path / "in"], tmp_path / "out", recursive=True, masks=MaskSource(folder=tmp_path / "masks"))
        given = {job.key: job.given_mask and job.given_mask.name for job in made}
        assert given == {"a.jpg": "a.png", "c.jpg": None, "sub/b.jpg": "b_mask.png"}

    def test_beside_the_photos_they_are_not_photos(self, tmp_path: Path, make_photo: MakePhoto) -> None:
        for name in ("a.png", "a_mask.png", "b.png"):
            make_photo(tmp_path / name)
        made = plan([tmp_path], tmp_path.parent / "out-of-it", masks=MaskSource(folder=tmp_path))
        assert {job.key: job.given_mask and job.given_mask.name for job in made} == {
            "a.png": "a_mask.png",
            "b.png": None,
        }

    def test_one_mask_for_all_among_the_photos_is_no_photo(self, tmp_path: Path, make_photo: MakePhoto) -> None:
        for name in ("a.png", "dust.png"):
            make_photo(tmp_path / name)
        made = plan([tmp_path], tmp_path.parent / "out-of-it", masks=MaskSource(file=tmp_path / "dust.png"))
        assert [job.key for job in made] == ["a.png"]

    def test_a_folder_that_fits_nothing_is_refused(self, tmp_path: Path, make_photo: MakePhoto) -> None:
        make_photo(tmp_path / "masks" / "other.png")
        with pytest.raises(UsageProblem, match="no mask"):
            plan([make_photo(tmp_path / "a.jpg")], tmp_path / "out", masks=MaskSource(folder=tmp_path / "masks"))

    def test_what_does_not_exist_or_contradicts(self, tmp_path: Path) -> None:
        for source in (
            {"file": tmp_path / "no.png"},
            {"folder": tmp_path / "no"},
            {"file": tmp_path, "folder": tmp_path},
        ):
            with pytest.raises(UsageProblem):
                MaskSource(**source)
