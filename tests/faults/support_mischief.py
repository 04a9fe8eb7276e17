"""Everything that can go wrong between a client and its venue, at random from one seed.

`Mischief.strike` does one thing and returns its name. What it does comes from the seed alone;
on which bytes it falls is up to the machine. Faults of the network act in the proxies, in
the middle of frames; faults of the venue in the simulator.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from faults.proxy import Connection, How, Way
from faults.support import IDLE_TIMEOUT_S, Rig

__all__ = [
    "BAD_ACKS",
    "CONDITIONS",
    "DROPS",
    "FRAMES",
    "HANDSHAKES",
    "REST",
    "VENUE",
    "Mischief",
    "client_left",
]

# How often each happens, relative to the others. Those that take a while are rarer.
DROPS: Mapping[str, float] = {
    "reset": 10,
    "finish": 10,
    "cut_reset": 12,
    "cut_finish": 12,
    "cut_silence": 3,
    "half_open": 3,
    "stall_forever": 3,
    "venue_reset": 4,
    "venue_close_1001": 5,
    "venue_close_1008": 1,
    "venue_freeze": 2,
    "venue_shutdown": 0.1,
}
CONDITIONS: Mapping[str, float] = {"stall": 4, "trickle": 4, "slow_reader": 3, "delay": 3}
HANDSHAKES: Mapping[str, float] = {
    "drop_next": 3,
    "hang_next": 0.3,
    "refuse_503": 2,
    "refuse_429": 0.3,
    "instant_close": 1,
    "garbage": 1,
}
VENUE: Mapping[str, float] = {
    "skip": 8,
    "duplicate": 5,
    "swap": 6,
    "chain_reset": 1,
    "snapshot_stale": 3,
    "snapshot_error": 2,
    "snapshot_delay": 2,
    "snapshot_empty": 2,
    "snapshot_future": 2,
    "snapshot_reset_ids": 1,
}
REST: Mapping[str, float] = {"rest_reset": 3, "rest_drop_next": 2, "rest_hang_next": 0.5}
FRAMES: Mapping[str, float] = {
    "unknown_event": 2,
    "invalid_json": 2,
    "binary": 2,
    "invalid_utf8": 1,
    "ping_flood": 2,
    "huge": 0.2,
    "fragments": 2,
    "one_byte": 2,
    "merged": 2,
    "unknown_keys": 2,
    "shuffled_keys": 2,
}
# Not "silent": a subscription acknowledged and never carried out cannot be told from a quiet
# market where trades are concerned (BN-C-09), so there is no right state to compare with.
# Tests of their own cover it for the streams that always talk.
BAD_ACKS: Mapping[str, float] = {
    "early_data": 2,
    "lost_ack": 1,
    "late_ack": 2,
    "error": 1,
    "error_flat": 1,
    "wrong_id": 1,
    "failed": 1,
    "mute": 1,
    "clock_step": 2,
    "limit_429": 0.3,
    "no_headers": 1,
}
# A dead peer must be noticed within this; the machine may be busy with other things.
NOTICE_S = IDLE_TIMEOUT_S + 6.0


class Mischief:
    """Breaks a rig's connections.

    Parameters
    ----------
    rig :
        The victim.
    seed :
        Of every choice.
    kinds :
        Weights by kind, from the tables above.
    """

    def __init__(self, rig: Rig, seed: int, kinds: Mapping[str, float]) -> None:
        self._rig = rig
        self._random = random.Random(f"mischief/{seed}")
        self._names = list(kinds)
        self._weights = list(kinds.values())
        self._doomed: dict[Connection, float] = {}  # silently dead, until when that may last
        self._timers: set[asyncio.TimerHandle] = set()
        self.done: Counter[str] = Counter()

    async def strike(self) -> str:
        """Do one thing; a kind that finds no victim does nothing but counts."""
        kind = self._random.choices(self._names, self._weights)[0]
        self.done[kind] += 1
        self._bury()
        try:
            if kind in DROPS and not kind.startswith("venue_"):
                self._drop(kind)
            elif kind in CONDITIONS:
                self._condition(kind)
            elif kind in HANDSHAKES or kind in REST:
                await self._connecting(kind)
            else:
                await self._venue(kind)
        except LookupError:
            self.done["refused by the simulator"] += 1  # the stream it was for has just gone
        return kind

    def pause_s(self, mean_s: float) -> float:
        """Return a random time before the next strike."""
        return min(self._random.expovariate(1 / mean_s), 5 * mean_s)

    async def end(self) -> None:
        """Take back every condition; connections that died without a word are reset at last."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        for connection in self._rig.streams.connections:
            if connection.is_open and connection not in self._doomed:
                connection.heal()
        while self._doomed:
            self._bury()
            await asyncio.sleep(0.05)
        self._rig.streams.heal()
        self._rig.rest.heal()
        await self._rig.control.fault("clear")

    # ---- the network ----------------------------------------------------------------------

    def _victim(self) -> Connection | None:
        able = [
            connection
            for connection in self._rig.streams.connections[-200:]
            if connection.is_open and connection not in self._doomed
        ]
        return self._random.choice(able) if able else None

    def _drop(self, kind: str) -> None:
        count = self._random.randrange(1, 3_000)
        victim = self._victim()
        if victim is None:
            return
        if kind == "reset":
            victim.reset()
        elif kind == "finish":
            victim.finish()
        elif kind == "cut_reset":
            victim.cut_after(count, How.RST)
        elif kind == "cut_finish":
            victim.cut_after(count, How.FIN)
        else:
            if kind == "cut_silence":
                victim.cut_after(count // 10, How.SILENCE)
            elif kind == "half_open":
                victim.half_open()
            else:
                victim.stall()
            self._doomed[victim] = asyncio.get_running_loop().time() + NOTICE_S

    def _bury(self) -> None:
        """Let the network tell at last, where the client has left a dead connection."""
        now = asyncio.get_running_loop().time()
        used = self._rig.links()
        for connection, until in list(self._doomed.items()):
            if connection.is_open and client_port(connection) in used:
                if now < until:
                    continue
                name = used[client_port(connection)]
                self._rig.ledger.fail(f"{name}: a dead peer was not noticed in {NOTICE_S:g} s")
            connection.reset()
            del self._doomed[connection]
        for proxy in (self._rig.streams, self._rig.rest):
            # A closed one keeps its tasks and their last bytes: memory that is not the client's.
            proxy.connections[:] = [each for each in proxy.connections if each.is_open]

    def _condition(self, kind: str) -> None:
        seconds = self._random.uniform(0.05, 0.6)
        size = self._random.choice((1, 1, 2, 3, 7, 19))
        victim = self._victim()
        if victim is None:
            return
        if kind == "stall":
            victim.stall(self._random.choice((Way.DOWN, Way.UP, Way.BOTH)))
        elif kind == "trickle":
            victim.chunk(size, Way.DOWN)
            seconds /= 2
        elif kind == "slow_reader":
            victim.slow_reader(200)
        else:
            victim.delay(self._random.uniform(0.005, 0.05))

        def heal() -> None:
            # Never one that has died since: TCP does not go on behind a hole.
            if victim.is_open and victim not in self._doomed:
                victim.heal()

        self._later(seconds, heal)

    async def _connecting(self, kind: str) -> None:
        streams, rest = self._rig.streams, self._rig.rest
        if kind == "drop_next":
            streams.drop_next()
        elif kind == "hang_next":
            streams.hang_next()
        elif kind == "refuse_503":
            streams.refuse(503)
        elif kind == "refuse_429":
            streams.refuse(429, {"Retry-After": "1"})
        elif kind == "instant_close":
            await self._rig.control.fault("refuse", mode="close", path="/public")
        elif kind == "garbage":
            await self._rig.control.fault("refuse", mode="garbage", path="/market")
        elif kind == "rest_reset":
            able = [each for each in rest.connections[-50:] if each.is_open]
            if able:
                able[0].cut_after(self._random.randrange(1, 8_000), How.RST)
        elif kind == "rest_drop_next":
            rest.drop_next()
            rest.finish()
        else:
            rest.hang_next()
            rest.finish()

    # ---- the venue ------------------------------------------------------------------------

    async def _venue(self, kind: str) -> None:
        fault, choice = self._rig.control.fault, self._random.choice
        symbol = choice(self._rig.symbols)
        stream = f"{symbol.lower()}@{choice(('depth@0ms', 'aggTrade'))}"
        ms = self._random.randrange(200, 1_500)
        count = self._random.randrange(1, 4)
        if kind in ("skip", "duplicate", "swap"):
            await fault("sequence", action=kind, symbol=symbol, count=count)
        elif kind == "chain_reset":
            await fault("depth_reset", symbol=symbol)
        elif kind.startswith("snapshot_"):
            action = kind.removeprefix("snapshot_")
            more: dict[str, Any] = {"delay_ms": ms} if action == "delay" else {}
            if action == "future":
                more = {"hold_ms": ms}
            # Together with a gap, or nobody would ask for a snapshot.
            await fault("snapshot", symbol=symbol, action=action, **more)
            await fault("sequence", action="skip", symbol=symbol)
        elif kind == "venue_reset":
            await fault("drop", mode="reset", stream=stream)
        elif kind.startswith("venue_close_"):
            await fault("drop", mode="close", code=int(kind[-4:]), stream=stream)
        elif kind == "venue_freeze":
            await fault("drop", mode="half_open", stream=stream)
        elif kind == "venue_shutdown":
            await fault("shutdown", within_ms=1_000, mode=choice(("close", "reset")))
        elif kind in FRAMES:
            await self._frame(kind, stream)
        elif kind == "mute":
            await fault("silence", symbol=symbol, duration_ms=ms)
        elif kind == "clock_step":
            await fault("clock", offset_ms=self._random.randrange(-3_000, 3_000))
        elif kind == "limit_429":
            await fault("limits", action="429", seconds=1)
        elif kind == "no_headers":
            await fault("limits", action=choice(("no_headers", "headers")))
        else:
            await fault("control", action=kind, method="SUBSCRIBE", delay_ms=ms)

    async def _frame(self, kind: str, stream: str) -> None:
        fault = self._rig.control.fault
        shape: dict[str, dict[str, Any]] = {
            "fragments": {"fragment": 16, "ping_between": True, "count": 20},
            "one_byte": {"segment": 1, "count": 3},
            "merged": {"merge_ms": 30, "count": 40},
            "unknown_keys": {"unknown_keys": True, "count": 40},
            "shuffled_keys": {"shuffled_keys": True, "count": 40},
        }
        if kind in shape:
            await fault("shape", stream=stream, **shape[kind])
        else:
            more = {"count": 10} if kind == "ping_flood" else {}
            await fault("frame", send=kind, stream=stream, **more)

    def _later(self, seconds: float, call: Callable[[], object]) -> None:
        def fire() -> None:
            self._timers.discard(timer)
            call()

        timer = asyncio.get_running_loop().call_later(seconds, fire)
        self._timers.add(timer)


def client_port(connection: Connection) -> int:
    """Return the client's port of a proxied connection, 0 once it is closed."""
    sock: socket.socket = connection._client
    try:
        return int(sock.getpeername()[1])
    except OSError:
        return 0


def client_left(connection: Connection) -> bool:
    """Tell whether the client has hung up; a stalled connection cannot know."""
    return not connection.is_open or connection._tasks[0].done()
