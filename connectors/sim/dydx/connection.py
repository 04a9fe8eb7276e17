"""One connection of the indexer's WebSocket: subscriptions, ids of messages, limits (section 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from aiohttp import web

from .. import connection
from ..windows import RollingWindow
from . import topics
from .faults import BLOCKED
from .nodes import Node
from .record import Subscribe

if TYPE_CHECKING:
    from .server import Simulator

__all__ = ["Connection"]

PER_SECOND = 2
SECOND_NS = 1_000_000_000
POLICY, HEARTBEAT = 1008, 1011
LIMITED = '{"message":"Rate limited"}'
UNPARSABLE = "Invalid message: could not parse"


class Connection(connection.Connection):
    """Reads subscriptions and answers them.

    Attributes
    ----------
    connection_id, message_id
        As in its frames; the id is the last one given.
    subscriptions
        By topic, whether it is batched; what a snapshot is still fetched for is not among them.
    pending
        Subscribes that are not answered yet, by topic.
    """

    sim: Simulator

    def __init__(self, sim: Simulator, request: web.BaseRequest, number: int, node: Node) -> None:
        super().__init__(sim, request, number)
        bits = sim.random.getrandbits(128)
        self.connection_id = str(UUID(int=bits, version=4))
        self.message_id = 0
        self.node = node
        self.subscriptions: dict[str, bool] = {}
        self.pending: dict[str, int] = {}
        self._attempts: dict[str, RollingWindow] = {}
        self._invalid = RollingWindow(SECOND_NS)

    # -- life --------------------------------------------------------------------------------

    def on_open(self) -> None:
        self._reply({"type": "connected", **self._ids(self.message_id)})

    def on_closed(self) -> None:
        for name in self.subscriptions:
            self.node.unfollow(self, name)

    def check(self, now_ns: int) -> None:
        """Ping, and end a connection that does not answer (DX-W-09)."""
        config = self.sim.config
        if self.quiet or not config.ping_interval_s:
            return
        since = self.unanswered_since_ns
        if since is not None and now_ns - since >= config.pong_timeout_s * 1e9:
            self.close(HEARTBEAT, "Heartbeat timeout")
        elif self.ping_due(now_ns, config.ping_interval_s):
            self.ping()

    # -- ids and frames ----------------------------------------------------------------------

    def next_message_id(self) -> int:
        self.message_id += 1
        return self.message_id

    def skip_ids(self, count: int) -> None:
        """Go on with another id than the next."""
        self.message_id += count

    def _ids(self, message_id: int) -> dict[str, Any]:
        return {"connection_id": self.connection_id, "message_id": message_id}

    def _reply(self, frame: dict[str, Any], name: str = "") -> None:
        """Send a frame of the connection's own, or one of a topic."""
        self.send_tapped(name or str(frame["type"]), orjson.dumps(frame))

    def send_tapped(self, name: str, payload: bytes) -> None:
        """Send a frame through the taps that stand on its topic, or its type."""
        taps = self.sim.faults.taps
        if not taps:
            self.send(payload)
            return
        for one in taps.through(name, payload, self.send, self.number):
            self.send(one)

    def error(self, text: str, message_id: int | None = None, **about: str | None) -> None:
        """Send an error frame; without an id it is a mistake that takes none (DX-W-05)."""
        known = {name: value for name, value in about.items() if value is not None}
        ids = self._ids(self.message_id if message_id is None else message_id)
        self._reply({"type": "error", "message": text, **ids, **known})

    # -- input -------------------------------------------------------------------------------

    def on_data(self, data: str | bytes) -> None:
        kind = ""
        try:
            kind = self._act(data if isinstance(data, str) else data.decode("utf-8", "replace"))
        finally:
            self.handled(kind)

    def _act(self, text: str) -> str:
        """Act on a message; return its type."""
        try:
            frame = orjson.loads(text)
        except orjson.JSONDecodeError:
            frame = None
        if frame is None:
            self._malformed(UNPARSABLE)
            return ""
        kind = frame.get("type") if isinstance(frame, dict) else None
        if not kind:
            self._malformed("Invalid message: type is required")
            return ""
        if kind == "ping":
            return "ping"  # no answer at all (4.1)
        if kind not in ("subscribe", "unsubscribe"):
            self._malformed(f"Invalid message type: {kind}")
            return str(kind)
        channel, id_ = frame.get("channel"), frame.get("id")
        if not channel:
            self.error("Invalid subscribe message: channel is required")
        elif not isinstance(channel, str) or channel not in topics.CHANNELS:
            self.error(f"Invalid channel: {channel}")
        elif ("id" in frame or topics.needs_id(channel)) and not isinstance(id_, str):
            shown = "undefined" if "id" not in frame else _as_script(id_)
            self.error(f"Invalid id: {shown}")
        else:
            self._record(kind, channel, id_)
            if kind == "subscribe":
                self._subscribe(channel, id_, batched=frame.get("batched") is True)
            else:
                self._unsubscribe(channel, id_)
        return str(kind)

    def _record(self, kind: str, channel: str, id_: str | None) -> None:
        self.sim.record.subscribes.append(
            Subscribe(self.sim.clock.now_ms(), self.number, kind, channel, id_)
        )

    def _malformed(self, text: str) -> None:
        """Answer what is no message; the third in a second ends the connection."""
        over = self._invalid.add(self.sim.clock.elapsed_ns()) > PER_SECOND
        if over and "invalid" in self.sim.config.limits:
            self.error("Too many invalid messages. Please reconnect and try again.")
            self.close(POLICY, LIMITED)
        else:
            self.error(text)

    # -- subscriptions -----------------------------------------------------------------------

    def _subscribe(self, channel: str, id_: str | None, *, batched: bool) -> None:
        sim, config = self.sim, self.sim.config
        message_id = self.next_message_id()
        name = topics.topic(channel, id_)
        shown = f"{channel}-{id_ if id_ is not None else channel}"
        if not topics.exists(sim.chain, channel, id_):
            self.error(f"Invalid subscription id for channel: ({channel}-{id_})", message_id)
            return
        attempts = self._attempts.setdefault(name, RollingWindow(SECOND_NS))
        if attempts.add(sim.clock.elapsed_ns()) > PER_SECOND and "subscribes" in config.limits:
            # Two spaces, as the venue writes it (4.5).
            self.error(
                f"Too many subscribe attempts for channel {shown}. Please  reconnect and try again.",  # noqa: E501
                message_id,
            )
            self.close(POLICY, LIMITED)
            return
        if self._is_full(channel, name) and "channels" in config.limits:
            limit = topics.limit_of(channel)
            self.error(
                f"Per-connection subscription limit reached for {channel} (limit={limit}).",
                message_id,
            )
            return
        if _address(channel, id_) in sim.faults.blocked:
            self.error(BLOCKED, message_id, channel=channel, id=id_)
            return
        fault = sim.faults.take_subscribe(channel, name)
        if fault is not None and fault.drop:
            self._hold(name, 1)
            return  # the snapshot never comes
        if fault is not None:
            text = (fault.body or b"").decode()
            self.error(text, message_id, channel=channel, id=id_)
            return
        self._hold(name, 1)
        self._fetch(channel, id_, message_id, batched=batched)

    def _hold(self, name: str, change: int) -> None:
        self.pending[name] = self.pending.get(name, 0) + change
        if not self.pending[name]:
            del self.pending[name]

    def _is_full(self, channel: str, name: str) -> bool:
        if name in self.subscriptions or name in self.pending:
            return False
        held = {*self.subscriptions, *self.pending}
        count = sum(one.partition(":")[0] == channel for one in held)
        return count >= topics.limit_of(channel)

    def _fetch(self, channel: str, id_: str | None, message_id: int, *, batched: bool) -> None:
        """Take the snapshot, and register when it is there; what happens between is lost."""
        config = self.sim.config
        before_ms = config.snapshot_delay_ms - config.snapshot_race_ms

        def take() -> None:
            contents = self.sim.indexer.snapshot(self.node, channel, id_)
            _after(config.snapshot_race_ms, lambda: register(contents))

        def register(contents: bytes) -> None:
            self._register(channel, id_, message_id, contents, batched=batched)

        def _after(ms: float, act: Any) -> None:
            if ms > 0:
                self.sim.later(ms, act)
            else:
                act()

        _after(before_ms, take)

    def _register(
        self, channel: str, id_: str | None, message_id: int, contents: bytes, *, batched: bool
    ) -> None:
        name = topics.topic(channel, id_)
        self._hold(name, -1)
        if not self.open:
            return
        if name in self.subscriptions:
            shown = f"{channel}-{id_ if id_ is not None else channel}"
            text = f"Invalid subscribe message: already subscribed ({shown})"
            self.error(text, message_id, channel=channel, id=id_)
            return
        self.subscriptions[name] = batched
        self.node.follow(self, name, batched=batched)
        shown_id = topics.BLOCK_HEIGHT if channel == topics.BLOCK_HEIGHT else id_
        head = {
            "type": "subscribed",
            **self._ids(message_id),
            "channel": channel,
            **({} if shown_id is None else {"id": shown_id}),
        }
        payload = orjson.dumps(head)[:-1] + b',"contents":' + contents + b"}"
        self.send_tapped(f"subscribed {name}", payload)

    def _unsubscribe(self, channel: str, id_: str | None) -> None:
        """End a subscription at once; one whose snapshot is still fetched comes all the same."""
        message_id = self.next_message_id()
        name = topics.topic(channel, id_)
        if self.subscriptions.pop(name, None) is not None:
            self.node.unfollow(self, name)
        frame = {"type": "unsubscribed", **self._ids(message_id), "channel": channel}
        self._reply(frame if id_ is None else {**frame, "id": id_}, f"unsubscribed {name}")

    def describe(self) -> dict[str, Any]:
        return {
            **super().describe(),
            "connection_id": self.connection_id,
            "message_id": self.message_id,
            "node": self.sim.indexer.nodes.index(self.node),
            "subscriptions": dict(self.subscriptions),
            "pending": dict(self.pending),
        }


def _address(channel: str, id_: str | None) -> str:
    is_account = channel in (topics.SUBACCOUNTS, topics.PARENT_SUBACCOUNTS)
    return (id_ or "").partition("/")[0] if is_account else ""


def _as_script(value: Any) -> str:
    """Return a value as the server's language puts it into a text."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "[object Object]"
    if isinstance(value, list):
        return ",".join(_as_script(item) for item in value)
    return str(value)
