"""A text that is being generated: a thread computes, and hands over one token when it is asked."""

from __future__ import annotations

import collections
import dataclasses
import enum
import threading
from ctypes import byref, string_at
from typing import Any, Callable, Optional

from . import _structs as structs
from ._errors import Error, ErrorCode
from ._handle import SessionHandle
from ._interruptible import cancel_until
from ._library import sized
from ._sampling import TokenLogprob


class StopReason(enum.IntEnum):
    """OCTAVO_STOP_... of the C API."""

    EOS = 0  # the model ended its text, or the grammar
    MAX_TOKENS = 1
    CONTEXT_FULL = 2
    CALLBACK = 3  # the stream was closed
    TEXT = 4  # one of `stop` came
    CANCELLED = 5  # by Session.cancel or on_progress


@dataclasses.dataclass(frozen=True)
class Token:
    """One generated token."""

    id: int
    text: str  # a character split over tokens comes with its last byte
    logprob: Optional[float] = None  # with logprobs
    top: tuple[TokenLogprob, ...] = ()  # the most likely tokens before any sampling stage

    def __str__(self) -> str:
        return self.text


@dataclasses.dataclass(frozen=True)
class Result:
    """How a text came about."""

    reason: StopReason
    stop_index: int  # with StopReason.TEXT: which of `stop`; otherwise -1
    prompt_tokens: int
    generated_tokens: int
    reused: int  # of the prompt's tokens, with whole_prompt: were there already
    prefill_seconds: float
    decode_seconds: float
    last_token: int  # the last one given, which is not in the session yet; -1: none
    drafted: int  # tokens that speculation guessed
    accepted: int  # of these: were right
    decoded_tokens: int  # that decode_seconds went to: EOS included, the first one not


# octavo_generate with all arguments but these: session, callback, user, result.
Generate = Callable[[Any, Any, None, Any], object]


class Generation:
    """The call of octavo_generate in its thread. The call stands still after each token until the
    next one is asked for: so a text that is left early leaves the session where the reader is."""

    def __init__(self, session: SessionHandle, generate: Generate, has_logprobs: bool) -> None:
        self._session, self._generate, self._has_logprobs = session, generate, has_logprobs
        self._changed = threading.Condition()  # reentrant: a finalizer may come in between
        self._made: collections.deque[Token] = collections.deque()
        self._made_count = self._asked_count = 0
        self._is_stopped = self._is_ended = False
        self._error: Optional[BaseException] = None
        self.result: Optional[Result] = None
        self._thread = threading.Thread(target=self._run, name="octavo-generate", daemon=True)

    def next(self) -> Optional[Token]:
        """The next token, None at the end. Raises what ended the text."""
        with self._changed:
            self._asked_count += 1
            self._changed.notify_all()
            if self._thread.ident is None and not self._is_stopped:
                self._thread.start()
            while not self._made and not self._is_ended and not self._is_stopped:
                self._changed.wait()
            if self._made and not self._is_stopped:
                return self._made.popleft()
        self.stop()
        self.raise_error()
        return None

    def stop(self) -> None:
        """Ends the text and waits for the thread, unless this is the thread itself."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
        thread = self._thread
        if thread.ident is None or thread is threading.current_thread():
            return
        cancel_until(self._has_ended, self._session.cancel_work_of, thread.ident)

    def _has_ended(self, seconds: float) -> bool:
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def raise_error(self) -> None:
        """Once, what the thread has ended with."""
        with self._changed:
            error, self._error = self._error, None
        if error is not None:
            raise error

    def _run(self) -> None:
        error: Optional[BaseException] = None
        try:
            self._compute()
        except BaseException as raised:
            error = raised
        with self._changed:
            self._error = error
            self._is_ended = True
            self._changed.notify_all()

    def _compute(self) -> None:
        filled = sized(structs.octavo_generate_result)
        with self._session.work() as handle:
            self._session.stop_stream = self.stop
            try:
                self._generate(handle, structs.token_callback(self._receive), None, byref(filled))
            except Error as error:
                if error.code != ErrorCode.CANCELLED:
                    raise
            finally:
                self._session.stop_stream = None
            self.result = _result(filled)

    def _receive(self, token: Any, _user: Any) -> int:
        try:
            given = _token(token.contents, self._has_logprobs)
            with self._changed:
                self._made.append(given)
                self._made_count += 1
                self._changed.notify_all()
                while self._made_count >= self._asked_count and not self._is_stopped:
                    self._changed.wait()
            return 1 if self._is_stopped or self._session.has_failed else 0
        except BaseException as failure:
            self._session.fail(failure)
            return 1


def _token(token: Any, has_logprobs: bool) -> Token:
    text = string_at(token.text, token.text_size).decode("utf-8")
    if not has_logprobs:
        return Token(token.id, text)
    top = [TokenLogprob(token.top[i].id, token.top[i].logprob) for i in range(token.top_count)]
    return Token(token.id, text, token.logprob, tuple(top))


def _result(filled: structs.octavo_generate_result) -> Result:
    values = {field.name: getattr(filled, field.name) for field in dataclasses.fields(Result)}
    values["reason"] = StopReason(values["reason"])
    return Result(**values)
