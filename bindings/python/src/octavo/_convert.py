"""Between Python's values and C's."""

from __future__ import annotations

import ctypes
import os
from array import array
from ctypes import c_float, c_int32, c_size_t
from typing import Any, Callable, Iterable, Sequence, Union

from ._errors import invalid

Path = Union[str, "os.PathLike[str]"]


def path_bytes(path: Path) -> bytes:
    return without_zeros(os.fsencode(path), "a path")


def text_bytes(text: str, what: str) -> bytes:
    return without_zeros(text.encode("utf-8"), what)


def without_zeros(content: bytes, what: str) -> bytes:
    """What C can take as a string with a 0 behind it."""
    if 0 in content:
        raise invalid(f"{what} must not have a 0 character in it")
    return content


def texts_array(texts: Sequence[str], what: str) -> Any:
    """char* [len(texts)]"""
    if isinstance(texts, str):
        raise invalid(f"{what} must be a list of texts, not a text")
    return (ctypes.c_char_p * len(texts))(*[text_bytes(text, what) for text in texts])


def ids_array(ids: Iterable[int]) -> Any:
    """int32_t [len(ids)]"""
    try:
        values = array("i", ids)
    except (TypeError, OverflowError) as error:
        raise invalid(f"ids must be whole numbers of 32 bits ({error})") from None
    return (c_int32 * len(values)).from_buffer(values)


def id_number(id: int) -> int:
    """An id as C can take it."""
    return int(ids_array([id])[0])


def filled_ids(call: Callable[[Any, int, Any], object]) -> list[int]:
    """Calls twice with (ids, capacity, count): to ask how many there are, and to get them."""
    count = c_size_t()
    call(None, 0, ctypes.byref(count))
    ids = (c_int32 * count.value)()
    call(ids, count.value, ctypes.byref(count))
    return list(ids)


def copied_floats(values: Any, count: int) -> array[float]:
    """A copy of const float* [count], whose memory is the library's to use again."""
    copy = array("f")
    copy.frombytes(ctypes.string_at(values, count * ctypes.sizeof(c_float)))
    return copy


def float_array(values: Any) -> Any:
    """float [n] over a buffer of them (array('f'), NumPy's float32), or of other numbers."""
    try:
        view = memoryview(values)
    except TypeError:
        view = memoryview(array("f", values))
    if view.format != "f" or view.ndim != 1 or not view.c_contiguous:
        view = memoryview(array("f", view.tolist()))
    if view.readonly:
        view = memoryview(array("f", view))
    return (c_float * len(view)).from_buffer(view)


def choice(value: str, choices: Sequence[str], what: str) -> int:
    """The number that C has for a word."""
    if value not in choices:
        raise invalid(f"{what} must be one of {', '.join(choices)}, not {value!r}")
    return choices.index(value)


def set_number(struct: ctypes.Structure, name: str, value: float) -> None:
    """Sets a field, where ctypes alone would cut off what does not fit."""
    setattr(struct, name, value)
    held = getattr(struct, name)
    if isinstance(held, int) and held != value:
        raise invalid(f"{name} cannot be {value}")
