"""Signs Hyperliquid actions: a dict in, r, s and v out, in one call.

An action is encoded as MessagePack, hashed with what goes with it and signed; encoding, hashes and
arithmetic are plain C in csrc/hyperliquid, csrc/keccak.h and csrc/secp256k1, and k * G is
libsecp256k1's. What is kept as a secret lives in one C struct per signer, outside of any Python
object, and is wiped when the signer is closed or collected.

`SignerCore` is the base of `connectors.hyperliquid.Signer`, which adds the actions a user signs by
name. There is no way here to sign with a given k: the tests do that with `secp256k1`.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_CheckBuffer, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.errno cimport errno
from libc.stddef cimport size_t
from libc.stdint cimport UINT64_MAX, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy

from connectors._speedups.secp256k1 cimport library, sk_generator_mul, sk_library

from .errors import (
    FieldTypeError,
    ForkError,
    InvalidKey,
    InvalidTransaction,
    SignerClosed,
    SigningError,
)

__all__ = [
    "MAX_POOL",
    "SignerCore",
    "action_hash",
    "checksum_address",
    "encode_action",
    "keccak256",
    "l1_digest",
]

include "hyperliquid_signer_c.pxi"

# Longer actions than this (some twenty orders) take memory from the heap.
cdef enum:
    _LENT = 4096

ctypedef sk_secret _Secret
ctypedef sk_nonce _Nonce


cdef int _draw_nonces(
    sk_nonce *nonces, const sk_secret *secret, tw_entropy *entropy, size_t n, uint64_t counter
) noexcept nogil:
    """Draw nonces for the pool; not 0, with errno, if the system gives no randomness."""
    cdef size_t i
    for i in range(n):
        if sk_nonce_draw(&nonces[i], secret, entropy, counter + i, library()):
            return -1
    return 0


include "signer_life.pxi"
include "hyperliquid_signer_input.pxi"


# --- without a key --------------------------------------------------------------------------------


def keccak256(data):
    """Return the Keccak-256 hash of bytes, 32 bytes, as Ethereum computes it."""
    cdef Py_buffer view
    cdef uint8_t out[32]
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    with nogil:
        tw_keccak256(out, <const uint8_t *>view.buf, <size_t>view.len)
    PyBuffer_Release(&view)
    return PyBytes_FromStringAndSize(<const char *>out, 32)


def checksum_address(address):
    """Return an address (20 bytes or 40 digits) with the checksum of EIP-55 in its capitals."""
    cdef uint8_t data[20]
    _address(address, data, "address")
    return _checksummed(data)


def encode_action(action):
    """Return the MessagePack of an action: what the hash of an action begins with.

    Raises
    ------
    InvalidTransaction
        As in `SignerCore.sign_l1_action`.
    """
    return _pack(action, True)


def _pack(action, bint known):
    """`encode_action`; not `known`: with the general writer even where the fast one would do."""
    cdef uint8_t lent[_LENT]
    cdef hl_out out
    hl_out_start(&out, lent, _LENT)
    try:
        _encode(&out, action, known)
        return PyBytes_FromStringAndSize(<const char *>out.start, <Py_ssize_t>out.size)
    finally:
        hl_out_free(&out)


# What goes with an action into its hash.
cdef struct _tail:
    uint64_t nonce
    uint64_t expires_after
    uint8_t vault[20]
    bint has_vault
    bint expires


cdef int _read_tail(_tail *tail, object nonce, object vault_address, object expires_after) except -1:
    _uint64(nonce, &tail.nonce, "nonce")
    tail.has_vault = vault_address is not None
    if tail.has_vault:
        _address(vault_address, tail.vault, "vault_address")
    tail.expires = expires_after is not None
    if tail.expires:
        _uint64(expires_after, &tail.expires_after, "expires_after")
    return 0


cdef inline int _write(hl_out *out, object action, _tail *tail) except -1:
    _encode(out, action)
    if hl_write_tail(
        out,
        tail.nonce,
        tail.vault if tail.has_vault else NULL,
        &tail.expires_after if tail.expires else NULL,
    ):
        raise MemoryError
    return 0


cdef int _hash_action(
    uint8_t *out, object action, object nonce, object vault_address, object expires_after
) except -1:
    cdef uint8_t lent[_LENT]
    cdef hl_out data
    cdef _tail tail
    _read_tail(&tail, nonce, vault_address, expires_after)
    hl_out_start(&data, lent, _LENT)
    try:
        _write(&data, action, &tail)
        tw_keccak256(out, data.start, data.size)
    finally:
        hl_out_free(&data)
    return 0


def action_hash(action, nonce, vault_address=None, expires_after=None):
    """Return the hash of an action and what goes with it, 32 bytes: EIP-712's connectionId.

    Arguments and errors as in `SignerCore.sign_l1_action`; a list is hashed as well.
    """
    cdef uint8_t out[32]
    _hash_action(out, action, nonce, vault_address, expires_after)
    return PyBytes_FromStringAndSize(<const char *>out, 32)


def l1_digest(action_hash, mainnet=True):
    """Return what is signed for an L1 action with this hash, 32 bytes."""
    cdef uint8_t data[32]
    cdef bint network = _network(mainnet)
    if _fixed_bytes(action_hash, data, 32):
        raise InvalidTransaction(
            "action_hash must be 32 bytes or 64 hexadecimal digits", code="Digest"
        )
    hl_l1_digest(data, data, network)
    return PyBytes_FromStringAndSize(<const char *>data, 32)


# --- with one -------------------------------------------------------------------------------------


cdef str _hex256(const uint8_t *data):
    cdef char text[66]
    text[0] = b"0"
    text[1] = b"x"
    tw_put_hex(text + 2, data, 32)
    return PyUnicode_DecodeASCII(text, 66, NULL)


cdef dict _signature(const sk_signature *signature):
    return {"r": _hex256(signature.r), "s": _hex256(signature.s), "v": 27 + signature.recovery}


cdef class SignerCore(_SignerLife):
    """Holds one private key and signs with it.

    Signatures are deterministic (RFC 6979): bit for bit those of the official SDK. Those that take a
    nonce from the pool are as valid, but differ each time.

    Parameters
    ----------
    private_key : str or bytes-like
        64 hexadecimal digits, `0x` in front or not, as text or as ASCII bytes; or the 32 bytes
        themselves, most significant first. The signer keeps a copy in memory of its own; whoever
        passed the key still holds it, and only a `bytearray` can be wiped by them.
    pool_capacity : int
        How many nonces `precompute` may keep ready; 0, the default, keeps none. At most 65536.

    Raises
    ------
    InvalidKey
        If the key has the wrong length, a character that is no digit, or is 0 or not below n.

    Notes
    -----
    Threads may share a signer: everything but the arithmetic of batches and of `precompute` happens
    under the GIL, and those two read the key and write memory of their own.

    A signer made before a fork goes on signing in the child; its pool is wiped there at the first
    use, and `precompute` raises `ForkError`.
    """

    cdef str _address

    def __init__(self, private_key, *, pool_capacity=0):
        cdef uint8_t key[32]
        cdef uint8_t point[64]
        self._begin(pool_capacity)
        try:
            _read_key(private_key, key)
            if sk_secret_load(self._secret, key) != 0 or sk_generator_mul(library(), point, key) != 0:
                raise InvalidKey("private key: it is 0 or not below n")
        except BaseException:
            self._wipe()
            raise
        finally:
            tw_wipe(key, 32)
        tw_keccak256(point, point, 64)
        self._address = _checksummed(point + 12)
        self._closed = False

    # --- signing ------------------------------------------------------------------------------

    cdef dict _sign(self, const uint8_t *digest):
        cdef sk_nonce nonce
        cdef sk_signature signature
        cdef int failed = 0
        if not self._take(&nonce, 1):
            failed = sk_nonce_for(&nonce, self._secret, digest, library())
        if not failed:
            failed = sk_sign(&signature, &nonce, digest)
        tw_wipe(&nonce, sizeof(nonce))
        if failed:
            raise SigningError("libsecp256k1 refused a nonce in range; nothing was signed")
        self._signed_count += 1
        return _signature(&signature)

    def sign_l1_action(self, action, nonce, vault_address=None, expires_after=None, mainnet=True):
        """Sign an action of the exchange: orders, cancels, modifies, leverage and the like.

        Keeps the GIL: about 26 µs for one order, or 2 µs with a nonce from the pool.

        Parameters
        ----------
        action : dict
            As it will be posted, with its keys in the order of the wire: the venue hashes its own
            form of what it received and finds another signer where that differs. Numbers of
            orders are canonical text (`number_text`). Values are str, int, bool, None, dict, list.
            (A list is signed as well: the payload of a multi-sig.)
        nonce : int
            Unix time in milliseconds, used once; from 0 to 2^64 - 1.
        vault_address : str or bytes, optional
            Of the vault or sub-account that trades: 40 hexadecimal digits of either case, `0x`
            allowed, or 20 bytes.
        expires_after : int, optional
            Unix time in milliseconds after which the venue refuses the action.
        mainnet : bool
            False signs for the testnet.

        Returns
        -------
        dict
            `r` and `s`, 0x and 64 digits each, and `v`, 27 or 28.

        Raises
        ------
        InvalidTransaction
            If a part of the action cannot be encoded, or a number or address is out of range.
        FieldTypeError
            If a value is of a type that is never signed; floats above all.
        SignerClosed
            If the signer is closed.
        """
        cdef uint8_t digest[32]
        cdef bint network = _network(mainnet)
        self._require_open()
        _hash_action(digest, action, nonce, vault_address, expires_after)
        self._require_open()  # reading may have run code of the caller
        hl_l1_digest(digest, digest, network)
        return self._sign(digest)

    def sign_batch(self, entries, mainnet=True):
        """Sign many actions, or none: all are encoded before the first is signed.

        Releases the GIL for hashing and arithmetic, so that batches in several threads run side by
        side, with one signer or with several.

        Parameters
        ----------
        entries : list or tuple
            Of (action, nonce, vault_address, expires_after); the last two may be left out.
        mainnet : bool
            As in `sign_l1_action`, for all of them.

        Returns
        -------
        list of dict

        Raises
        ------
        InvalidTransaction
            As in `sign_l1_action`; `index` and the text say which entry it was.
        """
        cdef uint8_t lent[_LENT]
        cdef size_t n, i, ready_count
        cdef hl_out actions
        cdef size_t *ends = NULL
        cdef sk_signature *signatures = NULL
        cdef sk_nonce *ready = NULL
        cdef bint network = _network(mainnet)
        cdef int failed
        self._require_open()
        if not isinstance(entries, (list, tuple)):
            raise FieldTypeError(
                f"entries must be a list, not {type(entries).__name__}", code="FieldType"
            )
        entries = tuple(entries)
        n = len(entries)
        if n == 0:
            return []
        hl_out_start(&actions, lent, _LENT)
        ends = <size_t *>malloc(n * sizeof(size_t))
        signatures = <sk_signature *>malloc(n * sizeof(sk_signature))
        try:
            if ends == NULL or signatures == NULL:
                raise MemoryError
            for i in range(n):
                _write_entry(&actions, entries[i], i)
                ends[i] = actions.size
            self._require_open()
            if self._pool_size:
                ready = <sk_nonce *>malloc(min(n, self._pool_size) * sizeof(sk_nonce))
                if ready == NULL:
                    raise MemoryError
            ready_count = self._take(ready, n)
            self._busy += 1
            with nogil:
                failed = hl_sign_all(
                    signatures, actions.start, ends, n, network, self._secret, library(), ready,
                    ready_count,
                )
            self._leave()
            if failed:
                raise SigningError("libsecp256k1 refused a nonce in range; nothing was signed")
            self._signed_count += n
            return [_signature(&signatures[i]) for i in range(n)]
        finally:
            hl_out_free(&actions)
            free(ends)
            free(signatures)
            if ready != NULL:
                tw_wipe(ready, ready_count * sizeof(sk_nonce))
            free(ready)

    def sign_digest(self, digest):
        """Sign 32 bytes that are a hash already; whose, the caller answers for.

        Raises
        ------
        InvalidTransaction
            If they are not 32 bytes or 64 hexadecimal digits.
        SignerClosed
            If the signer is closed.
        """
        cdef uint8_t data[32]
        self._require_open()
        if _fixed_bytes(digest, data, 32):
            raise InvalidTransaction("digest must be 32 bytes or 64 hexadecimal digits", code="Digest")
        return self._sign(data)

    # --- what it is ---------------------------------------------------------------------------

    @property
    def address(self):
        """The account's address, with the checksum of EIP-55 in its capitals."""
        return self._address

    def __repr__(self):
        return f"{type(self).__name__}(address={self._address!r}{', closed' if self._closed else ''})"


cdef int _write_entry(hl_out *out, object entry, size_t index) except -1:
    cdef _tail tail
    cdef size_t given
    if not isinstance(entry, (tuple, list)) or not 2 <= len(entry) <= 4:
        raise FieldTypeError(
            "must be (action, nonce, vault_address, expires_after)", code="FieldType", index=index
        )
    given = len(entry)
    try:
        _read_tail(
            &tail,
            entry[1],
            entry[2] if given > 2 else None,
            entry[3] if given > 3 else None,
        )
        _write(out, entry[0], &tail)
    except InvalidTransaction as error:
        raise error.at(index) from None
    return 0
