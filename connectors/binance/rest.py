"""Public REST endpoints of Binance Futures, within the weight budget (section 14).

USD-M and COIN-M count against one budget per address, so all clients of a process share one
counter for each environment (BN-P-09, BN-P-10, BN-R-40).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from .._speedups.events import BookUpdate
from ..errors import ClientError, PrecisionError, ProtocolError, Unsupported
from ..model import Instrument
from ..net.attempts import is_loopback
from ..net.clock import NS_PER_MS
from ..net.weights import WeightCounter, WeightWindow
from .config import Config, Product
from .instruments import ExchangeInfo, parse_exchange_info
from .rest_errors import classifier

if TYPE_CHECKING:
    from ..net.http import HttpClient

__all__ = ["DEPTH_LIMITS", "BinanceRest", "depth_weight", "klines_weight", "shared_weights"]

WEIGHT = "weight"
WEIGHT_HEADER = "x-mbx-used-weight-1m"
WEIGHT_WAIT_S = 90.0  # more than a window: a snapshot rather waits than fails
CLOCK_SAMPLES = 3

DEPTH_LIMITS = (5, 10, 20, 50, 100, 500, 1000)

_weights: dict[str, WeightCounter] = {}


def shared_weights(config: Config) -> WeightCounter:
    """Return the counter that all clients of this process share for the config's address."""
    url = config.endpoints.rest
    parts = urlsplit(url)
    host = parts.hostname or ""
    # On this machine each port is another venue; the real one counts by environment.
    key = f"{host}:{parts.port}" if is_loopback(host) else str(config.environment)
    counter = _weights.get(key)
    if counter is None:
        window = WeightWindow(WEIGHT, 2400, 60.0, header=WEIGHT_HEADER)
        counter = _weights[key] = WeightCounter(window)
    return counter


def depth_weight(limit: int) -> int:
    """Return what a snapshot of `limit` levels costs."""
    return 2 if limit <= 50 else 5 if limit <= 100 else 10 if limit <= 500 else 20


def klines_weight(limit: int) -> int:
    """Return what `limit` candles cost."""
    return 1 if limit < 100 else 2 if limit < 500 else 5 if limit <= 1000 else 10


