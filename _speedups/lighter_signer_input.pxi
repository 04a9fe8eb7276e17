# What lighter_signer.pyx is given: transactions as dicts, keys, bytes as hexadecimal digits.
#
# Everything is read once, into C; what cannot be read is refused with the name of the field.
# Included by lighter_signer.pyx.


cdef inline bint _is_integer(object value):
    """Whether a value counts as an integer: an int or what stands for one, but no bool."""
    return not PyBool_Check(value) and PyIndex_Check(value)


cdef int _integer(object value, int64_t *out, uint64_t mark, ltx_tx *t, object name) except -1:
    """Read an integer; one beyond int64 becomes the nearest int64 and gets its mark."""
    cdef int overflow
    if not PyLong_CheckExact(value):
        if not _is_integer(value):
            raise FieldTypeError(
                f"{_type_name(t.type)}: {name} must be an integer, not {type(value).__name__}",
                code="FieldType",
            )
        value = PyNumber_Index(value)
    out[0] = PyLong_AsLongLongAndOverflow(value, &overflow)
    if overflow:
        out[0] = INT64_MAX if overflow > 0 else INT64_MIN
        t.wide |= mark
    return 0


cdef dict _as_dict(object mapping, int number, str what):
    if isinstance(mapping, dict):
        return <dict>mapping
    if not isinstance(mapping, Mapping):
        raise FieldTypeError(
            f"{_type_name(number)}: {what} must be a dict, not {type(mapping).__name__}",
            code="FieldType",
        )
    return dict(mapping)


cdef str _type_name(int number):
    return LTX_TYPES[number].name.decode()


cdef object _required(dict fields, object name, int number):
    cdef PyObject *found = PyDict_GetItemWithError(fields, name)
    if found == NULL:
        raise InvalidTransaction(
            f"{_type_name(number)}: field {name} is missing", code="MissingField"
        )
    return <object>found


cdef inline int _field(
    dict fields, object name, int64_t *out, uint64_t mark, ltx_tx *t
) except -1:
    cdef int overflow
    cdef object value = _required(fields, name, t.type)
    if PyLong_CheckExact(value):
        out[0] = PyLong_AsLongLongAndOverflow(value, &overflow)
        if not overflow:
            return 0
    return _integer(value, out, mark, t, name)


cdef int _bytes_or_hex(object value, uint8_t *out, size_t size, object name, int number) except -1:
    """Read bytes or hexadecimal digits (`0x` allowed); return 1 if they are not `size` bytes."""
    cdef Py_buffer view
    cdef Py_ssize_t length
    cdef const char *text
    cdef int wrong
    if isinstance(value, str):
        if not PyUnicode_IS_ASCII(value):
            return 1
        text = PyUnicode_AsUTF8AndSize(value, &length)
        if length >= 2 and text[0] == b"0" and text[1] in b"xX":
            text += 2
            length -= 2
        return 1 if <size_t>length != 2 * size or tw_unhex(out, text, size) != 0 else 0
    if not PyObject_CheckBuffer(value):
        raise FieldTypeError(
            f"{_where(number)}{name} must be hexadecimal digits or bytes, "
            f"not {type(value).__name__}",
            code="FieldType",
        )
    PyObject_GetBuffer(value, &view, PyBUF_SIMPLE)
    wrong = <size_t>view.len != size
    if not wrong:
        memcpy(out, view.buf, size)
    PyBuffer_Release(&view)
    return wrong


cdef str _where(int number):
    return f"{_type_name(number)}: " if number >= 0 else ""


cdef int _read_memo(object value, ltx_tx *t) except -1:
    """Read 32 bytes, 64 hexadecimal digits or 66 with `0x`; as text also 32 characters."""
    cdef bytes data
    if isinstance(value, str):
        data = (<str>value).encode("utf-8", "surrogatepass")
    elif PyObject_CheckBuffer(value):
        data = bytes(value)
    else:
        raise FieldTypeError(
            f"transfer: Memo must be 32 bytes or hexadecimal digits, not {type(value).__name__}",
            code="FieldType",
        )
    if len(data) == 66 and data.startswith(b"0x"):
        data = data[2:]
    if len(data) == 32:
        memcpy(t.memo, <const char *>data, 32)
    elif len(data) != 64:
        raise InvalidTransaction(
            "memo expected to be 32 bytes or 64 hex encoded or 66 if 0x hex encoded -- long but "
            f"received {len(data)}",
            code="MemoInvalid",
        )
    elif tw_unhex(t.memo, <const char *>data, 32) != 0:
        bad = next(c for c in data if c not in b"0123456789abcdefABCDEF")
        raise InvalidTransaction(
            "failed to decode hex string. err: encoding/hex: invalid byte: "
            f"U+{bad:04X} {chr(bad)!r}",
            code="MemoInvalid",
        )
    return 0


