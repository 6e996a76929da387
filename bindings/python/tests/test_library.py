"""How the shared library is found, and what is said where it does not fit."""

from __future__ import annotations

import dataclasses
import pathlib
import pickle
import subprocess
import tempfile
import unittest

import octavo
from octavo import _library, _structs

from support import COMPILER, run_python

ASK = """
import octavo
try:
    print(octavo.library_version())
except octavo.LibraryError as error:
    print(error)
"""


class LibraryTest(unittest.TestCase):
    def test_version_is_the_packages(self) -> None:
        self.assertEqual(octavo.library_version(), octavo.__version__)

    def test_the_systems_is_taken_where_the_package_has_none(self) -> None:
        script = """
import pathlib
import octavo
from octavo import _library
_library.BUNDLED = pathlib.Path("/nowhere")
print(octavo.library_version(), _library.library()._name)
"""
        with tempfile.TemporaryDirectory() as folder:
            link = pathlib.Path(folder, _library.SYSTEM_NAME)
            link.symlink_to(_library.library()._name)
            answer = run_python(script, OCTAVO_LIBRARY="", LD_LIBRARY_PATH=folder)
        self.assertEqual(answer.stdout, f"{octavo.__version__} {_library.SYSTEM_NAME}\n")

    def test_missing_file_is_named(self) -> None:
        answer = run_python(ASK, OCTAVO_LIBRARY="/nowhere/liboctavo.so")
        self.assertIn("cannot load /nowhere/liboctavo.so, which OCTAVO_LIBRARY says", answer.stdout)
        self.assertIn("cmake --install", answer.stdout)
        self.assertEqual(answer.stdout.count("\n"), 1)

    def expect_refused(self, code: str, message: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            source, library = pathlib.Path(folder, "old.c"), pathlib.Path(folder, "old.so")
            source.write_text(code, encoding="utf-8")
            command = [COMPILER, "-shared", "-fPIC", str(source), "-o", str(library)]
            subprocess.run(command, check=True)
            answer = run_python(ASK, OCTAVO_LIBRARY=str(library)).stdout
        self.assertIn(f"{library} {message}", answer)
        self.assertIn("build Octavo from the same checkout", answer)

    def test_older_version_is_refused(self) -> None:
        self.expect_refused("int octavo_version_number(void) { return 42; }", "is version 0.0.42")

    def test_other_major_version_is_refused(self) -> None:
        self.expect_refused("int octavo_version_number(void) { return 10000; }", "is version 1.0.0")

    def test_library_without_a_function_is_refused(self) -> None:
        code = f"int octavo_version_number(void) {{ return {_library.NEEDED_VERSION}; }}"
        self.expect_refused(code, "has no octavo_model_options_init")

    def test_another_library_is_refused(self) -> None:
        self.expect_refused("int other;", "has no octavo_version_number")

    def test_without_any_library_the_package_can_be_imported(self) -> None:
        answer = run_python("import octavo; print(octavo.Sampling().top_k)", OCTAVO_LIBRARY="none")
        self.assertEqual(answer.stdout, "40\n")


class DefaultsTest(unittest.TestCase):
    def test_of_sampling_are_the_librarys(self) -> None:
        theirs = _library.defaults(_structs.octavo_sampling_options)
        ours = octavo.Sampling()._struct()
        special = {"struct_size", "dry_breakers", "logit_bias", "grammar", "json_schema"}
        for field in theirs._fields_:
            if field[0] not in special:
                self.assertEqual(getattr(ours, field[0]), getattr(theirs, field[0]), field[0])
        breakers = [theirs.dry_breakers[i] for i in range(theirs.dry_breaker_count)]
        self.assertEqual([text.encode() for text in octavo.Sampling().dry_breakers], breakers)

    def test_every_option_reaches_the_library(self) -> None:
        fields = {field.name for field in dataclasses.fields(octavo.Sampling)}
        struct = {field[0] for field in _structs.octavo_sampling_options._fields_}
        counts = {"struct_size", "dry_breaker_count", "logit_bias_count"}
        self.assertEqual(fields, struct - counts)


class ErrorTest(unittest.TestCase):
    def test_can_be_sent_to_another_process(self) -> None:
        error = octavo.Error(octavo.ErrorCode.BUSY, "at work")
        copy = pickle.loads(pickle.dumps(error))
        self.assertEqual((copy.code, str(copy)), (error.code, str(error)))


if __name__ == "__main__":
    unittest.main()
