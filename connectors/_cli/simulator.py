"""A venue's simulator in a process of its own, for the commands that need one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from typing import Any, Self
from urllib.parse import urlsplit

from ..binance import Config, Product
from ..errors import ConnectorError, TransportError

__all__ = ["SimulatorAdmin", "SimulatorProcess", "sim_config"]

START_S = 20.0
STOP_S = 5.0
LINE_BYTES = 1 << 20


def sim_config(http_url: str, product: Product | str, **settings: Any) -> Config:
    """Return the settings with which a client talks to a simulator instead of the venue."""
    product = Product(product)
    streams = "ws" + http_url.rstrip("/").removeprefix("http")
    if product is Product.COINM:
        streams += "/dstream/ws"
    return Config(
        product=product,
        rest_url=http_url,
        stream_url=streams,
        routed=product.is_routed,
        **settings,
    )


class SimulatorProcess:
    """Runs `connectors sim VENUE ...` as long as the `async with` lasts.

    Attributes
    ----------
    ready : dict
        The line the simulator printed: addresses and accounts.
    """

    def __init__(self, venue: str, *options: str) -> None:
        self._arguments = ["-m", "connectors", "sim", venue, *options]
        self._process: asyncio.subprocess.Process | None = None
        self.ready: dict[str, Any] = {}

    @property
    def http_url(self) -> str:
        """What its REST paths begin with."""
        return str(self.ready["http"])

    @property
    def root_url(self) -> str:
        """Root of its port, for `SimulatorAdmin`."""
        return urlsplit(self.http_url)._replace(path="").geturl()

    async def __aenter__(self) -> Self:
        # -P: the installed package, whatever the current directory holds.
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            *self._arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_BYTES,
        )
        self._process = process
        assert process.stdout is not None
        try:
            async with asyncio.timeout(START_S):
                line = await process.stdout.readline()
            self.ready = json.loads(line)
        except (TimeoutError, ValueError) as error:
            await self._stop()
            raise TransportError(
                f"the simulator did not start (exit status {process.returncode}): "
                "what it said stands above"
            ) from error
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stop()

    async def _stop(self) -> int | None:
        """Ask it to end, insist after five seconds; return its exit status."""
        process = self._process
        if process is None:
            return None
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        return process.returncode


class SimulatorAdmin:
    """The simulator's control endpoint: its own view of what happened, and faults on demand."""

    def __init__(self, http_url: str) -> None:
        import aiohttp

        self._url = http_url
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))

    async def get(self, name: str, **query: str) -> Any:
        async with self._http.get(f"{self._url}/_sim/{name}", params=query) as response:
            return self._checked(name, response.status, await response.json())

    async def post(self, name: str, **body: Any) -> Any:
        async with self._http.post(f"{self._url}/_sim/{name}", json=body) as response:
            return self._checked(name, response.status, await response.json())

    @staticmethod
    def _checked(name: str, status: int, answer: Any) -> Any:
        if status != 200:
            raise ConnectorError(f"the simulator refused {name!r}: {answer}")
        return answer

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.close()
