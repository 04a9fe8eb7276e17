"""Who signed: the hash of an envelope and the address its signature recovers (section 9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .actions import USER_SIGNED, address, canonical_action
from .crypto import digest, keccak, pack, parse_signature, recover
from .errors import Malformed

__all__ = [
    "Envelope",
    "Post",
    "action_hash",
    "l1_digest",
    "read_envelope",
    "read_post",
    "user_signed_digest",
]

_DOMAIN_TYPE = keccak(
    b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
_AGENT_TYPE = keccak(b"Agent(string source,bytes32 connectionId)")
_L1_CHAIN = 1337


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def _domain(name: str, chain_id: int) -> bytes:
    return keccak(_DOMAIN_TYPE + keccak(name.encode()) + keccak(b"1") + _word(chain_id) + bytes(32))


_L1_DOMAIN = _domain("Exchange", _L1_CHAIN)
_SOURCES = {True: keccak(b"a"), False: keccak(b"b")}


def action_hash(
    action: Any, nonce: int, vault_address: str | None, expires_after: int | None
) -> bytes:
    """Return the connection id: the hash of packed action, nonce, vault and expiry (9.1)."""
    data = pack(action) + nonce.to_bytes(8, "big")
    if vault_address is None:
        data += b"\x00"
    else:
        data += b"\x01" + bytes.fromhex(vault_address.removeprefix("0x"))
    if expires_after is not None:
        data += b"\x00" + expires_after.to_bytes(8, "big")
    return keccak(data)


def l1_digest(connection_id: bytes, *, mainnet: bool) -> bytes:
    """Return what a wallet signs for an L1 action of this hash."""
    return digest(_L1_DOMAIN, keccak(_AGENT_TYPE + _SOURCES[mainnet] + connection_id))


def _encode(kind: str, value: Any) -> bytes:
    if kind == "string":
        if not isinstance(value, str):
            raise Malformed(f"not a text: {value!r}")
        return keccak(value.encode())
    if kind == "bytes32":
        return bytes(value)
    if kind == "bool":
        if not isinstance(value, bool):
            raise Malformed(f"not a boolean: {value!r}")
        return _word(int(value))
    if kind == "address":
        return bytes(12) + bytes.fromhex(address(value)[2:])
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**64:
        raise Malformed(f"not an unsigned integer: {value!r}")
    return _word(value)


def user_signed_digest(
    primary: str,
    fields: Sequence[tuple[str, str]],
    values: Mapping[str, Any],
    chain_id: int,
) -> bytes:
    """Return what a wallet signs for a user-signed action (9.3)."""
    layout = ",".join(f"{kind} {name}" for name, kind in fields)
    data = keccak(f"HyperliquidTransaction:{primary}({layout})".encode())
    for name, kind in fields:
        if name not in values:
            raise Malformed(f"missing field {name!r}")
        data += _encode(kind, values[name])
    return digest(_domain("HyperliquidSignTransaction", chain_id), keccak(data))


@dataclass(frozen=True, slots=True)
class Envelope:
    """One post to `/exchange`, read and its signer recovered (None: the signature is nobody's)."""

    action: Mapping[str, Any]
    nonce: int
    vault_address: str | None
    expires_after: int | None
    signer: str | None
    user_signed: bool

    @property
    def kind(self) -> str:
        return str(self.action["type"])


_KEYS = {"action", "nonce", "signature", "vaultAddress", "expiresAfter", "isFrontend"}


@dataclass(frozen=True, slots=True)
class Post:
    """The parts of a post around its action."""

    nonce: int
    vault_address: str | None
    expires_after: int | None
    signature: tuple[int, int, int]


def read_post(body: Any, *, low_v: bool) -> Post:
    """Read what surrounds an action. Raises Malformed if the venue could not."""
    if not isinstance(body, Mapping) or set(body) - _KEYS:
        raise Malformed("unknown field in the envelope")
    nonce, expires = body.get("nonce"), body.get("expiresAfter")
    for value in (nonce, *(() if expires is None else (expires,))):
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**64:
            raise Malformed("nonce and expiresAfter are unsigned integers")
    assert isinstance(nonce, int)
    vault = body.get("vaultAddress")
    signature = parse_signature(body.get("signature"), low_v=low_v)
    return Post(nonce, None if vault is None else address(vault), expires, signature)


def read_envelope(body: Any, *, mainnet: bool, low_v: bool = False) -> Envelope:
    """Read a post and recover its signer.

    Raises
    ------
    Malformed
        The venue could not read it.
    """
    post = read_post(body, low_v=low_v)
    action = body.get("action")
    kind = action.get("type") if isinstance(action, Mapping) else None
    around = (post.nonce, post.vault_address, post.expires_after)
    if isinstance(kind, str) and kind in USER_SIGNED:
        assert isinstance(action, Mapping)
        hashed = _user_signed(kind, action)
        return Envelope(action, *around, recover(hashed, post.signature), True)
    read = canonical_action(action)
    hashed = l1_digest(action_hash(read, *around), mainnet=mainnet)
    return Envelope(read, *around, recover(hashed, post.signature), False)


def _user_signed(kind: str, action: Mapping[str, Any]) -> bytes:
    primary, fields = USER_SIGNED[kind]
    known = {"type", "signatureChainId", *(name for name, _ in fields)}
    if action.keys() - known:
        raise Malformed("unknown field in the action")
    chain = action.get("signatureChainId")
    try:
        chain_id = int(str(chain), 16)
    except ValueError:
        raise Malformed(f"not a chain id: {chain!r}") from None
    values = dict(action)
    if kind == "approveAgent" and values.get("agentName") is None:
        values["agentName"] = ""  # an unnamed agent is signed with an empty name (9.3)
    return user_signed_digest(primary, fields, values, chain_id)
