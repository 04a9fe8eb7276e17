# What hyperliquid_signer.pyx is given: actions, numbers beside them, addresses, keys.
#
# Actions are encoded by two writers. The known one recognises the five actions that have to be fast,
# with their keys in the order of the wire, and leaves their bytes to csrc/hyperliquid/actions.h; what
# it does not recognise, down to the last key, is the general one's, which takes every action and
# keeps the order its keys came in. Where both can write an action they write the same.
#
# Neither runs code of the caller's: only exact types are known, and others are read by their C parts.
# So nothing changes while pointers into it are held. Included by hyperliquid_signer.pyx.

cdef enum:
    _DEPTH_MAX = 64
    _DONE = 0
    _REFUSED = 1
    _NO_MEMORY = 2


# --- the general writer ---------------------------------------------------------------------------


cdef inline const char *_utf8(PyObject *text, Py_ssize_t *size) noexcept:
    """Return the characters of a str, or NULL if they have no UTF-8."""
    cdef const char *found
    if PyUnicode_IS_COMPACT_ASCII(text):
        size[0] = PyUnicode_GET_LENGTH(text)
        return <const char *>PyUnicode_DATA(text)
    found = PyUnicode_AsUTF8AndSize(text, size)
    if found == NULL:
        PyErr_Clear()
    return found


cdef inline int _put_str(hl_out *out, PyObject *text) noexcept:
    cdef Py_ssize_t size
    cdef const char *data = _utf8(text, &size)
    if data == NULL:
        return _REFUSED
    if hl_reserve(out, HL_HEAD + <size_t>size):
        return _NO_MEMORY
    return _REFUSED if hl_put_text(out, data, <size_t>size) else _DONE


cdef int _put_integer(hl_out *out, PyObject *value) noexcept:
    cdef int overflow = 0
    cdef uint64_t big
    cdef int64_t x = PyLong_AsLongLongAndOverflow(value, &overflow)
    if overflow == 0:
        hl_put_int(out, x)
        return _DONE
    if overflow < 0 or not _unsigned(value, &big):
        return _REFUSED
    hl_put_uint(out, big)
    return _DONE


cdef inline bint _unsigned(PyObject *value, uint64_t *out) noexcept:
    """Whether an int is from 0 to 2^64 - 1."""
    out[0] = PyLong_AsUnsignedLongLong(value)
    if out[0] == UINT64_MAX and PyErr_Occurred() != NULL:
        PyErr_Clear()
        return False
    return True


cdef int _put(hl_out *out, PyObject *value, int depth) noexcept:
    """Write a value; never raises."""
    cdef Py_ssize_t i, count, at = 0
    cdef PyObject *key
    cdef PyObject *item
    cdef int failed
    if PyUnicode_Check(value):
        return _put_str(out, value)
    if hl_reserve(out, HL_HEAD):
        return _NO_MEMORY
    if value == Py_True or value == Py_False:
        hl_put_bool(out, value == Py_True)
        return _DONE
    if PyLong_Check(value):
        return _put_integer(out, value)
    if value == Py_None:
        hl_put_nil(out)
        return _DONE
    if depth == _DEPTH_MAX:
        return _REFUSED
    if PyDict_Check(value):
        if hl_put_map(out, <size_t>PyDict_GET_SIZE(value)):
            return _REFUSED
        while PyDict_Next(value, &at, &key, &item):
            if not PyUnicode_Check(key):
                return _REFUSED
            failed = _put_str(out, key) or _put(out, item, depth + 1)
            if failed:
                return failed
        return _DONE
    if PyList_Check(value):
        count = PyList_GET_SIZE(value)
    elif PyTuple_Check(value):
        count = PyTuple_GET_SIZE(value)
    else:
        return _REFUSED
    if hl_put_array(out, <size_t>count):
        return _REFUSED
    for i in range(count):
        item = PyList_GET_ITEM(value, i) if PyList_Check(value) else PyTuple_GET_ITEM(value, i)
        failed = _put(out, item, depth + 1)
        if failed:
            return failed
    return _DONE


