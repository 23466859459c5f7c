"""Which models there are on this machine, and where the file for each role lies."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from restore_cli.errors import WeightsDamaged, WeightsMissing
from restore_cli.weights.manifest import BRANCHES, FILE_NAME, is_model, read_manifest
from restore_cli.weights.network_file import Header, read_header, repair_hint
from restore_cli.weights.places import model_folder

RELEASED = "wan2020"
BUNDLED = "small"


@dataclass(frozen=True, kw_only=True)
class ModelFolder:
    """A model on disk. Roles: see `manifest`; any may be absent."""

    name: str
    folder: Path
    roles: Mapping[str, Path]
    """The safetensors file of each role."""
    sha256: str
    """One identity for all files together: changes when any of them does."""

    @property
    def detector(self) -> Path | None:
        """The scratch detector, if the model has one."""
        return self.roles.get("detector")

    @property
    def second_look(self) -> Path | None:
        """The detector's second look, if the model has one; the released models have none."""
        return self.roles.get("second_look")

    @property
    def tone(self) -> Path | None:
        """The tone network, if the model has one; the released models have none."""
        return self.roles.get("tone")

    @property
    def fusion(self) -> Path | None:
        """What makes one of a photo restored at several sizes, if the model has it; the released models have none."""
        return self.roles.get("fusion")

    @property
    def encoder(self) -> Path | None:
        """The VAE whose encoder reads old photos, if the model has one."""
        return self.roles.get("encoder")

    @property
    def branches(self) -> tuple[str, ...]:
        """The ways to restore that are complete, mapping and decoder both: some of "quality", "scratch", "patch"."""
        return tuple(b for b in BRANCHES if f"{b}.mapping" in self.roles and f"{b}.decoder" in self.roles)

    def path(self, role: str) -> Path:
        """The file of a role. Raises WeightsMissing, naming the command that installs it."""
        if role not in self.roles:
            raise WeightsMissing(
                f"the model {self.name} ({self.folder}) has no {role}",
                hint=repair_hint(self.folder / FILE_NAME),
                path=self.folder,
            )
        return self.roles[role]


@dataclass(frozen=True, kw_only=True)
class FaceModels:
    """Face generators, by the side of the faces they restore; at least one is there."""

    face_256: Path | None
    face_512: Path | None
    sha256: str = ""
    """One identity for the folder they lie in: changes when any of them does."""


def resolve_model(name_or_path: str | Path = "auto") -> ModelFolder:
    """Find a model: a name of the catalogue, a folder that `oldphoto train` wrote, or "auto".

    "auto" is wan2020 if its detector, its encoder and at least one branch are installed, else the bundled small. The
    files' hashes are not computed here (`oldphoto weights verify` does), but that all files exist and fit each other
    is checked. A folder in which only a face generator was trained gets everything else from "auto". Raises
    WeightsMissing, WeightsDamaged.
    """
    if name_or_path == "auto":
        return resolve_model(RELEASED if _is_usable(RELEASED) else BUNDLED)
    if name_or_path in (RELEASED, BUNDLED):
        folder = model_folder(str(name_or_path))
        if not (folder / FILE_NAME).is_file():
            raise WeightsMissing(
                f"the model {name_or_path} is not installed", hint=repair_hint(folder / FILE_NAME), path=folder
            )
    else:
        folder = Path(name_or_path)
        if not folder.is_dir():
            raise WeightsMissing(
                f"there is no model {str(name_or_path)!r}",
                hint=f"choose auto, {BUNDLED}, {RELEASED}, or a folder that `oldphoto train` wrote",
                path=folder,
            )
    model = _read(folder)
    check_parts_fit(model)
    return _completed(model) if model.roles and all(_is_of_faces(role) for role in model.roles) else model


