"""Lighter transactions the slow way: elements, checks and tx_info, straight from the rules.

Works on the dicts of `signing_vectors.json`: field name -> int, PubKey and Memo as hex, Orders as a
list of dicts. Values are Python ints of any size. `check` gives the code of the first failing check
or None.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from oracle import lighter_crypto as crypto

Fields = Mapping[str, Any]
Attributes = Mapping[int, int]

ORDER = [
    "MarketIndex", "ClientOrderIndex", "BaseAmount", "Price", "IsAsk", "Type", "TimeInForce",
    "ReduceOnly", "TriggerPrice", "OrderExpiry",
]  # fmt: skip

BODY: dict[int, list[str]] = {
    8: ["PubKey"],
    9: [],
    10: ["OperatorFee", "InitialTotalShares", "MinOperatorShareRate"],
    11: ["PublicPoolIndex", "Status", "OperatorFee", "MinOperatorShareRate"],
    12: ["ToAccountIndex", "AssetIndex", "FromRouteType", "ToRouteType", "Amount", "USDCFee"],
    13: ["AssetIndex", "RouteType", "Amount"],
    14: ORDER,
    15: ["MarketIndex", "Index"],
    16: ["TimeInForce", "Time"],
    17: ["MarketIndex", "Index", "BaseAmount", "Price", "TriggerPrice"],
    18: ["PublicPoolIndex", "ShareAmount"],
    19: ["PublicPoolIndex", "ShareAmount"],
    20: ["MarketIndex", "InitialMarginFraction", "MarginMode"],
    28: ["GroupingType", "Orders"],
    29: ["MarketIndex", "USDCAmount", "Direction"],
    35: ["StakingPoolIndex", "ShareAmount"],
    36: ["StakingPoolIndex", "ShareAmount"],
    41: ["AccountTradingMode"],
    42: ["AssetIndex", "AssetMarginMode"],
    45: [
        "IntegratorAccountIndex", "MaxPerpsTakerFee", "MaxPerpsMakerFee", "MaxSpotTakerFee",
        "MaxSpotMakerFee", "ApprovalExpiry",
    ],
}  # fmt: skip
TYPES = tuple(BODY)
SPLIT = {(12, "Amount"), (12, "USDCFee"), (13, "Amount"), (29, "USDCAmount")}
NIL_ATTRIBUTES = {5: 255}  # the others are nil at 0

M32, M48, M60, I64 = 2**32 - 1, 2**48 - 1, 2**60 - 1, 2**63 - 1
ACCOUNT_MAX = 2**48 - 2


def account_key(tx_type: int) -> str:
    return "FromAccountIndex" if tx_type in (12, 13) else "AccountIndex"


# --- hashing ----------------------------------------------------------------------------------


def u64(value: int) -> int:
    """Two's complement."""
    return value % 2**64


def elements(chain_id: int, tx_type: int, fields: Fields) -> list[int]:
    """Return what is hashed, as u64 values."""
    found = [chain_id, tx_type, *(fields[k] for k in ("Nonce", "ExpiredAt"))]
    found += [fields[account_key(tx_type)], fields["ApiKeyIndex"]]
    for name in BODY[tx_type]:
        value = fields[name]
        if name == "PubKey":
            found += struct.unpack("<5Q", bytes.fromhex(value))
        elif name == "Orders":
            hashes = [crypto.hash4([u64(order[k]) for k in ORDER]) for order in value]
            folded = hashes[0]
            for each in hashes[1:]:
                folded = crypto.two_to_one(folded, each)
            found += folded
        elif (tx_type, name) in SPLIT:
            found += [value & M32, value >> 32]
        else:
            found.append(value)
    return [u64(value) for value in found]


def significant(attributes: Attributes | None) -> dict[int, int]:
    """The attributes that count, in order."""
    return {
        kind: value
        for kind, value in sorted((attributes or {}).items())
        if value != NIL_ATTRIBUTES.get(kind, 0)
    }


def attributes_hash(attributes: Attributes | None) -> crypto.F5 | None:
    pairs = [number for pair in significant(attributes).items() for number in pair]
    return crypto.hash5(pairs + [0] * (8 - len(pairs))) if pairs else None


def tx_hash(
    chain_id: int, tx_type: int, fields: Fields, attributes: Attributes | None = None
) -> bytes:
    body = crypto.hash5(elements(chain_id, tx_type, fields))
    extra = attributes_hash(attributes)
    return crypto.to_bytes(body if extra is None else crypto.hash5([*body, *extra]))


# --- tx_info ------------------------------------------------------------------------------------


