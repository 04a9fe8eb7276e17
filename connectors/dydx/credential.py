"""The key of a dYdX account: from hex digits, a file, a mnemonic or the environment (1.1, 11.1).

Reading an account needs no key, only its address: whoever knows the address can read it. The key
is for transactions.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import unicodedata
from collections.abc import Mapping
from typing import Self

from coincurve import PrivateKey

from ..errors import InvalidKey, SignerClosed
from ..keyfile import key_from_file
from ..settings import Secrets, Variables
from .address import address_of, check_address

__all__ = ["Credential", "wallet_address_from_env"]

VENUE_NAME = "dYdX"
_KEY = re.compile(rb"(?:0[xX])?([0-9a-fA-F]{64})")
_WORD_COUNTS = (12, 15, 18, 21, 24)
_HARDENED = 0x80000000
_PATH = (44 | _HARDENED, 118 | _HARDENED, 0 | _HARDENED, 0)  # m/44'/118'/0'/0
# The order of the curve's group.
_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141


class Credential(Secrets):
    """One private key, and the address that is its own.

    The key appears in no text form of this object and cannot be pickled or copied. `close` wipes
    it; the address stays.

    Parameters
    ----------
    private_key : str or bytes-like
        64 hexadecimal digits, `0x` allowed.
    wallet_address : str, optional
        The account the key acts for, if it is a permissioned key of somebody else's account
        (DX-N-15); otherwise it is the key's own.

    Attributes
    ----------
    address : str
        The account: `wallet_address` where it is given, the key's own address otherwise.
    key_address : str
        The address of the key itself.
    public_key : bytes
        Compressed, 33 bytes.

    Raises
    ------
    InvalidKey
        If it is no private key.
    ConfigError
        If `wallet_address` is no address.
    """

    __slots__ = ("_secret", "address", "key_address", "public_key")
    SECRET = "_secret"

    def __init__(
        self, private_key: str | bytes | bytearray | memoryview, wallet_address: str | None = None
    ) -> None:
        self._secret = bytearray()  # first, so that what is half made can be collected
        if isinstance(private_key, str):
            private_key = private_key.encode(errors="replace")
        digits = _KEY.fullmatch(private_key)
        if digits is None:
            raise InvalidKey("the private key must be 64 hexadecimal digits, 0x allowed")
        self._hold(bytes.fromhex(digits.group(1).decode()), wallet_address)

    def _hold(self, secret: bytes, wallet_address: str | None) -> None:
        if not 0 < int.from_bytes(secret, "big") < _ORDER:
            raise InvalidKey("the private key is not a number the curve can use")
        self._secret = bytearray(secret)
        self.public_key = PrivateKey(secret).public_key.format(compressed=True)
        self.key_address = address_of(self.public_key)
        self.address = self.key_address
        if wallet_address is not None:
            self.address = check_address(wallet_address, "wallet_address")

    @classmethod
    def from_mnemonic(
        cls,
        mnemonic: str,
        *,
        passphrase: str = "",
        index: int = 0,
        wallet_address: str | None = None,
    ) -> Self:
        """Return the credential that wallets derive from a mnemonic: `m/44'/118'/0'/0/{index}`.

        The words are not compared with the list of BIP-39: compare `address` with what your
        wallet shows.

        Raises
        ------
        InvalidKey
            If it has not 12, 15, 18, 21 or 24 words.
        """
        words = unicodedata.normalize("NFKD", mnemonic).split()
        if len(words) not in _WORD_COUNTS:
            raise InvalidKey(
                f"a mnemonic has 12, 15, 18, 21 or 24 words; this text has {len(words)}"
            )
        if not 0 <= index < _HARDENED:
            raise ValueError(f"index must be from 0 to {_HARDENED - 1}, got {index}")
        salt = "mnemonic" + unicodedata.normalize("NFKD", passphrase)
        seed = hashlib.pbkdf2_hmac("sha512", " ".join(words).encode(), salt.encode(), 2048)
        made = cls.__new__(cls)
        made._secret = bytearray()
        made._hold(_derive(seed, (*_PATH, index)), wallet_address)
        return made

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], *, wallet_address: str | None = None) -> Self:
        """Return the credential whose key stands in a file: 64 hexadecimal digits, `0x` allowed.

        White space around the digits does not count. What was read is wiped from memory.

        Raises
        ------
        InvalidKey
            If the file holds anything else.
        OSError
            If it cannot be read.
        """
        with key_from_file(path, 64) as digits:
            return cls(digits, wallet_address)

    @classmethod
    def from_env(
        cls,
        *,
        testnet: bool = False,
        private_key: str | None = None,
        wallet_address: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Self | None:
        """Return the credential of the environment; given values win, blank ones are absent.

        Reads `DYDX_PRIVATE_KEY` and `DYDX_WALLET_ADDRESS`; for the test network
        `DYDX_TESTNET_PRIVATE_KEY` and `DYDX_TESTNET_WALLET_ADDRESS`.

        Returns
        -------
        Credential or None
            None without a private key: see `wallet_address_from_env` for an account that is only
            read.
        """
        variables = Variables(VENUE_NAME, test=testnet, env=env)
        key = variables.get("private_key", private_key)
        if key is None:
            return None
        return cls(key, variables.get("wallet_address", wallet_address))

    def sign_digest(self, digest: bytes) -> bytes:
        """Return the signature of a hash (32 bytes) as the chain wants it: r and s, 64 bytes.

        Deterministic (RFC 6979), with the low of the two possible s.

        Raises
        ------
        SignerClosed
            If the key was wiped.
        """
        if not self._secret:
            raise SignerClosed("the credential is closed: its key is gone")
        if len(digest) != 32:
            raise ValueError(f"a hash has 32 bytes, this has {len(digest)}")
        key = PrivateKey(bytes(self._secret))
        return key.sign_recoverable(digest, hasher=None)[:64]

    def close(self) -> None:
        """Wipe the key. Can be called again."""
        self._secret[:] = bytes(len(self._secret))
        self._secret.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def wallet_address_from_env(
    address: str | None = None, *, testnet: bool = False, env: Mapping[str, str] | None = None
) -> str | None:
    """Return the address of the environment's account; None where no variable names one.

    Raises
    ------
    ConfigError
        If it is no address.
    """
    found = Variables(VENUE_NAME, test=testnet, env=env).get("wallet_address", address)
    return None if found is None else check_address(found, "wallet_address")


def _derive(seed: bytes, path: tuple[int, ...]) -> bytes:
    """Return the private key at a path below a seed (BIP-32)."""
    both = hmac.digest(b"Bitcoin seed", seed, "sha512")
    key, chain = both[:32], both[32:]
    for step in path:
        if step & _HARDENED:
            data = b"\0" + key
        else:
            data = PrivateKey(key).public_key.format(compressed=True)
        both = hmac.digest(chain, data + step.to_bytes(4, "big"), "sha512")
        added, chain = int.from_bytes(both[:32], "big"), both[32:]
        total = (added + int.from_bytes(key, "big")) % _ORDER
        if added >= _ORDER or total == 0:  # one in 2**127
            raise InvalidKey("this mnemonic has no key at this index: take the next one")
        key = total.to_bytes(32, "big")
    return key
