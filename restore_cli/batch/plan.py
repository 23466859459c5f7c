"""The plan of a run: for each photo, everything that will be written, known and checked before the first is read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from restore_cli.batch.discover import Found, find_photos, real_path
from restore_cli.batch.location import Location, UrlPath, exists, parse_location
from restore_cli.batch.masks import MaskSource
from restore_cli.batch.names import Naming, first_clash, ignores_case
from restore_cli.batch.shard import Shard
from restore_cli.errors import NoPhotosFound, UsageProblem
from restore_cli.imaging import format_of_suffix
from restore_cli.imaging.plugins import can_write


@dataclass(frozen=True, kw_only=True)
class Job:
    """One photo of a run: where it comes from and all that is written for it."""

    source: Location | None
    """None reads stdin."""
    target: Location | None
    """None writes stdout."""
    key: str
    """The target below the output folder, "/" between the parts: what decides on the photo's shard."""
    format: str = "same"
    """Format of the result, "same" or one that `imaging.write` knows."""
    problem: str = ""
    """Why it cannot be done, where that is known beforehand."""
    given_mask: Path | None = None
    """Damage drawn by hand."""
    mask_target: Location | None = None
    sidecar_target: Location | None = None
    overlay_target: Location | None = None

    @property
    def shown(self) -> str:
        """The input as results call it."""
        return "-" if self.source is None else str(self.source)

    @property
    def shown_target(self) -> str:
        """The output as results call it."""
        return "-" if self.target is None else str(self.target)

    @property
    def targets(self) -> tuple[Location, ...]:
        """All files this job writes, the result first."""
        every = (self.target, self.mask_target, self.sidecar_target, self.overlay_target)
        return tuple(path for path in every if path is not None)


@dataclass(frozen=True, kw_only=True)
class PlanOptions:
    """What shapes a plan beside the paths."""

    recursive: bool = False
    naming: Naming = field(default_factory=Naming)
    masks: MaskSource = field(default_factory=MaskSource)
    shard: Shard = field(default_factory=Shard)
    reserved: tuple[Path, ...] = ()
    """Files that the run writes besides photos (a report), which must not be an input either."""


def make_plan(inputs: Sequence[str], output: str, options: PlanOptions) -> tuple[Job, ...]:
    """All jobs of a run, in order.

    As with `cp`, the output is a folder unless there is one input file and the output has an image suffix.

    "-" among the inputs is stdin, as output stdout. Raises NoPhotosFound, or UsageProblem for an input that does not
    exist, an output inside an input folder, two photos that would get the same output, an output that is an input.
    """
    try:
        return _plan(inputs, output, options)
    except OSError as error:  # paths that are not there are told apart above: this is a store that does not answer
        raise UsageProblem(
            f"{', '.join([*inputs, output])}: {error}", hint="Check the addresses and your rights there."
        ) from error


def _plan(inputs: Sequence[str], output: str, options: PlanOptions) -> tuple[Job, ...]:
    sources = [None if given == "-" else parse_location(given) for given in inputs]
    if sources.count(None) > 1:
        raise UsageProblem("stdin can be read once", hint="Give - only once.")
    single_file = len(sources) == 1 and (sources[0] is None or not sources[0].is_dir())
    if output == "-":
        return _to_stdout(sources, options, single_file=single_file)
    destination = parse_location(output)
    says_folder = output.endswith(("/", os.sep)) or destination.is_dir()
    as_file = single_file and not says_folder and format_of_suffix(destination.suffix) is not None
    if not as_file:
        _check_folder(destination, sources)
    found = find_photos(sources, recursive=options.recursive, output=None if as_file else destination)
    found = options.masks.leave_out_masks(found)
    if not found:
        raise NoPhotosFound(
            f"no photos in {', '.join(inputs)}",
            hint="" if options.recursive else "Folders are read without their subfolders unless -r is given.",
        )
    if as_file:
        jobs = [_file_job(found[0], destination, options)]
    else:
        jobs = _each_once(folder_job(photo, destination, options) for photo in found)
    options.masks.check_any_match(jobs_have_masks=any(job.given_mask for job in jobs))
    check_clashes(jobs, destination, options.reserved)
    return tuple(job for job in jobs if options.shard.holds(job.key))


def folder_job(photo: Found, folder: Location, options: PlanOptions) -> Job:
    """The job for one photo of a run whose output is a folder."""
    naming = options.naming
    below = photo.below.with_name(naming.result_name(photo.below.name))
    format = naming.result_format(photo.below.name)
    return _job(photo, folder / below, below.as_posix(), format, options)