def tx_info(tx_type: int, fields: Fields, attributes: Attributes | None, signature: bytes) -> str:
    """Return the JSON the official library writes."""
    out: dict[str, Any] = {name: fields[name] for name in (account_key(tx_type), "ApiKeyIndex")}
    for name in BODY[tx_type]:
        value = fields[name]
        if name == "PubKey":
            value = base64.b64encode(bytes.fromhex(value)).decode()
        elif name == "Orders":
            value = [{k: order[k] for k in ORDER} for order in value]
        out[name] = value
    if tx_type == 8:
        out["L1Sig"] = fields.get("L1Sig", "")
    if tx_type == 12:
        out["Memo"] = list(bytes.fromhex(fields["Memo"]))
    out["ExpiredAt"], out["Nonce"] = fields["ExpiredAt"], fields["Nonce"]
    out["Sig"] = base64.b64encode(signature).decode()
    if tx_type in (12, 45):
        out["L1Sig"] = fields.get("L1Sig", "")
    kept = significant(attributes)
    out["L2TxAttributes"] = {str(k): v for k, v in kept.items()} if kept else None
    return json.dumps(out, separators=(",", ":"))


def auth_message(deadline_s: int, account_index: int, api_key_index: int) -> str:
    return f"{deadline_s}:{account_index}:{api_key_index}"


def auth_elements(message: str) -> list[int]:
    data = message.encode()
    return [int.from_bytes(data[i : i + 8], "little") for i in range(0, len(data), 8)]


# --- L1 messages ----------------------------------------------------------------------------------


def l1_message(chain_id: int, tx_type: int, fields: Fields) -> str:
    """The text an Ethereum key signs for types 8, 12 and 45."""

    def hex16(name: str) -> str:
        return f"0x{u64(fields[name]):016x}"

    last = "Only sign this message for a trusted client!"
    if tx_type == 8:
        lines = [
            "Register Lighter Account",
            "",
            f"pubkey: 0x{fields['PubKey']}",
            f"nonce: {hex16('Nonce')}",
            f"account index: {hex16('AccountIndex')}",
            f"api key index: {hex16('ApiKeyIndex')}",
        ]
    elif tx_type == 12:
        lines = [
            "Transfer",
            "",
            f"nonce: {hex16('Nonce')}",
            f"from: {hex16('FromAccountIndex')} (route {hex16('FromRouteType')})",
            f"api key: {hex16('ApiKeyIndex')}",
            f"to: {hex16('ToAccountIndex')} (route {hex16('ToRouteType')})",
            f"asset: {hex16('AssetIndex')}",
            f"amount: {hex16('Amount')}",
            f"fee: {hex16('USDCFee')}",
            f"chainId: 0x{chain_id:016x}",
            f"memo: {fields['Memo']}",
        ]
    else:
        lines = [
            "Approve Integrator",
            "",
            f"nonce: {hex16('Nonce')}",
            f"account index: {hex16('AccountIndex')}",
            f"api key index: {hex16('ApiKeyIndex')}",
            f"integrator account index: {hex16('IntegratorAccountIndex')}",
            f"max perps taker fee: {hex16('MaxPerpsTakerFee')}",
            f"max perps maker fee: {hex16('MaxPerpsMakerFee')}",
            f"max spot taker fee: {hex16('MaxSpotTakerFee')}",
            f"max spot maker fee: {hex16('MaxSpotMakerFee')}",
            f"approval expiry: {hex16('ApprovalExpiry')}",
            f"chainId: 0x{chain_id:016x}",
        ]
    return "\n".join([*lines, last])


# --- checks -----------------------------------------------------------------------------------

# Each check yields the code of what is wrong; the first counts.
Codes = Iterator[str]


def outside(value: int, low: int, high: int, too_low: str, too_high: str = "") -> Codes:
    if value < low:
        yield too_low
    if value > high:
        yield too_high or too_low


def check(tx_type: int, fields: Fields, attributes: Attributes | None = None) -> str | None:
    """Return the code of the first check that fails, None when all pass."""
    return next(_failures(tx_type, fields, attributes or {}), None)