def face_model_paths(model: ModelFolder | None = None) -> FaceModels | None:
    """The face generators of `model` if it has its own, else the installed ones, else None.

    Of the installed ones, the one for 256 px must be there; a folder that `oldphoto train faces` wrote has one of
    either size.
    """
    if model is not None and any(map(_is_of_faces, model.roles)):
        return _face_models(model)
    installed = _installed("wan2020-faces")
    return _face_models(installed) if installed is not None and "faces.256" in installed.roles else None


def face_detector_path() -> Path | None:
    """The installed YuNet file (ONNX), or None."""
    return _installed_roles("face-detector").get("face_detector")


def perceptual_path() -> Path | None:
    """The installed VGG-19 that training compares pictures with, or None."""
    installed = _installed("vgg19")
    return None if installed is None else installed.roles.get("perceptual")


def check_parts_fit(model: ModelFolder) -> None:
    """Refuse a model whose files hold another kind of network than their role, or latents of different widths.

    Reads headers only. Raises WeightsDamaged, naming both files that do not fit.
    """
    headers = {role: read_header(path) for role, path in model.roles.items()}
    for role, header in headers.items():
        wanted = _kind_for(role)
        if header.kind != wanted:
            raise _unfit(model, f"{model.roles[role].name} is a {header.kind}, but its role {role} needs a {wanted}")
    latents = {role: _latent(header) for role, header in headers.items() if header.kind in ("vae", "mapping")}
    for role, width in latents.items():
        first = next(iter(latents))
        if width != latents[first]:
            raise _unfit(
                model,
                f"{model.roles[first].name} ({first}) has a latent of {latents[first]} channels, "
                f"{model.roles[role].name} ({role}) one of {width}",
            )


def _read(folder: Path) -> ModelFolder:
    manifest = read_manifest(folder)
    roles = {role: folder / file for role, file in manifest.roles.items()}
    for path in roles.values():
        if not path.is_file():
            raise WeightsMissing(f"{path} is not there", hint=repair_hint(path), path=path)
    content = sorted(f"{role} {manifest.sha256.get(file)}" for role, file in manifest.roles.items())
    identity = hashlib.sha256("\n".join(content).encode()).hexdigest()
    return ModelFolder(name=manifest.name, folder=folder, roles=roles, sha256=identity)


def _is_usable(name: str) -> bool:
    if not is_model(model_folder(name)):
        return False
    model = _read(model_folder(name))
    return bool(model.detector and model.encoder and model.branches)


def _installed(name: str) -> ModelFolder | None:
    folder = model_folder(name)
    return _read(folder) if is_model(folder) else None


def _installed_roles(name: str) -> Mapping[str, Path]:
    installed = _installed(name)
    return {} if installed is None else installed.roles


def _face_models(model: ModelFolder) -> FaceModels:
    return FaceModels(face_256=model.roles.get("faces.256"), face_512=model.roles.get("faces.512"), sha256=model.sha256)


def _completed(faces: ModelFolder) -> ModelFolder:
    """A folder of face generators with the other parts of "auto"."""
    rest = resolve_model("auto")
    identity = hashlib.sha256(f"{faces.sha256}\n{rest.sha256}".encode()).hexdigest()
    return replace(faces, roles={**rest.roles, **faces.roles}, sha256=identity)


def _is_of_faces(role: str) -> bool:
    return role.startswith("faces.")


def _kind_for(role: str) -> str:
    single = {"detector": "unet", "second_look": "second_look", "tone": "tone", "fusion": "fusion", "perceptual": "vgg"}
    if role in single:
        return single[role]
    if _is_of_faces(role):
        return "spade"
    return "mapping" if role.endswith(".mapping") else "vae"


def _latent(header: Header) -> int:
    return int(header.config.latent)


def _unfit(model: ModelFolder, reason: str) -> WeightsDamaged:
    return WeightsDamaged(
        f"the parts of the model {model.name} do not belong together: {reason}",
        hint=repair_hint(model.folder / FILE_NAME),
        path=model.folder,
    )
