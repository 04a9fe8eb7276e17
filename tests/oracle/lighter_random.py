"""Random Lighter transactions: valid ones of every type, and ones with something wrong."""

from __future__ import annotations

import random
from typing import Any

from oracle import lighter_tx

M32, M48, M60 = 2**32 - 1, 2**48 - 1, 2**60 - 1
NOW_MS = 1_795_000_000_000

# Around every limit of every field, and past the widths of the wire.
EDGES = sorted(
    {
        edge + step
        for edge in (
            0, 2, 6, 8, 62, 254, 256, 2**15, 2**16, 10**4, 10**6, 10**12, 2**31, 2**32, 2**47,
            2**48, 2**60, 2**63, 2**64, 2**70, -(2**31), -(2**63), -(2**70),
        )
        for step in (-2, -1, 0, 1)
    }
)  # fmt: skip


def spread(rng: random.Random, low: int, high: int) -> int:
    """A number from a range, its length as likely as its value; the ends now and then."""
    pick = rng.random()
    if pick < 0.1:
        return low
    if pick < 0.2:
        return high
    return min(high, low + rng.getrandbits(rng.randint(1, (high - low).bit_length() or 1)))


def market(rng: random.Random) -> int:
    found = rng.choice([spread(rng, 0, 254), spread(rng, 2048, 4094), spread(rng, 0, M48)])
    return 1 if found == 255 else found


def order(rng: random.Random, kind: int | None = None) -> dict[str, int]:
    kind = rng.randrange(7) if kind is None else kind
    tif = {1: 0, 2: 0, 4: 0, 6: 1}.get(kind, rng.randrange(3))
    reduce_only = rng.randrange(2)
    rests = kind != 1 and not (kind == 0 and tif == 0)
    return {
        "MarketIndex": market(rng),
        "ClientOrderIndex": spread(rng, 0, M48),
        "BaseAmount": spread(rng, 0 if reduce_only else 1, M48),
        "Price": spread(rng, 1, M32),
        "IsAsk": rng.randrange(2),
        "Type": kind,
        "TimeInForce": tif,
        "ReduceOnly": reduce_only,
        "TriggerPrice": spread(rng, 1, M32) if kind in (2, 3, 4, 5) else 0,
        "OrderExpiry": NOW_MS + spread(rng, 300_000, 2_592_000_000) if rests else 0,
    }


def group(rng: random.Random) -> dict[str, Any]:
    grouping = rng.choice([1, 2, 3])
    expiry, where, side = NOW_MS + spread(rng, 1, 10**9), market(rng), rng.randrange(2)
    kinds = rng.sample([rng.choice([2, 3]), rng.choice([4, 5])], 2)
    if grouping != 2:
        kinds = [rng.choice([0, 1]), *(kinds if grouping == 3 else kinds[:1])]
    orders = [order(rng, kind) for kind in kinds]
    amount = spread(rng, 1, M48)
    for place, each in enumerate(orders):
        each["MarketIndex"], each["ClientOrderIndex"] = where, rng.choice([0, place + 1])
        child = grouping != 2 and place > 0
        each["IsAsk"] = 1 - side if child else side
        if grouping == 2:
            each["BaseAmount"], each["ReduceOnly"] = amount, 1
        elif child:
            each["BaseAmount"], each["ReduceOnly"] = 0, 1
        elif each["BaseAmount"] == 0:
            each["BaseAmount"] = amount
        if each["OrderExpiry"]:
            each["OrderExpiry"] = expiry
    return {"GroupingType": grouping, "Orders": orders}


