# SPDX-License-Identifier: Apache-2.0
"""`kubectl closewait` by the real kubectl, before a fake API server with many fake agents."""

import gzip
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import fake_agent_cluster as fake  # noqa: E402
from agent import HERE, Agent, Namespace, wait_for  # noqa: E402
from fake_agent_cluster import FakeAgent, FakeAgentCluster, agent_row, pod_row, tsv  # noqa: E402

ROOT = HERE.parent.parent
PLUGIN = ROOT / "deploy" / "kubectl-closewait"
PATIENCE_SECONDS = 300  # of a test: machines can be busy, and a plugin that hangs must not hang the tests
# How long an agent may take. On a busy machine kubectl alone needs seconds, so only agents that hang may meet a limit.
GENEROUS, OF_HANGING = ("--timeout", "120"), ("--timeout", "30")
MANY, THOUSANDS = 200, 5000


def kubectl_directory(name):
    """Where a real kubectl is."""
    found = subprocess.run([ROOT / "scripts" / "helm", name], check=True, stdout=subprocess.PIPE, text=True).stdout
    return os.path.dirname(found.strip())


def without_curl(oncall):
    """A PATH like theirs on which there is no curl that could be run."""
    directory = oncall.home / "without-curl"
    directory.mkdir()
    (directory / "curl").write_text("#!/bin/sh\nexit 127\n", encoding="utf-8")
    (directory / "curl").chmod(0o755)
    return f"{directory}:{oncall.environment['PATH']}"


class Oncall:
    """Somebody with kubectl, the plugin and a directory for temporary files."""

    def __init__(self, test, cluster, kubectl="kubectl35"):
        self.home = pathlib.Path(test.enterContext(tempfile.TemporaryDirectory(prefix="closewatch-oncall-")))
        self.temporary = self.home / "tmp"
        self.temporary.mkdir()
        config = self.home / "kubeconfig"
        config.write_text(cluster.kubeconfig(), encoding="utf-8")
        path = f"{kubectl_directory(kubectl)}:{PLUGIN.parent}:{os.environ['PATH']}"
        self.environment = {"PATH": path, "HOME": str(self.home), "KUBECONFIG": str(config), "TMPDIR": str(self.temporary)}

    def closewait(self, *arguments, command=("kubectl", "closewait")):
        """Runs it to its end."""
        command = [shutil.which(command[0], path=self.environment["PATH"]), *command[1:]]
        return subprocess.run([*command, *GENEROUS, *arguments], env=self.environment, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=PATIENCE_SECONDS, check=False)

    def begin(self, *arguments):
        """Starts it, in a session of its own; what it complains of is lost."""
        return subprocess.Popen([PLUGIN, *GENEROUS, *arguments], env=self.environment, stdin=subprocess.DEVNULL, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)


def small_cluster(**more):
    """Three nodes whose pods differ."""
    agents = [
        FakeAgent("node-a", [
            pod_row("shop", "cart-1", close_wait=30, stuck=20, oldest=7380, workload="Deployment/cart", established=5,
                    peers="outbound/10.0.0.9:443/25/20 outbound/other/5/0", unread_bytes=4096),
            pod_row("shop", "idle-1", workload="Deployment/idle"),
            pod_row("shop", "boxed", visible=False, reason="sandboxed")]),
        FakeAgent("node-b", [
            pod_row("shop", "cart-2", close_wait=9, stuck=9, oldest=90, workload="Deployment/cart",
                    peers="outbound/10.0.0.8:80/5/5 outbound/10.0.0.9:443/4/4"),
            pod_row("bank", "ledger-0", close_wait=40, stuck=0, oldest=5, owes="read", direction="inbound",
                    workload="StatefulSet/ledger", peers="inbound/[fd00::7]/40/0")]),
        FakeAgent("node-c", [pod_row("bank", "bare", close_wait=2, stuck=1, oldest=61, owes="accept", direction="inbound")])]
    return FakeAgentCluster(agents, **more)


class PluginTest(unittest.TestCase):
    """What the tests have in common."""

    maxDiff = None

    def start(self, cluster):
        """A cluster and somebody on call."""
        self.cluster = self.enterContext(cluster)
        self.oncall = Oncall(self, cluster)

    def agent(self, node):
        """The fake agent of a node."""
        return self.cluster.agents["closewatch", f"closewatch-{node}"]

    def closewait(self, *arguments, status=0):
        """What it prints; whoever did not say that it complains gets no complaint."""
        done = self.oncall.closewait(*arguments)
        self.assertEqual(status, done.returncode, done.stdout + done.stderr)
        return done

    def pods(self, *arguments, status=0):
        """The document of the pods by name."""
        document = json.loads(self.closewait("pods", "-o", "json", *arguments, status=status).stdout)
        self.assertEqual(status == 0, document["whole"])
        return {pod["pod"]: pod for pod in document["pods"]}

    def names(self, *arguments, status=0):
        """Pods in the order of the table."""
        done = self.closewait(*arguments, "--no-headers", status=status)
        return [line.split()[1] for line in done.stdout.splitlines()]


