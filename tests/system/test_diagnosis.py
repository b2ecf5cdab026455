# SPDX-License-Identifier: Apache-2.0
"""Sockets in CLOSE_WAIT as closewatch diagnoses them: in JSON, tables and metrics.

What is true comes from the test itself, which makes sockets of each kind. What the JSON has to look
like is in docs/schema.
"""

import collections
import contextlib
import copy
import glob
import gzip
import json
import os
import pathlib
import re
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse
import uuid

import jsonschema

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from agent import (HERE, ROOT_CGROUPS, STANDALONE, STATES, Agent, Holder,  # noqa: E402
                   Namespace, by_label, cleaned_up, find, free_port, remove_cgroup, require,
                   run_closewatch, scan, scan_table, select, wait_for, without)

Leak = collections.namedtuple("Leak", "direction owes address port sockets unread_bytes",
                              defaults=(0,))
KINDS = (("outbound", "read"), ("outbound", "close"),
         ("inbound", "accept"), ("inbound", "read"), ("inbound", "close"))
# How closewatch writes them.
ADDRESSES = {"127.0.0.1": "127.0.0.1", "::1": "[::1]", "::ffff:127.0.0.1": "127.0.0.1"}
# Each kind with each address. No two peers have the same number of sockets, so one order is right.
LEAKS = tuple(Leak(*kind, address, 4000 + number, number, 10 * number)
              for number, (kind, address) in enumerate(
                  ((kind, address) for kind in KINDS for address in ADDRESSES), start=1))
TOTAL = sum(leak.sockets for leak in LEAKS)
UNREAD_BYTES = sum(leak.sockets * leak.unread_bytes for leak in LEAKS if leak.owes != "close")
MAX_LISTED = 500  # sockets of one pod, by HTTP
# The states that the kernel keeps without a cgroup.
OWNERLESS = {"syn_recv", "fin_wait2", "time_wait"}


def hold(namespace, *leaks):
    """Makes the leaks in the namespace; returns the process that holds them."""
    return namespace.hold("hold_close_wait.py", *(",".join(map(str, leak)) for leak in leaks))


def peer_of(leak):
    """The other end as closewatch calls it."""
    address = ADDRESSES[leak.address]
    return address if leak.direction == "inbound" else f"{address}:{leak.port}"


def counted(leaks, key):
    """Sockets by what `key` says of a leak."""
    counts = collections.Counter()
    for leak in leaks:
        counts[key(leak)] += leak.sockets
    return counts


KIND_COUNTS = counted(LEAKS, lambda leak: (leak.direction, leak.owes))
PEER_COUNTS = counted(LEAKS, lambda leak: (leak.direction, peer_of(leak)))


def worst_peers(count):
    """(direction, peer) -> sockets: the worst `count`, and the rest of each direction."""
    ranked = PEER_COUNTS.most_common()
    peers = collections.Counter(dict(ranked[:count]))
    for (direction, _), sockets in ranked[count:]:
        peers[direction, "other"] += sockets
    return dict(peers)


def pod_name(namespace):
    """NAMESPACE/NAME, as --pod takes it."""
    return f"netns/{namespace.name}"


def sockets_path(name, pod_namespace="netns"):
    """Where the API lists a pod's sockets."""
    quoted = (urllib.parse.quote(part, safe="") for part in (pod_namespace, name))
    return "/api/v1/pods/{}/{}/sockets".format(*quoted)


def load_schema(name):
    """One of those that are published."""
    file = HERE.parents[1] / "docs" / "schema" / f"{name}.schema.json"
    return json.loads(file.read_text(encoding="utf-8"))


def subschemas(schema):
    """The schema and all in it."""
    if isinstance(schema, dict):
        yield schema
    for part in schema.values() if isinstance(schema, dict) else schema:
        if isinstance(part, (dict, list)):
            yield from subschemas(part)


SCHEMAS = {name: load_schema(name) for name in ("pods", "sockets", "connections")}


def violations(name, document):
    """Where a document is not as its schema says."""
    return [f"/{'/'.join(map(str, error.absolute_path))}: {error.message}"
            for error in jsonschema.Draft7Validator(SCHEMAS[name]).iter_errors(document)]


class DocumentTest(unittest.TestCase):
    """A test of JSON documents."""

    def assert_valid(self, name, document):
        """The document is as its schema says; returns it."""
        self.assertEqual([], violations(name, document))
        return document


