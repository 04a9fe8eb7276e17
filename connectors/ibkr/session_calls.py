"""The requests of the session machine, as the REST interface makes them."""

from __future__ import annotations

from typing import Any

from ..errors import ClientError
from .events import Call
from .rest import IbkrRest

__all__ = ["make_call"]


async def make_call(rest: IbkrRest, call: Call, *, account: str | None) -> Any:
    """Make a request and return its answer; `account` is the one to switch to."""
    match call:
        case Call.TICKLE:
            return await rest.tickle()
        case Call.STATUS:
            return await rest.auth_status()
        case Call.INIT:
            return await rest.open_session(compete=False)
        case Call.TAKE_OVER:
            return await rest.open_session(compete=True)
        case Call.ACCOUNTS:
            return await rest.accounts()
        case Call.SWITCH:
            if account is None:
                raise ClientError("there is no account to switch to")
            return await rest.switch_account(account)
        case Call.SUPPRESS:
            return await rest.suppress(rest.config.suppress)
        case Call.LOGOUT:
            return await rest.logout()
