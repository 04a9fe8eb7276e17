"""Account commands: balances, positions and settings (14.1), for REST and the trading websocket."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from . import user_events as events
from .account import (
    BRACKETS,
    Account,
    Bracket,
    MarginUse,
    Position,
    bracket_for,
    money,
    plain,
)
from .exchange import Exchange
from .orders import order_query
from .params import Params, missing
from .types import ApiError, Product, SymbolRules

__all__ = ["AccountCommands"]

Reply = dict[str, Any]
ZERO = Decimal(0)
SUCCESS = {"code": 200, "msg": "success"}


class AccountCommands:
    """Account commands on one exchange; `version` is the one in the request's path."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    # -- balances and positions ------------------------------------------------------------

    def balance(
        self, account: Account, product: Product, params: Params, version: int = 3
    ) -> list[Reply]:
        """Return every wallet; on COIN-M the free balance has another name."""
        params.finish()
        replies = []
        for asset in self._assets(account, product):
            profit = self._cross_profit(account, asset)
            available = money(max(ZERO, self.exchange.available(account, asset, None)))
            reply: Reply = {
                "accountAlias": account.alias,
                "asset": asset,
                "balance": money(account.wallet(asset).balance),
                "crossWalletBalance": money(account.cross_balance(asset)),
                "crossUnPnl": money(profit),
                "availableBalance": available,
            }
            if product is Product.COINM:
                reply["withdrawAvailable"] = available
            else:
                reply["maxWithdrawAmount"] = available
                reply["marginAvailable"] = True
            reply["updateTime"] = account.wallet(asset).update_ms
            replies.append(reply)
        return replies

    def position_risk(
        self, account: Account, product: Product, params: Params, version: int = 3
    ) -> list[Reply]:
        """Return positions; version 3 only those in use and without settings (BN-R-27)."""
        symbol, pair = params.text("symbol"), params.text("pair")
        asset = params.text("marginAsset")
        params.finish()
        if symbol is not None:
            self.exchange.rules(symbol, product)
        replies = []
        for rules in list(self.exchange.symbols.values()):
            wanted = (
                rules.product is product
                and symbol in (None, rules.symbol)
                and pair in (None, rules.pair)
                and asset in (None, rules.margin_asset)
            )
            if not wanted:
                continue
            in_use = bool(account.open_of(rules.symbol)) or any(
                position.amount for position in account.positions_of(rules.symbol)
            )
            if version == 3 and not in_use:
                continue
            for position in self._sides(account, rules):
                if version == 3 and account.dual_side and not position.amount:
                    continue
                replies.append(self._risk(account, position, version))
        return replies

    def _sides(self, account: Account, rules: SymbolRules) -> list[Position]:
        """Return the positions shown of a contract: BOTH, in hedge mode LONG and SHORT too."""
        names = ("BOTH", "LONG", "SHORT") if account.dual_side else ("BOTH",)
        return [
            account.positions.get((rules.symbol, name)) or Position(rules, name) for name in names
        ]

    def _risk(self, account: Account, position: Position, version: int) -> Reply:
        rules = position.rules
        mark = self.exchange.mark(rules.symbol)
        use = account.margin_of(rules, mark)
        isolated = rules.symbol in account.isolated
        profit = position.unrealized(mark)
        value = position.notional(mark)
        leverage = account.leverage(rules.symbol)
        initial = abs(value) / leverage
        reply: Reply = {
            "symbol": rules.symbol,
            "positionSide": position.side,
            "positionAmt": rules.qty_text(position.amount),
            "entryPrice": plain(position.entry),
            "breakEvenPrice": plain(position.break_even()),
            "markPrice": money(mark),
            "unRealizedProfit": money(profit),
            "liquidationPrice": "0",
            "isolatedMargin": money(position.isolated_wallet + profit) if isolated else "0",
        }
        if rules.inverse:
            reply["notionalValue"] = plain(value)
        else:
            reply["notional"] = plain(value)
            reply["marginAsset"] = rules.margin_asset
        reply["isolatedWallet"] = money(position.isolated_wallet) if isolated else "0"
        if version == 3:
            reply |= {
                "initialMargin": money(initial + use.orders),
                "maintMargin": money(use.maintenance),
                "positionInitialMargin": money(initial),
                "openOrderInitialMargin": money(use.orders),
                "adl": 2 if position.amount else 0,
                "bidNotional": plain(use.bid_notional),
                "askNotional": plain(use.ask_notional),
            }
        else:
            reply |= {
                "leverage": str(leverage),
                "marginType": "isolated" if isolated else "cross",
                "isAutoAddMargin": "false",
            }
            if rules.inverse:
                reply["maxQty"] = plain(_max_notional(rules, leverage))
            else:
                reply["maxNotionalValue"] = plain(_max_notional(rules, leverage))
        reply["updateTime"] = position.update_ms
        return reply

    def account(
        self, account: Account, product: Product, params: Params, version: int = 3
    ) -> Reply:
        """Return settings, totals, assets and positions of the account."""
        params.finish()
        assets = [self._asset(account, asset) for asset in self._assets(account, product)]
        positions = [
            self._account_position(account, position, version)
            for rules in list(self.exchange.symbols.values())
            if rules.product is product
            for position in self._sides(account, rules)
            if version != 3 or position.amount or account.open_of(rules.symbol)
        ]
        reply: Reply = {}
        if version != 3:
            reply |= {
                "feeTier": 0,
                "canTrade": True,
                "canDeposit": True,
                "canWithdraw": True,
                "updateTime": 0,
            }
        if product is Product.USDM:
            if version != 3:
                reply |= {"multiAssetsMargin": account.multi_assets, "tradeGroupId": -1}
            reply |= self._totals(assets)
        reply |= {"assets": assets, "positions": positions}
        return reply

    def _totals(self, assets: list[Reply]) -> Reply:
        """Sum the dollar assets; other assets are not converted."""
        dollars = [item for item in assets if item["asset"] in ("USDT", "USDC", "BUSD", "FDUSD")]
        names = {
            "totalInitialMargin": "initialMargin",
            "totalMaintMargin": "maintMargin",
            "totalWalletBalance": "walletBalance",
            "totalUnrealizedProfit": "unrealizedProfit",
            "totalMarginBalance": "marginBalance",
            "totalPositionInitialMargin": "positionInitialMargin",
            "totalOpenOrderInitialMargin": "openOrderInitialMargin",
            "totalCrossWalletBalance": "crossWalletBalance",
            "totalCrossUnPnl": "crossUnPnl",
            "availableBalance": "availableBalance",
            "maxWithdrawAmount": "maxWithdrawAmount",
        }
        return {
            total: money(sum((Decimal(item[name]) for item in dollars), ZERO))
            for total, name in names.items()
        }

    def _asset(self, account: Account, asset: str) -> Reply:
        use = MarginUse()
        profit = ZERO
        for rules, mark in self.exchange.used_contracts(account, asset):
            one = account.margin_of(rules, mark)
            use.position += one.position
            use.orders += one.orders
            use.maintenance += one.maintenance
            profit += sum((p.unrealized(mark) for p in account.positions_of(rules.symbol)), ZERO)
        wallet = account.wallet(asset)
        available = money(max(ZERO, self.exchange.available(account, asset, None)))
        return {
            "asset": asset,
            "walletBalance": money(wallet.balance),
            "unrealizedProfit": money(profit),
            "marginBalance": money(wallet.balance + profit),
            "maintMargin": money(use.maintenance),
            "initialMargin": money(use.initial),
            "positionInitialMargin": money(use.position),
            "openOrderInitialMargin": money(use.orders),
            "crossWalletBalance": money(account.cross_balance(asset)),
            "crossUnPnl": money(self._cross_profit(account, asset)),
            "availableBalance": available,
            "maxWithdrawAmount": available,
            "marginAvailable": True,
            "updateTime": wallet.update_ms,
        }

    def _account_position(self, account: Account, position: Position, version: int) -> Reply:
        rules = position.rules
        mark = self.exchange.mark(rules.symbol)
        use = account.margin_of(rules, mark)
        isolated = rules.symbol in account.isolated
        leverage = account.leverage(rules.symbol)
        profit = position.unrealized(mark)
        reply: Reply = {
            "symbol": rules.symbol,
            "positionSide": position.side,
            "positionAmt": rules.qty_text(position.amount),
            "unrealizedProfit": money(profit),
            "isolatedMargin": money(position.isolated_wallet + profit) if isolated else "0",
            "notional": plain(position.notional(mark)),
            "isolatedWallet": money(position.isolated_wallet) if isolated else "0",
            "initialMargin": money(use.initial),
            "maintMargin": money(use.maintenance),
            "updateTime": position.update_ms,
        }
        if version != 3:
            reply |= {
                "positionInitialMargin": money(use.position),
                "openOrderInitialMargin": money(use.orders),
                "leverage": str(leverage),
                "isolated": isolated,
                "entryPrice": plain(position.entry),
                "breakEvenPrice": plain(position.break_even()),
                "bidNotional": plain(use.bid_notional),
                "askNotional": plain(use.ask_notional),
            }
            name = "maxQty" if rules.inverse else "maxNotional"
            reply[name] = plain(_max_notional(rules, leverage))
        return reply

    def _assets(self, account: Account, product: Product) -> list[str]:
        margins = {r.margin_asset for r in self.exchange.symbols.values() if r.product is product}
        return [asset for asset in account.wallets if asset in margins]

    def _cross_profit(self, account: Account, asset: str) -> Decimal:
        return sum(
            (
                position.unrealized(self.exchange.mark(position.rules.symbol))
                for position in account.active()
                if position.rules.margin_asset == asset
                and position.rules.symbol not in account.isolated
            ),
            ZERO,
        )

    # -- settings, read --------------------------------------------------------------------

    def account_config(self, account: Account, product: Product, params: Params) -> Reply:
        params.finish()
        return {
            "feeTier": 0,
            "canTrade": True,
            "canDeposit": True,
            "canWithdraw": True,
            "dualSidePosition": account.dual_side,
            "updateTime": 0,
            "multiAssetsMargin": account.multi_assets,
            "tradeGroupId": -1,
        }

    def symbol_config(self, account: Account, product: Product, params: Params) -> list[Reply]:
        """Return leverage and margin type by symbol."""
        return [
            {
                "symbol": rules.symbol,
                "marginType": "ISOLATED" if rules.symbol in account.isolated else "CROSSED",
                "isAutoAddMargin": "false",
                "leverage": account.leverage(rules.symbol),
                "maxNotionalValue": plain(_max_notional(rules, account.leverage(rules.symbol))),
            }
            for rules in self._selected(product, params)
        ]

    def position_mode(self, account: Account, product: Product, params: Params) -> Reply:
        params.finish()
        return {"dualSidePosition": account.dual_side}

    def multi_assets(self, account: Account, product: Product, params: Params) -> Reply:
        params.finish()
        return {"multiAssetsMargin": account.multi_assets}

    def leverage_brackets(
        self, account: Account, product: Product, params: Params, version: int = 1
    ) -> list[Reply]:
        """Return margin brackets; by pair in version 1 of COIN-M, else by symbol."""
        by_pair = product is Product.COINM and version == 1
        pair = params.text("pair") if by_pair else None
        replies: dict[str, Reply] = {}
        for rules in self._selected(product, params):
            if pair in (None, rules.pair):
                name = "pair" if by_pair else "symbol"
                key = rules.pair if by_pair else rules.symbol
                brackets = [_bracket_reply(row, product) for row in BRACKETS[product]]
                replies[key] = {name: key, "brackets": brackets}
        return list(replies.values())

    def commission_rate(self, account: Account, product: Product, params: Params) -> Reply:
        rules = self.exchange.rules(params.require("symbol"), product)
        params.finish()
        return {
            "symbol": rules.symbol,
            "makerCommissionRate": f"{account.maker_rate:f}",
            "takerCommissionRate": f"{account.taker_rate:f}",
        }

    def order_limits(self, account: Account, product: Product, params: Params) -> list[Reply]:
        params.finish()
        return [
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
            {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
        ]

    def force_orders(self, account: Account, product: Product, params: Params) -> list[Reply]:
        """Return the account's liquidation and ADL orders, newest first."""
        symbol = params.text("symbol")
        kind = params.choice(
            "autoCloseType",
            ("LIQUIDATION", "ADL"),
            ApiError(-1130, "Data sent for parameter 'autoCloseType' is not valid."),
        )
        params.known("startTime", "endTime", "limit")
        params.finish()
        prefix = {"LIQUIDATION": "autoclose-", "ADL": "adl_autoclose", None: ""}[kind]
        return [
            order_query(order)
            for order in reversed(self.exchange.risk.force_orders)
            if order.account is account
            and order.rules.product is product
            and symbol in (None, order.rules.symbol)
            and order.client_id.startswith(prefix)
        ]

    def _selected(self, product: Product, params: Params) -> list[SymbolRules]:
        symbol = params.text("symbol")
        params.finish()
        if symbol is not None:
            return [self.exchange.rules(symbol, product)]
        return [rules for rules in self.exchange.symbols.values() if rules.product is product]

    # -- settings, change ------------------------------------------------------------------

    def set_leverage(self, account: Account, product: Product, params: Params) -> Reply:
        """Change the leverage of a symbol and tell the account's stream."""
        rules = self.exchange.rules(params.require("symbol"), product)
        leverage = params.integer("leverage")
        params.finish()
        if leverage is None:
            raise missing("leverage")
        if not 1 <= leverage <= rules.max_leverage:
            raise ApiError(-4028, f"Leverage {leverage} is not valid")
        if leverage < account.leverage(rules.symbol) and rules.symbol in account.isolated:
            held = any(position.amount for position in account.positions_of(rules.symbol))
            if held:
                raise ApiError(
                    -4161,
                    "Leverage reduction is not supported in Isolated Margin Mode with open "
                    "positions",
                )
        account.leverages[rules.symbol] = leverage
        event = events.leverage_event(rules.symbol, leverage, self.exchange.now_ms())
        self.exchange.user_stream.emit(account, product, event)
        reply: Reply = {"leverage": leverage, "symbol": rules.symbol}
        name = "maxQty" if rules.inverse else "maxNotionalValue"
        reply[name] = plain(_max_notional(rules, leverage))
        return reply

    def set_margin_type(self, account: Account, product: Product, params: Params) -> Reply:
        """Switch a symbol between crossed and isolated margin (BN-R-23)."""
        rules = self.exchange.rules(params.require("symbol"), product)
        kind = params.require("marginType")
        params.finish()
        if kind not in ("ISOLATED", "CROSSED"):
            raise ApiError(-1130, "Data sent for parameter 'marginType' is not valid.")
        if (kind == "ISOLATED") == (rules.symbol in account.isolated):
            raise ApiError(-4046, "No need to change margin type.")
        if account.open_of(rules.symbol):
            raise ApiError(-4047, "Margin type cannot be changed if there exists open orders.")
        if any(position.amount for position in account.positions_of(rules.symbol)):
            raise ApiError(-4048, "Margin type cannot be changed if there exists position.")
        if kind == "ISOLATED":
            account.isolated.add(rules.symbol)
        else:
            account.isolated.discard(rules.symbol)
        self.exchange.tell_margin_type(account, rules)
        return dict(SUCCESS)

    def set_position_mode(self, account: Account, product: Product, params: Params) -> Reply:
        """Switch between one-way and hedge mode, for both products (BN-P-09)."""
        dual_side = params.boolean("dualSidePosition")
        params.finish()
        if dual_side is None:
            raise missing("dualSidePosition")
        if dual_side == account.dual_side:
            raise ApiError(-4059, "No need to change position side.")
        if account.open_orders or any(algo.open for algo in account.algo_orders.values()):
            raise ApiError(-4067, "Position side cannot be changed if there exists open orders.")
        if any(account.active()):
            raise ApiError(-4068, "Position side cannot be changed if there exists position.")
        account.dual_side = dual_side
        return dict(SUCCESS)

    def set_multi_assets(self, account: Account, product: Product, params: Params) -> Reply:
        enabled = params.boolean("multiAssetsMargin")
        params.finish()
        if enabled is None:
            raise missing("multiAssetsMargin")
        if enabled == account.multi_assets:
            raise ApiError(-4171, "No need to change multi assets mode.")
        account.multi_assets = enabled
        event = events.multi_assets_event(self.exchange.now_ms(), enabled=enabled)
        self.exchange.user_stream.emit(account, product, event)
        return dict(SUCCESS)

    def set_position_margin(self, account: Account, product: Product, params: Params) -> Reply:
        """Add margin to an isolated position (type 1) or take some away (type 2)."""
        rules = self.exchange.rules(params.require("symbol"), product)
        amount, kind = params.decimal("amount"), params.integer("type")
        side = params.text("positionSide") or "BOTH"
        params.finish()
        if amount is None:
            raise missing("amount")
        if kind not in (1, 2):
            raise ApiError(-1130, "Data sent for parameter 'type' is not valid.")
        if amount <= 0:
            raise ApiError(-4055, "Amount must be positive.")
        position = account.positions.get((rules.symbol, side))
        if rules.symbol not in account.isolated or position is None or not position.amount:
            raise ApiError(-4054, "Cannot add position margin: position is 0.")
        if kind == 1:
            if amount > self.exchange.available(account, rules.margin_asset, None):
                raise ApiError(-4050, "Cross balance insufficient.")
        else:
            mark = self.exchange.mark(rules.symbol)
            needed = abs(position.notional(mark)) / account.leverage(rules.symbol)
            if position.isolated_wallet - amount < needed:
                raise ApiError(-4051, "Isolated balance insufficient.")
        moved = amount if kind == 1 else -amount
        self.exchange.move_isolated_margin(account, position, moved)
        return {
            "amount": float(amount),
            "code": 200,
            "msg": "Successfully modify position margin.",
            "type": kind,
        }


def _max_notional(rules: SymbolRules, leverage: int) -> Decimal:
    """Return the largest position value a leverage allows."""
    table = BRACKETS[rules.product]
    fitting = [row.cap for row in table if row.max_leverage >= leverage]
    return max(fitting) if fitting else bracket_for(rules.product, ZERO).cap


def _bracket_reply(row: Bracket, product: Product) -> Reply:
    unit = "qty" if product is Product.COINM else "notional"
    return {
        "bracket": row.number,
        "initialLeverage": row.max_leverage,
        f"{unit}Cap": int(row.cap),
        f"{unit}Floor": int(row.floor),
        "maintMarginRatio": float(row.rate),
        "cum": float(row.cum),
    }
