"""XMP packets: provenance is added to them, everything else in them stays as it was.

Source: ISO 16684-1 (XMP) and the IPTC Photo Metadata Standard 2023, "Digital Source Type". The packet is edited as a
document tree (minidom), because ElementTree would rename the prefixes of every namespace it does not know.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from xml.dom import minidom
from xml.parsers.expat import ExpatError

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XMP = "http://ns.adobe.com/xap/1.0/"
TIFF = "http://ns.adobe.com/tiff/1.0/"
IPTC_EXTENSION = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
XMP_NOTE = "http://ns.adobe.com/xmp/note/"
OLDPHOTO = "urn:oldphoto:provenance:1#"

EXTENSION_SEGMENT = b"http://ns.adobe.com/xmp/extension/\0"
ENHANCED = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced"

_SMALL_BYTES = 4096
_EMPTY = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"></rdf:RDF></x:xmpmeta>'.encode()
_HEAD = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
_MARKS = str.maketrans("\t\n\r", "\x01\x02\x03")
_TAIL = '\n<?xpacket end="w"?>'


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Who changed the pixels. Nothing here varies between two runs unless `date` is given."""

    tool_version: str
    """oldphoto's version."""
    model_name: str
    model_sha256: str
    """The one hex identity of the model folder."""
    date: str | None = None
    """ISO 8601; written as xmp:MetadataDate."""


class XmpError(ValueError):
    """The packet is no XMP, or uses XML features that XMP forbids."""


def with_provenance(packet: bytes | None, provenance: Provenance) -> bytes:
    """The packet, or a new one, with the digital source type and the tool and model that made the picture.

    A source type that was there (for instance "print") moves to oldphoto:PreviousDigitalSourceType; CreatorTool is only
    set where there was none, as it names the first tool. Raises XmpError.
    """
    document = _parse(packet or _EMPTY)
    previous = _take(document, IPTC_EXTENSION, "DigitalSourceType")
    earlier = _take(document, OLDPHOTO, "PreviousDigitalSourceType")
    values = {
        "Iptc4xmpExt:DigitalSourceType": ENHANCED,
        "oldphoto:Version": provenance.tool_version,
        "oldphoto:Model": provenance.model_name,
        "oldphoto:ModelSHA256": provenance.model_sha256,
        "oldphoto:PreviousDigitalSourceType": earlier if previous in (None, ENHANCED) else previous,
    }
    for name in ("Version", "Model", "ModelSHA256"):
        _take(document, OLDPHOTO, name)
    if not _has(document, XMP, "CreatorTool"):
        values["xmp:CreatorTool"] = f"oldphoto {provenance.tool_version}"
    if provenance.date is not None:
        _take(document, XMP, "MetadataDate")
        values["xmp:MetadataDate"] = provenance.date
    _append(document, _description(values))
    return _serialise(document)


def for_restored(packet: bytes, *, is_turned: bool) -> bytes:
    """The packet without previews of the old picture, and with the orientation reset if the pixels were turned.

    The very same bytes where neither is there. Raises XmpError.
    """
    document = _parse(packet)
    turned = _take(document, TIFF, "Orientation") if is_turned else None
    preview = _take(document, XMP, "Thumbnails")
    if turned is not None:
        description = f'<rdf:Description xmlns:rdf="{RDF}" xmlns:tiff="{TIFF}" rdf:about="" tiff:Orientation="1"/>'
        _append(document, description)
    return packet if turned is None and preview is None else _serialise(document)


def with_extension(packet: bytes, extension: bytes) -> bytes:
    """One packet from a JPEG's main packet and its extension (XMP part 3, 1.1.3.1). Raises XmpError."""
    document, more = _parse(packet), _parse(extension)
    _take(document, XMP_NOTE, "HasExtendedXMP")
    for description in _descriptions(more):
        _rdf(document).appendChild(document.importNode(description, True))
    return _serialise(document)


def split(packet: bytes, limit: int) -> tuple[bytes, bytes] | None:
    """A main packet of at most `limit` bytes that announces an extension, and the extension, for a JPEG.

    Large descriptions go to the extension. None if the main packet is too large even so. Raises XmpError.
    """
    main, extension = _parse(packet), _parse(_EMPTY)
    for description in _descriptions(main):
        if len(description.toxml().encode("utf-8", "replace")) > _SMALL_BYTES:
            _rdf(extension).appendChild(extension.importNode(description, True))
            _rdf(main).removeChild(description)
    rest = _markup(extension).encode("utf-8", "replace")
    digest = hashlib.md5(rest, usedforsecurity=False).hexdigest().upper()
    spaces = f'xmlns:rdf="{RDF}" xmlns:xmpNote="{XMP_NOTE}"'
    _append(main, f'<rdf:Description {spaces} rdf:about="" xmpNote:HasExtendedXMP="{digest}"/>')
    serialised = _serialise(main)
    return (serialised, rest) if len(serialised) <= limit else None


