"""Finds the shared library, loads it once, and declares its functions."""

from __future__ import annotations

import ctypes
import functools
import os
import pathlib
from ctypes import POINTER, byref, c_char_p, c_float, c_int32, c_int64, c_size_t, c_void_p, sizeof
from typing import Any, TypeVar

from . import _structs as structs
from ._errors import Error, ErrorCode, LibraryError

NEEDED_VERSION = 100  # OCTAVO_VERSION_NUMBER of the header that _structs.py was written from
SYSTEM_NAME = "liboctavo.so.0"
BUNDLED = pathlib.Path(__file__).with_name("liboctavo.so")

_handle = c_void_p  # octavo_model*, octavo_session*, octavo_sampler*
_out = POINTER(c_void_p)
_ids = POINTER(c_int32)
_floats = POINTER(c_float)
_count = POINTER(c_size_t)

# Arguments of the functions that return a status.
STATUS_FUNCTIONS: dict[str, list[Any]] = {
    "octavo_model_options_init": [POINTER(structs.octavo_model_options), c_size_t],
    "octavo_model_open": [c_char_p, POINTER(structs.octavo_model_options), _out],
    "octavo_model_free": [_handle],
    "octavo_model_get_info": [_handle, POINTER(structs.octavo_model_info)],
    "octavo_model_tokenize": [_handle, c_char_p, c_size_t, c_int32, _ids, c_size_t, _count],
    "octavo_model_detokenize": [_handle, _ids, c_size_t, c_char_p, c_size_t, _count],
    "octavo_model_chat_template": [_handle, POINTER(c_char_p)],
    "octavo_chat_options_init": [POINTER(structs.octavo_chat_options), c_size_t],
    "octavo_model_encode_chat": [
        _handle,
        POINTER(structs.octavo_chat_message),
        c_size_t,
        POINTER(structs.octavo_chat_options),
        _ids,
        c_size_t,
        _count,
    ],
    "octavo_session_options_init": [POINTER(structs.octavo_session_options), c_size_t],
    "octavo_session_create": [_handle, POINTER(structs.octavo_session_options), _out],
    "octavo_session_free": [_handle],
    "octavo_session_get_info": [_handle, POINTER(structs.octavo_session_info)],
    "octavo_session_tokens": [_handle, _ids, c_size_t, _count],
    "octavo_session_feed": [_handle, _ids, c_size_t, POINTER(_floats), _count],
    "octavo_session_prompt": [_handle, _ids, c_size_t, POINTER(_floats), _count],
    "octavo_session_evaluate": [
        _handle,
        _ids,
        c_size_t,
        c_size_t,
        structs.logits_callback,
        c_void_p,
    ],
    "octavo_session_rewind": [_handle, c_int64],
    "octavo_session_fork": [_handle, _out],
    "octavo_session_save": [_handle, c_char_p],
    "octavo_session_restore": [
        _handle,
        c_char_p,
        POINTER(structs.octavo_session_options),
        _out,
    ],
    "octavo_session_on_progress": [_handle, structs.progress_callback, c_void_p],
    "octavo_session_on_routing": [_handle, structs.routing_callback, c_void_p],
    "octavo_session_cancel": [_handle],
    "octavo_session_profile": [_handle, POINTER(structs.octavo_op_profile), c_size_t, _count],
    "octavo_session_reset_profile": [_handle],
    "octavo_sampling_options_init": [POINTER(structs.octavo_sampling_options), c_size_t],
    "octavo_sampler_create": [POINTER(structs.octavo_sampling_options), _out],
    "octavo_sampler_create_for_model": [_handle, POINTER(structs.octavo_sampling_options), _out],
    "octavo_sampler_free": [_handle],
    "octavo_sampler_accept": [_handle, c_int32],
    "octavo_sampler_sample": [_handle, _floats, c_size_t, POINTER(c_int32)],
    "octavo_sampler_continue_text": [_handle],
    "octavo_sampler_finished": [_handle, POINTER(c_int32)],
    "octavo_logprobs": [
        _floats,
        c_size_t,
        c_int32,
        POINTER(structs.octavo_token_logprob),
        c_size_t,
    ],
    "octavo_generate_options_init": [POINTER(structs.octavo_generate_options), c_size_t],
    "octavo_generate": [
        _handle,
        _ids,
        c_size_t,
        POINTER(structs.octavo_generate_options),
        POINTER(structs.octavo_sampling_options),
        structs.token_callback,
        c_void_p,
        POINTER(structs.octavo_generate_result),
    ],
    "octavo_generate_chat": [
        _handle,
        POINTER(structs.octavo_chat_message),
        c_size_t,
        POINTER(structs.octavo_chat_options),
        POINTER(structs.octavo_generate_options),
        POINTER(structs.octavo_sampling_options),
        structs.token_callback,
        c_void_p,
        POINTER(structs.octavo_generate_result),
    ],
}
# What the others return, and their arguments.
OTHER_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "octavo_version": (c_char_p, []),
    "octavo_version_number": (c_int32, []),
    "octavo_last_error": (c_char_p, []),
    "octavo_status_name": (c_char_p, [c_int32]),
    "octavo_guardrail_prompt": (c_char_p, []),
}


