"""The account's connection, fed with bytes: whatever comes, the next frame counts (20.4)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from venues.dydx.account_rig import ADDRESS, DATA, Account, scenario

from connectors.dydx.account_stream import AccountStream
from connectors.dydx.config import Config
from connectors.dydx.members import Members
from connectors.errors import DecodeError
from connectors.model import OrderStatus

RAW = [
    json.loads(line)["raw"].encode()
    for line in (DATA / "wire" / "frames.jsonl").read_text("utf-8").splitlines()
]


class Owner(Account):
    """Takes what the stream tells."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.gaps: list[str] = []
        self.refusals: list[str] = []
        members = Members(ADDRESS, 0, is_parent=self.members.is_parent)
        self.stream = AccountStream(self, config=Config.sim("http://127.0.0.1:9"), members=members)

    def on_snapshot(self, contents: Any) -> None:
        self.feed.snapshot(contents)

    def on_update(self, contents: Any, number: int | None) -> None:
        self.feed.update(contents, number)

    def on_height(self, contents: Any) -> None:
        self.feed.block_height(contents)

    def on_gap(self, why: str) -> None:
        self.gaps.append(why)

    def on_link_up(self, *, is_reconnect: bool) -> None: ...
    def on_link_lost(self, epoch: int, why: str) -> None: ...
    def on_session_event(self, event: Any) -> None: ...
    def on_refused(self, channel: str, code: int | None, message: str) -> None:
        self.refusals.append(message)

    def bytes(self, data: bytes) -> None:
        """Take a frame as it comes from the socket."""
        try:
            self.stream._stream.decoder.feed(data)
        except DecodeError as error:  # the listener's business
            self.stream.on_frame_problem(None, error)

    def play(self, name: str) -> dict[str, Any]:
        frames, expect = scenario(name)
        for frame in frames:
            self.bytes(json.dumps(frame, separators=(",", ":")).encode())
        return expect


def on_a_loop(test: Any) -> None:
    async def main() -> None:
        test()

    asyncio.run(main())


def test_a_scenario_as_bytes() -> None:
    def test() -> None:
        owner = Owner()
        assert not owner.stream.is_ready
        expect = owner.play("cancel_then_filled")
        assert owner.order(expect["order"]).status is OrderStatus.FILLED
        assert owner.stream._missing == {}
        assert (owner.problems, owner.gaps, owner.stream.bad_frames) == ([], [], 0)

    on_a_loop(test)


def test_dx_n_11a_the_blocks_have_an_id_nobody_has_asked_for() -> None:
    def test() -> None:
        owner = Owner()
        owner.play("expired_silently")
        assert owner.heights.height == 66_624_153
        assert owner.others == []

    on_a_loop(test)


def test_dx_w_06_an_id_that_never_comes_is_a_gap() -> None:
    def test() -> None:
        owner = Owner()
        frames, _ = scenario("short_limit_two_blocks_filled")
        for frame in frames[:5]:
            owner.bytes(json.dumps(frame).encode())
        assert owner.gaps == []
        owner.bytes(json.dumps(frames[6]).encode())
        assert owner.gaps == ["1 frames are missing"]

    on_a_loop(test)


def test_dx_w_08_another_server_behind_the_same_socket_is_a_gap() -> None:
    def test() -> None:
        owner = Owner()
        frames, _ = scenario("short_limit_two_blocks_filled")
        for frame in frames[:4]:
            owner.bytes(json.dumps(frame).encode())
        owner.bytes(json.dumps({**frames[4], "connection_id": "b" * 36}).encode())
        assert owner.gaps == ["another server"]

    on_a_loop(test)


def test_4_5_a_blocked_address_is_refused_for_good() -> None:
    def test() -> None:
        owner = Owner()
        owner.stream._missing = dict(owner.stream._gates)
        for raw in RAW:
            if b"has been blocked" in raw:
                owner.bytes(raw)
        assert len(owner.refusals) == 1
        assert list(owner.stream._missing) == ["v4_block_height"], "nothing waits for it"

    on_a_loop(test)


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """Return a frame with bytes cut off, taken out, doubled or changed."""
    raw = draw(st.sampled_from(RAW))
    start = draw(st.integers(0, len(raw)))
    end = draw(st.integers(start, min(start + 40, len(raw))))
    with_ = draw(
        st.sampled_from([b"", b"{", b'"', b"null", b"\xff", b",", b"0", raw[start:end] * 2])
    )
    return raw[:start] if draw(st.booleans()) else raw[:start] + with_ + raw[end:]


@given(st.lists(broken(), min_size=1, max_size=6))
@settings(max_examples=100)
def test_20_4_broken_bytes_end_nothing(frames: list[bytes]) -> None:
    def test() -> None:
        owner = Owner(is_parent=b"v4_parent" in frames[0])
        for raw in frames:
            owner.bytes(raw)
        owner = owner if not owner.members.is_parent else Owner()
        order = owner.play("long_term_partial_then_cancel")["order"]
        assert owner.order(order).status is OrderStatus.CANCELED

    on_a_loop(test)
