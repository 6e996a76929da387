"""The programs in the documents run."""

from __future__ import annotations

import os
import pathlib
import re
import tempfile
import unittest

from support import PROJECT, model_file, run_python


class DocumentsTest(unittest.TestCase):
    def expect_programs_run(self, document: pathlib.Path, count: int) -> None:
        text = document.read_text(encoding="utf-8")
        programs = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        self.assertEqual(len(programs), count)
        with tempfile.TemporaryDirectory() as folder:
            os.symlink(model_file(), os.path.join(folder, "mixtral.8vo"))
            for program in programs:
                outcome = run_python(f"import os; os.chdir({folder!r})\n{program}")
                self.assertEqual((outcome.returncode, outcome.stderr), (0, ""), program)
                self.assertNotEqual(outcome.stdout, "", program)

    def test_of_the_package(self) -> None:
        self.expect_programs_run(PROJECT / "bindings/python/README.md", 1)

    def test_of_the_bindings(self) -> None:
        self.expect_programs_run(PROJECT / "docs/bindings.md", 3)


if __name__ == "__main__":
    unittest.main()
