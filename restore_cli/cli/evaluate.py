"""`oldphoto evaluate`: PSNR and SSIM of restored photos against the clean ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from restore_cli.cli.console import printable
from restore_cli.cli.options import AsJson

if TYPE_CHECKING:
    from restore_cli.training.evaluation import Comparison, Summary


def evaluate(
    restored: Annotated[Path, typer.Argument(help="Folder of restored photos, or one photo.")],
    clean: Annotated[Path, typer.Argument(help="Folder of the clean photos, or one photo.")],
    as_json: AsJson = False,
) -> None:
    """PSNR and SSIM of photos with the same name, whatever their suffix, then the means.

    Two photos are compared whatever they are called. With --json the means are a last object of their own.
    """
    from restore_cli.batch.discover import find_photos
    from restore_cli.errors import NoPhotosFound
    from restore_cli.training.evaluation import Pair, compare, pair_up, summarise

    sides = [
        [(photo.path, photo.below) for photo in find_photos([side], recursive=True) if isinstance(photo.path, Path)]
        for side in (restored, clean)
    ]
    for side, found in zip((restored, clean), sides, strict=True):
        if not found:
            raise NoPhotosFound(f"{side} holds no photos", hint="Give two folders or two photos.")
    two_photos = restored.is_file() and clean.is_file()
    pairs = [Pair(name=restored.stem, restored=(restored,), clean=(clean,))] if two_photos else pair_up(*sides)
    rows: list[Comparison] = []
    for row in compare(pairs):
        typer.echo(_row_json(row) if as_json else _row_text(row))
        rows.append(row)
    summary = summarise(rows)
    typer.echo(_summary_json(summary) if as_json else _summary_text(summary))
    if summary.failed:
        raise typer.Exit(1)


def _row_text(row: Comparison) -> str:
    if row.psnr_db is None or row.ssim is None:
        return f"{printable(row.name):32}  {row.error}"
    return f"{printable(row.name):32}  {row.psnr_db:6.2f} dB  {row.ssim:.4f}"


def _row_json(row: Comparison) -> str:
    return json.dumps({"name": row.name, "psnr_db": row.psnr_db, "ssim": row.ssim, "error": row.error})


def _summary_text(summary: Summary) -> str:
    if summary.psnr_db is None or summary.ssim is None:
        return "no photo could be compared"
    failed = f"  {summary.failed} failed" if summary.failed else ""
    return f"{f'mean of {summary.compared}':32}  {summary.psnr_db:6.2f} dB  {summary.ssim:.4f}{failed}"


def _summary_json(summary: Summary) -> str:
    means = {"mean_psnr_db": summary.psnr_db, "mean_ssim": summary.ssim}
    return json.dumps({"compared": summary.compared, "failed": summary.failed, **means})
