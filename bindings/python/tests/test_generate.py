"""Streams: what they give."""

from __future__ import annotations

import gc
import unittest

import octavo
from octavo import ErrorCode, Sampling, StopReason

from support import GREEDY, STORY, computing_threads, model, session, story_ids


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
        going_on = [*messages, {"role": "assistant", "content": "It"}]
        third = opened.generate(going_on, max_tokens=1, continue_final=True)
        third.text()
        expected = model().encode_chat(going_on, continue_final=True)
        self.assertEqual(third.result.prompt_tokens, len(expected))
        with self.assertRaises(octavo.Error) as raised:
            opened.generate([{"role": "nobody", "content": "x"}]).text()
        self.assertEqual(raised.exception.code, ErrorCode.INVALID_ARGUMENT)

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


if __name__ == "__main__":
    unittest.main()
