"""Show an IBKR account as it changes, beside the quotes of what it holds; nothing is ordered.

    connectors sim ibkr | python examples/ibkr_account.py sim [seconds]
    python examples/ibkr_account.py                    # a gateway: IBKR_BASE_URL, IBKR_CERTIFICATE

The two clients share one session, as they must: a login has only one.
"""

import asyncio
import json
import sys

import connectors
from connectors import ibkr
from connectors.ibkr.keeper import SessionKeeper
from connectors.model import (
    AccountPnl,
    AccountState,
    ErrorEvent,
    EventFlag,
    FillReport,
    OrderStatusReport,
    PositionStatusReport,
    Quote,
    Reconnected,
)

RUN_S = float(sys.argv[2]) if len(sys.argv) > 2 else 60.0


def on_event(event: object) -> None:
    match event:
        case OrderStatusReport():
            print("order", event.venue_order_id, event.instrument_id, event.side, event.status,
                  f"{event.filled_size}/{event.size}", event.reason or "")  # fmt: skip
        case FillReport():
            print("fill", event.instrument_id, event.side, event.last_size, "@", event.last_price)
        case PositionStatusReport():
            print("position", event.instrument_id, event.signed_size, event.average_entry_price)
        case AccountState():
            cash = ", ".join(f"{each.total} {each.currency}" for each in event.balances)
            print("cash", cash or "not known yet")
        case AccountPnl():
            print("worth", event.net_liquidation, "today", event.daily)


def on_status(event: object) -> None:
    if isinstance(event, ErrorEvent | Reconnected):
        print(event)


def on_quote(quote: Quote) -> None:
    late = " (delayed)" if quote.flags & EventFlag.DELAYED else ""
    print("quote", quote.instrument.id, quote.bid, quote.ask, late)


async def main() -> None:
    if sys.argv[1:2] == ["sim"]:
        config = ibkr.Config.sim(json.loads(sys.stdin.readline())["http"])
    else:
        config = ibkr.Config.from_env()
    keeper = SessionKeeper(config)
    data = ibkr.DataClient(keeper=keeper, on_status=on_status)
    account = ibkr.AccountClient(keeper=keeper, on_event=on_event, on_status=on_status)
    async with data, account:
        print("account", account.account, "of", len(keeper.accounts))
        held = [position.instrument_id for position in account.positions()] or ["AAPL"]
        for instrument in await data.add_instruments(*held):
            data.subscribe_quotes(instrument, on_quote)
        await asyncio.sleep(RUN_S)


connectors.run(main())
