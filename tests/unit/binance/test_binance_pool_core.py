"""Where streams go and what replies do, without a socket (sections 2 to 4)."""

from __future__ import annotations

import json
import pathlib
import time

import pytest

from connectors.binance.pool_core import PoolCore
from connectors.binance.slots import REPLY_TIMEOUT_S, Outcome
from connectors.binance.wire import parse_control
from connectors.errors import ClientError

DATA = pathlib.Path(__file__).parents[2] / "data" / "binance"
SCENARIOS = json.loads((DATA / "pool_scenarios.json").read_text())["scenarios"]
CONTROL = json.loads((DATA / "control_frames.json").read_text())


def names(spec):
    if isinstance(spec, list):
        return spec
    return [spec["template"].format(i=i) for i in range(spec["from"], spec["to"])]


def subscribe(core, streams):
    """What the shell does around the core, with connections that always open."""
    if not core.slots and not streams_known(core):
        raise ClientError("Output channel not initialized")
    new = core.new_names(streams)
    while core.needs_slot(len(new)):
        core.add_slot()
    return [command for batch in core.stage(new) for command in core.subscribe(batch)]


def streams_known(core):
    return core.assigned > 0


def unsubscribe(core, streams):
    return [c for batch in core.stage_unsubscribe(streams) for c in core.unsubscribe(batch)]


def frames_of(core, commands):
    """Join split commands of one batch again: scenarios are given before splitting."""
    out = []
    for command in commands:
        slot = next(s for s in core.slots if command in s._outbox)
        frame = json.loads(command.data)
        assert list(frame) == ["method", "params", "id"]
        last = out[-1] if out else None
        if last and last["slot"] == slot.index and last["method"] == frame["method"]:
            last["params"] += frame["params"]
        else:
            out.append({"slot": slot.index, **frame})
    return out


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s["id"])
def test_pool_scenarios(scenario):
    core = PoolCore()
    split = 0  # ids drawn for the further parts of frames that were too large
    for step in scenario["steps"]:
        expect = step["expect"]
        act = {"subscribe": subscribe, "unsubscribe": unsubscribe}.get(step["op"])
        commands = []
        if act is None:
            core.add_slot()
        elif "error" in expect:
            with pytest.raises(ClientError) as caught:
                act(core, names(step["streams"]))
            assert str(caught.value) == expect["error"]
        else:
            commands = act(core, names(step["streams"]))
        assert [len(slot.streams) for slot in core.slots] == expect["slots"]
        got = frames_of(core, commands)
        assert len(got) == len(expect.get("frames", []))
        for frame, wanted in zip(got, expect.get("frames", []), strict=True):
            assert frame["slot"] == wanted["slot"]
            assert frame["method"] == wanted["method"]
            assert len(frame["params"]) == wanted["count"]
            assert frame["params"][0] == wanted["first"]
            assert frame["params"][-1] == wanted["last"]
            assert frame["id"] == wanted["id"] + split
            parts = [c for c in commands if c.names[0] in frame["params"]]
            split += len(parts) - 1


def connected(streams=("a@aggTrade",), **settings):
    core = PoolCore(**settings)
    core.add_slot()
    commands = subscribe(core, list(streams))
    return core, core.slots[0], commands


def reply(core, text):
    return core.on_reply(core.slots[0], parse_control(text.encode()))


@pytest.mark.parametrize(
    ("text", "outcome", "code"),
    [
        (case["text"], case["outcome"], case["id"])
        for case in CONTROL["replies"]
        if "text" in case and '"id":1' in case["text"]
    ],
)
def test_bn_h_07_replies_to_a_subscribe(text, outcome, code):
    core, _slot, _ = connected()
    (result,) = reply(core, text)
    if outcome.startswith("confirm"):
        assert result.outcome is Outcome.ACTIVE
        assert core.confirmed == 1
    else:
        assert result.outcome is Outcome.REFUSED
        assert core.confirmed == 0
        assert core.owner("a@aggTrade") is None  # BN-S-54
        assert subscribe(core, ["a@aggTrade"])[0].request_id == 2


def test_bn_c_08_too_many_makes_the_slot_full():
    core, slot, _ = connected(["a@trade", "b@trade"])
    reply(core, '{"result":null,"id":1}')
    subscribe(core, ["c@trade"])
    reply(core, '{"error":{"code":4,"msg":"Too many subscriptions"},"id":2}')
    assert slot.free == 0
    assert core.needs_slot(1)


def test_bn_h_09_unknown_id_is_counted():
    core, slot, _ = connected()
    assert reply(core, '{"result":null,"id":999999}') == []
    assert slot.unknown_replies == 1
    assert core.confirmed == 0


def test_bn_d_05_late_ok_after_unsubscribe():
    core, slot, _ = connected(["A@trade"])
    unsubscribe(core, ["A@trade"])
    reply(core, '{"result":null,"id":1}')
    assert core.confirmed == 0
    (ended,) = reply(core, '{"result":null,"id":2}')
    assert ended.outcome is Outcome.ENDED
    assert core.confirmed == 0
    slot.on_lost()
    assert slot.on_connected() == []