def check_clashes(jobs: Iterable[Job], destination: Location, reserved: Iterable[Path] = ()) -> None:
    """Raises UsageProblem if two photos share an output, or if any output is one of the inputs."""
    jobs = list(jobs)
    targets: list[tuple[str, Location]] = [(job.shown, target) for job in jobs for target in job.targets]
    targets += [("the report", path) for path in reserved]
    clash = first_clash(targets, fold=False)
    folding = first_clash(targets, fold=True)  # looked at first: the probe below writes, and is rarely needed
    if clash is None and folding is not None and ignores_case(destination):
        clash = folding
    if clash is not None:
        one, other, target = clash
        raise UsageProblem(
            f"{one} and {other} would both be written to {target}",
            hint="Restore them into separate folders.",
            path=str(target),
        )
    _refuse_inputs_as_outputs(jobs, [target for _, target in targets])


def _to_stdout(sources: Sequence[Location | None], options: PlanOptions, *, single_file: bool) -> tuple[Job, ...]:
    if not single_file:
        raise UsageProblem("stdout takes one photo", hint="Give one input file, or a folder as destination.")
    if options.naming.beside(Path("stdout.png")):
        raise UsageProblem(
            "a mask, sidecar or overlay needs a name to be written under, and stdout has none",
            hint="Give a file as destination.",
        )
    found = find_photos(sources, recursive=False)[0]
    mask = options.masks.for_photo(found)
    return (Job(source=found.path, target=None, key="-", format=options.naming.format, given_mask=mask),)


def _check_folder(destination: Location, sources: Sequence[Location | None]) -> None:
    if None in sources:
        raise UsageProblem(
            "a photo from stdin has no name to be written under",
            hint="Give an output file such as restored.png, or - for stdout.",
        )
    if exists(destination) and not destination.is_dir():
        raise UsageProblem(
            f"the destination {destination} is a file",
            hint="Several photos, or a name without an image suffix, need a folder as destination.",
            path=str(destination),
        )


def _file_job(photo: Found, target: Location, options: PlanOptions) -> Job:
    naming = options.naming
    named = format_of_suffix(target.suffix)
    if naming.as_mask and named != "png":
        raise UsageProblem(f"a mask is written as PNG, not as {target.suffix}", hint="Name the output NAME.png.")
    if naming.suffix:
        raise UsageProblem("--suffix renames outputs in a folder, and the destination is a file", hint="Leave it out.")
    if named is None or not can_write(named):
        raise UsageProblem(f"{target.suffix} cannot be written", hint="Use .png, .jpg, .tiff, .webp or .bmp.")
    if naming.format not in ("same", named):
        raise UsageProblem(f"--format {naming.format} contradicts the name {target.name}", hint="Leave one out.")
    return _job(photo, target, target.name, named, options)


def _job(photo: Found, target: Location, key: str, format: str, options: PlanOptions) -> Job:
    beside = options.naming.beside(target)
    return Job(
        source=photo.path,
        target=target,
        key=key,
        format=format,
        problem=photo.problem,
        given_mask=options.masks.for_photo(photo),
        mask_target=beside.get("mask"),
        sidecar_target=beside.get("sidecar"),
        overlay_target=beside.get("overlay"),
    )


def _each_once(jobs: Iterable[Job]) -> list[Job]:
    """A photo given twice, by name and with its folder, is one job."""
    once = {(real_path(job.source) if job.source else None, job.target): job for job in jobs}
    return list(once.values())


def _refuse_inputs_as_outputs(jobs: Sequence[Job], targets: Iterable[Location]) -> None:
    read = {identity for job in jobs for path in (job.source, job.given_mask) for identity in _identities(path)}
    for target in targets:
        if any(identity in read for identity in _identities(target)):
            raise UsageProblem(
                f"{target} is one of the inputs, and those are never written to",
                hint="Choose another destination, or add --suffix _restored.",
                path=str(target),
            )


def _identities(path: Location | None) -> Iterator[object]:
    """What makes a path the same file as another: its resolved name, and its inode where it exists."""
    if path is None:
        return
    yield real_path(path)
    if isinstance(path, UrlPath):
        return
    try:
        status = path.stat()
    except OSError:  # does not exist yet, or a loop of links
        return
    yield status.st_dev, status.st_ino
