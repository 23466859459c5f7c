"""`oldphoto train faces`: make a face generator from a folder of photos with people in them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from restore_cli.cli.train import run_stage
from restore_cli.cli.train_options import trains

PHOTOS_PER_LINE = 100


@trains
def faces(
    *,
    clean: Annotated[Path, typer.Option(help="Folder of clean photos; their faces are cut out first.")],
    **options: Any,
) -> None:
    """Train the face generator. Cuts the aligned faces out into OUTPUT/faces with the installed face detector."""
    run_stage("faces", clean=_cut_out(clean, options["output"], options["config"]), **options)


def _cut_out(photos: Path, output: Path, config: Path | None) -> Path:
    """The folder of aligned faces in the run's folder, filled where it is not yet."""
    from restore_cli import weights
    from restore_cli.cli.console import say
    from restore_cli.errors import WeightsMissing
    from restore_cli.restoration.faces.crops import cut_faces
    from restore_cli.restoration.faces.detection import DOWNLOAD_HINT, FaceDetector
    from restore_cli.training.photo_folder import PhotoFolder
    from restore_cli.training.runs import TrainRequest, refuse_output_among_photos, resolved

    request = TrainRequest(stage="faces", clean=photos, output=output, config=config)
    refuse_output_among_photos(request)
    _, _, stage = resolved(request)
    detector = weights.face_detector_path()
    if detector is None:
        raise WeightsMissing("finding faces to train on needs the face detector", hint=DOWNLOAD_HINT)

    def report(done: int, of: int) -> None:
        if done % PHOTOS_PER_LINE == 0:
            say(f"looked for faces in {done} of {of} photos")

    found = PhotoFolder.find(photos).training
    count = cut_faces(found, output / "faces", FaceDetector(detector), face_px=stage.network.face_px, report=report)
    say(f"{count} faces in {len(found)} photos")
    return output / "faces"