def extension_id(packet: bytes) -> str | None:
    """The id of the extension that a JPEG's main packet announces."""
    found = re.search(rb"HasExtendedXMP\s*(?:=\s*[\"']|>)\s*([0-9A-Fa-f]{32})", packet)
    return found[1].decode() if found else None


def _parse(packet: bytes) -> minidom.Document:
    if b"<!DOCTYPE" in packet.replace(b"\0", b""):  # UTF-16 packets have zeros between
        raise XmpError("XMP with a document type, which XMP forbids")
    try:
        document = minidom.parseString(packet.strip(b"\0 \t\r\n"))
    except (ExpatError, ValueError, LookupError) as error:
        raise XmpError(f"XMP that cannot be understood: {error}") from error
    _check_depth(document)
    _rdf(document)
    return document


def _check_depth(document: minidom.Document) -> None:
    # minidom recurses when it searches and writes; real packets are some ten levels deep.
    level: list[minidom.Node] = [document]
    for _ in range(100):
        level = [child for node in level for child in node.childNodes]
    if level:
        raise XmpError("XMP nested more than a hundred levels deep")


def _serialise(document: minidom.Document) -> bytes:
    return f"{_HEAD}{_markup(document)}{_TAIL}".encode("utf-8", "replace")


def _markup(document: minidom.Document) -> str:
    """The root element as XML. minidom, before Python 3.13, writes line breaks in attributes such that readers see
    spaces; so they go through as characters that no XML can hold, and become references at the end."""
    for element in document.getElementsByTagName("*"):
        for name, value in element.attributes.items():
            if not value.isprintable():
                element.setAttribute(name, value.translate(_MARKS))
        for node in element.childNodes:
            if node.nodeType == minidom.Node.TEXT_NODE:
                node.data = node.data.replace("\r", "\x03")
    markup: str = _root(document).toxml()
    return markup.replace("\x01", "&#9;").replace("\x02", "&#10;").replace("\x03", "&#13;")


def _root(document: minidom.Document) -> minidom.Element:
    element = document.documentElement
    assert element is not None  # expat accepts no document without one
    return element


def _rdf(document: minidom.Document) -> minidom.Element:
    found = document.getElementsByTagNameNS(RDF, "RDF")
    if not found:
        raise XmpError("XMP without rdf:RDF")
    element: minidom.Element = found[0]
    return element


def _descriptions(document: minidom.Document) -> Iterator[minidom.Element]:
    for child in list(_rdf(document).childNodes):
        if isinstance(child, minidom.Element) and (child.namespaceURI, child.localName) == (RDF, "Description"):
            yield child


def _elements(description: minidom.Element, namespace: str, name: str) -> list[minidom.Element]:
    return [
        child
        for child in description.childNodes
        if isinstance(child, minidom.Element) and (child.namespaceURI, child.localName) == (namespace, name)
    ]


def _has(document: minidom.Document, namespace: str, name: str) -> bool:
    return any(
        description.hasAttributeNS(namespace, name) or _elements(description, namespace, name)
        for description in _descriptions(document)
    )


def _take(document: minidom.Document, namespace: str, name: str) -> str | None:
    """Remove a property in all the forms it may have; its text, None if it was not there."""
    value: str | None = None
    for description in _descriptions(document):
        if description.hasAttributeNS(namespace, name):
            value = description.getAttributeNS(namespace, name)
            description.removeAttributeNS(namespace, name)
        for element in _elements(description, namespace, name):
            texts = (node.data for node in element.childNodes if node.nodeType == minidom.Node.TEXT_NODE)
            value = element.getAttributeNS(RDF, "resource") or "".join(texts).strip()
            description.removeChild(element)
    return value


def _append(document: minidom.Document, description: str) -> None:
    _rdf(document).appendChild(document.importNode(_root(minidom.parseString(description)), True))


def _description(values: dict[str, str | None]) -> str:
    texts = {name: escape(_clean(value), quote=False) for name, value in values.items() if value}
    lines = "".join(f"<{name}>{text}</{name}>" for name, text in texts.items())
    spaces = f'xmlns:xmp="{XMP}" xmlns:Iptc4xmpExt="{IPTC_EXTENSION}" xmlns:oldphoto="{OLDPHOTO}"'
    return f'<rdf:Description xmlns:rdf="{RDF}" {spaces} rdf:about="">{lines}</rdf:Description>'


def _clean(text: str) -> str:
    """Text that XML can hold: a model may lie in a folder with any name."""
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", " ", text.encode("utf-8", "backslashreplace").decode())
