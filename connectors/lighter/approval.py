"""Approval of an integrator at `connect`, only where one is configured (section 16).

Orders that name an integrator need the account's approval of it. The fees approved are zero, so no
signature of the Ethereum key is needed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..errors import ConnectorError, VenueError
from ..execution.sending import Kind
from ..net.clock import NS_PER_MS
from .commands import Command
from .orders import Plan
from .rest import LighterRest
from .sending import Sender
from .transactions import TxType

__all__ = ["APPROVAL_LIFE_MS", "NOT_APPROVED", "approve"]

log = logging.getLogger("connectors.lighter")

APPROVAL_LIFE_MS = 5 * 365 * 86_400_000
NOT_APPROVED = 21149


async def approve(
    sender: Sender,
    rest: LighterRest,
    *,
    integrator_index: int,
    api_key_index: int,
    wall_ns: Callable[[], int],
) -> None:
    """Approve an integrator for zero fees, unless our key cannot and need not do it.

    Raises
    ------
    VenueError
        The account is not approved and cannot be: orders cannot be placed. Any other failure is
        logged; the venue then decides order by order.
    """
    try:
        if api_key_index in await rest.maker_only_api_keys():
            log.info("venue=LIGHTER maker-only key: integrator approval skipped")
            return
    except ConnectorError as error:
        log.warning("venue=LIGHTER maker-only keys not known: %s", error)
    fields = {
        "IntegratorAccountIndex": integrator_index,
        "MaxPerpsTakerFee": 0,
        "MaxPerpsMakerFee": 0,
        "MaxSpotTakerFee": 0,
        "MaxSpotMakerFee": 0,
        "ApprovalExpiry": wall_ns() // NS_PER_MS + APPROVAL_LIFE_MS,
    }
    command = Command(Kind.OTHER, Plan(TxType.APPROVE_INTEGRATOR, fields))
    try:
        await sender.post([command])
    except VenueError as error:
        if error.code == NOT_APPROVED:
            raise VenueError(
                NOT_APPROVED,
                f"Lighter account is not integrator-approved (venue {NOT_APPROVED}): "
                f"orders cannot be placed; {error.message}",
                status=error.status,
            ) from error
        log.error("venue=LIGHTER integrator %s not approved: %s", integrator_index, error)
    except ConnectorError as error:
        log.error("venue=LIGHTER integrator %s not approved: %s", integrator_index, error)