class AnswersTest(PluginTest):
    """All agents answer."""

    def setUp(self):
        self.start(small_cluster())

    def test_the_worst_pod_is_first(self):
        self.assertEqual(
            "NAMESPACE  POD       WORKLOAD            CLOSE_WAIT  STUCK  OLDEST  OWES    DIRECTION  TOP PEER           NODE\n"
            "shop       cart-1    Deployment/cart             30     20   2h03m  close   outbound   10.0.0.9:443 (25)  node-a\n"
            "shop       cart-2    Deployment/cart              9      9   1m30s  close   outbound   10.0.0.8:80 (5)    node-b\n"
            "bank       bare                                   2      1   1m01s  accept  inbound                       node-c\n"
            "bank       ledger-0  StatefulSet/ledger          40      0    5.0s  read    inbound    [fd00::7] (40)     node-b\n",
            self.closewait().stdout)

    def test_pods_are_all_pods_and_say_why_one_was_not_counted(self):
        done = self.closewait("pods")
        lines = {line.split()[1]: line.split() for line in done.stdout.splitlines()}
        self.assertEqual({"POD", "cart-1", "idle-1", "boxed", "cart-2", "ledger-0", "bare"}, set(lines))
        self.assertEqual(["shop", "idle-1", "Deployment/idle", "0", "0", "node-a"], lines["idle-1"])
        self.assertEqual(["shop", "boxed", "-", "-", "-", "node-a", "sandboxed"], lines["boxed"])
        self.assertEqual("kubectl closewait: pods that were not counted: 1 sandboxed\n", done.stderr)

    def test_namespaces_and_labels_choose(self):
        self.assertEqual(["bare", "ledger-0"], self.names("-n", "bank"))
        self.assertEqual(["cart-1", "cart-2"], self.names("--namespace=shop"))
        self.assertEqual([], self.names("-nnobody"))
        self.cluster.pods = [fake.pod_object("shop", "cart-1", "node-a", {"app": "cart"}),
                             fake.pod_object("bank", "bare", "node-c", {"app": "cart"}),
                             fake.pod_object("bank", "ledger-0", "node-b", {"app": "ledger"})]
        self.assertEqual(["cart-1", "bare"], self.names("-l", "app=cart"))
        self.assertEqual(["bare"], self.names("pods", "-l", "app=cart", "-n", "bank"))

    def test_a_pod_with_these_labels_that_no_agent_has_seen_is_missing(self):
        self.cluster.pods = [fake.pod_object("shop", "cart-1", "node-a", {"app": "cart"}),
                             fake.pod_object("shop", "cart-9", "node-a", {"app": "cart"}),
                             fake.pod_object("shop", "cart-done", "node-a", {"app": "cart"}, phase="Succeeded")]
        done = self.closewait("-l", "app=cart", status=3)
        self.assertEqual("kubectl closewait: pod shop/cart-9: in no answer\n", done.stderr)
        self.assertIn("NOT WHOLE", done.stdout)

    def test_sort_and_min(self):
        for key, first in (("close_wait", "ledger-0"), ("oldest", "cart-1"), ("unread", "cart-1"), ("name", "bare"),
                           ("established", "cart-1")):
            with self.subTest(key):
                self.assertEqual(first, self.names("--sort", key)[0])
        self.assertEqual(["bare", "ledger-0", "cart-1", "cart-2", "idle-1", "boxed"], self.names("pods", "--sort", "name"))
        self.assertEqual(["cart-1", "ledger-0"], self.names("--min", "30"))
        self.assertEqual([], self.names("--min", "41"))

    def test_wide_has_the_counters_and_containers(self):
        header, worst, *_ = self.closewait("-o", "wide").stdout.splitlines()
        self.assertEqual("UNREAD ENTERED LEFT ESTABLISHED LISTEN CONTAINERS UID".split(), header.split()[-7:])
        self.assertEqual("4.0Ki 0 0 5 0 main/30/20 uid-cart-1".split(), worst.split()[-7:])

    def test_json_has_every_number(self):
        pod = self.pods()["cart-1"]
        self.assertEqual(
            {"node": "node-a", "namespace": "shop", "workload_kind": "Deployment", "workload": "cart", "visible": True,
             "host_network": False, "close_wait": 30, "stuck": 20, "oldest_seconds": 7380, "owes_close": 30, "outbound": 30,
             "inbound": 0, "unread_bytes": 4096, "containers": [{"container": "main", "close_wait": 30, "stuck": 20}],
             "peers": [{"direction": "outbound", "peer": "10.0.0.9:443", "close_wait": 25, "stuck": 20},
                       {"direction": "outbound", "peer": "other", "close_wait": 5, "stuck": 0}]},
            {key: pod[key] for key in ("node", "namespace", "workload_kind", "workload", "visible", "host_network", "close_wait",
                                       "stuck", "oldest_seconds", "owes_close", "outbound", "inbound", "unread_bytes",
                                       "containers", "peers")})
        boxed = self.pods()["boxed"]
        self.assertEqual((False, "sandboxed", None), (boxed["visible"], boxed["reason"], boxed["close_wait"]))

    def test_summaries_add_up(self):
        def rows(by, *arguments):
            return json.loads(self.closewait("summary", "--by", by, "-o", "json", *arguments).stdout)[by]
        self.assertEqual(
            [("shop", "Deployment", "cart", 2, 2, 39, 29, 7380), ("bank", "Pod", "bare", 1, 1, 2, 1, 61),
             ("bank", "StatefulSet", "ledger", 1, 1, 40, 0, 5)],
            [tuple(row[key] for key in ("namespace", "workload_kind", "workload", "pods", "pods_leaking", "close_wait", "stuck",
                                        "oldest_seconds")) for row in rows("workload")])
        self.assertEqual([{"direction": "outbound", "peer": "10.0.0.9:443", "close_wait": 29, "stuck": 24}],
                         rows("workload")[0]["peers"])
        self.assertEqual(
            [("outbound", "10.0.0.9:443", 2, 29, 24), ("outbound", "10.0.0.8:80", 1, 5, 5), ("", "not told", 1, 2, 1),
             ("inbound", "[fd00::7]", 1, 40, 0), ("outbound", "other", 1, 5, 0)],
            [tuple(row[key] for key in ("direction", "peer", "pods", "close_wait", "stuck")) for row in rows("peer")])
        self.assertEqual([("read", 40, 1, 1), ("close", 39, 2, 1), ("accept", 2, 1, 1)],
                         [tuple(row.values()) for row in rows("owes")])
        self.assertEqual([("close", 39, 2, 1)], [tuple(row.values()) for row in rows("owes", "-n", "shop")])
        table = self.closewait("summary", "--by=workload", "--min", "40").stdout.splitlines()
        self.assertEqual("bank StatefulSet/ledger 1 1 40 0 5.0s read inbound [fd00::7] (40)", " ".join(table[1].split()))
        self.assertEqual(2, len(table))

    def test_the_rest_is_no_top_peer(self):
        self.agent("node-a").pods = [pod_row("shop", "cart-1", close_wait=53, stuck=53, workload="Deployment/cart",
                                             peers="outbound/10.0.0.7:443/3/3 outbound/other/50/50")]
        self.agent("node-b").pods = []
        self.assertIn(" 10.0.0.7:443 (3)\n", self.closewait("summary", "--by", "workload").stdout)

    def test_owners_of_what_other_pods_have_made(self):
        self.agent("node-b").pods[0]["owners"] = "istio-system/ztunnel-x7k2p/istio-proxy/7/7 debug/shell/sh/2/0"
        lines = {line.split()[1]: line for line in self.closewait().stdout.splitlines()}
        self.assertTrue(lines["POD"].endswith("NODE    OTHER OWNER"))
        self.assertTrue(lines["cart-1"].endswith(" node-a"))
        self.assertTrue(lines["cart-2"].endswith(" node-b  istio-system/ztunnel-x7k2p/istio-proxy (7) +1"))
        self.assertTrue(self.closewait("pods").stdout.splitlines()[0].endswith("  NOT VISIBLE"))
        pods = self.pods()
        self.assertEqual([{"namespace": "istio-system", "pod": "ztunnel-x7k2p", "container": "istio-proxy", "close_wait": 7, "stuck": 7},
                          {"namespace": "debug", "pod": "shell", "container": "sh", "close_wait": 2, "stuck": 0}],
                         pods["cart-2"]["owners"])
        self.assertEqual([], pods["cart-1"]["owners"])

    def test_what_is_held_after_the_end_counts_as_stuck_and_has_a_column(self):
        self.agent("node-b").pods[0].update(closed_held=500, descriptors="main/900/1024/120/7/java side/9/1024//8/envoy")
        header, worst, *_ = self.closewait().stdout.splitlines()
        self.assertTrue(header.endswith("NODE    HELD  FULL IN"), header)
        self.assertEqual(["cart-2", "node-b", "500", "2m00s"], [worst.split()[1], *worst.split()[-3:]])
        pod = self.pods()["cart-2"]
        self.assertEqual(500, pod["closed_held"])
        self.assertEqual(
            [{"container": "main", "open": 900, "limit": 1024, "seconds_left": 120, "pid": 7, "process": "java"},
             {"container": "side", "open": 9, "limit": 1024, "seconds_left": None, "pid": 8, "process": "envoy"}],
            pod["descriptors"])

    def test_an_agent_that_does_not_tell_owners_yet(self):
        columns = [column for column in fake.POD_COLUMNS if column != "owners"]
        self.agent("node-a").behave = fake.says(tsv(columns, self.agent("node-a").pods))
        self.assertEqual([], self.pods()["cart-1"]["owners"])

    def test_nodes_tell_coverage_and_cost(self):
        self.agent("node-b").about = agent_row(pods=9, pods_visible=7, not_visible="no_process/1 sandboxed/1",
                                               node_close_wait=3)
        header, first, second, *_ = self.closewait("nodes").stdout.splitlines()
        self.assertEqual("NODE STATUS VISIBLE PODS NOT VISIBLE CPU MEMORY SCAN AGE INTERVAL SCAN ERRORS HOST CLOSE_WAIT AGENT",
                         " ".join(header.split()))
        self.assertEqual("node-a ok 2 2 0.50% 8.0Mi 3.0s 10s 30ms 0 0 closewatch/closewatch-node-a", " ".join(first.split()))
        self.assertEqual("node-b ok 7 9 no_process:1 sandboxed:1 0.50% 8.0Mi 3.0s 10s 30ms 0 3 closewatch/closewatch-node-b",
                         " ".join(second.split()))

    def test_every_shell_says_the_same(self):
        said = [self.oncall.closewait("pods", command=(*shell, str(PLUGIN))).stdout
                for shell in (("dash",), ("bash",), ("bash", "--posix"), ("busybox", "sh"))]
        self.assertEqual({self.closewait("pods").stdout}, set(said))

    def test_other_tools_say_the_same(self):
        tools = self.oncall.home / "busybox"
        tools.mkdir()
        for tool in ("awk", "sort", "cut", "head", "tr", "wc", "grep", "mktemp", "sleep", "cat", "rm", "mv"):
            (tools / tool).symlink_to(shutil.which("busybox"))
        commands = (("pods", "-o", "wide"), ("pods", "-o", "json"), ("nodes",), ("summary", "--by", "workload"),
                    ("summary", "--by", "peer"))
        usual = [self.closewait(*command).stdout for command in commands]
        self.oncall.environment["PATH"] = f"{tools}:{self.oncall.environment['PATH']}"
        self.assertEqual(usual, [self.closewait(*command).stdout for command in commands])

    def test_an_older_kubectl_says_the_same(self):
        older = Oncall(self, self.cluster, "kubectl32").closewait("pods", "-o", "json")
        self.assertEqual(self.closewait("pods", "-o", "json").stdout, older.stdout)

    def test_what_an_agent_says_does_not_reach_the_terminal_as_it_is(self):
        self.agent("node-a").pods = [pod_row("shop", 'a\x1b[2J"\\é', close_wait=1)]
        self.agent("node-b").pods = self.agent("node-c").pods = []
        self.assertIn('a?[2J"\\?', self.closewait().stdout)
        self.assertEqual(['a?[2J"\\?'], list(self.pods()))

    def second_agent(self, node, pods):
        """Another one of a node, which comes after the first."""
        second = FakeAgent(node, pods)
        second.name += "-z"
        self.cluster.agents["closewatch", second.name] = second
        return second

    def test_two_agents_of_one_node_count_once(self):
        self.second_agent("node-a", self.agent("node-a").pods)
        self.assertEqual(1, self.names("pods").count("cart-1"))
        self.agent("node-a").behave = fake.says("broken", 503)
        self.assertEqual(["cart-1", "cart-2"], self.names("-n", "shop"))

    def test_two_agents_that_say_different_things_of_a_node_count_only_when_told(self):
        truth = self.agent("node-a").pods
        for lie in ([], truth[1:], [*truth, pod_row("shop", "lure", close_wait=99)],
                    [pod_row("shop", "cart-1", close_wait=0), *truth[1:]]):
            with self.subTest(lie):
                second = self.second_agent("node-a", lie)
                done = self.closewait("pods", status=3)
                self.assertNotIn("cart-1", done.stdout)
                self.assertIn(f"node node-a: closewatch/closewatch-node-a: this agent and closewatch/{second.name} say "
                              "different things of it", done.stderr)
                self.assertEqual(1, self.names("pods", "--any-agent").count("cart-1"))
                self.closewait("nodes")

    def test_a_pod_elsewhere_is_not_taken_for_an_agent(self):
        stranger = FakeAgent("node-a", [pod_row("shop", "lure", close_wait=99)], namespace="a-first")
        self.cluster.agents["a-first", stranger.name] = stranger
        for command in (["pods"], ["nodes"]):
            done = self.oncall.closewait(*command)
            self.assertEqual((1, ""), (done.returncode, done.stdout))
            self.assertIn("a-first, closewatch; say with --agent-namespace", done.stderr)
        self.assertEqual(0, stranger.asked)
        self.assertIn("cart-1", self.names("--agent-namespace", "closewatch"))

    def test_agents_are_found_in_their_namespace(self):
        stranger = FakeAgent("node-x", [pod_row("shop", "lure", close_wait=99)], namespace="shop")
        self.cluster.agents["shop", stranger.name] = stranger
        self.assertNotIn("lure", self.names("--agent-namespace", "closewatch"))
        self.assertEqual(0, stranger.asked)


