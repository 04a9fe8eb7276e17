"""What comes out of the WebSocket client's receiver, and the commands that go in (DX-N-10).

| frames                                | messages                                              |
|---------------------------------------|-------------------------------------------------------|
| `v4_trades`                           | `Trade`, `Liquidation`: one for each row              |
| `v4_orderbook`, batched or not        | `BookUpdate`: one for each frame; `is_snapshot`       |
| `v4_candles`                          | `Bar`: one for each candle                            |
| `v4_markets`                          | `MarketsMessage`                                      |
| `v4_subaccounts`, `v4_parent_...`     | `SubaccountMessage`                                   |
| `v4_block_height`                     | `BlockHeight`                                         |
| an error; a frame that does not decode| `IndexerError`; `JsonError` or `ParseError`           |
| a connection that was replaced        | `SocketReconnected`, after its topics were asked for  |
| what found the receiver full          | `DataDropped`, in the place of what is missing        |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..model import Bar, BookUpdate, DataDropped, Instrument, Liquidation, Trade
from .channels import Channel
from .errors import WebSocketError

__all__ = [
    "BlockHeight",
    "Command",
    "InitializeInstruments",
    "MarketsMessage",
    "Message",
    "SendText",
    "SocketReconnected",
    "SubaccountMessage",
    "Subscribe",
    "Unsubscribe",
    "UpdateInstrument",
]


@dataclass(frozen=True, slots=True)
class MarketsMessage:
    """Contents of one message about markets; see `markets.Markets`."""

    contents: Mapping[str, Any]
    is_snapshot: bool


@dataclass(frozen=True, slots=True)
class SubaccountMessage:
    """Contents of one message about a subaccount, {} for one that has no funds yet (DX-W-19).

    `subaccount_number` is the child's, in updates of a parent.
    """

    channel: Channel
    contents: Mapping[str, Any]
    is_snapshot: bool
    account_id: str | None
    subaccount_number: int | None = None


@dataclass(frozen=True, slots=True)
class BlockHeight:
    """The chain has grown; `ts_event` is the block's time in ns."""

    height: int
    ts_event: int


@dataclass(frozen=True, slots=True)
class SocketReconnected:
    """A connection was replaced, and its topics asked for again: what was sent between is lost.

    Whoever keeps state (a book) forgets it until the next snapshot.
    """

    topics: tuple[str, ...]


Message: TypeAlias = (
    Trade
    | Liquidation
    | BookUpdate
    | Bar
    | MarketsMessage
    | SubaccountMessage
    | BlockHeight
    | SocketReconnected
    | DataDropped
    | WebSocketError
)


@dataclass(frozen=True, slots=True)
class UpdateInstrument:
    """Know one more definition, or another one."""

    instrument: Instrument


@dataclass(frozen=True, slots=True)
class InitializeInstruments:
    """Know these definitions."""

    instruments: tuple[Instrument, ...]


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Want a topic, once more."""

    channel: Channel


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Want a topic once less."""

    channel: Channel


@dataclass(frozen=True, slots=True)
class SendText:
    """Send a frame on the first connection as it is."""

    text: str


Command: TypeAlias = UpdateInstrument | InitializeInstruments | Subscribe | Unsubscribe | SendText