# --- the writer of known actions ------------------------------------------------------------------

# Walks through a dict whose keys must come in one order.
cdef struct _walk:
    PyObject *dict
    Py_ssize_t at
    PyObject *value  # of the key found last


cdef inline bint _start(_walk *walk, PyObject *dict) noexcept:
    walk.dict = dict
    walk.at = 0
    return PyDict_CheckExact(dict)


cdef inline bint _is(PyObject *text, PyObject *name) noexcept:
    """Whether a value is this str. Texts of programs are the same objects, those of JSON are not."""
    if text == name:
        return True
    if not PyUnicode_CheckExact(text):
        return False
    if PyUnicode_GET_LENGTH(text) != PyUnicode_GET_LENGTH(name):
        return False
    return PyUnicode_IS_COMPACT_ASCII(text) and memcmp(
        PyUnicode_DATA(text), PyUnicode_DATA(name), <size_t>PyUnicode_GET_LENGTH(name)
    ) == 0


cdef inline bint _next(_walk *walk, str name) noexcept:
    """Whether the next key is this one; its value is in `value`."""
    cdef PyObject *key
    return PyDict_Next(walk.dict, &walk.at, &key, &walk.value) and _is(key, <PyObject *>name)


cdef inline bint _is_over(_walk *walk) noexcept:
    cdef PyObject *key
    return not PyDict_Next(walk.dict, &walk.at, &key, &walk.value)


cdef inline bint _text(PyObject *value, hl_text *out) noexcept:
    if not PyUnicode_CheckExact(value) or not PyUnicode_IS_COMPACT_ASCII(value):
        return False
    out.text = <const char *>PyUnicode_DATA(value)
    out.size = <size_t>PyUnicode_GET_LENGTH(value)
    return True


cdef inline bint _natural(PyObject *value, uint64_t *out) noexcept:
    """An exact int from 0 to 2^63 - 1: of others there are few."""
    cdef int overflow = 0
    cdef int64_t x
    if not PyLong_CheckExact(value):
        return False
    x = PyLong_AsLongLongAndOverflow(value, &overflow)
    out[0] = <uint64_t>x
    return not overflow and x >= 0


cdef inline bint _boolean(PyObject *value, uint8_t *out) noexcept:
    out[0] = value == Py_True
    return value == Py_True or value == Py_False


cdef bint _read_order(PyObject *given, hl_order *order) noexcept:
    cdef _walk walk, kind, inner
    order.tif.text = NULL
    order.tif.size = order.trigger_px.size = order.tpsl.size = 0
    order.cloid.text = NULL
    order.cloid.size = 0
    if not (
        _start(&walk, given)
        and _next(&walk, "a") and _natural(walk.value, &order.asset)
        and _next(&walk, "b") and _boolean(walk.value, &order.is_buy)
        and _next(&walk, "p") and _text(walk.value, &order.price)
        and _next(&walk, "s") and _text(walk.value, &order.size)
        and _next(&walk, "r") and _boolean(walk.value, &order.reduce_only)
        and _next(&walk, "t") and _start(&kind, walk.value)
        and PyDict_GET_SIZE(kind.dict) == 1
    ):
        return False
    if _next(&kind, "limit"):
        if not (
            _start(&inner, kind.value)
            and _next(&inner, "tif") and _text(inner.value, &order.tif)
            and _is_over(&inner)
        ):
            return False
    else:
        kind.at = 0
        if not (
            _next(&kind, "trigger") and _start(&inner, kind.value)
            and _next(&inner, "isMarket") and _boolean(inner.value, &order.is_market)
            and _next(&inner, "triggerPx") and _text(inner.value, &order.trigger_px)
            and _next(&inner, "tpsl") and _text(inner.value, &order.tpsl)
            and _is_over(&inner)
        ):
            return False
    if PyDict_GET_SIZE(given) == 6:
        return True
    return _next(&walk, "c") and _text(walk.value, &order.cloid) and _is_over(&walk)


