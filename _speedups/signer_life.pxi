# The life of a signer and its pool of nonces, the same for every kind of signature.
#
# The module that includes this has named two C structs, `_Secret` (the key and what goes with it) and
# `_Nonce` (one nonce and what is computed with it), and defined `_draw_nonces`, which makes some.

cdef enum:
    _MAX_POOL = 65_536

MAX_POOL = _MAX_POOL

# Of this process: no two draws share one, whichever signer they are for.
cdef uint64_t _draws = 0

if tw_watch_forks() != 0:
    raise MemoryError("cannot register the fork handler")


cdef uint64_t _next_draws(size_t n) noexcept:
    """Return the first of `n` counters that nobody else draws with."""
    global _draws
    cdef uint64_t first = _draws
    _draws += n
    return first


cdef int64_t _amount(object value, str name) except? -1:
    """Read an integer argument; what no pool could hold counts as a little more than it can."""
    if PyBool_Check(value) or not PyIndex_Check(value):
        raise TypeError(f"{name} must be an integer, not {type(value).__name__}")
    return max(-1, min(PyNumber_Index(value), _MAX_POOL + 1))


cdef class _SignerLife:
    """Holds the key and the pool; wipes both when it is closed or collected."""

    cdef _Secret *_secret
    cdef _Nonce *_pool
    cdef size_t _pool_size, _pool_capacity, _pool_promised
    cdef uint64_t _generation  # of the process that made this signer
    cdef int _pid
    cdef bint _closed
    cdef Py_ssize_t _busy  # calls that are using the key without the GIL
    cdef uint64_t _signed_count, _hits, _misses

    def __cinit__(self, *args, **kwargs):
        self._closed = True  # until there is a key

    cdef int _begin(self, object pool_capacity) except -1:
        """Take memory for the key, all zero, and for the pool."""
        cdef int64_t capacity
        if self._secret != NULL:
            raise SigningError("a signer keeps the key it was made with: make another one")
        capacity = _amount(pool_capacity, "pool_capacity")
        if not 0 <= capacity <= _MAX_POOL:
            raise ValueError(f"pool_capacity must be from 0 to {MAX_POOL}")
        self._generation = tw_generation
        self._pid = getpid()
        self._secret = <_Secret *>calloc(1, sizeof(_Secret))
        if self._secret == NULL:
            raise MemoryError
        if capacity:
            self._pool = <_Nonce *>calloc(<size_t>capacity, sizeof(_Nonce))
            if self._pool == NULL:
                self._wipe()
                raise MemoryError
        self._pool_capacity = <size_t>capacity
        return 0

    def __dealloc__(self):
        self._wipe()

    cdef void _wipe(self) noexcept:
        if self._pool != NULL:
            tw_wipe(self._pool, self._pool_capacity * sizeof(_Nonce))
            free(self._pool)
            self._pool = NULL
        self._pool_size = 0
        if self._secret != NULL:
            tw_wipe(self._secret, sizeof(_Secret))
            free(self._secret)
            self._secret = NULL

    cdef inline int _require_open(self) except -1:
        if self._closed:
            raise SignerClosed("the signer is closed: its key is gone")
        return 0

    # --- the pool; everything under the GIL -------------------------------------------------

    cdef inline bint _pool_is_ours(self) noexcept:
        """Whether the pool was filled by this process; if not, wipe it."""
        if self._generation == tw_generation and self._pid == getpid():
            return True
        if self._pool_size:
            tw_wipe(self._pool, self._pool_size * sizeof(_Nonce))
            self._pool_size = 0
        return False

    cdef inline size_t _take(self, _Nonce *out, size_t wanted) noexcept:
        """Move up to `wanted` nonces out of the pool, wiping their places; return how many."""
        cdef size_t taken = 0
        if not self._pool_capacity:
            return 0
        if self._pool_is_ours():
            taken = min(wanted, self._pool_size)
        if taken:
            self._pool_size -= taken
            memcpy(out, self._pool + self._pool_size, taken * sizeof(_Nonce))
            tw_wipe(self._pool + self._pool_size, taken * sizeof(_Nonce))
        self._hits += taken
        self._misses += wanted - taken
        return taken

    cdef int _leave(self) except -1:
        """End a stretch without the GIL; wipe what a `close` meanwhile had to leave."""
        self._busy -= 1
        if self._closed and self._busy == 0:
            self._wipe()
        return 0

    cdef size_t _room_for(self, size_t wanted) except? 0:
        """Return for how many of `wanted` nonces there is room."""
        self._require_open()
        if not self._pool_is_ours():
            raise ForkError(
                "this signer was made in another process: its pool cannot be used after a fork, "
                "make a new signer here"
            )
        return min(wanted, self._pool_capacity - self._pool_size - self._pool_promised)

    def precompute(self, count=None):
        """Make nonces for later signatures and return how many were made.

        Costs about as much time for each as it later saves; call it while there is nothing to do,
        or from another thread. Releases the GIL.

        Parameters
        ----------
        count : int, optional
            How many at most; the pool never holds more than its capacity. Default: fill it.

        Raises
        ------
        ForkError
            If the signer was made in another process, before a fork.
        SigningError
            If the signer was made without a pool.
        SignerClosed
            If the signer is closed.
        OSError
            If the system gives no randomness.
        """
        cdef _Nonce made[TW_TOGETHER]
        cdef tw_entropy entropy
        cdef uint64_t counter
        cdef size_t wanted, chunk, total = 0
        cdef int failed
        cdef int64_t asked = _MAX_POOL if count is None else _amount(count, "count")
        self._require_open()
        if not self._pool_capacity:
            raise SigningError("this signer was made without a pool: pass pool_capacity")
        if asked < 0:
            raise ValueError("count must not be negative")
        wanted = <size_t>asked
        tw_entropy_drop(&entropy)
        try:
            while wanted:
                chunk = self._room_for(min(wanted, <size_t>TW_TOGETHER))
                if chunk == 0:
                    break
                wanted -= chunk
                counter = _next_draws(chunk)
                self._pool_promised += chunk
                self._busy += 1
                with nogil:
                    failed = _draw_nonces(made, self._secret, &entropy, chunk, counter)
                self._pool_promised -= chunk
                if not failed and not self._closed and self._pool_is_ours():
                    memcpy(self._pool + self._pool_size, made, chunk * sizeof(_Nonce))
                    self._pool_size += chunk
                    total += chunk
                tw_wipe(made, sizeof(made))
                self._leave()
                if failed:
                    raise OSError(errno, "the system gives no randomness")
        finally:
            tw_entropy_drop(&entropy)
        return total

    @property
    def signed(self):
        """Signatures made."""
        return self._signed_count

    @property
    def pool_hits(self):
        """Signatures that took a nonce from the pool."""
        return self._hits

    @property
    def pool_misses(self):
        """Signatures that found the pool of this signer empty and were made the ordinary way."""
        return self._misses

    @property
    def pool_size(self):
        """Nonces ready now."""
        self._pool_is_ours()
        return self._pool_size

    @property
    def pool_capacity(self):
        """How many nonces the pool can hold."""
        return self._pool_capacity

    # --- its end ----------------------------------------------------------------------------

    def close(self):
        """Wipe the key and the pool; nothing can be signed afterwards. May be called again.

        A batch that another thread is signing right now is finished first, and the key wiped then.
        """
        self._closed = True
        # After a fork the threads that were busy exist in the parent only.
        if self._busy == 0 or self._generation != tw_generation:
            self._wipe()

    @property
    def closed(self):
        """Whether `close` was called."""
        return self._closed

    def __enter__(self):
        self._require_open()
        return self

    def __exit__(self, *exc_info):
        self.close()

    def __reduce__(self):
        raise TypeError("a signer holds a private key: it can be neither copied nor pickled")
