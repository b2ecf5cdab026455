# SPDX-License-Identifier: Apache-2.0
"""What a program needs that may be attacked: what the compiler was told, and what came of it in the binary."""

import json
import os
import pathlib
import platform
import re
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ["CLOSEWATCH_BIN"])
# Of the build that made the binary, and of the one that is shipped.
FLAGS = {"-fstack-protector-strong", "-fstack-clash-protection"}
FLAGS |= {"x86_64": {"-fcf-protection=full"}, "aarch64": {"-mbranch-protection=standard"}}[platform.machine()]
RELEASE_FLAGS = FLAGS | {"-D_FORTIFY_SOURCE=3"}


def commands(build):
    """The flags by which each file of the program is compiled."""
    listed = json.loads((build / "compile_commands.json").read_text())
    program = {entry["file"]: entry["command"].split() for entry in listed
               if pathlib.Path(entry["file"]).is_relative_to(SOURCE / "src")}
    if not program:
        raise AssertionError(f"no file of src is compiled in {build}")
    return program


def readelf(*flags):
    """What binutils say of the binary."""
    return subprocess.run(["readelf", "--wide", *flags, BINARY], check=True, text=True, capture_output=True).stdout


class CompileCommands(unittest.TestCase):
    """What the compiler is told."""

    def assert_flags(self, build, wanted):
        for file, flags in commands(build).items():
            self.assertLessEqual(wanted, set(flags), file)
            self.assertTrue({"-fPIC", "-fPIE"} & set(flags), file)
            self.assertFalse({"-fno-stack-protector", "-fcf-protection=none", "-D_FORTIFY_SOURCE=0"} & set(flags), file)

    def test_of_this_build(self):
        self.assert_flags(BINARY.parent, FLAGS)

    def test_of_the_release(self):
        with tempfile.TemporaryDirectory() as build:
            subprocess.run(["cmake", "--preset", "release", "-B", build], cwd=SOURCE, check=True, capture_output=True)
            self.assert_flags(pathlib.Path(build), RELEASE_FLAGS)
            link = (pathlib.Path(build) / "build.ninja").read_text()
            linked = re.search(r"^build closewatch: .*?\n\n", link, re.M | re.S).group()
            for flag in FLAGS | {"-Wl,-z,relro,-z,now,-z,noexecstack", "-pie"}:  # code is made here with -flto
                self.assertIn(flag, linked)


class Binary(unittest.TestCase):
    """What is in the program."""

    def test_is_loaded_anywhere(self):
        self.assertRegex(readelf("--file-header"), r"Type:\s+DYN")
        self.assertRegex(readelf("--dynamic"), r"FLAGS_1.*\bPIE\b")

    def test_tables_of_addresses_are_read_only(self):
        self.assertIn("GNU_RELRO", readelf("--program-headers"))
        self.assertRegex(readelf("--dynamic"), r"\bBIND_NOW\b")
        self.assertRegex(readelf("--dynamic"), r"FLAGS_1.*\bNOW\b")

    def test_stack_is_no_code(self):
        self.assertRegex(readelf("--program-headers"), r"GNU_STACK.* RW ")

    def test_stack_has_canaries(self):
        self.assertRegex(readelf("--dyn-syms"), r"\b__stack_chk_fail\b")

    def test_no_library_is_sought_where_it_was_built(self):
        self.assertNotRegex(readelf("--dynamic"), r"\((RPATH|RUNPATH)\)")

    @unittest.skipUnless(platform.machine() == "x86_64", "of x86 alone")
    def test_functions_are_marked_for_indirect_branches(self):
        code = subprocess.run(["objdump", "--disassemble=main", "--no-show-raw-insn", BINARY],
                              check=True, text=True, capture_output=True).stdout
        self.assertRegex(code, r"<main>:\n.*endbr64")


@unittest.skipUnless((BINARY.parent / "CMakeCache.txt").read_text().count("CMAKE_BUILD_TYPE:STRING=Release"),
                     "the release alone")
class ReleaseBinary(unittest.TestCase):
    """What only the optimiser can do."""

    def test_lengths_are_checked(self):
        self.assertRegex(readelf("--dyn-syms"), r"\b__\w+_chk\b(?<!__stack_chk)")


if __name__ == "__main__":
    unittest.main()
