from collections.abc import Callable
from typing import final

from .decoder import SymbolDecoder
from .errors import DecodeError
from .events import EventHandler, InstrumentBase
from .symbols import SymbolTable

__all__ = ["DydxDecoder", "trade_id_of", "trade_id_text"]

@final
class DydxDecoder(SymbolDecoder):
    def __init__(
        self,
        symbols: SymbolTable,
        handler: EventHandler | None = None,
        *,
        on_control: Callable[[str, str, str, int, bytes], object] | None = None,
        on_data: Callable[[str, str, str, int, bytes], object] | None = None,
        on_id: Callable[[int, int, str, str, str], object] | None = None,
        on_lost: Callable[[str, str, int], object] | None = None,
        on_version: Callable[[str, str], object] | None = None,
        on_problem: Callable[[DecodeError, bytes], object] | None = None,
        on_off_scale: Callable[[InstrumentBase], object] | None = None,
        on_unknown_market: Callable[[str], object] | None = None,
    ) -> None: ...
    @property
    def connection_id(self) -> str: ...
    @property
    def next_id(self) -> int: ...
    @property
    def control_messages(self) -> int: ...
    @property
    def data_messages(self) -> int: ...
    @property
    def unknown_markets(self) -> int: ...
    @property
    def id_surprises(self) -> int: ...
    def count_id(self, message_id: int) -> None: ...

def trade_id_of(text: str) -> int: ...
def trade_id_text(trade_id: int) -> str: ...
