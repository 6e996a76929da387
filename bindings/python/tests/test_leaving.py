"""Streams that end early: left, closed, cancelled, dropped, or by an exception."""

from __future__ import annotations

import gc
import itertools
import threading
import time
import unittest
from unittest import mock

import octavo
from octavo import ErrorCode, StopReason

from support import GREEDY, STORY, computing_threads, model, session, story_ids


class LeavingTest(unittest.TestCase):
    """A text that is left early leaves the session where the reader is."""

    def setUp(self) -> None:
        self.prompt = model().tokenize(STORY)
        stream = session().generate(STORY, max_tokens=6, sampling=GREEDY)
        self.ids = [token.id for token in stream]

    def tearDown(self) -> None:
        gc.collect()
        self.assertEqual(computing_threads(), [])

    def expect_left_after(self, count: int, opened: octavo.Session) -> None:
        self.assertEqual(opened.tokens, self.prompt + self.ids[: count - 1])

    def test_break(self) -> None:
        for speculation in ("auto", "off", "on"):
            opened, read = session(), []
            for token in opened.generate(STORY, sampling=GREEDY, speculation=speculation):
                read.append(token.id)
                if len(read) == 4:
                    break
            self.assertEqual(read, self.ids[:4])
            self.expect_left_after(4, opened)

    def test_break_within_with(self) -> None:
        opened = session()
        with opened.generate(STORY, sampling=GREEDY) as stream:
            for _ in itertools.islice(stream, 3):
                pass
        self.expect_left_after(3, opened)
        self.assertEqual(stream.result.reason, StopReason.CALLBACK)
        self.assertEqual(stream.result.generated_tokens, 3)

    def test_exceptions_in_the_loop(self) -> None:
        opened = session()
        with self.assertRaises(LookupError):
            for _ in opened.generate(STORY, sampling=GREEDY):
                raise LookupError
        self.expect_left_after(1, opened)

    def test_close_before_the_first_token(self) -> None:
        opened = session()
        stream = opened.generate(STORY)
        stream.close()
        stream.close()
        self.assertEqual((list(stream), opened.position), ([], 0))

    def test_never_started(self) -> None:
        opened = session()
        opened.generate(STORY)
        self.assertEqual(opened.position, 0)

    def test_close_of_the_session_in_the_loop(self) -> None:
        opened, count = session(), 0
        for _ in opened.generate(STORY, sampling=GREEDY):
            count += 1
            opened.close()
        self.assertEqual(count, 1)

    def test_session_lives_as_long_as_its_stream(self) -> None:
        read = [token.id for token in session().generate(STORY, max_tokens=6, sampling=GREEDY)]
        self.assertEqual(read, self.ids)

    def test_other_calls_meanwhile_are_refused(self) -> None:
        opened = session()
        with opened.generate(STORY, sampling=GREEDY) as stream:
            next(stream)
            with self.assertRaises(octavo.Error) as raised:
                opened.feed([1])
            self.assertEqual(raised.exception.code, ErrorCode.BUSY)
            with self.assertRaises(octavo.Error) as raised:
                next(opened.generate([1]))
            self.assertEqual(raised.exception.code, ErrorCode.BUSY)
            self.assertEqual(next(stream).id, self.ids[1])

    def test_cancel_ends_the_stream(self) -> None:
        opened, read = session(), []
        stream = opened.generate(STORY, max_tokens=-1, sampling=GREEDY)
        for token in stream:
            read.append(token.id)
            if len(read) == 2:
                thread = threading.Thread(target=opened.cancel)
                thread.start()
                thread.join()
        self.assertLessEqual(len(read), 3)
        self.assertEqual(stream.result.reason, StopReason.CANCELLED)
        self.assertEqual(len(list(opened.generate([5], max_tokens=1))), 1)  # it works as before

    def test_cancel_within_the_prompt(self) -> None:
        opened = session(chunk=16)
        opened.on_progress(lambda *_: opened.cancel())
        stream = opened.generate(story_ids(64))
        self.assertEqual(list(stream), [])
        self.assertEqual(stream.result.reason, StopReason.CANCELLED)
        self.assertEqual(opened.position, 16)

    def test_close_within_the_prompt(self) -> None:
        opened, is_computing, is_closing = session(chunk=16), threading.Event(), threading.Event()

        def wait(*_: object) -> None:
            is_computing.set()
            is_closing.wait()
            time.sleep(0.05)  # so that it is not done before the close, on a busy machine

        opened.on_progress(wait)
        stream = opened.generate(story_ids(256))
        reader = threading.Thread(target=lambda: list(stream))
        reader.start()
        is_computing.wait()
        closer = threading.Thread(target=stream.close)
        closer.start()
        is_closing.set()
        closer.join()
        reader.join()
        self.assertLess(opened.position, 256)

    def test_exceptions_of_callbacks_come_out_of_the_loop(self) -> None:
        opened, seen = session(), []

        def fail(token: octavo.RoutedToken) -> None:
            seen.append(token)
            if token.position == len(self.prompt):  # the first pass after the prompt's
                raise LookupError("from the callback")

        opened.on_routing(fail)
        read = []
        with self.assertRaisesRegex(LookupError, "from the callback"):
            for token in opened.generate(STORY, sampling=GREEDY):
                read.append(token.id)
        self.assertEqual(read, self.ids[: len(read)])
        self.assertLessEqual(len(read), 2)
        opened.on_routing(None)
        self.assertNotEqual(opened.generate([5], max_tokens=2).text(), "")

    def test_exceptions_in_a_dropped_stream_are_reported(self) -> None:
        opened = session()
        stream = opened.generate(STORY, sampling=GREEDY)
        next(stream)
        stream._generation.stop()
        stream._generation._error = LookupError("late")
        with mock.patch("sys.unraisablehook") as hook:
            del stream
            gc.collect()
        self.assertEqual(str(hook.call_args[0][0].exc_value), "late")


if __name__ == "__main__":
    unittest.main()