def _failures(tx_type: int, f: Fields, attributes: Attributes) -> Codes:
    yield from _attributes(attributes)
    account = f[account_key(tx_type)]
    kind = "" if tx_type in (14, 15, 16, 17, 28, 45) else "From"
    highest = 2**47 - 1 if tx_type in (9, 10) else ACCOUNT_MAX
    low, high = f"Err{kind}AccountIndexTooLow", f"Err{kind}AccountIndexTooHigh"
    yield from outside(account, -1, highest, low, high)
    highest_key = 255 if tx_type == 16 else 254
    yield from outside(
        f["ApiKeyIndex"], 0, highest_key, "ErrApiKeyIndexTooLow", "ErrApiKeyIndexTooHigh"
    )
    common = [
        *outside(f["Nonce"], 0, I64, "ErrNonceTooLow"),
        *outside(f["ExpiredAt"], 0, M48, "ErrExpiredAtInvalid"),
    ]
    if tx_type in (8, 16):
        yield from common
    if tx_type == 16:
        yield from _cancel_all(f, attributes)
    elif tx_type == 28:
        yield from _group_members(f["Orders"])
        yield from common
        yield from _group(f["GroupingType"], f["Orders"])
    else:
        yield from _body(tx_type, f)
    yield from common


def _attributes(a: Attributes) -> Codes:
    if len(a) > 4:
        yield "ErrTooManyAttributes"
    ranges = {
        1: (0, ACCOUNT_MAX, "ErrIntegratorAccountIndexInvalidRange"),
        2: (0, 10**6, "ErrIntegratorFeeInvalidRange"),
        3: (0, 10**6, "ErrIntegratorFeeInvalidRange"),
        4: (1, 1, "ErrNonceSkipAttributeInvalid"),
        5: (0, M48, "ErrCancelAllMarketIndexInvalidRange"),
        6: (0, 3, "ErrSelfTradeBehaviorModeInvalidRange"),
        7: (0, 1, "ErrSelfTradeEqualityModeInvalidRange"),
        8: (0, M48, "ErrOrderOrderVersionInvalidRange"),
    }
    for kind in sorted(a):
        if kind not in ranges:
            yield "ErrInvalidAttributeType"
        low, high, code = ranges[kind]
        yield from outside(a[kind], low, high, code)
    fees = a.get(2, 0) or a.get(3, 0)
    if fees and not a.get(1, 0):
        yield "ErrIntegratorAccountIndexRequiredForNonZeroFees"
    if fees and (a.get(6, 0) or a.get(7, 0)):
        yield "ErrSelfTradeSpecificationNotAllowedWithNonZeroFees"
    if a.get(6, 0) == 3 and a.get(7, 0) == 1:
        yield "ErrReduceModeNotAllowedWithMasterAccountIndexEqualityMode"


def _market(value: int) -> Codes:
    if value == 255 or not 0 <= value <= M48:
        yield "ErrInvalidMarketIndex"


def _asset(value: int) -> Codes:
    yield from outside(value, 1, 62, "ErrAssetIndexTooLow", "ErrAssetIndexTooHigh")


def _pool(value: int, low: int) -> Codes:
    yield from outside(
        value, low, ACCOUNT_MAX, "ErrPublicPoolIndexTooLow", "ErrPublicPoolIndexTooHigh"
    )


def _price(value: int) -> Codes:
    yield from outside(value, 1, M32, "ErrPriceTooLow", "ErrPriceTooHigh")


def _order_numbers(o: Fields) -> Codes:
    cloid = o["ClientOrderIndex"]
    if cloid:
        yield from outside(cloid, 1, M48, "ErrClientOrderIndexTooLow", "ErrClientOrderIndexTooHigh")
    if not (o["BaseAmount"] == 0 and o["ReduceOnly"] == 1):
        yield from outside(o["BaseAmount"], 1, M48, "ErrBaseAmountTooLow", "ErrBaseAmountTooHigh")
    yield from _price(o["Price"])
    yield from outside(o["IsAsk"], 0, 1, "ErrIsAskInvalid")
    yield from outside(o["TimeInForce"], 0, 2, "ErrOrderTimeInForceInvalid")
    yield from outside(o["ReduceOnly"], 0, 1, "ErrOrderReduceOnlyInvalid")
    yield from outside(o["OrderExpiry"], 0, I64, "ErrOrderExpiryInvalid")


def _order_type(o: Fields, allowed: Sequence[int]) -> Codes:
    kind, tif, trigger, expiry = (
        o[k] for k in ("Type", "TimeInForce", "TriggerPrice", "OrderExpiry")
    )
    if kind not in allowed:
        yield "ErrOrderTypeInvalid"
        return
    wants_trigger = kind in (2, 3, 4, 5)
    good_trigger = 1 <= trigger <= M32 if wants_trigger else trigger == 0
    good_tif = tif == {1: 0, 2: 0, 4: 0, 6: 1}.get(kind, tif)
    wants_expiry = kind != 1 and not (kind == 0 and tif == 0)
    verdicts = {
        "ErrOrderTimeInForceInvalid": good_tif,
        "ErrOrderTriggerPriceInvalid": good_trigger,
        "ErrOrderExpiryInvalid": (expiry != 0) == wants_expiry,
    }
    names = list(verdicts)
    if kind == 1:
        names[1], names[2] = names[2], names[1]
    for name in names:
        if not verdicts[name]:
            yield name


