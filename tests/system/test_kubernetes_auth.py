# SPDX-License-Identifier: Apache-2.0
"""Who is let in by a token of Kubernetes. The API server is a fake that is told whose tokens are whose; a real one is asked on a
cluster (tests/cluster)."""

import contextlib
import http.client
import json
import pathlib
import ssl
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from agent import DEADLINE_SECONDS, Agent, parse_metrics, require, run_closewatch, select, wait_for  # noqa: E402
from fake_api_server import Authority, FakeApiServer, cut_after, document, flood, refusal, silence  # noqa: E402
from prometheus import Prometheus  # noqa: E402
from test_web_access import basic, users  # noqa: E402

SCRAPER = {"username": "system:serviceaccount:monitoring:prometheus", "uid": "4f1c",
           "groups": ["system:serviceaccounts", "system:authenticated"],
           "extra": {"authentication.kubernetes.io/pod-name": ["prometheus-0"]}}
STRANGER = {"username": "system:serviceaccount:shop:default", "groups": ["system:authenticated"]}

SCRAPE = """\
global:
  scrape_interval: 200ms
  scrape_timeout: 200ms
scrape_configs:
"""
JOB = """\
  - job_name: {name}
    authorization:
      credentials_file: {file}
    static_configs:
      - targets: ['127.0.0.1:{port}']
"""


def setUpModule():  # pylint: disable=invalid-name
    """Certificates."""
    global made, authority, certificate  # pylint: disable=global-variable-undefined
    require("openssl")
    made = pathlib.Path(unittest.enterModuleContext(tempfile.TemporaryDirectory()))
    authority = Authority(made, "authority")
    certificate = authority.issue("server")


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


class TokenTest(unittest.TestCase):
    """An API server that knows two service accounts, one of which may get the metrics, and an agent that asks it."""

    def setUp(self):
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        (self.directory / "ca.crt").write_bytes(authority.certificate.read_bytes())
        (self.directory / "token").write_text("token-1\n", encoding="ascii")
        self.server = self.enterContext(FakeApiServer(certificate))
        self.server.owners = {"right": SCRAPER, "right-2": SCRAPER, "strange": STRANGER}
        self.server.allowed_paths = {(SCRAPER["username"], "/metrics")}
        self.agent = None

    def flags(self, *more, account=None):
        return ("--web.kubernetes-auth", "true", "--paths.service_account", str(account or self.directory),
                "--metadata.api_server", self.server.address, "--metadata.node", "node-a", *more)

    def serve(self, *more):
        self.agent = self.enterContext(Agent(*self.flags(*more), "--web.listen-address",
                                             f"unix:{self.directory}/agent.sock"))

    def ask(self, headers=None, path="/metrics", source=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.agent.port, timeout=DEADLINE_SECONDS,
                                                source_address=source and (source, 0))
        with contextlib.closing(connection):
            connection.request("GET", path, headers=headers or {})
            answer = connection.getresponse()
            answer.text = answer.read().decode()
            return answer

    def status(self, *arguments, **named):
        return self.ask(*arguments, **named).status

    def refused(self, reason):
        """What the agent tells its own machine of it."""
        done = run_closewatch("get", "--web.listen-address", f"unix:{self.directory}/agent.sock", "/metrics")
        self.assertEqual(done.returncode, 0, done.stderr)
        (value,) = select(parse_metrics(done.stdout), "closewatch_web_refused_total", reason=reason).values()
        return value

    def reviews(self):
        return [request.kind for request in self.server.asked() if request.kind.endswith("_review")]


