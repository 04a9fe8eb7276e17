"""How the venue says no: whole requests, whole actions, single orders."""

from __future__ import annotations

__all__ = ["UNDESERIALIZABLE", "ActionError", "Malformed", "OrderError"]

UNDESERIALIZABLE = "Failed to deserialize the JSON body into the target type"


class Malformed(Exception):
    """The request is not one the venue can read: HTTP 422."""


class ActionError(Exception):
    """The whole action is refused: `{"status":"err","response":text}`.

    Parameters
    ----------
    cost
        What the refusal costs of the address's budget of requests (section 9.4).
    """

    def __init__(self, text: str, *, cost: int = 0) -> None:
        super().__init__(text)
        self.text = text
        self.cost = cost


class OrderError(Exception):
    """One order is refused: an inner `{"error":text}`.

    Parameters
    ----------
    status
        What the order's history and its stream call it (section 8.1); None if it never became one.
    """

    def __init__(self, text: str, status: str | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.status = status
