"""One sequence of tokens and its KV cache."""

from __future__ import annotations

import weakref
from array import array
from ctypes import POINTER, byref, c_float, c_size_t, c_void_p
from typing import Any, Callable, Iterable, Optional, Sequence, Union

from . import _structs as structs
from ._chat import Messages, chat_arguments
from ._convert import Path, copied_floats, filled_ids, ids_array, path_bytes
from ._errors import invalid
from ._generation import Generation
from ._handle import SessionHandle
from ._library import library, sized
from ._model import Model
from ._sampling import Sampling
from ._session_values import OpProfile, RoutedToken, generate_options, op_profile
from ._session_values import routed_token
from ._stream import Stream

Prompt = Union[str, Iterable[int], Messages]


class Session:
    """One sequence of tokens, made by Model.session. For one call at a time: another meanwhile, or
    one from its own callback, raises BUSY. cancel and close work at any time, from any thread."""

    def __init__(self, model: Model, handle: c_void_p) -> None:
        """Takes over a handle of the C API."""
        self.model = model
        self._handle = SessionHandle(handle)
        # Also without a close, and when the interpreter exits.
        self._free = weakref.finalize(self, self._handle.free)

    def _info(self) -> structs.octavo_session_info:
        info = sized(structs.octavo_session_info)
        with self._handle.work() as handle:
            library().octavo_session_get_info(handle, byref(info))
        return info

    @property
    def position(self) -> int:
        """Tokens held."""
        return int(self._info().position)

    @property
    def context(self) -> int:
        """Tokens that fit."""
        return int(self._info().context)

    @property
    def cache_bytes(self) -> int:
        """Memory of keys and values, what forks share included."""
        return int(self._info().cache_bytes)

    @property
    def cache(self) -> str:
        """How keys and values are stored, never "auto"."""
        return structs.CACHE_TYPES[self._info().cache]

    @property
    def threads(self) -> int:
        return int(self._info().threads)

    @property
    def reused(self) -> int:
        """Ids that the last prompt did not have to compute."""
        return int(self._info().reused)

    @property
    def tokens(self) -> list[int]:
        """All ids that it holds."""
        with self._handle.work() as handle:
            return filled_ids(lambda *target: library().octavo_session_tokens(handle, *target))

    def feed(self, ids: Iterable[int]) -> array[float]:
        """Appends ids, and returns the logits [vocab] after the last one."""
        return self._compute(library().octavo_session_feed, ids)

    def prompt(self, ids: Iterable[int]) -> array[float]:
        """As feed, but makes the session hold exactly these ids, of which the beginning that it
        holds already is not computed again."""
        return self._compute(library().octavo_session_prompt, ids)

    def _compute(self, function: Any, ids: Iterable[int]) -> array[float]:
        given, logits, vocab = ids_array(ids), POINTER(c_float)(), c_size_t()

        def call(handle: c_void_p) -> array[float]:
            function(handle, given, len(given), byref(logits), byref(vocab))
            return copied_floats(logits, vocab.value)

        return self._handle.compute(call)

    def evaluate(
        self,
        ids: Iterable[int],
        callback: Callable[[int, array[float]], object],
        first: int = 0,
    ) -> None:
        """As feed, and calls callback(index in ids, logits [vocab]) for each from ids[first] on."""

        def receive(index: int, logits: Any, vocab: int, _user: Any) -> None:
            if self._handle.has_failed:
                return
            try:
                callback(index, copied_floats(logits, vocab))
            except BaseException as failure:
                self._handle.fail(failure)

        if first < 0:
            raise invalid(f"first must be 0 or more, not {first}")
        given, receiver = ids_array(ids), structs.logits_callback(receive)

        def call(handle: c_void_p) -> None:
            library().octavo_session_evaluate(handle, given, len(given), first, receiver, None)

        self._handle.compute(call)

    def generate(
        self,
        prompt: Prompt,
        *,
        max_tokens: int = 128,
        sampling: Optional[Sampling] = None,
        stop: Sequence[str] = (),
        logprobs: Optional[int] = None,
        whole_prompt: bool = False,
        speculation: str = "auto",
        chat_template: str = "auto",
        continue_final: bool = False,
    ) -> Stream:
        """A stream of the tokens that come after a prompt.

        prompt: a text (BOS goes in front where it is the session's first), ids, or the messages of
        a conversation. max_tokens: negative for no limit but the context. stop: the text ends
        before the first of these. logprobs: 0 for that of each token, n for those of the n most
        likely too. whole_prompt: the prompt is all that comes before, not what is appended; always
        so for messages. speculation: "auto", "off" or "on"; it changes the speed alone.
        chat_template, continue_final: of messages, as in Model.encode_chat."""
        options = generate_options(max_tokens, whole_prompt, stop, logprobs, speculation)
        further = byref(options), byref((sampling or Sampling())._struct())
        messages = _messages_of(prompt)
        arguments: tuple[Any, ...]
        if messages is not None:
            given, chat = chat_arguments(messages, chat_template, continue_final)
            arguments = (given, len(given), byref(chat), *further)
            function = library().octavo_generate_chat
        else:
            given = ids_array(self._ids_of(prompt, whole_prompt))
            arguments = (given, len(given), *further)
            function = library().octavo_generate

        def generate(session: c_void_p, *results: Any) -> None:
            function(session, *arguments, *results)

        return Stream(self, Generation(self._handle, generate, has_logprobs=logprobs is not None))

    def _ids_of(self, prompt: Any, is_whole: bool) -> Iterable[int]:
        """Of a prompt that is a text, or ids already."""
        if not isinstance(prompt, str):
            return prompt  # type: ignore[no-any-return]
        return self.model.tokenize(prompt, bos=is_whole or self.position == 0)

    def rewind(self, position: int) -> None:
        """Forgets the tokens from `position` on; 0: all."""
        with self._handle.work() as handle:
            library().octavo_session_rewind(handle, position)

    def fork(self) -> Session:
        """Another session with the same tokens; memory is shared until one of the two goes on. It
        takes over neither callback."""
        fork = c_void_p()
        with self._handle.work() as handle:
            library().octavo_session_fork(handle, byref(fork))
        return Session(self.model, fork)

    def save(self, path: Path) -> None:
        """For Model.restore."""
        name = path_bytes(path)
        with self._handle.work() as handle:
            library().octavo_session_save(handle, name)

    @staticmethod
    def restore(model: Model, path: Path, **options: Any) -> Session:
        """Model.restore"""
        return model.restore(path, **options)

    def cancel(self) -> None:
        """Ends the call at work, if there is one: feed, prompt and evaluate raise CANCELLED, a
        stream ends with that reason."""
        self._handle.cancel()

    def on_progress(self, callback: Optional[Callable[[int, int], object]]) -> None:
        """callback(done, total) after each chunk of prefill from now on, in the thread that
        computes; False ends the call as cancel does. None ends it."""
        self._handle.on_progress = callback

    def on_routing(self, callback: Optional[Callable[[RoutedToken], object]]) -> None:
        """Called for each token in each layer of a mixture from now on, in the thread that
        computes. What it raises ends the call at work, which raises it. None ends it."""
        if callback is None:
            return self._handle.trace_routing(None)
        observer = callback  # which is never None
        return self._handle.trace_routing(lambda token: observer(routed_token(token)))

    def profile(self) -> list[OpProfile]:
        """The ops since the session was made or reset_profile was called, in the order of a pass;
        none without the option."""
        count = c_size_t()
        with self._handle.work() as handle:
            library().octavo_session_profile(handle, None, 0, byref(count))
            ops = (structs.octavo_op_profile * count.value)()
            library().octavo_session_profile(handle, ops, len(ops), byref(count))
            return [op_profile(op) for op in ops]

    def reset_profile(self) -> None:
        with self._handle.work() as handle:
            library().octavo_session_reset_profile(handle)

    def close(self) -> None:
        """A call at work in another thread is cancelled, and waited for."""
        self._free()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _messages_of(prompt: Prompt) -> Optional[Messages]:
    """The prompt, if it is a conversation: a list whose first entry is no number."""
    if isinstance(prompt, str) or not isinstance(prompt, Sequence) or not prompt:
        return None
    is_number = hasattr(prompt[0], "__index__")
    return None if is_number else prompt  # type: ignore[return-value]