def _group_members(orders: Sequence[Fields]) -> Codes:
    if not 1 <= len(orders) <= 3:
        yield "ErrOrderGroupSizeInvalid"
    first = orders[0]["MarketIndex"]
    yield from _market(first)
    seen: set[int] = set()
    for order in orders:
        if order["MarketIndex"] != first:
            yield "ErrMarketIndexMismatch"
        cloid = order["ClientOrderIndex"]
        if cloid:
            yield from outside(
                cloid, 1, M48, "ErrClientOrderIndexTooLow", "ErrClientOrderIndexTooHigh"
            )
            if cloid in seen:
                yield "ErrClientOrderIndexDuplicate"
            seen.add(cloid)
        yield from _order_numbers(order)


def _group(grouping: int, orders: Sequence[Fields]) -> Codes:
    def same(name: str, value: int, others: Sequence[Fields], code: str) -> Codes:
        if any(order[name] != value for order in others):
            yield code

    def pair(one: Fields, two: Fields) -> Codes:
        for order in (one, two):
            yield from _order_type(order, (2, 3, 4, 5))
        if (one["Type"] in (2, 3)) == (two["Type"] in (2, 3)):
            yield "ErrOrderTypeInvalid"

    if grouping not in (1, 2, 3):
        yield "ErrGroupingTypeInvalid"
    if len(orders) != (3 if grouping == 3 else 2):
        yield "ErrOrderGroupSizeInvalid"
    first, rest = orders[0], orders[1:]
    if grouping == 2:
        yield from same("BaseAmount", first["BaseAmount"], rest, "ErrBaseAmountsNotEqual")
        yield from same("IsAsk", first["IsAsk"], rest, "ErrIsAskInvalid")
        yield from same("ReduceOnly", 1, orders, "ErrOrderReduceOnlyInvalid")
        yield from same("OrderExpiry", first["OrderExpiry"], rest, "ErrOrderExpiryInvalid")
        yield from pair(orders[0], orders[1])
        return
    yield from same("BaseAmount", 0, rest, "ErrBaseAmountNotNil")
    yield from same("IsAsk", 1 - first["IsAsk"], rest, "ErrIsAskInvalid")
    yield from same("OrderExpiry", rest[0]["OrderExpiry"], rest, "ErrOrderExpiryInvalid")
    if first["OrderExpiry"]:
        yield from same("OrderExpiry", first["OrderExpiry"], rest, "ErrOrderExpiryInvalid")
    yield from _order_type(first, (0, 1))
    if grouping == 1:
        yield from _order_type(orders[1], (2, 3, 4, 5))
    else:
        yield from pair(orders[1], orders[2])


def _cancel_all(f: Fields, attributes: Attributes) -> Codes:
    tif, time = f["TimeInForce"], f["Time"]
    if tif != 0 and attributes.get(5, 255) != 255:
        yield "ErrCancelAllMarketIndexCantBeScheduled"
    if tif not in (0, 1, 2):
        yield "ErrInvalidCancelAllTimeInForce"
    elif tif == 1:
        yield from outside(time, 1, I64, "ErrCancelAllTimeIsNotInRange")
    elif time != 0:
        yield "ErrCancelAllTimeisNotNill"


