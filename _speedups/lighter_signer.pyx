"""Signs Lighter transactions: fields in, hash, signature and tx_info out, in one call.

A dict of fields is read once into a C struct, checked, hashed, signed and written out again; the
cryptography and all of the format is plain C in csrc/lighter, csrc/lighter_tx and csrc/secret. What is kept as a
secret lives in one C struct per signer, outside of any Python object, and is wiped when the signer
is closed or collected.

`SignerCore` is the base of `connectors.lighter.Signer`, which adds one method for each transaction.
There is no way here to sign with a given k: the tests do that with `lighter_core`.
"""

import sys
import time
from collections.abc import Mapping

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_CheckBuffer, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.errno cimport errno
from libc.stddef cimport size_t
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy, memset


from .errors import (
    FieldTypeError,
    ForkError,
    InvalidKey,
    InvalidTransaction,
    SignerClosed,
    SigningError,
)

__all__ = ["MAX_POOL", "SignedTx", "SignerCore", "error_texts", "tx_hash", "verify"]

include "lighter_signer_c.pxi"

# Field names as interned str, by type: a dict with literal keys is then searched by identity.
cdef list _BODY = [None] * LTX_TYPE_LIMIT
cdef list _ACCOUNT = [None] * LTX_TYPE_LIMIT
cdef int _number, _place
for _number in range(LTX_TYPE_LIMIT):
    if ltx_type_exists(_number):
        _ACCOUNT[_number] = sys.intern(LTX_TYPES[_number].account.name.decode())
        _BODY[_number] = tuple(
            [sys.intern(LTX_TYPES[_number].body[_place].name.decode())
             for _place in range(LTX_TYPES[_number].body_count)]
        )

cdef uint64_t _LIMB_END = 0xFFFFFFFF00000001  # p
ctypedef ltx_secret _Secret
ctypedef lt_nonce _Nonce


cdef int _draw_nonces(
    lt_nonce *nonces, const ltx_secret *secret, tw_entropy *entropy, size_t n, uint64_t counter
) noexcept nogil:
    """Draw nonces for the pool; not 0, with errno, if the system gives no randomness."""
    return ltx_nonces_for(nonces, secret, entropy, NULL, n, counter)


include "signer_life.pxi"


def error_texts():
    """Return the text of each code, as the venue's own signer words it."""
    return {
        LTX_CODES[i].decode(): LTX_TEXTS[i].decode() for i in range(LTX_OK + 1, LTX_ERROR_COUNT)
    }


include "lighter_signer_input.pxi"


# --- what comes out -----------------------------------------------------------------------------


cdef str _hex(const uint8_t *data, size_t size):
    cdef char text[160]
    tw_put_hex(text, data, size)
    return PyUnicode_DecodeASCII(text, <Py_ssize_t>(2 * size), NULL)


@cython.final
@cython.freelist(64)
@cython.no_gc
cdef class SignedTx:
    """A signed transaction, ready to be sent. Immutable.

    Attributes
    ----------
    tx_type : int
        The number of its type; travels beside `tx_info`.
    tx_info : str
        Compact JSON with the signature in it, byte for byte as the official library writes it.
    tx_hash : str
        80 hexadecimal digits: what was signed, and what the venue calls the transaction.
    signature : bytes
        s and e, 40 bytes each.
    """

    cdef readonly int tx_type
    cdef readonly str tx_info
    cdef str _hash_text
    cdef uint8_t _hash[40]
    cdef uint8_t _signature[80]

    def __init__(self, tx_type, str tx_info not None, tx_hash, signature):
        if _bytes_or_hex(tx_hash, self._hash, 40, "tx_hash", -1):
            raise ValueError("tx_hash must be 80 hexadecimal digits")
        if _bytes_or_hex(signature, self._signature, 80, "signature", -1):
            raise ValueError("signature must be 80 bytes")
        self.tx_type = _tx_type(tx_type)
        self.tx_info = tx_info
        self._hash_text = None

    @property
    def tx_hash(self):
        if self._hash_text is None:
            self._hash_text = _hex(self._hash, 40)
        return self._hash_text

    @property
    def signature(self):
        return PyBytes_FromStringAndSize(<const char *>self._signature, 80)

    def __eq__(self, other):
        cdef SignedTx that
        if not isinstance(other, SignedTx):
            return NotImplemented
        that = <SignedTx>other
        return (
            self.tx_type == that.tx_type
            and memcmp(self._hash, that._hash, 40) == 0
            and memcmp(self._signature, that._signature, 80) == 0
            and self.tx_info == that.tx_info
        )

    def __hash__(self):
        return hash((self.tx_type, self.tx_info))

    def __repr__(self):
        return f"SignedTx(tx_type={self.tx_type}, tx_hash={self.tx_hash!r})"

    def __reduce__(self):
        return SignedTx, (self.tx_type, self.tx_info, self.tx_hash, self.signature)


