"""Accounts: keys, balances, positions, margin. Money is millionths of USDC, sizes are lots."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connectors._speedups import lighter_core

from .config import AccountSetup
from .markets import ASSETS, QUOTE_DECIMALS, USDC, Market, fixed

if TYPE_CHECKING:
    from .orders import Order
    from .trades import Trade

__all__ = ["Account", "ApiKey", "Position"]

MICRO = 1_000_000  # fees are in millionths
IMF_ONE = 10_000
KEPT_ORDERS = 100_000
KEPT_TRADES = 100_000


@dataclass(slots=True, eq=False)
class ApiKey:
    """One key: what it verifies with and the nonce it expects next."""

    index: int
    public_key: bytes
    nonce: int
    chain: int = 0  # position of the chain that last fitted, tried first
    maker_only: bool = False
    changed_us: int = 0


@dataclass(slots=True, eq=False)
class Position:
    """A perpetual position. `entry` is the quote paid for what is open, always positive."""

    market: Market
    size: int = 0
    entry: int = 0
    realized: int = 0
    imf: int = 0  # 0: the market's default
    margin_mode: int = 0
    allocated: int = 0

    @property
    def fraction(self) -> int:
        return self.imf or self.market.default_imf

    def apply(self, sign: int, ticks: int, lots: int) -> int:
        """Book a fill; return the profit it realised."""
        realized = 0
        closing = min(lots, abs(self.size)) if self.size * sign < 0 else 0
        if closing:
            part = self.entry * closing // abs(self.size)
            realized = -sign * (self.market.quote(ticks, closing) - part)
            self.entry -= part
            self.size += sign * closing
            lots -= closing
        if lots:
            self.entry += self.market.quote(ticks, lots)
            self.size += sign * lots
        self.realized += realized
        return realized

    @property
    def value(self) -> int:
        return self.market.quote(self.market.mark, abs(self.size))

    @property
    def unrealized(self) -> int:
        if not self.size:
            return 0
        return (self.value - self.entry) * (1 if self.size > 0 else -1)

    @property
    def requirement(self) -> int:
        need = self.value * self.fraction // IMF_ONE
        return max(need, self.allocated) if self.margin_mode else need

    def average_text(self) -> str:
        """Return the average entry price, rounded to a millionth."""
        if not self.size:
            return "0.000000"
        market = self.market
        lots = abs(self.size)
        numerator = self.entry * 10**market.size_decimals
        return fixed((2 * numerator + lots) // (2 * lots), QUOTE_DECIMALS)


@dataclass(slots=True, eq=False, repr=False)
class Account:
    """One account and everything it owns."""

    index: int
    keys: dict[int, ApiKey] = field(default_factory=dict)
    secrets: dict[int, str] = field(default_factory=dict, repr=False)
    collateral: int = 0
    spot: dict[int, int] = field(default_factory=dict)
    locked: dict[int, int] = field(default_factory=dict)
    positions: dict[int, Position] = field(default_factory=dict)
    tier: int = 1
    maker_fee: int = 0
    taker_fee: int = 0
    integrators: dict[int, dict[str, int]] = field(default_factory=dict)
    master: int | None = None
    house: bool = False  # no margin, no fees, no nonces: the market's own traders
    trading_mode: int = 0
    reserved: int = 0  # margin held for open orders
    live: dict[int, Order] = field(default_factory=dict)
    by_client: dict[int, Order] = field(default_factory=dict)
    client_history: dict[int, Order] = field(default_factory=dict)
    ended: int = 0  # orders that ever became inactive
    inactive: deque[Order] = field(default_factory=lambda: deque(maxlen=KEPT_ORDERS))
    trades: deque[Trade] = field(default_factory=lambda: deque(maxlen=KEPT_TRADES))
    volume: int = 0
    order_count: int = 0
    cancel_all_ms: int = 0
    quota: int = 0
    sent_at_ms: deque[int] = field(default_factory=deque)

    def __repr__(self) -> str:
        return f"<Account {self.index}: {len(self.live)} orders, {fixed(self.collateral, 6)} USDC>"

    @classmethod
    def of(cls, setup: AccountSetup, quota: int) -> Account:
        """Make an account. Raises ValueError for a key or an amount that is none."""
        account = cls(
            setup.account_index,
            collateral=ASSETS[USDC].units(setup.collateral),
            tier=setup.tier,
            maker_fee=setup.maker_fee,
            taker_fee=setup.taker_fee,
            master=setup.master,
            quota=quota,
        )
        for index, private_key in setup.keys.items():
            public_key = lighter_core.public_key(bytes.fromhex(private_key))
            maker_only = index in setup.maker_only
            account.keys[index] = ApiKey(
                index, public_key, setup.first_nonce, maker_only=maker_only
            )
            account.secrets[index] = private_key
        by_symbol = {asset.symbol: asset for asset in ASSETS.values()}
        for symbol, text in setup.spot.items():
            asset = by_symbol[symbol]
            account.spot[asset.asset_id] = asset.units(text)
        for integrator, expiry_ms in setup.integrators.items():
            account.integrators[integrator] = {"ApprovalExpiry": expiry_ms}
        return account

    @property
    def owner(self) -> str:
        return str(self.index)

    def position(self, market: Market) -> Position:
        """Return the position in a market, made flat if there is none yet."""
        found = self.positions.get(market.market_id)
        if found is None:
            found = self.positions[market.market_id] = Position(market)
        return found

    def size_in(self, market: Market) -> int:
        found = self.positions.get(market.market_id)
        return 0 if found is None else found.size

    def open_positions(self) -> Iterator[Position]:
        return (item for item in self.positions.values() if item.size)

    @property
    def unrealized(self) -> int:
        return sum(item.unrealized for item in self.positions.values())

    @property
    def requirement(self) -> int:
        return sum(item.requirement for item in self.positions.values())

    @property
    def portfolio(self) -> int:
        return self.collateral + self.unrealized

    @property
    def available(self) -> int:
        return self.portfolio - self.requirement - self.reserved

    def free_spot(self, asset_id: int) -> int:
        return self.spot.get(asset_id, 0) - self.locked.get(asset_id, 0)

    # -- what the venue shows ----------------------------------------------------------------

    def position_row(self, position: Position, *, percent: bool) -> dict[str, Any]:
        """Return a position as REST (`percent`) or the stream spells it."""
        market = position.market
        orders = [o for o in self.live.values() if o.market is market]
        pending = sum(o.status == "pending" for o in orders)
        return {
            "market_id": market.market_id,
            "symbol": market.symbol,
            "initial_margin_fraction": fixed(position.fraction, 2 if percent else 4),
            "open_order_count": len(orders) - pending,
            "pending_order_count": pending,
            "position_tied_order_count": 0,
            "sign": -1 if position.size < 0 else 1,
            "position": market.size(abs(position.size)),
            "avg_entry_price": position.average_text(),
            "position_value": fixed(position.value, 6),
            "unrealized_pnl": fixed(position.unrealized, 6),
            "realized_pnl": fixed(position.realized, 6),
            "liquidation_price": "0",
            "total_funding_paid_out": "0.000000",
            "margin_mode": position.margin_mode,
            "allocated_margin": fixed(position.allocated, 6),
            "total_discount": "0.000000",
            "margin_set_flag": 0,
        }

    def position_rows(self) -> dict[str, dict[str, Any]]:
        """Return the open positions by market id, as the streams send them."""
        return {
            str(item.market.market_id): self.position_row(item, percent=False)
            for item in self.open_positions()
        }

    def asset_rows(self) -> dict[str, dict[str, Any]]:
        rows = {}
        for asset_id, asset in sorted(ASSETS.items()):
            balance = self.spot.get(asset_id, 0)
            if asset_id != USDC and not balance:
                continue
            rows[str(asset_id)] = {
                "symbol": asset.symbol,
                "asset_id": asset_id,
                "balance": asset.text(balance),
                "locked_balance": asset.text(self.locked.get(asset_id, 0)),
                "margin_mode": "disabled",
                "margin_balance": asset.text(self.collateral if asset_id == USDC else 0),
                "multiplier": "1",
            }
        return rows

    def stats(self) -> dict[str, Any]:
        """Return the members of `user_stats`."""
        portfolio = self.portfolio
        need = self.requirement
        exposure = sum(item.value for item in self.positions.values())
        available = max(portfolio - need - self.reserved, 0)
        part = {
            "available_balance": fixed(available, 6),
            "buying_power": "0",
            "collateral": fixed(self.collateral, 6),
            "leverage": fixed(exposure * 100 // portfolio, 2) if portfolio > 0 else "0.00",
            "margin_usage": fixed(need * 10_000 // portfolio, 2) if portfolio > 0 else "0.00",
            "portfolio_value": fixed(portfolio, 6),
        }
        return {
            "account_trading_mode": self.trading_mode,
            **part,
            "cross_stats": part,
            "total_stats": part,
        }

    def rest_row(self) -> dict[str, Any]:
        """Return the account as `account` answers it (12.1)."""
        maintenance = sum(
            item.value * item.market.maintenance_mf // IMF_ONE for item in self.positions.values()
        )
        return {
            "code": 0,
            "account_type": self.tier,
            "index": self.index,
            "l1_address": f"0x{self.index:040x}",
            "cancel_all_time": self.cancel_all_ms,
            "total_order_count": self.order_count,
            "total_isolated_order_count": 0,
            "pending_order_count": sum(o.status == "pending" for o in self.live.values()),
            "available_balance": fixed(max(self.available, 0), 6),
            "status": 1,
            "collateral": fixed(self.collateral, 6),
            "transaction_time": 0,
            "account_trading_mode": self.trading_mode,
            "account_index": self.index,
            "name": "",
            "description": "",
            "can_invite": False,
            "referral_points_percentage": "",
            "can_rfq": False,
            "can_rfq_market_ids": [],
            "created_at": 0,
            "metadata": {"color": ""},
            "agent_enabled": False,
            "positions": [
                self.position_row(item, percent=True) for item in self.positions.values()
            ],
            "assets": list(self.asset_rows().values()),
            "total_asset_value": fixed(self.portfolio, 6),
            "cross_asset_value": fixed(self.portfolio, 6),
            "cross_initial_margin_requirement": fixed(self.requirement, 6),
            "cross_maintenance_margin_requirement": fixed(maintenance, 6),
            "pool_info": _NO_POOL,
            "shares": [],
            "pending_unlocks": [],
            "approved_integrators": [
                {
                    "account_index": index,
                    "name": "",
                    "max_perps_taker_fee": terms.get("MaxPerpsTakerFee", 0),
                    "max_perps_maker_fee": terms.get("MaxPerpsMakerFee", 0),
                    "max_spot_taker_fee": terms.get("MaxSpotTakerFee", 0),
                    "max_spot_maker_fee": terms.get("MaxSpotMakerFee", 0),
                    "approval_expiry": terms["ApprovalExpiry"],
                }
                for index, terms in sorted(self.integrators.items())
            ],
        }


_NO_POOL = {
    "status": 0,
    "operator_fee": "0",
    "min_operator_share_rate": "0",
    "total_shares": 0,
    "operator_shares": 0,
    "annual_percentage_yield": 0,
    "daily_returns": [],
    "share_prices": [],
    "sharpe_ratio": 0,
    "strategies": [],
}
