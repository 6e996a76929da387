"""What Session.generate returns."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Optional

from ._errors import invalid
from ._generation import Generation, Result, Token

if TYPE_CHECKING:
    from ._session import Session


def _finish(generation: Generation) -> None:
    generation.stop()
    generation.raise_error()


class Stream:
    """An iterator of tokens, for `for` and `async for`. A thread computes meanwhile; it starts with
    the first token that is asked for.

    Leaving the loop ends the computing: at once when the stream was written into the `for`
    statement, otherwise by close() or a `with` block around it. The session then stands behind the
    last token but one that was given, as after every text."""

    def __init__(self, session: Session, generation: Generation) -> None:
        self._session = session  # lives as long as the stream
        self._generation = generation
        # Also without a close, and when the interpreter exits.
        self._finish = weakref.finalize(self, _finish, generation)

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Token:
        token = self._next()
        if token is None:
            raise StopIteration
        return token

    def text(self) -> str:
        """All that is still to come, in one piece."""
        return "".join(token.text for token in self)

    @property
    def result(self) -> Result:
        """How the text came about, once it has ended or the stream is closed."""
        result = self._generation.result
        if result is None or self._finish.alive:
            raise invalid("the text has no result yet: it has not ended, or not even begun")
        return result

    def close(self) -> None:
        """Ends the text and waits until the computing has ended."""
        self._finish()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Token:
        loop = asyncio.get_running_loop()
        try:
            token = await loop.run_in_executor(None, self._next)
        except asyncio.CancelledError:
            await self.aclose()
            raise
        if token is None:
            raise StopAsyncIteration
        return token

    async def aclose(self) -> None:
        """As close, while the event loop goes on."""
        await asyncio.get_running_loop().run_in_executor(None, self.close)

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _next(self) -> Optional[Token]:
        try:
            token = self._generation.next()
        except BaseException:
            self.close()
            raise
        if token is None:
            self.close()
        return token
