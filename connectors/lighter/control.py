"""The venue's words about channels: acknowledgements, errors, and what they mean (section 6).

What is wanted and asked for is in `connectors.data.control`. The venue bounds the commands without
an answer (6.9); an answer is a bare acknowledgement, the first typed frame of the channel, or an
error about it.
"""

from __future__ import annotations

from ..data.control import ANSWER_TIMEOUT_S, ChannelControl, ChannelOutcome, Command, Method
from .limits import STREAM_LIMITS
from .wire import channel_name, error_channel, subscribe_frame, unsubscribe_frame

__all__ = ["ANSWER_TIMEOUT_S", "ChannelOutcome", "Command", "Control", "Method"]

NOT_SUBSCRIBED, ALREADY_SUBSCRIBED, INVALID_CHANNEL = 30002, 30003, 30005
TOO_MANY_MESSAGES, TOO_MANY_IN_FLIGHT = 30009, 30010
TOO_MANY_REQUESTS = 23000
BAD_PARAMETER = 20001
# What to wait before going on, when the venue says that we ask too much of it.
_PAUSES_S = {TOO_MANY_MESSAGES: 10.0, TOO_MANY_IN_FLIGHT: 1.0, TOO_MANY_REQUESTS: 10.0}


class Control(ChannelControl):
    """State of one connection; channels are named with slashes, and may be told with colons."""

    __slots__ = ()

    def __init__(
        self,
        *,
        limit: int = STREAM_LIMITS.subscriptions,
        in_flight: int = STREAM_LIMITS.subscribes_in_flight,
    ) -> None:
        super().__init__(limit=limit, in_flight=in_flight)

    def encode(self, method: Method, channel: str) -> bytes:
        """Return the frame of a command."""
        if method is Method.SUBSCRIBE:
            return subscribe_frame(channel)
        return unsubscribe_frame(channel)

    def on_subscribed(self, channel: str) -> list[ChannelOutcome]:
        """A bare acknowledgement, or the first typed frame of a channel."""
        return super().on_subscribed(channel_name(channel))

    def on_unsubscribed(self, channel: str) -> list[ChannelOutcome]:
        """The venue ended a channel."""
        return super().on_unsubscribed(channel_name(channel))

    def on_error(self, code: int | None, message: str, now: float) -> list[ChannelOutcome]:
        """An error frame (section 6.6); an empty list where it is about no channel."""
        named = error_channel(message)
        if code in _PAUSES_S:
            return self.pause(_PAUSES_S[code], code, message, now)
        if code == ALREADY_SUBSCRIBED and named is not None:
            return self.on_subscribed(named)
        if code == NOT_SUBSCRIBED and named is not None:
            return self.on_unsubscribed(named)
        if code is None or code in (ALREADY_SUBSCRIBED, NOT_SUBSCRIBED):
            self.unattributed += 1
            return []
        if named is None or not self._is_asked(named):
            # Answers come in order: it is about the oldest subscribe without one.
            oldest = next((c for c in self._asked if c.method is Method.SUBSCRIBE), None)
            if oldest is None or code not in (INVALID_CHANNEL, BAD_PARAMETER):
                self.unattributed += 1
                return []
            named = oldest.channel
        return self.refuse(named, code, message)
