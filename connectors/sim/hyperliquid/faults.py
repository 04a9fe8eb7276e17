"""Script and faults: what only this venue does on command (15.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from .. import faults, replies, taps
from ..faults import COMMON_FAULTS
from ..replies import as_payload
from ..shaping import Shaping
from .commands import ModifyPlan
from .config import MODIFY_STEPS
from .taps import Tap

if TYPE_CHECKING:
    from .server import Simulator

__all__ = ["KINDS", "Faults", "Reply"]

BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body></body></html>"
KINDS = (
    *COMMON_FAULTS, "cancel_order", "error", "exhaust_budget", "next_modify", "next_reply",
    "post_only_window", "prune_agent", "replay", "write_mode",
)  # fmt: skip
WRITE_MODES = {"normal": None, "split": Shaping(writes=2), "fragment": Shaping(fragments=2)}
_TAPPED = ("orderUpdates", "userFills", "userEvents")


@dataclass(slots=True, eq=False)
class Reply(replies.Reply):
    """What happens to the next requests to `/info`, `/exchange` or `post`.

    A post over the websocket is answered by `payload`, of the type `as_type`.
    """

    payload: Any = None
    as_type: str = "error"


class Faults(faults.Faults):
    """Adds answers, sequences of modifies, frames of channels and the state of accounts."""

    _sim: Simulator
    kinds: ClassVar[tuple[str, ...]] = KINDS
    tap_type: ClassVar[type[taps.Tap]] = Tap

    def make(self, kind: str) -> None:
        if kind == "lose_reply":
            self.apply({"fault": "next_reply", "where": "post", "lose": True})
        elif kind in Tap.actions:
            prefix = self.random.choice(_TAPPED)
            self.apply({"fault": "tap", "prefix": prefix, "action": kind})
        else:
            super().make(kind)

    def clear(self) -> None:
        super().clear()
        self._sim.admission.commands.clear_script()
        for account in self._sim.exchange.accounts.values():
            account.frozen_budget = False

    # -- answers -----------------------------------------------------------------------------

    def next_reply(
        self,
        where: str = "/exchange",
        *,
        status: int | None = None,
        body: Any = None,
        as_type: str = "error",
        delay_s: float = 0.0,
        lose: bool = False,
        truncate: bool = False,
        execute: bool | None = None,
        probability: float = 1.0,
        count: int = 1,
    ) -> Reply:
        """Bend the next answers of `/info`, `/exchange` or `post` (actions over the websocket).

        `status` and `body` (object or text) replace the answer; a post is answered by `body` as
        a payload of `as_type`. `lose` cuts the HTTP connection, or leaves a post unanswered;
        `truncate` cuts the body short. Unless told otherwise the request is carried out if its
        answer is only late, lost or cut short.
        """
        if where not in ("/info", "/exchange", "post"):
            raise ValueError(f"where is /info, /exchange or post, not {where!r}")
        if status in (502, 503, 504) and body is None:
            body = BAD_GATEWAY
        if execute is None:
            execute = status is None and body is None
        reply = Reply(
            where,
            status,
            None if body is None else as_payload(body),
            delay_s,
            drop=lose,
            truncate=truncate,
            execute=execute,
            probability=probability,
            count=count,
            payload=body,
            as_type=as_type,
        )
        self.replies.append(reply)
        return reply

    def next_modify(
        self,
        sequence: Sequence[str] | None = None,
        *,
        split: bool | None = None,
        gap_ms: float | None = None,
        count: int = 1,
    ) -> None:
        """Let the next modifies be seen in this sequence of open, canceled, fills, reply."""
        config = self._sim.config
        steps = config.modify_sequence if sequence is None else tuple(sequence)
        for name in steps:
            if name not in MODIFY_STEPS:
                raise ValueError(f"unknown step {name!r}, known: {', '.join(MODIFY_STEPS)}")
        plan = ModifyPlan(
            steps,
            config.modify_split if split is None else split,
            config.modify_gap_ms if gap_ms is None else gap_ms,
        )
        self._sim.admission.commands.script_modifies(plan, count)

    # -- connections -------------------------------------------------------------------------

    def write_mode(self, mode: str, connection: int | None = None) -> None:
        """Write frames `normal`, `split` over TCP writes, or in websocket `fragment`s."""
        if mode not in WRITE_MODES:
            raise ValueError(f"mode is normal, split or fragment, not {mode!r}")
        for chosen in self.chosen(connection):
            chosen.shape(WRITE_MODES[mode], self.random)

    def error(self, text: str, connection: int | None = None) -> int:
        """Send one of the error frames of section 4.5."""
        return self.push({"channel": "error", "data": text}, connection=connection)

    # -- channels ----------------------------------------------------------------------------

    def replay(self, channel: str, count: int = 1) -> int:
        """Send the last frames of a subscription type again; return how many."""
        publisher = self._sim.publisher
        frames = list(publisher.recent.get(channel, ()))[-count:]
        for payload in frames:
            for key, who in list(publisher.followers.items()):
                if key.type == channel:
                    for connection in list(who):
                        connection.send(payload)
        return len(frames)

    # -- accounts ----------------------------------------------------------------------------

    def prune_agent(self, address: str) -> None:
        """Let an agent be unknown from now on."""
        self._sim.exchange.prune_agent(address.lower())

    def exhaust_budget(self, user: str, *, on: bool = True) -> None:
        """Let the address's budget of requests be used up."""
        self._sim.exchange.account(user).frozen_budget = on

    def cancel_order(self, user: str, oid: int, status: str = "canceled") -> None:
        """Let the venue end an order with any status of section 8.1."""
        exchange = self._sim.exchange
        order = exchange.account(user).live.get(oid)
        if order is None:
            raise LookupError(f"no live order {oid}")
        exchange.cancel(order, status)
        self._sim.after_action()

    def post_only_window(self, *, on: bool = True) -> None:
        """Refuse everything that is not post-only."""
        self._sim.configure(post_only_window=on)
