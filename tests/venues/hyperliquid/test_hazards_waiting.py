"""What would cost money while commands wait for their turn (4.6, 11.2)."""

from __future__ import annotations

from typing import Any

import pytest
from venues.hyperliquid.sending_rig import sending, until

from connectors.hyperliquid.limits import ACTION

SHORT = 60_000


def test_an_order_that_has_waited_too_long_is_not_sent(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The venue answers nothing, so no post has a place: later it would trade on old news."""
    monkeypatch.setattr("connectors.hyperliquid.sending.ORDER_WAIT_S", 0.1)

    async def main() -> None:
        async with sending(inflight_posts_max=1, post_timeout_ms=SHORT) as rig:
            rig.sim.faults.next_reply("post", lose=True)
            first, second = rig.command(), rig.command()
            rig.sender.order(first)
            rig.sender.order(second)
            cancel = rig.cancel_of(first)
            rig.sender.cancels([cancel])
            assert await rig.done(second) == ["not_sent"]
            assert rig.owner.of(cancel) == []  # it is worth sending late
            rig.sender._doubt(next(iter(rig.sender.inflight)).item, "it is over")
            assert await rig.done(cancel) == ["accepted"]

    run(main(), 60.0)


def test_a_cancel_waits_for_weight_as_long_as_it_takes(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.execution.sending.LIMIT_TIMEOUT_S", 0.05)

    async def main() -> None:
        async with sending(rest_weight_per_min=6_000, post_timeout_ms=SHORT) as rig:
            first = await rig.place()
            rig.limits.limiter.debit(ACTION, 6_050)
            cancel = rig.cancel_of(first)
            rig.sender.cancels([cancel])
            assert await rig.done(cancel) == ["accepted"]
            await until(lambda: not rig.account.live)

    run(main(), 60.0)
