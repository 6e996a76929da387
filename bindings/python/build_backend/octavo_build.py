"""Builds the package: a PEP 517 backend of the standard library alone.

The shared library is copied into the wheel from the first of these:
- `--config-settings library=FILE`, or the environment variable OCTAVO_LIBRARY;
- build/release/lib of the checkout that the package lies in.
Without one, or with `library=none`, the package looks for the system's when it is used.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import pathlib
import re
import sysconfig
import tarfile
import zipfile
from typing import Mapping, Optional, Union

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIBRARY_NAME = "liboctavo.so"
Settings = Optional[Mapping[str, Union[str, "list[str]"]]]


def version() -> str:
    text = (ROOT / "src/octavo/__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if found is None:
        raise RuntimeError("src/octavo/__init__.py has no __version__")
    return found.group(1)


def metadata() -> str:
    return "\n".join(
        [
            "Metadata-Version: 2.1",
            "Name: octavo",
            f"Version: {version()}",
            "Summary: CPU-first quantized inference for Mixtral 8x7B",
            "License: Apache-2.0",
            "Requires-Python: >=3.9",
            "Classifier: Operating System :: POSIX :: Linux",
            "Classifier: Typing :: Typed",
            "Description-Content-Type: text/markdown",
            "",
            (ROOT / "README.md").read_text(encoding="utf-8"),
        ]
    )


def library_file(settings: Settings) -> Optional[pathlib.Path]:
    """What goes into the wheel as liboctavo.so."""
    told = (settings or {}).get("library") or os.environ.get("OCTAVO_LIBRARY")
    if told == "none":
        return None
    if told:
        file = pathlib.Path(str(told))
        if not file.is_file():
            raise RuntimeError(f"{file}, which is to be copied into the package, is no file")
        return file
    built = ROOT.parent.parent / "build/release/lib" / LIBRARY_NAME
    return built if built.is_file() else None


def package_files() -> list[tuple[str, bytes]]:
    package = ROOT / "src/octavo"
    names = sorted(file.name for file in package.iterdir() if file.suffix in (".py", ".typed"))
    return [("octavo/" + name, (package / name).read_bytes()) for name in names]


def license_files() -> list[tuple[str, bytes]]:
    """From an unpacked source package, or the checkout."""
    folders = (ROOT, ROOT.parent.parent)
    files = [folder / name for name in ("LICENSE", "NOTICE") for folder in folders]
    return [(file.name, file.read_bytes()) for file in files if file.is_file()]


def record_line(name: str, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(content)}"


def add_file(wheel: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name)  # dated 1980: the same sources give the same bytes
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = (0o755 if name.endswith(".so") else 0o644) << 16
    wheel.writestr(entry, content)


def build_wheel(
    wheel_directory: str,
    config_settings: Settings = None,
    metadata_directory: Optional[str] = None,
) -> str:
    files = package_files()
    library = library_file(config_settings)
    platform = "any"
    if library is not None:
        platform = re.sub(r"[-.]", "_", sysconfig.get_platform())
        files.append(("octavo/" + LIBRARY_NAME, library.read_bytes()))
    tag = "py3-none-" + platform
    info = f"octavo-{version()}.dist-info"
    files += [(f"{info}/{name}", content) for name, content in license_files()]
    pure = "true" if library is None else "false"
    files.append((f"{info}/METADATA", metadata().encode()))
    lines = ["Wheel-Version: 1.0", "Generator: octavo_build", f"Root-Is-Purelib: {pure}"]
    files.append((f"{info}/WHEEL", "\n".join([*lines, f"Tag: {tag}", ""]).encode()))
    record = [record_line(name, content) for name, content in files] + [f"{info}/RECORD,,", ""]
    files.append((f"{info}/RECORD", "\n".join(record).encode()))

    name = f"octavo-{version()}-{tag}.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory) / name, "w") as wheel:
        for path, content in files:
            add_file(wheel, path, content)
    return name


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    base = f"octavo-{version()}"
    files = [("PKG-INFO", metadata().encode())] + license_files()
    for name in ("pyproject.toml", "README.md"):
        files.append((name, (ROOT / name).read_bytes()))
    for folder in ("build_backend", "src/octavo", "tests"):
        for file in sorted((ROOT / folder).iterdir()):
            if file.suffix in (".py", ".typed"):
                files.append((f"{folder}/{file.name}", file.read_bytes()))
    name = base + ".tar.gz"
    with tarfile.open(pathlib.Path(sdist_directory) / name, "w:gz") as archive:
        for path, content in files:
            entry = tarfile.TarInfo(f"{base}/{path}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return name