class GapsTest(PluginTest):
    """Not all agents answer as they should: what is missing is said, and the rest is shown."""

    def setUp(self):
        self.start(small_cluster())

    def assert_gap(self, *why, arguments=(), node="node-a"):
        """The others are shown, the node is named with the reason, and the status tells."""
        done = self.closewait(*arguments, status=3)
        self.assertIn("cart-2", done.stdout)
        self.assertNotIn("cart-1", done.stdout)
        self.assertEqual("NOT WHOLE: 2 of 3 nodes have answered", done.stdout.splitlines()[-1])
        self.assertRegex(done.stderr, f"^kubectl closewait: node {node}: ")
        for reason in why:
            self.assertIn(reason, done.stderr)
        document = json.loads(self.closewait("-o", "json", *arguments, status=3).stdout)
        self.assertEqual((False, 2, [node]), (document["whole"], document["nodes_answered"],
                                              [gap["node"] for gap in document["nodes_missing"]]))

    def test_an_agent_that_hangs(self):
        self.agent("node-a").behave = fake.hang
        self.assert_gap("closewatch/closewatch-node-a", "by proxy: no answer within 30 s", arguments=OF_HANGING)

    def test_an_agent_that_the_proxy_is_closed_to(self):
        self.agent("node-a").behave = fake.forbid
        self.assert_gap('cannot get resource "pods/proxy"', 'cannot create resource "pods/exec"')

    def test_an_agent_that_is_not_ready(self):
        self.agent("node-a").behave = fake.says("the first scan is not done yet\n", 503)
        self.assert_gap("by proxy: ")

    def test_an_agent_whose_pod_does_not_run(self):
        self.agent("node-a").phase = "Pending"
        self.assert_gap("its pod is Pending")
        self.assertEqual(0, self.agent("node-a").asked)

    def test_an_agent_that_no_node_has_taken(self):
        waiting = FakeAgent("", namespace="closewatch")
        waiting.phase = "Pending"
        self.cluster.agents["closewatch", waiting.name] = waiting
        del self.cluster.agents["closewatch", "closewatch-node-a"]
        self.assert_gap("no agent\n", "closewatch/closewatch-: the agent has no node yet")

    def test_answers_that_are_not_whole(self):
        good = tsv(fake.POD_COLUMNS, self.agent("node-a").pods)
        for name, behave in (
                ("nothing", fake.says("")), ("another page", fake.says("<html>login</html>\n")), ("cut by the line", fake.cut),
                ("without the end", fake.says(good[:good.index("#end")])), ("with a row less", fake.says(
                    "".join(line + "\n" for line in good.splitlines()[:2] + good.splitlines()[3:]))),
                ("in mid-line", fake.says(good[:-2])), ("of another version", fake.says(good.replace("stuck", "stick", 1)))):
            with self.subTest(name):
                self.agent("node-a").behave = behave
                self.assert_gap("by proxy: ")

    def test_a_node_without_an_agent(self):
        del self.cluster.agents["closewatch", "closewatch-node-a"]
        self.assert_gap("node-a: no agent")
        self.assertIn("node-a  no agent", self.closewait("nodes", status=3).stdout)

    def test_nodes_that_may_not_be_listed(self):
        self.cluster.may_list_nodes = False
        done = self.closewait(status=3)
        self.assertIn("nodes without an agent are not known", done.stderr)
        self.assertIn("NOT WHOLE", done.stdout)

    def test_an_agent_whose_scans_have_stopped(self):
        self.agent("node-a").pods = [pod_row("shop", "cart-1", visible=False, reason="stale")]
        self.agent("node-a").about = agent_row(scan_stale="true", pods_visible=0, not_visible="stale/2")
        done = self.closewait(status=3)
        self.assertIn("pods that were not counted: 1 stale", done.stderr)
        done = self.closewait("nodes", status=3)
        self.assertIn("node-a  stale", done.stdout)
        self.assertIn("its last scan is too long ago", done.stderr)

    def test_no_agent_answers(self):
        for agent in self.cluster.agents.values():
            agent.behave = fake.hang
        done = self.closewait("--timeout", "1", status=1)
        self.assertEqual("", done.stdout)
        self.assertIn("no agent has answered", done.stderr)
        self.assertEqual(3, done.stderr.count("by proxy: no answer within 1 s"))

    def test_there_is_no_agent(self):
        self.cluster.agents.clear()
        done = self.closewait(status=1)
        self.assertEqual("", done.stdout)
        self.assertIn("there is no agent: no pod has app.kubernetes.io/name=closewatch", done.stderr)

    def test_no_api_server(self):
        self.cluster.close()
        done = self.closewait(status=1)
        self.assertEqual("", done.stdout)
        self.assertIn("the agents cannot be listed", done.stderr)


