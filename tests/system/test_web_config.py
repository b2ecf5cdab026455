# SPDX-License-Identifier: Apache-2.0
"""Which web configuration files are right: the verdict of `promtool check web-config` on the keys that it knows, and a list for
the others. The files are in tests/web_config."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from agent import DEADLINE_SECONDS, run_closewatch  # noqa: E402
from certificates import Authority, openssl  # noqa: E402

FILES = pathlib.Path(__file__).resolve().parents[1] / "web_config"


class WebConfigTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        authority = Authority(cls.directory)
        authority.issue("server", "DNS:localhost")
        authority.issue("other", "DNS:localhost")
        authority.issue("weak", "DNS:localhost", ("-newkey", "rsa:1024"))
        authority.issue("ec", "DNS:localhost", ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"))
        openssl("rsa", "-aes256", "-passout", "pass:secret", "-in", "server.key", "-out", "encrypted.key",
                directory=cls.directory)
        chain = "".join((cls.directory / name).read_text() for name in ("server.crt", "ca.crt"))
        (cls.directory / "chain.crt").write_text(chain)
        (cls.directory / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        for kind in ("same", "good", "bad"):
            for file in (FILES / kind).glob("*.yml"):
                shutil.copy(file, cls.directory / f"{kind}_{file.name}")

    def verdict(self, file):
        """Whether it is right for the agent, and what it says."""
        done = run_closewatch("check-config", "--web.config.file", file)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return done.returncode == 0, done.stderr

    def test_promtool_has_the_same_verdict(self):
        files = sorted(self.directory.glob("same_*.yml"))
        self.assertGreater(len(files), 100)
        verdicts = set()
        for file in files:
            with self.subTest(file.name):
                done = subprocess.run(["promtool", "check", "web-config", file], check=False, capture_output=True,
                                      text=True, timeout=DEADLINE_SECONDS)
                right, said = self.verdict(file)
                self.assertEqual(right, done.returncode == 0, f"promtool: {done.stdout}{done.stderr}\nhere: {said}")
                verdicts.add(right)
                if not right:
                    self.assertIn(str(file), said)
        self.assertEqual(verdicts, {True, False})

    def test_what_promtool_does_not_know(self):
        for kind, wanted in (("good", True), ("bad", False)):
            for file in sorted(self.directory.glob(f"{kind}_*.yml")):
                with self.subTest(file.name):
                    right, said = self.verdict(file)
                    self.assertEqual(right, wanted, said)

    def test_certificates_may_stand_in_the_file_itself(self):
        def quoted(name):
            return "".join(f"    {line}\n" for line in (self.directory / name).read_text().splitlines())
        file = self.directory / "inline.yml"
        file.write_text(f"tls_server_config:\n  cert: |\n{quoted('server.crt')}  key: |\n{quoted('server.key')}"
                        f"  client_ca: |\n{quoted('ca.crt')}  client_auth_type: RequireAndVerifyClientCert\n")
        self.assertEqual(self.verdict(file), (True, ""))

    def test_what_is_strange_is_said(self):
        for kind, name, words in (("same", "http2", "no HTTP/2"), ("same", "min_above_max", "nobody can connect"),
                                  ("same", "users", "as they are"), ("same", "min_tls10", "broken"),
                                  ("same", "broken_ca", "no certificate"), ("same", "auth_without_ca", "any authority")):
            with self.subTest(name):
                right, said = self.verdict(self.directory / f"{kind}_{name}.yml")
                self.assertTrue(right)
                self.assertIn(words, said)

    def test_a_mistake_names_file_line_and_key(self):
        _, said = self.verdict(self.directory / "same_wrong_version.yml")
        self.assertIn("same_wrong_version.yml:4: tls_server_config.min_version: 'TLS14' is no version of TLS; known are",
                      said)

    def test_a_file_that_is_not_there_is_a_mistake_at_the_start_as_well(self):
        for command in ("check-config", "serve"):
            done = run_closewatch(command, "--web.config.file", self.directory / "nothere")
            self.assertEqual(done.returncode, 1)
            self.assertIn("nothere", done.stderr)


if __name__ == "__main__":
    unittest.main()
