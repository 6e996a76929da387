"""How tokens are chosen."""

from __future__ import annotations

import dataclasses
import json
import weakref
from array import array
from ctypes import byref, c_int32, c_void_p
from typing import TYPE_CHECKING, Any, Mapping, Optional, Sequence, Union

from . import _structs as structs
from ._convert import float_array, id_number, set_number, text_bytes, texts_array
from ._errors import Error, ErrorCode
from ._library import defaults, library

if TYPE_CHECKING:
    from ._model import Model

Logits = Union["array[float]", Sequence[float], Any]  # a buffer of floats, or numbers


@dataclasses.dataclass(frozen=True)
class Sampling:
    """The library's defaults: a plain, slightly cooled distribution. docs/sampling.md explains all
    stages."""

    temperature: float = 0.8  # 0: greedy, the most likely token
    top_k: int = 40  # choose among the most likely; 0: off
    top_p: float = 0.95  # among the most likely that make up this probability; 1: off
    min_p: float = 0.05  # among those with this share of the best one's; 0: off
    typical_p: float = 1  # locally typical tokens that make up this probability; 1: off
    repeat_penalty: float = 1  # divides logits of recent tokens; 1: off
    repeat_window: int = 64  # tokens that the three penalties look back on
    seed: int = 0
    frequency_penalty: float = 0
    presence_penalty: float = 0
    dry_multiplier: float = 0  # weakens what goes on with a repeated sequence; 0: off
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    dry_window: int = 0  # tokens to look for sequences in; 0: all
    dry_breakers: Sequence[str] = ("\n", ":", '"', "*")
    xtc_probability: float = 0  # how often the top choices are dropped; 0: off
    xtc_threshold: float = 0.1
    dynatemp_range: float = 0  # the temperature moves so far up and down by entropy; 0: off
    dynatemp_exponent: float = 1
    mirostat: bool = False  # mirostat 2, in the place of top-k to XTC
    mirostat_tau: float = 5
    mirostat_eta: float = 0.1
    logit_bias: Mapping[int, float] = dataclasses.field(default_factory=dict)  # -inf forbids
    # What the text must match, one of the two: a grammar in GBNF, or a JSON schema as its text or
    # as Python has it.
    grammar: str = ""
    json_schema: Union[str, Mapping[str, Any]] = ""

    def _struct(self) -> structs.octavo_sampling_options:
        """For C; keeps alive what it points to."""
        options = defaults(structs.octavo_sampling_options)
        for field in dataclasses.fields(self):
            if field.name not in ("dry_breakers", "logit_bias", "grammar", "json_schema"):
                set_number(options, field.name, getattr(self, field.name))
        options.dry_breakers = texts_array(self.dry_breakers, "dry_breakers")
        options.dry_breaker_count = len(self.dry_breakers)
        bias_type = structs.octavo_logit_bias
        biases = [bias_type(id_number(id), bias) for id, bias in self.logit_bias.items()]
        options.logit_bias = (bias_type * len(biases))(*biases)
        options.logit_bias_count = len(biases)
        schema = self.json_schema
        schema = schema if isinstance(schema, str) else json.dumps(schema)
        options.grammar = text_bytes(self.grammar, "grammar")
        options.json_schema = text_bytes(schema, "json_schema")
        return options


@dataclasses.dataclass(frozen=True)
class TokenLogprob:
    """A token and the natural logarithm of its probability."""

    id: int
    logprob: float


def logprobs(logits: Logits, id: int, count: int = 0) -> list[TokenLogprob]:
    """What the model itself says, before any stage: `id` first, then the `count` most likely."""
    values = float_array(logits)
    found = (structs.octavo_token_logprob * (1 + max(count, 0)))()
    library().octavo_logprobs(values, len(values), id_number(id), found, len(found))
    return [TokenLogprob(entry.id, entry.logprob) for entry in found]


class Sampler:
    """For those who choose tokens themselves, from a session's logits. For one thread at a time."""

    def __init__(
        self, sampling: Optional[Sampling] = None, model: Optional[Model] = None
    ) -> None:
        """Grammars, and DRY's breakers, need the model."""
        options = byref((sampling or Sampling())._struct())
        handle = c_void_p()
        if model is None:
            library().octavo_sampler_create(options, byref(handle))
        else:
            library().octavo_sampler_create_for_model(model._open_handle(), options, byref(handle))
        self._handle = handle
        self._free = weakref.finalize(self, library().octavo_sampler_free, handle)

    def _open_handle(self) -> c_void_p:
        if not self._free.alive:
            raise Error(ErrorCode.INVALID_HANDLE, "the sampler is closed")
        return self._handle

    def accept(self, id: int) -> None:
        """Remembers a token of the prompt for the penalties; sample does so for what it gives."""
        library().octavo_sampler_accept(self._open_handle(), id_number(id))

    def continue_text(self) -> None:
        """Text comes before what is sampled: a space in front of the first token counts."""
        library().octavo_sampler_continue_text(self._open_handle())

    def sample(self, logits: Logits) -> int:
        values, id = float_array(logits), c_int32()
        library().octavo_sampler_sample(self._open_handle(), values, len(values), byref(id))
        return id.value

    @property
    def finished(self) -> bool:
        """The grammar is complete and allows nothing more."""
        finished = c_int32()
        library().octavo_sampler_finished(self._open_handle(), byref(finished))
        return finished.value != 0

    def close(self) -> None:
        self._free()

    def __enter__(self) -> Sampler:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
