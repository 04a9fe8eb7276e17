# The plain C that hyperliquid_signer.pyx is made of: csrc/hyperliquid, csrc/secp256k1, csrc/keccak.h.

cdef extern from "Python.h":
    ctypedef struct PyObject
    int PyBool_Check(object)
    int PyIndex_Check(object)
    object PyNumber_Index(object)
    long long PyLong_AsLongLongAndOverflow(PyObject *, int *)
    unsigned long long PyLong_AsUnsignedLongLong(PyObject *)
    PyObject *PyErr_Occurred()
    int PyLong_Check(PyObject *)
    int PyLong_CheckExact(PyObject *)
    int PyUnicode_Check(PyObject *)
    int PyUnicode_CheckExact(PyObject *)
    int PyDict_Check(PyObject *)
    int PyDict_CheckExact(PyObject *)
    int PyList_Check(PyObject *)
    int PyList_CheckExact(PyObject *)
    int PyTuple_Check(PyObject *)
    Py_ssize_t PyDict_GET_SIZE "PyDict_Size"(PyObject *)
    int PyDict_Next(PyObject *, Py_ssize_t *, PyObject **, PyObject **)
    Py_ssize_t PyList_GET_SIZE(PyObject *)
    PyObject *PyList_GET_ITEM(PyObject *, Py_ssize_t)
    Py_ssize_t PyTuple_GET_SIZE(PyObject *)
    PyObject *PyTuple_GET_ITEM(PyObject *, Py_ssize_t)
    int PyUnicode_IS_COMPACT_ASCII(PyObject *)
    Py_ssize_t PyUnicode_GET_LENGTH(PyObject *)
    void *PyUnicode_DATA(PyObject *)
    const char *PyUnicode_AsUTF8AndSize(PyObject *, Py_ssize_t *)
    void PyErr_Clear()
    PyObject *Py_True
    PyObject *Py_False
    PyObject *Py_None

cdef extern from "<unistd.h>" nogil:
    int getpid()

cdef extern from "keccak.h" nogil:
    void tw_keccak256(uint8_t *out, const uint8_t *data, size_t n)

cdef extern from "hyperliquid/actions.h" nogil:
    enum:
        HL_HEAD
    ctypedef struct hl_out:
        uint8_t *start
        size_t size
        size_t room
    void hl_out_start(hl_out *out, uint8_t *lent, size_t room)
    void hl_out_free(hl_out *out)
    int hl_reserve(hl_out *out, size_t more)
    void hl_put_nil(hl_out *out)
    void hl_put_bool(hl_out *out, int yes)
    void hl_put_uint(hl_out *out, uint64_t x)
    void hl_put_int(hl_out *out, int64_t x)
    int hl_put_text(hl_out *out, const char *text, size_t size)
    int hl_put_array(hl_out *out, size_t count)
    int hl_put_map(hl_out *out, size_t count)

    ctypedef struct hl_text:
        const char *text
        size_t size
    ctypedef struct hl_order:
        uint64_t asset
        hl_text price, size, cloid, tif, trigger_px, tpsl
        uint8_t is_buy, reduce_only, is_market
    ctypedef struct hl_order_id:
        uint64_t oid
        hl_text cloid
    int hl_write_order_start(hl_out *out, size_t count, int has_builder)
    int hl_write_order(hl_out *out, const hl_order *order)
    int hl_write_order_end(hl_out *out, hl_text grouping, uint64_t priority, hl_text builder,
                           uint64_t fee)
    int hl_write_cancel_start(hl_out *out, size_t count)
    int hl_write_cancel(hl_out *out, uint64_t asset, uint64_t oid)
    int hl_write_cancel_by_cloid_start(hl_out *out, size_t count)
    int hl_write_cancel_by_cloid(hl_out *out, uint64_t asset, hl_text cloid)
    int hl_write_modify(hl_out *out, const hl_order_id *id, const hl_order *order)
    int hl_write_batch_modify_start(hl_out *out, size_t count)
    int hl_write_batch_modify(hl_out *out, const hl_order_id *id, const hl_order *order)

cdef extern from "hyperliquid/batch.h" nogil:
    int hl_write_tail(hl_out *out, uint64_t nonce, const uint8_t *vault,
                      const uint64_t *expires_after)
    void hl_l1_digest(uint8_t *digest, const uint8_t *action_hash, int mainnet)

    ctypedef struct sk_nonce:
        pass
    ctypedef struct sk_signature:
        uint8_t r[32]
        uint8_t s[32]
        int recovery
    int sk_sign(sk_signature *signature, const sk_nonce *nonce, const uint8_t *digest)

    uint64_t tw_generation
    int tw_watch_forks()
    enum:
        TW_TOGETHER
    ctypedef struct tw_entropy:
        pass
    void tw_entropy_drop(tw_entropy *entropy)
    void tw_wipe(void *p, size_t size)

    ctypedef struct sk_secret:
        pass
    int sk_secret_load(sk_secret *secret, const uint8_t *key)
    int sk_nonce_for(sk_nonce *nonce, const sk_secret *secret, const uint8_t *digest,
                     const sk_library *library)
    int sk_nonce_draw(sk_nonce *nonce, const sk_secret *secret, tw_entropy *entropy,
                      uint64_t counter, const sk_library *library)
    int hl_sign_all(sk_signature *signatures, const uint8_t *actions, const size_t *ends, size_t n,
                    int mainnet, const sk_secret *secret, const sk_library *library,
                    sk_nonce *ready, size_t ready_count)

cdef extern from "secret/hex.h" nogil:
    int tw_unhex(uint8_t *out, const char *digits, size_t size)
    char *tw_put_hex(char *p, const uint8_t *data, size_t size)
