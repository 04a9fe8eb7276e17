"""The Lighter simulator without sockets: accounts that trade on a clock moved by hand."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from connectors.sim.clock import SimClock
from connectors.sim.lighter.admission import Admission
from connectors.sim.lighter.changes import TxRow
from connectors.sim.lighter.config import AccountSetup, SimConfig
from connectors.sim.lighter.exchange import Exchange
from connectors.sim.lighter.execution import Execution
from connectors.sim.lighter.house import House
from connectors.sim.lighter.orders import Order

__all__ = ["START_MS", "Desk"]

START_MS = 1_777_941_383_576
KEY = "01" + "00" * 39
DAY_MS = 86_400_000
NO_SIGNATURE = base64.b64encode(bytes(80)).decode()


class Desk:
    """Two accounts, 1001 and 1002, whose transactions are taken unsigned."""

    def __init__(self, *setups: AccountSetup, **changes: Any) -> None:
        self.config = SimConfig.of(
            "empty",
            setups=setups or tuple(AccountSetup(index, {5: KEY}) for index in (1001, 1002)),
            virtual_start_ms=START_MS,
            verify=False,
            **changes,
        )
        self.clock = SimClock(START_MS)
        self.exchange = Exchange(self.config, self.clock)
        self.execution = Execution(self.exchange)
        self.admission = Admission(self.exchange, self.execution)
        self.house = House(self.exchange)

    def info(self, tx_type: int, account: int, **fields: Any) -> dict[str, Any]:
        """Return a transaction with the nonce its key expects."""
        owner = "FromAccountIndex" if tx_type in (12, 13) else "AccountIndex"
        return {
            owner: account,
            "ApiKeyIndex": 5,
            "ExpiredAt": self.clock.now_ms() + 300_000,
            "Nonce": self.exchange.accounts[account].keys[5].nonce,
            "Sig": NO_SIGNATURE,
            "L2TxAttributes": None,
            **fields,
        }

    def send(self, tx_type: int, account: int = 1001, **fields: Any) -> TxRow:
        """Send one transaction and execute what is due. Raises Refused as the API node does."""
        info = self.info(tx_type, account, **fields)
        accepted = self.admission.admit([tx_type], [info], batch=False)
        self.admission.run_due()
        return self.exchange.txs[accepted.hashes[0]]

    def order(
        self,
        price: int = 236_000,
        size: int = 100,
        *,
        ask: bool = False,
        account: int = 1001,
        **more: Any,
    ) -> Order:
        """Create an order and return it; it must have been executed."""
        row = self.send(14, account, **self.members(price, size, ask=ask, **more))
        assert row.status == 2, row.event_info
        return self.newest(account)

    def members(self, price: int, size: int, *, ask: bool = False, **more: Any) -> dict[str, Any]:
        return {
            "MarketIndex": 0,
            "ClientOrderIndex": 0,
            "BaseAmount": size,
            "Price": price,
            "IsAsk": int(ask),
            "Type": 0,
            "TimeInForce": 1,
            "ReduceOnly": 0,
            "TriggerPrice": 0,
            "OrderExpiry": self.clock.now_ms() + 28 * DAY_MS,
            **more,
        }

    def newest(self, account: int = 1001) -> Order:
        newest_first = reversed(self.exchange.orders.values())
        return next(order for order in newest_first if order.account.index == account)

    def position(self, account: int = 1001, market: int = 0) -> int:
        return self.exchange.accounts[account].size_in(self.exchange.markets[market])

    def advance(self, ms: int) -> None:
        self.clock.advance(ms * 1_000_000)
        self.admission.run_due()
        self.exchange.tick()


def ioc(**more: Any) -> Mapping[str, Any]:
    """Return what makes an order immediate-or-cancel."""
    return {"TimeInForce": 0, "OrderExpiry": 0, **more}
