"""ExecutionClient: orders of one Lighter account.

Orders go out over the WebSocket (lists as one REST batch), in the order of their nonces. What the
venue says comes back as events of our orders and reports of everything else, see
`connectors.execution.dispatch`; `docs/lighter.md` tells the life of an order.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from ..errors import ConnectorError
from ..net.tasks import OwnedTasks
from .account_actions import AccountActions
from .approval import approve
from .asking import Asking
from .limits import Tier
from .private_stream import PrivateStream
from .recovery import Recovery
from .rest import LighterRest
from .sending import Sender
from .trading import CancelOrder, Trading

__all__ = ["CancelOrder", "ExecutionClient"]

log = logging.getLogger("connectors.lighter")

TIER_TIMEOUT_S = 10.0


class ExecutionClient(Trading, AccountActions, Asking):
    """Trades for one account.

    ::

        async with ExecutionClient(Config.from_env("testnet"), on_event=on_event) as venue:
            venue.submit_order(limit_order("ETH-PERP", Side.BUY, size="0.0050", price="2361.31"))

    Commands return at once; what becomes of them arrives at `on_event`, some of it (a denial)
    within the call. All methods belong to the event loop `connect` ran on.

    Parameters
    ----------
    config : Config
    on_event : callable, optional
        Receives order events, and reports of what is not ours: `OrderStatusReport`,
        `FillReport`, `PositionStatusReport`, `AccountState`. What it raises is logged and
        counted; the event counts as delivered.
    on_status : callable, optional
        Receives `StatusEvent`s: connections, streams, errors.
    instruments : iterable of Instrument, optional
        Known before `connect` loads the venue's definitions.
    signer : optional
        In place of one made from the config's credentials.
    attempts, clock :
        Budget of connection attempts and time source.
    """

    # -- connecting --------------------------------------------------------------------

    async def _open(self) -> None:
        signer, tokens = self._signer, self._tokens
        assert signer is not None
        assert tokens is not None
        config = self.config
        self._positions.clear()
        self._balances.reset()
        self._feed.begin()
        tasks = self._tasks = OwnedTasks("lighter/execution", on_death=self._teller.task_died)
        rest = self._rest = LighterRest(config, auth=tokens.current, clock=self._clock)
        sender = self._sender = Sender(
            self._outcomes,
            config=config,
            signer=signer,
            rest=rest,
            tasks=tasks,
            clock=self._clock,
        )
        self._outcomes.sender = sender
        self._recovery = self._outcomes.recovery = Recovery(
            schedule=self._schedule,
            reconciler=self._reconciler,
            queries=self._queries(),
            feed=self._feed,
            tasks=tasks,
            clock=self._clock,
            on_problem=self.on_problem,
        )
        await self._load_markets()
        await sender.refresh_nonce()
        await self._learn_tier(rest)
        if config.integrator_account_index is not None:
            await approve(
                sender,
                rest,
                integrator_index=config.integrator_account_index,
                api_key_index=self._api_key_index,
                wall_ns=self._clock.wall_ns,
            )
            with contextlib.suppress(ConnectorError):
                await sender.refresh_nonce()
        stream = self._stream = PrivateStream(
            self,
            config=config,
            tokens=tokens,
            account_index=self._account_index,
            clock=self._clock,
            attempts=self._attempts,
        )
        sender.attach(stream.session)
        await stream.open()
        tasks.spawn(self._keep_markets(config.metadata_refresh_s), "metadata")

    async def _learn_tier(self, rest: LighterRest) -> None:
        """Log what the account is; nothing depends on it."""
        try:
            async with asyncio.timeout(TIER_TIMEOUT_S):
                account = await rest.account()
        except (ConnectorError, TimeoutError) as error:
            log.info("venue=LIGHTER account tier not known: %s", error)
            return
        self.tier = Tier.of(account.get("account_type"))
        log.info("venue=LIGHTER account tier %s", self.tier or account.get("account_type"))

    def _parted(self) -> None:
        self._outcomes.recovery = None
        self._outcomes.sender = None
