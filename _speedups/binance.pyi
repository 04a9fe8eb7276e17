from collections.abc import Callable
from typing import final

from _typeshed import ReadableBuffer

from .errors import DecodeError
from .events import EventHandler, InstrumentBase
from .feed import Decoder
from .symbols import SymbolTable

__all__ = ["BinanceDecoder"]

@final
class BinanceDecoder(Decoder):
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
    def symbols(self) -> SymbolTable: ...
    @property
    def handler(self) -> EventHandler: ...
    @property
    def auto_register(self) -> bool: ...
    @property
    def events(self) -> int: ...
    @property
    def control_messages(self) -> int: ...
    @property
    def venue_events(self) -> int: ...
    @property
    def unknown_symbols(self) -> int: ...
    @property
    def unknown_events(self) -> int: ...
    @property
    def decode_errors(self) -> int: ...
    @property
    def off_scale(self) -> int: ...
    def feed(self, data: ReadableBuffer, ts_init: int = 0) -> None: ...
    def feed_bytes(self, data: bytes, /) -> None: ...
