# SPDX-License-Identifier: Apache-2.0
"""Names and workloads that the API server tells, and every way in which it can fail to.

The agent is the real one, and so are its pods: cgroups as the kubelet makes them, with a process in
a network namespace of its own. The API server is a fake, which is checked here against recordings
of a real one; what a real one can be made to do is tested on a cluster.
"""

import contextlib
import functools
import gzip
import http.client
import json
import os
import pathlib
import ssl
import subprocess
import sys
import tempfile
import unittest
import urllib.parse
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from agent import (DEADLINE_SECONDS, HERE, Agent, require,  # noqa: E402
                   run_closewatch, select, wait_for)
from fake_api_server import (Authority, FakeApiServer, announced, cut_after, document,  # noqa: E402
                             dripping, endless_events, endless_pages, event_line, flood, lines, pod_object,
                             refusal, shaped, silence, too_many_requests)
from running_pods import RunningPods  # noqa: E402

NODE = "node-a"
SHOP = "shop"
HASH = "6799fc88d8"  # a pod-template-hash
STATIC_HASH = uuid.uuid4().hex  # the kubelet calls a static pod by the hash of its file
# name -> uid of the pods that run: all tests only look at them, and the API server tells of them
# what the test wants.
UIDS = {name: str(uuid.uuid4()) for name in
        ("cart-0", f"web-{HASH}-x7k2p", "logger-d5jvq", "import-4k8zr", "report-29384756-q8xw2",
         "bare")} | {"kube-proxy-node-a": STATIC_HASH}
BARE = UIDS["bare"]
CART = UIDS["cart-0"]
FORM = "application/json;as={};g=meta.k8s.io;v=v1,"  # how metadata alone is asked for
MANY = 1200  # pods of a node: three pages of 500


def setUpModule():  # pylint: disable=invalid-name
    """The pods, and certificates."""
    global pods, directory, authority, certificate  # pylint: disable=global-variable-undefined
    require("openssl")
    pods = unittest.enterModuleContext(RunningPods("api", UIDS.values()))
    directory = pathlib.Path(unittest.enterModuleContext(tempfile.TemporaryDirectory()))
    authority = Authority(directory, "authority")
    certificate = authority.issue("server")


def named(metrics):
    """uid -> namespace and name of all pods."""
    found = [dict(labels) for labels in select(metrics, "closewatch_pod_info")]
    return {one["uid"]: (one["namespace"], one["pod"]) for one in found}


def workload(metrics, uid):
    """Kind and name of a pod's workload."""
    ((labels, _),) = select(metrics, "closewatch_pod_info", uid=uid).items()
    return dict(labels)["workload_kind"], dict(labels)["workload"]


def follows(agent):
    """Whether the agent says that the API server tells the names; None when it does not say."""
    return next(iter(select(agent.metrics(), "closewatch_feature_enabled",
                            feature="metadata_api").values()), None)


def unknown(uid):
    """What a pod without a name is called."""
    return ("unknown", uid)


def object_of(name, **other):
    """What the API server tells of one of the pods."""
    return pod_object(SHOP, name, UIDS[name], NODE, **other)


class ApiTest(unittest.TestCase):
    """An API server, and a service account's directory that fits."""

    def setUp(self):
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.account = self.directory / "account"
        self.logs = self.directory / "logs"
        for one in (self.account, self.logs):
            one.mkdir()
        (self.account / "ca.crt").write_bytes(authority.certificate.read_bytes())
        self.write_token("token-1")
        self.server = self.make_server()

    def make_server(self, shown=None, names=(), **other):
        """A server that tells of these pods of this machine."""
        server = self.enterContext(FakeApiServer(shown or certificate, **other))
        for name in names:
            server.put(object_of(name))
        return server

    def write_token(self, token):
        """The kubelet puts a new file in the place of the old."""
        fresh = self.account / "fresh"
        fresh.write_text(token + "\n", encoding="ascii")
        fresh.rename(self.account / "token")

    def make_log(self, namespace, name, uid):
        """The kubelet's directory of a pod's logs."""
        (self.logs / f"{namespace}_{name}_{uid}").mkdir()

    def flags(self, server=None, source="api"):
        """Those of an agent that asks this server."""
        address = () if server is False else (
            "--metadata.api_server", (server or self.server).address)
        return ("--pods.discovery", "kubernetes", "--paths.cgroup", pods.cgroup,
                "--paths.pod_logs", str(self.logs), "--paths.container_logs", str(self.logs),
                "--paths.service_account", str(self.account),
                "--metadata.source", source, "--metadata.node", NODE, *address)

    def serve(self, server=None, source="api", prefix=()):
        """The agent."""
        agent = self.enterContext(Agent(*self.flags(server, source), prefix=prefix))
        agent.wait_until_ready()
        return agent

    def wait_for_names(self, agent, expected):
        """Until these pods, by uid, are called so."""
        def are_there():
            found = named(agent.metrics())
            return all(found.get(uid) == name for uid, name in expected.items())
        try:
            wait_for(are_there, f"the names {expected}")
        except AssertionError as failure:
            raise AssertionError(
                f"{failure}; they are {named(agent.metrics())}\n" + "\n".join(agent.log)) from None

    def wait_for_state(self, agent, state):
        """Until the metric says that the API server tells the names, or that it does not."""
        wait_for(lambda: follows(agent) == state, f"metadata_api to be {state}")

    def wait_for_requests(self, kind, count, server=None):
        """Until there have been so many; returns them."""
        server = server or self.server
        wait_for(lambda: len(server.asked(kind)) >= count, f"{count} requests of kind {kind}")
        return server.asked(kind)

    def wait_for_watch(self, server=None):
        """Until the agent watches."""
        wait_for((server or self.server).count_watches, "a watch")

    def lines_with(self, agent, text):
        """The lines of the agent's log that have it."""
        return [line for line in agent.log if text in line]


