# SPDX-License-Identifier: Apache-2.0
"""Who is let in by a web configuration file: the real Prometheus over TLS, with a certificate, with a password, and those who have
none of it."""

import base64
import contextlib
import ctypes
import http.client
import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from agent import (DEADLINE_SECONDS, Agent, parse_metrics, run_closewatch, select, wait_for)  # noqa: E402
from certificates import Authority  # noqa: E402
from prometheus import Prometheus  # noqa: E402

PASSWORD = "open sesame"

TLS = """\
tls_server_config:
  cert_file: server.crt
  key_file: server.key
"""
CLIENTS = TLS + """\
  client_ca_file: ca.crt
  client_auth_type: RequireAndVerifyClientCert
"""

SCRAPE = """\
global:
  scrape_interval: 200ms
  scrape_timeout: 200ms
scrape_configs:
"""
JOB = """\
  - job_name: {name}
    scheme: {scheme}
    {more}
    static_configs:
      - targets: ['127.0.0.1:{port}']
"""


def bcrypt(password, cost=4):
    """As libcrypt makes it, with a salt that is always the same."""
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    made = library.crypt(password.encode(), f"$2b${cost:02}$abcdefghijklmnopqrstuu".encode())
    return made.decode()


def users(cost=4, **passwords):
    return "basic_auth_users:\n" + "".join(f"  {name}: {bcrypt(word, cost)}\n" for name, word in passwords.items())


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


