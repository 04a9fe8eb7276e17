"""What the client keeps with an order of its own while that lives."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..execution.sending import Command, Kind
from .orders import OrderPlan

__all__ = ["Line"]


@dataclass(slots=True)
class Line:
    """What is kept with an order that lives (its `tag`).

    Attributes
    ----------
    plan : OrderPlan
        As it went out first; modifications start from it.
    has_cloid : bool
        Whether the venue knows it by our cloid.
    is_waiting : bool
        The venue took it, and it waits for its parent or its trigger; it has no id yet.
    commands : dict of Kind to Command
        The newest of each kind.
    """

    plan: OrderPlan
    has_cloid: bool = True
    is_waiting: bool = False
    commands: dict[Kind, Command] = field(default_factory=dict)

    @property
    def only_reduces(self) -> bool:
        """Whether it can only reduce a position; the venue makes it smaller then."""
        reduces: bool = self.plan.wire["r"]
        return reduces
