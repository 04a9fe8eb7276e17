"""What the chain refuses, in the order in which it looks (10.1, 10.2), and with which code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..windows import RollingWindow
from .markets import PPM, Market
from .orders import CONDITIONAL, LONG_TERM, SHORT_TERM, Order, OrderId, Terms
from .subaccounts import Subaccount

if TYPE_CHECKING:
    from .chain import Chain

__all__ = ["BlockLimits", "Refused", "can_afford", "check_cancel", "check_place"]

CLOB = "clob"
MAX_STATEFUL_S = 95 * 86_400
SHORT_TERM_PER_5 = 4_000
STATEFUL_PER_BLOCK, STATEFUL_PER_100 = 2, 20
# Equity in USDC from which on so many stateful orders may be open (16).
TIERS = ((20, 10), (100, 20), (1_000, 40), (10_000, 100), (100_000, 200))
USDC = 1_000_000


class Refused(Exception):
    """The chain does not take an order or a cancel."""

    def __init__(self, code: int, text: str, codespace: str = CLOB) -> None:
        super().__init__(f"{codespace} {code}: {text}")
        self.code = code
        self.codespace = codespace
        self.text = text


class BlockLimits:
    """Counts what an owner's subaccounts send, by block (16)."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, int], RollingWindow] = {}

    def count(self, owner: str, height: int, *, stateful: bool) -> None:
        """Count an attempt. Raises Refused for one too many; it counts too."""
        limits = [(1, STATEFUL_PER_BLOCK), (100, STATEFUL_PER_100)]
        if not stateful:
            limits = [(5, SHORT_TERM_PER_5)]
        over = False
        for blocks, most in limits:
            window = self._windows.get((owner, blocks))
            if window is None:
                window = self._windows[owner, blocks] = RollingWindow(blocks)
            over = window.add(height) > most or over
        if over:
            raise Refused(5001, "Block rate limit exceeded")


def check_place(chain: Chain, account: Subaccount, market: Market, terms: Terms) -> None:
    """Raise Refused if the chain does not take an order."""
    _check_fields(terms)
    if "blocks" in chain.config.limits:
        chain.block_limits.count(
            account.address, chain.height + 1, stateful=terms.flags != SHORT_TERM
        )
    if terms.subticks % market.subticks_per_tick:
        raise Refused(12, f"subticks {terms.subticks} must be a multiple of the tick")
    if terms.quantums % market.step_base_quantums:
        raise Refused(12, f"quantums {terms.quantums} must be a multiple of the step")
    _check_status(market, terms)
    if terms.flags == SHORT_TERM:
        _check_block(chain, terms.good_til_block)
        _check_short_term(account, market, terms)
    else:
        _check_stateful(chain, account, market, terms)


def _check_fields(terms: Terms) -> None:
    """Look at the order alone."""
    if terms.time_in_force == "FOK":
        raise Refused(48, "Fill-or-kill has been deprecated")
    if terms.time_in_force not in ("GTT", "IOC"):
        raise Refused(44, f"Time in force {terms.time_in_force!r} is not known")
    if terms.quantums <= 0:
        raise Refused(4, "order size quantums cannot be 0")
    if terms.flags == SHORT_TERM and terms.good_til_block <= 0:
        raise Refused(5, "order goodTilBlock cannot be 0")
    if terms.flags in (LONG_TERM, CONDITIONAL) and terms.good_til_block_time <= 0:
        raise Refused(3001, "stateful order goodTilBlockTime cannot be 0")
    if terms.flags not in (SHORT_TERM, LONG_TERM, CONDITIONAL):
        raise Refused(3000, f"invalid order flag {terms.flags}")
    if terms.flags == LONG_TERM and terms.time_in_force == "IOC":
        raise Refused(3002, "stateful orders cannot require immediate execution")
    if terms.reduce_only and terms.time_in_force != "IOC":
        raise Refused(9003, "reduce-only is only for immediate-or-cancel orders")
    if terms.subticks <= 0:
        raise Refused(6, "order subticks cannot be 0")
    is_conditional = terms.flags == CONDITIONAL
    if is_conditional != (terms.condition in ("STOP_LOSS", "TAKE_PROFIT")):
        raise Refused(6000, f"invalid condition type {terms.condition!r}")
    if is_conditional != (terms.trigger > 0):
        raise Refused(6001, "conditional order trigger subticks are for conditional orders")


def _check_status(market: Market, terms: Terms) -> None:
    status = market.status
    allowed = {
        "ACTIVE": True,
        "POST_ONLY": terms.post_only,
        "INITIALIZING": _fits_initializing(market, terms),
    }
    if not allowed.get(status, False):
        raise Refused(34, f"order conflicts with clob pair status {status}")


def _fits_initializing(market: Market, terms: Terms) -> bool:
    """Only short-term post-only on the far side of the oracle price (DX-V-18)."""
    oracle = market.oracle or 0
    right_side = terms.subticks <= oracle if terms.is_buy else terms.subticks >= oracle
    return terms.flags == SHORT_TERM and terms.post_only and right_side