cdef inline bint _read_order_id(PyObject *given, hl_order_id *id) noexcept:
    id.oid = 0
    id.cloid.text = NULL
    id.cloid.size = 0
    return _natural(given, &id.oid) or _text(given, &id.cloid)


cdef bint _put_orders(hl_out *out, _walk *action) noexcept:
    cdef PyObject *orders
    cdef _walk inner
    cdef hl_order order
    cdef hl_text grouping, builder
    cdef uint64_t priority = 0, fee = 0
    cdef Py_ssize_t i, count
    cdef bint has_builder = PyDict_GET_SIZE(action.dict) == 4
    if not _next(action, "orders") or not PyList_CheckExact(action.value):
        return False
    orders = action.value
    count = PyList_GET_SIZE(orders)
    if hl_write_order_start(out, <size_t>count, has_builder):
        return False
    for i in range(count):
        if not _read_order(PyList_GET_ITEM(orders, i), &order) or hl_write_order(out, &order):
            return False
    if not _next(action, "grouping"):
        return False
    grouping.text = builder.text = NULL
    grouping.size = builder.size = 0
    if not _text(action.value, &grouping) and not (
        _start(&inner, action.value)
        and _next(&inner, "p") and _natural(inner.value, &priority)
        and _is_over(&inner)
    ):
        return False
    if has_builder and not (
        _next(action, "builder") and _start(&inner, action.value)
        and _next(&inner, "b") and _text(inner.value, &builder)
        and _next(&inner, "f") and _natural(inner.value, &fee)
        and _is_over(&inner)
    ):
        return False
    return _is_over(action) and not hl_write_order_end(out, grouping, priority, builder, fee)


cdef bint _put_cancels(hl_out *out, _walk *action) noexcept:
    cdef PyObject *cancels
    cdef _walk walk
    cdef uint64_t asset, oid
    cdef Py_ssize_t i, count
    if not _next(action, "cancels") or not PyList_CheckExact(action.value):
        return False
    cancels = action.value
    count = PyList_GET_SIZE(cancels)
    if hl_write_cancel_start(out, <size_t>count):
        return False
    for i in range(count):
        if not (
            _start(&walk, PyList_GET_ITEM(cancels, i))
            and _next(&walk, "a") and _natural(walk.value, &asset)
            and _next(&walk, "o") and _natural(walk.value, &oid)
            and _is_over(&walk)
            and not hl_write_cancel(out, asset, oid)
        ):
            return False
    return _is_over(action)


cdef bint _put_cancels_by_cloid(hl_out *out, _walk *action) noexcept:
    cdef PyObject *cancels
    cdef _walk walk
    cdef hl_text cloid
    cdef uint64_t asset
    cdef Py_ssize_t i, count
    if not _next(action, "cancels") or not PyList_CheckExact(action.value):
        return False
    cancels = action.value
    count = PyList_GET_SIZE(cancels)
    if hl_write_cancel_by_cloid_start(out, <size_t>count):
        return False
    for i in range(count):
        if not (
            _start(&walk, PyList_GET_ITEM(cancels, i))
            and _next(&walk, "asset") and _natural(walk.value, &asset)
            and _next(&walk, "cloid") and _text(walk.value, &cloid)
            and _is_over(&walk)
            and not hl_write_cancel_by_cloid(out, asset, cloid)
        ):
            return False
    return _is_over(action)


cdef bint _put_modify(hl_out *out, _walk *action) noexcept:
    cdef hl_order_id id
    cdef hl_order order
    return (
        _next(action, "oid") and _read_order_id(action.value, &id)
        and _next(action, "order") and _read_order(action.value, &order)
        and _is_over(action)
        and not hl_write_modify(out, &id, &order)
    )


