"""_structs.py and _library.py say the same as octavo.h, as the C compiler reads it."""

from __future__ import annotations

import ctypes
import inspect
import pathlib
import re
import subprocess
import tempfile
import unittest
from typing import Any

import octavo
from octavo import _library, _structs

from support import COMPILER, HEADERS

HEADER = (HEADERS / "octavo/octavo.h").read_text(encoding="utf-8")
STRUCTS: dict[str, type[ctypes.Structure]] = {
    name: member
    for name, member in inspect.getmembers(_structs, inspect.isclass)
    if issubclass(member, ctypes.Structure)
}
CODE = re.sub(r"/\*.*?\*/", "", HEADER, flags=re.DOTALL)
SCALARS = {"int32_t", "int64_t", "uint64_t", "size_t", "float", "double", "octavo_status"}


def compiled_lines(expressions: list[str]) -> list[int]:
    """What C says that these numbers are."""
    prints = "".join(f'printf("%lld\\n", (long long)({text}));' for text in expressions)
    program = f'#include <stdio.h>\n#include "octavo/octavo.h"\nint main(void){{{prints}return 0;}}'
    with tempfile.TemporaryDirectory() as folder:
        source, binary = pathlib.Path(folder, "layout.c"), pathlib.Path(folder, "layout")
        source.write_text(program, encoding="utf-8")
        subprocess.run([COMPILER, f"-I{HEADERS}", str(source), "-o", str(binary)], check=True)
        output = subprocess.run([str(binary)], check=True, capture_output=True, text=True).stdout
    return [int(line) for line in output.split()]


def header_functions() -> dict[str, tuple[str, list[str]]]:
    """Name, result and parameters' types of every exported function."""
    found = re.findall(r"OCTAVO_API\s+([\w\s*]+?)(octavo_\w+)\(([^)]*)\)", CODE)
    functions = {}
    for result, name, parameters in found:
        parts = [part.strip() for part in parameters.split(",") if part.strip() != "void"]
        functions[name] = (result.strip(), [re.sub(r"\w+$", "", part).strip() for part in parts])
    return functions


def kind(c_type: str) -> str:
    """A C type, as far as a call's registers care."""
    bare = c_type.replace("const", "").strip()
    if bare in SCALARS:
        return "int32_t" if bare == "octavo_status" else bare
    if bare.endswith("*") or bare.endswith("_callback"):
        return "pointer"
    raise AssertionError(f"the test does not know {c_type}")


def python_kind(c_type: Any) -> str:
    names = {
        ctypes.c_int32: "int32_t",
        ctypes.c_int64: "int64_t",
        ctypes.c_uint64: "uint64_t",
        ctypes.c_float: "float",
        ctypes.c_double: "double",
    }
    # size_t and uint64_t are one class in ctypes.
    return names.get(c_type, "pointer") if c_type is not ctypes.c_size_t else "size_t"


class StructsTest(unittest.TestCase):
    def test_all_structs_of_the_header_are_there(self) -> None:
        declared = set(re.findall(r"typedef struct (\w+) \{", CODE))
        self.assertGreater(len(declared), 10)
        self.assertEqual(set(STRUCTS), declared)

    def test_fields_are_those_of_the_header_in_its_order(self) -> None:
        for name, struct in STRUCTS.items():
            body = re.search(rf"typedef struct {name} {{(.*?)}} {name};", CODE, re.DOTALL)
            assert body is not None
            names = re.findall(r"(\w+)\s*(?=[;,])", body.group(1))
            self.assertEqual([field[0] for field in struct._fields_], names, name)

    def test_layouts_are_those_of_the_compiler(self) -> None:
        questions, answers = [], []
        for name, struct in STRUCTS.items():
            questions.append(f"sizeof({name})")
            answers.append(ctypes.sizeof(struct))
            for field in struct._fields_:
                member = getattr(struct, field[0])
                questions += [f"offsetof({name}, {field[0]})", f"sizeof((({name}*)0)->{field[0]})"]
                answers += [member.offset, member.size]
        for question, expected, answer in zip(questions, compiled_lines(questions), answers):
            self.assertEqual(answer, expected, question)

    def test_kinds_of_numbers_are_those_of_the_compiler(self) -> None:
        questions, answers = [], []
        for name, struct in STRUCTS.items():
            for field in struct._fields_:
                if python_kind(field[1]) == "pointer":
                    continue
                value = f"(({name}*)0)->{field[0]}"
                questions.append(f"_Generic({value}, float: 1, double: 2, default: 0)")
                answers.append({"float": 1, "double": 2}.get(python_kind(field[1]), 0))
        for question, expected, answer in zip(questions, compiled_lines(questions), answers):
            self.assertEqual(answer, expected, question)


class ConstantsTest(unittest.TestCase):
    def expect_names(self, prefix: str, names: dict[str, int], left_out: set[str]) -> None:
        declared = set(re.findall(rf"\b({prefix}\w+) = ", CODE)) - left_out
        self.assertEqual({prefix + name for name in names}, declared)
        values = compiled_lines([prefix + name for name in names])
        self.assertEqual(list(names.values()), values)

    def test_caches(self) -> None:
        names = [name.upper() for name in _structs.CACHE_TYPES]
        self.expect_names("OCTAVO_CACHE_", {name: i for i, name in enumerate(names)}, set())

    def test_speculations(self) -> None:
        names = [name.upper() for name in _structs.SPECULATIONS]
        self.expect_names("OCTAVO_SPECULATION_", {name: i for i, name in enumerate(names)}, set())

    def test_stop_reasons(self) -> None:
        reasons = {reason.name: reason.value for reason in octavo.StopReason}
        self.expect_names("OCTAVO_STOP_", reasons, set())

    def test_statuses(self) -> None:
        enumeration = re.search(r"enum \{([^}]*OCTAVO_OK[^}]*)\}", CODE)
        assert enumeration is not None
        declared = re.findall(r"OCTAVO_(\w+) = (\d+)", enumeration.group(1))
        statuses = {name: int(value) for name, value in declared if name != "OK"}
        self.assertEqual({code.name: code.value for code in octavo.ErrorCode}, statuses)


class FunctionsTest(unittest.TestCase):
    def test_all_functions_of_the_header_are_declared(self) -> None:
        declared = header_functions()
        self.assertEqual(len(declared), HEADER.count("\nOCTAVO_API "))
        known = set(_library.STATUS_FUNCTIONS) | set(_library.OTHER_FUNCTIONS)
        self.assertEqual(known, set(declared))

    def test_parameters_are_of_the_headers_kinds(self) -> None:
        for name, (result, parameters) in header_functions().items():
            arguments = _library.STATUS_FUNCTIONS.get(name)
            if arguments is None:
                returned, arguments = _library.OTHER_FUNCTIONS[name]
                self.assertEqual(kind(result), python_kind(returned), name)
            else:
                self.assertEqual(result, "octavo_status", name)
            kinds = [python_kind(argument) for argument in arguments]
            self.assertEqual(kinds, [kind(parameter) for parameter in parameters], name)


if __name__ == "__main__":
    unittest.main()
