"""The table that turns a symbol on the wire into an instrument."""

from libc.stdint cimport int32_t, uint32_t, uint64_t

from connectors._speedups._csrc cimport tw_symbol_add, tw_symbol_find, tw_symbols_free
from connectors._speedups.events cimport EventFlag, InstrumentBase

__all__ = ["SymbolTable"]


cdef class SymbolTable:
    """Numbers symbols densely from 0 and keeps the instrument of each.

    A number never changes its symbol; its instrument can be replaced at any time (a new tick
    size), and events made before keep the one they were decoded with. Belongs to one thread.
    """

    def __cinit__(self):
        self._instruments = []
        self._names = []

    def __dealloc__(self):
        tw_symbols_free(&self.table)

    def add(self, InstrumentBase instrument not None, *, str alias=None):
        """Add an instrument, or replace the one of the same symbol; return its number.

        Parameters
        ----------
        alias : str, optional
            The name it has on the wire where that is not `instrument.symbol` (a pair, a
            continuous contract); an alias has a number of its own.
        """
        cdef str name = instrument.symbol if alias is None else alias
        if not name or len(name) > 100:
            raise ValueError(f"symbol must have 1 to 100 characters, got {len(name)}")
        # The decoder takes a name it finds here for a sound JSON string without looking closer.
        if any(c in '"\\' or c < " " for c in name):
            raise ValueError(f"symbol {name!r} has a quote, backslash or control character")
        return self.add_name(name.encode(), instrument)

    cdef int32_t add_name(self, bytes name, InstrumentBase instrument) except -1:
        cdef int32_t number = tw_symbol_find(&self.table, name, len(name))
        if number < 0:
            number = tw_symbol_add(&self.table, name, len(name))
            if number < 0:
                raise MemoryError()
            self._names.append(name)
            self._instruments.append(instrument)
        else:
            self._instruments[number] = instrument
        self.table.symbols[number].price.mantissa = instrument.price_scale.mantissa
        self.table.symbols[number].price.decimals = instrument.price_scale.decimals
        self.table.symbols[number].size.mantissa = instrument.size_scale.mantissa
        self.table.symbols[number].size.decimals = instrument.size_scale.decimals
        self.version += 1
        return number

    def find(self, str symbol not None):
        """Return the number of a symbol or alias, -1 when it is not there."""
        cdef bytes name = symbol.encode()
        return tw_symbol_find(&self.table, name, len(name))

    def instrument(self, int32_t number):
        """Return the instrument with that number; IndexError when there is none."""
        if not 0 <= number < self.table.count:
            raise IndexError(f"no symbol has number {number}")
        return self._instruments[number]

    def symbol(self, int32_t number):
        """Return the name on the wire of that number; IndexError when there is none."""
        if not 0 <= number < self.table.count:
            raise IndexError(f"no symbol has number {number}")
        return self._names[number].decode()

    def set_depth_mode(self, int32_t number, *, bint partial=False, bint rpi=False):
        """Say what depth messages of that symbol are, where the frame itself cannot tell.

        Diff, partial and RPI depth share one event name (BN-F-06); by default they are diffs.
        """
        if not 0 <= number < self.table.count:
            raise IndexError(f"no symbol has number {number}")
        cdef uint32_t flags = 0
        if partial:
            flags |= EventFlag.PARTIAL
        if rpi:
            flags |= EventFlag.RPI
        self.table.symbols[number].depth_flags = flags

    def __len__(self):
        return self.table.count

    def __contains__(self, str symbol not None):
        return self.find(symbol) >= 0

    def __repr__(self):
        return f"<SymbolTable {self.table.count} symbols>"