cdef bint _put_batch_modify(hl_out *out, _walk *action) noexcept:
    cdef PyObject *modifies
    cdef _walk walk
    cdef hl_order_id id
    cdef hl_order order
    cdef Py_ssize_t i, count
    if not _next(action, "modifies") or not PyList_CheckExact(action.value):
        return False
    modifies = action.value
    count = PyList_GET_SIZE(modifies)
    if hl_write_batch_modify_start(out, <size_t>count):
        return False
    for i in range(count):
        if not (
            _start(&walk, PyList_GET_ITEM(modifies, i))
            and _next(&walk, "oid") and _read_order_id(walk.value, &id)
            and _next(&walk, "order") and _read_order(walk.value, &order)
            and _is_over(&walk)
            and not hl_write_batch_modify(out, &id, &order)
        ):
            return False
    return _is_over(action)


cdef bint _put_known(hl_out *out, PyObject *action) noexcept:
    """Write a known action; False, with something written, if it is not exactly one of them."""
    cdef _walk walk
    if not _start(&walk, action) or not _next(&walk, "type"):
        return False
    if _is(walk.value, <PyObject *>"order"):
        return _put_orders(out, &walk)
    if _is(walk.value, <PyObject *>"cancel"):
        return _put_cancels(out, &walk)
    if _is(walk.value, <PyObject *>"cancelByCloid"):
        return _put_cancels_by_cloid(out, &walk)
    if _is(walk.value, <PyObject *>"modify"):
        return _put_modify(out, &walk)
    if _is(walk.value, <PyObject *>"batchModify"):
        return _put_batch_modify(out, &walk)
    return False


# --- both -----------------------------------------------------------------------------------------


cdef int _encode(hl_out *out, object action, bint known=True) except -1:
    """Append an action; raise, with the place of the culprit, if it cannot be encoded."""
    cdef size_t size = out.size
    cdef PyObject *value = <PyObject *>action
    cdef int failed
    if known and _put_known(out, value):
        return 0
    out.size = size
    if not PyDict_Check(value) and not PyList_Check(value) and not PyTuple_Check(value):
        raise FieldTypeError(
            f"an action must be a dict, not {type(action).__name__}", code="FieldType"
        )
    failed = _put(out, value, 0)
    if failed == _NO_MEMORY:
        raise MemoryError
    if failed:
        _refuse(action, "action", 0)
        raise InvalidTransaction("the action cannot be encoded", code="Encoding")
    return 0


