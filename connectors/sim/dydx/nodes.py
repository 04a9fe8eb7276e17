"""WebSocket nodes of the indexer: who follows what, batches, and each node's own books.

A connection belongs to one node. What the chain tells reaches a node as late as the node is; its
books may miss updates or cross, as those of a real one do (DX-M-19, DX-M-22).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from ..engine_order import Side
from . import topics
from .markets import Market

if TYPE_CHECKING:
    from .connection import Connection
    from .faults import Faults

__all__ = ["DEPTH", "Node", "NodeBook"]

DEPTH = 100
BATCH_MOST = 10_000  # contents kept for one batch; more than any test makes in 250 ms

logger = logging.getLogger("connectors.sim.dydx")


@dataclass(slots=True)
class _Level:
    quantums: int
    clock: int


class NodeBook:
    """One market's levels as one node knows them, crossed or not."""

    def __init__(self) -> None:
        self.sides: dict[Side, dict[int, _Level]] = {Side.BUY: {}, Side.SELL: {}}
        self.clock = 0

    def put(self, side: Side, subticks: int, quantums: int) -> None:
        """Set a level; 0 removes it."""
        self.clock += 1
        if quantums:
            self.sides[side][subticks] = _Level(quantums, self.clock)
        else:
            self.sides[side].pop(subticks, None)

    def uncrossed(self, depth: int = DEPTH) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Return bids and asks, best first, as REST shows them (DX-B-09).

        Of two levels that cross the newer stays; of the same age the larger, else the ask.
        """
        bids = sorted(self.sides[Side.BUY].items(), reverse=True)
        asks = sorted(self.sides[Side.SELL].items())
        bid = ask = 0
        while bid < len(bids) and ask < len(asks) and bids[bid][0] >= asks[ask][0]:
            mine, other = bids[bid][1], asks[ask][1]
            if (mine.clock, mine.quantums) > (other.clock, other.quantums):
                ask += 1
            else:
                bid += 1
        return (
            [(price, level.quantums) for price, level in bids[bid : bid + depth]],
            [(price, level.quantums) for price, level in asks[ask : ask + depth]],
        )

    def rows(self, market: Market) -> dict[str, list[dict[str, str]]]:
        """Return the snapshot of 5.1."""
        return {
            name: [
                {"price": market.price(price), "size": market.size(quantums)}
                for price, quantums in levels
            ]
            for name, levels in zip(("bids", "asks"), self.uncrossed(), strict=True)
        }


class Node:
    """One server of the indexer's WebSocket.

    Attributes
    ----------
    lag_ms
        How late everything reaches it.
    followers
        Connections by topic; whether each wants batches.
    height
        The last one it heard of, with its time in ms.
    """

    def __init__(
        self,
        lag_ms: float,
        markets: dict[str, Market],
        later: Callable[[float, Callable[[], None]], None],
        faults: Faults,
    ) -> None:
        self.lag_ms = lag_ms
        self.followers: dict[str, dict[Connection, bool]] = {}
        self.books = {ticker: NodeBook() for ticker in markets}
        self.height: tuple[int, int] = (0, 0)
        self.published = 0
        self._later = later
        self._faults = faults
        self._batches: dict[tuple[str, int | None], list[bytes]] = {}

    # -- what comes from the chain -----------------------------------------------------------

    def tell(
        self,
        channel: str,
        id_: str | None,
        contents: Any,
        *,
        number: int | None = None,
        effect: Callable[[Node], None] | None = None,
    ) -> None:
        """Let something reach the node, late as it is; `effect` is what it changes there.

        `contents` may be bytes, encoded already.
        """
        if self.lag_ms:
            self._later(self.lag_ms, lambda: self._take(channel, id_, contents, number, effect))
        else:
            self._take(channel, id_, contents, number, effect)

    def _take(
        self,
        channel: str,
        id_: str | None,
        contents: Any,
        number: int | None,
        effect: Callable[[Node], None] | None,
    ) -> None:
        if effect is not None:
            effect(self)
        name = topics.topic(channel, id_)
        encoded = contents if isinstance(contents, bytes) else orjson.dumps(contents)
        batch = self._batches.setdefault((name, number), [])
        if len(batch) < BATCH_MOST:
            batch.append(encoded)
        else:
            logger.warning("dydx node: a batch of %s holds %s contents", name, BATCH_MOST)
        for connection, batched in list(self.followers.get(name, {}).items()):
            if not batched:
                self.send(connection, name, encoded, number=number)

    def flush_batches(self) -> None:
        """Send every batch; begin new ones. They are everybody's, whoever follows since when."""
        batches, self._batches = self._batches, {}
        for (name, number), contents in batches.items():
            who = self.followers.get(name)
            if not who or True not in who.values():
                continue
            encoded = b"[%b]" % b",".join(contents)
            for connection, batched in list(who.items()):
                if batched:
                    self.send(connection, name, encoded, number=number, batch=True)

    # -- what goes to followers --------------------------------------------------------------

    def send(
        self,
        connection: Connection,
        name: str,
        contents: bytes,
        *,
        number: int | None = None,
        batch: bool = False,
    ) -> None:
        """Send data of a topic to one connection, through the taps."""
        self.published += 1
        channel, _, id_ = name.partition(":")
        payload = data_frame(
            connection.connection_id, connection.next_message_id(), channel, id_, contents,
            number=number, batch=batch,
        )  # fmt: skip
        connection.send_tapped(name, payload)

    def follow(self, connection: Connection, name: str, *, batched: bool) -> None:
        self.followers.setdefault(name, {})[connection] = batched

    def unfollow(self, connection: Connection, name: str) -> None:
        who = self.followers.get(name)
        if who is None:
            return
        who.pop(connection, None)
        if not who:
            del self.followers[name]


def data_frame(
    connection_id: str,
    message_id: int,
    channel: str,
    id_: str,
    contents: bytes,
    *,
    number: int | None = None,
    batch: bool = False,
) -> bytes:
    """Return a `channel_data` or `channel_batch_data` frame, keys in the venue's order (4.2)."""
    if channel == topics.BLOCK_HEIGHT:
        id_ = topics.BLOCK_HEIGHT
    kind = b"channel_batch_data" if batch else b"channel_data"
    shown = b'"id":%b,' % orjson.dumps(id_) if id_ else b""
    child = b"" if number is None else b',"subaccountNumber":%d' % number
    return (
        b'{"type":"%b","connection_id":"%b","message_id":%d,%b"channel":"%b","version":"%b",'
        b'"contents":%b%b}'
    ) % (
        kind,
        connection_id.encode(),
        message_id,
        shown,
        channel.encode(),
        topics.VERSIONS[channel].encode(),
        contents,
        child,
    )