class SchemaTest(DocumentTest):
    """What docs/schema publishes holds, and would be missed."""

    @classmethod
    def setUpClass(cls):
        cls.leaky = cls.enterClassContext(Namespace("leaky"))
        hold(cls.leaky, *LEAKS)
        cls.empty = cls.enterClassContext(Namespace("empty"))
        cls.agent = cls.enterClassContext(Agent())
        cls.agent.wait_until_ready()

    def test_the_schemas_are_schemas(self):
        for name, schema in SCHEMAS.items():
            with self.subTest(name):
                jsonschema.Draft7Validator.check_schema(schema)

    def test_each_object_is_closed_and_each_property_described(self):
        for name, schema in SCHEMAS.items():
            for part in subschemas(schema):
                if part.get("type") != "object" and "object" not in part.get("type", ()):
                    continue
                with self.subTest(name, properties=list(part["properties"])):
                    self.assertIs(False, part["additionalProperties"])
                    for key, described in part["properties"].items():
                        reference = described.get("$ref", "").rpartition("/")[2]
                        self.assertTrue(
                            (schema["definitions"].get(reference) or described)["description"],
                            key)

    def test_what_both_schemas_define_is_the_same(self):
        pods, sockets = (SCHEMAS[name]["definitions"] for name in ("pods", "sockets"))
        shared = set(pods) & set(sockets)
        self.assertLessEqual({"scan", "reason", "direction"}, shared)
        for name in shared:
            self.assertEqual(pods[name], sockets[name], name)

    def test_pods_are_as_their_schema_says(self):
        for source, document in (("scan", scan()), ("API", self.agent.get_json("/api/v1/pods"))):
            with self.subTest(source):
                pods = self.assert_valid("pods", document)
                self.assertTrue(pods["node"]["visible"])
                for namespace in (self.leaky, self.empty):
                    self.assertTrue(find(pods, namespace.name)["visible"])

    def test_pods_of_one_state_are_as_their_schema_says(self):
        for state in STATES.values():
            with self.subTest(state):
                pods = self.assert_valid("pods", scan("--state", state))
                self.assertEqual({state}, set(pods["node"]["states"]))
                for pod in pods["pods"]:
                    if pod["visible"]:
                        self.assertEqual({state}, set(pod["states"]))

    def test_sockets_are_as_their_schema_says(self):
        for namespace, total in ((self.leaky, TOTAL), (self.empty, 0)):
            sources = {
                "scan": scan("--sockets", "--pod", pod_name(namespace)),
                "API": self.agent.get_json(sockets_path(namespace.name)),
            }
            for source, document in sources.items():
                with self.subTest(source, total=total):
                    sockets = self.assert_valid("sockets", document)
                    self.assertEqual((total, total, False), (
                        sockets["total"], len(sockets["sockets"]), sockets["cut"]))

    def test_what_is_not_visible_is_as_its_schema_says(self):
        alone = ("--scan.engine", "inet_diag")
        pods = self.assert_valid("pods", scan(*alone, prefix=without("sys_admin")))
        self.assertEqual("denied", find(pods, self.leaky.name)["reason"])
        pods = self.assert_valid("pods", scan(*alone, prefix=without("sys_ptrace")))
        self.assertIs(False, pods["node"]["visible"])
        done = run_closewatch("scan", *STANDALONE, *alone, "--sockets", "--pod", pod_name(self.leaky),
                              "--output", "json", prefix=without("sys_admin"))
        self.assertEqual(1, done.returncode)
        sockets = self.assert_valid("sockets", json.loads(done.stdout))
        self.assertEqual("denied", sockets["reason"])
        self.assertIn("CAP_SYS_ADMIN", sockets["detail"])

    def test_wrong_pods_are_refused(self):
        def unseen(pod):
            for key in ("states", "listeners", "close_wait", "closed_held", "descriptors", "tcp_events"):
                del pod[key]
            pod.update(visible=False, reason="denied", detail="why")

        def seen_and_unseen(pod):
            pod.update(visible=False, reason="denied", detail="why")

        mistakes = {
            "no states": lambda pod: pod.pop("states"),
            "no listeners": lambda pod: pod.pop("listeners"),
            "no diagnosis": lambda pod: pod.pop("close_wait"),
            "an extra key": lambda pod: pod.update(owner="me"),
            "an extra key in the diagnosis": lambda pod: pod["close_wait"].update(closed=0),
            "a reason beside the numbers": lambda pod: pod.update(reason="denied"),
            "numbers although it was not seen": seen_and_unseen,
            "no reason": lambda pod: (unseen(pod), pod.pop("reason")),
            "an unknown reason": lambda pod: (unseen(pod), pod.update(reason="bad luck")),
            "no detail": lambda pod: (unseen(pod), pod.pop("detail")),
            "an unknown state": lambda pod: pod["states"].update(open=1),
            "two states": lambda pod: pod.update(states={"listen": 1, "close_wait": 1}),
            "no state": lambda pod: pod.update(states={}),
            "less than nothing": lambda pod: pod["states"].update(listen=-1),
            "half a socket": lambda pod: pod["states"].update(listen=0.5),
            "the node's states": lambda pod: pod.update(host_network=True),
            "no container": lambda pod: pod["close_wait"].update(containers=[]),
            "an outbound socket to be accepted":
                lambda pod: pod["close_wait"]["containers"][0]["outbound"].update(accept=1),
            "an unknown direction":
                lambda pod: pod["close_wait"]["peers"][0].update(direction="sideways"),
            "a peer without brackets":
                lambda pod: pod["close_wait"]["peers"][0].update(peer="::1"),
            "an inbound peer with its port":
                lambda pod: pod["close_wait"]["peers"][0].update(peer="127.0.0.1:80"),
            "an owner without a pod": lambda pod: pod["close_wait"].update(
                owners=[{"namespace": "shop", "container": "app", "sockets": 1, "stuck": 0}]),
            "an owner of nothing": lambda pod: pod["close_wait"].update(
                owners=[{"namespace": "shop", "pod": "a", "container": "app", "sockets": 0, "stuck": 0}]),
        }
        right = scan("--pod", pod_name(self.leaky))
        (unseen_pod,) = copy.deepcopy(right["pods"])
        unseen(unseen_pod)
        self.assert_valid("pods", {**right, "pods": [unseen_pod]})
        for name, make in mistakes.items():
            with self.subTest(name):
                wrong = copy.deepcopy(right)
                make(wrong["pods"][0])
                self.assertTrue(violations("pods", wrong))

    def test_wrong_sockets_are_refused(self):
        def unseen(document):
            for key in ("total", "cut", "sockets"):
                del document[key]
            document.update(visible=False, reason="stale", detail="why")

        def change(owed, **values):
            def make(document):
                next(socket for socket in document["sockets"]
                     if socket["owes"] == owed).update(values)
            return make

        mistakes = {
            "no total": lambda document: document.pop("total"),
            "an extra key": lambda document: document.update(more=True),
            "an extra key of a socket": change("read", cookie=1),
            "a reason beside the sockets": lambda document: document.update(reason="stale"),
            "no reason": lambda document: (unseen(document), document.pop("reason")),
            "an unknown call": change("read", owes="write"),
            "an unknown direction": change("read", direction="sideways"),
            "no age": change("read", age_seconds=None),
            "an address without port": change("read", local="127.0.0.1"),
            "a process without a name": change("read", process={"pid": 1}),
            "an owner without a namespace": change("read", owner={"pod": "a", "container": "app"}),
            "a process of what is not accepted": change(
                "accept", process={"pid": 1, "comm": "init"}),
            "an inode of what is not accepted": change("accept", inode=7),
            "no inode of what is accepted": change("close", inode=0),
            "accept() of what the pod began": change("accept", direction="outbound"),
        }
        right = scan("--sockets", "--pod", pod_name(self.leaky))
        unseen_document = copy.deepcopy(right)
        unseen(unseen_document)
        self.assert_valid("sockets", unseen_document)
        for name, make in mistakes.items():
            with self.subTest(name):
                wrong = copy.deepcopy(right)
                make(wrong)
                self.assertTrue(violations("sockets", wrong))

    def test_the_diagnosis_is_what_was_made(self):
        pod = find(scan(), self.leaky.name)
        self.assertEqual(self.leaky.states(), pod["states"])
        diagnosis = pod["close_wait"]
        self.assertEqual((TOTAL, UNREAD_BYTES), (diagnosis["sockets"], diagnosis["unread_bytes"]))
        (container,) = diagnosis["containers"]
        self.assertEqual("unknown", container["container"])
        self.assertEqual(KIND_COUNTS, collections.Counter({
            (direction, owes): sockets
            for direction in ("inbound", "outbound")
            for owes, sockets in container[direction].items()}))
        peers = {(peer["direction"], peer["peer"]): peer["sockets"] for peer in diagnosis["peers"]}
        self.assertEqual(list(worst_peers(3).items())[:3], list(peers.items())[:3])
        self.assertEqual(worst_peers(3), peers)

    def test_each_socket_is_what_was_made(self):
        sockets = scan("--sockets", "--pod", pod_name(self.leaky))["sockets"]

        def server_of(socket):
            return socket["local" if socket["direction"] == "inbound" else "remote"]
        self.assertEqual(
            counted(LEAKS, lambda leak: (
                leak.direction, leak.owes, f"{ADDRESSES[leak.address]}:{leak.port}",
                0 if leak.owes == "close" else leak.unread_bytes)),
            collections.Counter(
                (socket["direction"], socket["owes"], server_of(socket),
                 socket["unread_bytes"]) for socket in sockets))
        ages = [socket["age_seconds"] for socket in sockets]
        self.assertEqual(sorted(ages, reverse=True), ages)

    def test_nothing_is_diagnosed_where_nothing_is(self):
        diagnosis = find(scan(), self.empty.name)["close_wait"]
        none = {"accept": 0, "read": 0, "close": 0}
        self.assertEqual(
            {"sockets": 0, "stuck": 0, "oldest_seconds": 0, "unread_bytes": 0,
             "entered_total": 0, "left_total": 0, "peers": [], "owners": [],
             "containers": [
                 {"container": "unknown", "stuck": 0, "inbound": none, "outbound": none}]},
            diagnosis)


