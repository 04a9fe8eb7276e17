"""Instances of frozen dataclasses with slots, without the price of their `__init__`.

A frozen dataclass sets each field through a checked attribute assignment: some 200 ns a field. A
fill has seventeen of them, and fills are what a bot waits for.
"""

import dataclasses
import types

cimport cython
from cpython.object cimport PyTypeObject

__all__ = ["RecordMaker"]

cdef extern from "Python.h":
    ctypedef object (*newfunc)(PyTypeObject *, object, void *)
    ctypedef int (*descrsetfunc)(object, object, object) except -1
    ctypedef struct PyTypeFull "PyTypeObject":
        newfunc tp_new
        descrsetfunc tp_descr_set

cdef tuple NOTHING = ()
cdef type MEMBER = types.MemberDescriptorType


@cython.final
cdef class RecordMaker:
    """Make records of one class from the values of all its fields, in their order.

    The result is what the class itself would make of them, without its defaults, conversions and
    checks: `__init__` and `__post_init__` do not run.

    Parameters
    ----------
    cls : type
        A dataclass with slots, and no `__post_init__`.

    Raises
    ------
    TypeError
        If it is something else; in a call, if the number of values is not that of the fields.
    """

    cdef type _cls
    cdef tuple _members
    cdef Py_ssize_t _count

    def __init__(self, cls, /):
        if not dataclasses.is_dataclass(cls) or not isinstance(cls, type):
            raise TypeError(f"{cls!r} is not a dataclass")
        if hasattr(cls, "__post_init__"):
            raise TypeError(f"{cls.__name__} has a __post_init__, which would not run")
        members = []
        for field in dataclasses.fields(cls):
            member = getattr(cls, field.name, None)
            if type(member) is not MEMBER:
                raise TypeError(f"{cls.__name__}.{field.name} has no slot")
            members.append(member)
        self._cls = cls
        self._members = tuple(members)
        self._count = len(members)

    def __call__(self, *values):
        cdef Py_ssize_t i
        cdef object member, record
        cdef descrsetfunc set_member = (<PyTypeFull *>MEMBER).tp_descr_set
        if len(values) != self._count:
            raise TypeError(
                f"{self._cls.__name__} has {self._count} fields, got {len(values)} values"
            )
        record = (<PyTypeFull *>self._cls).tp_new(<PyTypeObject *>self._cls, NOTHING, NULL)
        for i in range(self._count):
            member = self._members[i]
            set_member(member, record, values[i])
        return record
