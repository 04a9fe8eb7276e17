from collections.abc import Callable
from typing import final

from .decoder import SymbolDecoder
from .errors import DecodeError
from .events import EventHandler, InstrumentBase
from .symbols import SymbolTable

__all__ = ["BinanceDecoder"]

@final
class BinanceDecoder(SymbolDecoder):
    def __init__(
        self,
        symbols: SymbolTable,
        handler: EventHandler,
        *,
        on_control: Callable[[bytes], object] | None = None,
        on_venue_event: Callable[[str, bytes, str | None], object] | None = None,
        on_problem: Callable[[DecodeError, bytes], object] | None = None,
        on_off_scale: Callable[[InstrumentBase], object] | None = None,
        auto_register: bool = False,
    ) -> None: ...
    @property
    def auto_register(self) -> bool: ...
    @property
    def control_messages(self) -> int: ...
    @property
    def venue_events(self) -> int: ...
    @property
    def unknown_symbols(self) -> int: ...
    @property
    def unknown_events(self) -> int: ...
