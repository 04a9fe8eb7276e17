"""What an account can do besides orders: leverage, margin, the venue's own cancel-all."""

from __future__ import annotations

from typing import Any

from ..errors import ClientError
from ..execution.sending import Kind
from ..model._numbers import Number, exact
from ..model.ids import InstrumentId
from ..net.clock import NS_PER_MS
from .client_core import ClientCore
from .commands import Command
from .instruments import market_index
from .orders import (
    Plan,
)
from .rest import SendResult
from .transactions import (
    Attribute,
    CancelAllTimeInForce,
    MarginDirection,
    MarginMode,
    TxType,
)

__all__ = ["AccountActions"]

SCHEDULE_MIN_S, SCHEDULE_MAX_S = 300.0, 15 * 86_400.0


class AccountActions(ClientCore):
    """Transactions that are about no single order; each waits for the venue's answer."""

    # -- what else the account can do --------------------------------------------------

    async def send_transaction(
        self,
        tx_type: int,
        fields: dict[str, Any],
        attributes: dict[int, int] | None = None,
    ) -> SendResult:
        """Sign any transaction, send it over REST in its turn, and return the answer.

        Code 200 means queued, not executed. Account and key index, nonce and expiry are filled in.

        Raises
        ------
        VenueError, UnknownOutcome, ClientError, TransportError
        """
        self._need_credentials("send")
        sender = self._sender
        if sender is None:
            raise ClientError("not connected to the venue")
        result = await sender.post([Command(Kind.OTHER, Plan(tx_type, fields, attributes))])
        assert result is not None
        return result

    async def update_leverage(
        self, instrument_id: InstrumentId, leverage: Number, *, isolated: bool = False
    ) -> SendResult:
        """Set the leverage of a market; the venue keeps it as a margin fraction of 1e-4."""
        value = exact(leverage, "leverage")
        if value < 1:
            raise ClientError(f"leverage must be at least 1, got {value}")
        return await self.send_transaction(
            TxType.UPDATE_LEVERAGE,
            {
                "MarketIndex": self._market(instrument_id),
                "InitialMarginFraction": int(10_000 / value),
                "MarginMode": int(MarginMode.ISOLATED if isolated else MarginMode.CROSS),
            },
        )

    async def update_margin(self, instrument_id: InstrumentId, amount: Number) -> SendResult:
        """Add USDC to the margin of an isolated position; a negative amount removes it."""
        units = int(exact(amount, "amount") * 1_000_000)
        if not units:
            raise ClientError("the amount is zero at a precision of 0.000001 USDC")
        direction = MarginDirection.ADD if units > 0 else MarginDirection.REMOVE
        return await self.send_transaction(
            TxType.UPDATE_MARGIN,
            {
                "MarketIndex": self._market(instrument_id),
                "USDCAmount": abs(units),
                "Direction": int(direction),
            },
        )

    async def cancel_all_native(self, instrument_id: InstrumentId | None = None) -> SendResult:
        """Let the venue cancel every order of the account, ours or not, of one market or all."""
        attributes = None
        if instrument_id is not None:
            attributes = {int(Attribute.CANCEL_ALL_MARKET_INDEX): self._market(instrument_id)}
        return await self._cancel_all(CancelAllTimeInForce.IMMEDIATE, 0, attributes)

    async def schedule_cancel_all(self, in_s: float) -> SendResult:
        """Let the venue cancel every order of the account later: a dead man's switch.

        5 minutes to 15 days ahead; replaces the one set before.
        """
        if not SCHEDULE_MIN_S <= in_s <= SCHEDULE_MAX_S:
            raise ClientError(f"needs 5 minutes to 15 days, got {in_s:g} s")
        at_ms = self._clock.wall_ns() // NS_PER_MS + round(in_s * 1_000)
        return await self._cancel_all(CancelAllTimeInForce.SCHEDULED, at_ms, None)

    async def abort_scheduled_cancel_all(self) -> SendResult:
        """Take `schedule_cancel_all` back."""
        return await self._cancel_all(CancelAllTimeInForce.ABORT_SCHEDULED, 0, None)

    async def _cancel_all(
        self, when: CancelAllTimeInForce, at_ms: int, attributes: dict[int, int] | None
    ) -> SendResult:
        fields = {"TimeInForce": int(when), "Time": at_ms}
        return await self.send_transaction(TxType.CANCEL_ALL_ORDERS, fields, attributes)

    def _market(self, instrument_id: InstrumentId) -> int:
        instrument = self.markets.get(instrument_id)
        if instrument is None:
            raise ClientError(f"unknown instrument {instrument_id}")
        return market_index(instrument)

    @property
    def volume_quota_remaining(self) -> int | None:
        """The volume quota the venue last told, None before."""
        return self._sender.volume_quota_remaining if self._sender is not None else None