class WhoTest(TokenTest):
    """Who is let in, and what the others are told."""

    def test_whose_owner_may_get_the_path(self):
        self.serve()
        self.assertEqual(self.status(bearer("right")), 200)
        forbidden = self.ask(bearer("strange"))
        self.assertEqual(forbidden.status, 403)
        self.assertIn(f"{STRANGER['username']} may not get /metrics", forbidden.text)
        self.assertEqual(self.status(bearer("right"), "/api/v1/pods"), 403, "another path")
        for headers in ({}, bearer("nobodys"), bearer(""), bearer("right more"), basic("right", "right"),
                        {"Authorization": "right"}):
            answer = self.ask(headers)
            self.assertEqual(answer.status, 401, headers)
            self.assertEqual(answer.headers["WWW-Authenticate"], 'Bearer realm="closewatch"')
        for path in ("/", "/healthz", "/readyz", "/page/page.css", "/nothing"):
            self.assertEqual(self.status(path=path), 401, path)
        self.assertEqual(self.refused("forbidden"), 2)
        self.assertEqual(self.refused("credentials"), 11)

    def test_it_is_asked_as_kubernetes_documents(self):
        self.serve()
        self.assertEqual(self.status(bearer("right"), "/%6detrics?debug=1"), 404, "it is let in, and there is no such path")
        (token,) = self.server.asked("token_review")
        self.assertEqual(token.token, "token-1")
        self.assertEqual(token.query, {"token": "right"})
        (access,) = self.server.asked("access_review")
        self.assertEqual(access.query, {
            "user": SCRAPER["username"], "uid": SCRAPER["uid"], "groups": SCRAPER["groups"], "extra": SCRAPER["extra"],
            "nonResourceAttributes": {"path": "/metrics", "verb": "get"}})

    def test_for_one_of_the_audiences(self):
        self.server.audiences = {"right": ["closewatch"]}
        self.serve("--web.kubernetes-audiences", "closewatch,metrics")
        self.assertEqual(self.status(bearer("right")), 200)
        self.assertEqual(self.status(bearer("right-2")), 401, "for the API server")

    def test_each_answer_counts_for_a_while(self):
        self.serve()
        for _ in range(20):
            self.assertEqual(self.status(bearer("right")), 200)
            self.assertEqual(self.status(bearer("strange")), 403)
            self.assertEqual(self.status(bearer("nobodys")), 401)
        self.assertEqual(sorted(self.reviews()), ["access_review"] * 2 + ["token_review"] * 3)

    def test_who_is_no_more_let_in_is_out_within_a_minute(self):
        self.serve()
        self.assertEqual(self.status(bearer("right")), 200)
        self.server.owners.pop("right")
        began = time.monotonic()
        while self.status(bearer("right")) == 200:
            self.assertLess(time.monotonic() - began, 70)
            time.sleep(1)
        self.assertEqual(self.status(bearer("right")), 401)

    def test_a_password_or_a_token(self):
        web = self.directory / "web.yml"
        web.write_text(users(alice="open"))
        self.serve("--web.config.file", str(web))
        self.assertEqual(self.status(basic("alice", "open")), 200)
        self.assertEqual(self.status(bearer("right")), 200)
        self.assertEqual(self.status(basic("alice", "wrong")), 401)
        self.assertEqual(self.status(bearer("wrong")), 401)
        self.assertEqual(self.status(), 401)

    def test_over_tls_nothing_is_remarked(self):
        own = authority.issue("agent")
        web = self.directory / "web.yml"
        web.write_text(f"tls_server_config: {{cert_file: {own.chain}, key_file: {own.key}}}\n")
        self.serve("--web.config.file", str(web))
        context = ssl.create_default_context(cafile=authority.certificate)
        connection = http.client.HTTPSConnection("127.0.0.1", self.agent.port, context=context, timeout=DEADLINE_SECONDS)
        with contextlib.closing(connection):
            connection.request("GET", "/metrics", headers=bearer("right"))
            self.assertEqual(connection.getresponse().status, 200)
        self.assertFalse([line for line in self.agent.log if "plain HTTP" in line])

    def test_without_tls_that_is_remarked(self):
        self.serve()
        self.assertEqual(len([line for line in self.agent.log if "plain HTTP" in line]), 1)

    def test_no_token_is_in_the_log_or_told(self):
        self.serve("--log.level", "debug")
        secret = "eyJhbGciOiJSUzI1NiJ9.secret.words"
        self.assertEqual(self.status(bearer(secret)), 401)
        self.server.may_review = False
        self.assertEqual(self.status(bearer(secret + "2")), 503)
        self.agent.stop()
        self.assertFalse([line for line in self.agent.log if "secret" in line])

    def test_real_prometheus_scrapes(self):
        require("prometheus")
        self.serve()
        for token in ("right", "strange", "nobodys"):
            (self.directory / f"{token}.token").write_text(token)
        jobs = "".join(JOB.format(name=token, file=self.directory / f"{token}.token", port=self.agent.port)
                       for token in ("right", "strange", "nobodys"))
        with Prometheus(SCRAPE + jobs) as prometheus:
            wait_for(lambda: prometheus.value('up{job="right"}') == 1, "a scrape")
            wait_for(lambda: {prometheus.value(f'up{{job="{job}"}}') for job in ("strange", "nobodys")} == {0}, "the others")
            targets = json.loads(prometheus.read("/api/v1/targets"))["data"]["activeTargets"]
            errors = {target["labels"]["job"]: target["lastError"] for target in targets}
            self.assertRegex(errors["strange"], "403|429")
            self.assertRegex(errors["nobodys"], "401|429")


