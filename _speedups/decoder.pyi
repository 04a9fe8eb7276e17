from collections.abc import Callable

from _typeshed import ReadableBuffer

from .errors import DecodeError
from .events import EventHandler, InstrumentBase
from .feed import Decoder
from .symbols import SymbolTable

__all__ = ["SymbolDecoder"]

class SymbolDecoder(Decoder):
    @property
    def symbols(self) -> SymbolTable: ...
    @property
    def handler(self) -> EventHandler: ...
    @property
    def events(self) -> int: ...
    @property
    def decode_errors(self) -> int: ...
    @property
    def row_errors(self) -> int: ...
    @property
    def off_scale(self) -> int: ...
    def __init__(
        self,
        symbols: SymbolTable,
        handler: EventHandler | None = None,
        *,
        on_problem: Callable[[DecodeError, bytes], object] | None = None,
        on_off_scale: Callable[[InstrumentBase], object] | None = None,
    ) -> None: ...
    def feed(self, data: ReadableBuffer, ts_init: int = 0) -> None: ...
    def feed_bytes(self, data: bytes, /) -> None: ...
