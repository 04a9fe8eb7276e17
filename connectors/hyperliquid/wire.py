"""Frames of the control protocol, and how a connection is kept (sections 4.1, 4.2 and 4.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from ..net.backoff import BackoffPolicy, Jitter
from ..net.policy import Heartbeat, SessionPolicy
from .config import Config
from .limits import MESSAGE

__all__ = ["PING", "quoted", "session_policy", "subscribe_frame", "unsubscribe_frame"]

PING = '{"method":"ping"}'
IDLE_S = 60.0


def subscribe_frame(subscription: Mapping[str, Any]) -> bytes:
    """Return the frame that asks for a channel."""
    return orjson.dumps({"method": "subscribe", "subscription": subscription})


def unsubscribe_frame(subscription: Mapping[str, Any]) -> bytes:
    """Return the frame that ends a channel."""
    return orjson.dumps({"method": "unsubscribe", "subscription": subscription})


def quoted(text: str) -> object:
    """Return the JSON that an error's text quotes, None if it quotes none."""
    try:
        found: object = orjson.loads(text[text.index("{") :])
    except ValueError:
        return None
    return found


def session_policy(config: Config) -> SessionPolicy:
    """Return how a connection is kept (sections 4.1 and 12.3)."""
    return SessionPolicy(
        attempt_timeout_s=config.ws_timeout_s,
        backoff=BackoffPolicy(
            initial_s=config.reconnect_min_s,
            maximum_s=config.reconnect_max_s,
            factor=2.0,
            jitter=Jitter.FULL,
            immediate_first=False,
        ),
        stable_after_s=10.0,
        silence_timeout_s=IDLE_S + config.pong_timeout_s,
        heartbeat=Heartbeat(
            interval_s=config.ping_interval_s,
            message=PING,
            reply_timeout_s=min(config.pong_timeout_s, config.ping_interval_s),
            key=MESSAGE,
        ),
    )
