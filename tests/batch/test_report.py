"""The report page: what it holds, and how it behaves in a real browser."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from restore_cli.batch.report.card import card
from restore_cli.batch.report.page import ReportPage
from restore_cli.batch.report.thumbnails import take_pictures, thumbnail_px
from restore_cli.batch.result import Face, PhotoResult, Pictures
from restore_cli.errors import UsageProblem

sys.path.insert(0, str(Path(__file__).parent))
from chromium import PROGRAM, Chromium

FACES: tuple[Face, ...] = (
    {"box": (30, 20, 60, 80), "score": 0.91, "action": "refined"},
    {"box": (200, 50, 20, 25), "score": 0.754, "action": "left: too small"},
)


def pictures(*, shade: int = 60, size: tuple[int, int] = (300, 200), px: int = 240) -> Pictures:
    before = np.full((size[1], size[0], 3), shade, np.uint8)
    mask = np.zeros((size[1], size[0]), bool)
    mask[50, :] = True
    return take_pictures(before, 255 - before, mask, long_side_px=px)


def result(name: str, *, status: str = "done", **facts: object) -> PhotoResult:
    given = {"error": "it broke" if status == "failed" else None, **facts}
    if "pictures" not in given:
        given["pictures"] = pictures()
    return PhotoResult(
        input=name,
        output=f"out/{name}",
        status=status,  # type: ignore[arg-type]
        seconds=1.25,
        size=(300, 200),
        damaged_fraction=0.0123,
        faces=FACES,
        **given,  # type: ignore[arg-type]
    )


@pytest.fixture
def page(tmp_path: Path) -> Callable[..., Path]:
    def build(*results: PhotoResult) -> Path:
        with ReportPage(tmp_path / "report.html", facts={"model": "tiny", "threshold": 0.4}) as report:
            for one in results:
                report.add(one)
        return tmp_path / "report.html"

    return build


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("profile")) as chromium:
        yield chromium


class TestThumbnails:
    def test_long_side_and_shape(self) -> None:
        small = pictures(size=(600, 300), px=240)
        decoded = cv2.imdecode(np.frombuffer(small.before, np.uint8), cv2.IMREAD_COLOR)
        assert decoded.shape == (120, 240, 3)
        assert abs(int(decoded[60, 120, 0]) - 60) <= 1  # JPEG

    def test_a_scratch_of_one_pixel_shows_in_red(self) -> None:
        small = pictures(size=(2400, 1200), px=240)
        assert small.mask is not None
        decoded = cv2.imdecode(np.frombuffer(small.mask, np.uint8), cv2.IMREAD_COLOR)
        blue, _, red = decoded[5, 120]
        assert red > 100 > 60 > blue  # JPEG blurs a line of one pixel

    def test_grey_16_bit_photos_and_sound_ones(self) -> None:
        grey = np.full((10, 2000, 1), 257 * 100, np.uint16)
        small = take_pictures(grey, grey, np.zeros((10, 2000), bool), long_side_px=100)
        assert small.mask is None
        assert abs(int(cv2.imdecode(np.frombuffer(small.after, np.uint8), cv2.IMREAD_GRAYSCALE)[0, 50]) - 100) <= 1

    def test_more_photos_get_smaller_pictures(self) -> None:
        assert thumbnail_px(10) > thumbnail_px(1000) > thumbnail_px(10_000) > 100
        assert thumbnail_px(None) == thumbnail_px(1000)


class TestContent:
    def test_every_photo_with_its_facts(self, page: Callable[..., Path]) -> None:
        text = page(result("a.jpg"), result("b.jpg", status="failed", pictures=None)).read_text()
        for said in ("a.jpg", "300 x 200", "1.23 % damaged", "1.2 s", "b.jpg", "it broke", "0.4"):
            assert said in text
        assert "1 of 2 faces refined" in text
        assert "20 x 25 px at 200, 50 · score 0.75 · left: too small" in text

    def test_names_cannot_break_the_page(self, page: Callable[..., Path]) -> None:
        text = page(result('<script>alert("x")</script>\udcff&.jpg')).read_text(encoding="utf-8")
        assert "<script>alert" not in text
        assert "%3Cscript%3E" in text  # the link
        assert "%FF" in text

    def test_it_needs_no_other_file(self, page: Callable[..., Path]) -> None:
        text = page(result("a.jpg")).read_text()
        assert "http" not in text.replace("https://", "http").split("<main>")[0]
        assert ' src="data:image/jpeg;base64,' in text
        assert "<link" not in text

    def test_a_run_without_rows_writes_none(self, page: Callable[..., Path]) -> None:
        assert not page().exists()

    def test_files_in_a_store_are_linked_by_their_address(self, tmp_path: Path) -> None:
        row = result("memory://bucket/a b.jpg")
        assert 'href="memory://bucket/a b.jpg"' in card(row, tmp_path)

    def test_it_replaces_an_earlier_report_and_nothing_else(self, tmp_path: Path) -> None:
        notes = tmp_path / "notes.html"
        notes.write_text("<!doctype html><title>what grandmother told</title>")
        with pytest.raises(UsageProblem, match="no report of oldphoto"):
            ReportPage(notes, facts={})
        with pytest.raises(UsageProblem, match="is a folder"):
            ReportPage(tmp_path, facts={})
        for name in ("a.jpg", "b.jpg"):
            with ReportPage(tmp_path / "r.html", facts={}) as report:
                report.add(result(name))
        assert "b.jpg" in (tmp_path / "r.html").read_text()

    def test_an_interrupted_run_has_its_report(self, tmp_path: Path) -> None:
        with pytest.raises(KeyboardInterrupt), ReportPage(tmp_path / "r.html", facts={}) as report:  # noqa: PT012
            report.add(result("a.jpg"))
            raise KeyboardInterrupt
        assert "a.jpg" in (tmp_path / "r.html").read_text()


@pytest.mark.skipif(PROGRAM is None, reason="Chromium is not installed (Debian: apt-get install chromium)")
class TestInABrowser:
    @staticmethod
    def at(browser: Chromium, number: int = 0) -> float:
        """Where the dividing line of a photo stands, in percent."""
        style = f"getComputedStyle(document.querySelectorAll('.compare')[{number}]).getPropertyValue('--at')"
        return float(browser.value(style).rstrip("%"))

    @staticmethod
    def point(browser: Chromium, fraction: float) -> tuple[float, float]:
        """A point of the first photo, at this fraction of its width."""
        box = browser.value(
            "(() => { const b = document.querySelector('.compare').getBoundingClientRect();"
            " return [b.x, b.y, b.width, b.height] })()"
        )
        return box[0] + fraction * box[2], box[1] + box[3] / 2

    def test_the_slider_follows_keys_mouse_and_touch(self, page: Callable[..., Path], browser: Chromium) -> None:
        browser.open(page(result("a.jpg"), result("b.jpg")))
        browser.wait_for("document.querySelectorAll('.compare img').length === 6")
        assert self.at(browser) == 50
        browser.press("j")
        browser.press("ArrowRight")
        browser.press("ArrowRight")
        assert self.at(browser) == 52
        browser.press("Home")
        assert self.at(browser) == 0
        browser.press("j")
        browser.press("End")
        assert (self.at(browser), self.at(browser, 1)) == (0, 100)
        browser.drag(self.point(browser, 0.5), self.point(browser, 0.25))
        assert self.at(browser) == pytest.approx(25, abs=3)  # the range's thumb keeps off the edges
        browser.swipe(self.point(browser, 0.25), self.point(browser, 0.75))
        assert self.at(browser) == pytest.approx(75, abs=3)

    def test_the_line_parts_before_from_after(self, page: Callable[..., Path], browser: Chromium) -> None:
        browser.open(page(result("a.jpg")))
        browser.wait_for("document.querySelectorAll('.compare img').length === 3")
        clip = "getComputedStyle(document.querySelector('.before')).clipPath"
        browser.press("j")
        browser.press("Home")
        assert browser.value(clip) == "inset(0px 100% 0px 0px)"
        browser.press("End")
        assert browser.value(clip) in ("inset(0px calc(0%) 0px 0px)", "inset(0px 0% 0px 0px)", "inset(0px)")

    @pytest.mark.parametrize(("layer", "key"), [("damage", "m"), ("faces", "f")])
    def test_damage_and_faces_are_shown_on_request(
        self, page: Callable[..., Path], browser: Chromium, layer: str, key: str
    ) -> None:
        browser.open(page(result("a.jpg")))
        browser.wait_for("document.querySelectorAll('.compare img').length === 3")
        visible = f"getComputedStyle(document.querySelector('.{layer}')).visibility"
        assert browser.value(visible) == "hidden"
        browser.press("j")
        browser.press(key)
        assert browser.value(visible) == "visible"
        browser.value(f"document.querySelector('[data-layer={layer}]').click()")
        assert browser.value(visible) == "hidden"

    def test_boxes_lie_on_their_faces(self, page: Callable[..., Path], browser: Chromium) -> None:
        """In parts of the picture, whatever its size on the screen."""
        browser.open(page(result("a.jpg")))
        browser.wait_for("document.querySelectorAll('.compare img').length === 3")
        drawn = browser.value(
            "(() => { const p = document.querySelector('.after').getBoundingClientRect();"
            " return [...document.querySelectorAll('rect')].map(r => r.getBoundingClientRect())"
            ".map(b => [(b.x - p.x) / p.width, (b.y - p.y) / p.height, b.width / p.width, b.height / p.height]) })()"
        )
        assert len(drawn) == 2
        assert drawn[0] == pytest.approx([0.1, 0.1, 0.2, 0.4], abs=0.01)
        assert drawn[1] == pytest.approx([2 / 3, 0.25, 1 / 15, 0.125], abs=0.01)

    def test_photos_are_found_by_status_and_name(self, page: Callable[..., Path], browser: Chromium) -> None:
        browser.open(page(result("a.jpg"), result("b.jpg", status="failed", pictures=None), result("c.jpg")))
        shown = "[...document.querySelectorAll('article')].filter(a => !a.hidden).length"
        browser.value("document.querySelector('[data-show=failed]').click()")
        assert browser.value(shown) == 1
        browser.value("document.querySelector('[data-show=all]').click()")
        assert browser.value(shown) == 3
        browser.value("document.querySelector('input[type=search]').focus()")
        browser.press("c")
        assert browser.value(shown) == 1

    def test_of_a_thousand_photos_only_those_near_the_window_are_loaded(
        self, page: Callable[..., Path], browser: Chromium
    ) -> None:
        small = pictures()
        path = page(*(result(f"{number}.jpg", pictures=small) for number in range(1000)))
        browser.open(path)
        browser.wait_for("document.querySelectorAll('.compare img').length > 0")
        assert browser.value("document.querySelectorAll('article').length") == 1000
        assert browser.value("document.querySelectorAll('.compare img').length") < 150
        browser.value("document.querySelectorAll('article')[999].scrollIntoView()")
        browser.wait_for("document.querySelectorAll('article')[999].querySelector('img') !== null")
        assert browser.value("document.querySelectorAll('article')[500].querySelector('img')") is None
