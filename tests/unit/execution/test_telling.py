"""What callers are told, and that their mistakes stay theirs."""

from __future__ import annotations

from typing import Any

from connectors.errors import TransportError
from connectors.execution.telling import Teller
from connectors.model import ConnectionState, ErrorEvent, Reconnected, SubscriptionStatus
from connectors.model.status_events import ConnectionStatus
from connectors.net.clock import SYSTEM_CLOCK
from connectors.net.session_events import Closed, Connected, Connecting, Lost


def teller(on_event: Any = None, on_status: Any = None) -> Teller:
    return Teller("VENUE", on_event=on_event, on_status=on_status, clock=SYSTEM_CLOCK)


def raises(event: object) -> None:
    raise RuntimeError("the caller's own")


def test_a_report_whose_callback_raises_is_told_as_a_problem() -> None:
    status: list[Any] = []
    one = teller(raises, status.append)
    one.report("report")  # type: ignore[arg-type]
    (problem,) = status
    assert isinstance(problem, ErrorEvent)
    assert "RuntimeError" in problem.message
    assert one.callback_errors == 1


def test_a_status_callback_that_raises_is_counted() -> None:
    one = teller(None, raises)
    one.problem("something")
    assert one.callback_errors == 1


def test_without_callbacks_nothing_happens() -> None:
    one = teller()
    one.report("report")  # type: ignore[arg-type]
    one.problem("something")
    assert one.callback_errors == 0


def test_changes_of_a_connection() -> None:
    status: list[Any] = []
    one = teller(None, status.append)
    lost = Lost(
        epoch=1, error=TransportError("gone"), code=1006, reason="", clean=False, retry_in_s=0.1
    )
    again = Connected(epoch=2, is_reconnect=True, attempt=1)
    for event in (Connecting(epoch=1), lost, again, Closed(epoch=2, error=None)):
        one.session("private", event)
    states = [event.state for event in status if isinstance(event, ConnectionStatus)]
    assert states == [
        ConnectionState.CONNECTING,
        ConnectionState.RECONNECTING,
        ConnectionState.LIVE,
        ConnectionState.CLOSED,
    ]
    assert len([event for event in status if isinstance(event, Reconnected)]) == 1
    status.clear()
    one.session("private", again, tell_reconnected=False)
    assert not any(isinstance(event, Reconnected) for event in status)


def test_a_refused_stream() -> None:
    status: list[Any] = []
    teller(None, status.append).refused("orders", 7, "no")
    (event,) = status
    assert isinstance(event, SubscriptionStatus)
    assert (event.stream, event.code, event.message) == ("orders", 7, "no")
