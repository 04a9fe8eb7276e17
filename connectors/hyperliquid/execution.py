"""ExecutionClient: orders of one Hyperliquid account.

Orders go out over the account's WebSocket, or over HTTP. What the venue says comes back as events
of our orders and reports of everything else, see `connectors.execution.legs`; `docs/hyperliquid.md`
tells the life of an order.
"""

from __future__ import annotations

import asyncio
import logging

from ..errors import ConfigError, RequestTimeout, VenueError
from ..execution.commands import CancelOrder
from ..net.clock import NS_PER_S, to_ns
from ..net.tasks import OwnedTasks
from .account_actions import AccountActions
from .asking import Asking
from .config import Credentials
from .nonces import WARN_SKEW_S, check_clock
from .private_stream import PrivateStream
from .recovery import Recovery
from .rest import HyperliquidRest
from .sending import Sender
from .trading import Trading

__all__ = ["CancelOrder", "ExecutionClient"]

log = logging.getLogger("connectors.hyperliquid")

FIRST_READ_TIMEOUT_S = 30.0


class ExecutionClient(Trading, AccountActions, Asking):
    """Trades for one account.

    ::

        async with ExecutionClient(Config.from_env("testnet"), on_event=on_event) as venue:
            venue.submit_order(limit_order("ETH-PERP", Side.BUY, size="0.0050", price="2361.3"))

    Commands return at once; what becomes of them arrives at `on_event`, some of it (a denial)
    within the call. All methods belong to the event loop `connect` ran on.

    Parameters
    ----------
    config : Config
    on_event : callable, optional
        Receives order events, and reports of what is not ours: `OrderStatusReport`,
        `FillReport`, `PositionStatusReport`, `AccountState`. A fill of an order that was over
        already comes as a `FillReport` too, with our client order id. What the callback raises
        is logged and counted; the event counts as delivered.
    on_status : callable, optional
        Receives `StatusEvent`s: connections, streams, errors, and the account's events without
        a place in the vocabulary (`VenueEvent`: funding, liquidation).
    instruments : iterable of Instrument, optional
        Known before `connect` loads the venue's definitions.
    signer : optional
        In place of one made from the config's credentials.
    attempts, clock :
        Budget of connection attempts and time source.
    """

    # -- connecting --------------------------------------------------------------------

    async def _open(self) -> None:
        signer, user, config = self._signer, self._user, self.config
        assert signer is not None
        assert user is not None
        self._positions.clear()
        self._balances.reset()
        self._feed.forget_positions()
        tasks = self._tasks = OwnedTasks("hyperliquid/execution", on_death=self._teller.task_died)
        rest = self._rest = HyperliquidRest(config)
        venue_ms = (await rest.exchange_status()).get("time")
        if isinstance(venue_ms, int):
            ahead_s = check_clock(venue_ms, self._clock)
            self._reconciler.grace_ns = NS_PER_S + to_ns(max(ahead_s, 0.0))  # venue's time counts
            # Below that it is the way of the answer.
            self._ahead_ms = round(ahead_s * 1_000) if abs(ahead_s) > WARN_SKEW_S else 0
        self._reporter.ahead_ms = self._ahead_ms
        await self._load_markets()
        if config.check_signer:
            await self._check_signer(rest, signer.address.lower())
        sender = self._sender = Sender(
            self._outcomes,
            config=config,
            signer=signer,
            rest=rest,
            tasks=tasks,
            clock=self._clock,
        )
        sender.sealer.ahead_ms = self._ahead_ms
        recovery = self._recovery = self._outcomes.recovery = Recovery(
            self,
            schedule=self._schedule,
            reconciler=self._reconciler,
            dispatch=self.dispatch,
            queries=self._queries(),
            feed=self._feed,
            voids=sender,
            tasks=tasks,
            clock=self._clock,
            on_problem=self.on_problem,
        )
        stream = self._stream = PrivateStream(
            self,
            config=config,
            user=user,
            dexes=self._dexes,
            limits=rest.limits,
            attempts=self._attempts,
        )
        sender.attach(stream.session)
        self._modifications.sender = sender
        await stream.open()
        try:
            async with asyncio.timeout(FIRST_READ_TIMEOUT_S):
                await recovery.read_all()
        except TimeoutError:
            raise RequestTimeout(
                f"the account was not read within {FIRST_READ_TIMEOUT_S:g} s"
            ) from None
        tasks.spawn(recovery.reconcile(config.reconcile_interval_s), "reconcile")
        tasks.spawn(self._keep_markets(config.metadata_refresh_s), "metadata")

    async def _check_signer(self, rest: HyperliquidRest, address: str) -> None:
        """Make sure the key may sign for the account (12.1); an agent's own account is empty."""
        credentials: Credentials | None = self.config.credentials
        account = credentials.account_address if credentials is not None else None
        role = await rest.user_role(address)
        kind = role.get("role")
        if kind == "missing":
            raise VenueError("signer", f"the venue does not know the account or agent {address}")
        if kind != "agent":
            return
        data = role.get("data")
        master = str(data.get("user", "")).lower() if isinstance(data, dict) else ""
        if account is None:
            raise ConfigError(
                f"the key is that of an agent ({address}): set account_address to its master"
                + (f", {master}" if master else "")
            )
        if master and master != account:
            raise ConfigError(f"the agent {address} signs for {master}, not for {account}")

    async def _teardown(self, why: str) -> None:
        self._modifications.sender = None  # nothing more is given to one that closes
        await super()._teardown(why)

    def _parted(self) -> None:
        self._outcomes.recovery = None
