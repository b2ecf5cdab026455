#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""What TLS, certificates of clients and passwords cost the agent, as a table: its CPU for a scrape over a connection that is kept and
over a new one, and its memory with as many connections as there may be."""
import contextlib
import http.client
import pathlib
import ssl
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from agent import DEADLINE_SECONDS, Agent, parse_metrics, run_closewatch, select, wait_for  # noqa: E402
from certificates import Authority  # noqa: E402
from test_web_access import CLIENTS, PASSWORD, TLS, basic, users  # noqa: E402

SCRAPES, CONNECTIONS = 500, 48
CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
CASES = (("plain HTTP", "", {}, False), ("a password", users(10, prometheus=PASSWORD), basic("prometheus", PASSWORD), False),
         ("TLS", TLS, {}, False), ("TLS, a password", TLS + users(10, prometheus=PASSWORD), basic("prometheus", PASSWORD), False),
         ("TLS, a client's certificate", CLIENTS, {}, True))


class Measure(unittest.TestCase):
    """Only for its way of tidying up."""

    def runTest(self):  # pylint: disable=invalid-name
        """The table."""
        directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        authority = Authority(directory)
        print("| key | way in | kept connection | new connection | memory at rest | with 48 connections | bytes of a scrape |\n|---|---|---|---|---|---|---|")
        for key, new_key in (("RSA 2048", ("-newkey", "rsa:2048")), ("P-256", CURVE)):
            for name in ("server", "client"):
                authority.issue(name, "DNS:localhost,IP:127.0.0.1", new_key)
            for case, text, headers, shows in CASES:
                if key == "P-256" and "TLS" not in case:
                    continue
                self.row(directory, key if "TLS" in case else "", case, text, headers, shows)

    def row(self, directory, key, case, text, headers, shows):
        (directory / "web.yml").write_text(text)
        own = f"unix:{directory}/agent.sock"
        with Agent("--web.config.file", f"{directory}/web.yml", "--web.listen-address", own, "--scan.interval", "1h") as agent:
            def value(name):
                told = run_closewatch("get", "--web.listen-address", own, "/metrics").stdout
                (found,) = select(parse_metrics(told), name).values()
                return found

            wait_for(lambda: run_closewatch("get", "--web.listen-address", own, "/readyz").returncode == 0, "a scan")

            def connect():
                if "tls" not in text:
                    return http.client.HTTPConnection("127.0.0.1", agent.port, timeout=DEADLINE_SECONDS)
                context = ssl.create_default_context(cafile=directory / "ca.crt")
                if shows:
                    context.load_cert_chain(directory / "client.crt", directory / "client.key")
                return http.client.HTTPSConnection("127.0.0.1", agent.port, context=context, timeout=DEADLINE_SECONDS)

            def scrape(connection):
                connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip", **headers})
                answer = connection.getresponse()
                assert answer.status == 200, answer.status
                return len(answer.read())

            def cost(of_one):
                before = value("process_cpu_seconds_total")
                for _ in range(SCRAPES):
                    of_one()
                return (value("process_cpu_seconds_total") - before) / SCRAPES * 1e6

            def anew():
                with contextlib.closing(connect()) as connection:
                    scrape(connection)

            with contextlib.closing(connect()) as kept:
                size = scrape(kept)
                of_kept = cost(lambda: scrape(kept))
            of_new = cost(anew)
            at_rest = value("process_resident_memory_bytes")
            with contextlib.ExitStack() as crowd:
                for _ in range(CONNECTIONS):
                    scrape(crowd.enter_context(contextlib.closing(connect())))
                crowded = value("process_resident_memory_bytes")
        print(f"| {key} | {case} | {of_kept:.0f} µs | {of_new:.0f} µs | {at_rest / 2**20:.1f} MiB | {crowded / 2**20:.1f} MiB | {size} |", flush=True)


if __name__ == "__main__":
    sys.exit(not unittest.TextTestRunner(verbosity=0).run(Measure()).wasSuccessful())
