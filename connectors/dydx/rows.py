"""The rows of an account, out of the indexer's JSON; sans-I/O (5.6).

One reader for each kind of row, whether it came on a stream or by REST. Orders come in three
densities (5.6.4): all that is not in the thinnest is optional. A row that cannot be read is a
`DecodeError`; unknown members and unknown words are not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol, TypeVar

from ..errors import DecodeError
from ..execution.members import Row, number, text, whole
from ..model.enums import Side

__all__ = [
    "AssetRow",
    "FillRow",
    "OrderRow",
    "PositionRow",
    "RowReader",
    "TransferRow",
    "asset_row",
    "fill_row",
    "height_of",
    "instrument_id_of",
    "iso_ns",
    "object_of",
    "optional_height",
    "order_row",
    "position_row",
    "transfer_row",
]

REASON_PREFIX = "ORDER_REMOVAL_REASON_"
ZERO = Decimal(0)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow:
    """An order, as one row says it is. None: the row does not say.

    `flags` is 0 for a short-term order, 32 for a conditional, 64 for a long-term one, 128 for a
    TWAP. `reason` comes without its prefix.
    """

    order_id: str
    client_id: str
    clob_pair_id: str
    flags: int
    ticker: str
    status: str
    side: Side | None = None
    size: Decimal | None = None
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    kind: str | None = None
    time_in_force: str | None = None
    post_only: bool | None = None
    reduce_only: bool | None = None
    good_til_block: int | None = None
    expire_ns: int | None = None
    total_filled: Decimal | None = None
    optimistic_filled: Decimal | None = None
    reason: str | None = None
    created_height: int | None = None
    updated_height: int | None = None
    updated_ns: int | None = None
    subaccount: str | None = None
    subaccount_number: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FillRow:
    """One trade of the account. `order_id` is None for the taker of a liquidation."""

    fill_id: str
    order_id: str | None
    ticker: str
    side: Side
    size: Decimal
    price: Decimal
    liquidity: str
    kind: str
    fee: Decimal | None
    created_ns: int
    height: int
    subaccount_number: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionRow:
    """A perpetual position; `size` is unsigned and zero once it is closed."""

    ticker: str
    is_long: bool
    size: Decimal
    entry_price: Decimal | None
    unrealized_pnl: Decimal | None
    subaccount_number: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetRow:
    """How much of an asset is held; negative for a debt."""

    symbol: str
    size: Decimal
    subaccount_number: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRow:
    """Money that moved; the names of both sides are `address` or `address/subaccount`."""

    symbol: str
    size: Decimal
    kind: str
    sender: str
    recipient: str
    created_ns: int
    height: int
    transaction: str


class ProblemSink(Protocol):
    """Whom a row that cannot be read is told."""

    def on_problem(self, message: str, code: int | None, error: Exception | None) -> None: ...


class RowReader:
    """Reads rows one by one: one that cannot be read is told and left out.

    Attributes
    ----------
    bad_rows : int
        How many those were.
    """

    __slots__ = ("_sink", "bad_rows")

    def __init__(self, sink: ProblemSink) -> None:
        self._sink = sink
        self.bad_rows = 0

    def read(self, reader: Callable[[Any], T], rows: Iterable[Any]) -> list[T]:
        """Return what could be read."""
        found: list[T] = []
        for row in rows:
            try:
                found.append(reader(row))
            except DecodeError as error:
                self.bad(error)
        return found

    def member(self, reader: Callable[[Any], T], message: Row, name: str) -> list[T]:
        """Return what could be read of a list in a message; nothing where it has no such list."""
        rows = message.get(name)
        if rows is None:
            return []
        if not isinstance(rows, list):
            self.bad(DecodeError(f"{name} is a {type(rows).__name__}, not a list"))
            return []
        return self.read(reader, rows)

    def readable(self, read: Callable[[], T]) -> T | None:
        """Return what `read` returns, None if that raised DecodeError."""
        try:
            return read()
        except DecodeError as error:
            self.bad(error)
            return None

    def bad(self, error: DecodeError) -> None:
        """Tell of something that cannot be read."""
        self.bad_rows += 1
        self._sink.on_problem(f"row not used: {error}", None, error)


def object_of(value: Any, what: str) -> Row:
    """Return a JSON object; DecodeError if it is none."""
    if not isinstance(value, Mapping):
        raise DecodeError(f"{what} is a {type(value).__name__}, not an object")
    return value


def instrument_id_of(ticker: str) -> str:
    """Return our id of a market: `BTC-USD` is `BTC-USD-PERP`."""
    return f"{ticker}-PERP"


def iso_ns(value: object, name: str) -> int:
    """Return the Unix time in ns of an ISO-8601 text; DecodeError if it is none."""
    try:
        moment = datetime.fromisoformat(value)  # type: ignore[arg-type]
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment - _EPOCH) // _MICROSECOND * 1_000
    except (TypeError, ValueError, OverflowError):
        raise DecodeError(f"{name} is not a time") from None


def height_of(row: Row, name: str) -> int:
    """Return a block height; DecodeError if there is none, or it is none a chain has.

    The venue's event ids have 32 bits for it; one that is not believed cannot end all orders.
    """
    found = whole(row, name)
    if not 0 <= found < 1 << 32:
        raise DecodeError(f"{name} is {found}, which is no height")
    return found


def optional_height(row: Row, name: str) -> int | None:
    """Return a block height, None where the row has none."""
    return None if row.get(name) in (None, "") else height_of(row, name)


def order_row(row: Row) -> OrderRow:
    """Read an order of any density."""
    row = object_of(row, "a row")
    expires = row.get("goodTilBlockTime")
    updated = row.get("updatedAt")
    reason = text(row, "removalReason")
    return OrderRow(
        order_id=_needed(row, "id"),
        client_id=_word(row, "clientId"),
        clob_pair_id=_word(row, "clobPairId"),
        flags=whole(row, "orderFlags"),
        ticker=_needed(row, "ticker"),
        status=_needed(row, "status"),
        side=_side(row) if row.get("side") is not None else None,
        size=_number(row, "size"),
        price=_number(row, "price"),
        trigger_price=_number(row, "triggerPrice"),
        kind=text(row, "type") or None,
        time_in_force=text(row, "timeInForce") or None,
        post_only=_flag(row, "postOnly"),
        reduce_only=_flag(row, "reduceOnly"),
        good_til_block=optional_height(row, "goodTilBlock"),
        expire_ns=None if not expires else iso_ns(expires, "goodTilBlockTime"),
        total_filled=_number(row, "totalFilled"),
        optimistic_filled=_number(row, "totalOptimisticFilled"),
        reason=reason.removeprefix(REASON_PREFIX) or None,
        created_height=optional_height(row, "createdAtHeight"),
        updated_height=optional_height(row, "updatedAtHeight"),
        updated_ns=None if not updated else iso_ns(updated, "updatedAt"),
        subaccount=text(row, "subaccountId") or None,
        subaccount_number=_optional_whole(row, "subaccountNumber"),
    )


def fill_row(row: Row) -> FillRow:
    """Read a trade; its market is `ticker` on streams and `market` by REST (5.6.3)."""
    row = object_of(row, "a row")
    size = number(row, "size")
    if size <= 0:
        raise DecodeError("size of a fill is not positive")
    return FillRow(
        fill_id=_needed(row, "id"),
        order_id=text(row, "orderId") or None,
        ticker=text(row, "ticker") or _needed(row, "market"),
        side=_side(row),
        size=size,
        price=number(row, "price"),
        liquidity=text(row, "liquidity"),
        kind=text(row, "type"),
        fee=_number(row, "fee"),
        created_ns=iso_ns(row.get("createdAt"), "createdAt"),
        height=height_of(row, "createdAtHeight"),
        subaccount_number=_optional_whole(row, "subaccountNumber"),
    )


def position_row(row: Row) -> PositionRow:
    """Read a position. The sign of its size is not to be trusted, its side is (5.6.1)."""
    row = object_of(row, "a row")
    size = abs(number(row, "size"))
    side = text(row, "side")
    if side not in ("LONG", "SHORT"):
        raise DecodeError(f"side of a position is {side!r}")
    return PositionRow(
        ticker=_needed(row, "market"),
        is_long=side == "LONG",
        size=size if text(row, "status") in ("OPEN", "") else ZERO,
        entry_price=_number(row, "entryPrice"),
        unrealized_pnl=_number(row, "unrealizedPnl"),
        subaccount_number=_optional_whole(row, "subaccountNumber"),
    )


def asset_row(row: Row) -> AssetRow:
    """Read the holding of an asset."""
    row = object_of(row, "a row")
    size = abs(number(row, "size"))
    return AssetRow(
        symbol=_needed(row, "symbol"),
        size=-size if text(row, "side") == "SHORT" else size,
        subaccount_number=_optional_whole(row, "subaccountNumber"),
    )


def transfer_row(row: Row) -> TransferRow:
    """Read a transfer."""
    row = object_of(row, "a row")
    return TransferRow(
        symbol=text(row, "symbol") or text(row, "asset") or "USDC",
        size=abs(number(row, "size" if "size" in row else "amount")),
        kind=_needed(row, "type"),
        sender=_party(row.get("sender")),
        recipient=_party(row.get("recipient")),
        created_ns=iso_ns(row.get("createdAt"), "createdAt"),
        height=height_of(row, "createdAtHeight"),
        transaction=text(row, "transactionHash"),
    )


# -- members ------------------------------------------------------------------------------


def _needed(row: Row, name: str) -> str:
    found = text(row, name)
    if not found:
        raise DecodeError(f"no {name}")
    return found


def _word(row: Row, name: str) -> str:
    """Return an identifier that is a number; as text, which is how others quote it."""
    return str(whole(row, name))


def _number(row: Row, name: str) -> Decimal | None:
    return None if row.get(name) in (None, "") else number(row, name)


def _optional_whole(row: Row, name: str) -> int | None:
    return None if row.get(name) in (None, "") else whole(row, name)


def _flag(row: Row, name: str) -> bool | None:
    value = row.get(name)
    return value if isinstance(value, bool) else None


def _side(row: Row) -> Side:
    try:
        return Side(text(row, "side"))
    except ValueError:
        raise DecodeError(f"side is {row.get('side')!r}") from None


def _party(value: Any) -> str:
    if not isinstance(value, Mapping):
        return ""
    address = text(value, "address")
    sub = _optional_whole(value, "subaccountNumber")
    if sub is None:
        sub = _optional_whole(value, "parentSubaccountNumber")
    return address if sub is None else f"{address}/{sub}"
