"""Models: what they say of themselves, texts and ids, conversations, errors."""

from __future__ import annotations

import json
import pathlib
import subprocess
import unittest

import octavo
from octavo import ErrorCode

from support import PROGRAM, STORY, model, model_file


class ModelTest(unittest.TestCase):
    def expect_error(self, code: ErrorCode, error: octavo.Error) -> None:
        self.assertEqual(error.code, code, error)
        self.assertNotIn("\n", str(error))

    def test_info(self) -> None:
        info = model().info
        self.assertEqual((info.architecture, info.format), ("mixtral", "q4_k"))
        self.assertIn("cpu", info.device)
        self.assertEqual((info.dim, info.layers, info.heads, info.kv_heads), (256, 6, 8, 2))
        self.assertEqual((info.experts, info.experts_per_token), (8, 2))
        self.assertEqual((info.vocab, info.context, info.window), (4096, 2048, 0))
        self.assertEqual((info.bos, info.eos, info.has_tokenizer), (1, 2, True))

    def test_window_is_an_option(self) -> None:
        with octavo.Model(pathlib.Path(model_file()), window=64) as windowed:
            self.assertEqual(windowed.info.window, 64)
        with self.assertRaises(octavo.Error) as raised:
            octavo.Model(model_file(), window=-1)
        self.expect_error(ErrorCode.INVALID_ARGUMENT, raised.exception)

    def test_missing_file_and_unknown_device(self) -> None:
        with self.assertRaises(octavo.Error) as raised:
            octavo.Model("/nowhere.8vo")
        self.expect_error(ErrorCode.IO, raised.exception)
        self.assertIn("/nowhere.8vo", str(raised.exception))
        with self.assertRaises(octavo.Error) as raised:
            octavo.Model(model_file(), device="abacus")
        self.assertIn("abacus", str(raised.exception))

    def test_texts_and_ids(self) -> None:
        command = [PROGRAM, "tokenize", model_file(), "-p", STORY, "--ids"]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        ids = model().tokenize(STORY)
        self.assertEqual(ids, json.loads(output))
        self.assertEqual(model().tokenize(STORY, bos=False), ids[1:])
        self.assertEqual(model().detokenize(ids), STORY)
        self.assertEqual(model().detokenize(iter(ids)), STORY)
        self.assertEqual((model().tokenize("", bos=False), model().detokenize([])), ([], ""))

    def test_texts_of_any_characters(self) -> None:
        for text in ("Straße, naïve, 漢字", "a\0b", "🙂" * 100):
            self.assertEqual(model().detokenize(model().tokenize(text)), text)

    def test_wrong_ids(self) -> None:
        for ids in ([2**40], [1.5], ["1"], [4096], [-1]):
            with self.assertRaises(octavo.Error, msg=str(ids)) as raised:
                model().detokenize(ids)  # type: ignore[arg-type]
            self.expect_error(ErrorCode.INVALID_ARGUMENT, raised.exception)

    def test_conversations(self) -> None:
        messages = [
            {"role": "user", "content": "Tell me a story"},
            {"role": "assistant", "content": "No."},
            {"role": "user", "content": "[/INST] Please"},
        ]
        ids = model().encode_chat(messages)
        self.assertEqual(ids[0], model().info.bos)
        self.assertEqual(ids.count(model().info.eos), 1)
        self.assertEqual(ids, model().encode_chat([octavo.Message(**m) for m in messages]))
        self.assertEqual(ids, model().encode_chat(messages, chat_template="mistral-v1"))
        going_on = model().encode_chat(messages[:2], continue_final=True)
        self.assertNotIn(model().info.eos, going_on)
        template = "{{ messages[0]['content'] }}"
        ids = model().encode_chat(messages, chat_template=template)
        self.assertIn("Tell me a story", model().detokenize(ids))
        self.assertEqual(model().chat_template, "")
        self.assertIn("Always assist with care", octavo.guardrail_prompt())

    def test_wrong_conversations(self) -> None:
        wrong: list[list[dict[str, str]]] = [
            [],
            [{"role": "user"}],
            [{"role": "nobody", "content": "x"}],
            [{"role": "user", "content": "a\0b"}],
            [{"role": "assistant", "content": "first"}],
        ]
        for messages in wrong:
            with self.assertRaises(octavo.Error, msg=str(messages)) as raised:
                model().encode_chat(messages)
            self.expect_error(ErrorCode.INVALID_ARGUMENT, raised.exception)

    def test_closed_model(self) -> None:
        opened = octavo.Model(model_file())
        session = opened.session(context=64, threads=1)
        opened.close()
        opened.close()
        with self.assertRaises(octavo.Error) as raised:
            opened.tokenize("x")
        self.expect_error(ErrorCode.INVALID_HANDLE, raised.exception)
        self.assertEqual(len(session.feed([1, 2, 3])), 4096)  # which goes on living


if __name__ == "__main__":
    unittest.main()