def test_bn_h_20_late_ok_of_the_old_connection():
    core, slot, _ = connected(["A@trade"])
    slot.on_lost()
    (again,) = slot.on_connected()
    assert again.request_id == 2
    assert reply(core, '{"result":null,"id":1}') == []
    assert core.confirmed == 0
    reply(core, '{"result":null,"id":2}')
    assert core.confirmed == 1


def test_subscribe_again_while_the_unsubscribe_is_in_flight():
    core, _slot, _ = connected(["A@trade"])
    unsubscribe(core, ["A@trade"])
    subscribe(core, ["A@trade"])
    assert reply(core, '{"result":null,"id":1}') == []  # of the first wish, which is over
    reply(core, '{"result":null,"id":2}')
    assert core.confirmed == 0
    reply(core, '{"result":null,"id":3}')
    assert core.confirmed == 1


def test_a_late_refusal_does_not_touch_a_newer_wish():
    core, slot, _ = connected(["A@trade"])
    unsubscribe(core, ["A@trade"])
    subscribe(core, ["A@trade"])
    assert reply(core, '{"code":-1,"msg":"Forced subscription failure","id":1}') == []
    assert core.owner("A@trade") is slot


def test_bn_s_82_resubscribe_in_order_of_assignment():
    core, slot, _ = connected([f"s{i}@trade" for i in range(50)])
    unsubscribe(core, ["s3@trade"])
    subscribe(core, ["late@trade"])
    reply(core, '{"result":null,"id":1}')
    slot.on_lost()
    assert core.confirmed == 0
    assert slot.backlog == 0
    (command,) = slot.on_connected()
    assert list(command.names) == [f"s{i}@trade" for i in range(50) if i != 3] + ["late@trade"]


def test_bn_h_05_commands_while_down_wait_for_the_next_connection():
    core, slot, _ = connected(["A@trade"])
    slot.on_lost()
    assert subscribe(core, ["B@trade"]) == []
    assert unsubscribe(core, ["A@trade"]) == []
    (command,) = slot.on_connected()
    assert command.names == ("B@trade",)


def test_bn_d_05_unsubscribe_without_reply_ends_at_the_deadline():
    core, slot, (first,) = connected(["A@trade"])
    slot.sent(first, 100.0)
    reply(core, '{"result":null,"id":1}')
    (command,) = unsubscribe(core, ["A@trade"])
    assert slot.overdue(1000.0) == []  # it has not left yet
    slot.sent(command, 100.0)
    assert slot.next_deadline() == 100.0 + REPLY_TIMEOUT_S
    assert slot.overdue(100.0 + REPLY_TIMEOUT_S - 0.01) == []
    (ended,) = slot.overdue(100.0 + REPLY_TIMEOUT_S)
    assert ended.outcome is Outcome.ENDED
    assert slot.state.is_empty


def test_subscribe_without_reply_is_asked_again():
    core, slot, (first,) = connected(["A@trade"])
    slot.sent(first, 0.0)
    (late,) = slot.overdue(REPLY_TIMEOUT_S)
    assert late.outcome is Outcome.UNANSWERED
    assert slot.next_command().names == ("A@trade",)
    reply(core, '{"result":null,"id":2}')
    assert core.confirmed == 1


def test_bn_s_55_frames_stay_below_the_limit():
    streams = [f"{'x' * 60}{i}usdt@continuousKline_1m" for i in range(200)]
    _core, _slot, commands = connected(streams)
    assert len(commands) > 1
    assert all(len(command.data) <= 7500 for command in commands)
    assert [name for command in commands for name in command.names] == streams
    assert [command.request_id for command in commands] == list(range(1, len(commands) + 1))


def test_bn_c_11_names_outside_ascii_are_utf8():
    _core, _slot, (command,) = connected(["币安人生usdt@bookTicker"])
    assert "币安人生usdt@bookTicker".encode() in command.data


def test_bn_s_92_four_times_the_names_take_four_times_the_time():
    def best_s(count):
        streams = [f"s{i}@aggTrade" for i in range(count)]
        times = []
        for _ in range(9):
            core = PoolCore()
            core.add_slot()
            start = time.process_time()
            subscribe(core, streams)
            times.append(time.process_time() - start)
        return min(times)

    # A search through all names for each would make it sixteen times.
    assert best_s(4000) < 9 * best_s(1000)


def test_bn_l_08_error_text_from_the_actual_numbers():
    core, _, _ = connected([], max_streams=2, max_connections=3)
    with pytest.raises(ClientError, match=r"Pool exhausted: 6 .*\(3 connections x 2 streams\)"):
        subscribe(core, [f"s{i}@trade" for i in range(7)])
    assert core.assigned == 0
