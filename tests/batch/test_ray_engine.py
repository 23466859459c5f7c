"""Runs on a small Ray cluster in this machine: two workers, each a process of its own."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clumsy import Clumsy, Wrecker  # beside this file
from inverter import Inverter
from PIL import Image

from restore_cli.batch import ray_engine
from restore_cli.batch.journal import NAME as JOURNAL
from restore_cli.batch.local import LocalEngine
from restore_cli.batch.plan import PlanOptions, make_plan
from restore_cli.batch.ray_cluster import RayOptions, connect
from restore_cli.batch.ray_crew import RETRIES
from restore_cli.batch.ray_engine import RayEngine
from restore_cli.batch.result import PhotoResult
from restore_cli.batch.run import Engine, run_batch
from restore_cli.batch.shard import Shard
from restore_cli.batch.stop import StopSignal
from restore_cli.batch.worker import Order, Worker
from restore_cli.errors import UsageProblem, WeightsMissing

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'oldphoto[ray]'")
Cluster = pytest.importorskip("ray.cluster_utils").Cluster
HERE = Path(__file__).parent

DEADLY = 77
TOO_BUSY = (b"Starting Ray client server failed", b"ray client connection timeout", b"no answer in 90 seconds")
"""What ends a client's connection where starting its server takes Ray longer than Ray itself allows."""
RACED = b"psutil.ZombieProcess"
"""What ends it where a worker of the tests before dies just while Ray counts its processes."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A Ray cluster of one machine with room for two workers. Starting it takes longer than most tests."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as folder:
        patch.setenv("RAY_TMPDIR", folder)  # its sockets lie there, whose names have to be short
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")
        patch.setenv("RAY_memory_monitor_refresh_ms", "0")  # else it kills workers where others fill the memory
        patch.setenv("RAY_AUTH_MODE", "disabled")  # else Ray writes a token into the home folder
        patch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(HERE.parents[1])]))
        started = Cluster()
        try:
            _add_machine(started, num_cpus=2, include_dashboard=False, ray_client_server_port=_free_ports(1)[0])
            ray.init(address=started.address, log_to_driver=False, logging_level=logging.ERROR)
            yield started
        finally:
            ray.shutdown()
            started.shutdown()


def _add_machine(cluster: Cluster, **options: Any) -> Any:
    # With ports of its own choice a machine has to wait for its agents, and gives up after 20 seconds.
    agents = ("metrics_agent_port", "runtime_env_agent_port", "dashboard_agent_listen_port")
    ports = dict(zip(agents, _free_ports(len(agents)), strict=True))
    try:
        return cluster.add_node(object_store_memory=80 << 20, **ports, **options)
    except Exception as error:  # Ray gives its machine 30 seconds and raises a plain Exception, or a TimeoutError
        if "timed out" not in str(error).lower():
            raise
        pytest.skip("Ray could not start in 30 seconds: this machine is too busy")


def _free_ports(count: int) -> list[int]:
    """Below those that Ray gives to its workers."""
    ports: list[int] = []
    for port in random.sample(range(9000, 10000), 1000):
        with socket.socket() as free, contextlib.suppress(OSError):
            free.bind(("", port))
            ports.append(port)
        if len(ports) == count:
            return ports
    raise AssertionError("no free port")


@pytest.fixture
def engine(cluster: Cluster) -> RayEngine:
    return RayEngine(RayOptions(workers=2))


@pytest.fixture
def single(cluster: Cluster) -> RayEngine:
    """One worker, where a test is about nothing that needs two: each start of one takes a second."""
    return RayEngine(RayOptions(workers=1))


@pytest.fixture
def photos(tmp_path: Path, make_photo: Callable[..., Path]) -> Path:
    """Eight photos, two of them in a subfolder."""
    for number in range(8):
        make_photo(tmp_path / "in" / ("sub" if number > 5 else "") / f"{number}.png", level=10 + number)
    return tmp_path / "in"


@pytest.fixture
def clumsy(tmp_path: Path) -> Clumsy:
    (tmp_path / "notes").mkdir()
    return Clumsy(notes=str(tmp_path / "notes"), deadly_level=DEADLY)


def run(
    photos: Path | str, out: Path | str, processor: Inverter, engine: Engine, options: PlanOptions | None = None
) -> list[PhotoResult]:
    plan = make_plan([str(photos)], str(out), options or PlanOptions(recursive=True))
    return list(run_batch(plan, Worker(Order(processor=processor)), engine=engine))


def command_line(photos: Path, out: Path, address: str) -> list[str]:
    command = [sys.executable, str(HERE / "inverter.py"), "restore", "-r", "--json", str(photos), str(out)]
    return [*command, "--engine", "ray", "--workers", "1", "--ray-address", address]


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != JOURNAL)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def facts(rows: list[PhotoResult]) -> list[PhotoResult]:
    """Rows without what may differ: their order, the time, the output folder, and the machine a photo failed on."""
    return sorted((replace(row, seconds=0.0, output=None, notes=()) for row in rows), key=lambda row: row.input)


def by_name(rows: list[PhotoResult]) -> dict[str, PhotoResult]:
    return {Path(row.input).name: row for row in rows}


def test_rows_and_files_are_those_of_the_local_engine(
    photos: Path, tmp_path: Path, clumsy: Clumsy, cluster: Cluster
) -> None:
    """The third of the workers finds no room in the cluster, and holds nothing up."""
    (photos / "bad.png").write_bytes(b"no photo")
    there = run(photos, tmp_path / "there", clumsy, RayEngine(RayOptions(workers=3)))
    assert clumsy.noted("load") in (1, 2)  # once for each worker that got a photo, not for each photo
    here = run(photos, tmp_path / "here", clumsy, LocalEngine())
    assert facts(there) == facts(here)
    assert {row.output for row in there} == {row.output and row.output.replace("here", "there") for row in here}
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    assert [row.status for row in run(photos, tmp_path / "there", clumsy, LocalEngine())].count("skipped") == 8


def test_relative_paths_begin_where_the_command_was_given(
    photos: Path, tmp_path: Path, clumsy: Clumsy, single: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = run("in", "out", clumsy, single, PlanOptions())
    assert {row.output for row in rows} == {f"out/{number}.png" for number in range(6)}
    assert len(contents(tmp_path / "out")) == 6


def test_photos_of_a_dead_worker_are_done_elsewhere(
    photos: Path, tmp_path: Path, clumsy: Clumsy, engine: Engine, make_photo: Callable[..., Path]
) -> None:
    make_photo(photos / "0.png", level=DEADLY)
    rows = run(photos, tmp_path / "out", replace(clumsy, deaths=1), engine)
    assert clumsy.noted("death") == 1
    assert len(rows) == 8
    assert {row.status for row in rows} <= {"done", "skipped"}  # skipped: written before the death, told after it
    run(photos, tmp_path / "here", replace(clumsy, deaths=0), LocalEngine())
    assert contents(tmp_path / "out") == contents(tmp_path / "here")


def test_a_photo_that_always_kills_its_worker_fails_and_takes_no_other_with_it(
    photos: Path, tmp_path: Path, clumsy: Clumsy, engine: Engine, make_photo: Callable[..., Path]
) -> None:
    make_photo(photos / "4.png", level=DEADLY)
    rows = by_name(run(photos, tmp_path / "out", clumsy, engine))
    assert clumsy.noted("death") == 1 + RETRIES
    assert {name for name, row in rows.items() if row.status == "failed"} == {"4.png"}
    assert len(rows) == 8
    assert f"its worker died {1 + RETRIES} times" in (rows["4.png"].error or "")


@pytest.mark.slow
def test_photos_of_a_dead_machine_are_done_elsewhere(
    photos: Path, tmp_path: Path, cluster: Cluster, make_photo: Callable[..., Path]
) -> None:
    for number in range(8, 24):
        make_photo(photos / f"{number}.png", level=10 + number)
    machine = _add_machine(cluster, num_cpus=1)
    wrecker = Wrecker(notes=str(tmp_path), raylet=machine.all_processes["raylet"][0].process.pid)
    try:
        rows = run(photos, tmp_path / "out", wrecker, RayEngine(RayOptions()))
    finally:
        cluster.remove_node(machine, allow_graceful=False)
        _wait_until(lambda: sum(node["Alive"] for node in ray.nodes()) == 1)
    assert (tmp_path / "unplugged").exists()
    assert len(rows) == 24
    assert {row.status for row in rows} == {"done"}
    run(photos, tmp_path / "here", Inverter(), LocalEngine())
    assert contents(tmp_path / "out") == contents(tmp_path / "here")


def test_no_machine_has_the_gpus(photos: Path, tmp_path: Path, clumsy: Clumsy, cluster: Cluster) -> None:
    told = r"no room for a worker: each needs 1 CPU and 0\.5 GPUs .* have 2 CPUs and 0 GPUs$"
    with pytest.raises(UsageProblem, match=told):
        run(photos, tmp_path / "out", clumsy, RayEngine(RayOptions(gpus_per_worker=0.5)))
    assert contents(tmp_path / "out") == {}


def test_missing_weights_on_a_machine_end_the_run(photos: Path, tmp_path: Path, clumsy: Clumsy, single: Engine) -> None:
    with pytest.raises(WeightsMissing, match=r"^on .*gone"):
        run(photos, tmp_path / "out", replace(clumsy, load_fails_with=WeightsMissing("gone")), single)


def test_shards_together_do_everything_once(photos: Path, tmp_path: Path, clumsy: Clumsy, single: Engine) -> None:
    """One of them on Ray, the other one here: the split and the journal are the same."""
    rows = []
    for index, engine in ((1, single), (2, LocalEngine())):
        shard = PlanOptions(recursive=True, shard=Shard(index=index, count=2))
        rows += run(photos, tmp_path / "out", clumsy, engine, shard)
    assert sorted(Path(row.input).stem for row in rows) == list("01234567")
    assert {row.status for row in rows} == {"done"}


def test_photos_in_a_store(photos: Path, tmp_path: Path, clumsy: Clumsy, engine: Engine) -> None:
    """local:// is fsspec's plugin for disks: all workers see the same."""
    rows = run(f"local://{photos}", f"local://{tmp_path}/out", clumsy, engine)
    assert {row.status for row in rows} == {"done"}
    run(photos, tmp_path / "here", clumsy, LocalEngine())
    made = {name: content for name, content in contents(tmp_path / "out").items() if ".oldphoto-journal" not in name}
    assert made == contents(tmp_path / "here")
    again = run(f"local://{photos}", f"local://{tmp_path}/out", clumsy, LocalEngine())
    assert {row.status for row in again} == {"skipped"}


