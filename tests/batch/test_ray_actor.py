"""What a machine of a cluster looks at before it restores anything; here without a cluster around it."""

from __future__ import annotations

import logging
import pickle
import platform
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import restore_cli
from restore_cli.batch.needs import needed_bytes
from restore_cli.batch.plan import Job
from restore_cli.batch.ray_actor import PhotoActor, Setup, Terms
from restore_cli.batch.ray_storage import Landmarks
from restore_cli.batch.result import PhotoResult
from restore_cli.batch.worker import Computed, Order, Prepared, Worker
from restore_cli.errors import UsageProblem

OrderFor = Callable[..., Order]
VERSION = restore_cli.__version__


@pytest.fixture
def actor_for(order_for: OrderFor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., PhotoActor]:
    """actor_for(version=..., theirs=the order it gets, ours=the order of the computer the run was started on, ...)."""
    monkeypatch.chdir(tmp_path)

    def build(
        *, version: str = VERSION, theirs: Order | None = None, ours: Order | None = None, **changes: object
    ) -> PhotoActor:
        terms = {
            "order": theirs or order_for(),
            "setup": Setup.of(Worker(ours or theirs or order_for())),
            "landmarks": Landmarks(photos=(), mark=None),
            "folder": str(tmp_path),
            "needs_folder": True,
            "log_level": logging.getLogger("restore_cli").getEffectiveLevel(),
            "max_held_bytes": 2**30,
        }
        return PhotoActor(version, pickle.dumps(Terms(**{**terms, **changes})))  # type: ignore[arg-type]

    return build


def refusal(actor: PhotoActor) -> str:
    problem = actor.get_ready()
    assert isinstance(problem, UsageProblem)
    assert problem.message.startswith(f"on {platform.node()}: ")
    return problem.message


def test_a_machine_that_is_set_up_alike(actor_for: Callable[..., PhotoActor]) -> None:
    assert actor_for().get_ready() is None


def test_another_version_does_not_even_open_what_was_sent() -> None:
    assert f"oldphoto {VERSION} is installed, and the run was started by 9.9" in refusal(PhotoActor("9.9", b"garbled"))


def test_another_model(actor_for: Callable[..., PhotoActor], order_for: OrderFor) -> None:
    actor = actor_for(theirs=order_for(model_sha256="f" * 64), ours=order_for(model_sha256="0" * 64))
    assert "with model inverter ffffffffffff, settings" in refusal(actor)


def test_other_settings(actor_for: Callable[..., PhotoActor], order_for: OrderFor) -> None:
    """Such as faces, which are refined only where their weights are installed."""
    assert "settings" in refusal(actor_for(theirs=order_for(settings_value=1), ours=order_for(settings_value=2)))


def test_a_machine_without_the_disk(actor_for: Callable[..., PhotoActor], tmp_path: Path) -> None:
    unseen = Landmarks(photos=(tmp_path / "in" / "a.png",), mark=None)
    assert f"{tmp_path / 'in' / 'a.png'} is not there" in refusal(actor_for(landmarks=unseen))


def test_a_machine_with_a_disk_of_its_own_in_the_same_place(actor_for: Callable[..., PhotoActor]) -> None:
    unseen = Landmarks(photos=(), mark=Path("out/.run"))
    assert "out is not the folder that the command was given" in refusal(actor_for(landmarks=unseen))


def test_relative_paths_need_the_folder(actor_for: Callable[..., PhotoActor], tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    assert f"{gone} is not there" in refusal(actor_for(folder=gone))
    assert actor_for(folder=gone, needs_folder=False).get_ready() is None


def test_a_failed_photo_says_where(actor_for: Callable[..., PhotoActor], tmp_path: Path) -> None:
    actor = actor_for()
    assert actor.get_ready() is None
    row = actor.restore(Job(source=tmp_path / "gone.png", target=tmp_path / "out.png", key="out.png"))
    assert isinstance(row, PhotoResult)
    assert (row.status, row.notes) == ("failed", (f"failed on {platform.node()}",))


@pytest.mark.parametrize(("room_for", "together"), [(0.5, 1), (2.5, 2), (9, 3)])
def test_photos_in_flight_share_the_room_for_them(
    actor_for: Callable[..., PhotoActor],
    order_for: OrderFor,
    make_photo: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    room_for: float,
    together: int,
) -> None:
    """Three threads, as Ray calls the actor for three photos; writing waits, if it can, until `together` are inside."""
    photos = [make_photo(tmp_path / f"{number}.tif", size=(100, 100)) for number in range(6)]
    jobs = [Job(source=photo, target=tmp_path / "out" / photo.name, key=photo.name) for photo in photos]
    inside: set[str] = set()
    most: list[int] = []
    changed = threading.Condition()

    class Slow(Worker):
        def prepare(self, job: Job) -> Prepared | PhotoResult:
            with changed:
                inside.add(job.key)
                most.append(len(inside))
                changed.notify_all()
            return super().prepare(job)

        def deliver(self, computed: Computed) -> PhotoResult:
            with changed:
                changed.wait_for(lambda: max(most) >= together, timeout=5)
            result = super().deliver(computed)
            inside.discard(computed.prepared.job.key)
            return result

    monkeypatch.setattr("restore_cli.batch.ray_actor.Worker", Slow)
    actor = actor_for(max_held_bytes=round(room_for * needed_bytes(jobs[0])))
    assert actor.get_ready() is None
    with ThreadPoolExecutor(3) as threads:
        rows = list(threads.map(actor.restore, jobs))
    assert [row.status for row in rows if isinstance(row, PhotoResult)] == ["done"] * 6
    assert max(most) == together
