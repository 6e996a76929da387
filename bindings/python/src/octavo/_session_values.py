"""What goes into sessions and comes out of them."""

from __future__ import annotations

import dataclasses
from typing import Any, Optional

from . import _structs as structs
from ._convert import choice, set_number
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