class NamesTest(ApiTest):
    """A server without a fault."""

    def test_each_pod_has_its_name_and_workload(self):
        described = {
            "cart-0": ("StatefulSet", "cart"),
            "logger-d5jvq": ("DaemonSet", "logger"),
            "import-4k8zr": ("Job", "import"),
            "bare": ("", ""),
        }
        for name, owner in described.items():
            self.server.put(object_of(name, owner=owner if owner[0] else None))
        web, report, static = f"web-{HASH}-x7k2p", "report-29384756-q8xw2", "kube-proxy-node-a"
        self.server.put(object_of(web, owner=("ReplicaSet", f"web-{HASH}"),
                                  labels={"pod-template-hash": HASH}))
        self.server.put(object_of(report, owner=("Job", "report-29384756")))
        # The mirror has a uid that is on the node nowhere.
        self.server.put(pod_object("kube-system", static, node=NODE, owner=("Node", NODE),
                                   annotations={"kubernetes.io/config.hash": STATIC_HASH,
                                                "kubernetes.io/config.mirror": STATIC_HASH}))
        described |= {web: ("Deployment", "web"), report: ("CronJob", "report"), static: ("", "")}
        metrics = self.serve().metrics()  # the first scan has them all
        self.assertEqual(
            {uid: ("kube-system" if name == static else SHOP, name) for name, uid in UIDS.items()},
            named(metrics))
        self.assertEqual(described,
                         {name: workload(metrics, uid) for name, uid in UIDS.items()})
        self.assertEqual({0}, set(select(metrics, "closewatch_unnamed_pods").values()))

    def test_a_replica_set_without_the_hash_is_its_own_workload(self):
        self.server.put(object_of("bare", owner=("ReplicaSet", f"web-{HASH}")))
        self.assertEqual(("ReplicaSet", f"web-{HASH}"), workload(self.serve().metrics(), BARE))

    def test_the_agent_goes_by_the_names_of_the_api_server(self):
        """Whose proxy hands on the Host that it was asked by."""
        named_so = authority.issue("named", "IP:127.0.0.1,DNS:api.cluster.example,DNS:*.lb.example")
        agent = self.serve(self.make_server(named_so))
        self.wait_for_state(agent, 1)
        for host, status in {"api.cluster.example": 200, "API.cluster.example:6443": 200, "a.lb.example": 200,
                             "lb.example": 421, "evil.example": 421}.items():
            self.assertEqual(status, agent.get("/api/v1/pods", {"Host": host}).status, host)

    def test_it_asks_for_metadata_of_this_nodes_pods_only(self):
        self.server.put(pod_object(SHOP, "elsewhere", BARE, "node-b"))
        agent = self.serve()
        self.wait_for_watch()
        self.assertEqual(unknown(BARE), named(agent.fresh_metrics())[BARE])
        listed, watched = self.server.asked()
        self.assertEqual(("list", "token-1"), (listed.kind, listed.token))
        self.assertEqual(("watch", "token-1"), (watched.kind, watched.token))
        for request, form in ((listed, "PartialObjectMetadataList"),
                              (watched, "PartialObjectMetadata")):  # a server heeds the first only
            self.assertTrue(request.accept.startswith(FORM.format(form)), request)
        self.assertEqual({"fieldSelector": f"spec.nodeName={NODE}", "limit": "500",
                          "resourceVersion": "0"}, listed.query)
        self.assertEqual({"fieldSelector": f"spec.nodeName={NODE}", "watch": "1",
                          "allowWatchBookmarks": "true", "resourceVersion": self.server.version},
                         {key: value for key, value in watched.query.items()
                          if key != "timeoutSeconds"})

    def test_a_list_comes_in_pages(self):
        self.server = self.make_server(has_cache=False)
        # Those that run are the first and the last of their pages.
        borders = dict(zip((0, 499, 500, 999, 1000, MANY - 1), UIDS.items()))
        expected = {}
        for number in range(MANY):
            namespace = f"n{number:04}"  # lists are in order
            name, uid = borders.get(number, ("other", None))
            self.server.put(pod_object(namespace, name, uid, NODE))
            expected |= {uid: (namespace, name)} if uid else {}
        self.wait_for_names(self.serve(), expected)
        self.assertEqual(["list", "page", "page"],
                         [request.kind for request in self.server.asked()][:3])

    def test_the_watch_tells_of_pods_that_come_change_and_go(self):
        self.server.put(object_of("cart-0"))
        agent = self.serve()
        self.wait_for_watch()
        self.server.put(object_of("bare"))
        self.wait_for_names(agent, {BARE: (SHOP, "bare"), CART: (SHOP, "cart-0")})
        self.assertEqual(("", ""), workload(agent.metrics(), BARE))
        self.server.put(object_of("bare", owner=("StatefulSet", "adopter")))
        wait_for(lambda: workload(agent.metrics(), BARE) == ("StatefulSet", "adopter"),
                 "the workload")
        self.server.delete(SHOP, "bare")
        self.wait_for_names(agent, {BARE: unknown(BARE), CART: (SHOP, "cart-0")})
        self.assertEqual(["list", "watch"], [request.kind for request in self.server.asked()])

    def test_scan_and_json_know_the_names_too(self):
        self.server.put(object_of("cart-0", owner=("StatefulSet", "cart")))
        done = run_closewatch("scan", "--output", "json", *self.flags())
        self.assertEqual(0, done.returncode, done.stderr)
        (pod,) = [pod for pod in json.loads(done.stdout)["pods"] if pod["uid"] == CART]
        self.assertEqual((SHOP, "cart-0", "StatefulSet", "cart"),
                         tuple(pod[key] for key in ("namespace", "pod", "workload_kind",
                                                    "workload")))

    def test_a_pods_environment_tells_where_the_server_is(self):
        self.server.put(object_of("bare"))
        agent = self.serve(server=False, source="auto", prefix=(
            "env", "KUBERNETES_SERVICE_HOST=127.0.0.1",
            f"KUBERNETES_SERVICE_PORT={self.server.port}"))
        self.assertEqual((SHOP, "bare"), named(agent.metrics())[BARE])


