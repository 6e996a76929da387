"""The build backend: what is in the wheel, and where the library in it comes from."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import importlib.util
import os
import pathlib
import tarfile
import tempfile
import types
import unittest
import zipfile
from typing import Iterator, Optional
from unittest import mock

import octavo

ROOT = pathlib.Path(__file__).resolve().parent.parent


def backend(root: pathlib.Path = ROOT) -> types.ModuleType:
    path = root / "build_backend/octavo_build.py"
    spec = importlib.util.spec_from_file_location("octavo_build", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def wheel(library: Optional[str], environment: Optional[str] = None) -> Iterator[zipfile.ZipFile]:
    settings = {"library": library} if library is not None else None
    variables = {"OCTAVO_LIBRARY": environment} if environment is not None else {}
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, variables):
        name = backend().build_wheel(folder, settings)
        with zipfile.ZipFile(os.path.join(folder, name)) as archive:
            yield archive


class WheelTest(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.library = os.path.join(self.folder.name, "built.so")
        pathlib.Path(self.library).write_bytes(b"a library")

    def test_has_the_library_that_a_setting_names(self) -> None:
        with wheel(self.library, environment="/nowhere") as archive:
            self.assertEqual(archive.read("octavo/liboctavo.so"), b"a library")
            self.assertIn("py3-none-linux_", str(archive.filename))
            info = f"octavo-{octavo.__version__}.dist-info"
            self.assertIn("Root-Is-Purelib: false", archive.read(info + "/WHEEL").decode())

    def test_has_the_library_that_the_environment_names(self) -> None:
        with wheel(None, environment=self.library) as archive:
            self.assertEqual(archive.read("octavo/liboctavo.so"), b"a library")

    def test_without_a_library_is_for_any_machine(self) -> None:
        with wheel("none") as archive:
            self.assertTrue(str(archive.filename).endswith("py3-none-any.whl"))
            self.assertNotIn("octavo/liboctavo.so", archive.namelist())
            self.assertIn("octavo/py.typed", archive.namelist())

    def test_missing_library_is_named(self) -> None:
        with self.assertRaisesRegex(RuntimeError, "/nowhere.so, which is to be copied"):
            with wheel("/nowhere.so"):
                pass

    def test_record_lists_every_file_with_its_digest(self) -> None:
        with wheel(self.library) as archive:
            info = f"octavo-{octavo.__version__}.dist-info"
            lines = archive.read(info + "/RECORD").decode().splitlines()
            self.assertEqual([line.split(",")[0] for line in lines], archive.namelist())
            for line in lines[:-1]:
                name, digest, size = line.split(",")
                content = archive.read(name)
                expected = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
                self.assertEqual(digest, "sha256=" + expected.decode().rstrip("="), name)
                self.assertEqual(int(size), len(content), name)
            self.assertEqual(lines[-1], info + "/RECORD,,")

    def test_same_sources_give_the_same_bytes(self) -> None:
        contents = []
        for _ in range(2):
            with wheel(self.library) as archive:
                contents.append(pathlib.Path(str(archive.filename)).read_bytes())
        self.assertEqual(*contents)


class SdistTest(unittest.TestCase):
    def test_builds_the_same_package(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            name = backend().build_sdist(folder)
            with tarfile.open(os.path.join(folder, name)) as archive:
                for member in archive.getmembers():
                    content, target = archive.extractfile(member), pathlib.Path(folder, member.name)
                    assert content is not None
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content.read())
            unpacked = pathlib.Path(folder, f"octavo-{octavo.__version__}")
            again = backend(unpacked)
            name = again.build_wheel(folder, {"library": "none"})
            wheel_from_sdist = pathlib.Path(folder, name).read_bytes()
            self.assertEqual(again.build_sdist(folder), unpacked.name + ".tar.gz")
        with wheel("none") as expected:
            self.assertIn(f"{unpacked.name}.dist-info/LICENSE", expected.namelist())
            self.assertEqual(wheel_from_sdist, pathlib.Path(str(expected.filename)).read_bytes())


if __name__ == "__main__":
    unittest.main()
