from collections.abc import Callable
from typing import final

from .decoder import SymbolDecoder
from .errors import DecodeError
from .events import EventHandler, InstrumentBase
from .symbols import SymbolTable

__all__ = ["IbkrDecoder"]

@final
class IbkrDecoder(SymbolDecoder):
    def __init__(
        self,
        symbols: SymbolTable,
        handler: EventHandler | None = None,
        *,
        on_cold: Callable[[bytes, int], object] | None = None,
        on_fields: Callable[[int, bytes, int], object] | None = None,
        on_line: Callable[[int], object] | None = None,
        on_halted: Callable[[InstrumentBase, bool], object] | None = None,
        on_empty_side: Callable[[InstrumentBase, bool, bool], object] | None = None,
        on_problem: Callable[[DecodeError, bytes], object] | None = None,
        on_off_scale: Callable[[InstrumentBase], object] | None = None,
    ) -> None: ...
    @property
    def market_data_messages(self) -> int: ...
    @property
    def cold_messages(self) -> int: ...
    @property
    def unreadable_values(self) -> int: ...
    @property
    def approximate_values(self) -> int: ...
    @property
    def time_regressions(self) -> int: ...
    def open_line(
        self, number: int, *, want_fields: bool = False, size_factor: int = 1
    ) -> None: ...
    def close_line(self, number: int) -> None: ...
    def clear_line(self, number: int) -> None: ...
    def clear_lines(self) -> None: ...
    def await_line(self, number: int) -> None: ...
    def line_age(self, number: int) -> int: ...
    def line_frames(self, number: int) -> int: ...