def _check_block(chain: Chain, good_til_block: int) -> None:
    """Check a good-til-block against the window (DX-V-01)."""
    following = chain.height + 1
    if good_til_block < following:
        raise Refused(
            10, f"GoodTilBlock {good_til_block} is less than the current blockHeight {following}"
        )
    if good_til_block > following + chain.config.short_block_window:
        raise Refused(
            11, f"GoodTilBlock {good_til_block} is too far ahead of the current block {following}"
        )


def _check_short_term(account: Subaccount, market: Market, terms: Terms) -> None:
    """Look at what the node remembers of the order's id (DX-V-14, DX-V-15)."""
    key = (terms.flags, market.clob_pair_id, terms.client_id)
    if account.cancels.get(key, 0) >= terms.good_til_block:
        raise Refused(7, "Order was cancelled with an equal or larger GoodTilBlock")
    old = account.orders.get(key)
    filled = 0
    if old is not None and old.state != "expired":
        filled = old.filled
        if old.resting:
            _check_replacement(old, terms)
    if terms.quantums - filled < market.step_base_quantums:
        raise Refused(24, "Order is fully filled")
    held = account.quantums(market.ticker)
    if terms.reduce_only and (held == 0 or (held > 0) == terms.is_buy):
        raise Refused(2001, "Reduce-only order cannot increase the position size")
    if filled and terms.time_in_force == "IOC":
        if old is not None and old.terms.time_in_force == "IOC":
            raise Refused(2004, "IOC order is already filled")
        raise Refused(20, "IOC order cannot replace a partially filled order")


def _check_replacement(old: Order, terms: Terms) -> None:
    before = old.terms
    same = (before.is_buy, before.time_in_force, before.reduce_only) == (
        terms.is_buy, terms.time_in_force, terms.reduce_only,
    )  # fmt: skip
    if not same or terms.good_til_block <= before.good_til_block:
        raise Refused(20, "Replacement order is not valid")


def _check_stateful(chain: Chain, account: Subaccount, market: Market, terms: Terms) -> None:
    until, now_s = terms.good_til_block_time, chain.time_ms // 1000
    if until <= now_s:
        raise Refused(3003, f"GoodTilBlockTime {until} is not after the block time {now_s}")
    if until > now_s + MAX_STATEFUL_S:
        raise Refused(3004, f"GoodTilBlockTime {until} is too far ahead")
    key = (terms.flags, market.clob_pair_id, terms.client_id)
    if key in chain.stateful_cancels.get(account, {}):
        raise Refused(3008, "A cancel of this order is pending")
    old = account.orders.get(key)
    if old is not None and old.is_live:
        raise Refused(3005, "Stateful order already exists")
    if terms.trigger % market.subticks_per_tick:
        raise Refused(12, f"trigger {terms.trigger} must be a multiple of the tick")
    if "tiers" in chain.config.limits:
        _check_tier(account)
    if not can_afford(account, market, terms):
        raise Refused(3007, "Stateful order collateralization check failed")


def can_afford(account: Subaccount, market: Market, terms: Terms) -> bool:
    """Whether a subaccount has the initial margin for what an order adds to its position."""
    if terms.reduce_only:
        return True
    held = account.quantums(market.ticker)
    signed = terms.quantums if terms.is_buy else -terms.quantums
    added = max(abs(held + signed) - abs(held), 0)
    needed = market.value(added, terms.subticks) * market.initial_margin_ppm // PPM
    return needed <= account.free_collateral()


def _check_tier(account: Subaccount) -> None:
    equity = account.equity() // USDC
    allowed = max((most for least, most in TIERS if equity >= least), default=0)
    live = sum(order.is_live and not order.is_short_term for order in account.orders.values())
    if live >= allowed:
        raise Refused(10001, f"{live} stateful orders are open, {allowed} are allowed")


def check_cancel(chain: Chain, account: Subaccount, key: OrderId, until: int) -> None:
    """Raise Refused if the chain does not take a cancel; `until` is a block or a time in s."""
    if key[0] == SHORT_TERM:
        if "blocks" in chain.config.limits:
            chain.block_limits.count(account.address, chain.height + 1, stateful=False)
        _check_block(chain, until)
        if account.cancels.get(key, 0) >= until:
            raise Refused(9, "A cancel with an equal or larger GoodTilBlock exists")
        return
    order = account.orders.get(key)
    if order is None:
        raise Refused(3006, "Stateful order does not exist")
    if until <= chain.time_ms // 1000:
        raise Refused(3003, f"GoodTilBlockTime {until} is not after the block time")
    if key in chain.stateful_cancels.get(account, {}):
        raise Refused(32, "Stateful order cancel exists")
    if not order.is_live:
        raise Refused(3010, "Stateful order was removed already")
    if until < order.terms.good_til_block_time:
        raise Refused(29, "cancel GoodTilBlockTime is before the order's")
