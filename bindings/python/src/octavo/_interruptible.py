"""Long calls that Ctrl-C ends."""

from __future__ import annotations

import threading
from typing import Callable, Generic, Optional, TypeVar

Result = TypeVar("Result")
_AGAIN_SECONDS = 0.02  # between two attempts to cancel


def call_interruptibly(call: Callable[[], Result], cancel: Callable[[int], None]) -> Result:
    """What call() returns or raises. cancel(thread) is to end it when this thread is interrupted.

    Python hands signals to its main thread alone, once that is in Python again; and what a handler
    raises at the entry of a callback, ctypes drops. So the main thread leaves the call to another
    one, and waits."""
    if threading.current_thread() is not threading.main_thread():
        return call()
    work = _Work(call)
    try:
        threading.Thread(target=work.run, name="octavo-compute", daemon=True).start()
        work.has_ended.wait()  # Thread.join does not hear signals in every version of Python
    except BaseException:
        work.abandon(cancel)
        raise
    return work.result()


class _Work(Generic[Result]):
    """A call that another thread makes, unless it is abandoned before."""

    def __init__(self, call: Callable[[], Result]) -> None:
        self._call = call
        self._results: list[Result] = []
        self._error: Optional[BaseException] = None
        self._guard = threading.Lock()
        self._thread: Optional[int] = None  # that makes the call
        self._is_abandoned = False
        self.has_ended = threading.Event()

    def run(self) -> None:
        with self._guard:
            if self._is_abandoned:
                return
            self._thread = threading.get_ident()
        try:
            self._results.append(self._call())
        except BaseException as raised:
            self._error = raised
        self.has_ended.set()

    def abandon(self, cancel: Callable[[int], None]) -> None:
        with self._guard:
            self._is_abandoned = True
        if self._thread is not None:
            cancel_until(self.has_ended.wait, cancel, self._thread)

    def result(self) -> Result:
        if self._error is not None:
            raise self._error
        return self._results[0]


def cancel_until(
    wait: Callable[[float], bool], cancel: Callable[[int], None], thread: int
) -> None:
    """Until wait(seconds) says that the call has ended: one that is just about to begin does not
    hear the first attempt."""
    cancel(thread)
    while not wait(_AGAIN_SECONDS):
        cancel(thread)
