"""Which subaccounts an account consists of, and what they are called (5.7).

A parent owns the subaccounts of the same number modulo 128: the first of them is its cross margin,
each other holds an isolated position.
"""

from __future__ import annotations

from ..errors import ConfigError
from ..model.ids import AccountId
from .address import check_address
from .config import VENUE
from .ids import subaccount_id

__all__ = ["CHILDREN_STEP", "Members"]

CHILDREN_STEP = 128


class Members:
    """One subaccount, or a parent with its children.

    Parameters
    ----------
    address : str
    number : int
        Of the subaccount, or of the parent (0 to 127).
    is_parent : bool
    account_id : str, optional
        Our name for the account itself; `DYDX-{address}-{number}` by default, as children have.

    Attributes
    ----------
    topic : str
        What its stream is called: `address/number`.
    own_id : str
        Our name for the account itself.

    Raises
    ------
    ConfigError
        For what is no address, or no parent.
    """

    __slots__ = ("_children", "address", "is_parent", "number", "own_id", "topic")

    def __init__(
        self, address: str, number: int, *, is_parent: bool, account_id: AccountId | None = None
    ) -> None:
        if is_parent and not 0 <= number < CHILDREN_STEP:
            raise ConfigError(f"a parent subaccount has a number from 0 to 127, not {number}")
        self.address = check_address(address)
        self.number = number
        self.is_parent = is_parent
        self.own_id = account_id or f"{VENUE}-{address}-{number}"
        self.topic = f"{address}/{number}"
        self._children = {subaccount_id(address, number): number}

    def is_member(self, number: int) -> bool:
        """Whether a subaccount of this address belongs to the account."""
        if self.is_parent:
            return number >= 0 and number % CHILDREN_STEP == self.number
        return number == self.number

    def account_id(self, number: int | None) -> AccountId:
        """Return our name for a child, or for the account itself."""
        if number is None or number == self.number:
            return self.own_id
        return f"{VENUE}-{self.address}-{number}"

    def note(self, number: int) -> None:
        """Remember a child, to know it by its id."""
        self._children.setdefault(subaccount_id(self.address, number), number)

    def number_of(self, uuid: str) -> int | None:
        """Return the number of a subaccount that was seen, by its id."""
        return self._children.get(uuid)

    def side(self, party: str) -> str:
        """Return one side of a transfer, `address` or `address/number`, always the same way.

        Of a parent, REST names the parent where the stream names the child.
        """
        address, _, number = party.partition("/")
        if not self.is_parent or not number.isdecimal():
            return party
        return f"{address}/{int(number) % CHILDREN_STEP}"