class BlockedScanTest(DocumentTest):
    """A scan that is slow, without end, until it is let pass: one that does nothing at all would be set aside."""

    def setUp(self):
        self.namespace = self.enterContext(Namespace("blocked", close_wait=1))
        proc = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        (proc / "2").mkdir()
        self.gate = proc / "2" / "stat"  # read by every scan, in search of the host's processes
        os.mkfifo(self.gate)
        self.passes, self.ended = threading.Event(), threading.Event()
        keeper = threading.Thread(target=self.keep)
        keeper.start()
        self.enterContext(cleaned_up(lambda: (self.ended.set(), keeper.join())))
        self.agent = self.enterContext(Agent("--paths.proc", str(proc)))
        self.addCleanup(self.let_end)

    def keep(self):
        """Gives whoever reads at the gate a blank now and then; an end when it may pass."""
        while not self.ended.wait(0.01):
            with contextlib.suppress(OSError):  # nobody there, or gone
                gate = os.open(self.gate, os.O_WRONLY | os.O_NONBLOCK)
                try:
                    while not self.passes.is_set() and not self.ended.wait(0.01):
                        os.write(gate, b" ")
                    self.passes.clear()
                finally:
                    os.close(gate)

    def let_pass(self):
        """The scan that is there, or the next that comes."""
        self.passes.set()

    def let_end(self):
        """The agent waits for the scan that is under way."""
        self.agent.process.terminate()
        self.ended.set()
        wait_for(lambda: not self.agent.is_alive(), "the agent to end")

    def test_before_the_first_scan_the_api_says_so(self):
        for path in ("/api/v1/pods", sockets_path(self.namespace.name)):
            answer = self.agent.get(path)
            self.assertEqual((503, "application/json"),
                             (answer.status, answer.headers["Content-Type"]))
            self.assertEqual({"error": "the first scan is not done yet"}, json.loads(answer.body))
        self.let_pass()
        self.agent.wait_until_ready()
        self.assertEqual(1, self.agent.get_json(sockets_path(self.namespace.name))["total"])

    def test_what_is_too_old_is_not_shown(self):
        self.let_pass()
        self.agent.wait_until_ready()

        def stale():
            pod = find(self.agent.get_json("/api/v1/pods"), self.namespace.name)
            return pod.get("reason") == "stale"
        wait_for(stale, "the scan to be too old")
        pods = self.assert_valid("pods", self.agent.get_json("/api/v1/pods"))
        self.assertEqual({"visible": False}, pods["node"])
        sockets = self.assert_valid(
            "sockets", self.agent.get_json(sockets_path(self.namespace.name)))
        self.assertEqual("stale", sockets["reason"])


