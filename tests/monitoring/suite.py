# SPDX-License-Identifier: Apache-2.0
"""Runs every test of the monitoring, and says in its last line how it went."""

import argparse
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system")]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-k", action="append", metavar="WORD")
    given = parser.parse_args()
    loader = unittest.TestLoader()
    loader.testNamePatterns = [f"*{word}*" for word in given.k] if given.k else None
    result = unittest.TextTestRunner(verbosity=2).run(loader.discover(str(HERE), "test_*.py"))
    # A test may fail in several of its parts; a class that cannot be set up has run none.
    told = [getattr(test, "test_case", test) for test, _ in result.failures + result.errors]
    failed = {test.id() for test in told}
    run_in_vain = {test.id() for test in told if isinstance(test, unittest.TestCase)}
    print(f"{result.testsRun - len(run_in_vain)} passed, {len(failed)} failed", flush=True)
    sys.exit(1 if failed or result.testsRun == 0 else 0)


main()
