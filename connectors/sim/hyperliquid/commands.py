"""What each action does, and what the venue answers (5.2, 7.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .accounts import USD
from .checks import precheck
from .errors import ActionError, OrderError
from .orders import Order
from .rules import read_order
from .transfers import Transfers

if TYPE_CHECKING:
    from .accounts import Account
    from .exchange import Exchange

__all__ = ["Commands", "Done", "ModifyPlan", "ReplySlot", "weight_of"]

MISSING = "Order was never placed, already canceled, or filled."
GONE = "Cannot modify canceled or filled order"
MIN_AHEAD_MS = 5_000
CANCELS_PER_DAY = 10
Statuses = list[Any]


class ReplySlot:
    """A reply's place among the frames of a user: it leaves when the streams get there."""

    __slots__ = ("_then", "fired", "lost")

    def __init__(self, *, lost: bool = False) -> None:
        self.lost = lost
        self.fired = False
        self._then: list[Callable[[], None]] = []

    def then(self, action: Callable[[], None]) -> None:
        """Do something when it is the reply's turn, or now if that has come."""
        if self.fired:
            action()
        else:
            self._then.append(action)

    def fire(self) -> None:
        self.fired = True
        then, self._then = self._then, []
        for action in then:
            action()


@dataclass(frozen=True, slots=True)
class ModifyPlan:
    """How one modify is seen: see `SimConfig.modify_sequence`, `modify_split`, `modify_gap_ms`."""

    sequence: tuple[str, ...]
    split: bool
    gap_ms: float


@dataclass(slots=True)
class Done:
    """An action carried out: its answer, and where the reply waits if not to leave at once."""

    answer: dict[str, Any]
    slot: ReplySlot | None = None


def default() -> dict[str, Any]:
    return {"status": "ok", "response": {"type": "default"}}


def ok(kind: str, data: Any) -> dict[str, Any]:
    return {"status": "ok", "response": {"type": kind, "data": data}}


def weight_of(action: Mapping[str, Any]) -> int:
    """Return how many entries an action has: what it costs of the address's budget."""
    for name in ("orders", "cancels", "modifies"):
        if name in action:
            return max(len(action[name]), 1)
    return 1


