"""Octavo in Python: quantized inference for Mixtral 8x7B and Mistral 7B.

    import octavo

    model = octavo.Model("mixtral.8vo")
    session = model.session()
    for token in session.generate("The capital of France is", max_tokens=32):
        print(token.text, end="", flush=True)

Every failure is an octavo.Error with a code and one line that a user can act on.
"""

from . import _library
from ._chat import Message, Messages, guardrail_prompt
from ._errors import Error, ErrorCode, LibraryError
from ._generation import Result, StopReason, Token
from ._model import Model, ModelInfo
from ._sampling import Sampler, Sampling, TokenLogprob, logprobs
from ._session import Prompt, Session
from ._session_values import OpProfile, RoutedToken
from ._stream import Stream

__version__ = "0.1.0"

__all__ = [
    "Error",
    "ErrorCode",
    "LibraryError",
    "Message",
    "Messages",
    "Model",
    "ModelInfo",
    "OpProfile",
    "Prompt",
    "Result",
    "RoutedToken",
    "Sampler",
    "Sampling",
    "Session",
    "StopReason",
    "Stream",
    "Token",
    "TokenLogprob",
    "guardrail_prompt",
    "library_version",
    "logprobs",
]


def library_version() -> str:
    """Of the shared library, "0.1.0"."""
    return bytes(_library.library().octavo_version()).decode("utf-8")
