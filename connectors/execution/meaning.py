"""What a venue's word for the state of an order means in the vocabulary."""

from __future__ import annotations

from dataclasses import dataclass

from ..model.enums import OrderStatus

__all__ = ["StatusMeaning"]


@dataclass(frozen=True, slots=True)
class StatusMeaning:
    """What a status of the venue says.

    `reason` is the venue's own word where that says more; `due_post_only` tells a post-only order
    that would have taken.
    """

    status: OrderStatus
    reason: str | None = None
    due_post_only: bool = False
