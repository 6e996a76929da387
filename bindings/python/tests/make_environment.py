"""Makes what ctest's tests run in: a virtual environment with the package, and a model file.

    make_environment.py FOLDER LIBRARY
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent


def run(*command: object, **environment: str) -> None:
    words = [str(word) for word in command]
    subprocess.run(words, check=True, env={**os.environ, **environment})


def main(folder: pathlib.Path, library: str) -> None:
    environment = folder / "environment"
    venv.create(environment, clear=True, symlinks=True, with_pip=True)
    pip = [environment / "bin/python", "-m", "pip", "--disable-pip-version-check"]
    # Beside the checkout's own build there may be others: the library of this one.
    run(*pip, "install", "--quiet", "--no-index", ROOT, OCTAVO_LIBRARY=library)
    bundled = list(environment.glob("lib/python*/site-packages/octavo/liboctavo.so"))
    if [file.read_bytes() for file in bundled] != [pathlib.Path(library).read_bytes()]:
        raise SystemExit(f"the package has not the library {library}")
    source = ROOT.parent.parent / "models/pocket-mixtral"
    model = os.environ["OCTAVO_TEST_MODEL"]
    run(os.environ["OCTAVO_PROGRAM"], "convert", source, "--to", model, "--type", "q4_k")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), sys.argv[2])
