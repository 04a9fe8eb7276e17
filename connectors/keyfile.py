"""Private keys in files, read without leaving copies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import InvalidKey

__all__ = ["key_from_file"]

_SIZE_MAX = 256


@contextmanager
def key_from_file(path: str | os.PathLike[str], digits: int) -> Iterator[memoryview]:
    """Lend what stands in a key file, without the white space around it; wipe it afterwards.

    Parameters
    ----------
    path : str or path-like
        A file that holds hexadecimal digits, `0x` allowed, and white space.
    digits : int
        How many a key of this kind has: for the text of errors, and because half as many
        characters would count as the bytes of a key.

    Raises
    ------
    InvalidKey
        If it is too long, or as long as a key that is not in digits. Whether the characters are
        digits is for the signer to see.
    OSError
        If it cannot be read.
    """
    data = bytearray(_SIZE_MAX + 1)
    try:
        with open(path, "rb", buffering=0) as file:
            size = file.readinto(data)
        start, end = 0, min(size, _SIZE_MAX)
        while start < end and data[start] in b" \t\r\n":
            start += 1
        while end > start and data[end - 1] in b" \t\r\n":
            end -= 1
        if size > _SIZE_MAX or end - start == digits // 2:
            raise InvalidKey(f"the key file must hold {digits} hexadecimal digits and nothing else")
        with memoryview(data)[start:end] as key:
            yield key
    finally:
        data[:] = bytes(len(data))
