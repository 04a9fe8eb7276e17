"""What each type of transaction does once it is its turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .accounts import Account, ApiKey
from .changes import TxRow
from .errors import Refused
from .exchange import Exchange
from .markets import ASSETS, USDC, Market
from .orders import GTT, IOC, POST_ONLY, Order
from .rules import (
    OCO,
    check_create,
    check_group,
    check_margin,
    check_modify,
    check_sender,
)
from .tx import CANCEL, CANCEL_ALL, CREATE, GROUP, LEVERAGE, MARGIN, MODIFY, Tx

__all__ = ["Execution"]

FIRST_SUB_ACCOUNT = 1 << 47
MAX_SCHEDULE_MS = 15 * 86_400_000
SCHEDULE_SLACK_MS = 5_000
ALL_MARKETS = 255

Action = Callable[[Account, ApiKey, Tx, str], "Order | None"]


class Execution:
    """Carries accepted transactions out, one at a time."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.forced: list[Refused] = []  # failures the next transactions meet, by injection
        self._actions: dict[int, Action] = {
            8: self._change_key,
            9: self._sub_account,
            12: self._transfer,
            13: self._withdraw,
            CREATE: self._create,
            CANCEL: self._cancel,
            CANCEL_ALL: self._cancel_all,
            MODIFY: self._modify,
            LEVERAGE: self._leverage,
            GROUP: self._group,
            MARGIN: self._margin,
            41: self._account_config,
            42: self._asset_config,
            45: self._approve,
        }

    def run(self, row: TxRow) -> None:
        self.exchange.run(row, self._act)

    def _act(self, row: TxRow) -> Order | None:
        if self.forced:
            raise self.forced.pop(0)
        tx = row.tx
        account = self.exchange.account(tx.account_index)
        key = self.exchange.key(account, tx.api_key_index)
        check_sender(self.exchange, account, key, tx)
        return self._actions[tx.tx_type](account, key, tx, row.hash)

    # -- orders ------------------------------------------------------------------------------

    def _create(self, account: Account, key: ApiKey, tx: Tx, digest: str) -> Order:
        market = check_create(self.exchange, account, tx.fields)
        check_margin(account, market, tx.fields)
        order = self._order(account, market, tx.fields, tx, digest)
        self.exchange.place(order)
        return order

    def _order(
        self,
        account: Account,
        market: Market,
        fields: Mapping[str, int],
        tx: Tx,
        digest: str,
        *,
        child: bool = False,
    ) -> Order:
        """Make an order of its wire members. Raises Refused for an impossible reduce-only."""
        size, is_ask = fields["BaseAmount"], bool(fields["IsAsk"])
        held = account.size_in(market)
        if fields["ReduceOnly"] and not child:
            closable = held if is_ask else -held
            if closable <= 0 and not fields["TriggerPrice"]:
                raise Refused(21732)
            size = size or max(closable, 0)
            if not size:
                raise Refused(21732)
        self_trade = tx.attributes.get(6, 0)
        if self_trade == 3:
            raise Refused(21710, "self-trade mode 3 is not simulated")
        order = self.exchange.new_order(
            account,
            market,
            is_ask=is_ask,
            price=fields["Price"],
            size=size,
            client_index=fields["ClientOrderIndex"],
            order_type=fields["Type"],
            tif=(IOC, GTT, POST_ONLY)[fields["TimeInForce"]],
            reduce_only=bool(fields["ReduceOnly"]),
            trigger=fields["TriggerPrice"],
            expiry_ms=fields["OrderExpiry"],
            tx_hash=digest,
        )
        order.self_trade = self_trade
        attributes = tx.attributes
        order.integrator = (attributes.get(1, 0), attributes.get(2, 0), attributes.get(3, 0))
        return order

    def _group(self, account: Account, key: ApiKey, tx: Tx, digest: str) -> Order:
        wanted = tx.fields["Orders"]
        grouping = tx["GroupingType"]
        check_group(grouping, wanted)
        with_parent = grouping != OCO
        for number, fields in enumerate(wanted):
            market = check_create(self.exchange, account, fields, child=with_parent and number > 0)
            check_margin(account, market, fields)
        orders = [
            self._order(account, market, fields, tx, digest, child=with_parent and number > 0)
            for number, fields in enumerate(wanted)
        ]
        exits = orders[1:] if with_parent else orders
        if len(exits) == 2:
            exits[0].rival, exits[1].rival = exits[1], exits[0]
        if with_parent:
            orders[0].children = exits
            for order in exits:
                order.parent = orders[0]
                self.exchange.place(order)
            self.exchange.place(orders[0])
        else:
            for order in exits:
                self.exchange.place(order)
        return orders[0]

    def _cancel(self, account: Account, key: ApiKey, tx: Tx, digest: str) -> Order:
        order = self.exchange.live_order(account, tx["MarketIndex"], tx["Index"])
        self.exchange.cancel(order)
        return order

    def _modify(self, account: Account, key: ApiKey, tx: Tx, digest: str) -> Order:
        check_modify(self.exchange, account, tx)
        order = self.exchange.live_order(account, tx["MarketIndex"], tx["Index"])
        if key.maker_only and order.tif != POST_ONLY:
            raise Refused(62007)
        self.exchange.modify(
            order, size=tx["BaseAmount"], price=tx["Price"], trigger=tx["TriggerPrice"]
        )
        return order

    def _cancel_all(self, account: Account, key: ApiKey, tx: Tx, digest: str) -> None:
        mode, at_ms = tx["TimeInForce"], tx["Time"]
        only = tx.attributes.get(5, ALL_MARKETS)
        if mode not in (0, 1, 2):
            raise Refused(21713)
        if mode == 1:
            ahead_ms = at_ms - self.exchange.clock.now_ms()
            least_ms = self.exchange.config.min_expiry_ms - SCHEDULE_SLACK_MS
            if not least_ms <= ahead_ms <= MAX_SCHEDULE_MS + SCHEDULE_SLACK_MS:
                raise Refused(21714)
            account.cancel_all_ms = at_ms
            return
        if at_ms:
            raise Refused(21714)
        if mode == 2:
            account.cancel_all_ms = 0
            return
        for order in list(account.live.values()):
            if only in (ALL_MARKETS, order.market.market_id):
                self.exchange.cancel(order)

    # -- margin ------------------------------------------------------------------------------

    def _leverage(self, account: Account, key: ApiKey, tx: Tx, digest: str) -> None:
        market = self.exchange.market(tx["MarketIndex"])
        if market.is_spot:
            raise Refused(21602)
        fraction = tx["InitialMarginFraction"]
        if not market.min_imf <= fraction <= 10_000:
            raise Refused(21113)
        if tx["MarginMode"] not in (0, 1):
            raise Refused(21613)
        position = account.position(market)
        before = position.imf
        position.imf = fraction
        if position.size and account.available < 0:
            position.imf = before
            raise Refused(21133)
        position.margin_mode = tx["MarginMode"]
        self.exchange.touch_account(account)

    def _margin(self, account: Account, key: ApiKey, tx: Tx, digest: str) -> None:
        position = account.position(self.exchange.market(tx["MarketIndex"]))
        if not position.size:
            raise Refused(21614)
        if tx["Direction"] not in (0, 1) or tx["USDCAmount"] <= 0:
            raise Refused(21501, "margin to move")
        amount = tx["USDCAmount"] if tx["Direction"] else -tx["USDCAmount"]
        if amount > account.available or position.allocated + amount < 0:
            raise Refused(21301)
        position.allocated += amount
        self.exchange.touch_account(account)

    # -- accounts ----------------------------------------------------------------------------

    def _change_key(self, account: Account, key: ApiKey, tx: Tx, digest: str) -> None:
        key.public_key = tx.fields["PubKey"]
        key.changed_us = self.exchange.now_us()
        account.secrets.pop(key.index, None)

    def _sub_account(self, account: Account, key: ApiKey, tx: Tx, digest: str) -> None:
        index = FIRST_SUB_ACCOUNT
        while index in self.exchange.accounts:
            index += 1
        self.exchange.accounts[index] = Account(index, master=account.index)

    def _transfer(self, account: Account, key: ApiKey, tx: Tx, digest: str) -> None:
        target = self.exchange.account(tx["ToAccountIndex"])
        asset, amount, fee = tx["AssetIndex"], tx["Amount"], tx["USDCFee"]
        to_spot = self._is_spot(tx["ToRouteType"])
        if asset != USDC and not to_spot:
            raise Refused(21304, "only USDC backs perpetuals")
        charged = amount if asset == USDC and not self._is_spot(tx["FromRouteType"]) else 0
        if fee < 0 or fee > account.available - charged:
            raise Refused(21301)
        self._take(account, asset, amount, spot=self._is_spot(tx["FromRouteType"]))
        account.collateral -= fee
        if to_spot:
            target.spot[asset] = target.spot.get(asset, 0) + amount
        else:
            target.collateral += amount
        self.exchange.touch_account(account)
        self.exchange.touch_account(target)

    def _withdraw(self, account: Account, key: ApiKey, tx: Tx, digest: str) -> None:
        spot = self._is_spot(tx["RouteType"])
        self._take(account, tx["AssetIndex"], tx["Amount"], spot=spot)
        self.exchange.touch_account(account)

    @staticmethod
    def _is_spot(route: int) -> bool:
        if route not in (0, 1):
            raise Refused(21501, "route type")
        return route == 1

    @staticmethod
    def _take(account: Account, asset: int, amount: int, *, spot: bool) -> None:
        """Take an amount out of an account. Raises Refused, 21301 or 21304."""
        if asset not in ASSETS or amount <= 0:
            raise Refused(21304)
        if spot:
            if account.free_spot(asset) < amount:
                raise Refused(21304)
            account.spot[asset] -= amount
        else:
            if asset != USDC or account.available < amount:
                raise Refused(21301)
            account.collateral -= amount

    def _account_config(self, account: Account, key: ApiKey, tx: Tx, digest: str) -> None:
        account.trading_mode = tx["AccountTradingMode"]
        self.exchange.touch_account(account)

    def _asset_config(self, account: Account, key: ApiKey, tx: Tx, digest: str) -> None:
        if tx["AssetIndex"] not in ASSETS:
            raise Refused(21304)

    def _approve(self, account: Account, key: ApiKey, tx: Tx, digest: str) -> None:
        integrator = tx["IntegratorAccountIndex"]
        if not tx["ApprovalExpiry"]:
            account.integrators.pop(integrator, None)
            return
        account.integrators[integrator] = {
            name: tx[name]
            for name in (
                "MaxPerpsTakerFee",
                "MaxPerpsMakerFee",
                "MaxSpotTakerFee",
                "MaxSpotMakerFee",
                "ApprovalExpiry",
            )
        }
