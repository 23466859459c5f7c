"""Options of `oldphoto train`, each written once: what some stages share as aliases, what all of them do as a block."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

Clean = Annotated[Path, typer.Option(help="Folder of clean photos, searched with its subfolders.")]
Damage = Annotated[Path | None, typer.Option(help="Folder of damage outlines (1-bit PNG) to mix in.")]


def _every_stage(
    *,
    output: Annotated[
        Path,
        typer.Option(help="Folder of the run and its part of a model; `oldphoto restore --model` takes whole ones."),
    ],
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|NAME",
            help="TOML file laid over the settings of the bundled model, or published for the paper's.",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in --output.")] = False,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimiser steps in all.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Samples a step.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16"], typer.Option(help="auto: bf16 on GPUs and CPUs that multiply it.")
    ] = "auto",
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that make samples.")] = None,
) -> None:
    """The options that each stage has; fields of TrainRequest. Only its signature is used."""


def trains(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of every stage behind its own; it takes them as `**options`.

    Its own parameters are keyword-only: required ones may then stand behind optional ones.
    """
    own = inspect.signature(command, eval_str=True)
    named = [parameter for parameter in own.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
    shared = inspect.signature(_every_stage, eval_str=True).parameters.values()
    # Typer reads what inspect.signature gives it, and this is where that looks first.
    command.__signature__ = own.replace(parameters=[*named, *shared])  # type: ignore[attr-defined]
    return command
