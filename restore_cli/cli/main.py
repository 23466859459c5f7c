"""The command `oldphoto`: its subcommands, and the one place that turns errors into messages and exit codes.

Command modules import typer and the standard library only; what they do is imported when they do it.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

import restore_cli
from restore_cli.cli import degrade, detect, doctor, evaluate, restore, train, train_faces, weights
from restore_cli.cli.console import Talk, complain, configure, error_console, is_debug
from restore_cli.errors import OldPhotoError, UsageProblem

GLOBAL_FLAGS = ("--quiet", "--debug")
"""Understood before and after the command's name."""

app = typer.Typer(
    name="oldphoto",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # drawing help with Rich imports Markdown and costs more than everything else together
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("restore")(restore.restore)
app.command("detect-scratches")(detect.detect_scratches)
app.add_typer(weights.app, name="weights")
train.app.command("faces")(train_faces.faces)
app.add_typer(train.app, name="train")
app.command("degrade")(degrade.degrade)
app.command("evaluate")(evaluate.evaluate)
app.command("doctor")(doctor.doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"oldphoto {restore_cli.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing but errors. Also after the command.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks and details. Also after the command.")
    ] = False,
) -> None:
    """Bring old photographs back: find scratches, fill them, restore what is faded, noisy and blurred."""


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit code (see docs/errors.md). Raises nothing but SystemExit's causes."""
    arguments, talk = _take_global_flags(sys.argv[1:] if argv is None else argv)
    configure(talk)
    try:
        _refuse_empty_words(arguments)
        app(arguments, prog_name="oldphoto")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    except KeyboardInterrupt:
        return 130
    except OldPhotoError as error:
        complain(error)
        _show_traceback()
        return error.exit_code
    except OSError as error:
        complain(_refused(error))
        _show_traceback()
        return _refused(error).exit_code
    except Exception as error:  # the edge of a run
        message = f"{type(error).__name__}: {error}"
        hint = "" if is_debug() else "Run it again with --debug and report what it shows."
        complain(OldPhotoError(f"this is a bug in oldphoto: {message}", hint=hint))
        _show_traceback()
        return 1
    return 0


def entry() -> None:
    """The console script."""
    for name, mode in (("stdin", "r"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by whoever started us, as daemons do
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115  # as long as the process
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # until a run minds signals itself, as Ctrl+C
    code = main()
    gc.freeze()  # or the interpreter would look through all of PyTorch once more before it ends
    sys.exit(code)


def _refused(error: OSError) -> OldPhotoError:
    """What the system said of a path on the command line, or of the output."""
    reason = error.strerror or str(error)
    if error.filename is None:
        return OldPhotoError(f"the output cannot be written: {reason}", hint="Free some space, or write it elsewhere.")
    return UsageProblem(f"{error.filename}: {reason}", hint="Check the path and your rights there.")


def _refuse_empty_words(arguments: list[str]) -> None:
    """An empty path would mean the folder that we happen to be in. Raises UsageProblem."""
    for before, word in zip(["", *arguments], arguments, strict=False):
        option = before if not word else word.removesuffix("=") if word.startswith("--") and word.endswith("=") else ""
        if (not word or option) and option != "--suffix":
            where = f"after {before}" if not word and before else f"in {word}" if word else "among the arguments"
            raise UsageProblem(f"an empty word stands {where}", hint="Is a variable in your script empty?")


def _take_global_flags(arguments: list[str]) -> tuple[list[str], Talk]:
    """Flags after `--` are file names and stay."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    flags = set(arguments[:end]) & set(GLOBAL_FLAGS)
    rest = [argument for argument in arguments[:end] if argument not in GLOBAL_FLAGS]
    return rest + arguments[end:], Talk(quiet="--quiet" in flags, debug="--debug" in flags)


def _show_traceback() -> None:
    if is_debug():
        error_console().print_exception()
