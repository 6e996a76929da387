"""The structs, callbacks and constants of octavo.h, in its order. A test compares them with it."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_double, c_float, c_int32, c_int64, c_size_t, c_uint64
from ctypes import c_void_p

# By OCTAVO_CACHE_... and OCTAVO_SPECULATION_...
CACHE_TYPES = ("auto", "f32", "f16", "bf16", "q8_0")
SPECULATIONS = ("auto", "off", "on")


class octavo_model_options(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("device", c_char_p),
        ("window", c_int64),
        ("gpu_layers", c_int64),
        ("experts_on_cpu", c_int64),
    ]


class octavo_model_info(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("architecture", c_char_p),
        ("format", c_char_p),
        ("device", c_char_p),
        ("dim", c_int64),
        ("layers", c_int64),
        ("heads", c_int64),
        ("kv_heads", c_int64),
        ("head_dim", c_int64),
        ("ffn_dim", c_int64),
        ("experts", c_int64),
        ("experts_per_token", c_int64),
        ("vocab", c_int64),
        ("context", c_int64),
        ("window", c_int64),
        ("bos", c_int32),
        ("eos", c_int32),
        ("has_tokenizer", c_int64),
    ]


class octavo_chat_message(ctypes.Structure):
    _fields_ = [("role", c_char_p), ("content", c_char_p)]


class octavo_chat_options(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("chat_template", c_char_p),
        ("continue_final", c_int64),
    ]


class octavo_session_options(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("context", c_int64),
        ("chunk", c_int64),
        ("threads", c_int64),
        ("keep", c_int64),
        ("cache", c_int32),
        ("context_shift", c_int32),
        ("profile", c_int64),
    ]


class octavo_session_info(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("position", c_int64),
        ("context", c_int64),
        ("cache_bytes", c_int64),
        ("reused", c_int64),
        ("threads", c_int64),
        ("cache", c_int64),
    ]


class octavo_routed_token(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("layer", c_int64),
        ("position", c_int64),
        ("chosen", c_size_t),
        ("experts", POINTER(c_int32)),  # [chosen]
        ("weights", POINTER(c_float)),  # [chosen]
        ("expert_count", c_size_t),
        ("logits", POINTER(c_float)),  # [expert_count]
    ]


class octavo_op_profile(ctypes.Structure):
    _fields_ = [
        ("name", c_char_p),
        ("calls", c_int64),
        ("seconds", c_double),
        ("bytes", c_double),
        ("operations", c_double),
    ]


class octavo_logit_bias(ctypes.Structure):
    _fields_ = [("id", c_int32), ("bias", c_float)]


class octavo_sampling_options(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("temperature", c_float),
        ("top_p", c_float),
        ("min_p", c_float),
        ("repeat_penalty", c_float),
        ("top_k", c_int32),
        ("repeat_window", c_int32),
        ("seed", c_uint64),
        ("frequency_penalty", c_float),
        ("presence_penalty", c_float),
        ("dry_multiplier", c_float),
        ("dry_base", c_float),
        ("dry_allowed_length", c_int32),
        ("dry_window", c_int32),
        ("dry_breakers", POINTER(c_char_p)),  # [dry_breaker_count]
        ("dry_breaker_count", c_size_t),
        ("typical_p", c_float),
        ("xtc_probability", c_float),
        ("xtc_threshold", c_float),
        ("dynatemp_range", c_float),
        ("dynatemp_exponent", c_float),
        ("mirostat", c_int32),
        ("mirostat_tau", c_float),
        ("mirostat_eta", c_float),
        ("logit_bias", POINTER(octavo_logit_bias)),  # [logit_bias_count]
        ("logit_bias_count", c_size_t),
        ("grammar", c_char_p),
        ("json_schema", c_char_p),
    ]


class octavo_token_logprob(ctypes.Structure):
    _fields_ = [("id", c_int32), ("logprob", c_float)]


class octavo_token(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("text", c_void_p),  # [text_size] bytes
        ("text_size", c_size_t),
        ("id", c_int32),
        ("logprob", c_float),
        ("top", POINTER(octavo_token_logprob)),  # [top_count]
        ("top_count", c_size_t),
    ]


class octavo_generate_options(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("max_tokens", c_int64),
        ("whole_prompt", c_int64),
        ("stop", POINTER(c_char_p)),  # [stop_count]
        ("stop_count", c_size_t),
        ("logprobs", c_int64),
        ("speculation", c_int64),
    ]


class octavo_generate_result(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("prompt_tokens", c_int64),
        ("generated_tokens", c_int64),
        ("reused", c_int64),
        ("prefill_seconds", c_double),
        ("decode_seconds", c_double),
        ("reason", c_int32),
        ("last_token", c_int32),
        ("stop_index", c_int64),
        ("drafted", c_int64),
        ("accepted", c_int64),
        ("decoded_tokens", c_int64),
    ]


logits_callback = ctypes.CFUNCTYPE(None, c_int64, POINTER(c_float), c_size_t, c_void_p)
progress_callback = ctypes.CFUNCTYPE(c_int32, c_int64, c_int64, c_void_p)
routing_callback = ctypes.CFUNCTYPE(None, POINTER(octavo_routed_token), c_void_p)
token_callback = ctypes.CFUNCTYPE(c_int32, POINTER(octavo_token), c_void_p)
