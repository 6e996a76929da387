"""Streams: what they give, and all the ways in which they end."""

from __future__ import annotations

import gc
import itertools
import threading
import unittest
from unittest import mock

import octavo
from octavo import ErrorCode, Sampling, StopReason

from support import GREEDY, STORY, model, run_python, session, story_ids


def computing_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "octavo-generate"]


class StreamTest(unittest.TestCase):
    def tearDown(self) -> None:
        gc.collect()
        self.assertEqual(computing_threads(), [])

    def test_tokens_and_result(self) -> None:
        opened = session()
        stream = opened.generate(STORY, max_tokens=12, sampling=GREEDY)
        tokens = list(stream)
        self.assertEqual(len(tokens), 12)
        self.assertEqual("".join(map(str, tokens)), "".join(token.text for token in tokens))
        self.assertEqual({(token.logprob, token.top) for token in tokens}, {(None, ())})
        result, prompt = stream.result, model().tokenize(STORY)
        self.assertEqual((result.reason, result.stop_index), (StopReason.MAX_TOKENS, -1))
        self.assertEqual((result.prompt_tokens, result.generated_tokens), (len(prompt), 12))
        self.assertEqual((result.last_token, result.reused), (tokens[-1].id, 0))
        self.assertGreater(result.prefill_seconds, 0)
        self.assertEqual(opened.tokens, prompt + [token.id for token in tokens[:-1]])
        self.assertEqual(list(stream), [])

    def test_prompts_of_every_kind(self) -> None:
        expected = session().generate(STORY, max_tokens=8, sampling=GREEDY).text()
        ids = model().tokenize(STORY)
        for prompt in (ids, tuple(ids), iter(ids)):
            text = session().generate(prompt, max_tokens=8, sampling=GREEDY).text()
            self.assertEqual(text, expected)

    def test_conversations_keep_what_is_computed(self) -> None:
        opened = session()
        messages = [{"role": "user", "content": "Tell me a story about a dog."}]
        first = opened.generate(messages, max_tokens=8, sampling=GREEDY)
        answer = first.text()
        messages += [
            {"role": "assistant", "content": answer},
            {"role": "user", "content": "And a cat."},
        ]
        second = opened.generate(messages, max_tokens=8, sampling=GREEDY)
        second.text()
        self.assertGreaterEqual(second.result.reused, first.result.prompt_tokens)
        self.assertEqual(second.result.prompt_tokens, len(model().encode_chat(messages)))

    def test_text_goes_on_in_a_session_without_another_bos(self) -> None:
        opened = session()
        opened.feed(story_ids(5))
        opened.generate("and then", max_tokens=1).text()
        self.assertEqual(opened.tokens.count(model().info.bos), 1)
        opened.generate("and then", max_tokens=1, whole_prompt=True).text()
        self.assertEqual(opened.tokens, model().tokenize("and then"))

    def test_stop_texts(self) -> None:
        whole = session().generate(STORY, max_tokens=40, sampling=GREEDY).text()
        stop = whole[20:25]
        stream = session().generate(STORY, max_tokens=40, sampling=GREEDY, stop=["never", stop])
        self.assertEqual(stream.text(), whole[: whole.index(stop)])
        self.assertEqual((stream.result.reason, stream.result.stop_index), (StopReason.TEXT, 1))

    def test_logprobs(self) -> None:
        stream = session().generate(STORY, max_tokens=5, sampling=GREEDY, logprobs=3)
        for token in stream:
            self.assertEqual(len(token.top), 3)
            self.assertEqual((token.top[0].id, token.top[0].logprob), (token.id, token.logprob))
            self.assertLessEqual(token.top[1].logprob, token.top[0].logprob)
        stream = session().generate(STORY, max_tokens=5, logprobs=0)
        for token in stream:
            self.assertEqual(token.top, ())
            assert token.logprob is not None
            self.assertLess(token.logprob, 0)

    def test_full_context(self) -> None:
        stream = session(context=16).generate(story_ids(8), max_tokens=-1, sampling=GREEDY)
        list(stream)
        self.assertEqual(stream.result.reason, StopReason.CONTEXT_FULL)

    def test_speculation_changes_no_text(self) -> None:
        texts = {
            session().generate(STORY, max_tokens=40, sampling=GREEDY, speculation=way).text()
            for way in ("auto", "off", "on")
        }
        self.assertEqual(len(texts), 1)

    def test_wrong_options(self) -> None:
        opened = session()
        for wrong in (
            {"logprobs": -1},
            {"speculation": "maybe"},
            {"stop": "text"},
            {"stop": ["a\0"]},
            {"stop": [""]},
            {"sampling": Sampling(temperature=-1)},
        ):
            with self.subTest(wrong), self.assertRaises(octavo.Error) as raised:
                opened.generate(STORY, **wrong).text()  # type: ignore[arg-type]
            self.assertEqual(raised.exception.code, ErrorCode.INVALID_ARGUMENT)
        with self.assertRaises(octavo.Error):
            opened.generate([]).text()
        self.assertEqual(opened.position, 0)

    def test_a_failed_stream_has_ended(self) -> None:
        stream = session(context=8).generate(story_ids(20))
        with self.assertRaises(octavo.Error) as raised:
            next(stream)
        self.assertEqual(raised.exception.code, ErrorCode.OUT_OF_RANGE)
        self.assertEqual(list(stream), [])
        with self.assertRaisesRegex(octavo.Error, "no result"):
            stream.result


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


class InterpreterTest(unittest.TestCase):
    """What would end the process: each in one of its own."""

    START = """
import os, signal, sys, threading
import octavo
from support import STORY, session, story_ids
opened = session(context=2048, chunk=16)
def interrupt(*_):
    os.kill(os.getpid(), signal.SIGINT)
"""

    def run_script(self, script: str, **environment: str) -> str:
        outcome = run_python(self.START + script, **environment)
        self.assertEqual((outcome.returncode, outcome.stderr), (0, ""))
        return outcome.stdout

    def test_ctrl_c_while_a_token_is_awaited(self) -> None:
        output = self.run_script(
            """
def slow(token):
    if (token.layer, token.position) == (0, 20):
        threading.Timer(0.1, interrupt).start()
        threading.Event().wait(0.5)
opened.on_routing(slow)
try:
    for token in opened.generate(STORY, max_tokens=1000):
        pass
except KeyboardInterrupt:
    opened.on_routing(None)
    print("interrupted", opened.position < 100)
"""
        )
        self.assertEqual(output, "interrupted True\n")

    def test_ctrl_c_in_feed(self) -> None:
        output = self.run_script(
            """
opened.on_progress(lambda done, total: interrupt() if done == 32 else None)
try:
    opened.feed(story_ids(1000))
except KeyboardInterrupt:
    print("interrupted", opened.position < 100)
"""
        )
        self.assertEqual(output, "interrupted True\n")

    def test_exit_with_open_streams(self) -> None:
        output = self.run_script(
            """
streams = [session().generate(STORY, max_tokens=-1) for _ in range(3)]
for stream in streams:
    next(stream)
streams[0].cycle = streams
print("done")
"""
        )
        self.assertEqual(output, "done\n")

    def test_exit_within_a_loop(self) -> None:
        output = self.run_script(
            """
for token in opened.generate(STORY, max_tokens=-1):
    print("done")
    sys.exit(0)
"""
        )
        self.assertEqual(output, "done\n")


if __name__ == "__main__":
    unittest.main()