cdef SignedTx _signed(const ltx_tx *t, const uint64_t *message, const uint8_t *signature):
    cdef SignedTx out = SignedTx.__new__(SignedTx)
    cdef char info[LTX_INFO_MAX]
    cdef size_t size = ltx_info(info, t, signature)
    out.tx_type = t.type
    out.tx_info = PyUnicode_DecodeASCII(info, <Py_ssize_t>size, NULL)
    tw_store320(out._hash, message)
    memcpy(out._signature, signature, 80)
    return out


cdef class SignerCore(_SignerLife):
    """Holds one private key and signs with it.

    Parameters
    ----------
    private_key : str or bytes-like
        80 hexadecimal digits, `0x` in front or not, as text or as ASCII bytes; or the 40 bytes
        themselves. A value of n or more counts mod n, as the venue takes it. The signer keeps a
        copy in memory of its own; whoever passed the key still holds it, and only a `bytearray`
        can be wiped by them.
    account_index, api_key_index : int
        Filled in where a transaction names none. Their ranges depend on the transaction and are
        checked with it.
    chain_id : int
        304 mainnet, 300 testnet.
    pool_capacity : int
        How many nonces `precompute` may keep ready; 0, the default, keeps none. At most 65536.
    clock_ms : callable, optional
        Gives the Unix time in milliseconds, for `now_ms`; the system's clock by default.

    Raises
    ------
    InvalidKey
        If the key has the wrong length, a character that is no digit, or is 0 mod n.

    Notes
    -----
    Threads may share a signer: everything but the arithmetic of batches and of `precompute` happens
    under the GIL, and those two read the key and write memory of their own.

    A signer made before a fork goes on signing in the child, with fresh randomness; its pool is
    wiped there at the first use, and `precompute` raises `ForkError`.
    """

    cdef int64_t _account, _api_key
    cdef uint64_t _chain_id
    cdef str _public_key
    cdef object _clock_ms

    def __init__(
        self,
        private_key,
        account_index,
        api_key_index,
        chain_id,
        *,
        pool_capacity=0,
        clock_ms=None,
    ):
        cdef uint8_t key[40]
        cdef uint8_t public[40]
        self._begin(pool_capacity)
        try:
            self._account = _plain_integer(account_index, "account_index")
            self._api_key = _plain_integer(api_key_index, "api_key_index")
            self._chain_id = _chain(chain_id)
            if clock_ms is not None and not callable(clock_ms):
                raise TypeError("clock_ms must be callable")
            self._clock_ms = clock_ms
            _read_key(private_key, key)
            if ltx_secret_load(self._secret, key) != 0:
                raise InvalidKey("private key is 0 mod n: it signs nothing")
        except BaseException:
            self._wipe()
            raise
        finally:
            tw_wipe(key, 40)
        lt_public_key(public, &self._secret.key)
        self._public_key = _hex(public, 40)
        self._closed = False

    # --- signing --------------------------------------------------------------------------------

    cdef int _fresh_nonce(self, lt_nonce *nonce, const uint64_t *message) except -1:
        cdef uint64_t counter = _next_draws(1)
        if ltx_nonce_for(nonce, self._secret, &self._secret.entropy, message, counter) != 0:
            raise OSError(errno, "the system gives no randomness")
        return 0

    def sign(self, tx_type, fields, attributes=None):
        """Sign one transaction.

        Keeps the GIL: about 30 µs, or 5 µs with a nonce from the pool.

        Parameters
        ----------
        tx_type : int
            One of the 20 types a user signs.
        fields : dict
            Wire name -> int; `PubKey` as 80 hexadecimal digits or 40 bytes, `Memo` as 64 digits or
            32 bytes, `Orders` as a list of dicts, `L1Sig` as text or absent. Account and key index
            may be absent.
        attributes : dict, optional
            Attribute type -> int.

        Raises
        ------
        InvalidTransaction
            If a field is missing, unknown or out of range. Where the venue's own signer has a text
            for it, it is the text of the error.
        FieldTypeError
            If a value is not an integer.
        SignerClosed
            If the signer is closed.
        """
        cdef ltx_tx t
        cdef lt_nonce nonce
        cdef uint64_t message[5]
        cdef uint8_t signature[80]
        self._require_open()
        _checked(&t, tx_type, fields, attributes, self)
        self._require_open()  # reading may have run code of the caller
        ltx_hash(message, &t, self._chain_id)
        if not self._take(&nonce, 1):
            self._fresh_nonce(&nonce, message)
        lt_sign(signature, &self._secret.key, &nonce, message)
        tw_wipe(&nonce, sizeof(nonce))
        self._signed_count += 1
        return _signed(&t, message, signature)

    def sign_batch(self, entries):
        """Sign many transactions, or none: all are checked before the first is signed.

        Releases the GIL for the arithmetic, so that batches in several threads run side by side,
        with one signer or with several.

        Parameters
        ----------
        entries : list or tuple
            Of (tx_type, fields, attributes); attributes may be left out.

        Raises
        ------
        InvalidTransaction
            As in `sign`; `index` and the text say which entry it was.
        """
        cdef size_t n, i, ready_count
        cdef ltx_tx *transactions = NULL
        cdef signature_array signatures = NULL
        cdef message_array messages = NULL
        cdef lt_nonce *ready = NULL
        cdef uint64_t counter
        cdef int failed
        cdef list out
        self._require_open()
        if not isinstance(entries, (list, tuple)):
            raise FieldTypeError(
                f"entries must be a list, not {type(entries).__name__}", code="FieldType"
            )
        entries = tuple(entries)
        n = len(entries)
        if n == 0:
            return []
        transactions = <ltx_tx *>malloc(n * sizeof(ltx_tx))
        signatures = <signature_array>malloc(n * 80)
        messages = <message_array>malloc(n * 40)
        try:
            if transactions == NULL or signatures == NULL or messages == NULL:
                raise MemoryError
            for i in range(n):
                _checked_entry(&transactions[i], entries[i], i, self)
            self._require_open()
            if self._pool_size:
                ready = <lt_nonce *>malloc(min(n, self._pool_size) * sizeof(lt_nonce))
                if ready == NULL:
                    raise MemoryError
            ready_count = self._take(ready, n)
            counter = _next_draws(n)
            self._busy += 1
            with nogil:
                failed = ltx_sign_all(
                    signatures, messages, transactions, n, self._chain_id, self._secret, ready,
                    ready_count, counter,
                )
            self._leave()
            if failed:
                raise OSError(errno, "the system gives no randomness")
            self._signed_count += n
            out = []
            for i in range(n):
                out.append(_signed(&transactions[i], messages[i], signatures[i]))
            return out
        finally:
            free(transactions)
            free(signatures)
            free(messages)
            free(ready)

    def auth_token(self, deadline_s):
        """Return a token that identifies the account to the venue until `deadline_s`.

        The venue accepts deadlines up to 8 hours ahead; none is checked here. Takes no nonce from
        the pool: tokens are not urgent.

        Parameters
        ----------
        deadline_s : int
            Unix time in seconds.

        Raises
        ------
        InvalidTransaction
            If account or key index are out of range.
        """
        cdef lt_nonce nonce
        cdef uint64_t message[5]
        cdef uint64_t elements[8]
        cdef uint8_t data[64]
        cdef uint8_t signature[80]
        cdef size_t i, size
        cdef ltx_error error
        cdef int64_t deadline = _plain_integer(deadline_s, "deadline_s")
        self._require_open()
        error = ltx_check_token(self._account, self._api_key)
        if error != LTX_OK:
            _raise(error, None, NULL)
        text = b"%d:%d:%d" % (deadline, self._account, self._api_key)
        size = len(text)  # at most 20 + 1 + 15 + 1 + 3
        memset(data, 0, sizeof(data))
        memcpy(data, <const char *>text, size)
        for i in range(8):
            memcpy(&elements[i], data + 8 * i, 8)
        _to_little_endian(elements, 8)
        lt_hash5(message, elements, (size + 7) // 8)
        self._fresh_nonce(&nonce, message)
        lt_sign(signature, &self._secret.key, &nonce, message)
        tw_wipe(&nonce, sizeof(nonce))
        self._signed_count += 1
        return f"{text.decode()}:{_hex(signature, 80)}"

    # --- what it is ---------------------------------------------------------------------------

    @property
    def public_key(self):
        """80 hexadecimal digits."""
        return self._public_key

    @property
    def account_index(self):
        return self._account

    @property
    def api_key_index(self):
        return self._api_key

    @property
    def chain_id(self):
        return self._chain_id

    def now_ms(self):
        """Return the time in Unix milliseconds, by the clock this signer was given."""
        if self._clock_ms is not None:
            return self._clock_ms()
        return time.time_ns() // 1_000_000

    def __repr__(self):
        return (
            f"{type(self).__name__}(account_index={self._account}, api_key_index={self._api_key}, "
            f"chain_id={self._chain_id}, public_key={self._public_key!r}"
            f"{', closed' if self._closed else ''})"
        )


cdef int _checked_entry(ltx_tx *t, object entry, size_t index, SignerCore signer) except -1:
    if not isinstance(entry, (tuple, list)) or not 2 <= len(entry) <= 3:
        raise FieldTypeError(
            "must be (tx_type, fields) or (tx_type, fields, attributes)",
            code="FieldType",
            index=index,
        )
    try:
        _checked(t, entry[0], entry[1], entry[2] if len(entry) == 3 else None, signer)
    except InvalidTransaction as error:
        raise error.at(index) from None
    return 0


cdef void _to_little_endian(uint64_t *words, int n) noexcept:
    """Make words that were copied from bytes the numbers those bytes are in little-endian order."""
    cdef uint8_t *data
    cdef uint64_t word
    cdef int i, j
    for i in range(n):
        data = <uint8_t *>&words[i]
        word = 0
        for j in range(7, -1, -1):
            word = word << 8 | data[j]
        words[i] = word


# --- without a key ------------------------------------------------------------------------------


def tx_hash(chain_id, tx_type, fields, attributes=None):
    """Return the hash of a transaction as 80 hexadecimal digits: what is signed.

    As `SignerCore.sign`, but account and key index must be among the fields.
    """
    cdef ltx_tx t
    cdef uint64_t message[5]
    cdef uint8_t data[40]
    cdef uint64_t chain = _chain(chain_id)
    _checked(&t, tx_type, fields, attributes, None)
    ltx_hash(message, &t, chain)
    tw_store320(data, message)
    return _hex(data, 40)


cdef bint _is_canonical(const uint64_t *limbs) noexcept:
    cdef int i
    for i in range(5):
        if limbs[i] >= _LIMB_END:
            return False
    return True


def verify(public_key, tx_hash, signature):
    """Return whether `signature` is one of `tx_hash` under `public_key`.

    Each as hexadecimal digits or as bytes. Only canonical forms are valid: halves of the signature
    below n, limbs of hash and key below p. Releases the GIL; not constant-time, as all of it is
    public.

    Raises
    ------
    ValueError
        If `public_key` or `tx_hash` are not 40 bytes. A signature that is not 80 bytes is invalid.
    """
    cdef uint8_t public[40]
    cdef uint8_t message_bytes[40]
    cdef uint8_t signature_bytes[80]
    cdef uint64_t message[5]
    cdef uint64_t limbs[5]
    cdef bint valid
    if _bytes_or_hex(public_key, public, 40, "public_key", -1):
        raise ValueError("public_key must be 40 bytes or 80 hexadecimal digits")
    if _bytes_or_hex(tx_hash, message_bytes, 40, "tx_hash", -1):
        raise ValueError("tx_hash must be 40 bytes or 80 hexadecimal digits")
    if _bytes_or_hex(signature, signature_bytes, 80, "signature", -1):
        return False
    tw_load320(message, message_bytes)
    tw_load320(limbs, public)
    if not _is_canonical(message) or not _is_canonical(limbs):
        return False
    with nogil:
        valid = lt_verify(public, message, signature_bytes) == 1
    return valid


def _hmac_sha512(bytes key not None, bytes message not None):
    """HMAC-SHA-512 as k is drawn with it, for its tests."""
    cdef tw_hmac mac
    cdef uint8_t out[TW_SHA512_SIZE]
    if len(key) > TW_SHA512_BLOCK or len(message) > TW_HMAC_MESSAGE_MAX:
        raise ValueError("a key of at most 128 bytes and a message of at most 111")
    tw_hmac_load(&mac, <const uint8_t *><const char *>key, len(key))
    tw_hmac_sign(out, &mac, <const uint8_t *><const char *>message, len(message))
    return PyBytes_FromStringAndSize(<const char *>out, TW_SHA512_SIZE)