class SourceTest(ApiTest):
    """metadata.source, and what is missing for the API server."""

    def setUp(self):
        super().setUp()
        self.server.put(object_of("bare"))
        self.make_log("logged", "bare", BARE)

    def test_logs_never_ask(self):
        agent = self.serve(source="logs")
        metrics = agent.fresh_metrics()
        self.assertEqual(("logged", "bare"), named(metrics)[BARE])
        self.assertIsNone(follows(agent))
        self.assertEqual([], self.server.asked() + self.server.failed_handshakes)

    def test_api_without_a_token_does_not_start(self):
        (self.account / "token").unlink()
        done = run_closewatch("serve", "--web.listen-address", "127.0.0.1:0", *self.flags())
        self.assertEqual(1, done.returncode)
        self.assertIn(f"{self.account}/token is not there: mount the service account's token, "
                      "or set metadata.source to logs", done.stderr)

    def test_auto_without_a_token_takes_the_logs(self):
        (self.account / "token").unlink()
        agent = self.serve(source="auto")
        self.assertEqual(("logged", "bare"), named(agent.metrics())[BARE])
        self.assertEqual([], self.server.asked())


class WatchTest(ApiTest):
    """Watches that end."""

    def setUp(self):
        super().setUp()
        self.server.put(object_of("bare"))

    def test_a_cut_watch_goes_on_from_the_last_bookmark(self):
        for end in (FakeApiServer.cut_watches, FakeApiServer.end_watches):
            with self.subTest(end.__name__):
                server = self.make_server(names=["bare"])
                agent = self.serve(server)
                self.wait_for_watch(server)
                server.pass_time()
                server.send_bookmarks()
                version = server.version
                server.forget()  # all before the bookmark, which is why it matters
                end(server)
                watched = self.wait_for_requests("watch", 2, server)[1]
                self.assertEqual(version, watched.query["resourceVersion"])
                server.put(object_of("cart-0"))
                self.wait_for_names(agent, {BARE: (SHOP, "bare"), CART: (SHOP, "cart-0")})
                self.assertEqual(1, len(server.asked("list")))

    def test_a_watch_that_is_too_old_lists_afresh(self):
        agent = self.serve()
        self.wait_for_watch()
        self.server.stop()  # while it is away, a pod goes
        self.server.delete(SHOP, "bare")
        self.server.put(object_of("cart-0"))
        self.server.forget()
        self.server.start()
        self.wait_for_names(agent, {BARE: unknown(BARE), CART: (SHOP, "cart-0")})
        first, second = self.server.asked("list")
        self.assertEqual("0", first.query["resourceVersion"])
        self.assertNotIn("resourceVersion", second.query)  # a cache might be as old as the watch

    def test_a_watch_that_becomes_too_old_lists_afresh(self):
        agent = self.serve()
        self.wait_for_watch()
        self.server.expire_watches()
        self.assertNotIn("resourceVersion", self.wait_for_requests("list", 2)[1].query)
        self.server.put(object_of("cart-0"))
        self.wait_for_names(agent, {BARE: (SHOP, "bare"), CART: (SHOP, "cart-0")})

    def test_a_list_that_becomes_too_old_between_pages_begins_again(self):
        server = self.server = self.make_server(has_cache=False)
        for number in range(MANY):
            server.put(pod_object(SHOP, f"a-{number}", node=NODE))
        server.put(object_of("bare"))

        def stale(exchange):
            server.forget()
            exchange.answer()
        server.next("page", stale)
        self.wait_for_names(self.serve(), {BARE: (SHOP, "bare")})
        asked = server.asked()
        self.assertEqual(["list", "page", "list", "page", "page"],
                         [request.kind for request in asked][:5])
        self.assertNotIn("resourceVersion", asked[2].query)