def _body(tx_type: int, f: Fields) -> Codes:
    if tx_type in (14, 15, 17, 20, 29):
        yield from _market(f["MarketIndex"])
    match tx_type:
        case 8:
            if len(f["PubKey"]) != 80:
                yield "ErrPubKeyInvalid"
        case 10:
            yield from outside(f["OperatorFee"], 0, 10**6, "ErrInvalidPoolOperatorFee")
            low, high = "ErrPoolInitialTotalSharesTooLow", "ErrPoolInitialTotalSharesTooHigh"
            yield from outside(f["InitialTotalShares"], 1, 10**12, low, high)
            rate = "ErrPoolMinOperatorShareRateTooHigh"
            yield from outside(f["MinOperatorShareRate"], 0, 10**4, rate)
        case 11:
            yield from _pool(f["PublicPoolIndex"], -1)
            yield from outside(f["Status"], 0, 1, "ErrInvalidPoolStatus")
            yield from outside(f["OperatorFee"], 0, 10**6, "ErrInvalidPoolOperatorFee")
            rate = "ErrPoolMinOperatorShareRateTooHigh"
            yield from outside(f["MinOperatorShareRate"], 0, 10**4, rate)
        case 12:
            low, high = "ErrToAccountIndexTooLow", "ErrToAccountIndexTooHigh"
            yield from outside(f["ToAccountIndex"], -1, ACCOUNT_MAX, low, high)
            yield from _asset(f["AssetIndex"])
            yield from outside(f["FromRouteType"], 0, 1, "ErrRouteTypeInvalid")
            yield from outside(f["ToRouteType"], 0, 1, "ErrRouteTypeInvalid")
            low, high = "ErrTransferAmountTooLow", "ErrTransferAmountTooHigh"
            yield from outside(f["Amount"], 1, M60, low, high)
            yield from outside(
                f["USDCFee"], 0, M60, "ErrTransferFeeNegative", "ErrTransferFeeTooHigh"
            )
        case 13:
            yield from _asset(f["AssetIndex"])
            yield from outside(f["RouteType"], 0, 1, "ErrRouteTypeInvalid")
            # Unsigned on the wire: the official library reads -1 as 2^64-1.
            if f["Amount"] < 0:
                yield "ErrWithdrawalAmountTooHigh"
            low, high = "ErrWithdrawalAmountTooLow", "ErrWithdrawalAmountTooHigh"
            yield from outside(f["Amount"], 1, M60, low, high)
        case 14:
            yield from _order_numbers(f)
            yield from _order_type(f, range(7))
        case 15:
            yield from outside(f["Index"], 1, M60, "ErrOrderIndexTooLow", "ErrOrderIndexTooHigh")
        case 17:
            low, high = "ErrClientOrderIndexTooLow", "ErrClientOrderIndexTooHigh"
            yield from outside(f["Index"], 1, M60, low, high)
            low, high = "ErrBaseAmountTooLow", "ErrBaseAmountTooHigh"
            yield from outside(f["BaseAmount"], 0, M48, low, high)
            yield from _price(f["Price"])
            yield from outside(f["TriggerPrice"], 0, M32, "ErrOrderTriggerPriceInvalid")
        case 18 | 19:
            yield from _pool(f["PublicPoolIndex"], 2**47)
            code = "ErrPool" + ("Mint" if tx_type == 18 else "Burn") + "ShareAmountToo"
            yield from outside(f["ShareAmount"], 1, M60, code + "Low", code + "High")
        case 20:
            yield from outside(f["MarginMode"], 0, 1, "ErrInvalidMarginMode")
            low, high = "ErrInitialMarginFractionTooLow", "ErrInitialMarginFractionTooHigh"
            yield from outside(f["InitialMarginFraction"], 1, 10**4, low, high)
        case 29:
            amount = f["USDCAmount"]
            if amount == 0:
                yield "ErrTransferAmountTooLow"
            low, high = "ErrTransferAmountTooLow", "ErrTransferAmountTooHigh"
            yield from outside(amount, -(2**63), M60, low, high)
            yield from outside(f["Direction"], 0, 1, "ErrInvalidUpdateMarginDirection")
        case 35:
            low, high = "ErrStakingPoolIndexTooLow", "ErrStakingPoolIndexTooHigh"
            yield from outside(f["StakingPoolIndex"], 2**47, ACCOUNT_MAX, low, high)
            code = "ErrPoolStakeAssetsAmountToo"
            yield from outside(f["ShareAmount"], 1, M60, code + "Low", code + "High")
        case 36:
            yield from _pool(f["StakingPoolIndex"], 2**47)
            code = "ErrPoolUnstakeAssetsAmountToo"
            yield from outside(f["ShareAmount"], 1, M60, code + "Low", code + "High")
        case 41:
            yield from outside(f["AccountTradingMode"], 0, 1, "ErrInvalidAccountTradingMode")
        case 42:
            yield from _asset(f["AssetIndex"])
            yield from outside(f["AssetMarginMode"], 0, 1, "ErrInvalidMarginMode")
        case 45:
            low, high = "ErrIntegratorAccountIndexTooLow", "ErrIntegratorAccountIndexTooHigh"
            yield from outside(f["IntegratorAccountIndex"], -1, ACCOUNT_MAX, low, high)
            fees = [f[name] for name in BODY[45][1:5]]
            for fee in fees:
                yield from outside(fee, 0, 10**6, "ErrFeeTooHigh")
            if f["ApprovalExpiry"] == 0 and any(fees):
                yield "ErrApprovalExpiryZeroOnRevocation"
            yield from outside(f["ApprovalExpiry"], 0, M48, "ErrApprovalExpiryInvalid")
