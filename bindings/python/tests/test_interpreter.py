"""Ctrl-C, and the end of the interpreter: each test in a process of its own."""

from __future__ import annotations

import unittest

from support import run_python


class InterpreterTest(unittest.TestCase):
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
    print("interrupted", 20 <= opened.position < 900)
"""
        )
        self.assertEqual(output, "interrupted True\n")

    def test_ctrl_c_in_feed(self) -> None:
        output = self.run_script(
            """
def slow(done, total):
    if done == 32:
        threading.Timer(0, interrupt).start()
    threading.Event().wait(0.05)
opened.on_progress(slow)
try:
    opened.feed(story_ids(1000))
except KeyboardInterrupt:
    print("interrupted", 32 <= opened.position < 900)
"""
        )
        self.assertEqual(output, "interrupted True\n")

    def test_ctrl_c_at_any_moment(self) -> None:
        output = self.run_script(
            """
first, second = [1] + story_ids(1000), [2] + story_ids(1000)
for number in range(20):
    timer = threading.Timer(0.001 * number, interrupt)
    try:
        timer.start()
        while True:
            opened.prompt(first)
            opened.prompt(second)
    except KeyboardInterrupt:
        print("interrupted")
"""
        )
        self.assertEqual(output, "interrupted\n" * 20)

    def test_exit_while_a_thread_computes(self) -> None:
        output = self.run_script(
            """
is_computing = threading.Event()
opened.on_progress(lambda done, total: is_computing.set())
first, second = [1] + story_ids(1000), [2] + story_ids(1000)
def compute():
    while True:
        opened.prompt(first)
        opened.prompt(second)
threading.excepthook = lambda arguments: None  # what ends the loop
threading.Thread(target=compute, daemon=True).start()
is_computing.wait()
print("done")
"""
        )
        self.assertEqual(output, "done\n")

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
