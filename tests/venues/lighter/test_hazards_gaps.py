"""Ways to miss a trade, or a whole stream, without a word."""

from __future__ import annotations

import time
from typing import Any

import pytest
from venues.lighter.trading_rig import FIRST_FRAMES, Rig, quiet, trading, until

from connectors.lighter import private_stream, recovery
from connectors.model import FillReport, SubscriptionStatus

TRADES = "account_all_trades/12345"


def trade(rig: Rig, number: int, age_s: float) -> dict[str, Any]:
    """Return the frame of a trade of an order that is not ours."""
    micros = time.time_ns() // 1_000 - int(age_s * 1e6)
    return rig.trade_frame(
        77, trade_id=number, trade_id_str=str(number), transaction_time=micros,
        timestamp=micros // 1_000,
    )  # fmt: skip


def row(frame: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = frame["trades"]["0"][0]
    return found


def answer(rig: Rig, *frames: dict[str, Any]) -> None:
    """Let REST tell these trades from now on, the newest first."""
    body = {"code": 200, "trades": [row(frame) for frame in frames]}
    rig.sim.faults.next_reply("trades", body=body, count=None)


def seen(rig: Rig) -> list[str]:
    return [report.trade_id for report in rig.of(FillReport)]


def test_new_trade_before_the_gap_was_read(run: Any) -> None:
    """The gap begins where the connection was lost, whatever the next one shows first."""

    async def scenario() -> None:
        async with trading() as rig:
            rig.push(trade(rig, 1, age_s=600.0))
            await until(lambda: seen(rig) == ["1"])
            missed, fresh = trade(rig, 2, age_s=300.0), trade(rig, 3, age_s=0.0)
            hold = rig.sim.faults.hold("trades")
            rig.sim.faults.abort()
            await until(hold.reached.is_set, 10.0)
            # Read, and lost on the way; meanwhile the stream goes on.
            rig.push(fresh)
            await until(lambda: seen(rig) == ["1", "3"])
            answer(rig, fresh, missed)
            stream = rig.client._stream
            assert stream is not None
            epoch = stream.session.epoch
            rig.sim.faults.abort()
            await until(lambda: stream.session.epoch != epoch, 10.0)  # the loss was noticed
            hold.release()
            await until(lambda: "2" in seen(rig), 10.0)
            await quiet(rig)
            assert sorted(seen(rig)) == ["1", "2", "3"]

    run(scenario(), 60)


def test_trades_while_a_client_without_any_was_away(run: Any) -> None:
    async def scenario() -> None:
        async with trading() as rig:
            await rig.client.disconnect()
            answer(rig, trade(rig, 2, age_s=0.0), trade(rig, 1, age_s=3_600.0))
            await rig.client.connect()
            await until(lambda: seen(rig), 10.0)
            await quiet(rig)
            assert seen(rig) == ["2"]  # the other one is from before the first connect

    run(scenario(), 40)


def test_first_connect_reads_no_history(run: Any) -> None:
    async def scenario() -> None:
        async with trading(connect=False) as rig:
            answer(rig, trade(rig, 1, age_s=0.0))
            await rig.client.connect()
            await quiet(rig)
            assert rig.hits("trades") == 0

    run(scenario(), 30)


def test_trades_while_the_token_was_renewed(run: Any) -> None:
    """A new token costs an unsubscribe and a subscribe, and what comes between is history."""

    async def scenario() -> None:
        async with trading() as rig:
            answer(rig, trade(rig, 1, age_s=0.0))
            stream = rig.client._stream
            assert stream is not None
            stream.rotate()
            await rig.subscribes(3, (TRADES,))
            await until(lambda: seen(rig) == ["1"], 10.0)

    run(scenario(), 40)


@pytest.mark.parametrize("waits", [True, False])
def test_trades_are_read_after_their_stream_has_begun(
    run: Any, monkeypatch: pytest.MonkeyPatch, waits: bool
) -> None:
    """Read before, a trade between the answer and the subscription would be in neither."""
    monkeypatch.setattr(recovery, "SUBSCRIBED_WAIT_S", 60.0 if waits else 0.0)

    async def scenario() -> None:
        async with trading() as rig:
            rig.sim.configure(typed_frames=False)
            rig.sim.faults.abort()
            await rig.reconnected()
            if waits:
                assert rig.hits("trades") == 0
            else:
                await until(lambda: rig.client._feed.gap_ns is None, 10.0)
            answer(rig, trade(rig, 1, age_s=0.0))
            for name in ("orders", "trades", "positions", "assets", "user_stats"):
                rig.push(FIRST_FRAMES[name])
            await until(lambda: seen(rig) == ["1"], 10.0)

    run(scenario(), 40)


def test_stream_refused_in_mid_connection(run: Any) -> None:
    """A second token is refused as well: without the stream the account would trade blind."""

    async def scenario() -> None:
        async with trading() as rig:
            text = "auth field is invalid : account_all_trades:12345"
            refusal = {"error": {"code": 20001, "message": text}}
            rig.push(refusal)
            await rig.subscribes(2, (TRADES,))  # asked for again with a new token
            epoch = rig.client._stream.session.epoch  # type: ignore[union-attr]
            rig.push(refusal)
            await rig.reconnected(2)
            await rig.subscribes(3, (TRADES,))
            await until(lambda: rig.client._stream.is_ready, 10.0)  # type: ignore[union-attr]
            assert rig.client._stream.session.epoch > epoch  # type: ignore[union-attr]
            rig.push(trade(rig, 1, age_s=0.0))
            await until(lambda: seen(rig) == ["1"])
            refused = [event for event in rig.status if isinstance(event, SubscriptionStatus)]
            assert [event.stream for event in refused] == [TRADES]

    run(scenario(), 60)


def test_stream_that_never_answers_a_new_token(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its old token runs out an hour later, and the venue says nothing."""
    monkeypatch.setattr(private_stream, "CONTROL_WAIT_S", 0.0)

    async def scenario() -> None:
        async with trading(readiness_timeout_s=1.0) as rig:
            rig.sim.configure(bare_acks=False, typed_frames=False, token_refresh=True)
            stream = rig.client._stream
            assert stream is not None
            epoch = stream.session.epoch
            stream.rotate()
            await rig.subscribes(2)
            rig.sim.configure(bare_acks=True, typed_frames=True)
            await until(lambda: stream.session.epoch > epoch and stream.is_ready, 10.0)

    run(scenario(), 60)


def test_signer_that_fails_while_reconnecting(run: Any) -> None:
    """The streams are asked for on the next connection, and the line moves again."""

    async def scenario() -> None:
        async with trading() as rig:
            tokens = rig.client._tokens
            assert tokens is not None
            sign, failures = tokens._sign, [RuntimeError("no"), ValueError("still no")]

            def signs(deadline_s: int) -> str:
                if failures:
                    raise failures.pop()
                return sign(deadline_s)

            tokens._sign = signs
            rig.sim.faults.abort()
            await until(lambda: not failures, 10.0)
            await rig.reconnected()
            await rig.seed_open(281476929510300)
            assert [s for s in rig.status if "died: RuntimeError" in getattr(s, "message", "")]

    run(scenario(), 60)


def test_renewal_goes_on_after_it_had_been_given_up(run: Any) -> None:
    """No token for an hour, then a new connection with a new one: that runs out as well."""

    async def scenario() -> None:
        async with trading() as rig:
            stream = rig.client._stream
            assert stream is not None
            stream._rotation.due_ns = None
            stream._arm_rotation()
            rig.sim.faults.abort()
            await rig.reconnected()
            await until(lambda: stream._rotation.due_ns is not None)

    run(scenario(), 40)


NEW_MARKET = {
    "code": 200,
    "order_book_details": [
        {
            "symbol": "NEW", "market_id": 77, "market_type": "perp", "status": "active",
            "price_decimals": 2, "size_decimals": 4, "min_base_amount": "0.1",
            "min_quote_amount": "1",
        }
    ],
    "spot_order_book_details": [],
}  # fmt: skip


def test_trade_of_a_market_added_right_after_the_definitions_were_read(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read again when enough time has passed, and again if that fails."""
    monkeypatch.setattr("connectors.execution.markets.REFRESH_PAUSE_S", 0.3)

    async def scenario() -> None:
        async with trading() as rig:
            rig.sim.faults.next_reply("orderBookDetails", status=400, body={"code": 29404})
            rig.sim.faults.next_reply("orderBookDetails", body=NEW_MARKET, count=None)
            rig.push(rig.trade_frame(42, market_id=77))
            await until(lambda: rig.of(FillReport), 10.0)
            (report,) = rig.of(FillReport)
            assert report.instrument_id == "NEW-PERP"

    run(scenario(), 40)