cdef int _read_l1_sig(object value, ltx_tx *t) except -1:
    """Empty, or 0x and 130 hexadecimal digits."""
    cdef Py_ssize_t length
    cdef const char *text
    cdef uint8_t unused[65]
    if not isinstance(value, str):
        raise FieldTypeError(
            f"{_type_name(t.type)}: L1Sig must be a str, not {type(value).__name__}",
            code="FieldType",
        )
    if PyUnicode_IS_ASCII(value):
        text = PyUnicode_AsUTF8AndSize(value, &length)
        if length == 0:
            return 0
        if (
            length == 132
            and text[0] == b"0"
            and text[1] == b"x"
            and tw_unhex(unused, text + 2, 65) == 0
        ):
            memcpy(t.l1_sig, text, 132)
            t.l1_sig_size = 132
            return 0
    raise InvalidTransaction(
        f"{_type_name(t.type)}: L1Sig must be empty, or 0x and 130 hexadecimal digits",
        code="L1SigInvalid",
    )


cdef int _refuse_surplus(dict fields, ltx_tx *t, object known) except -1:
    """Raise for the first field that does not belong there."""
    for name in fields:
        if name not in known:
            raise InvalidTransaction(
                f"{_type_name(t.type)}: unknown field {name!r}", code="UnknownField"
            )
    return 0


cdef int _read_orders(object orders, ltx_tx *t) except -1:
    cdef tuple names = <tuple>_BODY[LTX_CREATE_ORDER]
    cdef dict order
    cdef size_t number
    cdef int i
    if not isinstance(orders, (list, tuple)):
        raise FieldTypeError(
            f"{_type_name(t.type)}: Orders must be a list, not {type(orders).__name__}",
            code="FieldType",
        )
    orders = tuple(orders)
    t.order_count = len(orders)
    for number in range(min(t.order_count, <size_t>LTX_ORDERS_MAX)):
        order = _as_dict(orders[number], t.type, "each of Orders")
        for i in range(LTX_BODY_MAX):
            _field(order, names[i], &t.orders[number][i], LTX_WIDE_ORDER(number, i), t)
        if len(order) != LTX_BODY_MAX:
            _refuse_surplus(order, t, names)
    return 0


cdef int _read_attributes(object attributes, ltx_tx *t) except -1:
    cdef int64_t kind
    cdef dict given = _as_dict(attributes, t.type, "attributes")
    t.attribute_count = len(given)
    for key, value in given.items():
        kind = _attribute_kind(key, t)
        if not 0 < kind < LTX_ATTRIBUTE_KINDS:
            t.unknown_attribute = 1
            continue
        if t.attributes_given >> kind & 1:
            raise InvalidTransaction(
                f"{_type_name(t.type)}: attribute {kind} is there twice", code="AttributeTwice"
            )
        t.attributes_given |= 1 << kind
        # Every range ends before int64 does: no mark is needed.
        _integer(value, &t.attributes[kind], 0, t, f"attribute {kind}")
    return 0


cdef int64_t _attribute_kind(object key, ltx_tx *t) except? -2:
    """Read the kind of an attribute: an int, or a digit as in tx_info. -1: no such kind."""
    cdef int64_t kind
    cdef int overflow
    if isinstance(key, str):
        return int(key) if len(key) == 1 and key in "12345678" else -1
    if not _is_integer(key):
        raise FieldTypeError(
            f"{_type_name(t.type)}: the kind of an attribute must be an integer, not "
            f"{type(key).__name__}",
            code="FieldType",
        )
    kind = PyLong_AsLongLongAndOverflow(PyNumber_Index(key), &overflow)
    return -1 if overflow or kind < 0 else kind


cdef int _tx_type(object tx_type) except -1:
    cdef int overflow
    cdef int64_t number
    if not _is_integer(tx_type):
        raise FieldTypeError(
            f"tx_type must be an integer, not {type(tx_type).__name__}", code="FieldType"
        )
    number = PyLong_AsLongLongAndOverflow(PyNumber_Index(tx_type), &overflow)
    if overflow or not ltx_type_exists(number):
        raise InvalidTransaction(
            f"{int(tx_type)} is not a transaction type a user can sign", code="UnknownTxType"
        )
    return <int>number