class HostileAgentsTest(PluginTest):
    """Agents that lie, and agents that want to write on the terminal."""

    # Bytes that move the cursor, and the same in letters, which some shells' echo makes bytes of.
    ESCAPES = "\x1b[2J\x07\x9b1m \\033[2J \\x1b[2J \\a\\c"

    def setUp(self):
        self.start(small_cluster(pods=[fake.pod_object("shop", "cart-1", "node-a")]))

    def assert_clean(self, done, says):
        """Nothing but printable ASCII, and what was said is still to be read."""
        for text in (done.stdout, done.stderr):
            self.assertEqual([], [character for character in text if not (" " <= character <= "~" or character == "\n")])
        self.assertIn(says, done.stdout + done.stderr)

    def shells(self, *arguments):
        """The answer in each shell, with curl and without."""
        for shell in ("dash", "bash", "busybox sh"):
            yield self.oncall.closewait(*arguments, command=(*shell.split(), str(PLUGIN)))
        self.oncall.environment["PATH"] = without_curl(self.oncall)
        yield self.oncall.closewait(*arguments, command=("dash", str(PLUGIN)))

    def test_bodies_of_errors(self):
        self.agent("node-a").behave = fake.says(f"broken {self.ESCAPES} pipe\nsecond line\n", 503)
        for done in self.shells():
            self.assertEqual(3, done.returncode, done.stderr)
            self.assert_clean(done, "by proxy: ")
            self.assertNotIn("second line", done.stderr)

    def test_messages_of_the_server(self):
        self.agent("node-a").behave = lambda exchange: exchange.send_status(403, f"no {self.ESCAPES} way")
        for arguments in ((), ("-o", "json"), ("nodes",)):
            self.assert_clean(self.oncall.closewait(*arguments), "no ")

    def test_what_the_agents_own_program_says(self):
        self.agent("node-a").behave = fake.forbid
        self.agent("node-a").exec = lambda agent, path: (fake.STDERR, f"closewatch: {self.ESCAPES} own words\n", 1)
        self.assert_clean(self.closewait(status=3), "own words")

    def test_remarks(self):
        path = "/api/v1/pods/shop/cart-1/sockets.tsv"
        for remark, status, says in ((f"#hidden\tdenied\tno {self.ESCAPES} right", 1, "was not counted: denied no "),
                                     (f"#total\t{self.ESCAPES}", 0, "LOCAL"), ("#total\t9e9", 0, "LOCAL"), ("#total\t12345678901", 0, "oldest of 12345678901 sockets")):
            self.agent("node-a").sockets = {path: tsv(fake.SOCKET_COLUMNS, [], remark)}
            for shell in ("dash", "bash"):
                done = self.oncall.closewait("sockets", "shop/cart-1", command=(shell, str(PLUGIN)))
                self.assertEqual(status, done.returncode, done.stderr)
                self.assert_clean(done, says)

    def test_an_answer_without_end(self):
        good = tsv(fake.POD_COLUMNS, self.agent("node-a").pods).encode()
        for line in (good.splitlines()[0] + b"\n", b"x", b"#" + b"y" * 100 + b"\n"):
            self.agent("node-a").behave = fake.endless(line)
            process = self.oncall.begin("pods", "-o", "json", "--timeout", "60")
            most = 0
            while process.poll() is None:
                for part in self.oncall.temporary.glob("*/*.part"):
                    try:
                        most = max(most, part.stat().st_size)
                    except FileNotFoundError:
                        pass
                time.sleep(0.01)
            document = json.loads(process.stdout.read())
            process.stdout.close()
            self.assertEqual(3, process.returncode)
            self.assertEqual(["node-a"], [gap["node"] for gap in document["nodes_missing"]])
            self.assertIn("the answer is too long", document["nodes_missing"][0]["why"])
            self.assertLessEqual(most, 16 << 20)
            self.assertEqual(2, document["nodes_answered"])

    def test_an_answer_without_end_to_a_kubectl(self):
        self.agent("node-a").behave = fake.endless(b"x" * 100 + b"\n")
        self.oncall.environment["PATH"] = without_curl(self.oncall)
        self.assertIn("by proxy: the answer is too long", self.closewait(status=3).stderr)

    def test_a_name_without_end(self):
        self.agent("node-a").pods[0]["pod"] = "x" * 60000
        self.agent("node-a").pods += [pod_row("shop", f"idle-{i}") for i in range(100)]
        done = self.closewait("pods")
        self.assertLess(len(done.stdout), 100_000)
        self.assertIn("ledger-0", done.stdout)

    def test_numbers_in_words(self):
        """Whoever reads the JSON gets JSON."""
        for wrong in ("007", "9" * 5000, "1.", "x"):
            self.agent("node-a").pods[0]["peers"] = f"outbound/10.0.0.9:443/{wrong}/20"
            self.assertIsNone(self.pods()["cart-1"]["peers"][0]["close_wait"])

    def test_ways_elsewhere_packed_answers_and_answers_that_drip(self):
        def elsewhere(exchange):
            exchange.send_response(302)
            exchange.send_header("Location", "/api/v1/nodes")
            exchange.send_header("Content-Length", "0")
            exchange.end_headers()

        def packed(exchange):
            """64 MiB of a remark in 64 KiB."""
            body = gzip.compress(b"#" * (64 << 20))
            exchange.send_response(200)
            exchange.send_header("Content-Encoding", "gzip")
            exchange.send_header("Content-Length", str(len(body)))
            exchange.end_headers()
            exchange.wfile.write(body)

        def headers(exchange):
            exchange.wfile.write(b"HTTP/1.1 200 OK\r\n" + (b"X: " + b"a" * 60000 + b"\r\n") * 1000)

        def drip(exchange):
            exchange.send_response(200)
            exchange.send_header("Connection", "close")
            exchange.end_headers()
            while not exchange.server.fake.stopped.wait(0.1):
                exchange.wfile.write(b"#")
        for path in (self.oncall.environment["PATH"], without_curl(self.oncall)):
            self.oncall.environment["PATH"] = path
            for behave, arguments in ((elsewhere, ()), (packed, ()), (headers, ()), (drip, ("--timeout", "3"))):
                with self.subTest(behave.__name__, curl="without-curl" not in path):
                    self.agent("node-a").behave = behave
                    done = self.closewait(*arguments, status=3)
                    self.assert_clean(done, "node node-a: closewatch/closewatch-node-a: by ")
                    self.assertIn("cart-2", done.stdout)
                    self.assertNotIn("cart-1", done.stdout)

    def test_answers_that_lie(self):
        good = tsv(fake.POD_COLUMNS, self.agent("node-a").pods)
        cells = good.splitlines()[1].split("\t")
        number = fake.POD_COLUMNS.index("close_wait")

        def with_row(*row):
            return "\t".join(fake.POD_COLUMNS) + "\n" + "\t".join(row) + "\n#end\t1\n"
        for name, body, why in (
                ("letters", with_row(*cells[:number], "many", *cells[number + 1:]), "words where numbers belong"),
                ("less than nothing", with_row(*cells[:number], "-5", *cells[number + 1:]), "words where numbers belong"),
                ("no number", with_row(*cells[:number], "nan", *cells[number + 1:]), "words where numbers belong"),
                ("two points", with_row(*cells[:number], "1.2.3", *cells[number + 1:]), "words where numbers belong"),
                ("a point alone", with_row(*cells[:number], ".", *cells[number + 1:]), "words where numbers belong"),
                ("what is no JSON", with_row(*cells[:number], "007", *cells[number + 1:]), "words where numbers belong"),
                ("a number without end", with_row(*cells[:number], "9" * 5000, *cells[number + 1:]), "numbers that are too long"),
                ("a byte of zeros in a number", with_row(*cells[:number], "3\0" + "0", *cells[number + 1:]), "words where numbers belong"),
                ("bytes of zeros", "\0" * 100_000, "a line of the answer is too long"),
                ("bytes of zeros before it", "\0" * 100 + good, "not whole"),
                ("lines that end otherwise", good.replace("\n", "\r\n"), "not whole"),
                ("a cell too few", with_row(*cells[:-1]), "not whole"), ("a cell too many", with_row(*cells, "x"), "not whole"),
                ("a long line", with_row(*cells[:1], "x" * 70000, *cells[2:]), "a line of the answer is too long")):
            with self.subTest(name):
                self.agent("node-a").behave = fake.says(body)
                done = self.closewait(status=3)
                self.assertIn(f"by proxy: the answer has {why}" if why.startswith("words") else why, done.stderr)
                self.assertIn("cart-2", done.stdout)
                self.assertNotIn("cart-1", done.stdout)


