"""Faces: find them, show each to the generator, put it back; every other pixel stays as it is."""

from restore_cli.restoration.faces.generator import Generator
from restore_cli.restoration.faces.restorer import FaceRecord, FaceRestorer, Which, load_face_restorer

__all__ = ["FaceRecord", "FaceRestorer", "Generator", "Which", "load_face_restorer"]
