"""The same prompt and seed give the same text as the program."""

from __future__ import annotations

import json
import subprocess
import unittest

from octavo import Sampling

from support import GREEDY, PROGRAM, STORY, model, model_file

COUNT = 60


def program_text(*options: str) -> str:
    command = [PROGRAM, "run", model_file(), "-p", STORY, "-n", str(COUNT), "-t", "1", *options]
    output = subprocess.run(command, check=True, capture_output=True).stdout.decode("utf-8")
    if not output.endswith("\n"):
        raise AssertionError("the program ends with a line end")
    return output[:-1]


class ProgramTest(unittest.TestCase):
    def expect_same(self, sampling: Sampling, *options: str) -> None:
        session = model().session(threads=1)
        text = session.generate(STORY, max_tokens=COUNT, sampling=sampling).text()
        self.assertGreater(len(text), 40)
        self.assertEqual(text, program_text(*options))

    def test_greedy(self) -> None:
        self.expect_same(GREEDY, "--temp", "0")

    def test_seeded(self) -> None:
        for seed in (7, 2**63 + 1):
            self.expect_same(Sampling(seed=seed), "--seed", str(seed))

    def test_with_every_kind_of_option(self) -> None:
        self.expect_same(
            Sampling(seed=5, temperature=1.2, top_k=20, min_p=0.1, repeat_penalty=1.1),
            *("--seed", "5", "--temp", "1.2", "--top-k", "20", "--min-p", "0.1"),
            *("--repeat-penalty", "1.1"),
        )

    def test_with_a_schema(self) -> None:
        schema = {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 4}
        self.expect_same(
            Sampling(seed=9, json_schema=schema), "--seed", "9", "--json-schema", json.dumps(schema)
        )


if __name__ == "__main__":
    unittest.main()