class BinanceRest:
    """Reads of public data. Opened by its first request; close it.

    Parameters
    ----------
    config :
        Product, hosts, time-outs.
    http :
        In place of an own client.
    weights :
        In place of the counter shared by the process.

    Attributes
    ----------
    clock_offset_ns :
        The venue's clock minus ours (BN-R-03).
    """

    def __init__(
        self,
        config: Config,
        *,
        http: HttpClient | None = None,
        weights: WeightCounter | None = None,
    ) -> None:
        self.config = config
        self.weights = weights if weights is not None else shared_weights(config)
        self.clock_offset_ns = 0
        self._http = http

    @property
    def product(self) -> Product:
        """The product whose endpoints are used."""
        return self.config.product

    async def close(self) -> None:
        """Close the connections; a later request opens them again."""
        if self._http is not None:
            http, self._http = self._http, None
            await http.close()

    # ---- clock and instruments ----------------------------------------------------------------

    async def ping(self) -> None:
        """Ask whether the venue answers."""
        await self._get("v1/ping", {}, 1)

    async def server_time_ns(self) -> int:
        """Return the venue's clock, ns since the epoch."""
        body = await self._get("v1/time", {}, 1)
        return _integer(body, "serverTime") * NS_PER_MS

    async def sync_clock(self) -> int:
        """Measure the venue's clock: the median of three; return `clock_offset_ns`."""
        offsets = []
        for _ in range(CLOCK_SAMPLES):
            before = time.time_ns()
            venue = await self.server_time_ns()
            offsets.append(venue - (before + time.time_ns()) // 2)
        self.clock_offset_ns = int(statistics.median(offsets))
        self.weights.sync(time.time_ns() + self.clock_offset_ns)
        return self.clock_offset_ns

    async def exchange_info(self) -> ExchangeInfo:
        """Return all instruments, and take over the limits the venue publishes (BN-R-41)."""
        info = parse_exchange_info(await self._get("v1/exchangeInfo", {}, 1), self.product)
        for limit in info.rate_limits:
            if limit.kind == "REQUEST_WEIGHT" and limit.interval_s == 60:
                self.weights.set_limit(WEIGHT, limit.limit)
        return info

    # ---- books and trades ---------------------------------------------------------------------

    async def book_snapshot(self, instrument: Instrument, limit: int = 1000) -> BookUpdate:
        """Return the best `limit` levels a side as a snapshot.

        Raises
        ------
        ClientError
            No such limit (BN-MD-18).
        PrecisionError
            A level does not fit the instrument's grid; the snapshot is rejected whole.
        """
        if limit not in DEPTH_LIMITS:
            known = ", ".join(map(str, DEPTH_LIMITS))
            raise ClientError(f"no snapshot of {limit} levels: one of {known}")
        params = {"symbol": instrument.symbol, "limit": limit}
        body = await self._get("v1/depth", params, depth_weight(limit))
        return parse_snapshot(body, instrument)

    async def trades(self, symbol: str, limit: int = 500) -> list[dict[str, Any]]:
        """Return the latest trades, oldest first."""
        return await self._list("v1/trades", {"symbol": symbol, "limit": limit}, 5)

    async def aggregate_trades(
        self,
        symbol: str,
        *,
        from_id: int | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 500,
    ) -> list[dict[str, Any]]:
        """Return aggregate trades, oldest first, by id or by time but not both (BN-R-33)."""
        if from_id is not None and (start_ms is not None or end_ms is not None):
            raise ClientError("ask for aggregate trades by from_id or by time, not both")
        params = {
            "symbol": symbol,
            "fromId": from_id,
            "startTime": start_ms,
            "endTime": end_ms,
            "limit": limit,
        }
        return await self._list("v1/aggTrades", params, 20)

    async def klines(
        self,
        symbol: str,
        interval: str,
        *,
        source: str = "trade",
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 500,
    ) -> list[list[Any]]:
        """Return candles as the venue lists them; `source` is trade, mark, index or premium.

        For "index" the symbol is the pair.
        """
        paths = {
            "trade": ("v1/klines", "symbol"),
            "mark": ("v1/markPriceKlines", "symbol"),
            "index": ("v1/indexPriceKlines", "pair"),
            "premium": ("v1/premiumIndexKlines", "symbol"),
        }
        if source not in paths:
            raise ClientError(f"no source {source!r}: one of {', '.join(paths)}")
        path, name = paths[source]
        params = {
            name: symbol,
            "interval": interval,
            "startTime": start_ms,
            "endTime": end_ms,
            "limit": limit,
        }
        return await self._list(path, params, klines_weight(limit))

    # ---- prices -------------------------------------------------------------------------------

    async def premium_index(self, symbol: str | None = None) -> Any:
        """Return mark price, index price and funding, of one symbol or of all."""
        weight = 1 if symbol is not None and self.product is Product.USDM else 10
        return await self._get("v1/premiumIndex", {"symbol": symbol}, weight)

    async def funding_rates(
        self,
        symbol: str | None = None,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """Return past funding rates, oldest first."""
        if self.product is Product.COINM and symbol is None:
            raise Unsupported("COIN-M gives funding rates by symbol only")
        params = {"symbol": symbol, "startTime": start_ms, "endTime": end_ms, "limit": limit}
        return await self._list("v1/fundingRate", params, 1)

    async def book_tickers(self, symbol: str | None = None) -> Any:
        """Return best bid and ask, of one symbol or of all."""
        return await self._get("v1/ticker/bookTicker", {"symbol": symbol}, 2 if symbol else 5)

    async def price_tickers(self, symbol: str | None = None) -> Any:
        """Return last prices, of one symbol or of all."""
        return await self._get("v1/ticker/price", {"symbol": symbol}, 1 if symbol else 2)

    async def day_tickers(self, symbol: str | None = None) -> Any:
        """Return the 24-hour statistics, of one symbol or of all."""
        return await self._get("v1/ticker/24hr", {"symbol": symbol}, 1 if symbol else 40)

    # ---- transport ----------------------------------------------------------------------------

    async def _list(self, path: str, params: Mapping[str, object], weight: int) -> list[Any]:
        body = await self._get(path, params, weight)
        if not isinstance(body, list):
            raise ProtocolError(f"{path}: expected a list, got {type(body).__name__}")
        return body

    async def _get(self, path: str, params: Mapping[str, object], weight: int) -> Any:
        if self._http is None:
            self._http = self._make_http()
        response = await self._http.get(
            f"{self.product.rest_prefix}/{path}", _query(params), costs={WEIGHT: weight}
        )
        return response.json()

    def _make_http(self) -> HttpClient:
        from ..net.http import HttpClient

        return HttpClient(
            base_url=self.config.endpoints.rest,
            classifier=classifier,
            weights=self.weights,
            timeout_s=self.config.request_timeout_s,
            budget_timeout_s=WEIGHT_WAIT_S,
            proxy=self.config.proxy,
        )


def _query(params: Mapping[str, object]) -> str:
    """Encode once, by RFC 3986; absent values are left out (BN-G-03, BN-C-11)."""
    parts = [
        f"{name}={quote(str(value), safe='-_.~')}"
        for name, value in params.items()
        if value is not None
    ]
    return "&".join(parts)


def parse_snapshot(body: Any, instrument: Instrument) -> BookUpdate:
    """Parse a depth reply into a snapshot on the instrument's grid.

    Raises
    ------
    ProtocolError
        It is not one. A level that does not parse rejects all of it (BN-B-25).
    PrecisionError
        A level is off the grid.
    """
    try:
        price, size = instrument.price_scale.to_ticks, instrument.size_scale.to_ticks
        bids, asks = (
            [(price(level[0]), size(level[1])) for level in body[side]] for side in ("bids", "asks")
        )
        last_seq = int(body["lastUpdateId"])
        ts_event = int(body.get("T") or body.get("E") or 0) * NS_PER_MS
    except PrecisionError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise ProtocolError(
            f"{instrument.symbol}: not a book snapshot: {type(error).__name__} {error}"
        ) from None
    return BookUpdate(
        instrument,
        bids,
        asks,
        is_snapshot=True,
        last_seq=last_seq,
        ts_event=ts_event,
        ts_init=time.time_ns(),
    )


def _integer(body: Any, name: str) -> int:
    value = body.get(name) if isinstance(body, dict) else None
    if not isinstance(value, int):
        raise ProtocolError(f"the reply has no integer {name!r}")
    return value
