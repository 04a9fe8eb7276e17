"""Whatever order frames come in, however often, and whichever are lost (20.3, 20.4, 20.5)."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from venues.dydx.account_rig import (
    DATA,
    HEIGHT,
    Account,
    canceled,
    filled_row,
    placed,
    scenario,
    trade,
)

from connectors.dydx.orders import OrderStore
from connectors.execution.fills import SeenFills
from connectors.model import OrderStatus

LOT = Decimal("0.01")
END = HEIGHT + 100  # when nothing of the lives below can be alive


@dataclass
class Life:
    """A short-term order as the venue lived it."""

    order_id: str
    messages: list[tuple[int, dict[str, Any]]]
    fills: list[dict[str, Any]]
    last_row: dict[str, Any]
    final: OrderStatus
    filled: Decimal
    cancel: int | None  # index of the message that says canceled, where that decides


@st.composite
def lives(draw: st.DrawFn, number: int) -> Life:
    """Make one: placed or not announced, filled in blocks, canceled, replaced, or left alone."""
    order_id = f"order-{number}"
    block, last = HEIGHT, HEIGHT + draw(st.integers(2, 6))
    size, filled = draw(st.integers(1, 4)), 0
    is_ioc = draw(st.booleans())
    terms = {"order_id": order_id, "tif": "IOC" if is_ioc else "GTT"}
    messages: list[tuple[int, dict[str, Any]]] = []
    fills: list[dict[str, Any]] = []
    final, cancel = OrderStatus.EXPIRED, None

    def now() -> dict[str, Any]:
        return {**terms, "size": str(size * LOT), "good_til_block": last}

    if draw(st.booleans()):
        messages.append((block, {"orders": [placed(**now())]}))
    row = filled_row("0", height=block, **now())
    for _ in range(draw(st.integers(1, 4))):
        step = draw(st.sampled_from(("fill", "cancel", "replace", "wait")))
        block += 1
        if block > last:
            break
        if step == "fill" and filled < size:
            part = draw(st.integers(1, size - filled))
            filled += part
            status = "FILLED" if filled == size else "CANCELED" if is_ioc else "OPEN"
            name = f"{order_id}/{len(fills)}"
            fills.append(trade(name, size=str(part * LOT), height=block, order_id=order_id))
            row = filled_row(str(filled * LOT), status, height=block, **now())
            messages.append((block, {"fills": [fills[-1]], "orders": [row]}))
            if status != "OPEN":
                final = OrderStatus(status)
                break
        elif step == "cancel":
            cancel = len(messages)
            messages.append((block, {"orders": [canceled(**now())]}))
            final = OrderStatus.CANCELED
        elif step == "replace" and cancel is None and not is_ioc:
            messages.append((block, {"orders": [canceled("REPLACED", **now())]}))
            size, last = size + draw(st.integers(0, 2)), last + draw(st.integers(1, 3))
            messages.append((block, {"orders": [placed(**now())]}))
            row = filled_row(str(filled * LOT), height=block, **now())
    if final is OrderStatus.FILLED or (final is OrderStatus.CANCELED and row["status"] != "OPEN"):
        cancel = None  # said by the row itself
    if not messages:
        messages.append((HEIGHT, {"orders": [placed(**now())]}))
    return Life(order_id, messages, fills, row, final, filled * LOT, cancel)


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Life], list[Any], set[tuple[int, int]]]:
    """Return lives, what arrives of them and in which order, and what never does."""
    made = [draw(lives(number)) for number in range(draw(st.integers(1, 3)))]
    names = [(n, i) for n, life in enumerate(made) for i in range(len(life.messages))]
    lost = set(draw(st.lists(st.sampled_from(names), max_size=4)))
    again = draw(st.lists(st.sampled_from(names), max_size=6))
    blocks = [("block", height) for height in range(HEIGHT + 1, HEIGHT + 10)]
    arriving = draw(st.permutations([n for n in names if n not in lost] + again + blocks))
    return made, [each for each in arriving if each not in lost], lost


def arrive(account: Account, made: list[Life], arriving: list[Any]) -> None:
    for first, second in arriving:
        if first == "block":
            account.block(second)
        else:
            height, members = made[first].messages[second]
            account.message(height, **members)


def check_trades(account: Account, life: Life) -> None:
    told = [report.trade_id for report in account.trades(life.order_id)]
    assert len(told) == len(set(told)), "no trade twice"
    assert sorted(told) == sorted(row["id"] for row in life.fills), "and all of them"


@given(deliveries())
@settings(max_examples=150)
def test_20_3_every_interleaving_ends_as_the_venue_ended(case: Any) -> None:
    """Messages in any order, some twice, some lost: then what was lost is read, and heights go on.

    What nobody brings stays in doubt; what is told is never wrong.
    """
    made, arriving, lost = case
    account = Account()
    account.start()
    account.store.is_held = True  # a gap is open: messages are missing
    arrive(account, made, arriving)
    # The gap is read: answers of replicas, in database form.
    account.feed.orders([life.last_row for life in made])
    account.answered(*(row for life in made for row in life.fills))
    account.store.is_held = False
    account.block(END)
    for number, life in enumerate(made):
        state = account.store.get(life.order_id)
        check_trades(account, life)
        assert state.filled == state.fill_sum == life.filled
        final = life.final
        if life.cancel is not None and (number, life.cancel) in lost:
            assert state.final in (final, OrderStatus.EXPIRED)  # only height can tell of it
        else:
            assert state.final is final
        assert account.order(life.order_id).status is state.final
    assert account.store.live == []


@given(deliveries())
@settings(max_examples=100)
def test_20_3_nothing_is_final_while_a_trade_can_come(case: Any) -> None:
    """In the venue's own order, with frames repeated: one end each, and no state after it."""
    made, _, _ = case
    account = Account()
    account.start()
    messages = sorted(
        (height, n, i) for n, life in enumerate(made) for i, (height, _) in enumerate(life.messages)
    )
    for height in range(HEIGHT, HEIGHT + 12):
        for at, n, i in messages:
            if at == height:
                for _ in range(2):
                    account.message(height, **made[n].messages[i][1])
        account.block(height)
    account.block(END)
    for life in made:
        reports = account.reports(life.order_id)
        assert [report.status.is_final for report in reports].count(True) == 1
        assert reports[-1].status is life.final
        assert account.told.index(reports[-1]) > max(
            [account.told.index(fill) for fill in account.trades(life.order_id)], default=-1
        )
        filled = [report.filled_size for report in reports]
        assert filled == sorted(filled), "what is filled stays filled"


