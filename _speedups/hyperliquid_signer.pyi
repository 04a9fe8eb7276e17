from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

__all__ = [
    "MAX_POOL",
    "SignerCore",
    "action_hash",
    "checksum_address",
    "encode_action",
    "keccak256",
    "l1_digest",
]

_Buffer: TypeAlias = bytes | bytearray | memoryview
_Action: TypeAlias = Mapping[str, Any] | Sequence[Any]
_Entry: TypeAlias = (
    tuple[_Action, int]
    | tuple[_Action, int, str | _Buffer | None]
    | tuple[_Action, int, str | _Buffer | None, int | None]
)
_Signature: TypeAlias = dict[str, Any]

MAX_POOL: Final[int]

def action_hash(
    action: _Action,
    nonce: int,
    vault_address: str | _Buffer | None = None,
    expires_after: int | None = None,
) -> bytes: ...
def checksum_address(address: str | _Buffer) -> str: ...
def encode_action(action: _Action) -> bytes: ...
def keccak256(data: _Buffer) -> bytes: ...
def l1_digest(action_hash: str | _Buffer, mainnet: bool = True) -> bytes: ...

class _SignerLife:
    @property
    def closed(self) -> bool: ...
    @property
    def signed(self) -> int: ...
    @property
    def pool_hits(self) -> int: ...
    @property
    def pool_misses(self) -> int: ...
    @property
    def pool_size(self) -> int: ...
    @property
    def pool_capacity(self) -> int: ...
    def precompute(self, count: int | None = None) -> int: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

class SignerCore(_SignerLife):
    def __init__(self, private_key: str | _Buffer, *, pool_capacity: int = 0) -> None: ...
    @property
    def address(self) -> str: ...
    def sign_l1_action(
        self,
        action: _Action,
        nonce: int,
        vault_address: str | _Buffer | None = None,
        expires_after: int | None = None,
        mainnet: bool = True,
    ) -> _Signature: ...
    def sign_batch(self, entries: Sequence[_Entry], mainnet: bool = True) -> list[_Signature]: ...
    def sign_digest(self, digest: str | _Buffer) -> _Signature: ...
