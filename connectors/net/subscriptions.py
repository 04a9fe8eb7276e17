"""Which topics of one connection are wanted, asked for and confirmed.

A topic is in exactly one of three sets: pending subscribe, confirmed, pending
unsubscribe. Rules BN-SS-01 to BN-SS-10; nothing here is special to a venue.

=====================  =====================  =================  ===================
call                   pending subscribe      confirmed          pending unsubscribe
=====================  =====================  =================  ===================
mark_subscribe         stays                  stays              pending subscribe
confirm_subscribe      confirmed              stays              stays (late answer)
mark_unsubscribe       pending unsubscribe    same               stays
confirm_unsubscribe    stays (newer wish)     stays              gone
mark_failure           stays                  pending subscribe  stays
=====================  =====================  =================  ===================

For a topic in no set, both subscribe calls and `mark_failure` add it,
`mark_unsubscribe` adds it to the pending ones, `confirm_unsubscribe` does nothing.
"""

from __future__ import annotations

import enum

from ..errors import ConfigError

__all__ = ["SubscriptionState", "TopicState"]


class TopicState(enum.Enum):
    """Where a topic stands."""

    PENDING_SUBSCRIBE = "pending_subscribe"
    CONFIRMED = "confirmed"
    PENDING_UNSUBSCRIBE = "pending_unsubscribe"


_SUBSCRIBING = TopicState.PENDING_SUBSCRIBE
_CONFIRMED = TopicState.CONFIRMED
_UNSUBSCRIBING = TopicState.PENDING_UNSUBSCRIBE


class SubscriptionState:
    """Subscription bookkeeping of one connection, keyed by the whole topic name.

    Topics keep the order in which they were asked for, so that a resubscribe
    after a reconnect repeats it (BN-S-85).

    Parameters
    ----------
    delimiter : str
        What separates the channel from the rest of a topic, see `split`.
    """

    __slots__ = ("_delimiter", "_references", "_topics")

    def __init__(self, delimiter: str) -> None:
        if not delimiter:
            raise ConfigError("the topic delimiter must not be empty")
        self._delimiter = delimiter
        self._topics: dict[str, TopicState] = {}
        self._references: dict[str, int] = {}

    @property
    def delimiter(self) -> str:
        """The separator given at construction."""
        return self._delimiter

    def split(self, topic: str) -> tuple[str, str | None]:
        """Split at the first delimiter: channel and rest, None without one (BN-SS-01)."""
        channel, found, rest = topic.partition(self._delimiter)
        return channel, rest if found else None

    def __len__(self) -> int:
        """Count confirmed topics only (BN-SS-02)."""
        return sum(state is _CONFIRMED for state in self._topics.values())

    @property
    def is_empty(self) -> bool:
        """Whether no topic is in any of the three sets; not the same as `len() == 0`."""
        return not self._topics

    def __bool__(self) -> bool:
        return not self.is_empty

    def __repr__(self) -> str:
        return (
            f"SubscriptionState(confirmed={len(self)}, "
            f"pending_subscribe={len(self.pending_subscribe)}, "
            f"pending_unsubscribe={len(self.pending_unsubscribe)})"
        )

    def state_of(self, topic: str) -> TopicState | None:
        """Return where the topic stands, None if in no set."""
        return self._topics.get(topic)

    def is_confirmed(self, topic: str) -> bool:
        """Tell whether the venue has confirmed the topic and it is still wanted."""
        return self._topics.get(topic) is _CONFIRMED

    @property
    def confirmed(self) -> list[str]:
        """Confirmed topics, in the order asked for."""
        return self._in_state(_CONFIRMED)

    @property
    def pending_subscribe(self) -> list[str]:
        """Topics asked for and not yet confirmed, in the order asked for."""
        return self._in_state(_SUBSCRIBING)

    @property
    def pending_unsubscribe(self) -> list[str]:
        """Topics given up and not yet confirmed as gone, in the order asked for."""
        return self._in_state(_UNSUBSCRIBING)

    def all_topics(self) -> list[str]:
        """Return what a new connection has to subscribe: confirmed and pending (BN-SS-08)."""
        return [topic for topic, state in self._topics.items() if state is not _UNSUBSCRIBING]

    def mark_subscribe(self, topic: str) -> None:
        """Note that the topic is being asked for; no effect if confirmed (BN-SS-03)."""
        state = self._topics.get(topic)
        if state is _CONFIRMED:
            return
        if state is _UNSUBSCRIBING:
            del self._topics[topic]  # wanted anew: it goes to the end of the order
        self._topics[topic] = _SUBSCRIBING

    def confirm_subscribe(self, topic: str) -> None:
        """Note the venue's yes; ignored while the topic is being given up (BN-SS-04)."""
        if self._topics.get(topic) is not _UNSUBSCRIBING:
            self._topics[topic] = _CONFIRMED

    def mark_unsubscribe(self, topic: str) -> None:
        """Note that the topic is being given up (BN-SS-05)."""
        self._topics[topic] = _UNSUBSCRIBING

    def confirm_unsubscribe(self, topic: str) -> None:
        """Note that the venue dropped it; a newer subscribe wish stays (BN-SS-06)."""
        if self._topics.get(topic) is _UNSUBSCRIBING:
            del self._topics[topic]

    def mark_failure(self, topic: str) -> None:
        """Note a refusal or a lost connection: to be asked for again (BN-SS-07)."""
        if self._topics.get(topic) is not _UNSUBSCRIBING:
            self._topics[topic] = _SUBSCRIBING

    def forget(self, topic: str) -> None:
        """Drop the topic from whatever set it is in; for a refusal that is final."""
        self._topics.pop(topic, None)

    def clear(self) -> None:
        """Forget all topics and references."""
        self._topics.clear()
        self._references.clear()

    def add_reference(self, topic: str) -> bool:
        """Count one more user of the topic; True for the first one (BN-SS-09)."""
        count = self._references.get(topic, 0)
        self._references[topic] = count + 1
        return count == 0

    def remove_reference(self, topic: str) -> bool:
        """Count one user less; True for the last one, no effect without any (BN-SS-09)."""
        count = self._references.get(topic, 0)
        if count > 1:
            self._references[topic] = count - 1
            return False
        return self._references.pop(topic, 0) == 1

    def references(self, topic: str) -> int:
        """Return the number of users of the topic."""
        return self._references.get(topic, 0)

    def _in_state(self, wanted: TopicState) -> list[str]:
        return [topic for topic, state in self._topics.items() if state is wanted]