# --- 20.4 -----------------------------------------------------------------------------------------

FRAMES = [
    json.loads(json.loads(line)["raw"])
    for line in (DATA / "wire" / "frames.jsonl").read_text("utf-8").splitlines()
    if json.loads(line)["raw"].startswith("{")
]
ACCOUNT_FRAMES = [
    each
    for each in FRAMES
    if "contents" in each
    and ("subaccounts" in each["channel"] or each["channel"] == "v4_block_height")
] + [each for each in scenario("short_limit_two_blocks_filled")[0] if "contents" in each]
JUNK = st.sampled_from(
    [None, True, 0, -1, 2**63, 1e300, 1.5, "", "x", "-1", "NaN", "1e999999", [], {}]
)


def paths(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return every place in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, each in inner:
        found.append((*above, key))
        if isinstance(each, dict | list):
            found += paths(each, (*above, key))
    return found


@st.composite
def mutations(draw: st.DrawFn) -> dict[str, Any]:
    """Return a frame with members taken out, or something else in their place."""
    made = copy.deepcopy(draw(st.sampled_from(ACCOUNT_FRAMES)))
    for _ in range(draw(st.integers(1, 3))):
        places = paths(made["contents"]) if isinstance(made["contents"], dict | list) else []
        if not places:
            break
        *above, key = draw(st.sampled_from(places))
        inner = made["contents"]
        for step in above:
            inner = inner[step]
        if draw(st.booleans()):
            del inner[key]
        else:
            inner[key] = draw(JUNK)
    return made


@given(st.lists(mutations(), min_size=1, max_size=4))
@settings(max_examples=250)
def test_20_4_a_mutated_frame_is_told_and_the_next_one_counts(mutated: list[Any]) -> None:
    account = Account()
    account.start()
    for each in mutated:
        account.try_frame(each)
    frames, expect = scenario("cancel_then_filled")
    order_id = "a-clean-order"
    for each in frames:
        if each.get("channel") == "v4_subaccounts" and each["type"] == "channel_data":
            text = json.dumps(each).replace(expect["order"], order_id)
            account.frame(json.loads(text.replace("14f1a50c", "24f1a50c")))
    assert account.order(order_id).status is OrderStatus.FILLED
    assert len(account.trades(order_id)) == 1


# --- 20.5 -----------------------------------------------------------------------------------------


def test_20_5_memory_is_bounded_whatever_comes() -> None:
    account = Account(store=OrderStore(capacity=500))
    account.fills = SeenFills(capacity=1_000)
    account._orders._capacity = 500
    account.start()
    height = HEIGHT
    for number in range(12_000):
        order_id = f"o{number}"
        row = filled_row("0.01", height=height, order_id=order_id, good_til_block=height + 5)
        account.message(height, fills=[trade(f"f{number}", order_id=order_id)], orders=[row])
        account.message(height, fills=[trade(f"x{number}", order_id=f"nobody{number}")])
        if number % 100 == 0:
            height += 1
            account.block(height)
            account.told.clear()
    assert len(account.store) <= 500 + 700  # the ended kept, and those six blocks can fill
    assert len(account._orders) <= 500 + 700
    assert len(account.fills) == 1_000
    assert len(account.store._early_fills) <= 1_000
