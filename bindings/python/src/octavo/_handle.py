"""A session's handle, and who is at work on it."""

from __future__ import annotations

import contextlib
import threading
from ctypes import c_void_p
from typing import Any, Callable, Iterator, Optional, TypeVar

from . import _structs as structs
from ._errors import Error, ErrorCode
from ._interruptible import call_interruptibly
from ._library import library

Result = TypeVar("Result")
_AGAIN_SECONDS = 0.02  # between two attempts to cancel


class SessionHandle:
    """One call at a time works on a session; the others get BUSY, but for cancel and close.

    It knows nothing of the Session object, so that a thread which computes does not keep that
    alive."""

    def __init__(self, handle: c_void_p) -> None:
        self._handle = handle
        self._work = threading.Lock()  # held by who is at work
        self._owner_guard = threading.RLock()  # a finalizer may come in between, in this thread
        self._owner: Optional[int] = None
        self._is_closed = False
        self._failure: Optional[BaseException] = None  # raised by a callback during this work
        self.on_progress: Optional[Callable[[int, int], object]] = None
        self.stop_stream: Optional[Callable[[], None]] = None  # of the stream at work
        self._routing: Any = None  # C's view of a Python function lives as long as C may call it
        self._progress = structs.progress_callback(self._hear_progress)
        library().octavo_session_on_progress(handle, self._progress, None)

    @contextlib.contextmanager
    def work(self) -> Iterator[c_void_p]:
        """The handle, for one call. Raises what a callback raised, else what the call did."""
        if not self._work.acquire(blocking=False):
            raise Error(
                ErrorCode.BUSY,
                "another call is at work on this session; wait for it or cancel it",
            )
        try:
            if self._is_closed:
                raise Error(ErrorCode.INVALID_HANDLE, "the session is closed")
            self._failure = None
            self._owner = threading.get_ident()
            try:
                yield self._handle
            except Error:
                if self._failure is None:
                    raise
            if self._failure is not None:
                raise self._failure
        finally:
            self._failure = None
            with self._owner_guard:
                self._owner = None
            self._work.release()

    def cancel(self) -> None:
        if not self._is_closed:
            library().octavo_session_cancel(self._handle)

    def compute(self, call: Callable[[c_void_p], Result]) -> Result:
        """work() that takes its time: Ctrl-C ends it."""

        def run() -> Result:
            with self.work() as handle:
                result = call(handle)
            return result

        return call_interruptibly(run, self.cancel_work_of)

    def cancel_work_of(self, thread: int) -> None:
        """Cancels the call at work if it is this thread's, and no later one's."""
        with self._owner_guard:
            if self._owner == thread:
                self.cancel()

    def fail(self, failure: BaseException) -> None:
        """A callback raised: the call at work is to end, and to raise this."""
        if self._failure is None:
            self._failure = failure
        self.cancel()

    @property
    def has_failed(self) -> bool:
        return self._failure is not None

    def free(self) -> None:
        """Ends the call at work, waits for its end, lets no other begin, and frees the handle. In a
        callback there is nothing to wait for: the library frees it behind the call."""
        if self._owner != threading.get_ident():
            while not self._work.acquire(timeout=_AGAIN_SECONDS):
                stop = self.stop_stream
                if stop is not None:
                    stop()
                self.cancel()
            self._work.release()
        self._is_closed = True
        library().octavo_session_free(self._handle)

    def trace_routing(self, observer: Optional[Callable[[Any], object]]) -> None:
        def receive(token: Any, _user: Any) -> None:
            if self.has_failed or observer is None:
                return
            try:
                observer(token.contents)
            except BaseException as failure:
                self.fail(failure)

        with self.work() as handle:
            null = structs.routing_callback(0)
            callback = null if observer is None else structs.routing_callback(receive)
            library().octavo_session_on_routing(handle, callback, None)
            self._routing = callback

    def _hear_progress(self, done: int, total: int, _user: Any) -> int:
        try:
            if self.on_progress is not None and not self.has_failed:
                return 1 if self.on_progress(done, total) is False else 0
        except BaseException as failure:
            self.fail(failure)
        return 1 if self.has_failed else 0