class ExecTest(PluginTest):
    """The proxy is closed, and the agents' own program can be run."""

    def setUp(self):
        self.start(small_cluster(pods=[fake.pod_object("shop", "cart-1", "node-a")]))
        for agent in self.cluster.agents.values():
            agent.behave, agent.exec = fake.forbid, fake.own_program

    def ways(self, *arguments):
        """By which way each node was asked."""
        nodes = json.loads(self.closewait("nodes", "-o", "json", *arguments).stdout)["nodes"]
        return [node["way"] for node in nodes]

    def test_exec_gives_the_same_answer(self):
        by_exec = self.closewait("pods", "-o", "json").stdout
        self.assertEqual(["exec"] * 3, self.ways())
        for agent in self.cluster.agents.values():
            agent.behave = agent.exec = None
        self.assertEqual(self.closewait("pods", "-o", "json").stdout, by_exec)
        self.assertEqual(["proxy"] * 3, self.ways())

    def test_a_closed_proxy_is_tried_once(self):
        self.assertEqual(["exec"] * 3, self.ways("--parallel", "1"))
        self.assertEqual((1, 3), (sum(agent.asked for agent in self.cluster.agents.values()),
                                  sum(agent.execs for agent in self.cluster.agents.values())))

    def test_a_proxy_that_does_not_come_through(self):
        for agent in self.cluster.agents.values():
            agent.behave = fake.hang
        self.assertEqual(["exec"] * 3, self.ways(*OF_HANGING))

    def test_agents_that_want_a_password_or_tls(self):
        """The proxy hands on neither a password nor a certificate."""
        for status, words in ((401, "this agent wants a name and a password\n"), (400, "this address speaks HTTPS\n")):
            for agent in self.cluster.agents.values():
                agent.behave = lambda exchange, status=status, words=words: exchange.send(status, words, "text/plain")
            self.assertEqual(["exec"] * 3, self.ways())
            for agent in self.cluster.agents.values():
                self.assertIn("--web.listen-address=unix:/run/closewatch/closewatch.sock,:10088", agent.commands[-1])

    def test_one_agent_that_only_the_proxy_reaches(self):
        self.agent("node-b").behave, self.agent("node-b").exec = None, None
        self.assertEqual(["exec", "proxy", "exec"], self.ways("--parallel", "1"))

    def test_a_stream_that_was_cut(self):
        self.agent("node-a").exec = lambda agent, path: (fake.STDOUT, agent.answer(path)[1][:200], 0)
        done = self.closewait(status=3)
        self.assertIn("node node-a: ", done.stderr)
        self.assertIn("by exec: the answer is not whole", done.stderr)
        self.assertIn("cart-2", done.stdout)
        self.assertNotIn("cart-1", done.stdout)

    def test_the_agents_own_words_are_told(self):
        done = self.closewait("sockets", "shop/cart-1", status=1)
        self.assertIn("by exec: /api/v1/pods/shop/cart-1/sockets.tsv says 404: no such pod on this node", done.stderr)


