"""What the tests stand on: the build, the shipped model, and one model file for all of them.

ctest sets the variables; by hand, from a checkout with build/release, none is needed.
"""

from __future__ import annotations

import atexit
import functools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading

import octavo

PROJECT = pathlib.Path(__file__).resolve().parents[3]
PROGRAM = os.environ.get("OCTAVO_PROGRAM", str(PROJECT / "build/release/bin/octavo"))
COMPILER = os.environ.get("OCTAVO_C_COMPILER", "cc")
HEADERS = PROJECT / "lib/include"
STORY = "Once upon a time"
GREEDY = octavo.Sampling(temperature=0)


@functools.lru_cache(maxsize=None)
def model_file() -> str:
    """pocket-mixtral in q4_k."""
    told = os.environ.get("OCTAVO_TEST_MODEL")
    if told:
        return told
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    path = os.path.join(folder, "pocket.8vo")
    source = str(PROJECT / "models/pocket-mixtral")
    command = [PROGRAM, "convert", source, "--to", path, "--type", "q4_k"]
    subprocess.run(command, check=True, capture_output=True)
    return path


@functools.lru_cache(maxsize=None)
def model() -> octavo.Model:
    return octavo.Model(model_file())


def session(context: int = 512, chunk: int = 16) -> octavo.Session:
    return model().session(context=context, threads=1, chunk=chunk)


def story_ids(count: int) -> list[int]:
    """A prompt of so many tokens."""
    sentences = count // 8 + 1  # each has more tokens than that
    ids = model().tokenize(STORY + ", there was a little girl who liked to play. " * sentences)
    if len(ids) < count:
        raise AssertionError(f"the prompt has only {len(ids)} tokens")
    return ids[:count]


def computing_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("octavo-")]


def run_python(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A script in an interpreter of its own, with the tests' folder to import from."""
    paths = [str(pathlib.Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
