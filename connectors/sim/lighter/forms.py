"""Form bodies of a POST: multipart/form-data and x-www-form-urlencoded (4.1)."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

__all__ = ["read_form"]

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
_NAME = re.compile(rb'content-disposition:[^\r\n]*\bname="([^"]*)"', re.IGNORECASE)


def read_form(content_type: str, body: bytes) -> dict[str, str]:
    """Return the members of a form; what is not a form has none."""
    if content_type.lower().startswith("multipart/form-data"):
        found = _BOUNDARY.search(content_type)
        return {} if found is None else _multipart(found.group(1).encode(), body)
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _multipart(boundary: bytes, body: bytes) -> dict[str, str]:
    members: dict[str, str] = {}
    for part in body.split(b"--" + boundary)[1:]:
        if part.startswith(b"--"):
            break
        head, separator, value = part.partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if separator and name is not None:
            text = value.removesuffix(b"\r\n").decode("utf-8", "replace")
            members[name.group(1).decode("utf-8", "replace")] = text
    return members
