"""Answers of the venue, sorted: sections 2.12, 5.2, 5.3 and 4.6 of the venue's rules."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.execution.sending import Kind
from connectors.hyperliquid.posting import PostReply, post_frame, read_post, refused_post
from connectors.hyperliquid.replies import (
    Refusal,
    RefusalKind,
    State,
    Taken,
    Unclear,
    entries_of,
    kind_of,
    read_answer,
    recovered_address,
)

OWN = "0x14791697260e4c9a71f18484c9f997b308e59325"


def ok(*statuses: Any, kind: str = "order") -> dict[str, Any]:
    return {"status": "ok", "response": {"type": kind, "data": {"statuses": list(statuses)}}}


def resting(oid: int) -> dict[str, Any]:
    return {"resting": {"oid": oid}}


def entries(payload: object, count: int = 1, kind: Kind = Kind.CREATE) -> list[Any]:
    return list(entries_of([kind] * count, read_answer(payload)))


TEXTS = [
    ("Price must be divisible by tick size. asset=0", RefusalKind.PRICE),
    ("Order has invalid price.", RefusalKind.PRICE),
    ("Order must have minimum value of $10.", RefusalKind.NOTIONAL),
    ("Order must have minimum value of 10 USDC. asset=10000", RefusalKind.NOTIONAL),
    ("Insufficient margin to place order. asset=5", RefusalKind.FUNDS),
    ("Order has insufficient spot balance to trade", RefusalKind.FUNDS),
    ("Reduce only order would increase position. asset=1", RefusalKind.REDUCE_ONLY),
    ("Post only order would have immediately matched, bbo was 1@2. asset=1", RefusalKind.POST_ONLY),
    ("Order could not immediately match against any resting orders. asset=1", RefusalKind.IOC),
    ("Invalid TP/SL price. asset=1", RefusalKind.TRIGGER),
    ("No liquidity available for market order.", RefusalKind.LIQUIDITY),
    (
        "Order would increase open interest while open interest is capped",
        RefusalKind.OPEN_INTEREST,
    ),
    ("Order price too far from oracle", RefusalKind.BAND),
    (
        "Order price cannot be more than 80% away from the reference price",
        RefusalKind.BAND,
    ),
    (
        "Order would cause position to exceed margin tier limit at current leverage",
        RefusalKind.MARGIN_TIER,
    ),
    ("Builder fee has not been approved.", RefusalKind.BUILDER),
    ("Order was never placed, already canceled, or filled. asset=0", RefusalKind.NOT_FOUND),
    ("Cannot modify canceled or filled order", RefusalKind.NOT_MODIFIABLE),
    (f"User or API Wallet {OWN} does not exist.", RefusalKind.SIGNER),
    (f"L1 error: User or API Wallet {OWN} does not exist.", RefusalKind.SIGNER),
    ("Must deposit before performing actions. User: 0x1", RefusalKind.DEPOSIT),
    ("Invalid nonce: duplicate nonce 1700000000000", RefusalKind.DUPLICATE_NONCE),
    ("Invalid nonce: nonce too low", RefusalKind.NONCE),
    (
        "Too many cumulative requests sent (10001 > 10000) for cumulative volume traded $0.",
        RefusalKind.ADDRESS_LIMIT,
    ),
    (
        "Only post-only orders allowed immediately after a network upgrade",
        RefusalKind.POST_ONLY_WINDOW,
    ),
    (
        "Cannot set scheduled cancel time until enough volume traded.",
        RefusalKind.SCHEDULED_CANCEL,
    ),
    (
        "Scheduled cancel time too early, must be at least 5 seconds from now.",
        RefusalKind.SCHEDULED_CANCEL,
    ),
    ("Vault not registered", RefusalKind.VAULT),
    ("Asset 999 is not a valid asset", RefusalKind.ASSET),
    ("something new", RefusalKind.OTHER),
]


@pytest.mark.parametrize(("text", "kind"), TEXTS, ids=[text[:40] for text, _ in TEXTS])
def test_5_3_error_texts(text: str, kind: RefusalKind) -> None:
    assert kind_of(text) is kind
    assert kind_of(text.upper()) is kind
    refusal = Refusal.of(text)
    assert (refusal.code, refusal.text) == (kind, text)
    assert refusal.due_post_only is (kind is RefusalKind.POST_ONLY)


def test_the_address_the_venue_read_out_of_a_signature() -> None:
    assert recovered_address(f"User or API Wallet {OWN.upper()} does not exist.") == OWN
    assert recovered_address(f"L1 error: User or API Wallet {OWN} does not exist.") == OWN
    assert recovered_address("Vault not registered") is None


def test_g05_g06_errors_by_place() -> None:
    text = "Post only order would have immediately matched, bbo was 1@2. asset=1"
    first, second, third = entries(ok(resting(7), {"error": text}, resting(9)), 3)
    assert (first, third) == (Taken(State.RESTING, "7"), Taken(State.RESTING, "9"))
    assert second == Refusal(RefusalKind.POST_ONLY, text)


def test_g07_one_error_for_a_list_is_everybodys() -> None:
    found = entries(ok({"error": "Insufficient margin to place order."}), 3)
    assert found == [Refusal(RefusalKind.FUNDS, "Insufficient margin to place order.")] * 3
    mixed = entries(ok(resting(7), {"error": "x"}), 3)
    assert mixed == [Refusal(RefusalKind.OTHER, "x")] * 3


@pytest.mark.parametrize(
    "statuses",
    [
        [resting(7)],
        [resting(7), "waitingForFill", "waitingForTrigger"],
        [resting(7), "waitingForFill"],
    ],
)
def test_g08_groups_answer_once_or_for_each(statuses: list[Any]) -> None:
    waiting = Taken(State.WAITING)
    assert entries(ok(*statuses), 3) == [Taken(State.RESTING, "7"), waiting, waiting]


def test_g09_an_action_refused_as_a_whole() -> None:
    payload = {"status": "err", "response": "Vault not registered"}
    assert entries(payload, 3) == [Refusal(RefusalKind.VAULT, "Vault not registered")] * 3
    assert (
        entries(payload, 2, Kind.CANCEL) == [Refusal(RefusalKind.VAULT, "Vault not registered")] * 2
    )
    assert entries({"status": "err", "response": {"odd": 1}}) == [
        Refusal(RefusalKind.OTHER, "refused")
    ]


def test_filled_at_once_says_nothing_of_fills() -> None:
    filled = {"filled": {"totalSz": "0.3", "avgPx": "65000.0", "oid": 8, "cloid": "0x7"}}
    assert entries(ok(filled)) == [Taken(State.FILLED, "8", "0.3", "65000.0")]


def test_g18_g19_cancels() -> None:
    gone = {"error": "Order was never placed, already canceled, or filled."}
    first, second, third = entries(ok("success", gone, "success", kind="cancel"), 3, Kind.CANCEL)
    assert first == third == Taken(State.DONE)
    assert second.code is RefusalKind.NOT_FOUND
    for count in (1, 2, 4):
        found = entries(ok(*["success"] * count, kind="cancel"), 3, Kind.CANCEL)
        assert [type(each) for each in found] == [Unclear] * 3
    assert isinstance(entries(ok(gone, kind="cancel"), 2, Kind.CANCEL)[0], Unclear)


@pytest.mark.parametrize(
    "payload",
    [
        None,
        "ok",
        [],
        {},
        {"status": "ok"},
        {"status": "ok", "response": None},
        {"status": "ok", "response": {"type": "default"}},
        {"status": "ok", "response": {"type": "order", "data": {}}},
        {"status": "ok", "response": {"type": "order", "data": {"statuses": {}}}},
        {"status": "perhaps", "response": "x"},
        {"error": "Could not parse JSON: <html>"},
        ok(),
        ok("resting"),
        ok(7),
        ok({"resting": {"oid": "7"}}),
        ok({"resting": {"oid": True}}),
        ok({"resting": {"oid": -1}}),
        ok({"resting": 7}),
        ok({"filled": {"totalSz": "1"}}),
        ok({"parked": {"oid": 7}}),
        ok({"error": 7}),
        ok(None),
    ],
)
def test_what_cannot_be_read_is_unknown_and_never_a_refusal(payload: object) -> None:
    (found,) = entries(payload)
    assert isinstance(found, Unclear)


def test_a_strange_status_does_not_hide_its_neighbours() -> None:
    found = entries(ok(resting(7), {"parked": {}}, {"error": "x"}), 3)
    assert [type(each) for each in found] == [Taken, Unclear, Refusal]
    assert [type(each) for each in entries(ok(resting(7), "parked"), 3)] == [Unclear] * 3


def test_more_statuses_than_orders() -> None:
    """Never seen; the first ones count, by place."""
    assert entries(ok(resting(7), resting(8)), 1) == [Taken(State.RESTING, "7")]


def test_actions_about_no_order() -> None:
    payload = {"status": "ok", "response": {"type": "default"}}
    assert entries(payload, 1, Kind.OTHER) == [Taken(State.DONE)]
    data = {"status": {"running": {"twapId": 7}}}
    twap = {"status": "ok", "response": {"type": "twapOrder", "data": data}}
    assert entries(twap, 1, Kind.OTHER) == [Taken(State.DONE)]
    assert read_answer(twap).data == data


# -- frames (4.6) --------------------------------------------------------------------------


def test_4_6_posts() -> None:
    frame = post_frame(7, b'{"action":{}}')
    assert frame == (
        b'{"method":"post","id":7,"request":{"type":"action","payload":{"action":{}}}}'
    )
    answer = {"id": 7, "response": {"type": "action", "payload": {"status": "ok"}}}
    assert read_post(answer) == PostReply(7, "action", {"status": "ok"})
    assert read_post({"id": 7, "response": {"type": "error", "payload": "429"}}) == PostReply(
        7, "error", "429"
    )
    assert read_post({"id": 7, "response": None}) == PostReply(7, "", None)
    assert read_post({"id": 7, "response": {"type": 5}}) == PostReply(7, "", None)
    for odd in (None, [], {}, {"id": "7", "response": {}}, {"id": True}, {"id": None}):
        assert read_post(odd) is None


def test_4_6_too_many_posts() -> None:
    assert refused_post("too many pending post requests id=41") == 41
    assert refused_post("Too many pending post requests (100), id=7") == 7
    assert refused_post("Cannot send more than 2000 messages per minute.") is None
    assert refused_post("Already subscribed: {}") is None