class CgroupTreeTest(DocumentTest):
    """A test of pods in a cgroup tree that has nothing else."""

    def setUp(self):
        (unified,) = [os.path.dirname(file) for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
                      for file in glob.glob(f"{root}/cgroup.controllers")]
        tree = f"/cwtest-{os.getpid()}"
        self.enterContext(cleaned_up(
            lambda: wait_for(lambda: remove_cgroup(tree), f"{tree} to be removed")))
        self.root = unified + tree
        self.logs = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.flags = ("--pods.discovery", "kubernetes", "--paths.cgroup", self.root,
                      "--paths.pod_logs", str(self.logs), "--paths.container_logs", str(self.logs))

    def add_pod(self, name, container):
        """A pod of the namespace shop; returns the command that runs another in its container."""
        uid, number = str(uuid.uuid4()), os.urandom(32).hex()
        cgroup = pathlib.Path(f"{self.root}/kubepods/pod{uid}/{number}")
        cgroup.mkdir(parents=True)
        (self.logs / f"shop_{name}_{uid}").mkdir()
        (self.logs / f"{name}_shop_{container}-{number}.log").touch()
        return ("sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', str(cgroup))

    def scan(self, *arguments):
        """`scan` as JSON."""
        done = run_closewatch("scan", "--output", "json", *self.flags, *arguments)
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        return json.loads(done.stdout)


class HostNetworkTest(CgroupTreeTest):
    """A pod on the host's network."""

    def setUp(self):
        super().setUp()
        self.leak = Leak("inbound", "close", "127.0.0.1", free_port(), 3)
        self.holder = self.enterContext(Holder(
            "hold_close_wait.py", ",".join(map(str, self.leak)),
            prefix=self.add_pod("proxy-0", "envoy")))

    def test_it_has_its_own_sockets_but_for_those_that_are_nobodys(self):
        (pod,) = self.assert_valid("pods", self.scan())["pods"]
        self.assertEqual(("shop", "proxy-0", True, True), (
            pod["namespace"], pod["pod"], pod["host_network"], pod["visible"]))
        states = dict.fromkeys(set(STATES.values()) - OWNERLESS, 0)
        self.assertEqual(states | {"listen": 1, "close_wait": 3}, pod["states"])
        self.assertEqual([self.leak.port], [listener["port"] for listener in pod["listeners"]])
        (container,) = pod["close_wait"]["containers"]
        self.assertEqual(("envoy", 3), (container["container"], container["inbound"]["close"]))

    def test_a_state_that_is_nobodys_is_not_told_of_it(self):
        for state in STATES.values():
            with self.subTest(state):
                pods = self.assert_valid("pods", self.scan("--state", state))["pods"]
                self.assertEqual(state in {"listen", "close_wait"} | OWNERLESS, len(pods) == 1)
                for pod in pods:
                    self.assertEqual(set() if state in OWNERLESS else {state}, set(pod["states"]))

    def test_its_sockets_are_listed(self):
        listed = self.assert_valid("sockets", self.scan("--sockets", "--pod", "shop/proxy-0"))
        self.assertEqual(3, listed["total"])
        for socket in listed["sockets"]:
            self.assertEqual((f"127.0.0.1:{self.leak.port}", "envoy", self.holder.pid),
                             (socket["local"], socket["container"], socket["process"]["pid"]))

    def test_metrics_have_no_series_of_what_is_nobodys(self):
        metrics = self.enterContext(Agent(*self.flags)).fresh_metrics()
        states = by_label(select(metrics, "closewatch_pod_sockets", pod="proxy-0"), "state")
        self.assertEqual(set(STATES.values()) - OWNERLESS, set(states))
        self.assertEqual(3, states["close_wait"])


class OtherPodTest(CgroupTreeTest):
    """A pod in whose network namespace another pod has made sockets and gone home."""

    OWNER = {"namespace": "shop", "pod": "ztunnel-0", "container": "proxy"}

    def setUp(self):
        super().setUp()
        self.cart = self.enterContext(Namespace("cart"))
        home = self.enterContext(Namespace("ztunnel"))
        self.enterContext(Holder("hold_close_wait.py", "inbound,close,127.0.0.1,8080,2,0",
                                 prefix=(*self.add_pod("cart-0", "app"), *self.cart.entering())))
        self.enterContext(Holder("hold_close_wait_elsewhere.py", f"/run/netns/{self.cart.name}",
                                 "outbound,read,127.0.0.1,15006,5,0",
                                 prefix=(*self.add_pod("ztunnel-0", "proxy"), *home.entering())))

    def test_the_owner_is_named_and_the_sockets_stay_where_ss_shows_them(self):
        pods = {pod["pod"]: pod for pod in self.assert_valid("pods", self.scan())["pods"]}
        self.assertEqual(self.cart.states(), pods["cart-0"]["states"])
        leak = pods["cart-0"]["close_wait"]
        self.assertEqual({"app": 2, "other_pod": 5}, {
            container["container"]: sum(count for direction in ("inbound", "outbound")
                                        for count in container[direction].values())
            for container in leak["containers"]})
        self.assertEqual([self.OWNER | {"sockets": 5, "stuck": 0}], leak["owners"])
        own = pods["ztunnel-0"]
        self.assertEqual((0, []), (sum(own["states"].values()), own["close_wait"]["owners"]))

    def test_each_socket_has_its_owner(self):
        listed = self.assert_valid("sockets", self.scan("--sockets", "--pod", "shop/cart-0"))["sockets"]
        owners = [socket["owner"] for socket in listed if socket["container"] == "other_pod"]
        self.assertEqual([self.OWNER] * 5, owners)
        self.assertEqual([None] * 2, [socket["owner"] for socket in listed if socket["container"] == "app"])
        table = run_closewatch("scan", *self.flags).stdout
        self.assertIn(" OTHER OWNER ", table)
        self.assertIn(" shop/ztunnel-0/proxy (5) ", table)

    def test_metrics_name_the_owner(self):
        metrics = self.enterContext(Agent(*self.flags)).fresh_metrics()
        labels = {f"owner_{key}": value for key, value in self.OWNER.items()}
        self.assertEqual({"proxy": 5}, by_label(
            select(metrics, "closewatch_close_wait_owner_sockets", pod="cart-0", **labels), "owner_container"))
        self.assertEqual({}, select(metrics, "closewatch_close_wait_owner_sockets", pod="ztunnel-0"))


class ScanTest(unittest.TestCase):
    """`closewatch scan` for the leaks and their sockets."""

    @classmethod
    def setUpClass(cls):
        cls.bad = cls.enterClassContext(Namespace("bad"))
        hold(cls.bad, Leak("inbound", "close", "127.0.0.1", 4001, 2))
        cls.worse = cls.enterClassContext(Namespace("worse"))
        cls.holder = hold(cls.worse,
                          Leak("outbound", "close", "::1", 4001, 3),
                          Leak("outbound", "read", "::ffff:127.0.0.1", 4002, 2, 70),
                          Leak("inbound", "accept", "127.0.0.1", 4003, 1, 5))

    def usage_error(self, *arguments):
        """What it says of a command line that makes no sense."""
        done = run_closewatch("scan", *STANDALONE, *arguments)
        self.assertEqual((2, ""), (done.returncode, done.stdout))
        return done.stderr

    def test_sockets_need_a_pod_with_its_namespace(self):
        self.assertIn("--pod", self.usage_error("--sockets"))
        self.assertIn("--pod", self.usage_error("--sockets", "--namespace", "netns"))
        self.assertIn("--pod NAMESPACE/NAME", self.usage_error("--sockets", "--pod", self.worse.name))

    def test_several_states_are_those_of_sockets(self):
        self.assertIn("--sockets", self.usage_error("--state", "close_wait,established"))

    def test_a_namespace_contradicts_another(self):
        complaint = self.usage_error("--namespace", "shop", "--pod", pod_name(self.worse))
        self.assertIn("'shop'", complaint)
        self.assertIn(pod_name(self.worse), complaint)

    def test_a_namespace_may_be_given_twice_over(self):
        found = scan("--namespace", "netns", "--pod", pod_name(self.worse))
        self.assertEqual([self.worse.name], [pod["pod"] for pod in found["pods"]])

    def test_a_pod_is_named_in_either_way(self):
        def names(pods):
            return [(pod["namespace"], pod["pod"]) for pod in pods["pods"]]

        def ends(sockets):
            return [(socket["local"], socket["remote"]) for socket in sockets["sockets"]]

        together = ("--pod", pod_name(self.worse))
        apart = ("--namespace", "netns", "--pod", self.worse.name)
        self.assertEqual([("netns", self.worse.name)], names(scan(*together)))
        self.assertEqual(names(scan(*together)), names(scan(*apart)))
        self.assertEqual(6, len(ends(scan("--sockets", *together))))
        self.assertCountEqual(ends(scan("--sockets", *together)), ends(scan("--sockets", *apart)))

    def test_an_unknown_pod_is_a_failure_that_names_it(self):
        for flags in ((), ("--sockets",), ("--sockets", "--output", "json")):
            with self.subTest(flags):
                done = run_closewatch("scan", *STANDALONE, "--pod", "netns/nobody-0", *flags)
                self.assertEqual((1, ""), (done.returncode, done.stdout))
                self.assertIn("netns", done.stderr)
                self.assertIn("nobody-0", done.stderr)

    def test_the_table_tells_the_diagnosis_the_worst_first(self):
        header, *rows = scan_table("--namespace", "netns", "--state", "close_wait",
                                   "--diagnosis.stuck_after", "24h")
        self.assertEqual(["NAMESPACE", "POD", "CLOSE_WAIT", "STUCK", "OLDEST", "OWES",
                          "DIRECTION", "TOP PEER"], header[:8])  # others may not be visible
        rows = [row for row in rows if row[1] in (self.bad.name, self.worse.name)]
        for row in rows:
            self.assertRegex(row.pop(4), r"^\d+(\.\d)?s$")
        self.assertEqual([
            ["netns", self.worse.name, "6", "0", "accept:1 read:2 close:3", "inbound:1 outbound:5",
             "[::1]:4001 (3)"],
            ["netns", self.bad.name, "2", "0", "close", "inbound", "127.0.0.1 (2)"]], rows)

    def test_the_other_states_come_after_the_diagnosis(self):
        header, _ = scan_table("--pod", pod_name(self.worse))
        self.assertEqual(["TOP PEER", "ESTABLISHED", "FIN_WAIT2", "LISTEN"], header[7:])

    def test_each_socket_has_a_row(self):
        header, *rows = scan_table("--pod", pod_name(self.worse), "--sockets")
        self.assertEqual(["STATE", "LOCAL", "REMOTE", "DIRECTION", "OWES", "AGE", "UNREAD", "CONTAINER",
                          "PROCESS"], header)
        for row in rows:
            self.assertEqual("close_wait", row.pop(0))
            self.assertRegex(row.pop(4), r"^\d+(\.\d)?s$")
        comm = pathlib.Path(f"/proc/{self.holder.pid}/comm").read_text(encoding="ascii").strip()
        process = f"{self.holder.pid}/{comm}"
        expected = 3 * [("[::1]:4001", "outbound", "close", "0", process)]
        expected += 2 * [("127.0.0.1:4002", "outbound", "read", "70", process)]
        expected += [("127.0.0.1:4003", "inbound", "accept", "5", "-")]
        self.assertCountEqual(expected, [
            (local if direction == "inbound" else remote, direction, owes, unread, process)
            for local, remote, direction, owes, unread, container, process in rows])
        self.assertEqual({"unknown"}, {row[5] for row in rows})
        ends = {(row["local"], row["remote"])
                for row in scan("--sockets", "--pod", pod_name(self.worse))["sockets"]}
        self.assertEqual(ends, {(local, remote) for local, remote, *_ in rows})


class ApiTest(DocumentTest):
    """The HTTP API: what is in it and what is refused."""

    @classmethod
    def setUpClass(cls):
        # Each a character with a meaning in a URL.
        cls.odd = cls.enterClassContext(Namespace("50% & more?#+%41;a=b"))
        hold(cls.odd, Leak("inbound", "close", "127.0.0.1", 4001, 2))
        cls.agent = cls.enterClassContext(Agent())
        cls.agent.wait_until_ready()

    def error(self, agent, path, status):
        """The sentence of a refusal, which is JSON like the rest."""
        answer = agent.get(path)
        self.assertEqual((status, "application/json"),
                         (answer.status, answer.headers["Content-Type"]), path)
        document = json.loads(answer.body)
        self.assertEqual(["error"], list(document))
        return document["error"]

    def test_unknown_pods_are_not_found(self):
        sentence = self.error(self.agent, sockets_path("nobody-0"), 404)
        self.assertIn("netns/nobody-0", sentence)
        self.error(self.agent, sockets_path(self.odd.name, "default"), 404)

    def test_unknown_paths_are_not_found(self):
        for path in ("/api", "/api/", "/api/v1", "/api/v2/pods", "/api/v1/pods/",
                     "/api/v1/pods/netns", "/api/v1/pods/netns/a", "/api/v1/pods/netns/a/states",
                     f"{sockets_path(self.odd.name)}/", f"{sockets_path(self.odd.name)}/1"):
            with self.subTest(path):
                self.error(self.agent, path, 404)

    def test_a_refusal_is_json_whatever_was_asked_for(self):
        for name in ("%00", "%22", "%0a", "%C3%A4", "%F0%9F%94%8C", "%ff", "%c3"):  # no UTF-8, too
            with self.subTest(name):
                self.error(self.agent, f"/api/v1/pods/netns/{name}/sockets", 404)

    def test_names_are_decoded(self):
        path = sockets_path(self.odd.name)
        self.assertNotIn(self.odd.name, path)
        for spelling in (path, path.replace("netns", "%6e%65tn%73"), f"{path}?x=1"):
            with self.subTest(spelling):
                sockets = self.assert_valid("sockets", self.agent.get_json(spelling))
                self.assertEqual(("netns", self.odd.name, 2),
                                 (sockets["namespace"], sockets["pod"], sockets["total"]))

    def test_an_encoded_slash_is_part_of_a_name(self):
        self.error(self.agent, sockets_path(self.odd.name).replace("netns/", "netns%2F"), 404)

    def test_a_plus_is_a_plus(self):
        self.error(self.agent, sockets_path(self.odd.name).replace("%20", "+"), 404)

    def test_sockets_are_forbidden_where_they_are_not_to_be_told(self):
        agent = self.enterContext(Agent("--api.socket_detail", "false"))
        agent.wait_until_ready()
        for name in (self.odd.name, "nobody-0"):
            self.assertIn("api.socket_detail", self.error(agent, sockets_path(name), 403))
        pods = self.assert_valid("pods", agent.get_json("/api/v1/pods"))
        self.assertEqual(2, find(pods, self.odd.name)["close_wait"]["sockets"])

    def test_the_oldest_sockets_are_listed(self):
        crowd = self.enterContext(Namespace("crowd"))
        hold(crowd, Leak("inbound", "close", "127.0.0.1", 4001, MAX_LISTED))
        self.agent.fresh_metrics()
        path = sockets_path(crowd.name)
        self.assertEqual((MAX_LISTED, False), self.cut(self.agent.get_json(path)))
        hold(crowd, Leak("inbound", "close", "127.0.0.1", 4002, 100))
        self.agent.fresh_metrics()
        sockets = self.assert_valid("sockets", self.agent.get_json(path))
        self.assertEqual((MAX_LISTED + 100, True), self.cut(sockets))
        self.assertEqual({"127.0.0.1:4001": MAX_LISTED},
                         collections.Counter(socket["local"] for socket in sockets["sockets"]))
        packed = self.agent.get(path, {"Accept-Encoding": "gzip"})
        self.assertEqual("gzip", packed.headers["Content-Encoding"])
        self.assertEqual(self.cut(sockets), self.cut(json.loads(gzip.decompress(packed.body))))
        everything = scan("--sockets", "--pod", pod_name(crowd))
        self.assertEqual((MAX_LISTED + 100, False), self.cut(everything))
        self.assertEqual(MAX_LISTED + 100, len(everything["sockets"]))

    @staticmethod
    def cut(sockets):
        """How many sockets there are, and whether some are not listed."""
        return sockets["total"], sockets["cut"]

    def test_answers_are_of_the_last_scan(self):
        namespace = self.enterContext(Namespace("later"))
        agent = self.enterContext(Agent("--scan.interval", "1h"))
        agent.wait_until_ready()
        hold(namespace, Leak("inbound", "close", "127.0.0.1", 4001, 2))
        pods = agent.get_json("/api/v1/pods")
        sockets = agent.get_json(sockets_path(namespace.name))
        self.assertEqual(pods["scan"], sockets["scan"])
        self.assertEqual((0, 0), (find(pods, namespace.name)["close_wait"]["sockets"],
                                  sockets["total"]))
        self.assertEqual(2, scan("--sockets", "--pod", pod_name(namespace))["total"])


def close_wait_metrics(metrics, namespace, name):
    """Samples of closewatch_close_wait_`name` of one pod."""
    return select(metrics, f"closewatch_close_wait_{name}", pod=namespace.name)


class MetricsTest(unittest.TestCase):
    """The diagnosis as Prometheus gets it."""

    @classmethod
    def setUpClass(cls):
        cls.namespace = cls.enterClassContext(Namespace("metrics"))
        hold(cls.namespace, *LEAKS)

    def start(self, *flags):
        """An agent that lets a socket be stuck after a second."""
        return self.enterContext(Agent("--diagnosis.stuck_after", "1s", *flags))

    def stuck_metrics(self, *flags):
        """The metrics of a scan that finds all sockets stuck."""
        agent = self.start(*flags)

        def stuck():
            metrics = agent.metrics()
            found = sum(self.samples(metrics, "stuck_sockets").values())
            return metrics if found == TOTAL else None
        return wait_for(stuck, f"{TOTAL} stuck sockets")

    def samples(self, metrics, name):
        """Those of the namespace."""
        return close_wait_metrics(metrics, self.namespace, name)

    def peers(self, metrics):
        """(direction, peer) -> stuck sockets."""
        return {(dict(labels)["direction"], dict(labels)["peer"]): value
                for labels, value in self.samples(metrics, "peer_sockets").items()}

    def test_sockets_are_told_by_direction_and_what_is_owed(self):
        metrics = self.stuck_metrics()
        samples = self.samples(metrics, "sockets")
        self.assertEqual({("netns", self.namespace.name, "unknown")}, {
            tuple(dict(labels)[key] for key in ("namespace", "pod", "container"))
            for labels in samples})
        self.assertEqual(KIND_COUNTS, {
            (dict(labels)["direction"], dict(labels)["owes"]): value
            for labels, value in samples.items()})
        self.assertEqual([UNREAD_BYTES], list(self.samples(metrics, "unread_bytes").values()))

    def test_peers_are_the_worst_and_the_rest(self):
        for flags, count in (((), 3), (("--diagnosis.peers", "1"), 1),
                             (("--diagnosis.peers", "100"), len(PEER_COUNTS))):
            with self.subTest(flags):
                self.assertEqual(worst_peers(count), self.peers(self.stuck_metrics(*flags)))

    def test_no_peer_is_named_where_none_is_asked_for(self):
        metrics = self.stuck_metrics("--diagnosis.peers", "0")
        self.assertNotIn("closewatch_close_wait_peer_sockets", {name for name, _ in metrics})

    def test_nothing_is_stuck_before_its_time(self):
        metrics = self.enterContext(Agent("--diagnosis.stuck_after", "24h")).fresh_metrics()
        self.assertEqual([0], list(self.samples(metrics, "stuck_sockets").values()))
        self.assertEqual({}, self.peers(metrics))


class CountersTest(unittest.TestCase):
    """What came and went, and since when the oldest is there."""

    def setUp(self):
        self.namespace = self.enterContext(Namespace("counters"))

    def value(self, metrics, name):
        """That of the namespace."""
        (value,) = close_wait_metrics(metrics, self.namespace, name).values()
        return value

    def came_and_went(self, metrics):
        """Both counters."""
        return (self.value(metrics, "entered_total"), self.value(metrics, "left_total"))

    def test_sockets_that_come_and_go_are_counted(self):
        agent = self.enterContext(Agent())
        self.assertEqual((0, 0), self.came_and_went(agent.fresh_metrics()))
        holder = hold(self.namespace, Leak("inbound", "close", "127.0.0.1", 4001, 5))
        self.assertEqual((5, 0), self.came_and_went(agent.fresh_metrics()))
        hold(self.namespace, Leak("outbound", "read", "::1", 4002, 2))
        self.assertEqual((7, 0), self.came_and_went(agent.fresh_metrics()))
        holder.stop()
        self.assertEqual((7, 0), self.came_and_went(agent.fresh_metrics()))  # perhaps missed
        metrics = agent.fresh_metrics()
        self.assertEqual((7, 5), self.came_and_went(metrics))
        (stuck,) = select(metrics, "closewatch_pod_sockets", pod=self.namespace.name,
                          state="close_wait").values()
        self.assertEqual(2, stuck)

    def test_a_namespace_younger_than_the_agent_has_all_its_sockets_counted(self):
        agent = self.enterContext(Agent())
        agent.wait_until_ready()
        self.namespace = self.enterContext(Namespace("newborn", close_wait=4))
        self.assertEqual((4, 0), self.came_and_went(agent.fresh_metrics()))

    def test_a_restart_is_no_leak_and_makes_nothing_younger(self):
        made_at = time.time()
        hold(self.namespace, Leak("inbound", "read", "127.0.0.1", 4001, 3))

        def is_old(agent):
            return self.value(agent.metrics(), "oldest_seconds") >= 2

        with Agent() as first:
            first.fresh_metrics()
            wait_for(lambda: is_old(first), "the sockets to be two seconds old")
        with Agent() as second:
            second.wait_until_ready()
            metrics = second.metrics()
        self.assertEqual((0, 0), self.came_and_went(metrics))
        (scanned_at,) = select(metrics, "closewatch_scan_timestamp_seconds").values()
        self.assertAlmostEqual(scanned_at - made_at, self.value(metrics, "oldest_seconds"), delta=1)


if __name__ == "__main__":
    unittest.main()