class SocketsTest(PluginTest):
    """One pod's sockets."""

    PATH = "/api/v1/pods/shop/cart-1/sockets.tsv"

    def setUp(self):
        self.start(small_cluster(pods=[fake.pod_object("shop", "cart-1", "node-a")]))
        self.row = dict(zip(fake.SOCKET_COLUMNS, ("close_wait", "10.1.2.3:40000", "10.0.0.9:443", "outbound", "close",
                                                  "7380.000", 0, "main", 4711, 77, "java", "", "", "")))

    def sockets(self, *remarks, rows=1):
        """What the agent shall say."""
        self.agent("node-a").sockets = {self.PATH: tsv(fake.SOCKET_COLUMNS, [self.row] * rows, *remarks)}

    def test_each_socket(self):
        self.sockets("#total\t1")
        expected = ("LOCAL           REMOTE        DIRECTION  OWES     AGE  UNREAD  CONTAINER  PROCESS\n"
                    "10.1.2.3:40000  10.0.0.9:443  outbound   close  2h03m       0  main       77/java\n")
        for arguments in (("shop/cart-1",), ("cart-1", "-n", "shop"), ("cart-1",)):
            with self.subTest(arguments):
                done = self.closewait("sockets", *arguments)
                self.assertEqual((expected, ""), (done.stdout, done.stderr))
        self.assertEqual(0, self.agent("node-b").asked)

    def test_the_owner_of_what_another_pod_has_made(self):
        self.row |= {"container": "other_pod", "pid": "", "process": "", "owner_namespace": "istio-system",
                     "owner_pod": "ztunnel-1", "owner_container": "proxy"}
        self.sockets("#total\t1")
        self.assertEqual(
            ["LOCAL           REMOTE        DIRECTION  OWES     AGE  UNREAD  CONTAINER  PROCESS  OTHER OWNER",
             "10.1.2.3:40000  10.0.0.9:443  outbound   close  2h03m       0  other_pod  -        istio-system/ztunnel-1/proxy"],
            self.closewait("sockets", "cart-1").stdout.splitlines())

    def test_what_is_held_after_the_end_says_so(self):
        self.row["state"] = "close"
        self.sockets("#total\t1")
        header, row = self.closewait("sockets", "cart-1").stdout.splitlines()
        self.assertTrue(header.endswith("PROCESS  STATE"), header)
        self.assertTrue(row.endswith("77/java  close"), row)

    def test_a_list_that_was_shortened(self):
        self.sockets("#total\t1201", rows=2)
        self.assertIn("these are the 2 oldest of 1201 sockets", self.closewait("sockets", "cart-1").stderr)
        document = json.loads(self.closewait("sockets", "cart-1", "-o", "json").stdout)
        self.assertEqual(["these are the 2 oldest of 1201 sockets"], document["notes"])
        self.assertEqual([7380, 7380], [socket["age_seconds"] for socket in document["sockets"]])

    def test_a_pod_that_was_not_counted(self):
        self.sockets("#hidden\tdenied\tCAP_SYS_ADMIN is missing", rows=0)
        done = self.closewait("sockets", "shop/cart-1", status=1)
        self.assertIn("shop/cart-1 was not counted: denied CAP_SYS_ADMIN is missing", done.stderr)
        self.assertEqual("", done.stdout)

    def test_what_is_not_there(self):
        for pod, complaint in (("shop/nobody", "there is no pod shop/nobody"), ("nobody", "there is no pod nobody")):
            with self.subTest(pod):
                self.assertIn(complaint, self.closewait("sockets", pod, status=1).stderr)
        self.cluster.pods.append(fake.pod_object("bank", "cart-1", "node-b"))
        self.assertIn("say which with -n: bank shop", self.closewait("sockets", "cart-1", status=2).stderr)
        self.cluster.pods = [fake.pod_object("shop", "cart-1", "node-x")]
        self.assertIn("node node-x has no agent", self.closewait("sockets", "cart-1", status=1).stderr)

    def test_detail_that_is_not_allowed(self):
        self.agent("node-a").behave = fake.says("single sockets are not listed here: api.socket_detail is false\n", 403)
        done = self.closewait("sockets", "shop/cart-1", status=1)
        self.assertIn("api.socket_detail is false", done.stderr)


