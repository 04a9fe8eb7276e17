"""Words of the vocabulary that compiled code needs; see `connectors.model.enums` for the others."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["LiquiditySide"]


class LiquiditySide(StrEnum):
    """Whether a fill made or took the liquidity."""

    MAKER = "MAKER"
    TAKER = "TAKER"
    UNKNOWN = "UNKNOWN"
