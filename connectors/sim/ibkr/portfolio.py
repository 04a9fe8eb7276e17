"""Positions and money over REST (6.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .accounts import Account, Position, money
from .figures import ledger_rows, summary_rows

if TYPE_CHECKING:
    from .server import Simulator

__all__ = ["Portfolio"]

PAGE = 100


class Portfolio:
    """Answers from the accounts' books."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim

    def _held(self, account: Account) -> list[Position]:
        return [position for position in account.positions.values() if position.size]

    def page(self, account: Account, number: int) -> list[dict[str, Any]]:
        """Return a page of positions; behind the last it is empty (R-61)."""
        rows = [self.row(account, position) for position in self._held(account)]
        return rows[number * PAGE : (number + 1) * PAGE]

    def of_contract(self, account: Account, conid: str) -> list[dict[str, Any]]:
        return [
            self.row(account, position)
            for position in self._held(account)
            if str(position.contract.conid) == conid
        ]

    def row(self, account: Account, position: Position) -> dict[str, Any]:
        contract = position.contract
        market = self._sim.exchange.markets[contract.key]
        value = position.value(market)
        return {
            "acctId": account.account_id,
            "conid": contract.conid,
            "contractDesc": contract.symbol,
            "position": float(contract.quantity(position.size)),
            "mktPrice": float(contract.decimal(market.mark)),
            "mktValue": money(value),
            "currency": contract.currency,
            "avgCost": float(position.average),
            "avgPrice": float(position.average / contract.multiplier),
            "realizedPnl": money(position.realized),
            "unrealizedPnl": money(value - position.cost),
            "exchs": None,
            "expiry": contract.expiry or None,
            "putOrCall": contract.right or None,
            "multiplier": float(contract.multiplier) if contract.multiplier > 1 else None,
            "strike": float(contract.strike),
            "exerciseStyle": None,
            "conExchMap": [],
            "assetClass": contract.sec_type,
            "undConid": contract.underlying,
            "model": "",
        }

    def rows2(self, account: Account) -> list[dict[str, Any]]:
        """Return positions as `portfolio2` names things; the conid is text (R-62)."""
        found = []
        for position in self._held(account):
            row = self.row(account, position)
            found.append(
                {
                    "position": row["position"],
                    "conid": str(row["conid"]),
                    "avgCost": row["avgCost"],
                    "avgPrice": row["avgPrice"],
                    "currency": row["currency"],
                    "description": row["contractDesc"],
                    "isLastToLoq": False,
                    "marketPrice": row["mktPrice"],
                    "marketValue": row["mktValue"],
                    "realizedPnl": row["realizedPnl"],
                    "secType": row["assetClass"],
                    "timestamp": self._sim.clock.now_ms() // 1000,
                    "unrealizedPnl": row["unrealizedPnl"],
                    "assetClass": row["assetClass"],
                    "sector": None,
                    "group": None,
                    "model": "",
                }
            )
        return found

    def summary(self, account: Account) -> dict[str, Any]:
        """Return the summary: lower-case keys (R-63)."""
        now_ms = self._sim.clock.now_ms()
        return {
            key.lower(): {
                "amount": row.get("monetaryValue", 0.0),
                "currency": row.get("currency"),
                "isNull": False,
                "timestamp": now_ms,
                "value": row.get("value"),
                "severity": 0,
            }
            for key, row in summary_rows(self._sim.exchange, account).items()
        }

    def ledger(self, account: Account) -> dict[str, Any]:
        """Return the ledger by currency: all keys in lower case (R-64)."""
        seconds = self._sim.clock.now_ms() // 1000
        found = {}
        for row in ledger_rows(self._sim.exchange, account).values():
            lower = {name.lower(): value for name, value in row.items()}
            currency = lower["secondkey"]
            found[currency] = {
                **lower,
                "netliquidationvalue": row["netLiquidationValue"],
                "currency": currency,
                "acctcode": account.account_id,
                "key": "LedgerList",
                "timestamp": seconds,
                "sessionid": 1,
            }
        return found

    def allocation(self, account: Account) -> dict[str, Any]:
        """Return what is held by class of instrument."""
        longs: dict[str, float] = {}
        shorts: dict[str, float] = {}
        for position in self._held(account):
            row = self.row(account, position)
            where = longs if position.size > 0 else shorts
            kind = position.contract.sec_type
            where[kind] = round(where.get(kind, 0.0) + row["mktValue"], 2)
        classes = {"long": {**longs, "CASH": money(account.cash)}, "short": shorts}
        return {"assetClass": classes, "sector": {}, "group": {}}
