# SPDX-License-Identifier: Apache-2.0
"""Runs the tests on the node and says in the last line how many passed."""

import sys
import unittest

import test_cluster


def main():
    """The tests that were asked for by name, or all."""
    loader = unittest.TestLoader()
    names = sys.argv[1:]
    tests = loader.loadTestsFromNames(names, test_cluster) if names else loader.loadTestsFromModule(test_cluster)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(tests)
    # A test with subtests fails once, however many of them do. A setUp of a class or module is none of the tests that
    # were run, and those behind it were not.
    failed = {getattr(test, "test_case", test) for test, _ in result.failures + result.errors + result.skipped}
    passed = result.testsRun - sum(isinstance(test, test_cluster.ClusterTest) for test in failed)
    print(f"{passed} passed, {len(failed)} failed", flush=True)
    return 0 if result.testsRun and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
