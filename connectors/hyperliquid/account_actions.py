"""What an account can do besides orders; each waits for the venue's answer."""

from __future__ import annotations

from typing import Any

from ..errors import ClientError
from ..model._numbers import Number, exact
from ..model.ids import InstrumentId
from ..net.clock import NS_PER_MS
from . import actions
from .client_core import ClientCore
from .instruments import asset_id, is_spot

__all__ = ["AccountActions"]

SCHEDULE_MIN_S = 5.0


class AccountActions(ClientCore):
    """Actions that are about no single order.

    They raise `VenueError` for a refusal, `UnknownOutcome` where nobody knows whether it was
    executed, `ClientError` or `TransportError` when nothing was sent.
    """

    async def send_action(self, action: dict[str, Any], *, is_user_signed: bool = False) -> Any:
        """Sign any action, send it, and return the `data` of the answer (None: it has none).

        `connectors.hyperliquid.actions` makes the usual ones. Those of the account itself
        (`is_user_signed`: transfers, agents) need the account's own key.
        """
        self._need_credentials("send")
        sender = self._sender
        if sender is None:
            raise ClientError("not connected to the venue")
        return await sender.execute(action, is_user_signed=is_user_signed)

    async def update_leverage(
        self, instrument_id: InstrumentId, leverage: int, *, isolated: bool = False
    ) -> None:
        """Set the leverage of a perpetual."""
        if leverage < 1:
            raise ClientError(f"leverage must be at least 1, got {leverage}")
        asset = self._perpetual(instrument_id)
        await self.send_action(actions.update_leverage(asset, leverage, isolated=isolated))

    async def update_margin(self, instrument_id: InstrumentId, amount: Number) -> None:
        """Add USDC to the margin of an isolated position; a negative amount removes it."""
        units = int(exact(amount, "amount") * actions.MICRO)
        if not units:
            raise ClientError("the amount is zero at a precision of 0.000001 USDC")
        asset = self._perpetual(instrument_id)
        await self.send_action(actions.update_isolated_margin(asset, units))

    async def schedule_cancel_all(self, in_s: float) -> None:
        """Let the venue cancel every order of the account later: a dead man's switch.

        At least 5 s ahead; replaces the one set before. The venue wants 1 000 000 USD traded for
        it, and lets it fire ten times a day.
        """
        if in_s < SCHEDULE_MIN_S:
            raise ClientError(f"needs at least {SCHEDULE_MIN_S:g} s, got {in_s:g} s")
        at_ms = self._clock.wall_ns() // NS_PER_MS - self._ahead_ms + round(in_s * 1_000)
        await self.send_action(actions.schedule_cancel(at_ms))

    async def abort_scheduled_cancel_all(self) -> None:
        """Take `schedule_cancel_all` back."""
        await self.send_action(actions.schedule_cancel(None))

    async def reserve_requests(self, count: int) -> None:
        """Buy requests for the account, at 0.0005 USDC each."""
        if count < 1:
            raise ClientError(f"at least one request, got {count}")
        await self.send_action(actions.reserve_request_weight(count))

    def _perpetual(self, instrument_id: InstrumentId) -> int:
        instrument = self.markets.get(instrument_id)
        if instrument is None:
            raise ClientError(f"unknown instrument {instrument_id}")
        if is_spot(instrument):
            raise ClientError(f"{instrument_id} is a spot market: it has no margin")
        return asset_id(instrument)
