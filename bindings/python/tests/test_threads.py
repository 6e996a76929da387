"""Many sessions over one model, from many threads and from an event loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
import unittest

import octavo
from octavo import Sampling, StopReason

from support import GREEDY, STORY, model, session, story_ids


def story(seed: int) -> str:
    with session() as opened:
        return opened.generate(STORY, max_tokens=30, sampling=Sampling(seed=seed)).text()


class ThreadsTest(unittest.TestCase):
    def test_texts_are_those_of_one_thread(self) -> None:
        expected = [story(seed) for seed in range(16)]
        self.assertEqual(len(set(expected)), 16)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            self.assertEqual(list(pool.map(story, range(16))), expected)

    def test_close_from_another_thread_ends_a_call(self) -> None:
        for _ in range(10):
            opened, is_computing = session(context=2048, chunk=16), threading.Event()
            codes = []

            def tell(*_: object) -> None:
                is_computing.set()
                time.sleep(0.02)  # 2.5 s in all: it is not done before the close, on a busy machine

            opened.on_progress(tell)

            def feed() -> None:
                try:
                    opened.feed(story_ids(2000))
                except octavo.Error as error:
                    codes.append(error.code)

            thread = threading.Thread(target=feed)
            thread.start()
            is_computing.wait()
            opened.close()
            thread.join()
            self.assertEqual(codes, [octavo.ErrorCode.CANCELLED])

    def test_many_streams_closed_at_any_moment(self) -> None:
        def read_some(number: int) -> int:
            with session(chunk=16) as opened:
                stream = opened.generate(story_ids(40), max_tokens=-1, sampling=GREEDY)
                threading.Timer(0.001 * (number % 7), stream.close).start()
                return sum(1 for _ in stream)

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            counts = list(pool.map(read_some, range(40)))
        self.assertEqual(len(counts), 40)


class AsyncTest(unittest.TestCase):
    def test_streams_beside_each_other(self) -> None:
        async def read(seed: int) -> str:
            text = ""
            sampling = Sampling(seed=seed)
            async with session().generate(STORY, max_tokens=30, sampling=sampling) as stream:
                async for token in stream:
                    text += token.text
            self.assertEqual(stream.result.reason, StopReason.MAX_TOKENS)
            return text

        async def read_all() -> list[str]:
            return list(await asyncio.gather(*[read(seed) for seed in range(8)]))

        self.assertEqual(asyncio.run(read_all()), [story(seed) for seed in range(8)])

    def test_cancelling_the_task_ends_the_computing(self) -> None:
        async def cancel() -> octavo.Session:
            opened = session(context=2048)
            stream = opened.generate(STORY, max_tokens=-1)
            has_begun = asyncio.Event()

            async def read() -> None:
                async for _ in stream:
                    has_begun.set()

            task = asyncio.create_task(read())
            await has_begun.wait()
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            await stream.aclose()
            return opened

        opened = asyncio.run(cancel())
        self.assertLess(opened.position, 2048)
        self.assertEqual(len(opened.feed([5])), model().info.vocab)

    def test_errors_come_out(self) -> None:
        async def read() -> None:
            async for _ in session().generate([]):
                pass

        with self.assertRaises(octavo.Error):
            asyncio.run(read())


if __name__ == "__main__":
    unittest.main()
