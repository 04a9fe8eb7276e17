"""The places of posts without an answer, of which the venue allows a number per address (7.2)."""

from __future__ import annotations

from collections.abc import Callable

from ..execution.sequence import SendLine
from .actions import Action
from .limits import PostSlots

__all__ = ["POSTS_PAUSE", "NextPost"]

POSTS_PAUSE = "posts"


class NextPost:
    """Holds the place of the next post of one connection; without one the line stands.

    Parameters
    ----------
    slots : PostSlots
        Of the address.
    line : SendLine
        Where actions wait for their turn.
    is_running : callable
        Whether the connection may be used.
    """

    def __init__(self, slots: PostSlots, line: SendLine, is_running: Callable[[], bool]) -> None:
        self._slots = slots
        self._line = line
        self._is_running = is_running
        self._awaits_slot = False
        self._is_full = False
        self.is_held = False

    def reserve(self) -> None:
        """Hold a place, as soon as there is one."""
        if self.is_held:
            return
        if self._slots.try_take():
            self.is_held = True
            if self._is_full:
                self._is_full = False
                self._line.resume(POSTS_PAUSE)
            return
        self._is_full = True
        self._line.pause(POSTS_PAUSE)
        if not self._awaits_slot:
            self._awaits_slot = True
            self._slots.on_free(self._slot_came)

    def _slot_came(self) -> None:
        """A place came free, for us unless we are gone."""
        self._awaits_slot = False
        if self._is_running() and not self.is_held:
            self.reserve()
        else:
            self._slots.pass_on()

    def release(self) -> None:
        """Give the place back."""
        if self.is_held:
            self.is_held = False
            self._slots.give_back()

    def spend(self, action: Action) -> None:
        """Let an action that was posted keep the place, and hold the next one."""
        action.holds_slot = True
        self.is_held = False
        self.reserve()

    def free(self, action: Action) -> None:
        """Give the place of a post back that is answered, or never will be."""
        if action.holds_slot:
            action.holds_slot = False
            self._slots.give_back()
            if self._is_full and self._is_running():
                self.reserve()  # now: the owner may send in this very call