def test_what_is_finished_stays_when_the_run_is_stopped(
    photos: Path, tmp_path: Path, clumsy: Clumsy, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_engine, "GRACE_SECONDS", 120.0)  # all in flight end, however slow this machine is
    stop = StopSignal()
    plan = make_plan([str(photos)], str(tmp_path / "out"), PlanOptions(recursive=True))
    slow = Worker(Order(processor=replace(clumsy, slow_seconds=0.2)))
    rows = []
    for row in run_batch(plan, slow, engine=engine, stop=stop):
        rows.append(row)
        stop.request()
    assert 1 <= len(rows) < 8
    assert len(contents(tmp_path / "out")) == len(rows)
    again = run(photos, tmp_path / "out", clumsy, LocalEngine())
    assert [row.status for row in again].count("skipped") == len(rows)


def test_a_program_that_is_connected_keeps_its_cluster(cluster: Cluster) -> None:
    assert connect("127.0.0.1:1") is ray


def test_stdin_is_here_and_not_there(clumsy: Clumsy, engine: Engine) -> None:
    plan = make_plan(["-"], "-", PlanOptions())
    with pytest.raises(UsageProblem, match="stdin"):
        list(run_batch(plan, Worker(Order(processor=clumsy)), engine=engine))


def test_a_driver_that_is_killed_resumes(photos: Path, tmp_path: Path, cluster: Cluster) -> None:
    command = command_line(photos, tmp_path / "out", cluster.address)
    slow = {**os.environ, "INVERTER_SECONDS": "0.2"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=slow) as driver:
        assert driver.stdout is not None
        first = json.loads(driver.stdout.readline())
        os.kill(driver.pid, signal.SIGKILL)
    assert first["status"] == "done"
    _wait_until(lambda: ray.available_resources().get("CPU", 0) == 2)  # Ray has ended the workers of the dead driver
    done = {path.name for path in (tmp_path / "out").rglob("*.png")}
    ran = subprocess.run(command, capture_output=True, check=False)
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert (ran.returncode, len(rows)) == (0, 8), ran.stderr.decode()
    assert Path(first["input"]).name in done
    assert done <= {Path(row["input"]).name for row in rows if row["status"] == "skipped"}
    assert not list((tmp_path / "out").rglob("*.tmp"))
    for photo in photos.rglob("*.png"):
        after = np.asarray(Image.open(tmp_path / "out" / photo.relative_to(photos)))
        assert np.array_equal(after, 255 - np.asarray(Image.open(photo)))


def test_a_cluster_from_outside(photos: Path, tmp_path: Path, cluster: Cluster) -> None:
    outside = f"ray://127.0.0.1:{cluster.head_node._ray_params.ray_client_server_port}"
    ran = subprocess.run(command_line(photos, tmp_path / "out", outside), capture_output=True, check=False)
    if RACED in ran.stderr:
        ran = subprocess.run(command_line(photos, tmp_path / "out", outside), capture_output=True, check=False)
    if any(told in ran.stderr for told in TOO_BUSY):
        pytest.skip("Ray could not start a client server in time: this machine is too busy")
    assert ran.returncode == 0, ran.stderr.decode()
    assert [json.loads(line)["status"] for line in ran.stdout.splitlines()] == ["done"] * 8
    run(photos, tmp_path / "here", Inverter(), LocalEngine())
    assert contents(tmp_path / "out") == contents(tmp_path / "here")


def _wait_until(is_so: Callable[[], bool]) -> None:
    """Until Ray has noticed; long, as machines that run tests are slow, and it looks after the dead in rounds."""
    deadline = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)
