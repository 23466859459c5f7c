"""Photos in stores. local:// is fsspec's plugin for disks, so that the real files can be looked at beside it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from restore_cli.batch.discover import find_photos
from restore_cli.batch.location import UrlPath, parse_location
from restore_cli.batch.names import Naming
from restore_cli.batch.plan import PlanOptions, make_plan
from restore_cli.batch.result import PhotoResult
from restore_cli.batch.run import run_batch
from restore_cli.batch.url_journal import FOLDER, UrlJournal
from restore_cli.batch.worker import Order, Worker
from restore_cli.cli.main import main
from restore_cli.errors import NoPhotosFound, UsageProblem

MakePhoto = Callable[..., Path]
OrderFor = Callable[..., Order]


@pytest.fixture
def photos(tmp_path: Path, make_photo: MakePhoto) -> Path:
    for name in ("img10.png", "img2.png", "z/a b.png", "z/y/100%25 #1?.png", ".hidden.png", ".git/d.png", "notes.txt"):
        make_photo(tmp_path / "in" / name)
    return tmp_path / "in"


def run(source: str, target: str, order: Order, **naming: object) -> list[PhotoResult]:
    options = PlanOptions(recursive=True, naming=Naming(**naming))  # type: ignore[arg-type]
    return list(run_batch(make_plan([source], target, options), Worker(order)))


def statuses(rows: list[PhotoResult]) -> list[str]:
    return [row.status for row in rows]


def results(folder: Path) -> dict[str, bytes]:
    visible = (path for path in folder.rglob("*") if path.is_file() and ".oldphoto-journal" not in str(path))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in visible}


class TestAddresses:
    def test_paths_are_paths(self, tmp_path: Path) -> None:
        for text in ("album", "/scans/a.jpg", r"C:\scans", "a:b", str(tmp_path)):
            assert parse_location(text) == Path(text)
        assert parse_location("file:///scans/a%20b.jpg") == Path("/scans/a b.jpg")

    def test_parts_of_an_address(self) -> None:
        url = UrlPath("s3://bucket/scans/box 1/a.b.jpg")
        assert (url.scheme, url.name, url.stem, url.suffix) == ("s3", "a.b.jpg", "a.b", ".jpg")
        assert str(url.parent) == "s3://bucket/scans/box 1"
        assert str(url.with_name("c.png")) == "s3://bucket/scans/box 1/c.png"
        assert str(UrlPath("s3://bucket") / Path("x/y.jpg")) == "s3://bucket/x/y.jpg"
        assert url.is_below(UrlPath("s3://bucket/scans"))
        assert not url.is_below(UrlPath("s3://bucket/scan"))

    def test_a_store_without_its_plugin_says_what_to_install(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setitem(sys.modules, "s3fs", None)
        assert main(["restore", "s3://bucket/scans", str(tmp_path / "out")]) == 2
        assert "pip install s3fs" in capsys.readouterr().err

    @pytest.mark.parametrize("address", ["nonsense://a/b", "zip://a.png::s3://bucket/a.zip"])
    def test_what_is_no_address(self, address: str) -> None:
        with pytest.raises(UsageProblem):
            parse_location(address)


class TestPlan:
    @pytest.mark.parametrize("recursive", [True, False])
    def test_the_same_photos_in_the_same_order_as_on_a_disk(self, photos: Path, recursive: bool) -> None:
        there = find_photos([parse_location(f"local://{photos}")], recursive=recursive)
        here = find_photos([photos], recursive=recursive)
        assert [photo.below for photo in there] == [photo.below for photo in here]

    def test_what_is_refused(self, photos: Path, tmp_path: Path) -> None:
        for source, target in (
            (f"local://{tmp_path}/none", "out"),
            (f"local://{photos}", f"local://{photos}/out"),
            (f"local://{photos}/img2.png", f"local://{photos}/img2.png"),
            (f"local://{photos}", f"local://{photos}/notes.txt"),
        ):
            with pytest.raises(UsageProblem):
                make_plan([source], target, PlanOptions())

    def test_a_folder_without_photos(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(NoPhotosFound):
            make_plan([f"local://{tmp_path}/empty"], "out", PlanOptions())

    def test_watching_a_store_is_refused(self, photos: Path, tmp_path: Path) -> None:
        assert main(["restore", "--watch", str(photos), f"local://{tmp_path}/out"]) == 2
        assert main(["restore", "--watch", f"local://{photos}", str(tmp_path / "out")]) == 2


class TestRuns:
    def test_results_are_those_of_a_disk(self, photos: Path, tmp_path: Path, order_for: OrderFor) -> None:
        rows = run(f"local://{photos}", f"local://{tmp_path}/there", order_for(), save_mask=True)
        assert statuses(rows) == ["done"] * 4
        run(str(photos), str(tmp_path / "here"), order_for(), save_mask=True)
        assert results(tmp_path / "there") == results(tmp_path / "here")
        assert len(results(tmp_path / "here")) == 8

    def test_disk_and_store_can_be_mixed(self, photos: Path, tmp_path: Path, order_for: OrderFor) -> None:
        assert statuses(run(f"local://{photos}", str(tmp_path / "a"), order_for())) == ["done"] * 4
        assert statuses(run(str(photos), f"local://{tmp_path}/b", order_for())) == ["done"] * 4
        assert results(tmp_path / "a") == results(tmp_path / "b")

    def test_resume(self, photos: Path, tmp_path: Path, order_for: OrderFor, make_photo: MakePhoto) -> None:
        out = f"local://{tmp_path}/out"
        run(str(photos), out, order_for())
        assert statuses(run(str(photos), out, order_for())) == ["skipped"] * 4
        make_photo(photos / "img2.png", level=99)
        (tmp_path / "out" / "img10.png").unlink()
        (tmp_path / "out" / "z" / "a b.png").write_bytes(b"damaged")
        assert statuses(run(str(photos), out, order_for())) == ["done", "done", "done", "skipped"]
        assert statuses(run(str(photos), out, order_for(settings_value=1))) == ["done"] * 4
        assert statuses(run(str(photos), out, order_for(settings_value=1, existing="fail"))) == ["failed"] * 4
        assert statuses(run(str(photos), out, order_for(existing="overwrite"))) == ["done"] * 4

    def test_a_file_of_somebody_else_is_not_replaced(self, photos: Path, tmp_path: Path, order_for: OrderFor) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "img2_mask.png").write_bytes(b"precious")
        rows = run(str(photos), f"local://{tmp_path}/out", order_for(), save_mask=True)
        assert statuses(rows) == ["failed", "done", "done", "done"]
        assert "--existing overwrite" in (rows[0].error or "")
        assert (tmp_path / "out" / "img2_mask.png").read_bytes() == b"precious"

    def test_a_photo_that_is_gone_and_a_store_that_refuses(
        self, photos: Path, tmp_path: Path, order_for: OrderFor
    ) -> None:
        plan = make_plan([f"local://{photos}"], f"local://{tmp_path}/out", PlanOptions())
        (photos / "img2.png").unlink()
        (tmp_path / "out" / FOLDER).parent.mkdir()
        (tmp_path / "out" / FOLDER).write_bytes(b"a file where the journal should be")
        gone, refused = run_batch(plan, Worker(order_for()))
        assert "img2.png" in (gone.error or "")
        assert "journal" in (refused.error or "")
        assert not results(tmp_path / "out").keys() - {FOLDER}

    def test_the_memory_store_is_an_object_store(self, photos: Path, order_for: OrderFor) -> None:
        """Nothing is renamed there, as an object appears whole."""
        assert statuses(run(str(photos), "memory://bucket/out", order_for())) == ["done"] * 4
        assert statuses(run("memory://bucket/out", "memory://bucket/again", order_for())) == ["done"] * 4
        assert statuses(run("memory://bucket/out", "memory://bucket/again", order_for())) == ["skipped"] * 4
        assert len((UrlPath("memory://bucket/out")).files(recursive=False)) == 2


def test_an_entry_is_found_under_each_of_its_files(photos: Path, tmp_path: Path, order_for: OrderFor) -> None:
    run(str(photos), f"local://{tmp_path}/out", order_for(), save_mask=True)
    journal = UrlJournal(UrlPath(f"local://{tmp_path}/out"))
    assert journal.versions("img2_mask.png")
    assert journal.find("img2_mask.png") is None  # a result of this name was never made
    assert journal.find("img2.png") is not None
    assert not journal.versions("img3.png")