def _refuse(value, str where, int depth):
    """Raise for the first part of an action that cannot be encoded."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidTransaction(
                f"{where}: text with half a surrogate pair has no UTF-8", code="Encoding"
            ) from None
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise InvalidTransaction(f"{where}: an integer beyond 64 bits", code="IntegerRange")
    elif isinstance(value, (dict, list, tuple)):
        if depth == _DEPTH_MAX:
            raise InvalidTransaction(f"nested more than {_DEPTH_MAX} deep", code="Depth")
        if isinstance(value, dict):
            for key, item in dict.items(value):
                if not isinstance(key, str):
                    raise FieldTypeError(
                        f"{where}: a key must be a str, not {type(key).__name__}", code="FieldType"
                    )
                _refuse(key, f"a key of {where}", depth)
                _refuse(item, f"{where}.{key}", depth + 1)
        else:
            for i, item in enumerate(value):
                _refuse(item, f"{where}[{i}]", depth + 1)
    elif isinstance(value, float):
        raise FieldTypeError(
            f"{where}: a float is never signed; write the number as text (`number_text`)",
            code="FieldType",
        )
    elif value is not None:
        raise FieldTypeError(
            f"{where}: {type(value).__name__} is nothing an action can hold", code="FieldType"
        )


cdef int _uint64(object value, uint64_t *out, str name) except -1:
    if PyBool_Check(value) or not PyIndex_Check(value):
        raise FieldTypeError(
            f"{name} must be an integer, not {type(value).__name__}", code="FieldType"
        )
    value = PyNumber_Index(value)
    if not _unsigned(<PyObject *>value, out):
        raise InvalidTransaction(f"{name} must be from 0 to 2^64 - 1", code="IntegerRange")
    return 0


cdef int _fixed_bytes(object value, uint8_t *out, size_t size) except -1:
    """Read bytes or hexadecimal digits (`0x` allowed). 0, or 1 if they do not give `size` bytes."""
    cdef Py_buffer view
    cdef Py_ssize_t length
    cdef const char *text
    cdef int wrong
    if isinstance(value, str):
        if not PyUnicode_IS_COMPACT_ASCII(<PyObject *>value):
            return 1
        text = <const char *>PyUnicode_DATA(<PyObject *>value)
        length = PyUnicode_GET_LENGTH(<PyObject *>value)
        if length >= 2 and text[0] == b"0" and text[1] in b"xX":
            text += 2
            length -= 2
        return 1 if <size_t>length != 2 * size or tw_unhex(out, text, size) != 0 else 0
    if not PyObject_CheckBuffer(value):
        return 2
    PyObject_GetBuffer(value, &view, PyBUF_SIMPLE)
    wrong = <size_t>view.len != size
    if not wrong:
        memcpy(out, view.buf, size)
    PyBuffer_Release(&view)
    return wrong


cdef int _address(object value, uint8_t *out, str name) except -1:
    cdef int wrong = _fixed_bytes(value, out, 20)
    if wrong == 2:
        raise FieldTypeError(
            f"{name} must be hexadecimal digits or bytes, not {type(value).__name__}",
            code="FieldType",
        )
    if wrong:
        raise InvalidTransaction(
            f"{name} must be 20 bytes or 40 hexadecimal digits", code="Address"
        )
    return 0


cdef int _network(object mainnet) except -1:
    """Read the network; anything but a bool could be taken for the wrong one."""
    if mainnet is True:
        return 1
    if mainnet is False:
        return 0
    raise FieldTypeError(
        f"mainnet must be True or False, not {type(mainnet).__name__}", code="FieldType"
    )


cdef int _read_key(object private_key, uint8_t *out) except -1:
    """Read 32 bytes or their 64 digits. What is raised holds no part of what was given."""
    cdef Py_buffer view
    if isinstance(private_key, str):
        if not PyUnicode_IS_COMPACT_ASCII(<PyObject *>private_key):
            raise InvalidKey("private key: a character is no hexadecimal digit")
        return _read_key_text(
            <const char *>PyUnicode_DATA(<PyObject *>private_key),
            PyUnicode_GET_LENGTH(<PyObject *>private_key),
            out,
        )
    if not PyObject_CheckBuffer(private_key):
        raise TypeError(f"private_key must be a str or bytes, not {type(private_key).__name__}")
    PyObject_GetBuffer(private_key, &view, PyBUF_SIMPLE)
    try:
        if view.len != 32:
            return _read_key_text(<const char *>view.buf, view.len, out)
        memcpy(out, view.buf, 32)
    finally:
        PyBuffer_Release(&view)
    return 0


cdef int _read_key_text(const char *text, Py_ssize_t length, uint8_t *out) except -1:
    if length >= 2 and text[0] == b"0" and text[1] in b"xX":
        text += 2
        length -= 2
    if length != 64:
        raise InvalidKey("private key: 32 bytes or 64 hexadecimal digits are expected")
    if tw_unhex(out, text, 32) != 0:
        raise InvalidKey("private key: a character is no hexadecimal digit")
    return 0


cdef str _checksummed(const uint8_t *address):
    """Write an address with the checksum of EIP-55 in its capitals."""
    cdef char text[42]
    cdef uint8_t marks[32]
    cdef int i
    text[0] = b"0"
    text[1] = b"x"
    tw_put_hex(text + 2, address, 20)
    tw_keccak256(marks, <const uint8_t *>text + 2, 40)
    for i in range(40):
        if text[2 + i] >= b"a" and marks[i // 2] >> (4 if i % 2 == 0 else 0) & 8:
            text[2 + i] -= 32
    return PyUnicode_DecodeASCII(text, 42, NULL)
