"""Signed actions as bytes, and the frames that carry them over the WebSocket (section 4.6)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

__all__ = ["POST_LANE", "PostReply", "envelope", "post_frame", "read_post", "refused_post"]

POST_LANE = "post"
_REFUSED = re.compile(r"too many pending post requests.*?\bid=(\d+)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class PostReply:
    """The answer to a post.

    Attributes
    ----------
    number : int
        The id we gave it.
    kind : str
        `action`, `info`, or `error`, whose payload is a text.
    payload : Any
        For an action what `/exchange` would have answered.
    """

    number: int
    kind: str
    payload: Any


def envelope(
    action: Mapping[str, Any],
    nonce: int,
    signature: Mapping[str, Any],
    vault_address: str | None = None,
    expires_after: int | None = None,
) -> bytes:
    """Return a signed action as it is posted; the keys of `action` keep their order."""
    return orjson.dumps(
        {
            "action": action,
            "nonce": nonce,
            "signature": signature,
            "vaultAddress": vault_address,
            "expiresAfter": expires_after,
        }
    )


def post_frame(number: int, payload: bytes) -> bytes:
    """Return the frame that posts a signed action."""
    return b'{"method":"post","id":%d,"request":{"type":"action","payload":%b}}' % (
        number,
        payload,
    )


def read_post(data: object) -> PostReply | None:
    """Read the `data` of a frame of the channel `post`; None if it names no request."""
    if not isinstance(data, dict):
        return None
    number, response = data.get("id"), data.get("response")
    if isinstance(number, bool) or not isinstance(number, int):
        return None
    if not isinstance(response, dict):
        return PostReply(number, "", None)
    kind = response.get("type")
    return PostReply(number, kind if isinstance(kind, str) else "", response.get("payload"))


def refused_post(text: str) -> int | None:
    """Return the id of the post that an error frame says was too many, None if it is no such."""
    found = _REFUSED.search(text)
    return int(found.group(1)) if found else None