class UsageTest(PluginTest):
    """How it is called."""

    def setUp(self):
        self.start(small_cluster())

    def test_mistakes_are_usage_errors(self):
        for wrong in (("nonsense",), ("--nonsense", "x"), ("-n",), ("-n", "a", "-A"), ("summary",), ("summary", "--by", "moon"),
                      ("pods", "--by", "peer"), ("sockets",), ("sockets", "/x"), ("sockets", "a/b", "-n", "c"), ("pods", "x"),
                      ("--min", "x"), ("--min", "-1"), ("--sort", "moon"), ("-o", "yaml"), ("--watch=0",), ("--timeout", "0"),
                      ("--parallel", "0"), ("nodes", "-n", "a"), ("nodes", "-l", "a=b"), ("sockets", "a", "--min", "3")):
            with self.subTest(wrong):
                done = self.closewait(*wrong, status=2)
                self.assertEqual("", done.stdout)
                self.assertIn("see kubectl closewait --help", done.stderr)
        self.assertEqual(0, sum(agent.asked for agent in self.cluster.agents.values()))

    def test_help(self):
        self.assertIn("kubectl closewait summary --by workload|peer|owes", self.closewait("--help").stdout)

    def assert_left_nothing(self, process):
        """Neither processes nor files."""
        def gone():
            try:
                os.killpg(process.pid, 0)
            except ProcessLookupError:
                return True
            return False
        wait_for(gone, "the end of all that it has started")
        self.assertEqual([], list(self.oncall.temporary.iterdir()))

    def test_watch_goes_on_until_it_is_ended(self):
        process = self.oncall.begin("--watch=1", "--no-headers")
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.terminate)
        seen = [process.stdout.readline().split()[1] for _ in range(8)]
        self.assertEqual(["cart-1", "cart-2", "bare", "ledger-0"] * 2, seen)
        self.agent("node-a").pods = []
        wait_for(lambda: process.stdout.readline().split()[1:2] == ["cart-2"]
                 and process.stdout.readline().split()[1:2] == ["bare"]
                 and process.stdout.readline().split()[1:2] == ["ledger-0"]
                 and process.stdout.readline().split()[1:2] == ["cart-2"], "an answer without the pod that has gone")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(143, process.wait(PATIENCE_SECONDS))
        self.assert_left_nothing(process)

    def test_an_end_while_it_waits(self):
        for agent in self.cluster.agents.values():
            agent.behave = fake.hang
        process = self.oncall.begin()
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.terminate)
        wait_for(lambda: all(agent.asked for agent in self.cluster.agents.values()), "the agents to be asked")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(143, process.wait(PATIENCE_SECONDS))
        self.assert_left_nothing(process)


