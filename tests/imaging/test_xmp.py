from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from restore_cli.imaging import Provenance, xmp

PROVENANCE = Provenance(tool_version="1.2.3", model_name="small", model_sha256="ab" * 32)


def properties(packet: bytes) -> dict[str, str]:
    """All properties of all descriptions by an independent reader; {namespace}name -> text."""
    found: dict[str, str] = {}
    for description in ET.fromstring(packet.decode().replace("\ufeff", "")).iter(f"{{{xmp.RDF}}}Description"):
        found.update(description.attrib)
        found.update({child.tag: (child.text or "") for child in description})
    return found


def test_provenance_names_source_type_tool_and_model() -> None:
    said = properties(xmp.with_provenance(None, PROVENANCE))
    assert said[f"{{{xmp.IPTC_EXTENSION}}}DigitalSourceType"] == (
        "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced"
    )
    assert said[f"{{{xmp.XMP}}}CreatorTool"] == "oldphoto 1.2.3"
    assert said[f"{{{xmp.OLDPHOTO}}}Version"] == "1.2.3"
    assert said[f"{{{xmp.OLDPHOTO}}}Model"] == "small"
    assert said[f"{{{xmp.OLDPHOTO}}}ModelSHA256"] == "ab" * 32
    assert f"{{{xmp.XMP}}}MetadataDate" not in said


def test_what_was_there_stays(xmp_packet: bytes) -> None:
    """Archives keep their own namespaces in XMP, with prefixes that their tools search for."""
    merged = xmp.with_provenance(xmp_packet, PROVENANCE)
    said = properties(merged)
    assert said["{urn:our-family}album"] == "Grandmother & the goose"
    assert b"<family:album" in merged
    assert said[f"{{{xmp.XMP}}}CreatorTool"] == "Scanner 2000"
    assert said[f"{{{xmp.OLDPHOTO}}}PreviousDigitalSourceType"].endswith("/print")
    assert said[f"{{{xmp.IPTC_EXTENSION}}}DigitalSourceType"] == xmp.ENHANCED


def test_line_breaks_and_tabs_stay_what_they_are() -> None:
    packet = (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{xmp.RDF}"><rdf:Description rdf:about=""'
        ' xmlns:f="urn:f" f:caption="Anna&#10;Berta&#9;1931 &lt;\'&#13;"><f:story>One&#13;two\nthree</f:story>'
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()
    said = properties(xmp.with_provenance(packet, PROVENANCE))
    assert said["{urn:f}caption"] == "Anna\nBerta\t1931 <'\r"
    assert said["{urn:f}story"] == "One\rtwo\nthree"


def test_a_second_restoration_does_not_pile_up(xmp_packet: bytes) -> None:
    once = xmp.with_provenance(xmp_packet, PROVENANCE)
    again = xmp.with_provenance(once, replace(PROVENANCE, model_name="wan2020"))
    said = properties(again)
    assert again.count(b"oldphoto:Model>") == 2  # one opening and one closing tag
    assert said[f"{{{xmp.OLDPHOTO}}}Model"] == "wan2020"
    assert said[f"{{{xmp.OLDPHOTO}}}PreviousDigitalSourceType"].endswith("/print")


def test_equal_input_gives_equal_bytes_and_a_date_only_if_given(xmp_packet: bytes) -> None:
    assert xmp.with_provenance(xmp_packet, PROVENANCE) == xmp.with_provenance(xmp_packet, PROVENANCE)
    dated = xmp.with_provenance(xmp_packet, replace(PROVENANCE, date="2024-05-01T12:00:00Z"))
    assert properties(dated)[f"{{{xmp.XMP}}}MetadataDate"] == "2024-05-01T12:00:00Z"


def test_any_model_name_fits_into_xml() -> None:
    named = replace(PROVENANCE, model_name="<a & b>\x01\udcff")
    assert properties(xmp.with_provenance(None, named))[f"{{{xmp.OLDPHOTO}}}Model"] == "<a & b> \\udcff"


def test_a_turned_photo_loses_its_orientation_and_old_preview(xmp_packet: bytes) -> None:
    preview = b"<xmp:Thumbnails><rdf:Alt><rdf:li>old picture</rdf:li></rdf:Alt></xmp:Thumbnails></rdf:Description>"
    packet = xmp_packet.replace(b"</rdf:Description>", preview)
    fixed = xmp.for_restored(packet, is_turned=True)
    assert properties(fixed)[f"{{{xmp.TIFF}}}Orientation"] == "1"
    assert b"old picture" not in fixed


def test_a_packet_with_nothing_to_change_stays_the_same_bytes(xmp_packet: bytes) -> None:
    assert xmp.for_restored(xmp_packet, is_turned=False) == xmp_packet


@pytest.mark.parametrize(
    "packet",
    [
        b"<broken",
        b"<x/>",
        b'<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>',
        '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE x []><x/>'.encode("utf-16"),
        b"<x>" * 5000 + b"</x>" * 5000,
    ],
    ids=["broken", "no rdf", "entities", "utf-16 entities", "deep"],
)
def test_what_is_no_xmp_is_refused(packet: bytes) -> None:
    """Entities can expand to gigabytes, depth can exhaust the stack."""
    with pytest.raises(xmp.XmpError):
        xmp.with_provenance(packet, PROVENANCE)


def test_a_large_packet_is_split_and_joined_again(xmp_packet: bytes) -> None:
    large = xmp_packet.replace(b"goose", b"goose " * 20_000)
    packet = xmp.with_provenance(large, PROVENANCE)
    parts = xmp.split(packet, 65_000)
    assert parts is not None
    main, extension = parts
    assert len(main) <= 65_000
    assert xmp.ENHANCED.encode() in main  # readers that know no extensions still see the source type
    assert xmp.extension_id(main) is not None
    assert properties(xmp.with_extension(main, extension)) == properties(packet)
