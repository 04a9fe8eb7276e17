"""The Lighter signer: one method for each transaction a user can sign.

=====  =======================  ==============================
type   transaction              method of `Signer`
=====  =======================  ==============================
8      change pub key           `change_pub_key`
9      create sub account       `create_sub_account`
10     create public pool       `create_public_pool`
11     update public pool       `update_public_pool`
12     transfer                 `transfer`
13     withdraw                 `withdraw`
14     create order             `create_order`
15     cancel order             `cancel_order`
16     cancel all orders        `cancel_all_orders`
17     modify order             `modify_order`
18     mint shares              `mint_shares`
19     burn shares              `burn_shares`
20     update leverage          `update_leverage`
28     create grouped orders    `create_grouped_orders`
29     update margin            `update_margin`
35     stake assets             `stake_assets`
36     unstake assets           `unstake_assets`
41     account config           `update_account_config`
42     account asset config     `update_account_asset_config`
45     approve integrator       `approve_integrator`
=====  =======================  ==============================

Each fills in what `Signer.sign` wants to be told and signs. Prices and amounts are the venue's
integers. What a key may do is decided by the venue.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Required, Self, TypedDict, Unpack

from .._speedups.lighter_signer import SignedTx, SignerCore, error_texts, tx_hash, verify
from ..errors import InvalidTransaction
from ..keyfile import key_from_file
from ..signer_stats import SignerStats
from .l1 import L1Signer, l1_message
from .transactions import DEFAULT_LIFE_MS, DEFAULT_ORDER_LIFE_MS, TxType

__all__ = ["SignedTx", "Signer", "SignerStats", "TxOptions", "error_texts", "tx_hash", "verify"]

Attributes = Mapping[int, int] | None

_IOC, _GTT = 0, 1
_LIMIT, _MARKET = 0, 1


class TxOptions(TypedDict, total=False):
    """What every method of `Signer` takes, by name."""

    nonce: Required[int]
    expired_at_ms: int | None
    attributes: Attributes


class Signer(SignerCore):
    """Signs for one account with one API key; see `SignerCore` for what it is made of.

    ::

        with Signer(private_key, 12345, 5, chain_id=304) as signer:
            signer.cancel_order(market_index=1, index=77, nonce=12)

    Every method takes (`TxOptions`)

    nonce : int
        The next number of this account and API key; each is used once.
    expired_at_ms : int, optional
        Until when the venue may execute the transaction, Unix milliseconds. Default: 599 seconds
        from now.
    attributes : mapping, optional
        `Attribute` -> int. None is set unless asked for.

    and raises what `sign` raises.
    """

    __slots__ = ()

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        account_index: int,
        api_key_index: int,
        chain_id: int,
        *,
        pool_capacity: int = 0,
        clock_ms: Callable[[], int] | None = None,
    ) -> Self:
        """Make a signer whose key stands in a file: 80 hexadecimal digits, `0x` allowed.

        White space around the digits does not count. What was read is wiped from memory.

        Raises
        ------
        InvalidKey
            If the file holds anything else.
        OSError
            If it cannot be read.
        """
        with key_from_file(path, 80) as digits:
            return cls(
                digits,
                account_index,
                api_key_index,
                chain_id,
                pool_capacity=pool_capacity,
                clock_ms=clock_ms,
            )

    @property
    def stats(self) -> SignerStats:
        """Counters of this signer, as they are now."""
        return SignerStats.of(self)

    # --- orders -----------------------------------------------------------------------------

    def create_order(
        self,
        *,
        market_index: int,
        client_order_index: int = 0,
        base_amount: int,
        price: int,
        is_ask: bool,
        order_type: int = _LIMIT,
        time_in_force: int | None = None,
        reduce_only: bool = False,
        trigger_price: int = 0,
        order_expiry_ms: int | None = None,
        **common: Unpack[TxOptions],
    ) -> SignedTx:
        """Sign a new order.

        Parameters
        ----------
        base_amount, price, trigger_price : int
            In the market's integer units. `base_amount` may be 0 for a reduce-only order.
        time_in_force : int, optional
            A `TimeInForce`. Default: what the type demands (immediate for market orders, stop-loss
            and take-profit), else good till time.
        order_expiry_ms : int, optional
            Until when the order rests, Unix milliseconds. Default: 28 days from now, or 0 where
            nothing rests: market orders and immediate limit orders.
        """
        if time_in_force is None:
            time_in_force = _IOC if order_type in (1, 2, 4) else _GTT
        fields = _order_fields(
            market_index=market_index,
            client_order_index=client_order_index,
            base_amount=base_amount,
            price=price,
            is_ask=is_ask,
            order_type=order_type,
            time_in_force=time_in_force,
            reduce_only=reduce_only,
            trigger_price=trigger_price,
            order_expiry_ms=self._order_expiry(order_type, time_in_force, order_expiry_ms),
        )
        return self._complete(TxType.CREATE_ORDER, fields, **common)

    def create_grouped_orders(
        self,
        *,
        grouping_type: int,
        orders: Sequence[Mapping[str, int]],
        **common: Unpack[TxOptions],
    ) -> SignedTx:
        """Sign orders that depend on each other.

        Parameters
        ----------
        grouping_type : int
            A `GroupingType`.
        orders : sequence of mappings
            Two or three, with the ten wire names of an order (`MarketIndex` ... `OrderExpiry`).
        """
        fields = {"GroupingType": grouping_type, "Orders": list(orders)}
        return self._complete(TxType.CREATE_GROUPED_ORDERS, fields, **common)

    def cancel_order(
        self, *, market_index: int, index: int, **common: Unpack[TxOptions]
    ) -> SignedTx:
        """Sign the cancellation of one order, named by the venue's index or the client's."""
        fields = {"MarketIndex": market_index, "Index": index}
        return self._complete(TxType.CANCEL_ORDER, fields, **common)

    def cancel_all_orders(
        self, *, time_in_force: int = 0, time_ms: int = 0, **common: Unpack[TxOptions]
    ) -> SignedTx:
        """Sign the cancellation of all orders, now or at `time_ms`, or its revocation.

        Parameters
        ----------
        time_in_force : int
            A `CancelAllTimeInForce`. Default: immediate.
        time_ms : int
            For a scheduled one: when, Unix milliseconds. 0 otherwise.
        """
        fields = {"TimeInForce": time_in_force, "Time": time_ms}
        return self._complete(TxType.CANCEL_ALL_ORDERS, fields, **common)

    def modify_order(
        self,
        *,
        market_index: int,
        index: int,
        base_amount: int,
        price: int,
        trigger_price: int = 0,
        **common: Unpack[TxOptions],
    ) -> SignedTx:
        """Sign a change of amount, price and trigger of one order."""
        fields = {
            "MarketIndex": market_index,
            "Index": index,
            "BaseAmount": base_amount,
            "Price": price,
            "TriggerPrice": trigger_price,
        }
        return self._complete(TxType.MODIFY_ORDER, fields, **common)

    # --- margin -----------------------------------------------------------------------------

    def update_leverage(
        self,
        *,
        market_index: int,
        initial_margin_fraction: int,
        margin_mode: int,
        **common: Unpack[TxOptions],
    ) -> SignedTx:
        """Sign a change of leverage; the fraction is in 1e-4: 10000 // leverage."""
        fields = {
            "MarketIndex": market_index,
            "InitialMarginFraction": initial_margin_fraction,
            "MarginMode": margin_mode,
        }
        return self._complete(TxType.UPDATE_LEVERAGE, fields, **common)

    def update_margin(
        self, *, market_index: int, usdc_amount: int, direction: int, **common: Unpack[TxOptions]
    ) -> SignedTx:
        """Sign a move of margin (1e-6 USDC) into or out of an isolated position.

        The amount must be positive: `direction` says which way. (`sign` takes a negative one, as
        the venue's own signer does; what it would do is not known.)
        """
        if isinstance(usdc_amount, int) and usdc_amount < 0:
            code = "ErrTransferAmountTooLow"
            raise InvalidTransaction(error_texts()[code], code=code)
        fields = {
            "MarketIndex": market_index,
            "USDCAmount": usdc_amount,
            "Direction": direction,
        }
        return self._complete(TxType.UPDATE_MARGIN, fields, **common)

    # --- money --------------------------------------------------------------------------------

    def withdraw(
        self, *, asset_index: int, route_type: int, amount: int, **common: Unpack[TxOptions]
    ) -> SignedTx:
        """Sign a withdrawal to Ethereum, in the asset's smallest unit."""
        fields = {"AssetIndex": asset_index, "RouteType": route_type, "Amount": amount}
        return self._complete(TxType.WITHDRAW, fields, **common)

    def transfer(
        self,
        *,
        to_account_index: int,
        asset_index: int,
        from_route_type: int,
        to_route_type: int,
        amount: int,
        usdc_fee: int = 0,
        memo: str | bytes = bytes(32),
        l1: L1Signer | None = None,
        **common: Unpack[TxOptions],
    ) -> SignedTx:
        """Sign a transfer to another account.

        Parameters
        ----------
        memo : str or bytes
            32 bytes or 64 hexadecimal digits.
        l1 : L1Signer, optional
            The owner's key, needed unless the other account is under the same master account.
        """
        fields = {
            "ToAccountIndex": to_account_index,
            "AssetIndex": asset_index,
            "FromRouteType": from_route_type,
            "ToRouteType": to_route_type,
            "Amount": amount,
            "USDCFee": usdc_fee,
            "Memo": memo,
        }
        return self._complete(TxType.TRANSFER, fields, l1, **common)

    # --- account --------------------------------------------------------------------------------

    def change_pub_key(
        self, *, public_key: str | bytes, l1: L1Signer | None = None, **common: Unpack[TxOptions]
    ) -> SignedTx:
        """Sign the registration of a public key for this API key index.

        The venue wants the transaction signed with the new private key, and by the owner: `l1`, or
        `with_l1_signature` afterwards.
        """
        fields = {"PubKey": public_key}
        return self._complete(TxType.CHANGE_PUB_KEY, fields, l1, **common)

    def create_sub_account(self, **common: Unpack[TxOptions]) -> SignedTx:
        """Sign the creation of a sub-account."""
        return self._complete(TxType.CREATE_SUB_ACCOUNT, {}, **common)

    def update_account_config(
        self, *, account_trading_mode: int, **common: Unpack[TxOptions]
    ) -> SignedTx:
        """Sign a change of the account's trading mode, 0 or 1."""
        fields = {"AccountTradingMode": account_trading_mode}
        return self._complete(TxType.UPDATE_ACCOUNT_CONFIG, fields, **common)

    def update_account_asset_config(
        self, *, asset_index: int, asset_margin_mode: int, **common: Unpack[TxOptions]
    ) -> SignedTx:
        """Sign whether an asset counts as margin: 1 yes, 0 no."""
        fields = {"AssetIndex": asset_index, "AssetMarginMode": asset_margin_mode}
        return self._complete(TxType.UPDATE_ACCOUNT_ASSET_CONFIG, fields, **common)

    def approve_integrator(
        self,
        *,
        integrator_account_index: int,
        max_perps_taker_fee: int,
        max_perps_maker_fee: int,
        max_spot_taker_fee: int,
        max_spot_maker_fee: int,
        approval_expiry_ms: int,
        l1: L1Signer | None = None,
        **common: Unpack[TxOptions],
    ) -> SignedTx:
        """Sign that someone may charge fees (1e-6) on this account's orders until the expiry.

        All fees and the expiry 0 revoke it. Nothing in this package ever does this by itself.
        """
        fields = {
            "IntegratorAccountIndex": integrator_account_index,
            "MaxPerpsTakerFee": max_perps_taker_fee,
            "MaxPerpsMakerFee": max_perps_maker_fee,
            "MaxSpotTakerFee": max_spot_taker_fee,
            "MaxSpotMakerFee": max_spot_maker_fee,
            "ApprovalExpiry": approval_expiry_ms,
        }
        return self._complete(TxType.APPROVE_INTEGRATOR, fields, l1, **common)

    # --- pools ------------------------------------------------------------------------------

    def create_public_pool(
        self,
        *,
        operator_fee: int,
        initial_total_shares: int,
        min_operator_share_rate: int,
        **common: Unpack[TxOptions],
    ) -> SignedTx:
        """Sign the creation of a public pool; fee in 1e-6, share rate in 1e-4."""
        fields = {
            "OperatorFee": operator_fee,
            "InitialTotalShares": initial_total_shares,
            "MinOperatorShareRate": min_operator_share_rate,
        }
        return self._complete(TxType.CREATE_PUBLIC_POOL, fields, **common)

    def update_public_pool(
        self,
        *,
        public_pool_index: int,
        status: int,
        operator_fee: int,
        min_operator_share_rate: int,
        **common: Unpack[TxOptions],
    ) -> SignedTx:
        """Sign a change of a public pool; fee in 1e-6, share rate in 1e-4."""
        fields = {
            "PublicPoolIndex": public_pool_index,
            "Status": status,
            "OperatorFee": operator_fee,
            "MinOperatorShareRate": min_operator_share_rate,
        }
        return self._complete(TxType.UPDATE_PUBLIC_POOL, fields, **common)

    def mint_shares(
        self, *, public_pool_index: int, share_amount: int, **common: Unpack[TxOptions]
    ) -> SignedTx:
        """Sign an investment in a public pool."""
        fields = {"PublicPoolIndex": public_pool_index, "ShareAmount": share_amount}
        return self._complete(TxType.MINT_SHARES, fields, **common)

    def burn_shares(
        self, *, public_pool_index: int, share_amount: int, **common: Unpack[TxOptions]
    ) -> SignedTx:
        """Sign the return of shares of a public pool."""
        fields = {"PublicPoolIndex": public_pool_index, "ShareAmount": share_amount}
        return self._complete(TxType.BURN_SHARES, fields, **common)

    def stake_assets(
        self, *, staking_pool_index: int, share_amount: int, **common: Unpack[TxOptions]
    ) -> SignedTx:
        """Sign a stake in a staking pool."""
        fields = {"StakingPoolIndex": staking_pool_index, "ShareAmount": share_amount}
        return self._complete(TxType.STAKE_ASSETS, fields, **common)

    def unstake_assets(
        self, *, staking_pool_index: int, share_amount: int, **common: Unpack[TxOptions]
    ) -> SignedTx:
        """Sign the end of a stake."""
        fields = {"StakingPoolIndex": staking_pool_index, "ShareAmount": share_amount}
        return self._complete(TxType.UNSTAKE_ASSETS, fields, **common)

    # --- what they share ----------------------------------------------------------------------

    def l1_message(self, tx_type: int, fields: Mapping[str, Any]) -> str:
        """Return the text the owner's wallet signs, with account and key index filled in.

        The fields are checked as for signing first.
        """
        complete = dict(fields)
        account = "FromAccountIndex" if tx_type == TxType.TRANSFER else "AccountIndex"
        complete.setdefault(account, self.account_index)
        complete.setdefault("ApiKeyIndex", self.api_key_index)
        tx_hash(self.chain_id, tx_type, complete)
        return l1_message(self.chain_id, tx_type, complete)

    def _order_expiry(self, order_type: int, time_in_force: int, given: int | None) -> int:
        if given is not None:
            return given
        if order_type == _MARKET or (order_type == _LIMIT and time_in_force == _IOC):
            return 0
        return self.now_ms() + DEFAULT_ORDER_LIFE_MS

    def _complete(
        self,
        tx_type: int,
        fields: dict[str, Any],
        l1: L1Signer | None = None,
        *,
        nonce: int,
        expired_at_ms: int | None = None,
        attributes: Attributes = None,
    ) -> SignedTx:
        """Add what every transaction has, and sign."""
        fields["ExpiredAt"] = (
            self.now_ms() + DEFAULT_LIFE_MS if expired_at_ms is None else expired_at_ms
        )
        fields["Nonce"] = nonce
        if l1 is not None:
            fields["L1Sig"] = l1.sign(self.l1_message(tx_type, fields))
        return self.sign(tx_type, fields, attributes)


def _order_fields(
    *,
    market_index: int,
    client_order_index: int,
    base_amount: int,
    price: int,
    is_ask: bool,
    order_type: int,
    time_in_force: int,
    reduce_only: bool,
    trigger_price: int,
    order_expiry_ms: int,
) -> dict[str, Any]:
    """Name the fields of an order as the wire does; the two booleans are 0 or 1 there."""
    return {
        "MarketIndex": market_index,
        "ClientOrderIndex": client_order_index,
        "BaseAmount": base_amount,
        "Price": price,
        "IsAsk": int(is_ask) if isinstance(is_ask, bool) else is_ask,
        "Type": order_type,
        "TimeInForce": time_in_force,
        "ReduceOnly": int(reduce_only) if isinstance(reduce_only, bool) else reduce_only,
        "TriggerPrice": trigger_price,
        "OrderExpiry": order_expiry_ms,
    }
