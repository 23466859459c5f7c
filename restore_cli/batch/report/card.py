"""One photo of the report as HTML."""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from restore_cli.batch.location import UrlPath, parse_location
from restore_cli.batch.result import Face, PhotoResult, Pictures


def card(result: PhotoResult, folder: Path) -> str:
    """An <article>. folder: where the report lies, for links to the files in full size."""
    name = _escaped(result.input)
    parts = [
        f'<article data-status="{result.status}">',
        f'<h2>{name} <span class="status {result.status}">{result.status}</span></h2>',
    ]
    if result.pictures is not None:
        parts.append(_compare(result, result.pictures, name))
    if result.error:
        parts.append(f'<p class="error">{_escaped(result.error)}</p>')
    facts = _facts(result, folder)
    if result.pictures is not None:
        shown = {"damage": result.pictures.mask, "faces": result.faces}
        facts += [_switch(layer) for layer, content in shown.items() if content]
    parts.append(f'<p class="facts">{" · ".join(facts)}</p>')
    if result.faces:
        parts.append(_faces(result.faces))
    parts += [f'<p class="facts">{_escaped(note)}</p>' for note in result.notes]
    parts.append("</article>\n")
    return "".join(parts)


def _compare(result: PhotoResult, pictures: Pictures, name: str) -> str:
    """The slider is a range input over the pictures, so that keyboard, touch and screen readers know it."""
    width, height = result.size or (3, 2)
    layers = [_image("after", pictures.after), _image("before", pictures.before)]
    if pictures.mask is not None:
        layers.append(_image("damage", pictures.mask))
    if result.faces:
        boxes = "".join(map(_box, result.faces))
        layers.append(f'<svg class="faces" viewBox="0 0 {width} {height}">{boxes}</svg>')
    return (
        f'<div class="compare" style="aspect-ratio:{width}/{height}"><template>{"".join(layers)}</template>'
        f'<input type="range" min="0" max="100" value="50" step="1" aria-label="before and after: {name}"></div>'
    )


def _box(face: Face) -> str:
    x, y, width, height = face["box"]
    kind = "refined" if face["action"] == "refined" else "left"
    return f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}"/>'


def _switch(layer: str) -> str:
    return f'<button type="button" data-layer="{layer}" aria-pressed="false">{layer}</button>'


def _faces(faces: Sequence[Face]) -> str:
    """What was done to each face: a list that opens."""
    rows = []
    for face in faces:
        x, y, width, height = face["box"]
        done = _escaped(face["action"])
        rows.append(f"<li>{width} x {height} px at {x}, {y} · score {face['score']:.2f} · {done}</li>")
    refined = sum(face["action"] == "refined" for face in faces)
    summary = f"{refined} of {_count(len(faces), 'face')} refined"
    return f"<details><summary>{summary}</summary><ul>{''.join(rows)}</ul></details>"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _image(role: str, jpeg: bytes) -> str:
    data = base64.b64encode(jpeg).decode("ascii")
    return f'<img class="{role}" alt="{role}" src="data:image/jpeg;base64,{data}">'


def _facts(result: PhotoResult, folder: Path) -> list[str]:
    facts = []
    if result.size is not None:
        facts.append(f"{result.size[0]} x {result.size[1]}")
    if result.damaged_fraction is not None:
        facts.append(f"{100 * result.damaged_fraction:.2f} % damaged")
    facts.append(f"{result.seconds:.1f} s")
    for word, path in (("before", result.input), ("after", result.output)):
        if path and path != "-":
            facts.append(f'<a href="{_link(path, folder)}">{word}</a>')
    return facts


def _link(path: str, folder: Path) -> str:
    if isinstance(address := parse_location(path), UrlPath):
        return html.escape(address.url)
    relative = os.path.relpath(address, folder)
    return html.escape(quote(os.fsencode(Path(relative).as_posix())))


def _escaped(text: str) -> str:
    """Bytes of a name that are no text become question marks."""
    return html.escape(text.encode("utf-8", "replace").decode("utf-8"))
