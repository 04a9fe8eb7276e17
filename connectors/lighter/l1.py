"""The Ethereum side of Lighter: messages that the owner of an account signs with their wallet.

Needed for change-pub-key always, for a transfer to someone else's account, and for approving an
integrator with fees. The signature goes into the field `L1Sig`; it is independent of the signature
of the transaction and may be added later.

Source: section 13 of the signing rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._speedups.lighter_signer import SignedTx
from ..errors import InvalidKey, InvalidTransaction, SigningError
from .transactions import TxType

__all__ = ["L1Signer", "eip191_digest", "l1_message", "with_l1_signature"]

_LAST_LINE = "Only sign this message for a trusted client!"

# Label -> field, in the order of the lines. `chainId` is not a field; transfers have lines of two.
_CHANGE_PUB_KEY = {
    "nonce": "Nonce",
    "account index": "AccountIndex",
    "api key index": "ApiKeyIndex",
}
_APPROVE_INTEGRATOR = {
    "nonce": "Nonce",
    "account index": "AccountIndex",
    "api key index": "ApiKeyIndex",
    "integrator account index": "IntegratorAccountIndex",
    "max perps taker fee": "MaxPerpsTakerFee",
    "max perps maker fee": "MaxPerpsMakerFee",
    "max spot taker fee": "MaxSpotTakerFee",
    "max spot maker fee": "MaxSpotMakerFee",
    "approval expiry": "ApprovalExpiry",
}


def l1_message(chain_id: int, tx_type: int, fields: Mapping[str, Any]) -> str:
    """Return the text that the wallet signs for a transaction of type 8, 12 or 45.

    The fields must be complete and are taken as they are: `tx_hash` or `Signer.sign` check them.

    Raises
    ------
    InvalidTransaction
        If there is no such message for the type, or a field is missing.
    """
    try:
        lines = _lines(chain_id, tx_type, fields)
    except KeyError as error:
        raise InvalidTransaction(f"field {error.args[0]} is missing", code="MissingField") from None
    return "\n".join([*lines, _LAST_LINE])


def _lines(chain_id: int, tx_type: int, fields: Mapping[str, Any]) -> list[str]:
    def number(name: str) -> str:
        return _hex16(fields[name])

    if tx_type == TxType.CHANGE_PUB_KEY:
        return [
            "Register Lighter Account",
            "",
            f"pubkey: 0x{_digits(fields['PubKey'])}",
            *(f"{label}: {number(name)}" for label, name in _CHANGE_PUB_KEY.items()),
        ]
    if tx_type == TxType.TRANSFER:
        return [
            "Transfer",
            "",
            f"nonce: {number('Nonce')}",
            f"from: {number('FromAccountIndex')} (route {number('FromRouteType')})",
            f"api key: {number('ApiKeyIndex')}",
            f"to: {number('ToAccountIndex')} (route {number('ToRouteType')})",
            f"asset: {number('AssetIndex')}",
            f"amount: {number('Amount')}",
            f"fee: {number('USDCFee')}",
            f"chainId: {_hex16(chain_id)}",
            f"memo: {_digits(fields['Memo'])}",
        ]
    if tx_type == TxType.APPROVE_INTEGRATOR:
        return [
            "Approve Integrator",
            "",
            *(f"{label}: {number(name)}" for label, name in _APPROVE_INTEGRATOR.items()),
            f"chainId: {_hex16(chain_id)}",
        ]
    raise InvalidTransaction(
        f"transactions of type {tx_type} carry no L1 signature", code="NoL1Message"
    )


def _hex16(value: int) -> str:
    """Two's complement of 64 bits, as 16 digits."""
    return f"0x{value & 0xFFFF_FFFF_FFFF_FFFF:016x}"


def _digits(value: str | bytes) -> str:
    """Bytes, or their digits with or without `0x`, as lowercase digits."""
    if not isinstance(value, str):
        return bytes(value).hex()
    if len(value) == 32:  # a memo given as 32 characters
        return value.encode().hex()
    return value.removeprefix("0x").removeprefix("0X").lower()


def eip191_digest(message: str) -> bytes:
    """Return what a wallet really signs for a text: keccak-256 with Ethereum's prefix, 32 bytes."""
    from .._speedups.hyperliquid_signer import keccak256

    data = message.encode()
    return keccak256(b"\x19Ethereum Signed Message:\n%d" % len(data) + data)


def with_l1_signature(signed: SignedTx, l1_signature: str) -> SignedTx:
    """Return a transaction of type 8, 12 or 45 with its still empty `L1Sig` filled in.

    Raises
    ------
    InvalidTransaction
        If the signature is not 0x and 130 hexadecimal digits, or there is no empty `L1Sig`.
    """
    digits = l1_signature.removeprefix("0x")
    if len(l1_signature) != 132 or len(digits) != 130 or not _are_digits(digits):
        raise InvalidTransaction(
            "an L1 signature must be 0x and 130 hexadecimal digits", code="L1SigInvalid"
        )
    empty, filled = '"L1Sig":""', f'"L1Sig":"{l1_signature}"'
    if empty not in signed.tx_info:
        raise InvalidTransaction("the transaction has no empty L1Sig", code="L1SigInvalid")
    tx_info = signed.tx_info.replace(empty, filled, 1)
    return SignedTx(signed.tx_type, tx_info, signed.tx_hash, signed.signature)


def _are_digits(text: str) -> bool:
    return not set(text) - set("0123456789abcdefABCDEF")


class L1Signer:
    """Signs L1 messages with an Ethereum private key held in this process.

    Most owners sign in a wallet instead: show them `l1_message` and use `with_l1_signature`.
    The key is in no repr, and the object can be neither copied nor pickled.

    Parameters
    ----------
    private_key : str or bytes
        64 hexadecimal digits, `0x` in front or not, or 32 bytes. The signer keeps a copy in memory
        of its own, wiped when it is collected.

    Attributes
    ----------
    address : str
        The account's address, with the checksum of EIP-55 in its capitals.

    Raises
    ------
    InvalidKey
        If it is not a private key.
    """

    __slots__ = ("_core", "address")

    def __init__(self, private_key: str | bytes) -> None:
        from .._speedups.hyperliquid_signer import SignerCore

        self.address = ""
        self._core: SignerCore | None = None
        try:
            self._core = SignerCore(private_key)
        except (SigningError, TypeError):
            pass  # told below, without what was read so far
        finally:
            # An error carries the frames it passes through, and their variables.
            del private_key
        if self._core is None:
            raise InvalidKey("an Ethereum private key must be 32 bytes, neither 0 nor too large")
        self.address = self._core.address

    def sign(self, message: str) -> str:
        """Return the signature of a text for `L1Sig`: 0x, r, s and v (27 or 28), 132 characters.

        Deterministic (RFC 6979) with the smaller of the two values of s.
        """
        assert self._core is not None
        signature = self._core.sign_digest(eip191_digest(message))
        parts = (signature["r"], signature["s"])
        return f"0x{''.join(part[2:] for part in parts)}{signature['v']:02x}"

    def __repr__(self) -> str:
        return f"L1Signer(address={self.address!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a signer holds a private key: it can be neither copied nor pickled")
