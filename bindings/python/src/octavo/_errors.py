"""What goes wrong, as the C API's statuses."""

from __future__ import annotations

import enum


class ErrorCode(enum.IntEnum):
    """octavo_status of the C API."""

    INVALID_ARGUMENT = 1  # an option or a call that cannot be honoured
    IO = 2  # a file that cannot be opened, read, written or mapped
    FORMAT = 3  # a file that is damaged, cut short, or not what it says
    UNSUPPORTED = 4  # a valid file or request that this build does not know
    OUT_OF_RANGE = 5  # more tokens than the context holds
    CANCELLED = 6  # ended by Session.cancel or on_progress
    INVALID_HANDLE = 7  # a model, session or sampler that is closed
    BUFFER_TOO_SMALL = 8
    BUSY = 9  # the session is at work in another call
    OUT_OF_MEMORY = 10
    INTERNAL = 11  # an error of the library itself


class Error(Exception):
    """A failure with its code, and one line that a user can act on."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[type[Error], tuple[ErrorCode, str]]:
        return Error, (self.code, str(self))


class LibraryError(ImportError):
    """The shared library is missing, or another one than this package was written for."""


def invalid(message: str) -> Error:
    return Error(ErrorCode.INVALID_ARGUMENT, message)
