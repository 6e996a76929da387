"""A mapped model file."""

from __future__ import annotations

import dataclasses
import weakref
from ctypes import byref, c_char_p, c_size_t, c_void_p, create_string_buffer
from typing import TYPE_CHECKING, Iterable, Optional

from . import _structs as structs
from ._chat import Messages, chat_arguments
from ._convert import Path, filled_ids, ids_array, path_bytes, set_number, text_bytes
from ._errors import Error, ErrorCode, invalid
from ._library import defaults, library, sized
from ._session_values import session_options

if TYPE_CHECKING:
    from ._session import Session


@dataclasses.dataclass(frozen=True)
class ModelInfo:
    """The shape of a model, as its file and its options say."""

    architecture: str  # "mixtral" or "mistral"
    format: str  # what it was converted to, "q4_k"
    device: str  # what it runs on, for people
    dim: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn_dim: int
    experts: int
    experts_per_token: int
    vocab: int
    context: int
    window: int  # 0: none
    bos: int  # -1: none
    eos: int
    has_tokenizer: bool


class Model:
    """A mapped model file, for as many sessions and threads as wanted."""

    def __init__(
        self,
        path: Path,
        *,
        device: str = "cpu",
        window: Optional[int] = None,
        gpu_layers: int = -1,
        experts_on_cpu: bool = False,
    ) -> None:
        """window: keys that a token sees, in place of what the file says; 0: all before it.
        gpu_layers, experts_on_cpu: with device "cuda", how many layers are computed there (-1: all)
        and whether their experts stay with the processor."""
        options = defaults(structs.octavo_model_options)
        options.device = text_bytes(device, "device")
        if window is not None and window < 0:
            raise invalid(f"window must be 0 (none) or more, not {window}")
        set_number(options, "window", -1 if window is None else window)
        set_number(options, "gpu_layers", gpu_layers)
        options.experts_on_cpu = bool(experts_on_cpu)
        handle = c_void_p()
        library().octavo_model_open(path_bytes(path), byref(options), byref(handle))
        self._handle = handle
        self._free = weakref.finalize(self, library().octavo_model_free, handle)
        self.info = self._read_info()

    def _read_info(self) -> ModelInfo:
        info = sized(structs.octavo_model_info)
        library().octavo_model_get_info(self._handle, byref(info))
        values = {field.name: getattr(info, field.name) for field in dataclasses.fields(ModelInfo)}
        for name in ("architecture", "format", "device"):
            values[name] = values[name].decode("utf-8")
        values["has_tokenizer"] = values["has_tokenizer"] != 0
        return ModelInfo(**values)

    def _open_handle(self) -> c_void_p:
        if not self._free.alive:
            raise Error(ErrorCode.INVALID_HANDLE, "the model is closed")
        return self._handle

    def tokenize(self, text: str, bos: bool = True) -> list[int]:
        """Ids of a text, with BOS in front if `bos`."""
        handle, content = self._open_handle(), text.encode("utf-8")
        return filled_ids(
            lambda *target: library().octavo_model_tokenize(
                handle, content, len(content), bool(bos), *target
            )
        )

    def detokenize(self, ids: Iterable[int]) -> str:
        """Text of ids. Control tokens give nothing, bytes that are no UTF-8 give U+FFFD."""
        given, needed = ids_array(ids), c_size_t()
        function, handle = library().octavo_model_detokenize, self._open_handle()
        function(handle, given, len(given), None, 0, byref(needed))
        text = create_string_buffer(needed.value + 1)
        function(handle, given, len(given), text, len(text), byref(needed))
        return text.raw[: needed.value].decode("utf-8")

    def encode_chat(
        self, messages: Messages, *, chat_template: str = "auto", continue_final: bool = False
    ) -> list[int]:
        """Ids of a conversation, up to where the answer begins. What a message says is never taken
        for a control token.

        chat_template: "auto" for the model's own way; "mistral-v1", the official encoding of
        Mixtral-Instruct; or the text of a Jinja template. continue_final: the last message is an
        answer to go on with."""
        given, options = chat_arguments(messages, chat_template, continue_final)
        handle = self._open_handle()
        return filled_ids(
            lambda *target: library().octavo_model_encode_chat(
                handle, given, len(given), byref(options), *target
            )
        )

    @property
    def chat_template(self) -> str:
        """The model's chat template (Jinja), "" if it has none."""
        text = c_char_p()
        library().octavo_model_chat_template(self._open_handle(), byref(text))
        return (text.value or b"").decode("utf-8")

    def session(
        self,
        *,
        context: int = 0,
        threads: int = 0,
        cache: str = "auto",
        chunk: Optional[int] = None,
        context_shift: bool = False,
        keep: Optional[int] = None,
        profile: bool = False,
    ) -> Session:
        """A new, empty session.

        context: positions, 0 for the model's own. threads: 0 for as many as the processors. cache:
        "auto", "f32", "f16", "bf16" or "q8_0". chunk: tokens computed at once in prefill.
        context_shift: what happens when the context is full, an error or that the older half of the
        tokens behind the first `keep` is forgotten. profile: keeps count of every op."""
        from ._session import Session

        options = session_options(context, threads, cache, chunk, context_shift, keep, profile)
        handle = c_void_p()
        library().octavo_session_create(self._open_handle(), byref(options), byref(handle))
        return Session(self, handle)

    def restore(
        self,
        path: Path,
        *,
        context: int = 0,
        threads: int = 0,
        cache: str = "auto",
        chunk: Optional[int] = None,
        context_shift: bool = False,
        keep: Optional[int] = None,
        profile: bool = False,
    ) -> Session:
        """A session as it was saved to a file, with the options of session()."""
        from ._session import Session

        options = session_options(context, threads, cache, chunk, context_shift, keep, profile)
        handle = c_void_p()
        library().octavo_session_restore(
            self._open_handle(), path_bytes(path), byref(options), byref(handle)
        )
        return Session(self, handle)

    def close(self) -> None:
        """Sessions of the model go on living."""
        self._free()

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
