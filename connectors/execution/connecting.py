"""Connecting and disconnecting a trading client: once at a time, and never half."""

from __future__ import annotations

import asyncio
from typing import Self

from ..errors import ClientError

__all__ = ["Connectable"]


class Connectable:
    """`connect`, `disconnect`, `close`; a client says how in `_check`, `_open`, `_teardown`."""

    def __init__(self) -> None:
        self._connected = False
        self._connecting = asyncio.Lock()
        self._attempt: asyncio.Future[None] | None = None  # a connect under way
        self._abandoned = False

    # -- what a client says ------------------------------------------------------------

    def _check(self) -> None:
        """Raise ConfigError if connecting cannot work; nothing is open yet."""

    async def _open(self) -> None:
        """Open everything; what was opened before an error is closed by `_teardown`."""
        raise NotImplementedError

    async def _teardown(self, why: str) -> None:
        """Close everything, whatever of it is open."""
        raise NotImplementedError

    def _wipe(self) -> None:
        """Give up for good what only `close` may end, such as a key."""

    # -- what a caller uses ------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def connect(self) -> None:
        """Load what is needed, open the private streams, and wait until all have spoken.

        Raises
        ------
        ConfigError
            It cannot work with these settings; nothing was opened.
        VenueError, AuthenticationError
            The venue refused.
        TransportError, RequestTimeout
            It could not be reached, or streams stayed silent.
        ClientError
            `disconnect` was called meanwhile.
        """
        async with self._connecting:
            if self._connected:
                return
            self._check()
            attempt = asyncio.ensure_future(self._open())
            self._attempt = attempt
            try:
                await attempt
            except BaseException as error:
                await self._teardown("connect failed")
                if isinstance(error, asyncio.CancelledError) and self._abandoned:
                    raise ClientError("disconnected while connecting") from None
                raise
            finally:
                self._attempt = None
                self._abandoned = False
            self._connected = True

    async def disconnect(self) -> None:
        """End the connection; what was on its way has an unknown outcome. Idempotent.

        Ends a `connect` under way. The client can `connect` again, and then finds out about what
        was unknown.
        """
        if self._attempt is not None:
            self._abandoned = True
            self._attempt.cancel()
        async with self._connecting:
            self._connected = False
            await self._teardown("disconnected")

    async def close(self) -> None:
        """Disconnect for good and wipe the key."""
        await self.disconnect()
        self._wipe()
