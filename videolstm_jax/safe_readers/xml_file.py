"""Reads XML without a document type, so that a small file cannot expand to gigabytes."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.parsers import expat

# What the two parsers raise for a damaged file; LookupError is an unknown text encoding.
XML_ERRORS = (ElementTree.ParseError, expat.ExpatError, ValueError, LookupError)


def read_xml(data: bytes) -> ElementTree.Element:
    """The root element of an XML file.

    A document type may define entities, and a few lines of nested entities expand to gigabytes in
    ElementTree. So expat first reads the file alone, and stops at a document type.

    Raises:
      ValueError: the file has a document type.
      ParseError, ExpatError, LookupError: it is no whole XML file, see `XML_ERRORS`.
    """
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.Parse(data, True)
    # Nothing is left in it that could expand or name another file.
    return ElementTree.fromstring(data)  # noqa: S314


def _refuse_doctype(name: str, *_: object) -> None:
    raise ValueError(f"declares the document type {name}; expected none")
