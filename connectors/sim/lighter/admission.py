"""The API node: what it checks before it takes a transaction, in this order (18.2.3).

tx_info parses (21501), type is known (21505), account (21102) and key (21109) exist, ExpiredAt is
ahead, nonce is the expected one (21104, in a batch 21105), signature fits an allowed chain (21120),
batch of at most 50 (21514) from one owner (21121) with equal lengths (21513), the order itself
when `precheck` is on, limits and quota (23000). Only then are nonces used and the transactions
queued; a batch is taken whole or not at all.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..clock import NS_PER_MS
from ..engine_order import Side
from .accounts import Account, ApiKey
from .changes import TxRow
from .errors import Refused
from .exchange import Exchange
from .execution import Execution
from .orders import POST_ONLY, is_limit_kind
from .rules import precheck
from .tx import CANCEL_ALL, CREATE, GROUP, MODIFY, Tx, TxParser, tx_hashes, verify

__all__ = ["Accepted", "Admission"]

MAX_BATCH = 50
SKIP_NONCE = 4
MAX_NONCE = 1 << 47
WINDOW_MS = 60_000
SENDS_PER_MINUTE = {0: 60, 1: 4_000, 2: 8_000, 3: 40_000}
QUOTA_TYPES = frozenset({CREATE, MODIFY, CANCEL_ALL, GROUP})


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the venue answers to transactions it took."""

    hashes: list[str]
    executes_at_ms: int
    quota: int


class Admission:
    """Takes transactions and hands them on when their time has come."""

    def __init__(self, exchange: Exchange, execution: Execution) -> None:
        self.exchange = exchange
        self.execution = execution
        self._due: list[tuple[int, int, TxRow]] = []
        self._number = 0

    def admit(self, types: Sequence[Any], infos: Sequence[Any], *, batch: bool) -> Accepted:
        """Check and queue transactions. Raises Refused and then has changed nothing."""
        self.run_due()  # what was accepted before is on its books by now
        exchange = self.exchange
        txs = [TxParser.parse(tx_type, info) for tx_type, info in zip(types, infos, strict=False)]
        owners = [self._owner(tx) for tx in txs]
        now_ms = exchange.clock.now_ms()
        for tx in txs:
            if tx.expired_at_ms <= now_ms:
                raise Refused(21501, "transaction is expired")
        if exchange.config.check_nonces:
            self._check_nonces(txs, owners)
        digests = [self._digest(tx, key) for tx, (_, key) in zip(txs, owners, strict=True)]
        if batch:
            if max(len(types), len(infos)) > MAX_BATCH:
                raise Refused(21514)
            if len({id(key) for _, key in owners}) > 1:
                raise Refused(21121)
            if len(types) != len(infos) or not txs:
                raise Refused(21513)
        if exchange.config.precheck:
            # An order that is still on its way cannot be looked up, and may be in this very batch.
            lookups = not (batch or self._due)
            for tx, (account, key) in zip(txs, owners, strict=True):
                precheck(exchange, account, key, tx, lookups=lookups)
        self._charge(txs, owners, now_ms)
        return self._queue(txs, owners, digests, now_ms)

    def _owner(self, tx: Tx) -> tuple[Account, ApiKey]:
        account = self.exchange.account(tx.account_index)
        return account, self.exchange.key(account, tx.api_key_index)

    @staticmethod
    def _check_nonces(txs: Sequence[Tx], owners: Sequence[tuple[Account, ApiKey]]) -> None:
        expected: dict[int, int] = {}
        for tx, (_, key) in zip(txs, owners, strict=True):
            first = id(key) not in expected
            wanted = expected.get(id(key), key.nonce)
            skips = tx.attributes.get(SKIP_NONCE) == 1 and wanted <= tx.nonce < MAX_NONCE
            if tx.nonce != wanted and not skips:
                raise Refused(21104 if first else 21105)
            expected[id(key)] = tx.nonce + 1

    def _digest(self, tx: Tx, key: ApiKey) -> str:
        """Return the hash that was signed. Raises Refused, 21120."""
        config = self.exchange.config
        chains = config.chain_ids
        if not config.verify:
            return tx_hashes(tx, chains[:1])[0].hex()
        start = key.chain if key.chain < len(chains) else 0
        for number in (start, *(n for n in range(len(chains)) if n != start)):
            digest = tx_hashes(tx, chains[number : number + 1])[0]
            if verify(key.public_key, digest, tx.signature):
                key.chain = number
                return digest.hex()
        raise Refused(21120)

    def _charge(
        self, txs: Sequence[Tx], owners: Sequence[tuple[Account, ApiKey]], now_ms: int
    ) -> None:
        """Count against rate and volume quota, where they are enforced (15)."""
        if not self.exchange.config.limits:
            return
        account = owners[0][0]
        sent = account.sent_at_ms
        while sent and sent[0] <= now_ms - WINDOW_MS:
            sent.popleft()
        if len(sent) + len(txs) > SENDS_PER_MINUTE.get(account.tier, 60):
            raise Refused(23000)
        cost = sum(tx.tx_type in QUOTA_TYPES for tx in txs)
        if cost > account.quota:
            raise Refused(23000, " Not enough volume quota")
        account.quota -= cost
        sent.extend([now_ms] * len(txs))

    def _queue(
        self,
        txs: Sequence[Tx],
        owners: Sequence[tuple[Account, ApiKey]],
        digests: Sequence[str],
        now_ms: int,
    ) -> Accepted:
        latest_ns = now_ns = self.exchange.clock.elapsed_ns()
        for tx, (_, key), digest in zip(txs, owners, digests, strict=True):
            key.nonce = max(key.nonce, tx.nonce + 1)
            row = self.exchange.record(tx, digest)
            due_ns = now_ns + int(self._latency_ms(tx) * NS_PER_MS)
            latest_ns = max(latest_ns, due_ns)
            if self.exchange.config.execute:
                self._number += 1
                heapq.heappush(self._due, (due_ns, self._number, row))
        executes_at_ms = now_ms + (latest_ns - now_ns) // NS_PER_MS
        return Accepted(list(digests), executes_at_ms, owners[0][0].quota)

    def _latency_ms(self, tx: Tx) -> float:
        """Return the delay before execution; takers wait longer (15)."""
        config = self.exchange.config
        if tx.tx_type != CREATE or tx["TimeInForce"] == POST_ONLY:
            return config.maker_latency_ms
        market = self.exchange.markets.get(tx["MarketIndex"])
        if market is None or tx["TriggerPrice"]:
            return config.maker_latency_ms
        price = tx["Price"] if is_limit_kind(tx["Type"]) else None
        book = self.exchange.engine.book(market.key)
        takes = book.would_take(Side.SELL if tx["IsAsk"] else Side.BUY, price)
        return config.taker_latency_ms if takes else config.maker_latency_ms

    @property
    def waiting(self) -> int:
        return len(self._due)

    def run_due(self) -> bool:
        """Execute what is due; true if anything was."""
        now_ns = self.exchange.clock.elapsed_ns()
        ran = False
        while self._due and self._due[0][0] <= now_ns:
            row = heapq.heappop(self._due)[2]
            self.execution.run(row)
            ran = True
        return ran
