"""The numbers in Lighter transactions, named. Each may be given as the plain integer as well."""

from __future__ import annotations

from enum import IntEnum

__all__ = [
    "DEFAULT_LIFE_MS",
    "DEFAULT_ORDER_LIFE_MS",
    "Attribute",
    "CancelAllTimeInForce",
    "GroupingType",
    "MarginDirection",
    "MarginMode",
    "OrderType",
    "Route",
    "SelfTradeBehavior",
    "TimeInForce",
    "TxType",
]

DEFAULT_LIFE_MS = 599_000
"""How long a transaction may be executed after it was signed: ten minutes less a second."""

DEFAULT_ORDER_LIFE_MS = 28 * 24 * 3600 * 1000
"""How long an order rests: 28 days, as the venue's own signer has it."""


class TxType(IntEnum):
    """Transactions that a user signs."""

    CHANGE_PUB_KEY = 8
    CREATE_SUB_ACCOUNT = 9
    CREATE_PUBLIC_POOL = 10
    UPDATE_PUBLIC_POOL = 11
    TRANSFER = 12
    WITHDRAW = 13
    CREATE_ORDER = 14
    CANCEL_ORDER = 15
    CANCEL_ALL_ORDERS = 16
    MODIFY_ORDER = 17
    MINT_SHARES = 18
    BURN_SHARES = 19
    UPDATE_LEVERAGE = 20
    CREATE_GROUPED_ORDERS = 28
    UPDATE_MARGIN = 29
    STAKE_ASSETS = 35
    UNSTAKE_ASSETS = 36
    UPDATE_ACCOUNT_CONFIG = 41
    UPDATE_ACCOUNT_ASSET_CONFIG = 42
    APPROVE_INTEGRATOR = 45


class Attribute(IntEnum):
    """What a transaction may carry besides its fields; at most four at once."""

    INTEGRATOR_ACCOUNT_INDEX = 1
    INTEGRATOR_TAKER_FEE = 2  # 1e-6
    INTEGRATOR_MAKER_FEE = 3  # 1e-6
    SKIP_TX_NONCE = 4  # 1: the nonce may be any larger one, not just the next
    CANCEL_ALL_MARKET_INDEX = 5
    SELF_TRADE_BEHAVIOR_MODE = 6
    SELF_TRADE_EQUALITY_MODE = 7  # 0: the account, 1: the master account
    ORDER_VERSION = 8


class OrderType(IntEnum):
    """Kinds of orders."""

    LIMIT = 0
    MARKET = 1
    STOP_LOSS = 2
    STOP_LOSS_LIMIT = 3
    TAKE_PROFIT = 4
    TAKE_PROFIT_LIMIT = 5
    TWAP = 6


class TimeInForce(IntEnum):
    """How long an order stays."""

    IMMEDIATE_OR_CANCEL = 0
    GOOD_TILL_TIME = 1
    POST_ONLY = 2


class CancelAllTimeInForce(IntEnum):
    """When a cancel-all takes effect."""

    IMMEDIATE = 0
    SCHEDULED = 1
    ABORT_SCHEDULED = 2


class GroupingType(IntEnum):
    """How the orders of a group depend on each other."""

    ONE_TRIGGERS_THE_OTHER = 1
    ONE_CANCELS_THE_OTHER = 2
    ONE_TRIGGERS_A_PAIR = 3  # of which one cancels the other


class MarginMode(IntEnum):
    """Whether a position shares the account's margin."""

    CROSS = 0
    ISOLATED = 1


class MarginDirection(IntEnum):
    """Which way margin of an isolated position moves."""

    REMOVE = 0
    ADD = 1


class Route(IntEnum):
    """Which side of the account an asset is on."""

    PERPS = 0
    SPOT = 1


class SelfTradeBehavior(IntEnum):
    """What happens when two of one's own orders would meet."""

    EXPIRE_MAKER = 0
    EXPIRE_TAKER = 1
    CANCEL_BOTH = 2
    REDUCE = 3