class AccessTest(unittest.TestCase):
    """A directory with a web configuration file and certificates, and an agent by it."""

    @classmethod
    def setUpClass(cls):
        cls.made = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.authority = Authority(cls.made)
        cls.authority.issue("server", "DNS:localhost,IP:127.0.0.1")
        cls.authority.issue("prometheus", "DNS:prometheus.monitoring.svc,URI:spiffe://cluster/prometheus")
        Authority(cls.made, "stranger").issue("intruder", "DNS:prometheus.monitoring.svc")

    def setUp(self):
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        for file in self.made.iterdir():
            shutil.copy(file, self.directory)
        self.file = self.directory / "web.yml"
        self.agent = None

    def serve(self, text, *flags):
        self.file.write_text(text)
        self.agent = self.enterContext(Agent("--web.config.file", str(self.file), "--web.listen-address",
                                             f"unix:{self.directory}/agent.sock", *flags))

    def own(self, path="/metrics"):
        """What the agent tells its own machine."""
        done = run_closewatch("get", "--web.listen-address", f"unix:{self.directory}/agent.sock", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def value(self, name, **labels):
        (value,) = select(parse_metrics(self.own()), name, **labels).values()
        return value

    def connection(self, certificate=None, authority="ca", settings=None):
        context = ssl.create_default_context(cafile=self.made / f"{authority}.crt")
        if certificate:
            context.load_cert_chain(self.made / f"{certificate}.crt", self.made / f"{certificate}.key")
        if settings:
            settings(context)
        return contextlib.closing(http.client.HTTPSConnection("127.0.0.1", self.agent.port, context=context,
                                                              timeout=DEADLINE_SECONDS))

    def status(self, path="/metrics", headers=None, **how):
        with self.connection(**how) as connection:
            connection.request("GET", path, headers=headers or {})
            answer = connection.getresponse()
            answer.read()
            return answer.status

    def ask(self, headers=None, path="/metrics", host="127.0.0.1", source=None):
        connection = http.client.HTTPConnection(host, self.agent.port, timeout=DEADLINE_SECONDS, source_address=source)
        with contextlib.closing(connection):
            connection.request("GET", path, headers=headers or {})
            answer = connection.getresponse()
            answer.read()
            return answer

    def refused(self, **how):
        """Whether no answer comes over TLS so."""
        try:
            self.status(**how)
        except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
            return True
        return False


class PrometheusTest(AccessTest):
    """Scrapes as they are configured by those who run it."""

    def jobs(self, *jobs, scheme="https"):
        text = "".join(JOB.format(name=name, scheme=scheme, port=self.agent.port, more=more) for name, more in jobs)
        return self.enterContext(Prometheus(SCRAPE + text))

    def tls(self, certificate=None):
        own = f", cert_file: {self.made}/{certificate}.crt, key_file: {self.made}/{certificate}.key" if certificate else ""
        return f"tls_config: {{ca_file: {self.made}/ca.crt{own}}}"

    def test_scrapes_over_tls_with_a_certificate(self):
        self.serve(CLIENTS + "  client_allowed_sans: [spiffe://cluster/prometheus]\n")
        prometheus = self.jobs(("right", self.tls("prometheus")), ("without", self.tls()), ("wrong", self.tls("intruder")),
                               ("other", self.tls("server")))
        wait_for(lambda: prometheus.value('up{job="right"}') == 1, "the scrape")
        wait_for(lambda: {prometheus.value(f'up{{job="{job}"}}') for job in ("without", "wrong", "other")} == {0},
                 "the others")
        self.assertEqual(prometheus.value('min_over_time(up{job="right"}[1m])'), 1)
        self.assertGreater(self.value("closewatch_web_refused_total", reason="handshake"), 0)

    def test_scrapes_with_a_password(self):
        self.serve(TLS + users(prometheus=PASSWORD))
        prometheus = self.jobs(
            ("right", f"basic_auth: {{username: prometheus, password: {PASSWORD}}}\n    {self.tls()}"),
            ("wrong", f"basic_auth: {{username: prometheus, password: guess}}\n    {self.tls()}"), ("without", self.tls()))
        wait_for(lambda: prometheus.value('up{job="right"}') == 1, "the scrape")
        wait_for(lambda: {prometheus.value(f'up{{job="{job}"}}') for job in ("without", "wrong")} == {0}, "the others")
        targets = json.loads(prometheus.read("/api/v1/targets"))["data"]["activeTargets"]
        errors = {target["labels"]["job"]: target["lastError"] for target in targets}
        self.assertIn("401", errors["without"])
        self.assertRegex(errors["wrong"], "401|429")

    def test_loses_no_scrape_while_certificates_change(self):
        self.serve(CLIENTS)
        prometheus = self.jobs(*((f"job{i}", self.tls("prometheus")) for i in range(4)))
        wait_for(lambda: prometheus.value('sum(up)') == 4, "all scrapes")
        for round_ in range(4):
            self.authority.issue("server", "DNS:localhost,IP:127.0.0.1", into=self.directory)
            before = self.value("closewatch_web_config_loaded_timestamp_seconds")
            wait_for(lambda: self.value("closewatch_web_config_loaded_timestamp_seconds") > before, f"change {round_}")
            with self.connection("prometheus") as connection:  # beside those that are kept
                connection.request("GET", "/healthz")
                self.assertEqual(connection.getresponse().status, 200)
        self.assertEqual(prometheus.value('min(min_over_time(up[5m]))'), 1)


class TlsTest(AccessTest):
    """Versions, certificates, careless clients."""

    def versions(self, least, most):
        def settings(context):
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version, context.maximum_version = least, most
        return settings

    def test_nothing_older_than_1_2_unless_it_is_asked_for(self):
        version = ssl.TLSVersion
        self.serve(TLS)
        for one in (version.TLSv1, version.TLSv1_1):
            self.assertTrue(self.refused(settings=self.versions(one, one)), one)
        for one in (version.TLSv1_2, version.TLSv1_3):
            self.assertEqual(self.status(settings=self.versions(one, one)), 200)

    def test_an_old_one_that_is_asked_for_is_there(self):
        self.serve(TLS + "  min_version: TLS10\n")
        for one in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_3):
            self.assertEqual(self.status(settings=self.versions(one, one)), 200, one)

    def test_the_latest_alone(self):
        self.serve(TLS + "  min_version: TLS13\n")
        self.assertTrue(self.refused(settings=self.versions(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)))
        self.assertEqual(self.status(), 200)

    def test_ciphers_and_curves_are_those_of_the_file(self):
        self.serve(TLS + "  max_version: TLS12\n  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]\n"
                   "  curve_preferences: [CurveP384]\n")
        with self.connection() as connection:
            connection.connect()
            self.assertEqual(connection.sock.cipher()[0], "ECDHE-RSA-AES256-GCM-SHA384")
        self.assertTrue(self.refused(settings=lambda context: context.set_ecdh_curve("prime256v1")))
        self.assertTrue(self.refused(settings=lambda context: context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")))

    def test_no_client_chooses_what_costs_the_agent_most(self):
        self.serve(TLS)
        for group, let_in in (("ffdhe2048", False), ("ffdhe8192", False), ("X448", False), ("X25519", True), ("P-521", True)):
            done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.agent.port}", "-tls1_3", "-groups", group],
                                  check=False, stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE_SECONDS)
            self.assertEqual(done.returncode == 0, let_in, group)

    def test_ways_of_asking_for_a_certificate(self):
        # Who is let in: without one, with one of a stranger, with the right one.
        for auth, let_in in (("RequestClientCert", (True, True, True)), ("RequireAnyClientCert", (False, True, True)),
                             ("VerifyClientCertIfGiven", (True, False, True)),
                             ("RequireAndVerifyClientCert", (False, False, True))):
            with self.subTest(auth), contextlib.ExitStack() as stack:
                self.file.write_text(f"{TLS}  client_ca_file: ca.crt\n  client_auth_type: {auth}\n")
                self.agent = stack.enter_context(Agent("--web.config.file", str(self.file)))
                found = tuple(not self.refused(certificate=one) for one in (None, "intruder", "prometheus"))
                self.assertEqual(found, let_in)

    def test_names_are_wanted_of_whoever_shows_a_certificate(self):
        for allowed, let_in in ((["prometheus.monitoring.svc"], True), (["monitoring.svc", "PROMETHEUS.monitoring.svc"], False),
                                (["spiffe://cluster/prometheus"], True), ([], False)):
            with self.subTest(allowed), contextlib.ExitStack() as stack:
                self.file.write_text(f"{CLIENTS}  client_allowed_sans: {json.dumps(allowed)}\n")
                self.agent = stack.enter_context(Agent("--web.config.file", str(self.file)))
                self.assertEqual(not self.refused(certificate="prometheus"), let_in)

    def test_plain_http_is_told_what_is_spoken(self):
        self.serve(TLS)
        with socket.create_connection(("127.0.0.1", self.agent.port), DEADLINE_SECONDS) as connection:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            while piece := connection.recv(4096):
                answer += piece
        self.assertTrue(answer.startswith(b"HTTP/1.1 400 "), answer)
        self.assertIn(b"HTTPS", answer)

    def test_get_says_what_is_wanted_of_it(self):
        for text, words in ((TLS, "says 400: this address speaks HTTPS; "), (users(a=PASSWORD), "says 401: this agent wants a name")):
            with self.subTest(words), contextlib.ExitStack() as stack:
                self.file.write_text(text)
                agent = stack.enter_context(Agent("--web.config.file", str(self.file)))
                done = run_closewatch("get", "--web.listen-address", f"127.0.0.1:{agent.port}", "/metrics")
                self.assertEqual(done.returncode, 1)
                self.assertIn(words, done.stderr)
                self.assertIn("UNIX socket", done.stderr)

    def test_who_never_shakes_hands_keeps_nobody_out(self):
        self.serve(TLS)
        crowd = [self.enterContext(contextlib.closing(socket.create_connection(("127.0.0.1", self.agent.port))))
                 for _ in range(300)]
        self.assertEqual(self.status(), 200)

        def gone():
            over = 0
            for one in crowd:
                one.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    try:
                        over += one.recv(1) == b""
                    except ConnectionError:
                        over += 1
            return over == len(crowd)

        wait_for(gone, "the deadline of all of them")

    def test_a_closing_connection_ends_as_tls_does(self):
        self.serve(TLS)
        context = ssl.create_default_context(cafile=self.made / "ca.crt")
        with socket.create_connection(("127.0.0.1", self.agent.port), DEADLINE_SECONDS) as plain:
            with context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as secured:
                secured.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                answer = b""
                while piece := secured.recv(65536):  # raises where it is cut
                    answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        self.assertIn(b"200", head.split(b"\r\n")[0])
        self.assertIn(b"closewatch_build_info", body)

    def test_garbage_is_survived(self):
        self.serve(TLS)
        for garbage in (b"", b"\0" * 100, os.urandom(5000), b"\x16\x03\x01\xff\xff" + b"x" * 70000, b"\x16\x03\x01\0\x01\x01"):
            with contextlib.suppress(OSError):
                with socket.create_connection(("127.0.0.1", self.agent.port), DEADLINE_SECONDS) as connection:
                    connection.sendall(garbage)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(4096):
                        pass
        self.assertEqual(self.status(), 200)

    def test_the_unix_socket_and_the_probes_want_no_certificate(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            health = server.getsockname()[1]
        self.serve(CLIENTS + users(a=PASSWORD), "--web.health-address", f"127.0.0.1:{health}")
        self.assertIn("closewatch_build_info", self.own())
        done = run_closewatch("top", "--web.listen-address", f"unix:{self.directory}/agent.sock")
        self.assertEqual(done.returncode, 0, done.stderr)
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", health, timeout=DEADLINE_SECONDS)) as connection:
            connection.request("GET", "/healthz")
            self.assertEqual(connection.getresponse().status, 200)


class PasswordTest(AccessTest):
    """Users of a plain server: what is tried is the same over TLS."""

    def test_users_alone_are_let_in(self):
        self.serve(users(alice=PASSWORD, bob="other"))
        self.assertEqual(self.ask(basic("alice", PASSWORD)).status, 200)
        self.assertEqual(self.ask(basic("bob", "other")).status, 200)
        for headers in ({}, basic("alice", "other"), basic("alice", ""), basic("", PASSWORD), basic("ALICE", PASSWORD),
                        basic("alice", PASSWORD + "\0"), {"Authorization": "Basic"}, {"Authorization": "Basic !!!!"},
                        {"Authorization": basic("alice", PASSWORD)["Authorization"].replace("Basic", "Bearer")}):
            answer = self.ask(headers)
            self.assertEqual(answer.status, 401, headers)
            self.assertIn("Basic", answer.headers["WWW-Authenticate"])
        for path in ("/", "/healthz", "/readyz", "/api/v1/pods", "/page/page.css", "/nothing"):
            self.assertEqual(self.ask(path=path).status, 401, path)

    def test_a_long_password_counts_as_far_as_bcrypt_reads(self):
        self.serve(users(alice="x" * 72))
        self.assertEqual(self.ask(basic("alice", "x" * 72)).status, 200)
        self.assertEqual(self.ask(basic("alice", "x" * 71)).status, 401)

    def test_a_new_password_counts_and_an_old_one_does_not(self):
        self.serve(users(alice="old"))
        self.assertEqual(self.ask(basic("alice", "old")).status, 200)
        self.file.write_text(users(alice="new"))
        wait_for(lambda: self.ask(basic("alice", "old")).status in (401, 429), "the change")
        self.assertEqual(self.ask(basic("alice", "new"), source=("127.0.0.7", 0)).status, 200)

    def test_a_flood_of_wrong_ones_leaves_others_as_they_were(self):
        self.serve(users(cost=12, prometheus=PASSWORD, other="word"))
        self.assertEqual(self.ask(basic("prometheus", PASSWORD)).status, 200)
        over = threading.Event()
        seen = []

        def flood(number):
            while not over.is_set():
                seen.append(self.ask(basic("prometheus", f"guess {number} {time.monotonic()}"),
                                     source=(f"127.0.1.{number}", 0)).status)

        crowd = [threading.Thread(target=flood, args=(number,)) for number in range(1, 21)]
        for one in crowd:
            one.start()
        try:
            wait_for(lambda: 429 in seen or 503 in seen, "the flood to be noticed")
            for _ in range(50):
                self.assertEqual(self.ask(basic("prometheus", PASSWORD)).status, 200)
                self.assertIn("ok", self.own("/healthz"))
        finally:
            over.set()
            for one in crowd:
                one.join()
        self.assertLessEqual(set(seen), {401, 429, 503})
        self.assertGreater(sum(self.value("closewatch_web_refused_total", reason=reason)
                               for reason in ("credentials", "too_often", "busy")), 0)

    def test_one_client_that_is_wrong_too_often_is_not_looked_at(self):
        self.serve(users(alice=PASSWORD))
        found = [self.ask(basic("alice", f"guess {i}"), source=("127.0.0.9", 0)).status for i in range(12)]
        self.assertEqual(found, [401] * 10 + [429] * 2)
        self.assertEqual(self.ask(basic("alice", PASSWORD), source=("127.0.0.9", 0)).status, 429)
        self.assertEqual(self.ask(basic("alice", PASSWORD), source=("127.0.0.8", 0)).status, 200)
        self.assertEqual(self.ask(basic("alice", PASSWORD), source=("127.0.0.9", 0)).status, 200, "it is known by now")

    def test_nobody_learns_who_is_a_user(self):
        """As many hashes at the same cost: what that takes is not measured here, the CPU that it costs is."""
        self.serve(users(cost=10, alice=PASSWORD))

        def used():
            """Clock ticks of the process that talks to the network: scans are none of it."""
            stat = pathlib.Path(f"/proc/{self.agent.network()}/stat").read_text(encoding="ascii")
            return sum(int(ticks) for ticks in stat.rsplit(")", 1)[1].split()[11:13])

        def cpu(user, source):
            before = used()
            for i in range(5):
                self.assertEqual(self.ask(basic(user, f"wrong {i}"), source=(source, 0)).status, 401)
            return used() - before

        known, unknown = cpu("alice", "127.0.0.21"), cpu("nobody", "127.0.0.22")
        self.assertGreater(unknown, known / 2)
        self.assertGreater(known, unknown / 2)


class FileTest(AccessTest):
    """Changes of the file, headers, the limit of requests."""

    def current(self):
        return self.value("closewatch_web_config_current")

    def test_a_broken_file_leaves_the_old_one_in_force(self):
        self.serve(users(alice=PASSWORD))
        for broken in ("basic_auth_users: [", "", "# nothing\n", "basic_auth_users: {alice: plain}\n", "unknown: 1\n"):
            with self.subTest(broken):
                self.file.write_text(broken)
                wait_for(lambda: self.current() == 0, "the change to be noticed")
                self.assertEqual(self.ask(basic("alice", PASSWORD)).status, 200)
                self.assertEqual(self.ask().status, 401)
                self.file.write_text(users(alice=PASSWORD))
                wait_for(lambda: self.current() == 1, "the file to be right again")
        self.file.unlink()
        wait_for(lambda: self.current() == 0, "the loss to be noticed")
        self.assertEqual(self.ask().status, 401)
        self.assertTrue(any("the web configuration is wrong, and what was read last stays" in line
                            and str(self.file) in line for line in self.agent.log), self.agent.log)

    def test_a_broken_certificate_leaves_the_old_one_in_force(self):
        self.serve(TLS)
        certificate = (self.directory / "server.crt").read_text()
        (self.directory / "server.crt").write_text(certificate[:300])
        wait_for(lambda: self.current() == 0, "the change to be noticed")
        self.assertEqual(self.status(), 200)
        (self.directory / "server.crt").write_text(certificate)
        wait_for(lambda: self.current() == 1, "it to be right again")

    def test_a_mount_of_kubernetes_changes_all_at_once(self):
        """Where the files are links into a directory that a link leads to, which is replaced."""
        for name, word in (("one", "first"), ("two", "second")):
            (self.directory / name).mkdir()
            (self.directory / name / "web.yml").write_text(users(alice=word))
        (self.directory / "..data").symlink_to("one")
        self.file.symlink_to("..data/web.yml")
        self.agent = self.enterContext(Agent("--web.config.file", str(self.file)))
        self.assertEqual(self.ask(basic("alice", "first")).status, 200)
        (self.directory / "..new").symlink_to("two")
        (self.directory / "..new").rename(self.directory / "..data")
        wait_for(lambda: self.ask(basic("alice", "second")).status == 200, "the change")

    def test_headers_are_those_of_the_file_but_for_the_pages_own(self):
        self.serve("http_server_config:\n  headers:\n    X-Frame-Options: deny\n    Content-Security-Policy: default-src *\n"
                   "    Strict-Transport-Security: max-age=100\n    X-XSS-Protection: |\n      1\n      Injected: yes\n")
        metrics, page = self.ask(), self.ask(path="/")
        self.assertEqual(metrics.headers["Content-Security-Policy"], "default-src *")
        self.assertEqual(page.headers.get_all("Content-Security-Policy"), [page.headers["Content-Security-Policy"]])
        self.assertNotIn("*", page.headers["Content-Security-Policy"])
        for answer in (metrics, page):
            self.assertEqual(answer.headers["X-Frame-Options"], "deny")
            self.assertEqual(answer.headers["Strict-Transport-Security"], "max-age=100")
            self.assertIsNone(answer.headers["Injected"])
            self.assertEqual(answer.headers.get_all("X-Content-Type-Options"), ["nosniff"])

    def test_a_limit_of_requests_limits_them(self):
        self.serve("rate_limit: {interval: 1h, burst: 3}\n")
        self.assertEqual([self.ask().status for _ in range(5)], [200, 200, 200, 429, 429])
        self.assertEqual(self.value("closewatch_web_refused_total", reason="rate_limit"), 2)



if __name__ == "__main__":
    unittest.main()
