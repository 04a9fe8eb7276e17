"""Money of an account as the venue's lists write it: summary and ledger."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from .accounts import Account, money
from .exchange import Exchange

__all__ = ["Figures", "figures", "ledger_rows", "summary_rows"]

LEVERAGE = 4
Figures = dict[str, float]


def figures(exchange: Exchange, account: Account) -> Figures:
    """Return the amounts everything else is made of."""
    pnl = account.pnl(exchange.markets)
    held = [
        (position.contract, position.value(exchange.markets[key]))
        for key, position in account.positions.items()
    ]
    stocks = sum((value for contract, value in held if contract.sec_type == "STK"), Decimal(0))
    gross = sum((abs(value) for _, value in held), Decimal(0))
    return {
        "cash": money(account.cash),
        "worth": pnl["nl"],
        "held": pnl["mv"],
        "stocks": money(stocks),
        "gross": money(gross),
        "unrealized": pnl["upl"],
        "realized": money(account.realized),
    }


def summary_rows(exchange: Exchange, account: Account) -> dict[str, dict[str, Any]]:
    """Return the rows of `ssd` and of the summary over REST, by key."""
    now = figures(exchange, account)
    amounts = {
        "NetLiquidation": now["worth"],
        "NetLiquidation-S": now["worth"],
        "EquityWithLoanValue": now["worth"],
        "TotalCashValue": now["cash"],
        "TotalCashValue-S": now["cash"],
        "SettledCash": now["cash"],
        "AccruedCash": 0.0,
        "AccruedCash-S": 0.0,
        "ExcessLiquidity": now["worth"],
        "ExcessLiquidity-S": now["worth"],
        "AvailableFunds": now["worth"],
        "AvailableFunds-S": now["worth"],
        "FullAvailableFunds": now["worth"],
        "BuyingPower": round(now["worth"] * LEVERAGE, 2),
        "GrossPositionValue": now["gross"],
        "InitMarginReq": 0.0,
        "MaintMarginReq": 0.0,
        "UnrealizedPnL": now["unrealized"],
        "RealizedPnL": now["realized"],
    }
    rows: dict[str, dict[str, Any]] = {
        "AccountCode": {"value": account.account_id, "severity": 0},
        "AccountType": {"value": "INDIVIDUAL", "severity": 0},
        "Currency": {"value": "USD", "severity": 0},
    }
    for key, amount in amounts.items():
        rows[key] = {"currency": "USD", "monetaryValue": amount, "severity": 0}
    return rows


def ledger_rows(exchange: Exchange, account: Account) -> dict[str, dict[str, Any]]:
    """Return the rows of `sld`, by key."""
    now = figures(exchange, account)
    rows = {}
    for currency in ("BASE", "USD"):
        rows[f"LedgerList{currency}"] = {
            "acctCode": account.account_id,
            "cashbalance": now["cash"],
            "cashBalanceFXSegment": 0.0,
            "commodityMarketValue": 0.0,
            "corporateBondsMarketValue": 0.0,
            "dividends": 0.0,
            "exchangeRate": 1.0,
            "funds": 0.0,
            "futureOptionMarketValue": 0.0,
            "futurePnL": 0.0,
            "interest": 0.0,
            "marketValue": now["held"],
            "netLiquidationValue": now["worth"],
            "realizedPnL": now["realized"],
            "secondKey": currency,
            "settledCash": now["cash"],
            "severity": 0,
            "stockMarketValue": now["stocks"],
            "unrealizedPnL": now["unrealized"],
        }
    return rows