class RefusalTest(ApiTest):
    """A server that does not want to."""

    def setUp(self):
        super().setUp()
        self.server.put(object_of("bare"))

    def test_a_rotated_token_is_read(self):
        agent = self.serve()
        self.wait_for_watch()
        self.server.tokens = {"token-2"}
        self.server.cut_watches()
        self.wait_for_state(agent, 0)
        self.assertEqual((SHOP, "bare"), named(agent.fresh_metrics())[BARE])
        self.assertEqual(1, len(self.lines_with(agent, "(401: Unauthorized)")), agent.log)
        self.write_token("token-2")
        self.wait_for_state(agent, 1)
        self.server.put(object_of("cart-0"))
        self.wait_for_names(agent, {CART: (SHOP, "cart-0")})
        self.assertEqual(["token-1", "token-2"],
                         sorted({request.token for request in self.server.asked()}))

    def test_an_old_token_at_the_start_is_no_end(self):
        self.server.tokens = {"token-2"}
        agent = self.serve()
        self.assertEqual(0, follows(agent))
        self.write_token("token-2")
        self.wait_for_names(agent, {BARE: (SHOP, "bare")})

    def test_missing_rights_are_said_once_with_the_remedy(self):
        agent = self.serve()
        self.wait_for_watch()
        self.assertEqual(1, follows(agent))
        self.server.allowed = False
        self.server.cut_watches()
        self.wait_for_state(agent, 0)
        self.wait_for_requests("watch", 3)  # two in vain
        self.assertEqual((SHOP, "bare"), named(agent.fresh_metrics())[BARE])
        (line,) = self.lines_with(agent, "ClusterRole")
        self.assertIn("403", line)
        self.assertIn("get, list and watch of pods", line)
        self.server.allowed = True
        self.wait_for_state(agent, 1)
        agent.fresh_metrics()
        self.assertEqual(1, len(self.lines_with(agent, "tells the pods' names again")), agent.log)
        self.assertEqual(1, len(self.lines_with(agent, "ClusterRole")), agent.log)

    def test_no_rights_at_the_start(self):
        self.make_log("logged", "bare", BARE)
        self.server.allowed = False
        agent = self.serve()
        self.assertEqual(0, follows(agent))
        self.assertEqual(("logged", "bare"), named(agent.metrics())[BARE])
        self.server.allowed = True
        self.wait_for_names(agent, {BARE: (SHOP, "bare")})

    def test_retry_after_is_kept(self):
        self.server.next("list", too_many_requests(2))
        agent = self.serve()
        self.wait_for_names(agent, {BARE: (SHOP, "bare")})
        first, second = self.server.asked("list")
        self.assertGreaterEqual(second.at - first.at, 2)

    def test_retry_after_is_kept_by_watches(self):
        self.server.next("watch", too_many_requests(2))
        agent = self.serve()
        self.wait_for_watch()
        first, second = self.server.asked("watch")
        self.assertGreaterEqual(second.at - first.at, 2)
        self.assertEqual(1, len(self.server.asked("list")))
        self.wait_for_state(agent, 1)

    def test_errors_of_the_server_pass(self):
        self.server.always(refusal(500, "etcdserver: leader changed"), "list")
        agent = self.serve()
        self.assertEqual(0, follows(agent))
        self.server.always(None, "list")
        self.wait_for_names(agent, {BARE: (SHOP, "bare")})
        lists = len(self.server.asked("list"))
        self.wait_for_watch()
        self.server.next("watch", refusal(503, "shutting down"))
        self.server.cut_watches()
        self.wait_for_requests("watch", 3)
        self.wait_for_state(agent, 1)
        self.assertEqual((SHOP, "bare"), named(agent.fresh_metrics())[BARE])
        self.assertEqual(lists, len(self.server.asked("list")))
        self.assertEqual(1, len(self.lines_with(agent, "etcdserver: leader changed")), agent.log)


