"""Addresses of stream connections (BN-M-02)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from .types import Product

__all__ = ["StreamAddress", "parse_stream_path"]

ROUTES = ("public", "market", "private")
EVENT_ALIASES = {"ALGO_ORDER_UPDATE": "ALGO_UPDATE"}


@dataclass(frozen=True, slots=True)
class StreamAddress:
    """What the address of a stream connection asks for.

    Parameters
    ----------
    route
        `public`, `market` or `private`; None for unrouted paths.
    combined
        Whether payloads start wrapped (`/stream`).
    """

    product: Product
    route: str | None
    combined: bool
    names: tuple[str, ...]
    listen_keys: dict[str, frozenset[str] | None]


def parse_stream_path(path: str, query: str) -> StreamAddress | None:
    """Take the address of a stream connection apart; None if it is not one (BN-M-02)."""
    parts = path.strip("/").split("/")
    product = Product.USDM
    if parts[0] == "dstream":
        product = Product.COINM
        parts = parts[1:]
    route = None
    if parts and parts[0] in ROUTES:
        route = parts[0]
        parts = parts[1:]
    if not parts or parts[0] not in ("ws", "stream"):
        return None
    names = [unquote(part) for part in parts[1:] if part]
    keys: dict[str, frozenset[str] | None] = {}
    last_key = ""
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name == "streams":
            names += [part for part in value.split("/") if part]
        elif name == "listenKey":
            last_key = value
            keys[value] = None
        elif name == "events" and last_key:
            wanted = {EVENT_ALIASES.get(event, event) for event in value.split("/") if event}
            keys[last_key] = frozenset(wanted)
    return StreamAddress(product, route, parts[0] == "stream", tuple(names), keys)