class Commands:
    """Carries out actions whose signer was found to be allowed to give them."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._transfers = Transfers(exchange)
        self._plans: list[ModifyPlan] = []
        self._known: dict[str, Callable[[Account, Mapping[str, Any]], dict[str, Any]]] = {
            "order": self._order,
            "cancel": self._cancel,
            "cancelByCloid": self._cancel_by_cloid,
            "modify": self._modify,
            "batchModify": self._batch_modify,
            "scheduleCancel": self._schedule_cancel,
            "updateLeverage": self._update_leverage,
            "updateIsolatedMargin": self._update_isolated_margin,
            "twapOrder": self._twap_order,
            "twapCancel": self._twap_cancel,
        }

    def run(self, account: Account, action: Mapping[str, Any]) -> Done:
        """Carry an action out. Raises ActionError if it is refused as a whole."""
        exchange = self._exchange
        kind = action["type"]
        exchange.new_hash()
        config = exchange.config
        if config.post_only_window and not _post_only(action):
            raise ActionError("Only post-only orders allowed immediately after a network upgrade")
        command = self._known.get(kind)
        mark = len(account.outbox)
        if command is None:
            answer = self._transfers.run(account, action)
        else:
            answer = command(account, action)
        exchange.settle()
        exchange.touch(account)
        return Done(answer, self._slot(account, mark))

    def _slot(self, account: Account, mark: int) -> ReplySlot | None:
        """Give the reply its place in the outbox; None if it need not wait for one."""
        outbox = account.outbox
        places = [at for at in range(mark, len(outbox)) if outbox[at][0] in ("reply", "lost")]
        if places:
            slot = ReplySlot(lost=outbox[places[-1]][0] == "lost")
            outbox[places[-1]] = ("reply", slot, 0)
            for at in reversed(places[:-1]):  # several modifies in one action have one reply
                del outbox[at]
            return slot
        if self._exchange.config.reply_first:
            return None
        slot = ReplySlot()
        outbox.append(("reply", slot, 0))
        return slot

    # -- orders ------------------------------------------------------------------------------

    def _order(self, account: Account, action: Mapping[str, Any]) -> dict[str, Any]:
        exchange = self._exchange
        config = exchange.config
        grouping = action["grouping"]
        wires = action["orders"]
        built = action.get("builder")
        builder = None if built is None else (built["b"], built["f"])
        statuses: Statuses
        if config.prevalidate_batch and len(wires) > 1:
            for wire in wires:
                try:
                    read_order(
                        exchange, account, wire, builder=builder,
                        position_tpsl=grouping == "positionTpsl",
                    )  # fmt: skip
                except OrderError as error:
                    return ok("order", {"statuses": [self._error(error, wire["a"])]})
        if grouping in ("normalTpsl", "positionTpsl"):
            statuses = self._group(account, wires, grouping, builder)
        else:
            statuses = [self._one(account, wire, builder) for wire in wires]
        return ok("order", {"statuses": statuses})

    def _one(
        self, account: Account, wire: Mapping[str, Any], builder: tuple[str, int] | None
    ) -> Any:
        exchange = self._exchange
        try:
            order = read_order(exchange, account, wire, builder=builder)
            exchange.place(order)
        except OrderError as error:
            return self._error(error, wire["a"])
        return placed(order)

    def _group(
        self,
        account: Account,
        wires: Iterable[Mapping[str, Any]],
        grouping: str,
        builder: tuple[str, int] | None,
    ) -> Statuses:
        """Place orders that belong together: a parent with its TP/SL, or those of a position."""
        exchange = self._exchange
        by_position = grouping == "positionTpsl"
        wire: Mapping[str, Any] = {"a": 0}
        try:
            orders: list[Order] = []
            for wire in wires:
                order = read_order(
                    exchange, account, wire, builder=builder, position_tpsl=by_position
                )
                if by_position or orders:
                    if order.trigger is None:
                        raise OrderError("Invalid TP/SL order.", "rejected")
                    order.reduce_only = True
                orders.append(order)
            if not orders:
                return []
            parent = None if by_position else orders[0]
            children = orders if parent is None else orders[1:]
            for child in children:
                child.group = children
            if parent is not None:
                parent.children = children
                for child in children:
                    exchange.wait_for(child)
                wire = {"a": parent.market.asset}
                try:
                    exchange.place(parent)
                except OrderError:
                    for child in children:
                        exchange.finish(child, "rejected")
                    raise
                exchange.settle()
                filled = parent.status == "filled"
                waits = "waitingForTrigger" if filled else "waitingForFill"
                statuses = [placed(parent), *(waits for _ in children)]
            else:
                for child in children:
                    exchange.place(child)
                statuses = ["waitingForTrigger" for _ in children]
        except OrderError as error:
            return [self._error(error, wire["a"])]
        return statuses[:1] if exchange.config.grouped_reply_once else statuses

    def _error(self, error: OrderError, asset: int) -> dict[str, str]:
        suffix = f" asset={asset}" if self._exchange.config.error_suffix else ""
        return {"error": error.text + suffix}

    # -- cancels -----------------------------------------------------------------------------

    def _cancel(self, account: Account, action: Mapping[str, Any]) -> dict[str, Any]:
        found = [(entry["a"], account.live.get(entry["o"])) for entry in action["cancels"]]
        return self._cancel_all(found)

    def _cancel_by_cloid(self, account: Account, action: Mapping[str, Any]) -> dict[str, Any]:
        found = [
            (entry["asset"], account.by_cloid.get(entry["cloid"])) for entry in action["cancels"]
        ]
        return self._cancel_all(found)

    def _cancel_all(self, found: Iterable[tuple[int, Order | None]]) -> dict[str, Any]:
        statuses: Statuses = []
        for asset, order in found:
            if order is None or not order.is_live or order.market.asset != asset:
                statuses.append(self._error(OrderError(MISSING), asset))
            else:
                self._exchange.cancel(order)
                self._exchange.settle()
                statuses.append("success")
        return ok("cancel", {"statuses": statuses})

    # -- modifies ----------------------------------------------------------------------------

    def _modify(self, account: Account, action: Mapping[str, Any]) -> dict[str, Any]:
        entry = {"oid": action["oid"], "order": action["order"]}
        status = self._modify_one(account, entry, always=action.get("a") is True)
        if isinstance(status, dict) and "error" in status:
            raise ActionError(status["error"])
        return default()

    def _batch_modify(self, account: Account, action: Mapping[str, Any]) -> dict[str, Any]:
        always = action.get("a") is True
        statuses = [self._modify_one(account, entry, always=always) for entry in action["modifies"]]
        return ok("order", {"statuses": statuses})

    def _modify_one(self, account: Account, entry: Mapping[str, Any], *, always: bool) -> Any:
        exchange = self._exchange
        config = exchange.config
        oid, wire = entry["oid"], entry["order"]
        old = account.by_cloid.get(oid) if isinstance(oid, str) else account.live.get(oid)
        try:
            if old is None or not old.is_live:
                if not always:
                    raise OrderError(GONE)
                return self._one(account, wire, None)
            order = read_order(exchange, account, wire, position_tpsl=old.position_tpsl)
            if config.strict_modify and not always:
                self._check_strict(order)
            try:
                precheck(exchange, order, replacing=old)
            except OrderError as error:
                if config.modify_refused == "gone":
                    exchange.cancel(old)
                exchange.refuse(order, error)
                raise
            self._replace(account, old, order)
        except OrderError as error:
            return self._error(error, wire["a"])
        return placed(order)

    def _check_strict(self, order: Order) -> None:
        """Refuse what may only be modified with `a` (7.6)."""
        crosses = self._exchange.engine.book(order.market.coin).would_take(
            order.engine_side, order.px
        )
        if order.trigger is not None or not (
            order.tif == "Alo" or (order.tif == "Gtc" and not crosses)
        ):
            raise OrderError("Modify must be post-only or not cross", "rejected")

    def _replace(self, account: Account, old: Order, order: Order) -> None:
        """Cancel the old leg, place the new one, and put what is seen of it into its order."""
        exchange = self._exchange
        mark = len(account.outbox)
        waits = old.state == "waiting"
        order.children, old.children = old.children, []
        order.group = old.group
        if old in order.group:  # which is also the list of its parent's children
            order.group[order.group.index(old)] = order
        exchange.cancel(old)
        if waits:
            exchange.wait_for(order)
        else:
            exchange.place(order)
        exchange.settle()
        seen, account.outbox[mark:] = account.outbox[mark:], []
        account.outbox += arrange(seen, old.oid, order.oid, self._next_plan())

    def script_modifies(self, plan: ModifyPlan, count: int) -> None:
        """Let the next modifies be seen this way instead of as configured."""
        self._plans += [plan] * count

    def clear_script(self) -> None:
        self._plans.clear()

    def _next_plan(self) -> ModifyPlan:
        if self._plans:
            return self._plans.pop(0)
        config = self._exchange.config
        return ModifyPlan(config.modify_sequence, config.modify_split, config.modify_gap_ms)

    # -- settings ----------------------------------------------------------------------------

    def _schedule_cancel(self, account: Account, action: Mapping[str, Any]) -> dict[str, Any]:
        exchange = self._exchange
        at_ms = action.get("time")
        if at_ms is None:
            account.cancel_at_ms = None
            return default()
        if account.volume < exchange.config.schedule_cancel_volume_usd * USD:
            text = "Cannot set scheduled cancel time until enough volume traded."
            raise ActionError(f"{text} Traded: ${account.volume // USD}.")
        now_ms = exchange.clock.now_ms()
        if at_ms < now_ms + MIN_AHEAD_MS:
            text = "Scheduled cancel time too early, must be at least 5 seconds from now."
            raise ActionError(text)
        day, count = account.cancels_day
        if day == now_ms // 86_400_000 and count >= CANCELS_PER_DAY:
            raise ActionError("Too many scheduled cancels triggered today")
        account.cancel_at_ms = at_ms
        return default()

    def _update_leverage(self, account: Account, action: Mapping[str, Any]) -> dict[str, Any]:
        exchange = self._exchange
        market = exchange.market_of(action["asset"])
        leverage = action["leverage"]
        if market.is_spot or not 1 <= leverage <= market.max_leverage:
            raise ActionError(f"Invalid leverage value {leverage}")
        before = account.leverage.get(market.coin)
        account.leverage[market.coin] = (leverage, action["isCross"])
        if account.free(exchange.markets) < 0:
            if before is None:
                del account.leverage[market.coin]
            else:
                account.leverage[market.coin] = before
            raise ActionError("Insufficient margin to decrease leverage")
        return default()

    def _update_isolated_margin(
        self, account: Account, action: Mapping[str, Any]
    ) -> dict[str, Any]:
        exchange = self._exchange
        market = exchange.market_of(action["asset"])
        _, is_cross = account.leverage_of(market)
        position = account.positions.get(market.coin)
        if position is None or not position.lots or is_cross:
            raise ActionError("No isolated position to adjust the margin of")
        amount = action["ntli"] * (USD // 10**6)
        if amount > account.free(exchange.markets):
            raise ActionError("Insufficient margin to add to the position")
        if position.extra_margin + amount < 0:
            raise ActionError("Cannot remove that much margin from the position")
        position.extra_margin += amount
        return default()

    # -- TWAP --------------------------------------------------------------------------------

    def _twap_order(self, account: Account, action: Mapping[str, Any]) -> dict[str, Any]:
        exchange = self._exchange
        twap = action["twap"]
        market = exchange.market_of(twap["a"])
        lots = market.read_size(twap["s"])
        if lots is None or lots <= 0:
            return ok("twapOrder", {"status": {"error": "Order has invalid size."}})
        if not 5 <= twap["m"] <= 1_440:
            return ok("twapOrder", {"status": {"error": "Invalid TWAP duration"}})
        started = exchange.twaps.start(
            account, market, is_buy=twap["b"], lots=lots, reduce_only=twap["r"],
            minutes=twap["m"], randomize=twap["t"],
        )  # fmt: skip
        return ok("twapOrder", {"status": {"running": {"twapId": started}}})

    def _twap_cancel(self, account: Account, action: Mapping[str, Any]) -> dict[str, Any]:
        if self._exchange.twaps.stop(account, action["t"]):
            return ok("twapCancel", {"status": "success"})
        error = "TWAP was never placed, already canceled, or filled."
        return ok("twapCancel", {"status": {"error": error}})


def placed(order: Order) -> dict[str, Any]:
    """Return the status of an order that was taken."""
    named = {} if order.cloid is None else {"cloid": order.cloid}
    market = order.market
    if order.state == "done" and order.filled_lots:
        filled = {
            "totalSz": market.size(order.filled_lots),
            "avgPx": market.price(order.average),
            "oid": order.oid,
        }
        return {"filled": {**filled, **named}}
    return {"resting": {"oid": order.oid, **named}}


def arrange(seen: list[Any], old_oid: int, new_oid: int, plan: ModifyPlan) -> list[Any]:
    """Put what a user sees of a modify into the planned sequence.

    Returns outbox items; ("wait", ms) and ("break",) end a group of frames, ("reply",) is where
    the answer goes.
    """
    steps: dict[str, list[Any]] = {"open": [], "canceled": [], "fills": []}
    rest = []
    for item in seen:
        kind, _, oid = item
        if kind == "fill" and oid == new_oid:
            steps["fills"].append(item)
        elif kind == "order" and oid == new_oid:
            steps["open"].append(item)
        elif kind == "order" and oid == old_oid:
            steps["canceled"].append(item)
        else:
            rest.append(item)
    out: list[Any] = []
    for name in plan.sequence:
        if name == "reply":
            if out:
                out.append(("reply", None, 0))
            continue  # as the first step it leaves at once
        if not steps[name]:
            continue
        before = out[-1][0] if out else ""
        if plan.gap_ms and out:
            out.append(("wait", plan.gap_ms, 0))
        elif plan.split or before in ("fill", "reply"):
            out.append(("break", None, 0))
        out += steps[name]
    if "reply" not in plan.sequence:
        out.append(("lost", None, 0))
    return out + rest


def _post_only(action: Mapping[str, Any]) -> bool:
    """Whether an action puts nothing but post-only orders into the book, or none at all."""
    wires = list(action.get("orders", ()))
    wires += [entry["order"] for entry in action.get("modifies", ())]
    if action["type"] == "modify":
        wires.append(action["order"])
    return all(wire["t"].get("limit", {}).get("tif") == "Alo" for wire in wires)
