"""What goes into sessions and comes out of them."""

from __future__ import annotations

import dataclasses
from typing import Any, Optional, Sequence

from . import _structs as structs
from ._convert import choice, set_number, texts_array
from ._errors import invalid
from ._library import defaults


@dataclasses.dataclass(frozen=True)
class RoutedToken:
    """What the router decided for one token in one layer."""

    layer: int
    position: int
    experts: tuple[int, ...]  # best first
    weights: tuple[float, ...]  # of these experts, sum 1
    logits: tuple[float, ...]  # of all experts


@dataclasses.dataclass(frozen=True)
class OpProfile:
    """What one op of the forward pass has cost, summed over its calls."""

    name: str  # "matmul_qkv", "attention", ...
    calls: int
    seconds: float
    bytes: float  # weights (of the experts that were chosen) and cache entries read
    operations: float  # multiplications and additions with those


def session_options(
    context: int,
    threads: int,
    cache: str,
    chunk: Optional[int],
    context_shift: bool,
    keep: Optional[int],
    profile: bool,
) -> structs.octavo_session_options:
    options = defaults(structs.octavo_session_options)
    set_number(options, "context", context)
    set_number(options, "threads", threads)
    options.cache = choice(cache, structs.CACHE_TYPES, "cache")
    options.context_shift = bool(context_shift)
    options.profile = bool(profile)
    if chunk is not None:
        set_number(options, "chunk", chunk)
    if keep is not None:
        set_number(options, "keep", keep)
    return options


def generate_options(
    max_tokens: int,
    whole_prompt: bool,
    stop: Sequence[str],
    logprobs: Optional[int],
    speculation: str,
) -> structs.octavo_generate_options:
    options = defaults(structs.octavo_generate_options)
    set_number(options, "max_tokens", max_tokens)
    options.whole_prompt = bool(whole_prompt)
    options.stop = texts_array(stop, "stop")
    options.stop_count = len(stop)
    if logprobs is not None and logprobs < 0:
        raise invalid(f"logprobs must be None or 0 or more, not {logprobs}")
    set_number(options, "logprobs", -1 if logprobs is None else logprobs)
    options.speculation = choice(speculation, structs.SPECULATIONS, "speculation")
    return options


def op_profile(op: structs.octavo_op_profile) -> OpProfile:
    return OpProfile(op.name.decode("utf-8"), op.calls, op.seconds, op.bytes, op.operations)


def routed_token(token: Any) -> RoutedToken:
    chosen, experts = token.chosen, token.expert_count
    return RoutedToken(
        token.layer,
        token.position,
        tuple(token.experts[:chosen]),
        tuple(token.weights[:chosen]),
        tuple(token.logits[:experts]),
    )
