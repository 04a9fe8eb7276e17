"""REST that only informs: assets, statistics, and lists that are empty here (4.2)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

from .errors import Refused
from .markets import ASSETS
from .query import Query, Row
from .views import details_row

if TYPE_CHECKING:
    from .server import Simulator

__all__ = ["information"]

NOBODY = "0x" + "0" * 40
MAX_INTEGRATOR_FEE = 1_000_000
STATS = (
    "symbol",
    "last_trade_price",
    "daily_trades_count",
    "daily_base_token_volume",
    "daily_quote_token_volume",
    "daily_price_change",
)
ACCOUNT_SUMMARY = (
    "code",
    "account_type",
    "account_trading_mode",
    "index",
    "l1_address",
    "cancel_all_time",
    "total_order_count",
    "total_isolated_order_count",
    "pending_order_count",
    "available_balance",
    "status",
    "collateral",
    "transaction_time",
)


def information(sim: Simulator) -> dict[str, Callable[[Query], Row]]:
    """Return the informational endpoints; nothing of them is private."""
    exchange = sim.exchange

    def statistics(query: Query) -> Row:
        rows = [details_row(market) for market in exchange.markets.values()]
        return {
            "total": len(rows),
            "order_book_stats": [{name: row[name] for name in STATS} for row in rows],
            "daily_usd_volume": sum(row["daily_quote_token_volume"] for row in rows),
            "daily_trades_count": sum(row["daily_trades_count"] for row in rows),
        }

    def assets(query: Query) -> Row:
        return {
            "asset_details": [
                {
                    "asset_id": asset.asset_id,
                    "symbol": asset.symbol,
                    "l1_decimals": asset.decimals,
                    "decimals": asset.decimals,
                    "min_transfer_amount": asset.text(1),
                    "min_withdrawal_amount": asset.text(1),
                    "margin_mode": "disabled",
                    "index_price": "0",
                    "l1_address": NOBODY,
                }
                for asset in ASSETS.values()
            ]
        }

    def by_l1_address(query: Query) -> Row:
        address = query.text("l1_address").lower()
        masters = {a.index for a in exchange.accounts.values() if f"0x{a.index:040x}" == address}
        found = [a for a in exchange.accounts.values() if masters & {a.index, a.master}]
        if not found:
            raise Refused(21100)
        rows = [account.rest_row() for account in found]
        summaries = [{name: row[name] for name in ACCOUNT_SUMMARY} for row in rows]
        return {"l1_address": address, "sub_accounts": summaries}

    def transactions(query: Query) -> Row:
        start = query.number("index", 0)
        rows = islice(reversed(exchange.txs.values()), start, start + query.limit(100))
        return {"txs": [row.row() for row in rows]}

    def fundings(query: Query) -> Row:
        exchange.market(query.number("market_id"))
        return {"resolution": query.text("resolution"), "fundings": []}

    return {
        "exchangeStats": statistics,
        "assetDetails": assets,
        "accountsByL1Address": by_l1_address,
        "txs": transactions,
        "fundings": fundings,
        "funding-rates": lambda query: {"funding_rates": []},
        "liquidations": lambda query: {"liquidations": []},
        "positionFunding": lambda query: {"position_fundings": []},
        "pnl": lambda query: {"resolution": query.text("resolution"), "pnl": []},
        "currentHeight": lambda query: {"height": exchange.block},
        "withdrawalDelay": lambda query: {"seconds": 0},
        "transferFeeInfo": lambda query: {"transfer_fee_usdc": 0},
        "systemConfig": lambda query: {
            "liquidity_pool_index": 0,
            "staking_pool_index": 0,
            "funding_fee_rebate_account_index": 0,
            "liquidity_pool_cooldown_period": 0,
            "staking_pool_lockup_period": 0,
            "max_integrator_perps_maker_fee": MAX_INTEGRATOR_FEE,
            "max_integrator_perps_taker_fee": MAX_INTEGRATOR_FEE,
            "max_integrator_spot_maker_fee": MAX_INTEGRATOR_FEE,
            "max_integrator_spot_taker_fee": MAX_INTEGRATOR_FEE,
            "fee_collector_account_index": 0,
        },
    }