class AwayTest(TokenTest):
    """An API server that does not say."""

    def one_line(self, text):
        (line,) = [line for line in self.agent.log if text in line]
        return line

    def test_missing_rights_are_named_with_the_remedy(self):
        self.server.may_review = False
        self.serve()
        for number in range(3):
            answer = self.ask(bearer(f"right-{number}"))
            self.assertEqual(answer.status, 503)
            self.assertEqual(answer.headers["Retry-After"], "5")
        self.assertIn("not_reviewed", self.one_line("system:auth-delegator"))
        self.assertEqual(self.refused("not_reviewed"), 3)
        self.server.may_review = True
        self.assertEqual(self.status(bearer("right")), 200)

    def test_who_was_let_in_stays_in_for_a_minute_and_nobody_else_comes_in(self):
        self.serve()
        self.assertEqual(self.status(bearer("right")), 200)
        self.server.stop()
        self.assertEqual(self.status(bearer("right")), 200)
        self.assertEqual(self.status(bearer("right-2")), 503)
        self.server.start()
        self.assertEqual(self.status(bearer("right-2")), 200)

    def test_answers_that_are_none_let_nobody_in(self):
        self.serve()
        allowed = b'{"kind":"SubjectAccessReview","status":{"allowed":true}}'
        owner = b'{"kind":"TokenReview","status":{"authenticated":true,"user":{"username":"root"}}}'
        endless = flood(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", owner)
        bad = [document(body) for body in (b"", b"{", b"[]", b"true", b"{}", allowed, owner[:-1])]
        bad += [refusal(500), refusal(401), cut_after(40), endless]
        for number, fault in enumerate(bad):
            self.server.next("token_review", fault)
            self.assertEqual(self.status(bearer("right"), source=f"127.0.2.{number + 1}"), 503, number)
        for number, fault in enumerate([document(b"{}"), document(owner), refusal(403), cut_after(40)]):
            self.server.next("access_review", fault)
            self.assertEqual(self.status(bearer("right"), source=f"127.0.3.{number + 1}"), 503, number)
        self.assertEqual(self.status(bearer("right")), 200)

    def test_a_silent_server_holds_nobody_up_who_is_let_in(self):
        self.serve()
        self.assertEqual(self.status(bearer("right")), 200)
        self.server.always(silence, "token_review")
        seen = []
        crowd = [threading.Thread(target=lambda number=number: seen.append(
            self.status(bearer(f"guess-{number}"), source=f"127.0.4.{number}"))) for number in range(1, 31)]
        for one in crowd:
            one.start()
        for _ in range(20):
            self.assertEqual(self.status(bearer("right")), 200)
        for one in crowd:
            one.join()
        self.assertEqual(seen, [503] * 30)
        self.assertGreater(self.refused("busy"), 0)
        self.assertGreater(self.refused("not_reviewed"), 0)

    def test_a_flood_of_wrong_tokens_is_bounded(self):
        self.serve()
        self.assertEqual(self.status(bearer("right")), 200)
        found = [self.status(bearer(f"guess-{number}"), source="127.0.0.9") for number in range(15)]
        self.assertEqual(found, [401] * 10 + [429] * 5)
        self.assertEqual(len(self.server.asked("token_review")), 11)
        self.assertEqual(self.status(bearer("right"), source="127.0.0.9"), 200)


class StartTest(TokenTest):
    """What it does not start with."""

    def refusal(self, *flags, command="serve"):
        done = run_closewatch(command, *flags)
        self.assertNotEqual(done.returncode, 0)
        return done.stderr

    def test_not_with_the_logs_alone(self):
        for command in ("serve", "check-config"):
            said = self.refusal(*self.flags("--metadata.source", "logs"), command=command)
            self.assertIn("web.kubernetes-auth: it asks the API server, which metadata.source logs never does", said)

    def test_not_without_a_service_account(self):
        said = self.refusal(*self.flags(account=self.directory / "none"))
        self.assertIn("web.kubernetes-auth is true, but", said)
        self.assertIn("mount the service account's token", said)

    def test_check_config_remarks_plain_http(self):
        done = run_closewatch("check-config", *self.flags())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("plain HTTP", done.stderr)


if __name__ == "__main__":
    unittest.main()
