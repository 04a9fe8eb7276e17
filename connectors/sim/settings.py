"""Settings every simulator has; each venue's `SimConfig` adds its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, Self

__all__ = ["Settings"]


@dataclass(slots=True)
class Settings:
    """How a simulator behaves; `Simulator.configure` may change what is not fixed.

    Parameters
    ----------
    host, port
        Where it listens; port 0 takes a free one.
    tls_cert, tls_key
        PEM files; with them the port speaks https and wss only.
    seed
        Of the market, the accounts and the faults.
    accounts
        Number of accounts with keys made from the seed.
    virtual_start_ms
        None: the machine's clock. Otherwise simulated time starts there and only
        `Simulator.advance` moves it, so that the same script gives the same bytes.
    speed
        How much faster than the machine's clock simulated time passes.
    rate_per_s
        Actions of the simulated traders per second, over all markets. 0: a still market.
    slow_consumer_bytes, max_client_frame
        What the venue buffers for one socket, and the largest frame it takes.
    fault_interval_s, fault_kinds
        The scenario makes one of these faults so often; the seed decides which and on whom.

    Class attributes
    ----------------
    scenarios
        What each scenario changes, by name.
    fixed, hidden
        What may not change while the simulator runs, and what `shown` leaves out.
    """

    host: str = "127.0.0.1"
    port: int = 0
    tls_cert: str | None = None
    tls_key: str | None = None
    seed: int = 1
    accounts: int = 2
    virtual_start_ms: int | None = None
    speed: float = 1.0
    scenario: str = "calm"
    rate_per_s: float = 50.0
    slow_consumer_bytes: int = 64 << 20
    max_client_frame: int = 4 << 20
    fault_interval_s: float = 0.0
    fault_kinds: tuple[str, ...] = ()

    scenarios: ClassVar[Mapping[str, Mapping[str, Any]]] = {"calm": {}}
    fixed: ClassVar[frozenset[str]] = frozenset(
        {
            *("host", "port", "tls_cert", "tls_key", "seed", "accounts", "virtual_start_ms"),
            *("scenario", "speed"),
        }
    )
    hidden: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Raise ValueError if a setting is out of range."""

    @classmethod
    def of(cls, scenario: str = "calm", **changes: Any) -> Self:
        """Return the settings of a named scenario with some of them changed.

        Raises
        ------
        ValueError
            There is no such scenario, or a setting is out of range.
        TypeError
            There is no such setting.
        """
        known = cls.scenarios
        if scenario not in known:
            raise ValueError(f"unknown scenario {scenario!r}, known: {', '.join(known)}")
        return replace(cls(scenario=scenario), **{**known[scenario], **changes})

    def set(self, changes: Mapping[str, Any]) -> None:
        """Change settings of a running simulator, all of them or none.

        Raises
        ------
        ValueError
            A setting is fixed or unknown, or its value is out of range.
        """
        adjustable = {item.name for item in fields(self)} - self.fixed
        for name in changes:
            if name not in adjustable:
                raise ValueError(f"{name!r} cannot be changed while the simulator runs")
        before = {name: getattr(self, name) for name in changes}
        for name, value in changes.items():
            setattr(self, name, tuple(value) if isinstance(before[name], tuple) else value)
        try:
            self.check()
        except ValueError:
            for name, value in before.items():
                setattr(self, name, value)
            raise

    def shown(self) -> dict[str, Any]:
        """Return the settings that hold no secret."""
        return {name: value for name, value in asdict(self).items() if name not in self.hidden}
