"""Sessions: logits, what they hold, callbacks, files, ends."""

from __future__ import annotations

import gc
import importlib
import os
import tempfile
import unittest
from array import array
from ctypes import c_int32
from typing import Any, Callable

import octavo
from octavo import ErrorCode, _library

from support import model, session, story_ids


class SessionTest(unittest.TestCase):
    def expect_error(self, code: ErrorCode, call: Callable[[], object]) -> None:
        with self.assertRaises(octavo.Error) as raised:
            call()
        self.assertEqual(raised.exception.code, code, raised.exception)

    def test_options(self) -> None:
        opened = model().session(context=64, threads=1, cache="f32", chunk=8, profile=True)
        self.assertEqual((opened.context, opened.position, opened.tokens), (64, 0, []))
        opened.feed([1, 2, 3])
        self.assertEqual((opened.position, opened.tokens), (3, [1, 2, 3]))
        f16 = model().session(context=64, cache="f16")
        f16.feed([1, 2, 3])
        self.assertEqual(opened.cache_bytes, 2 * f16.cache_bytes)
        self.assertEqual(sum(op.calls > 0 for op in opened.profile()), len(opened.profile()))
        self.assertIn("attention", [op.name for op in opened.profile()])
        opened.reset_profile()
        self.assertEqual(sum(op.calls for op in opened.profile()), 0)
        self.assertEqual(f16.profile(), [])
        wrong: list[dict[str, Any]] = [{"cache": "f64"}, {"context": -1}, {"chunk": 0}]
        for options in [*wrong, {"threads": -1}, {"threads": 2**64}]:
            self.expect_error(ErrorCode.INVALID_ARGUMENT, lambda: model().session(**options))

    def test_info_says_threads_and_cache(self) -> None:
        opened = model().session(context=64, threads=1)
        self.assertEqual((opened.threads, opened.cache), (1, "f16"))

    def test_logits_are_the_callers(self) -> None:
        opened, ids = session(), story_ids(4)
        logits = opened.feed(ids)
        self.assertEqual((type(logits), len(logits)), (array, model().info.vocab))
        kept = array("f", logits)
        opened.feed([5])
        self.assertEqual(logits, kept)  # the next call does not write into them
        self.assertEqual(memoryview(logits).format, "f")

    def test_feed_prompt_and_evaluate_agree(self) -> None:
        ids = story_ids(40)
        whole = session().feed(ids)
        prompted = session()
        prompted.feed(ids[:32] + [7])  # whole chunks, which are computed alike
        self.assertEqual(prompted.prompt(ids), whole)
        self.assertEqual((prompted.reused, prompted.tokens), (32, ids))
        rows: list[tuple[int, array[float]]] = []
        session().evaluate(ids, lambda index, logits: rows.append((index, logits)), first=38)
        self.assertEqual([row[0] for row in rows], [38, 39])
        self.assertEqual(rows[1][1], whole)

    def test_rewind_and_fork(self) -> None:
        opened, ids = session(), story_ids(20)
        whole = opened.feed(ids)
        other = opened.fork()
        other.rewind(16)  # a whole chunk
        self.assertEqual((other.position, opened.position), (16, 20))
        self.assertEqual(other.prompt(ids), whole)
        self.expect_error(ErrorCode.INVALID_ARGUMENT, lambda: other.rewind(21))
        opened.close()
        self.assertEqual(other.tokens, ids)

    def test_save_and_restore(self) -> None:
        opened, ids = session(), story_ids(20)
        opened.feed(ids)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "saved.session")
            opened.save(path)
            restored = model().restore(path, context=256, threads=1)
            again = octavo.Session.restore(model(), path, threads=1)
            self.expect_error(ErrorCode.IO, lambda: opened.save("/nowhere/x"))
            self.expect_error(ErrorCode.IO, lambda: model().restore(path + "x"))
        self.assertEqual((restored.tokens, restored.context), (ids, 256))
        self.assertEqual(restored.feed([5]), opened.feed([5]))
        self.assertEqual(again.tokens, ids)

    def test_progress(self) -> None:
        opened, heard = session(chunk=16), []
        opened.on_progress(lambda done, total: heard.append((done, total)))
        opened.feed(story_ids(40))
        self.assertEqual(heard, [(16, 40), (32, 40), (40, 40)])
        opened.on_progress(lambda done, total: done < 32)
        self.expect_error(ErrorCode.CANCELLED, lambda: opened.prompt(story_ids(60)[1:]))
        self.assertEqual(opened.position, 32)
        opened.on_progress(None)
        self.assertEqual(len(opened.prompt(story_ids(60)[1:])), model().info.vocab)

    def test_routing(self) -> None:
        opened, seen = session(), list[octavo.RoutedToken]()
        opened.on_routing(seen.append)
        opened.feed(story_ids(5))
        opened.on_routing(None)
        opened.feed([5])
        info = model().info
        self.assertEqual(len(seen), 5 * info.layers)
        self.assertEqual({token.position for token in seen}, set(range(5)))
        for token in seen:
            self.assertEqual(len(token.experts), info.experts_per_token)
            self.assertEqual(len(token.logits), info.experts)
            order = sorted(zip(token.logits, range(info.experts)), reverse=True)
            best = [expert for _, expert in order]
            self.assertEqual(list(token.experts), best[: info.experts_per_token])
            self.assertAlmostEqual(sum(token.weights), 1, places=5)

    def test_what_callbacks_raise_is_raised(self) -> None:
        calls = 0

        def fail(*_: object) -> None:
            nonlocal calls
            calls += 1
            raise LookupError("from the callback")

        opened, ids = session(chunk=16), story_ids(64)
        with self.assertRaisesRegex(LookupError, "from the callback"):
            opened.evaluate(ids, fail)
        self.assertEqual(calls, 1)
        opened.rewind(0)
        opened.on_routing(fail)
        with self.assertRaisesRegex(LookupError, "from the callback"):
            opened.feed(ids)
        self.assertEqual(calls, 2)
        opened.on_routing(None)
        opened.rewind(0)
        opened.on_progress(fail)
        with self.assertRaisesRegex(LookupError, "from the callback"):
            opened.feed(ids)
        self.assertEqual(opened.position, 16)
        opened.on_progress(None)
        self.assertEqual(opened.prompt(ids), session().feed(ids))  # it works as before

    def test_calls_from_callbacks_are_refused_but_for_cancel_and_close(self) -> None:
        opened, ids, codes = session(chunk=16), story_ids(64), []

        def call(*_: object) -> None:
            try:
                opened.feed([1])
            except octavo.Error as error:
                codes.append(error.code)
            opened.cancel()

        opened.on_progress(call)
        self.expect_error(ErrorCode.CANCELLED, lambda: opened.feed(ids))
        self.assertEqual((codes, opened.position), ([ErrorCode.BUSY], 16))
        opened.on_progress(lambda *_: opened.close())
        self.expect_error(ErrorCode.CANCELLED, lambda: opened.feed(ids))
        self.expect_error(ErrorCode.INVALID_HANDLE, lambda: opened.position)

    def test_is_freed_once(self) -> None:
        with session() as opened:
            handle = opened._handle._handle
        opened.close()
        for call in (lambda: opened.feed([1]), opened.fork, lambda: opened.tokens):
            self.expect_error(ErrorCode.INVALID_HANDLE, call)
        opened.cancel()  # nothing to do
        self.expect_error(
            ErrorCode.INVALID_HANDLE, lambda: _library.library().octavo_session_free(handle)
        )

    def test_is_freed_with_its_last_reference(self) -> None:
        opened = session()
        handle = opened._handle._handle
        opened.on_routing(lambda token: None)
        del opened
        gc.collect()
        self.expect_error(
            ErrorCode.INVALID_HANDLE, lambda: _library.library().octavo_session_free(handle)
        )

    def test_wrong_ids(self) -> None:
        wrong: list[Any] = [[], [-1], [4096], [2**31], ["1"], [1.0]]
        for ids in wrong:
            with self.subTest(ids=ids):
                self.expect_error(ErrorCode.INVALID_ARGUMENT, lambda: session().feed(ids))
        self.expect_error(ErrorCode.OUT_OF_RANGE, lambda: session(context=8).feed([1] * 9))

    def test_ids_of_other_kinds(self) -> None:
        expected = session().feed([1, 2, 3])
        kinds: list[Any] = [(1, 2, 3), range(1, 4), array("q", [1, 2, 3]), (c_int32 * 3)(1, 2, 3)]
        for ids in kinds:
            self.assertEqual(session().feed(ids), expected)


class NumPyTest(unittest.TestCase):
    def test_takes_logits_without_a_copy_and_gives_ids(self) -> None:
        try:
            numpy: Any = importlib.import_module("numpy")
        except ImportError:
            self.skipTest("NumPy is not installed")
        ids = story_ids(5)
        logits = session().feed(numpy.array(ids))
        values = numpy.asarray(logits)
        self.assertEqual((values.dtype, values.shape), (numpy.float32, (model().info.vocab,)))
        values[0] = 42
        self.assertEqual(logits[0], 42)
        greedy = octavo.Sampler(octavo.Sampling(temperature=0))
        self.assertEqual(greedy.sample(values), 0)
        self.assertEqual(greedy.sample(values.astype(numpy.float64)), 0)
        values.flags.writeable = False
        self.assertEqual(greedy.sample(values), 0)


if __name__ == "__main__":
    unittest.main()