def body(rng: random.Random, tx_type: int) -> dict[str, Any]:
    """The fields of a valid transaction that are its own."""
    pool = spread(rng, 2**47, 2**48 - 2)
    fee, rate = spread(rng, 0, 10**6), spread(rng, 0, 10**4)
    share = spread(rng, 1, M60)
    asset = rng.randint(1, 62)
    match tx_type:
        case 8:
            return {"PubKey": rng.randbytes(40).hex()}
        case 10:
            shares = spread(rng, 1, 10**12)
            return {"OperatorFee": fee, "InitialTotalShares": shares, "MinOperatorShareRate": rate}
        case 11:
            return {
                "PublicPoolIndex": spread(rng, -1, 2**48 - 2), "Status": rng.randrange(2),
                "OperatorFee": fee, "MinOperatorShareRate": rate,
            }  # fmt: skip
        case 12:
            return {
                "ToAccountIndex": spread(rng, -1, 2**48 - 2), "AssetIndex": asset,
                "FromRouteType": rng.randrange(2), "ToRouteType": rng.randrange(2),
                "Amount": share, "USDCFee": spread(rng, 0, M60),
                "Memo": rng.randbytes(32).hex(),
            }  # fmt: skip
        case 13:
            return {"AssetIndex": asset, "RouteType": rng.randrange(2), "Amount": share}
        case 14:
            return order(rng)
        case 15:
            return {"MarketIndex": market(rng), "Index": spread(rng, 1, M60)}
        case 16:
            tif = rng.randrange(3)
            return {"TimeInForce": tif, "Time": spread(rng, 1, 2**63 - 1) if tif == 1 else 0}
        case 17:
            return {
                "MarketIndex": market(rng), "Index": spread(rng, 1, M60),
                "BaseAmount": spread(rng, 0, M48), "Price": spread(rng, 1, M32),
                "TriggerPrice": spread(rng, 0, M32),
            }  # fmt: skip
        case 18 | 19:
            return {"PublicPoolIndex": pool, "ShareAmount": share}
        case 20:
            return {
                "MarketIndex": market(rng), "InitialMarginFraction": spread(rng, 1, 10**4),
                "MarginMode": rng.randrange(2),
            }  # fmt: skip
        case 28:
            return group(rng)
        case 29:
            amount = rng.choice([1, 1, -1]) * share
            return {
                "MarketIndex": market(rng),
                "USDCAmount": amount,
                "Direction": rng.randrange(2),
            }
        case 35 | 36:
            return {"StakingPoolIndex": pool, "ShareAmount": share}
        case 41:
            return {"AccountTradingMode": rng.randrange(2)}
        case 42:
            return {"AssetIndex": asset, "AssetMarginMode": rng.randrange(2)}
        case 45:
            fees = {name: spread(rng, 0, 10**6) for name in lighter_tx.BODY[45][1:5]}
            integrator = spread(rng, -1, 2**48 - 2)
            return {"IntegratorAccountIndex": integrator} | fees | {"ApprovalExpiry": NOW_MS}
    return {}


def attributes(rng: random.Random, tx_type: int) -> dict[int, int]:
    """Attributes that the official library can set on this type and that pass."""
    found = {4: 1} if rng.randrange(2) else {}
    if tx_type in (14, 17, 28):
        kind = rng.randrange(4)
        if kind == 1:
            found |= {1: spread(rng, 1, 2**48 - 2)}
            found |= {2: spread(rng, 0, 10**6), 3: spread(rng, 0, 10**6)}
        elif kind == 2:
            found |= {6: rng.randrange(4), 7: 0}
        elif kind == 3:
            found |= {6: rng.randrange(3), 7: rng.randrange(2)}
        if tx_type == 17 and len(found) < 4 and rng.randrange(2):
            found[8] = spread(rng, 0, M48)
    return found


def transaction(
    rng: random.Random, tx_type: int, *, account: int | None = None, api_key: int | None = None
) -> tuple[dict[str, Any], dict[int, int]]:
    """Return fields and attributes of a valid transaction."""
    if account is None:
        account = spread(rng, -1, 2**47 - 1 if tx_type in (9, 10) else 2**48 - 2)
    fields = {
        lighter_tx.account_key(tx_type): account,
        "ApiKeyIndex": rng.randrange(255) if api_key is None else api_key,
        **body(rng, tx_type),
        "ExpiredAt": NOW_MS + spread(rng, 0, 10**6),
        "Nonce": spread(rng, 0, 2**63 - 1),
    }
    extra = attributes(rng, tx_type)
    if tx_type == 16 and fields["TimeInForce"] == 0 and rng.randrange(2):
        extra[5] = spread(rng, 0, M48)
    assert lighter_tx.check(tx_type, fields, extra) is None, (tx_type, fields, extra)
    return fields, extra


def damage(rng: random.Random, fields: dict[str, Any], extra: dict[int, int]) -> None:
    """Change something: a field, a field of an order, the number of orders, or an attribute."""
    names = [name for name in fields if isinstance(fields[name], int)]
    orders = fields.get("Orders")
    what = rng.randrange(4)
    if what == 0:
        extra[rng.randrange(10)] = rng.choice([0, 1, 2, 3, *EDGES])
    elif orders is not None and what == 1 and rng.randrange(4) == 0:
        orders[:] = rng.choices(orders, k=rng.choice([0, 1, 2, 3, 4]))
    elif orders and what <= 2:
        chosen = rng.choice(orders)
        chosen[rng.choice(list(chosen))] = rng.choice([0, 1, 2, 3, *EDGES])
    else:
        fields[rng.choice(names)] = rng.choice([0, 1, 2, 3, *EDGES])