class ManyNodesTest(PluginTest):
    """A cluster of many nodes, of which some do not answer."""

    def test_the_merge_of_many(self):
        agents = [FakeAgent(f"node-{i:03}", [
            pod_row("shop", f"cart-{i}-{j}", close_wait=i * j, stuck=i, oldest=i + j / 8, workload="Deployment/cart",
                    peers=f"outbound/10.0.0.{j}:443/{i * j}/{i}") for j in range(30)]) for i in range(MANY)]
        self.start(FakeAgentCluster(agents, other_nodes=["node-without"]))
        self.agent("node-007").behave = fake.hang
        self.agent("node-100").behave = fake.forbid
        began = time.monotonic()
        done = self.closewait("pods", "-o", "json", *OF_HANGING, status=3)
        print(f"{MANY} agents in {time.monotonic() - began:.1f} s ", end="", flush=True, file=sys.stderr)
        document = json.loads(done.stdout)
        self.assertEqual({"node-007", "node-100", "node-without"}, {gap["node"] for gap in document["nodes_missing"]})
        self.assertEqual(MANY - 2, document["nodes_answered"])
        self.assertEqual(
            {(f"node-{i:03}", f"cart-{i}-{j}", i * j, i, i + j / 8) for i in range(MANY) if i not in (7, 100) for j in range(30)},
            {(pod["node"], pod["pod"], pod["close_wait"], pod["stuck"], pod["oldest_seconds"]) for pod in document["pods"]})
        self.assertEqual((MANY - 2) * 30, len(document["pods"]))
        order = [(pod["stuck"], pod["close_wait"], pod["oldest_seconds"]) for pod in document["pods"]]
        self.assertEqual(sorted(order, reverse=True), order)


    def start_uniform(self, nodes):
        """Each has 30 pods, of which three leak."""
        self.start(FakeAgentCluster([FakeAgent(f"node-{i:04}", [
            pod_row("shop", f"cart-{i}-{j}", close_wait=10 * (j < 3), stuck=j * (j < 3), workload="Deployment/cart")
            for j in range(30)]) for i in range(nodes)]))

    def cost(self, *arguments):
        """The answer, CPU seconds of all that was run for it, and the most bytes that it had resident."""
        with open(self.oncall.home / "out", "w+", encoding="utf-8") as out:
            process = subprocess.Popen([PLUGIN, *GENEROUS, *arguments], env=self.oncall.environment, stdin=subprocess.DEVNULL,
                                       stdout=out, start_new_session=True)
            most = 0
            while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
                most = max(most, resident(process.pid))
                time.sleep(0.02)
            process.returncode = os.waitstatus_to_exitcode(ended[1])
            self.assertEqual(0, process.returncode)
            out.seek(0)
            return out.read(), ended[2].ru_utime + ended[2].ru_stime, most

    def test_one_kubectl_costs_less_than_one_each(self):
        self.start_uniform(MANY)
        answer, cost, _ = self.cost("pods")
        self.oncall.environment["PATH"] = without_curl(self.oncall)
        same, cost_of_each, _ = self.cost("pods")
        print(f"{cost_of_each:.1f} s of CPU with a kubectl for each of {MANY}, {cost:.2f} s with one ", end="", flush=True,
              file=sys.stderr)
        self.assertEqual(answer, same)
        self.assertLess(cost * 10, cost_of_each)

    def test_memory_with_thousands(self):
        self.start_uniform(THOUSANDS)
        answer, cost, most = self.cost("pods", "--no-headers")
        print(f"{THOUSANDS} agents: {cost:.1f} s of CPU, {most / 2**20:.0f} MiB ", end="", flush=True, file=sys.stderr)
        self.assertEqual(THOUSANDS * 30, answer.count("\n"))
        self.assertLess(most, 200 << 20)


def resident(session):
    """Bytes that the processes of a session have resident."""
    total = 0
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += int(fields[21]) * os.sysconf("SC_PAGE_SIZE") if int(fields[3]) == session else 0
    return total


class FakeIsLikeTheRealTest(unittest.TestCase):
    """The fake agents answer in the columns of a real one."""

    def test_the_columns_are_those_of_an_agent(self):
        with Namespace("columns", close_wait=1) as leaky, Agent() as agent:
            agent.wait_until_ready()
            agent.fresh_metrics()
            for path, columns in (("/api/v1/pods.tsv", fake.POD_COLUMNS), ("/api/v1/agent.tsv", fake.AGENT_COLUMNS),
                                  (f"/api/v1/pods/netns/{leaky.name}/sockets.tsv", fake.SOCKET_COLUMNS)):
                header, *_, end = agent.get(path).body.decode().splitlines()
                self.assertEqual(columns, header.split("\t"))
                self.assertTrue(end.startswith("#end\t"))


if __name__ == "__main__":
    unittest.main()
