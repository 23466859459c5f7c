"""What may be replaced: our own results of the same photo, as they were written, and nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from restore_cli.batch.ledger import Existing
from restore_cli.batch.names import Naming
from restore_cli.batch.plan import Job, PlanOptions, make_plan
from restore_cli.batch.result import PhotoResult
from restore_cli.batch.run import run_batch
from restore_cli.batch.worker import Order, Worker

MakePhoto = Callable[..., Path]
OrderFor = Callable[..., Order]


def planned(source: Path, output: Path, **naming: object) -> tuple[Job, ...]:
    return make_plan([str(source)], str(output), PlanOptions(naming=Naming(**naming)))  # type: ignore[arg-type]


def run(source: Path, order: Order, output: Path, **naming: object) -> list[PhotoResult]:
    return list(run_batch(planned(source, output, **naming), Worker(order)))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def photo(tmp_path: Path, make_photo: MakePhoto) -> Path:
    return make_photo(tmp_path / "in" / "a.png")


@pytest.mark.parametrize("name", ["a.png", "a_mask.png", "a.json"])
def test_a_result_that_somebody_worked_on_stays(
    photo: Path, out: Path, make_photo: MakePhoto, order_for: OrderFor, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    beside = {"save_mask": True, "sidecar": True}
    run(photo.parent, order_for(), out, **beside)
    if name == "a.json":
        (out / name).write_text(json.dumps({"remark": "grandmother, 1931"}))
    else:
        make_photo(out / name, level=77)
    retouched = (out / name).read_bytes()
    (again,) = run(photo.parent, order_for(), out, **beside)
    assert again.status == "skipped"
    assert f"{out / name} was changed since it was made: left as it is" in caplog.text
    (other,) = run(photo.parent, order_for(settings_value=1), out, **beside)
    assert other.status == "failed"
    assert "was changed since it was made. --existing overwrite" in (other.error or "")
    assert (out / name).read_bytes() == retouched
    (asked,) = run(photo.parent, order_for(settings_value=1, existing="overwrite"), out, **beside)
    assert asked.status == "done"
    assert (out / name).read_bytes() != retouched


@pytest.mark.parametrize("left", [b"", b"\x89PNG nothing"])
def test_what_is_left_of_a_result_is_made_anew(photo: Path, out: Path, order_for: OrderFor, left: bytes) -> None:
    run(photo.parent, order_for(), out)
    whole = (out / "a.png").read_bytes()
    (out / "a.png").write_bytes(left)
    assert [row.status for row in run(photo.parent, order_for(), out)] == ["done"]
    assert (out / "a.png").read_bytes() == whole


def test_an_older_result_of_ours_is_replaced(photo: Path, out: Path, order_for: OrderFor) -> None:
    """Also one that was put back from a backup."""
    run(photo.parent, order_for(), out)
    older = (out / "a.png").read_bytes()
    run(photo.parent, order_for(settings_value=1), out, save_mask=True)
    (out / "a.png").write_bytes(older)
    assert [row.status for row in run(photo.parent, order_for(settings_value=2), out)] == ["done"]


def test_a_side_file_of_an_earlier_result_is_told(
    photo: Path, out: Path, order_for: OrderFor, caplog: pytest.LogCaptureFixture
) -> None:
    run(photo.parent, order_for(), out, sidecar=True)
    run(photo.parent, order_for(settings_value=1), out)
    assert f"{out / 'a.json'} is of an earlier result" in caplog.text


def test_another_photo_does_not_take_the_place_of_a_result(
    tmp_path: Path, out: Path, make_photo: MakePhoto, order_for: OrderFor
) -> None:
    first, second = (make_photo(tmp_path / folder / "I.png", level=level) for folder, level in (("A", 40), ("B", 60)))
    run(first.parent, order_for(), out)
    kept = (out / "I.png").read_bytes()
    (refused,) = run(second.parent, order_for(), out)
    assert f"{out / 'I.png'} is the result of {first}" in (refused.error or "")
    assert (out / "I.png").read_bytes() == kept
    shutil.move(first, first.with_name("elsewhere.png"))  # the photo of that result is not there any more
    assert [row.status for row in run(second.parent, order_for(), out)] == ["done"]


def test_the_same_photo_by_another_path_is_the_same(
    photo: Path, tmp_path: Path, out: Path, make_photo: MakePhoto, order_for: OrderFor
) -> None:
    run(photo.parent, order_for(), out)
    (tmp_path / "link").symlink_to(photo.parent)
    make_photo(photo, level=99)
    assert [row.status for row in run(tmp_path / "link", order_for(), out)] == ["done"]


@pytest.mark.parametrize("existing", ["skip", "fail"])
def test_a_file_that_appears_during_a_run_stays(
    photo: Path, out: Path, order_for: OrderFor, existing: Existing
) -> None:
    worker, (job,) = Worker(order_for(existing=existing)), planned(photo.parent, out)
    computed = worker.compute(worker.prepare(job))  # type: ignore[arg-type]
    (out / "a.png").write_bytes(b"precious")
    assert worker.deliver(computed).status == "failed"  # type: ignore[arg-type]
    assert (out / "a.png").read_bytes() == b"precious"


def test_a_folder_that_goes_away_during_a_run_is_not_made_again(
    photo: Path, out: Path, make_photo: MakePhoto, order_for: OrderFor
) -> None:
    """A drive that is taken off leaves an empty folder under its name at best."""
    make_photo(photo.with_name("b.png"))
    worker, (one, other) = Worker(order_for()), planned(photo.parent, out)
    computed = worker.compute(worker.prepare(one))  # type: ignore[arg-type]
    shutil.rmtree(out)
    for row in (worker.deliver(computed), worker.prepare(other)):  # type: ignore[arg-type]
        assert isinstance(row, PhotoResult)
        assert "its folder does not exist" in (row.error or "")
    assert not out.exists()


def test_the_result_gets_its_name_last(photo: Path, out: Path, order_for: OrderFor) -> None:
    worker, (job,) = Worker(order_for(existing="overwrite")), planned(photo.parent, out, sidecar=True, save_mask=True)
    computed = worker.compute(worker.prepare(job))  # type: ignore[arg-type]
    (out / "a.json").mkdir()  # in the way of a side file
    assert worker.deliver(computed).status == "failed"  # type: ignore[arg-type]
    assert not (out / "a.png").exists()
