"""Choosing tokens: the sampler, logprobs, and options on their way into C."""

from __future__ import annotations

import json
import math
import unittest
from array import array
from typing import Any, Callable, Union

import octavo
from octavo import ErrorCode, Sampling

from support import GREEDY, STORY, model, session, story_ids

SCHEMA = {
    "type": "object",
    "properties": {"name": {"enum": ["Lily", "Tom"]}, "age": {"type": "integer", "maximum": 9}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


class SamplerTest(unittest.TestCase):
    def expect_invalid(self, call: Callable[[], object]) -> None:
        with self.assertRaises(octavo.Error) as raised:
            call()
        self.assertEqual(raised.exception.code, ErrorCode.INVALID_ARGUMENT)

    def test_greedy_takes_the_most_likely(self) -> None:
        sampler = octavo.Sampler(GREEDY)
        for logits in ([0.0, 3.0, 1.0], array("f", [0, 3, 1]), array("d", [0, 3, 1])):
            self.assertEqual(sampler.sample(logits), 1)

    def test_loop_over_logits_is_generate(self) -> None:
        for sampling in (GREEDY, Sampling(seed=3), Sampling(seed=3, repeat_penalty=1.5)):
            opened, sampler, ids = session(), octavo.Sampler(sampling), []
            logits = opened.feed(model().tokenize(STORY))
            for id in model().tokenize(STORY):
                sampler.accept(id)
            for _ in range(20):
                ids.append(sampler.sample(logits))
                logits = opened.feed(ids[-1:])
            tokens = session().generate(STORY, max_tokens=20, sampling=sampling)
            self.assertEqual([token.id for token in tokens], ids)

    def test_bias_and_penalties(self) -> None:
        logits = [0.0, 3.0, 2.0]
        biased = octavo.Sampler(Sampling(temperature=0, logit_bias={1: -math.inf, 0: 0.5}))
        self.assertEqual(biased.sample(logits), 2)
        penalised = octavo.Sampler(Sampling(temperature=0, presence_penalty=2))
        penalised.accept(1)
        self.assertEqual(penalised.sample(logits), 2)

    def test_grammar_to_its_end(self) -> None:
        sampling = Sampling(temperature=0, grammar='root ::= "yes" | "no"')
        self.expect_invalid(lambda: octavo.Sampler(sampling))  # needs the model
        sampler, text = octavo.Sampler(sampling, model()), ""
        opened = session()
        logits = opened.feed([1])
        while not sampler.finished:
            id = sampler.sample(logits)
            text += model().detokenize([id])
            logits = opened.feed([id])
        self.assertIn(text, ("yes", "no"))

    def test_json_schema_as_python_has_it(self) -> None:
        ways: list[Union[str, dict[str, Any]]] = [SCHEMA, json.dumps(SCHEMA)]
        for seed, schema in enumerate(ways):
            sampling = Sampling(temperature=1.5, seed=seed, json_schema=schema)
            stream = session().generate(STORY, max_tokens=100, sampling=sampling)
            value = json.loads(stream.text())
            self.assertIn(value["name"], ("Lily", "Tom"))
            self.assertEqual(stream.result.reason, octavo.StopReason.EOS)

    def test_logprobs(self) -> None:
        logits = [math.log(value) for value in (0.5, 0.125, 0.375)]
        found = octavo.logprobs(logits, 1, 2)
        self.assertEqual([entry.id for entry in found], [1, 0, 2])
        for entry, value in zip(found, (0.125, 0.5, 0.375)):
            self.assertAlmostEqual(math.exp(entry.logprob), value, places=6)
        self.assertEqual(len(octavo.logprobs(session().feed(story_ids(3)), 5)), 1)

    def test_wrong_options(self) -> None:
        for wrong in (
            Sampling(temperature=-1),
            Sampling(seed=-1),
            Sampling(seed=2**64),
            Sampling(top_k=2**32),
            Sampling(grammar="no grammar"),
            Sampling(grammar='root ::= "a"', json_schema="{}"),
            Sampling(dry_breakers="text"),
            Sampling(dry_breakers=["a\0b"]),
            Sampling(logit_bias={2**31: 1}),
        ):
            self.expect_invalid(lambda: octavo.Sampler(wrong, model()))
        self.expect_invalid(lambda: octavo.Sampler().accept(2**31))
        self.expect_invalid(lambda: octavo.Sampler().sample([]))

    def test_closed(self) -> None:
        with octavo.Sampler() as sampler:
            sampler.continue_text()
        sampler.close()
        with self.assertRaises(octavo.Error) as raised:
            sampler.sample([1.0])
        self.assertEqual(raised.exception.code, ErrorCode.INVALID_HANDLE)


if __name__ == "__main__":
    unittest.main()