cdef int _read(
    ltx_tx *t, object tx_type, object fields, object attributes, SignerCore signer
) except -1:
    """Read a transaction; account and key index are the signer's when absent."""
    cdef int number = _tx_type(tx_type), i
    cdef Py_ssize_t used = 2  # ExpiredAt, Nonce
    cdef dict given
    cdef tuple names
    cdef object account
    cdef PyObject *found
    given = _as_dict(fields, number, "fields")
    names = <tuple>_BODY[number]
    account = _ACCOUNT[number]
    ltx_start(t, number)
    if attributes is not None:
        _read_attributes(attributes, t)
    found = PyDict_GetItemWithError(given, account)
    if found != NULL:
        used += 1
        _integer(<object>found, &t.account, 0, t, account)
    elif signer is None:
        _required(given, account, number)
    else:
        t.account = signer._account
    found = PyDict_GetItemWithError(given, "ApiKeyIndex")
    if found != NULL:
        used += 1
        _integer(<object>found, &t.api_key, 0, t, "ApiKeyIndex")
    elif signer is None:
        _required(given, "ApiKeyIndex", number)
    else:
        t.api_key = signer._api_key
    for i in range(len(names)):
        _field(given, names[i], &t.body[i], LTX_WIDE_BODY(i), t)
    used += len(names)
    _field(given, "ExpiredAt", &t.expired_at, 0, t)
    _field(given, "Nonce", &t.nonce, LTX_WIDE_NONCE, t)
    if number == LTX_CHANGE_PUB_KEY:
        used += 1
        t.public_key_is_bad = _bytes_or_hex(
            _required(given, "PubKey", number), t.public_key, 40, "PubKey", number
        )
    elif number == LTX_CREATE_GROUPED_ORDERS:
        used += 1
        _read_orders(_required(given, "Orders", number), t)
    elif number == LTX_TRANSFER:
        used += 1
        _read_memo(_required(given, "Memo", number), t)
    if ltx_l1_sig_place(number):
        found = PyDict_GetItemWithError(given, "L1Sig")
        if found != NULL:
            used += 1
            _read_l1_sig(<object>found, t)
    if len(given) != used:
        known = {*names, account, "ApiKeyIndex", "ExpiredAt", "Nonce"}
        known |= {
            "PubKey" if number == LTX_CHANGE_PUB_KEY else "Nonce",
            "Orders" if number == LTX_CREATE_GROUPED_ORDERS else "Nonce",
            "Memo" if number == LTX_TRANSFER else "Nonce",
            "L1Sig" if ltx_l1_sig_place(number) else "Nonce",
        }
        _refuse_surplus(given, t, known)
    return 0


cdef int _checked(
    ltx_tx *t, object tx_type, object fields, object attributes, SignerCore signer
) except -1:
    """Read a transaction and raise what the venue's own signer would refuse."""
    cdef ltx_error error
    _read(t, tx_type, fields, attributes, signer)
    error = ltx_check(t)
    if error != LTX_OK:
        _raise(error, attributes, t)
    return 0


cdef int _raise(ltx_error error, object attributes, ltx_tx *t) except -1:
    cdef str text = LTX_TEXTS[error].decode()
    if error == LTX_ErrInvalidAttributeType:
        text += str(
            next(k for k in attributes if not 0 < _attribute_kind(k, t) < LTX_ATTRIBUTE_KINDS)
        )
    raise InvalidTransaction(text, code=LTX_CODES[error].decode())


cdef int64_t _plain_integer(object value, str name) except? -1:
    """Read an integer argument that is not a field."""
    cdef int overflow
    cdef int64_t number
    if not _is_integer(value):
        raise TypeError(f"{name} must be an integer, not {type(value).__name__}")
    number = PyLong_AsLongLongAndOverflow(PyNumber_Index(value), &overflow)
    if overflow:
        raise ValueError(f"{name} does not fit an int64")
    return number


cdef uint64_t _chain(object chain_id) except? 0xFFFFFFFFFFFFFFFF:
    cdef int64_t number = _plain_integer(chain_id, "chain_id")
    if number < 0:
        raise ValueError("chain_id must not be negative")
    return <uint64_t>number


cdef int _read_key(object private_key, uint8_t *out) except -1:
    """Read 40 bytes or their 80 digits. What is raised holds no part of what was given."""
    cdef Py_buffer view
    cdef Py_ssize_t length
    cdef const char *text
    if isinstance(private_key, str):
        if not PyUnicode_IS_ASCII(private_key):
            raise InvalidKey("private key: a character is no hexadecimal digit")
        text = PyUnicode_AsUTF8AndSize(private_key, &length)
        return _read_key_text(text, length, out)
    if not PyObject_CheckBuffer(private_key):
        raise TypeError(f"private_key must be a str or bytes, not {type(private_key).__name__}")
    PyObject_GetBuffer(private_key, &view, PyBUF_SIMPLE)
    try:
        if view.len != 40:
            return _read_key_text(<const char *>view.buf, view.len, out)
        memcpy(out, view.buf, 40)
    finally:
        PyBuffer_Release(&view)
    return 0


cdef int _read_key_text(const char *text, Py_ssize_t length, uint8_t *out) except -1:
    if length >= 2 and text[0] == b"0" and text[1] == b"x":
        text += 2
        length -= 2
    if length < 2:
        raise InvalidKey("empty private key")
    if length % 2:
        raise InvalidKey("private key: odd length hex string")
    if length != 80:
        raise InvalidKey(f"invalid private key length. expected: 40 got: {length // 2}")
    if tw_unhex(out, text, 40) != 0:
        raise InvalidKey("private key: a character is no hexadecimal digit")
    return 0
