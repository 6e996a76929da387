"""Conversations."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Sequence, Union

from . import _structs as structs
from ._convert import text_bytes
from ._errors import invalid
from ._library import defaults, library


class Message(NamedTuple):
    """One of a conversation: an optional "system" first, then "user" and "assistant" in turn."""

    role: str
    content: str


Messages = Sequence[Union[Message, Mapping[str, str]]]


def chat_arguments(
    messages: Messages, chat_template: str, continue_final: bool
) -> tuple[Any, structs.octavo_chat_options]:
    """octavo_chat_message [len(messages)], and the options."""
    options = defaults(structs.octavo_chat_options)
    options.chat_template = text_bytes(chat_template, "chat_template")
    options.continue_final = bool(continue_final)
    given = (structs.octavo_chat_message * len(messages))()
    for target, message in zip(given, messages):
        role, content = _parts(message)
        target.role = text_bytes(role, "a message's role")
        target.content = text_bytes(content, "a message")
    return given, options


def _parts(message: Union[Message, Mapping[str, str]]) -> tuple[str, str]:
    if isinstance(message, Message):
        return message.role, message.content
    try:
        return message["role"], message["content"]
    except (KeyError, TypeError):
        raise invalid('a message is {"role": ..., "content": ...}') from None


def guardrail_prompt() -> str:
    """The system prompt by which the Mistral 7B paper (section 5.1) enforces guardrails."""
    return bytes(library().octavo_guardrail_prompt()).decode("utf-8")