class BrokenAnswerTest(ApiTest):
    """Answers that are wrong, or end too early."""

    NAMES = ("cart-0", "logger-d5jvq", "bare")
    CUTS = 12

    def setUp(self):
        super().setUp()
        for name in self.NAMES:
            self.server.put(object_of(name))
        self.expected = {UIDS[name]: (SHOP, name) for name in self.NAMES}

    def assert_never_wrong(self, found, also=()):
        """Each pod has its own name, or none."""
        for uid, name in named(found).items():
            (own,) = [own for own, its in UIDS.items() if its == uid]
            self.assertIn(name, [unknown(uid), (SHOP, own), *also])

    def test_lists_that_are_no_lists(self):
        bodies = (b"", b"null", b"[]", b"{}", b'{"items": [{}]}', b"<html>", b"\xff\xfe",
                  b'{"metadata": {"resourceVersion": "1"}, "items": [{"metadata": {}}]}')
        for server, agent in list(self.serve_each(self.NAMES, "list", map(document, bodies))):
            self.wait_for_names(agent, self.expected)
            self.assertEqual(2, len(server.asked("list")))

    def test_events_that_are_no_events(self):
        bodies = (b"{\n", b"null\n", b'{"type": "ADDED"}\n', b'{"type": "SPLIT", "object": {}}\n',
                  event_line("ADDED", {"metadata": {"resourceVersion": "9", "name": "../../etc"}}),
                  event_line("ADDED", {"metadata": {"uid": BARE, "name": "x", "namespace": "y"}}))
        for server, agent in list(self.serve_each(self.NAMES, "watch", map(lines, bodies))):
            self.wait_for_requests("watch", 2, server)
            self.wait_for_state(agent, 1)
            server.put(object_of("import-4k8zr"))
            self.wait_for_names(agent, self.expected | {
                UIDS["import-4k8zr"]: (SHOP, "import-4k8zr")})
            self.assertEqual(1, len(server.asked("list")))

    def serve_each(self, names, kind, faults):
        """As many servers, each with a fault, and their agents."""
        for fault in faults:
            server = self.make_server(names=names)
            server.next(kind, fault)
            yield server, self.serve(server)

    def test_lists_cut_anywhere(self):
        length = len(json.dumps(self.ask_list(self.server)))
        cuts = [length * number // self.CUTS for number in range(self.CUTS)]
        for _, agent in list(self.serve_each(self.NAMES, "list", map(cut_after, cuts))):
            self.assert_never_wrong(agent.metrics())
            self.wait_for_names(agent, self.expected)

    def test_watches_cut_anywhere(self):
        changed = object_of("cart-0", owner=("StatefulSet", "cart"))
        length = sum(len(event_line("MODIFIED", shaped(pod, True, False)))
                     for pod in (object_of("import-4k8zr"), object_of("bare"), changed))
        cuts = [length * number // self.CUTS for number in range(self.CUTS)]
        served = list(self.serve_each(self.NAMES, "watch", map(cut_after, cuts)))
        for server, _ in served:
            self.wait_for_requests("watch", 1, server)
            server.put(object_of("import-4k8zr"))
            server.delete(SHOP, "bare")
            server.put(changed)
        for server, agent in served:
            self.assert_never_wrong(agent.metrics())
            self.wait_for_names(agent, self.expected | {
                UIDS["import-4k8zr"]: (SHOP, "import-4k8zr"), BARE: unknown(BARE)})
            wait_for(lambda one=agent: workload(one.metrics(), CART) == ("StatefulSet", "cart"),
                     "the workload")
            self.assertEqual(1, len(server.asked("list")))

    def ask_list(self, server):
        """What the server answers to a list."""
        return json.loads(ask(server, "", "application/json;as=PartialObjectMetadataList")[2])


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
MOST_MEMORY = 64 << 20  # as the chart recommends


def padded_list(pods_of_it, padding):
    """A list in which each pod carries something that nobody wants; in all sizes there are."""
    def answer(exchange):
        items = b",".join(json.dumps(pod_object(SHOP, f"pod-{one}", f"uid-{one}")).encode()[:-1] +
                          b', "padding": ' + padding + b"}" for one in range(pods_of_it))
        exchange.send(200, b'{"metadata": {"resourceVersion": "9"}, "items": [' + items + b"]}")
    return answer


def packed_list(exchange):
    """Nobody has asked for it packed: 64 MiB in 64 KiB."""
    exchange.send(200, gzip.compress(b" " * (64 << 20)), headers={"Content-Encoding": "gzip"})


def elsewhere(exchange):
    """Who went there would take the token along."""
    exchange.send(307, b"", headers={"Location": f"https://{exchange.server.fake.address}/api/v1/pods?elsewhere=1"})


class HostileTest(ApiTest):
    """A server that wants the agent's memory. Names stay, the trouble is told, and memory has its bound."""

    LISTS = {
        "headers without end": flood(OK + b"X: "),
        "many headers": flood(OK, piece=b"X-Y: z\r\n" * 8192),
        "an extension of a chunk without end": flood(CHUNKED + b"1;x="),
        "many chunks with extensions": flood(CHUNKED, piece=(b"1;x=" + b"a" * 60000 + b"\r\n \r\n")),
        "trailers without end": flood(CHUNKED + b"0\r\nX: "),
        "many trailers": flood(CHUNKED + b"0\r\n", piece=b"X-Y: z\r\n" * 8192),
        "a list without end": flood(OK + b'\r\n{"items": [', piece=b'{"metadata": {}}, ' * 4096),
        "a list of nothing": flood(OK + b'\r\n{"items": ', piece=b" " * 65536),
        "a name without end": flood(OK + b'\r\n{"items": [{"metadata": {"name": "'),
        "a key without end": flood(OK + b'\r\n{"'),
        "a version without end": flood(OK + b'\r\n{"metadata": {"resourceVersion": "', piece=b"1" * 65536),
        "pages without end": endless_pages,
        "100,000 pods": lambda exchange: padded_list(100_000, b"0")(exchange),
        "a refusal without end": flood(b"HTTP/1.1 403 Forbidden\r\n\r\n"),
        "announcements without end": flood(piece=b"HTTP/1.1 100 Continue\r\n\r\n" * 2048),
        "another protocol": flood(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
        "a packed list": packed_list,
        "a number without end": flood(OK + b'\r\n{"items": ', piece=b"1" * 65536),
        "deep arrays": flood(OK + b'\r\n{"x": ', piece=b"[" * 65536),
        "deep objects": flood(OK + b'\r\n', piece=b'{"metadata":' * 4096),
        "members without end": flood(OK + b'\r\n{"a":0', piece=b',"a":0' * 4096),
        "one metadata after the other": flood(OK + b'\r\n{"items": [{"a":0', piece=b',"metadata":{"name":"a","labels":{"b":"c"}}' * 2048),
        "owners without end": flood(OK + b'\r\n{"items": [{"metadata": {"ownerReferences": [{}', piece=b',{"name":"a","kind":"b"}' * 4096),
        "an HTTP that ends with the connection": flood(b"HTTP/1.0 200 OK\r\n\r\n", b'{"items": [], "metadata"', piece=b""" """ * 65536),
        "a way elsewhere": elsewhere,
    }
    WATCHES = {
        "a line without end": flood(CHUNKED + b'10000000\r\n{"type": "'),
        "an extension of a chunk without end": flood(CHUNKED + b"1;x="),
        "trailers without end": flood(CHUNKED + b"0\r\nX: "),
        "pods without end": endless_events(),
        "pods with long names without end": endless_events(220),
        "empty lines without end": flood(CHUNKED, piece=b"1000\r\n" + b"\n" * 4096 + b"\r\n"),
        "bookmarks without end": flood(OK + b"\r\n", piece=event_line("BOOKMARK", {"metadata": {"resourceVersion": "9"}}) * 512),
        "changes of one pod without end": flood(OK + b"\r\n", piece=event_line("MODIFIED", {
            "metadata": {"namespace": SHOP, "name": "bare", "uid": BARE, "resourceVersion": "9"}}) * 512),
        "announcements without end": flood(piece=b"HTTP/1.1 100 Continue\r\n\r\n" * 2048),
        "a way elsewhere": elsewhere,
    }

    def begin(self, faults, kind):
        """For each fault a server that has shown none yet, an agent that follows it, and its memory then."""
        begun = []
        for name, fault in faults.items():
            server = self.make_server(names=["bare"])
            # A sanitizer takes much for itself at the start, and keeps what is freed aside.
            agent = self.serve(server, prefix=("env", "ASAN_OPTIONS=quarantine_size_mb=1"))
            self.wait_for_watch(server)
            begun.append((name, server, agent, self.most_resident(agent)))
            server.always(fault, kind)
            if fault is endless_pages:
                server.always(fault, "page")
            if kind == "list":
                server.expire_watches()
            else:
                server.cut_watches()
        return begun

    @staticmethod
    def most_resident(agent):
        """The most memory that each of the agent's two processes has had, together."""
        status = "".join(pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
                         for pid in (agent.worker(), agent.network()))
        return sum(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM:"))

    @staticmethod
    def with_shadows(size):
        """ThreadSanitizer keeps several bytes for each one that is used."""
        return 5 * size if b"__tsan_init" in pathlib.Path(os.environ["CLOSEWATCH_BIN"]).read_bytes() else size

    def test_memory_is_bounded_and_names_stay(self):
        begun = self.begin(self.LISTS, "list") + self.begin(self.WATCHES, "watch")
        for name, server, agent, before in begun:
            with self.subTest(name):
                self.wait_for_state(agent, 0)
                self.assertEqual((SHOP, "bare"), named(agent.fresh_metrics())[BARE])
                self.assertTrue(self.lines_with(agent, "the API server"), agent.log)
                self.assertFalse([request for request in server.asked() if "elsewhere" in request.query])
                self.assertLess(self.most_resident(agent) - before, self.with_shadows(MOST_MEMORY - (16 << 20)))

    def test_a_list_costs_no_memory_but_that_of_its_names(self):
        faults = {"long texts": padded_list(50, b'"' + b"a" * (1 << 20) + b'"'),
                  "many values": padded_list(50, b"[" + b"{},[],0," * (1 << 17) + b"0]")}
        for name, server, agent, before in self.begin(faults, "list"):
            with self.subTest(name):
                self.wait_for_requests("watch", 2, server)
                self.assertLess(self.most_resident(agent) - before, 8 << 20)


    def test_a_pod_that_calls_itself_another_changes_no_name_but_its_own(self):
        """Anybody who may create pods can write the annotation by which static pods are known."""
        annotations = {"kubernetes.io/config.hash": CART, "kubernetes.io/config.mirror": CART}
        thief = object_of("bare", annotations=annotations)
        for order in (("cart-0", thief), (thief, "cart-0")):
            server = self.make_server()
            for one in order:
                server.put(object_of(one) if isinstance(one, str) else one)
            agent = self.serve(server)
            self.wait_for_watch(server)
            self.wait_for_names(agent, {CART: (SHOP, "cart-0")})
            server.put(thief)
            server.put(object_of("import-4k8zr"))
            self.wait_for_names(agent, {UIDS["import-4k8zr"]: (SHOP, "import-4k8zr"), CART: (SHOP, "cart-0")})
            server.delete(SHOP, "bare")
            server.put(object_of("logger-d5jvq"))
            self.wait_for_names(agent, {UIDS["logger-d5jvq"]: (SHOP, "logger-d5jvq"), CART: (SHOP, "cart-0")})

    def test_an_answer_that_is_announced_is_the_one_that_counts(self):
        server = self.make_server(names=["bare"])
        server.always(announced(3))
        agent = self.serve(server)
        self.wait_for_watch(server)
        server.put(object_of("cart-0"))
        self.wait_for_names(agent, {BARE: (SHOP, "bare"), CART: (SHOP, "cart-0")})
        self.assertEqual(1, follows(agent))

    def test_a_server_that_drips_holds_up_neither_scans_nor_the_end(self):
        for kind in ("list", "watch"):
            server = self.make_server(names=["bare"])
            server.always(dripping(b" "), kind)
            agent = self.serve(server)
            self.wait_for_requests(kind, 1, server)
            agent.fresh_metrics()
            self.assertEqual(0, agent.stop())


class AwayTest(ApiTest):
    """A server that is not there, or is another."""

    def setUp(self):
        super().setUp()
        self.server.put(object_of("cart-0"))

    def test_names_stay_and_the_logs_fill_in(self):
        agent = self.serve()
        self.wait_for_watch()
        self.server.stop()
        self.wait_for_state(agent, 0)
        self.make_log("logged", "bare", BARE)
        self.make_log("logged", "cart-0", CART)  # the API server has said otherwise
        self.wait_for_names(agent, {BARE: ("logged", "bare"), CART: (SHOP, "cart-0")})
        (errors,) = select(agent.metrics(), "closewatch_scan_errors_total",
                           stage="metadata").values()
        self.assertGreater(errors, 0)
        self.assertTrue(self.lines_with(agent, "Connection refused"), agent.log)
        self.server.start()
        self.wait_for_state(agent, 1)
        self.server.put(object_of("bare"))
        self.wait_for_names(agent, {BARE: (SHOP, "bare"), CART: (SHOP, "cart-0")})
        agent.fresh_metrics()
        self.assertEqual(1, len(self.lines_with(agent, "tells the pods' names again")), agent.log)

    def test_an_agent_starts_while_the_server_is_away(self):
        self.server.stop()
        self.make_log("logged", "cart-0", CART)
        agent = self.serve()
        self.assertEqual(("logged", "cart-0"), named(agent.metrics())[CART])
        self.assertEqual(0, follows(agent))
        self.server.start()
        self.wait_for_names(agent, {CART: (SHOP, "cart-0")})

    def test_a_silent_server_holds_nothing_up(self):
        self.server.always(silence)
        self.make_log("logged", "cart-0", CART)
        agent = self.serve()
        self.assertEqual(("logged", "cart-0"), named(agent.fresh_metrics())[CART])
        self.assertEqual(0, follows(agent))
        self.assertEqual(0, agent.stop())  # in the middle of the request

    def refused(self, shown):
        """An agent that a server with another certificate has tried to fool."""
        self.server.use(shown)
        agent = self.serve()
        wait_for(lambda: len(self.server.failed_handshakes) >= 2, "a second try")
        self.assertEqual([], self.server.asked())  # so there was no token in any
        self.assertEqual(0, follows(agent))
        self.assertEqual(unknown(CART), named(agent.metrics())[CART])
        (line,) = self.lines_with(agent, "TLS handshake")
        self.assertIn(self.server.address, line)
        self.assertIn("certificate verify failed", line)
        self.server.use(certificate)
        self.wait_for_names(agent, {CART: (SHOP, "cart-0")})

    def test_a_certificate_of_another_authority_is_refused(self):
        self.refused(Authority(self.directory, "stranger").issue("server"))

    def test_a_certificate_of_another_host_is_refused(self):
        self.refused(authority.issue("elsewhere", "IP:127.0.0.2,DNS:elsewhere.example"))

    def test_a_rotated_authority_is_read(self):
        rotated = Authority(self.directory, "rotated")
        self.server.use(rotated.issue("server"))
        agent = self.serve()
        self.assertEqual(0, follows(agent))
        (self.account / "ca.crt").write_bytes(rotated.certificate.read_bytes())
        self.wait_for_names(agent, {CART: (SHOP, "cart-0")})


def ask(server, query, accept, token="token-1"):
    """One GET: status, headers and body."""
    context = ssl.create_default_context(cafile=authority.certificate)
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context,
                                             timeout=DEADLINE_SECONDS)
    with contextlib.closing(connection):
        connection.request("GET", f"/api/v1/pods?{query}",
                           headers={"Accept": accept, "Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


# What a fake pod does without.
LEFT_OUT = {"generateName", "deletionTimestamp", "deletionGracePeriodSeconds"}
OF_NO_INTEREST = {"spec", "status"}  # of a Pod: the fake has a part of it


def differences(real, fake, where=""):
    """Where two documents differ in more than values."""
    if type(real) is not type(fake):
        return [f"{where}: {type(real).__name__} is {type(fake).__name__}"]
    if isinstance(real, list):
        if len(real) != len(fake):
            return [f"{where}: {len(real)} are {len(fake)}"]
        return [one for number, pair in enumerate(zip(real, fake))
                for one in differences(*pair, f"{where}/{number}")]
    if not isinstance(real, dict):
        return []
    missing = set(real) - set(fake) - LEFT_OUT
    if where.rpartition("/")[2] in OF_NO_INTEREST:
        missing = set()
    return ([f"{where}/{key}: missing" for key in sorted(missing)] +
            [f"{where}/{key}: not in the real one" for key in sorted(set(fake) - set(real))] +
            [one for key in sorted(set(real) & set(fake))
             for one in differences(real[key], fake[key], f"{where}/{key}")])


def once(events):
    """The events without the bookmarks but the last: how many there are is a matter of time."""
    last = len(events) - 1
    return [event for number, event in enumerate(events)
            if event["type"] != "BOOKMARK" or number == last]


class RecordingsTest(ApiTest):
    """The fake answers as a real API server does."""

    NODE = "recording"

    def setUp(self):
        super().setUp()
        self.server.put(pod_object(self.NODE, "bare", node=self.NODE, labels={"app": "bare"}))
        self.server.put(pod_object(
            self.NODE, "cart-5f849bdc46-p8kf9", node=self.NODE,
            owner=("ReplicaSet", "cart-5f849bdc46"),
            labels={"app": "cart", "pod-template-hash": "5f849bdc46"}))

    def compare(self, name, token="token-1", **changed):
        """Asks as was asked then, but for what is changed; returns the fake's document or lines."""
        real = json.loads((HERE / "api_recordings" / f"{name}.json").read_text(encoding="utf-8"))
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(
            real["request"]["target"]).query)) | changed
        status, headers, body = ask(self.server, urllib.parse.urlencode(query),
                                    real["request"]["accept"], token)
        self.assertEqual(real["status"], status)
        self.assertEqual(real["headers"]["Content-Type"], headers["Content-Type"])
        self.assertEqual("Retry-After" in real["headers"], "Retry-After" in headers)
        if "text" in real:
            self.assertEqual(real["text"], body.decode())
            return None
        content = ([json.loads(line) for line in body.splitlines()] if "lines" in real
                   else json.loads(body))
        expected = once(real["lines"]) if "lines" in real else real["body"]
        self.assertEqual([], differences(expected, content))
        return expected, content

    def test_lists(self):
        _, page = self.compare("list_page_1")
        token = page["metadata"]["continue"]
        self.compare("list_page_2", **{"continue": token})
        self.compare("list_from_cache")
        self.compare("list_of_pods")
        self.compare("list_as_event")

    def test_refusals(self):
        real, fake = self.compare("unauthorized", token="an-old-token")
        self.assertEqual(real["message"], fake["message"])
        self.server.allowed = False
        real, fake = self.compare("forbidden")
        self.assertEqual(real["reason"], fake["reason"])
        self.server.allowed = True
        self.server.next("list", too_many_requests(1))
        self.compare("too_many_requests")
        self.server.next("list", refusal(500))
        self.compare("etcd_away")

    def test_what_is_too_old(self):
        _, page = self.compare("list_page_1")
        self.server.forget()
        real, fake = self.compare("stale_continue", **{"continue": page["metadata"]["continue"]})
        self.assertEqual((real["code"], real["reason"]), (fake["code"], fake["reason"]))
        ((real,), (fake,)) = self.compare("stale_watch", resourceVersion="1")
        self.assertEqual((real["type"], real["object"]["code"], real["object"]["reason"]),
                         (fake["type"], fake["object"]["code"], fake["object"]["reason"]))

    def watch(self, name):
        """The same happens as when it was recorded."""
        began = self.server.version
        watched = functools.partial(pod_object, self.NODE, "watched", node=self.NODE)
        labels = {"app": "watched"}
        self.server.put(watched(labels=labels))
        for _ in range(2):  # the second is for the deletion that begins
            self.server.put(watched(labels=labels | {"changed": "yes"}))
        self.server.delete(self.NODE, "watched")

        def end():
            self.server.send_bookmarks()
            self.server.end_watches()
        self.server.when_watched = end
        real, fake = self.compare(name, resourceVersion=began)
        self.assertEqual([line["type"] for line in real], [line["type"] for line in fake])

    def test_watches(self):
        for name in ("watch", "watch_of_pods", "watch_as_list"):
            with self.subTest(name):
                self.watch(name)


if __name__ == "__main__":
    unittest.main()