@functools.lru_cache(maxsize=None)
def library() -> ctypes.CDLL:
    """The loaded library. Its status functions raise Error instead of returning one."""
    told = os.environ.get("OCTAVO_LIBRARY")
    path = told or (str(BUNDLED) if BUNDLED.is_file() else SYSTEM_NAME)
    try:
        loaded = ctypes.CDLL(path)
    except OSError as error:
        origin = "OCTAVO_LIBRARY says" if told else "the package looked for"
        raise LibraryError(
            f"cannot load {path}, which {origin} as Octavo's shared library ({error}); build "
            "Octavo and install this package again from its checkout, or put the library where "
            "the system looks (cmake --install, ldconfig), or name the file in OCTAVO_LIBRARY"
        ) from error
    _check_version(loaded, path)
    for name, arguments in STATUS_FUNCTIONS.items():
        function = _function(loaded, name, path)
        function.argtypes, function.restype = arguments, c_int32
        function.errcheck = functools.partial(_raise_failure, loaded)
    for name, (result, arguments) in OTHER_FUNCTIONS.items():
        function = _function(loaded, name, path)
        function.argtypes, function.restype = arguments, result
    return loaded


def _function(loaded: ctypes.CDLL, name: str, path: str) -> Any:
    try:
        return getattr(loaded, name)
    except AttributeError:
        raise _unfit(path, f"has no {name}") from None


def _check_version(loaded: ctypes.CDLL, path: str) -> None:
    number = int(_function(loaded, "octavo_version_number", path)())
    if number < NEEDED_VERSION or number // 10000 != NEEDED_VERSION // 10000:
        raise _unfit(path, f"is version {_version_text(number)}")


def _version_text(number: int) -> str:
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"


def _unfit(path: str, what: str) -> LibraryError:
    return LibraryError(
        f"{path} {what}, and this package needs Octavo's library in version "
        f"{_version_text(NEEDED_VERSION)} or a later {NEEDED_VERSION // 10000}.x; build Octavo "
        "from the same checkout as the package and install both again"
    )


def _raise_failure(loaded: ctypes.CDLL, status: int, _function: Any, _arguments: Any) -> int:
    if status == 0:
        return status
    message = bytes(loaded.octavo_last_error()).decode("utf-8", "replace")
    known = status in ErrorCode.__members__.values()
    raise Error(ErrorCode(status) if known else ErrorCode.INTERNAL, message)


Struct = TypeVar("Struct", bound=ctypes.Structure)


def defaults(struct: type[Struct]) -> Struct:
    """Options as the library's _init function writes them."""
    options = struct()
    getattr(library(), struct.__name__ + "_init")(byref(options), sizeof(struct))
    return options


def sized(struct: type[Struct]) -> Struct:
    """A result for the library to fill in."""
    result = struct()
    result.struct_size = sizeof(struct)
    return result
