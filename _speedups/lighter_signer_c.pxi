# The plain C that lighter_signer.pyx is made of: csrc/lighter and csrc/lighter_tx.

cdef extern from "Python.h":
    ctypedef struct PyObject
    int PyLong_Check(object)
    int PyLong_CheckExact(object)
    int PyBool_Check(object)
    int PyIndex_Check(object)
    object PyNumber_Index(object)
    long long PyLong_AsLongLongAndOverflow(object, int *) except? -1
    PyObject *PyDict_GetItemWithError(object, object) except? NULL
    int PyUnicode_IS_ASCII(object)
    const char *PyUnicode_AsUTF8AndSize(object, Py_ssize_t *) except NULL

cdef extern from "<unistd.h>" nogil:
    int getpid()

cdef extern from "lighter/schnorr.h" nogil:
    ctypedef struct lt_key:
        pass
    ctypedef struct lt_nonce:
        pass
    void lt_public_key(uint8_t *out, const lt_key *key)
    void lt_sign(uint8_t *signature, const lt_key *key, const lt_nonce *nonce,
                 const uint64_t *message)
    int lt_verify(const uint8_t *public_key, const uint64_t *message, const uint8_t *signature)
    void lt_hash5(uint64_t *out, const uint64_t *elements, size_t n)
    void tw_wipe(void *p, size_t size)
    void tw_load320(uint64_t *out, const uint8_t *data)
    void tw_store320(uint8_t *out, const uint64_t *words)

cdef extern from "lighter_tx/errors.h" nogil:
    ctypedef int ltx_error
    enum:
        LTX_OK
        LTX_ErrInvalidAttributeType
        LTX_ERROR_COUNT
    const char **LTX_CODES
    const char **LTX_TEXTS

cdef extern from "lighter_tx/types.h" nogil:
    enum:
        LTX_CHANGE_PUB_KEY
        LTX_TRANSFER
        LTX_CREATE_ORDER
        LTX_CREATE_GROUPED_ORDERS
        LTX_TYPE_LIMIT
        LTX_BODY_MAX
        LTX_ORDERS_MAX
        LTX_ATTRIBUTE_KINDS
    ctypedef struct ltx_field:
        const char *name
    ctypedef struct ltx_type:
        const char *name
        ltx_field account
        int body_count
        ltx_field body[10]
    const ltx_type *LTX_TYPES
    ctypedef struct ltx_tx:
        int type
        int64_t account, api_key, expired_at, nonce
        int64_t body[10]
        uint64_t wide
        int64_t attributes[9]
        unsigned attributes_given
        size_t attribute_count
        int unknown_attribute
        size_t order_count
        int64_t orders[3][10]
        int public_key_is_bad
        uint8_t public_key[40]
        uint8_t memo[32]
        size_t l1_sig_size
        char l1_sig[132]
    uint64_t LTX_WIDE_NONCE
    uint64_t LTX_WIDE_BODY(int i)
    uint64_t LTX_WIDE_ORDER(size_t order, int i)
    void ltx_start(ltx_tx *t, int type)
    int ltx_type_exists(int64_t type)
    int ltx_l1_sig_place(int type)

cdef extern from "lighter_tx/checks.h" nogil:
    ltx_error ltx_check(const ltx_tx *t)
    ltx_error ltx_check_token(int64_t account, int64_t api_key)

cdef extern from "lighter_tx/hash.h" nogil:
    void ltx_hash(uint64_t *out, const ltx_tx *t, uint64_t chain_id)

cdef extern from "lighter_tx/info.h" nogil:
    enum:
        LTX_INFO_MAX
    size_t ltx_info(char *out, const ltx_tx *t, const uint8_t *signature)

cdef extern from "secret/hex.h" nogil:
    int tw_unhex(uint8_t *out, const char *digits, size_t size)
    char *tw_put_hex(char *p, const uint8_t *data, size_t size)

cdef extern from "secret/sha512.h" nogil:
    enum:
        TW_SHA512_BLOCK
        TW_SHA512_SIZE
        TW_HMAC_MESSAGE_MAX
    ctypedef struct tw_hmac:
        pass
    void tw_hmac_load(tw_hmac *mac, const uint8_t *key, size_t size)
    void tw_hmac_sign(uint8_t *out, const tw_hmac *mac, const uint8_t *message, size_t size)

cdef extern from "lighter_tx/nonces.h" nogil:
    enum:
        TW_TOGETHER
    uint64_t tw_generation
    int tw_watch_forks()
    ctypedef struct tw_entropy:
        pass
    ctypedef struct ltx_secret:
        lt_key key
        tw_entropy entropy
    int ltx_secret_load(ltx_secret *secret, const uint8_t *key)
    void tw_entropy_drop(tw_entropy *entropy)
    int ltx_nonce_for(lt_nonce *nonce, const ltx_secret *secret, tw_entropy *entropy,
                      const uint64_t *message, uint64_t counter)
    int ltx_nonces_for(lt_nonce *nonces, const ltx_secret *secret, tw_entropy *entropy,
                       const uint64_t *messages, size_t n, uint64_t counter)

ctypedef uint8_t (*signature_array)[80]
ctypedef uint64_t (*message_array)[5]

cdef extern from "lighter_tx/batch.h" nogil:
    int ltx_sign_all(signature_array signatures, message_array messages, const ltx_tx *transactions,
                     size_t n, uint64_t chain_id, const ltx_secret *secret, lt_nonce *ready,
                     size_t ready_count, uint64_t counter)
