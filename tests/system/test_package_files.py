# SPDX-License-Identifier: Apache-2.0
"""What the Debian package brings beside the program: an example of the settings, completion, manual pages."""

import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from agent import binary, run_closewatch  # noqa: E402

FILES = pathlib.Path(__file__).resolve().parents[2] / "deploy/debian"


def flags_of(command):
    """Those that `--help` tells."""
    return set(re.findall(r"^  (?:-\w,)?(--[\w.-]+)", run_closewatch(command, "--help").stdout, re.M))


def completed(*words):
    """What bash offers for the last word. The real bash-completion is not asked for: the fake says of the words what it would."""
    fake = '_init_completion() { cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}; }; compopt() { :; }; _filedir() { :; }'
    script = (f'{fake}; . "{FILES}/closewatch.bash"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
              '_closewatch; printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "-c", script, "bash", *words], check=True, stdout=subprocess.PIPE, text=True)
    return set(done.stdout.split())


class PackageFilesTest(unittest.TestCase):

    def test_the_example_as_it_is_changes_nothing_and_is_right(self):
        self.assertEqual(0, run_closewatch("check-config", "--config", FILES / "closewatch.yaml").returncode)

    def test_every_default_of_the_example_is_right(self):
        """The keys are all that there are, and each value is one that the program takes."""
        text = (FILES / "closewatch.yaml").read_text()
        comments, settings = text.split("\n\n", 1)
        self.assertRegex(comments, r"^(# .*\n?)+$")
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory) / "closewatch.yaml"
            file.write_text(re.sub(r"(?m)^#", "", settings))
            done = run_closewatch("check-config", "--config", file)
            self.assertEqual((0, ""), (done.returncode, done.stderr))
        keys = re.findall(r"(?m)^#( *)([\w-]+):(.*)$", settings)
        path, found = [], set()
        for indent, key, value in keys:
            path = path[:len(indent) // 2] + [key]
            if value.strip():
                found.add("--" + ".".join(path))
        self.assertEqual(flags_of("serve") - {"--help", "--config"}, found)

    def test_bash_completes_commands_flags_and_values(self):
        self.assertEqual({"serve", "scan", "top", "check-config", "get", "--help", "--version"}, completed("closewatch", ""))
        for command in ("serve", "scan", "get"):
            self.assertEqual(flags_of(command), {word.rstrip("=") for word in completed("closewatch", command, "--")})
        self.assertEqual({"inet_diag"}, completed("closewatch", "serve", "--scan.engine", "i"))
        self.assertEqual({"table", "json"}, completed("closewatch", "scan", "--output", ""))

    def test_manual_and_completions_name_every_flag(self):
        for name in ("closewatch.1", "_closewatch", "closewatch.fish"):
            text = (FILES / name).read_text().replace("\\-", "-")
            for command in ("serve", "scan", "top", "check-config", "get"):
                self.assertIn(command, text)
                for flag in flags_of(command):
                    self.assertIn("-l " + flag[2:] if name.endswith("fish") else flag, text, name)


if __name__ == "__main__":
    assert binary()
    unittest.main()
