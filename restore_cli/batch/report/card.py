"""One photo of the report as HTML."""

from __future__ import annotations

import base64
import html
import os
from pathlib import Path
from urllib.parse import quote

from restore_cli.batch.result import PhotoResult, Pictures


def card(result: PhotoResult, folder: Path) -> str:
    """An <article>. folder: where the report lies, for links to the files in full size."""
    name = _escaped(result.input)
    parts = [
        f'<article data-status="{result.status}">',
        f'<h2>{name} <span class="status {result.status}">{result.status}</span></h2>',
    ]
    if result.pictures is not None:
        parts.append(_compare(result.pictures, result.size, name))
    if result.error:
        parts.append(f'<p class="error">{_escaped(result.error)}</p>')
    facts = _facts(result, folder)
    if result.pictures is not None and result.pictures.mask is not None:
        facts.append('<button type="button" aria-pressed="false">damage</button>')
    parts.append(f'<p class="facts">{" · ".join(facts)}</p>')
    parts += [f'<p class="facts">{_escaped(note)}</p>' for note in result.notes]
    parts.append("</article>\n")
    return "".join(parts)


def _compare(pictures: Pictures, size: tuple[int, int] | None, name: str) -> str:
    """The slider is a range input over the pictures, so that keyboard, touch and screen readers know it."""
    width, height = size or (3, 2)
    images = [_image("after", pictures.after), _image("before", pictures.before)]
    if pictures.mask is not None:
        images.append(_image("mask", pictures.mask))
    return (
        f'<div class="compare" style="aspect-ratio:{width}/{height}"><template>{"".join(images)}</template>'
        f'<input type="range" min="0" max="100" value="50" step="1" aria-label="before and after: {name}"></div>'
    )


def _image(role: str, jpeg: bytes) -> str:
    data = base64.b64encode(jpeg).decode("ascii")
    return f'<img class="{role}" alt="{role}" src="data:image/jpeg;base64,{data}">'


def _facts(result: PhotoResult, folder: Path) -> list[str]:
    facts = []
    if result.size is not None:
        facts.append(f"{result.size[0]} x {result.size[1]}")
    if result.damaged_fraction is not None:
        facts.append(f"{100 * result.damaged_fraction:.2f} % damaged")
    if result.faces:
        facts.append(f"{result.faces} face{'s' * (result.faces > 1)} restored")
    facts.append(f"{result.seconds:.1f} s")
    for word, path in (("before", result.input), ("after", result.output)):
        if path and path != "-":
            facts.append(f'<a href="{_link(path, folder)}">{word}</a>')
    return facts


def _link(path: str, folder: Path) -> str:
    relative = os.path.relpath(path, folder)
    return html.escape(quote(os.fsencode(Path(relative).as_posix())))


def _escaped(text: str) -> str:
    """Bytes of a name that are no text become question marks."""
    return html.escape(text.encode("utf-8", "replace").decode("utf-8"))
