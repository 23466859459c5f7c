"""Runs of the whole batch room with a small real processor instead of a network."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from restore_cli.batch.current import current_photo
from restore_cli.batch.journal import NAME as JOURNAL
from restore_cli.batch.local import LocalEngine
from restore_cli.batch.location import Location, UrlPath
from restore_cli.batch.names import Naming
from restore_cli.batch.needs import UNKNOWN_BYTES, needed_bytes
from restore_cli.batch.plan import Job, PlanOptions, make_plan
from restore_cli.batch.processor import Processed
from restore_cli.batch.result import PhotoResult
from restore_cli.batch.run import run_batch
from restore_cli.batch.stop import StopSignal
from restore_cli.batch.worker import Computed, Order, Prepared, Worker
from restore_cli.errors import OutOfMemory, WeightsMissing
from restore_cli.imaging import Photo

sys.path.insert(0, str(Path(__file__).parent))
from inverter import Inverter

MakePhoto = Callable[..., Path]
OrderFor = Callable[..., Order]


def run(folder: Path, order: Order, output: Path, **naming: object) -> list[PhotoResult]:
    options = PlanOptions(recursive=True, naming=Naming(**naming))  # type: ignore[arg-type]
    return list(run_batch(make_plan([str(folder)], str(output), options), Worker(order)))


def statuses(results: list[PhotoResult]) -> list[str]:
    return [result.status for result in results]


def written(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def photos(tmp_path: Path, make_photo: MakePhoto) -> Path:
    """Three photos, one in a subfolder."""
    for level, name in enumerate(("a.png", "b.png", "sub/c.png")):
        make_photo(tmp_path / "in" / name, level=40 + level)
    return tmp_path / "in"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_every_photo_is_processed_and_the_tree_kept(photos: Path, out: Path, order_for: OrderFor) -> None:
    results = run(photos, order_for(), out)
    assert statuses(results) == ["done"] * 3
    assert written(out) == [JOURNAL, "a.png", "b.png", f"sub/{JOURNAL}", "sub/c.png"]
    before, after = (np.asarray(Image.open(folder / "sub" / "c.png")) for folder in (photos, out))
    assert np.array_equal(after, 255 - before)
    assert results[2].size == (24, 16)
    assert results[2].output == str(out / "sub" / "c.png")


def test_results_come_in_the_order_of_the_plan(
    tmp_path: Path, out: Path, make_photo: MakePhoto, order_for: OrderFor
) -> None:
    for number in range(20):
        make_photo(tmp_path / "in" / f"{number}.png")
    (tmp_path / "in" / "7.png").write_bytes(b"broken")
    results = run(tmp_path / "in", order_for(), out)
    assert [Path(result.input).stem for result in results] == [str(number) for number in range(20)]


@pytest.mark.parametrize("name", ["a.gif", "a.jp2"])
def test_a_photo_of_another_format_than_its_name_says_is_what_the_new_name_says(
    tmp_path: Path, out: Path, make_photo: MakePhoto, order_for: OrderFor, name: str
) -> None:
    make_photo(tmp_path / "in" / name)  # a JPEG
    run(tmp_path / "in", order_for(), out)
    with Image.open(out / "a.png") as image:
        assert image.format == "PNG"


def test_a_name_that_can_only_be_wrong_is_told(tmp_path: Path, out: Path, order_for: OrderFor) -> None:
    (tmp_path / "in").mkdir()
    Image.new("RGB", (24, 16), (90, 80, 70)).save(tmp_path / "in" / "a.jpg", "GIF")
    (row,) = run(tmp_path / "in", order_for(), out)
    assert row.output == str(out / "a.jpg")
    assert "Written as PNG, whatever its name says: GIF cannot be written here." in row.notes


class TestResume:
    def test_nothing_that_is_done_is_redone(self, photos: Path, out: Path, order_for: OrderFor) -> None:
        first = run(photos, order_for(), out)
        before = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
        order = order_for()
        again = run(photos, order, out)
        assert statuses(again) == ["skipped"] * 3
        assert order.processor.processed == 0  # type: ignore[attr-defined]
        assert {path: path.stat().st_mtime_ns for path in out.rglob("*.png")} == before
        assert [row.damaged_fraction for row in again] == [row.damaged_fraction for row in first]

    def test_a_changed_photo_is_redone_and_only_that(
        self, photos: Path, out: Path, make_photo: MakePhoto, order_for: OrderFor
    ) -> None:
        run(photos, order_for(), out)
        make_photo(photos / "b.png", level=99)
        assert statuses(run(photos, order_for(), out)) == ["skipped", "done", "skipped"]

    @pytest.mark.parametrize("change", [{"settings_value": 1}, {"model_sha256": "1" * 64}])
    def test_other_settings_or_another_model_redo_all(
        self, photos: Path, out: Path, order_for: OrderFor, change: dict[str, object]
    ) -> None:
        run(photos, order_for(), out)
        assert statuses(run(photos, order_for(**change), out)) == ["done"] * 3

    def test_a_damaged_or_missing_output_is_made_again(self, photos: Path, out: Path, order_for: OrderFor) -> None:
        run(photos, order_for(), out)
        whole = (out / "a.png").read_bytes()
        (out / "a.png").write_bytes(whole[:-20])
        (out / "b.png").unlink()
        assert statuses(run(photos, order_for(), out)) == ["done", "done", "skipped"]
        assert (out / "a.png").read_bytes() == whole

    def test_a_mask_asked_for_later_is_made(self, photos: Path, out: Path, order_for: OrderFor) -> None:
        run(photos, order_for(), out)
        assert statuses(run(photos, order_for(), out, save_mask=True)) == ["done"] * 3
        assert statuses(run(photos, order_for(), out, save_mask=True)) == ["skipped"] * 3

    def test_a_file_of_somebody_else_is_neither_replaced_nor_called_done(
        self, photos: Path, out: Path, order_for: OrderFor
    ) -> None:
        out.mkdir()
        (out / "a.png").write_bytes(b"precious")
        results = run(photos, order_for(), out)
        assert statuses(results) == ["failed", "done", "done"]
        assert "--existing overwrite" in (results[0].error or "")
        assert (out / "a.png").read_bytes() == b"precious"
        assert statuses(run(photos, order_for(existing="overwrite"), out)) == ["done"] * 3

    def test_an_empty_file_holds_nothing_to_lose(self, photos: Path, out: Path, order_for: OrderFor) -> None:
        out.mkdir()
        (out / "a.png").touch()
        assert statuses(run(photos, order_for(), out)) == ["done"] * 3

    def test_existing_fail_leaves_what_is_there(self, photos: Path, out: Path, order_for: OrderFor) -> None:
        run(photos, order_for(), out)
        (out / "b.png").unlink()
        results = run(photos, order_for(existing="fail"), out)
        assert statuses(results) == ["failed", "done", "failed"]
        assert "exists already" in (results[0].error or "")

    def test_a_photo_done_alone_is_done_in_its_tree_and_the_other_way_round(
        self, photos: Path, out: Path, order_for: OrderFor
    ) -> None:
        assert statuses(run(photos / "sub", order_for(), out / "sub")) == ["done"]
        assert statuses(run(photos, order_for(), out)) == ["done", "done", "skipped"]
        assert statuses(run(photos / "sub", order_for(), out / "sub")) == ["skipped"]

    def test_another_run_on_the_folder_is_noticed(self, photos: Path, out: Path, order_for: OrderFor) -> None:
        """What the other one finished meanwhile is not done twice."""
        plan = make_plan([str(photos)], str(out), PlanOptions(recursive=True))
        slow = run_batch(plan, Worker(order_for()), engine=LocalEngine(threads=1))
        first = next(slow)
        run(photos, order_for(), out)
        assert statuses([first, *slow]).count("done") < 3


class TestFaults:
    def test_bad_photos_are_one_failed_row_each(
        self, photos: Path, out: Path, make_photo: MakePhoto, order_for: OrderFor
    ) -> None:
        (photos / "empty.jpg").touch()
        (photos / "text.png").write_text("not a photo")
        (photos / "torn.png").write_bytes((photos / "a.png").read_bytes()[:60])
        (photos / "link.jpg").symlink_to("nowhere")
        (photos / "loop.jpg").symlink_to("loop.jpg")
        results = {Path(row.input).name: row for row in run(photos, order_for(), out)}
        failed = {name for name, row in results.items() if row.status == "failed"}
        assert failed == {"empty.jpg", "text.png", "torn.png", "link.jpg", "loop.jpg"}
        assert all(name in (results[name].error or "") for name in failed)
        assert written(out) == [JOURNAL, "a.png", "b.png", f"sub/{JOURNAL}", "sub/c.png"]

    def test_memory_that_is_not_there_is_one_failed_row_that_says_so(self, photos: Path, out: Path) -> None:
        plan = make_plan([str(photos)], str(out), PlanOptions(recursive=True))
        rows = list(run_batch(plan, Worker(Order(processor=Greedy()))))
        assert statuses(rows) == ["failed"] * 3
        assert all("out of memory" in row.error and "smaller photo" in row.error for row in rows)  # type: ignore[operator]

    def test_a_photo_that_vanishes_after_planning_is_one_failed_row(
        self, photos: Path, out: Path, order_for: OrderFor
    ) -> None:
        plan = make_plan([str(photos)], str(out), PlanOptions(recursive=True))
        (photos / "b.png").unlink()
        assert statuses(list(run_batch(plan, Worker(order_for())))) == ["done", "failed", "done"]

    def test_strange_names_are_kept(
        self, tmp_path: Path, out: Path, make_photo: MakePhoto, order_for: OrderFor
    ) -> None:
        names = [
            b"new\nline.png",
            b"sp ace .png",
            b"\xff\xfe.png",
            "ü😀.png".encode(),
            b"[bold].png",
            b"-.png",
            b"x" * 251 + b".png",
        ]
        for name in names:
            make_photo(tmp_path / "in" / os.fsdecode(name))
        results = run(tmp_path / "in", order_for(), out)
        assert statuses(results) == ["done"] * len(names)
        assert written(out) == sorted([*map(os.fsdecode, names), JOURNAL])
        assert all(json.loads(row.to_json())["status"] == "done" for row in results)
        assert statuses(run(tmp_path / "in", order_for(), out)) == ["skipped"] * len(names)

    def test_a_name_too_long_for_its_mask_fails_before_the_work(
        self, tmp_path: Path, out: Path, make_photo: MakePhoto, order_for: OrderFor
    ) -> None:
        make_photo(tmp_path / "in" / ("x" * 251 + ".png"))
        order = order_for()
        results = run(tmp_path / "in", order, out, save_mask=True)
        assert statuses(results) == ["failed"]
        assert "too long" in (results[0].error or "")
        assert order.processor.processed == 0  # type: ignore[attr-defined]

    def test_an_error_of_one_photo_goes_into_its_row(self, photos: Path, out: Path, order_for: OrderFor) -> None:
        results = run(photos, order_for(fails_with=OutOfMemory("too large", hint="Use --max-memory.")), out)
        assert {row.error for row in results} == {"too large. Use --max-memory."}

    def test_a_bug_goes_into_its_row_too(self, photos: Path, out: Path, order_for: OrderFor) -> None:
        results = run(photos, order_for(fails_with=ZeroDivisionError("oops")), out)
        assert statuses(results) == ["failed"] * 3
        assert "bug" in (results[0].error or "")

    def test_missing_weights_stop_the_run(self, photos: Path, out: Path, order_for: OrderFor) -> None:
        with pytest.raises(WeightsMissing):
            run(photos, order_for(load_fails_with=WeightsMissing("gone")), out)
        assert not list(out.rglob("*.png"))

    def test_a_folder_in_the_way(self, photos: Path, out: Path, order_for: OrderFor) -> None:
        (out / "a.png").mkdir(parents=True)
        (out / "sub").touch()
        assert statuses(run(photos, order_for(), out)) == ["failed", "done", "failed"]

    def test_remains_of_a_killed_run_are_removed(self, photos: Path, out: Path, order_for: OrderFor) -> None:
        out.mkdir()
        (out / ".a.png.oldphoto-0123abcd.tmp").write_bytes(b"half")
        run(photos, order_for(), out)
        assert not list(out.glob("*.tmp"))


def test_an_unchanged_photo_is_its_own_file(
    tmp_path: Path, out: Path, make_photo: MakePhoto, order_for: OrderFor
) -> None:
    """Encoding a JPEG again would change what was right."""
    black = make_photo(tmp_path / "in" / "black.jpg", level=0)
    assert statuses(run(tmp_path / "in", order_for(), out)) == ["unchanged"]
    assert (out / "black.jpg").read_bytes() == black.read_bytes()


def test_pipes(tmp_path: Path, make_photo: MakePhoto, order_for: OrderFor) -> None:
    photo = make_photo(tmp_path / "a.png")
    target = io.BytesIO()
    plan = make_plan(["-"], "-", PlanOptions())
    (row,) = run_batch(plan, Worker(order_for(), stdin=io.BytesIO(photo.read_bytes()), stdout=target))
    assert (row.input, row.output, row.status) == ("-", "-", "done")
    after = np.asarray(Image.open(io.BytesIO(target.getvalue())))
    assert np.array_equal(after, 255 - np.asarray(Image.open(photo)))


def test_a_named_pipe_can_be_the_input(tmp_path: Path, make_photo: MakePhoto, order_for: OrderFor) -> None:
    """As in: oldphoto restore <(curl ...) restored.png. It can be read only once."""
    photo = make_photo(tmp_path / "a.png")
    os.mkfifo(tmp_path / "pipe")
    feeder = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(photo.read_bytes()))
    feeder.start()
    plan = make_plan([str(tmp_path / "pipe")], str(tmp_path / "b.png"), PlanOptions())
    assert statuses(list(run_batch(plan, Worker(order_for())))) == ["done"]
    feeder.join()


class TestSideFiles:
    def test_mask_is_white_where_damaged(self, tmp_path: Path, out: Path, order_for: OrderFor) -> None:
        (tmp_path / "in").mkdir()
        pixels = np.zeros((16, 24, 3), np.uint8)
        pixels[4:6] = 255
        Image.fromarray(pixels).save(tmp_path / "in" / "a.png")
        (row,) = run(tmp_path / "in", order_for(), out, save_mask=True)
        mask = np.asarray(Image.open(out / "a_mask.png"))
        assert np.array_equal(mask, pixels[:, :, 0])
        assert row.damaged_fraction == 2 / 16

    def test_sidecar_and_row_tell_a_conversion_but_not_of_an_unchanged_photo(
        self, tmp_path: Path, out: Path, order_for: OrderFor
    ) -> None:
        (tmp_path / "in").mkdir()
        for name, level in (("black.png", 0), ("light.png", 200)):
            Image.new("L", (24, 16), level).convert("1", dither=Image.Dither.NONE).save(tmp_path / "in" / name)
        rows = run(tmp_path / "in", order_for(), out, sidecar=True)
        told = ("Black and white (1 bit) became 8-bit grey.",)
        assert [(row.status, row.notes) for row in rows] == [("unchanged", ()), ("done", told)]
        assert [json.loads((out / name).read_text())["notes"] for name in ("black.json", "light.json")] == [[], [*told]]
        later = run(tmp_path / "in", order_for(), out, sidecar=True)
        assert [(row.status, row.notes) for row in later] == [("skipped", ()), ("skipped", told)]

    def test_sidecar_says_where_the_result_comes_from(self, photos: Path, out: Path, order_for: OrderFor) -> None:
        run(photos, order_for(), out, sidecar=True)
        facts = json.loads((out / "sub" / "c.json").read_text())
        run(photos, order_for(existing="overwrite"), out, sidecar=True)
        again = json.loads((out / "sub" / "c.json").read_text())
        assert facts.pop("date") <= again.pop("date")
        assert facts == again
        assert facts["input"]["sha256"] == hashlib.sha256((photos / "sub" / "c.png").read_bytes()).hexdigest()
        assert facts["output"]["sha256"] == hashlib.sha256((out / "sub" / "c.png").read_bytes()).hexdigest()
        assert facts["model"] == {"name": "inverter", "sha256": "0" * 64}
        assert facts["settings"]["value"] == 0


class TestStop:
    def test_what_is_finished_stays_and_nothing_new_starts(self, photos: Path, out: Path, order_for: OrderFor) -> None:
        stop = StopSignal()
        plan = make_plan([str(photos)], str(out), PlanOptions(recursive=True))
        started: list[str] = []

        def note(job: object) -> None:
            started.append(str(job))
            stop.request()

        results = list(run_batch(plan, Worker(order_for()), stop=stop, started=note))
        assert len(started) == 1
        assert statuses(results) in ([], ["done"])
        assert statuses(run(photos, order_for(), out)).count("skipped") == len(results)

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_interrupts_the_computation(
        self, photos: Path, out: Path, order_for: OrderFor, number: signal.Signals
    ) -> None:
        plan = make_plan([str(photos)], str(out), PlanOptions(recursive=True))
        timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), number))
        timer.start()
        with StopSignal() as stop:
            results = list(run_batch(plan, Worker(order_for(slow_seconds=30)), stop=stop))
        timer.join()
        assert stop.requested
        assert results == []
        assert signal.getsignal(number) is not StopSignal._on_signal

    def test_the_second_signal_is_not_caught(self) -> None:
        with pytest.raises(KeyboardInterrupt), StopSignal():  # noqa: PT012
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)


class Watched(Worker):
    """Knows which photos are between reading and writing, and how many of them there ever were at a time."""

    def __init__(self, order: Order) -> None:
        super().__init__(order)
        self.inside: dict[str, int] = {}
        self.together: list[list[int]] = []
        self.lock = threading.Lock()

    def prepare(self, job: Job) -> Prepared | PhotoResult:
        with self.lock:
            self.inside[job.key] = needed_bytes(job)
            self.together.append(list(self.inside.values()))
        return super().prepare(job)

    def deliver(self, computed: Computed) -> PhotoResult:
        time.sleep(0.02)  # as encoders are slow
        result = super().deliver(computed)
        with self.lock:
            del self.inside[computed.prepared.job.key]
        return result


class TestMemoryOfPhotosBesideTheDevice:
    def watched(self, folder: Path, out: Path, room: int, *, slow_seconds: float) -> list[list[int]]:
        worker = Watched(Order(processor=Inverter(slow_seconds=slow_seconds)))
        plan = make_plan([str(folder)], str(out), PlanOptions())
        results = list(run_batch(plan, worker, engine=LocalEngine(threads=3, max_held_bytes=room)))
        assert [Path(row.input).name for row in results] == [Path(job.key).name for job in plan]
        assert statuses(results) == ["done"] * len(plan)
        return worker.together

    @pytest.mark.parametrize("slow_seconds", [0, 0.03], ids=["slow to write", "slow to compute"])
    def test_photos_together_fit_their_room_and_larger_ones_go_alone(
        self, tmp_path: Path, out: Path, make_photo: MakePhoto, slow_seconds: float
    ) -> None:
        for number in range(10):
            make_photo(tmp_path / "in" / f"{number}.tif", size=(400, 400) if number in (3, 4, 8) else (100, 100))
        one = needed_bytes(job_for(tmp_path / "in" / "0.tif"))
        together = self.watched(tmp_path / "in", out, 2 * one, slow_seconds=slow_seconds)
        assert all(sum(needs) <= 2 * one or len(needs) == 1 for needs in together)
        assert max(map(len, together)) == 2
        assert max(map(max, together)) > 2 * one

    def test_without_room_for_any_they_are_done_one_after_the_other(
        self, tmp_path: Path, out: Path, make_photo: MakePhoto
    ) -> None:
        for number in range(5):
            make_photo(tmp_path / "in" / f"{number}.png")
        assert {len(needs) for needs in self.watched(tmp_path / "in", out, 1, slow_seconds=0)} == {1}

    def test_a_pipe_is_not_looked_into_and_a_broken_file_needs_nothing(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        assert needed_bytes(job_for(tmp_path / "pipe")) == needed_bytes(job_for(None)) == UNKNOWN_BYTES
        (tmp_path / "broken.jpg").write_bytes(b"broken")
        assert needed_bytes(job_for(tmp_path / "broken.jpg")) == 0

    def test_webp_read_or_written_counts_for_what_its_codec_takes(self, tmp_path: Path, make_photo: MakePhoto) -> None:
        png = job_for(make_photo(tmp_path / "a.png", size=(400, 400)))
        webp = job_for(make_photo(tmp_path / "a.webp", size=(400, 400)))
        measured = 8.6 * 400 * 400 * 3
        assert needed_bytes(png) < measured
        assert needed_bytes(webp) > measured
        assert needed_bytes(replace(png, format="webp")) > measured

    def test_a_store_tells_as_much_as_a_disk(self, tmp_path: Path, make_photo: MakePhoto) -> None:
        photo = make_photo(tmp_path / "a.tif")
        stored = UrlPath("memory://room/a.tif")
        stored.write_bytes(photo.read_bytes())
        assert needed_bytes(job_for(stored)) == needed_bytes(job_for(photo)) > 24 * 16 * 3

    @pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
    def test_a_folder_of_large_photos_stays_within_max_memory(self, tmp_path: Path, out: Path) -> None:
        """The whole command with `--jobs 4`: four photos of 12 megapixels decoded at a time take 0.5 GB."""
        (tmp_path / "in").mkdir()
        Image.new("RGB", (4000, 3000), (90, 60, 40)).save(tmp_path / "in" / "0.jpg")
        for number in range(1, 6):
            shutil.copy(tmp_path / "in" / "0.jpg", tmp_path / "in" / f"{number}.jpg")
        limit_mb = 300
        command = [sys.executable, "-c", PEAK, "restore", tmp_path / "in", out, "--jobs", "4"]
        run = subprocess.run(
            [*map(str, command), "--max-memory", f"{limit_mb}MB"],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "INVERTER": str(Path(__file__).parent / "inverter.py"), "INVERTER_SECONDS": "0.2"},
        )
        assert len(list(out.glob("*.jpg"))) == 6
        assert int(run.stdout) < 1.3 * limit_mb * 1000  # kB


PEAK = """
import os, pathlib, runpy, sys
try:
    runpy.run_path(os.environ["INVERTER"], run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
print(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


def job_for(source: Location | None) -> Job:
    return Job(source=source, target=None, key="-")


@dataclass
class Greedy(Inverter):
    def process(self, photo: Photo, mask: NDArray[np.bool_] | None) -> Processed:
        np.empty(2**62, np.uint8)
        return super().process(photo, mask)


@dataclass
class GroupInverter(Inverter):
    """Wants three photos at once, notes how many it got, and cannot do photos 13 pixels wide together with others."""

    photos_at_once: int = 3
    groups: list[int] = field(default_factory=list)

    def process_all(self, photos: Sequence[tuple[Photo, Any]]) -> list[Processed]:
        self.groups.append(len(photos))
        if any(photo.pixels.shape[1] == 13 for photo, _ in photos):
            raise OutOfMemory("together they are too large")
        return [self.process(*photo) for photo in photos]


class TestGroups:
    """Photos that go to the device together, as those whose faces share a GPU."""

    def test_photos_that_are_ready_go_together_and_come_out_as_alone(
        self, tmp_path: Path, out: Path, make_photo: MakePhoto, order_for: OrderFor
    ) -> None:
        for number in range(9):
            make_photo(tmp_path / "in" / f"{number}.png", level=10 * number + 5)
        (tmp_path / "in" / "4.png").write_bytes(b"broken")
        processor = GroupInverter(slow_seconds=0.05)  # long enough for the next photos to be decoded meanwhile
        plan = make_plan([str(tmp_path / "in")], str(out), PlanOptions())
        results = list(run_batch(plan, Worker(Order(processor=processor)), engine=LocalEngine(threads=3)))
        assert [Path(row.input).stem for row in results] == [str(number) for number in range(9)]
        assert statuses(results) == ["done"] * 4 + ["failed"] + ["done"] * 4
        assert max(processor.groups) > 1
        run(tmp_path / "in", order_for(), tmp_path / "alone")
        for name in (f"{number}.png" for number in range(9) if number != 4):
            assert (out / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()

    def test_photos_that_fail_together_are_done_one_by_one(self, tmp_path: Path, make_photo: MakePhoto) -> None:
        for number, width in enumerate((20, 13, 24)):
            make_photo(tmp_path / "in" / f"{number}.png", size=(width, 16))
        processor = GroupInverter()
        worker = Worker(Order(processor=processor))
        plan = make_plan([str(tmp_path / "in")], str(tmp_path / "out"), PlanOptions())
        ready = [worker.prepare(job) for job in plan]
        computed = worker.compute_all([photo for photo in ready if isinstance(photo, Prepared)])
        assert (processor.groups, processor.processed) == ([3], 3)
        assert [type(photo).__name__ for photo in computed] == ["Computed"] * 3

    def test_the_time_of_a_group_is_shared_by_size(self, tmp_path: Path, make_photo: MakePhoto) -> None:
        make_photo(tmp_path / "in" / "0.png", size=(16, 16))
        make_photo(tmp_path / "in" / "1.png", size=(16, 48))
        worker = Worker(Order(processor=GroupInverter(slow_seconds=0.1)))
        plan = make_plan([str(tmp_path / "in")], str(tmp_path / "out"), PlanOptions())
        ready = [photo for photo in map(worker.prepare, plan) if isinstance(photo, Prepared)]
        spent = [
            computed.seconds - prepared.seconds
            for prepared, computed in zip(ready, worker.compute_all(ready), strict=True)
        ]
        assert sum(spent) >= 0.2
        assert spent[1] == pytest.approx(3 * spent[0])


@pytest.mark.parametrize("threads", [1, 4])
def test_the_number_of_threads_shows_nowhere_in_the_files(
    photos: Path, out: Path, tmp_path: Path, order_for: OrderFor, threads: int
) -> None:
    run(photos, order_for(), out)
    other = tmp_path / "other"
    plan = make_plan([str(photos)], str(other), PlanOptions(recursive=True))
    list(run_batch(plan, Worker(order_for()), engine=LocalEngine(threads=threads)))
    assert all(
        (out / name).read_bytes() == (other / name).read_bytes() for name in written(out) if not name.endswith(JOURNAL)
    )


def test_no_photo_is_current_outside_a_step() -> None:
    assert current_photo.get() == ""
