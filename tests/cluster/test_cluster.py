# SPDX-License-Identifier: Apache-2.0
"""closewatch on a real Kubernetes, installed with its chart: what its metrics say beside what `ss` says in each pod.

Each test puts back what it changes, so that any of them runs alone.
"""

import base64
import contextlib
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.parse
import urllib.request

import yaml

import kube
import workload
from kube import Key, by_pod, kubectl, kubectl_json, run, wait_for

CHURN_SECONDS = float(os.environ.get("CLOSEWATCH_CHURN_SECONDS", "120"))

agent = None  # the one that all tests share; setUpModule makes it


def setUpModule():
    """The workload first, then the agent: so its first scan meets sockets that are there already."""
    global agent
    started = time.monotonic()
    workload.start()
    print(f"{len(workload.all_run())} pods run after {time.monotonic() - started:.0f} s", flush=True)
    agent = kube.Agent()
    unittest.addModuleCleanup(agent.close)
    agent.install()


def value(metrics, family, **labels):
    """The one sample with these labels, None without any."""
    found = [number for has, number in metrics[family] if labels.items() <= has.items()]
    return found[0] if found else None


def mistakes(metrics, found):
    """What the metrics say otherwise than the workloads' numbers, of these pods (Key -> (pod, workload))."""
    states = by_pod(metrics["closewatch_pod_sockets"], "state")
    stuck = by_pod(metrics["closewatch_close_wait_stuck_sockets"], "container")
    unseen = {Key(labels["namespace"], labels["pod"]): labels["reason"]
              for labels, visible in metrics["closewatch_pod_visible"] if not visible}
    close_wait = {}
    for labels, number in metrics["closewatch_close_wait_sockets"]:
        if number:
            entry = close_wait.setdefault(Key(labels["namespace"], labels["pod"]), {})
            place = labels["container"], labels["owes"]
            entry[place] = entry.get(place, 0) + number
    wrong = []
    for key, (pod, known) in found.items():
        for what, said, right in (
                ("reason", unseen.get(key), None),
                ("states", states.get(key), known.states()),
                ("close_wait", close_wait.get(key, {}), known.close_wait()),
                ("containers", set(stuck.get(key, {})) - {"unknown"}, set(known.containers))):
            if said != right:
                wrong.append(f"{key.namespace}/{key.pod}: {what} is {said}, should be {right}")
    return wrong


def cgroup_uid(pod):
    """By which the kubelet knows a pod: a static one by the hash of its file."""
    return pod["metadata"].get("annotations", {}).get("kubernetes.io/config.hash", pod["metadata"]["uid"])


def uids(found):
    """Of pods that are there: (Key, uid)."""
    return {(key, cgroup_uid(pod)) for key, pod in found.items()}


def shown_uids(metrics):
    """Of pods in the metrics: (Key, uid)."""
    return {(Key(labels["namespace"], labels["pod"]), labels["uid"]) for labels, _ in metrics["closewatch_pod_info"]}


def workload_mistakes(metrics, found):
    """Wrong or missing workloads and hostNetwork in closewatch_pod_info."""
    infos = {(Key(labels["namespace"], labels["pod"]), labels["uid"]): labels
             for labels, _ in metrics["closewatch_pod_info"]}
    wrong = []
    for key, (pod, known) in found.items():
        # By uid: a predecessor of the same name may still be there.
        info = infos.get((key, cgroup_uid(pod)), {})
        said = info.get("workload_kind"), info.get("workload"), info.get("host_network")
        right = known.kind, known.name if known.kind else "", "true" if known.host_network else "false"
        if said != right:
            wrong.append(f"{key.namespace}/{key.pod}: {said}, should be {right}")
    return wrong


class ClusterTest(unittest.TestCase):
    """What the tests have in common."""

    maxDiff = None

    def assert_right(self, found=None, metrics=None):
        """Each pod has exactly what it holds."""
        found = found or workload.all_run()
        self.assertEqual(mistakes(metrics or agent.fresh_metrics(), found), [])

    def become_right(self, found, what):
        """Waits until each pod has exactly what it holds, and its workload."""
        left = []

        def right():
            metrics = agent.fresh_metrics()
            left[:] = mistakes(metrics, found) + workload_mistakes(metrics, found)
            return not left
        try:
            wait_for(right, what)
        except AssertionError:
            self.fail(f"{what}: {left}")

    def oldest(self, found=None):
        """Key -> age of its oldest socket in CLOSE_WAIT, of all pods that leak."""
        ages = by_pod((agent.fresh_metrics())["closewatch_close_wait_oldest_seconds"])
        return {key: ages[key] for key, (_, known) in (found or workload.all_run()).items() if known.leaks()}

    def wait_for_metadata(self, wanted):
        """Until the agent says that the API server tells of pods, or that it does not."""
        wait_for(lambda: value(agent.metrics(), "closewatch_feature_enabled", feature="metadata_api") == wanted,
                 f"metadata_api to become {wanted}; the log:\n" + agent.log())


    def assert_new_pods_are_learnt(self):
        """The watch works: a workload that is new has its name."""
        known = workload.Workload("Deployment", "shop", "latecomer", 1, {"main": workload.Sockets(close_wait=1)})
        kube.apply(*known.objects())
        try:
            wait_for(lambda: any((labels["workload_kind"], labels["workload"]) == ("Deployment", "latecomer")
                                 for labels, _ in agent.metrics()["closewatch_pod_info"]), "a new pod's workload", 60)
        finally:
            kubectl("-n", "shop", "delete", "deployment", "latecomer")
            wait_for(lambda: not any("latecomer" in key.pod for key in kube.pods()), "its end")


class ExactCounts(ClusterTest):
    """Every number beside `ss`, run in that pod's network namespace."""

    def test_there_are_100_pods(self):
        self.assertGreaterEqual(len(workload.all_run()), 100)

    def test_states_are_those_of_ss(self):
        found = workload.all_run()
        pids = kube.container_pids()
        metrics = agent.fresh_metrics()
        said = by_pod(metrics["closewatch_pod_sockets"], "state")
        self.assertEqual({key: said.get(key) for key in found},
                         {key: kube.states_by_ss(pod, pids) for key, (pod, _) in found.items()})

    def test_close_wait_by_container_is_that_of_ss(self):
        found = {key: pod for key, (pod, known) in workload.all_run().items()
                 # What nobody has accepted has no process by which ss could tell its container.
                 if not any(sockets.unaccepted for sockets in known.containers.values())}
        pids = kube.container_pids()
        metrics = agent.fresh_metrics()
        said = by_pod(metrics["closewatch_close_wait_sockets"], "container")
        counted = {}
        for key, pod in found.items():
            containers = kube.containers_of(pod, pids)
            rows = kube.ss(next(iter(containers.values())))
            counted[key] = {name: sum(state == "close_wait" and pid in owners for state, owners in rows)
                            for name, pid in containers.items()}
        self.assertEqual({key: {name: number for name, number in said[key].items() if name != "unknown" or number}
                          for key in found}, counted)

    def test_all_is_what_the_pods_were_told_to_hold(self):
        self.assert_right()

    def test_no_pod_is_made_up(self):
        existing = set(kube.pods())
        self.assertEqual(set(by_pod(agent.fresh_metrics()["closewatch_pod_visible"])), existing)

    def test_hostnetwork_pods_sockets_are_not_the_nodes(self):
        found = workload.all_run()
        metrics = agent.fresh_metrics()
        self.assertEqual(value(metrics, "closewatch_node_sockets", state="close_wait"),
                         sum(state == "close_wait" for state, _ in kube.ss(1))
                         - sum(known.states()["close_wait"] for _, known in found.values() if known.host_network))


class Workloads(ClusterTest):
    """Who deployed a pod, as the API server tells it."""

    def test_workloads_are_named(self):
        self.assertEqual(workload_mistakes(agent.fresh_metrics(), workload.all_run()), [])

    def test_new_pods_are_learnt(self):
        self.assert_new_pods_are_learnt()

    def test_uids_are_those_of_the_api_server(self):
        found = kube.pods()
        self.assertEqual(shown_uids(agent.fresh_metrics()), uids(found))

    def test_no_pod_is_without_a_name(self):
        self.assertEqual(value(agent.fresh_metrics(), "closewatch_unnamed_pods"), 0)


def needs_newer(values, version):
    """Whether an example is for newer servers: its first line may name one."""
    named = re.match(r"# kube-version: (\d+)\.(\d+)", values.read_text())
    server = re.match(r"v(\d+)\.(\d+)", version)
    return bool(named) and tuple(map(int, named.groups())) > tuple(map(int, server.groups()))


class Chart(ClusterTest):
    """What the chart makes of each of its examples, before the server's own validation."""

    def test_every_example_is_taken_by_the_server(self):
        kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "monitoring"}})
        self.addCleanup(kubectl, "delete", "namespace", "monitoring", "--wait=false")
        # Without it the server takes no pod there, and it comes a moment after the namespace.
        wait_for(lambda: kubectl_json("-n", "monitoring", "get", "serviceaccounts")["items"], "an account in the namespace")
        version = kubectl_json("version")["serverVersion"]["gitVersion"]
        for helm in ("HELM", "HELM4"):
            for values in sorted((kube.ROOT / "helm" / "closewatch" / "ci").glob("*.yaml")):
                if needs_newer(values, version):
                    continue
                with self.subTest(helm=helm, values=values.name):
                    rendered = agent.helm("template", "example", kube.ROOT / "helm" / "closewatch",
                                          "--kube-version", version, "--values", values, helm=helm)
                    # The Operator's kinds are unknown to a server without the Operator.
                    objects = [document for document in yaml.safe_load_all(rendered)
                               if document and "monitoring.coreos.com/" not in document["apiVersion"]]
                    self.assertTrue(objects)
                    kube.dry_run(*objects)

    def test_what_the_server_refuses_is_noticed(self):
        with self.assertRaises(AssertionError):
            kube.dry_run({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"},
                          "spec": {"ports": [{"port": 70000}]}})


class WithoutInstallation(ClusterTest):
    """One scan by a pod that `kubectl debug` makes, as docs/install.md says."""

    def test_one_scan(self):
        found = workload.all_run()
        said = run(os.environ["NEW_KUBECTL"], "debug", f"node/{kube.NODE}", f"--image={os.environ['CLOSEWATCH_IMAGE']}",
                   "--profile=sysadmin", "--image-pull-policy=IfNotPresent", "--", "/closewatch", "scan", "--output=json",
                   "--metadata.source=logs", "--paths.cgroup=/host/sys/fs/cgroup", "--paths.pod_logs=/host/var/log/pods",
                   "--paths.container_logs=/host/var/log/containers")
        name = re.search(r"node-debugger-\S+", said)[0]
        self.addCleanup(kubectl, "delete", "pod", name, "--wait=false")
        wait_for(lambda: kubectl_json("get", "pod", name)["status"]["phase"] == "Succeeded", "the scan")
        counted = {Key(pod["namespace"], pod["pod"]): pod["states"]["close_wait"]
                   for pod in json.loads(kubectl("logs", name))["pods"] if pod["visible"]}
        self.assertEqual({key: counted.get(key) for key in found},
                         {key: known.states()["close_wait"] for key, (_, known) in found.items()})


class Restarts(ClusterTest):
    """A new agent knows at its first scan what the last one knew."""

    def assert_ages_survive(self, restart):
        """The ages after `restart()` are those before and the time between."""
        found = workload.all_run()
        wait_for(lambda: min(self.oldest(found).values()) > 10, "sockets in CLOSE_WAIT for more than 10 s")
        before = self.oldest(found)
        old_uid = agent.pod()["metadata"]["uid"]
        restart()
        self.assertNotEqual(agent.pod()["metadata"]["uid"], old_uid)
        after = self.oldest(found)
        self.assertEqual({key: (age, after[key]) for key, age in before.items() if after[key] < age}, {})
        self.assert_right(found)

    def test_ages_survive_a_deleted_pod(self):
        def restart():
            kubectl("-n", agent.NAMESPACE, "delete", "pod", agent.pod()["metadata"]["name"])
            agent.wait_until_rolled_out()
        self.assert_ages_survive(restart)

    def test_ages_survive_an_eviction(self):
        def restart():
            kube.evict(agent.NAMESPACE, agent.pod()["metadata"]["name"])
            agent.wait_until_rolled_out()
        self.assert_ages_survive(restart)

    def test_ages_survive_an_upgrade(self):
        self.addCleanup(agent.install)
        self.assert_ages_survive(lambda: agent.install(podAnnotations={"closewatch.test/upgraded": "yes"}))


class Churn(ClusterTest):
    """Pods come and go under the agent's eyes."""

    def test_no_wrong_and_no_lingering_series(self):
        seed = random.randrange(1 << 32)
        dice = random.Random(seed)
        changing = [known for known in workload.WORKLOADS if known.kind in ("Deployment", "StatefulSet")]
        end = time.monotonic() + CHURN_SECONDS
        scans = compared = deleted = 0
        before = kube.pods()
        while time.monotonic() < end:
            victims = dice.sample(sorted(key for key, (_, known) in workload.of_test(before).items()
                                         if known in changing), 6)
            for namespace in workload.NAMESPACES:
                if names := [key.pod for key in victims if key.namespace == namespace]:
                    kubectl("-n", namespace, "delete", "pod", *names, "--wait=false", "--ignore-not-found")
            deleted += len(victims)
            metrics = agent.fresh_metrics()
            after = kube.pods()
            steady = {key: entry for key, entry in workload.of_test(after).items()
                      if kube.is_running(entry[0]) and key in before and kube.is_running(before[key])
                      and before[key]["metadata"]["uid"] == entry[0]["metadata"]["uid"]}
            with self.subTest(seed=seed, scan=scans):
                self.assertEqual(mistakes(metrics, steady) + workload_mistakes(metrics, steady), [])
                # Who was gone before the scan began is not in it, nor a predecessor of the same name.
                self.assertEqual(shown_uids(metrics) - uids(before) - uids(after), set())
                shown = set(by_pod(metrics["closewatch_pod_sockets"], "state"))
                self.assertNotIn("unknown", {key.namespace for key in shown})
            scans += 1
            compared += len(steady)
            before = after
        print(f"{deleted} pods deleted, {scans} scans, {compared} comparisons ", end="", flush=True)
        self.assertGreater(scans, 0)
        found = wait_for(workload.all_run, "the pods to be back")
        self.become_right(found, "all pods as they were")
        metrics = agent.fresh_metrics()
        self.assertEqual(shown_uids(metrics), uids(kube.pods()))


class ApiServer(ClusterTest):
    """The API server goes, forgets, refuses; counts stay right, names stay."""

    def restore(self):
        """As it was before the test."""
        if not kube.api_is_ready():
            kube.control("start", "apiserver")
            wait_for(kube.api_is_ready, "the API server")

    def test_an_api_server_that_is_away(self):
        found = workload.all_run()
        agent.address()
        self.addCleanup(self.restore)
        kube.control("stop", "apiserver")
        self.wait_for_metadata(0)
        metrics = agent.fresh_metrics()
        self.assertEqual(mistakes(metrics, found) + workload_mistakes(metrics, found), [])

        # A pod that comes meanwhile has a name from the kubelet's directories.
        late = workload.Workload("", "shop", "static-late", 1, {"main": workload.Sockets(close_wait=2)})
        self.addCleanup(workload.remove_static_pod, late)
        workload.write_static_pod(late)
        key = Key("shop", f"static-late-{kube.NODE}")
        wait_for(lambda: by_pod(agent.metrics()["closewatch_pod_sockets"], "state").get(key) == late.states(),
                 "the pod that came while the API server was away")

        self.restore()
        self.wait_for_metadata(1)
        self.become_right(found, "all as before after the API server is back")

    def test_a_compacted_history(self):
        """The watch's version is older than all that is known: 410 Gone."""
        found = workload.all_run()
        self.addCleanup(self.restore)
        agent.address()
        kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "later", "namespace": "shop"},
                    "data": {"at": str(time.time())}})
        kube.control("stop", "apiserver")
        kube.compact_etcd()
        self.wait_for_metadata(0)
        asked = len(kube.requests_of_the_agent())
        self.restore()
        self.wait_for_metadata(1)
        self.become_right(found, "all as before after 410 Gone")
        # Only after 410 Gone does the agent want a list that is not out of the server's memory.
        wait_for(lambda: any(verb == "list" and "resourceVersion" not in parameters
                             for verb, parameters in kube.requests_of_the_agent()[asked:]), "a fresh list")
        self.assert_new_pods_are_learnt()

    def test_rights_taken_away_and_given_back(self):
        found = workload.all_run()
        agent.address()
        (binding,) = [item for item in kubectl_json("get", "clusterrolebindings")["items"]
                      if any(subject.get("namespace") == agent.NAMESPACE for subject in item.get("subjects", []))]
        given = {"apiVersion": binding["apiVersion"], "kind": binding["kind"], "roleRef": binding["roleRef"],
                 "subjects": binding["subjects"],
                 "metadata": {name: binding["metadata"][name] for name in ("name", "labels", "annotations")}}
        self.addCleanup(kube.apply, given)
        self.addCleanup(self.restore)
        logged = len(agent.log())
        kubectl("delete", "clusterrolebinding", binding["metadata"]["name"])
        # Rights are asked for when a watch begins, so the one that is there must end.
        kube.control("stop", "apiserver")
        self.restore()
        self.wait_for_metadata(0)
        metrics = agent.fresh_metrics()
        self.assertEqual(mistakes(metrics, found) + workload_mistakes(metrics, found), [])
        wait_for(lambda: "403" in agent.log()[logged:], "the log to name the refusal", 60)
        kube.apply(given)
        self.wait_for_metadata(1)
        self.become_right(found, "all as before after the rights are back")
        self.assert_new_pods_are_learnt()


class KubectlPlugin(ClusterTest):
    """`kubectl closewait` as somebody who may only what the chart's roles for it allow."""

    USER = "oncall"

    @classmethod
    def setUpClass(cls):
        cls.addClassCleanup(agent.install)
        cls.install()
        cls.directory = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="closewatch-oncall-")))
        config = json.loads(kubectl("config", "view", "--raw", "-o", "json"))
        config["users"][0]["user"]["as"] = cls.USER
        (cls.directory / "kubeconfig").write_text(json.dumps(config))

    @classmethod
    def install(cls, **plugin):
        """The chart with the plugin's roles, bound to the user."""
        user = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": cls.USER}
        agent.install(rbac={"kubectlPlugin": {"create": True, "exec": True, "subjects": [user], **plugin}})

    def closewait(self, *arguments, status=0, kubectl_in=None):
        """Runs it with the cluster's kubectl, or with the one in that directory."""
        path = f"{kubectl_in or ''}:{kube.ROOT / 'deploy'}:{os.environ['PATH']}".lstrip(":")
        done = subprocess.run(["/usr/bin/env", "kubectl", "closewait", *arguments], capture_output=True, text=True, check=False,
                              timeout=kube.DEADLINE_SECONDS, stdin=subprocess.DEVNULL,
                              env={**os.environ, "PATH": path, "HOME": str(self.directory), "TMPDIR": str(self.directory),
                                   "KUBECONFIG": str(self.directory / "kubeconfig")})
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def assert_equals_ss(self, *arguments, way="proxy", answering=None, **more):
        """Every pod of the tests, beside `ss` in its namespace; and the way by which the agent was asked."""
        found = workload.all_run()
        (answering or agent).fresh_metrics()
        document = json.loads(self.closewait("pods", "-o", "json", *arguments, **more).stdout)
        said = {Key(pod["namespace"], pod["pod"]): pod for pod in document["pods"]}
        pids = kube.container_pids()
        by_ss = {key: kube.states_by_ss(pod, pids) for key, (pod, _) in found.items()}
        self.assertEqual({key: {state: said[key][state] for state in ("close_wait", "established", "listen")} for key in found},
                         {key: {state: by_ss[key][state] for state in ("close_wait", "established", "listen")} for key in found})
        self.assertEqual(len(said), len(document["pods"]))
        wrong = [key for key, (_, known) in found.items()
                 if (said[key]["workload_kind"], said[key]["workload"]) != (known.kind, known.name if known.kind else "")
                 or {call: said[key][f"owes_{call}"] for call in ("close", "read", "accept")} !=
                 {call: sum(sockets.owes()[call] for sockets in known.containers.values())
                  for call in ("close", "read", "accept")}]
        self.assertEqual(wrong, [])
        nodes = json.loads(self.closewait("nodes", "-o", "json", *arguments, **more).stdout)["nodes"]
        self.assertEqual([(node["node"], node["way"]) for node in nodes if node["status"] == "ok"], [(kube.NODE, way)])

    def stop_agent(self, one):
        """Stops an agent's processes until the end of the test."""
        (pid,) = [pid for name, pid in kube.containers_of(one.pod(), kube.container_pids()).items() if name == "closewatch"]
        pids = [pid]
        for parent in pids:  # children and theirs
            pids += map(int, pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split())

        def send(number):
            for each in pids:
                with contextlib.suppress(ProcessLookupError):  # the kubelet may have restarted it
                    os.kill(each, number)

        def go_on():
            send(signal.SIGCONT)
        send(signal.SIGSTOP)
        self.addCleanup(one.wait_until_rolled_out)
        self.addCleanup(go_on)

    def forbid(self, resource):
        """Takes one rule out of the role, as an administrator would."""
        (role,) = [role for role in kubectl_json("-n", agent.NAMESPACE, "get", "roles")["items"]
                   if role["metadata"]["name"].endswith("-kubectl")]
        self.addCleanup(kube.apply, {key: role[key] for key in ("apiVersion", "kind", "rules")} | {
            "metadata": {key: role["metadata"][key] for key in ("name", "namespace", "labels", "annotations")}})
        rules = [rule for rule in role["rules"] if resource not in rule["resources"]]
        self.assertLess(len(rules), len(role["rules"]))
        kubectl("-n", agent.NAMESPACE, "patch", "role", role["metadata"]["name"], "--type=merge", "-p",
                json.dumps({"rules": rules}))
        kind, _, below = resource.partition("/")
        wait_for(lambda: "no" in subprocess.run(
            ["kubectl", "-n", agent.NAMESPACE, "auth", "can-i", "get", kind, f"--subresource={below}", f"--as={self.USER}"],
            capture_output=True, text=True, check=False).stdout, "the right to be gone")

    def test_through_the_proxy(self):
        self.assert_equals_ss()

    def test_through_the_proxy_with_a_new_kubectl(self):
        self.assert_equals_ss(kubectl_in=os.path.dirname(os.environ["NEW_KUBECTL"]))

    def test_a_closed_proxy_is_gone_round_by_exec(self):
        self.forbid("pods/proxy")
        self.assert_equals_ss(way="exec")
        self.assert_equals_ss(way="exec", kubectl_in=os.path.dirname(os.environ["NEW_KUBECTL"]))

    def test_without_any_right_to_ask_agents(self):
        self.forbid("pods/proxy")
        self.forbid("pods/exec")
        done = self.closewait(status=1)
        self.assertEqual(done.stdout, "")
        for word in (kube.NODE, "pods/proxy", "pods/exec"):
            self.assertIn(word, done.stderr)

    def test_an_agent_that_hangs_is_named(self):
        self.stop_agent(agent)
        done = self.closewait("--timeout", "3", status=1)
        self.assertEqual(done.stdout, "")
        self.assertIn(f"node {kube.NODE}: {agent.NAMESPACE}/", done.stderr)
        self.assertIn("by proxy: no answer within 3 s; by exec: ", done.stderr)

    def test_no_agent_at_all(self):
        done = self.closewait("--agent-selector", "app.kubernetes.io/name=nothing", status=1)
        self.assertIn("there is no agent", done.stderr)

    def test_of_agents_in_two_namespaces_those_of_one_answer(self):
        class Second(kube.Agent):
            """Another release on the same node."""
            NAMESPACE = "closewatch-second"
        second = Second()
        self.addCleanup(second.close)
        self.addCleanup(kubectl, "delete", "namespace", second.NAMESPACE)
        second.install()
        # A label is anybody's to give: whose agents count has to be said.
        self.assertIn("--agent-namespace", self.closewait("pods", status=1).stderr)
        self.assert_equals_ss("--agent-namespace", agent.NAMESPACE)
        user = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": self.USER}
        second.install(rbac={"kubectlPlugin": {"create": True, "subjects": [user]}})
        self.stop_agent(agent)
        self.assert_equals_ss("--timeout", "3", "--agent-namespace", second.NAMESPACE, answering=second)

    def add_node(self, labels):
        """A node that no kubelet runs on, and that the workload does not tolerate."""
        def remove():
            kubectl("delete", "node", "node-2")
            for pod in kubectl_json("get", "pods", "--all-namespaces", "--field-selector=spec.nodeName=node-2")["items"]:
                kubectl("-n", pod["metadata"]["namespace"], "delete", "pod", pod["metadata"]["name"], "--grace-period=0", "--force",
                        "--ignore-not-found")
            agent.wait_until_rolled_out()
        kube.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-2", "labels": labels},
                    "spec": {"taints": [{"key": "closewatch.test/empty", "effect": "NoExecute"}]},
                    "status": {name: {"cpu": "1", "memory": "1Gi", "pods": "10"} for name in ("capacity", "allocatable")}})
        self.addCleanup(remove)

    def assert_gap(self, why):
        """The answer of the one node is shown, and the other node named."""
        done = self.closewait(status=3)
        self.assertIn("ledger-", done.stdout)
        self.assertEqual(done.stdout.splitlines()[-1], "NOT WHOLE: 1 of 2 nodes have answered")
        self.assertIn("node node-2: ", done.stderr)
        self.assertIn(why, done.stderr)

    def test_a_node_without_an_agent_is_named(self):
        self.add_node({"kubernetes.io/os": "windows"})
        self.assert_gap("no agent")

    def test_a_node_whose_agent_does_not_run_is_named(self):
        self.add_node({"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"})
        wait_for(lambda: any(key.namespace == agent.NAMESPACE and pod["spec"].get("nodeName") == "node-2"
                             for key, pod in kube.pods().items()), "an agent for the new node")
        self.assert_gap("its pod is Pending")

    def test_sockets_are_those_of_ss(self):
        (key, (pod, _)), *_ = [entry for entry in workload.all_run().items() if entry[1][1].name == "bare"]
        listed = json.loads(self.closewait("sockets", f"{key.namespace}/{key.pod}", "-o", "json").stdout)["sockets"]
        pids = kube.containers_of(pod, kube.container_pids())
        rows = run("nsenter", f"--net=/proc/{pids['main']}/ns/net", "ss", "-tanH", "state", "close-wait").splitlines()
        self.assertEqual(sorted((socket["local"], socket["remote"]) for socket in listed),
                         sorted(tuple(row.split()[2:4]) for row in rows))
        self.assertEqual(len(listed), 9)

    def test_labels_choose(self):
        label = f"{workload.LABEL}=deployment-cart"
        names = {line.split()[1] for line in self.closewait("-l", label, "-n", "bank", "--no-headers").stdout.splitlines()}
        self.assertEqual(names, {key.pod for key, (_, known) in workload.all_run().items()
                                 if known.name == "cart" and key.namespace == "bank"})


class Privileges(ClusterTest):
    """Without one of its capabilities the agent says what is missing, and does the rest."""

    def install_with(self, *capabilities):
        """The agent with these capabilities only."""
        self.addCleanup(agent.install)
        agent.install(containerSecurityContext={"capabilities": {"drop": ["ALL"], "add": list(capabilities)}},
                      config={**agent.CONFIG, "scan": {**agent.CONFIG["scan"], "engine": "inet_diag"}})

    def assert_blind(self, missing):
        """No pod has a count, each has a name and a reason, and the log names what is missing."""
        found = workload.all_run()
        metrics = agent.fresh_metrics()
        counted = set(by_pod(metrics["closewatch_pod_sockets"], "state"))
        self.assertEqual(counted & set(found), set())
        reasons = {Key(labels["namespace"], labels["pod"]): (labels["reason"], number)
                   for labels, number in metrics["closewatch_pod_visible"]}
        self.assertEqual({key: reasons.get(key) for key in found}, {key: ("denied", 0) for key in found})
        self.assertIn(missing, agent.log())
        infos = by_pod(metrics["closewatch_pod_info"])
        self.assertEqual(set(found) - set(infos), set())

    def test_without_sys_admin(self):
        self.install_with("SYS_PTRACE")
        self.assert_blind("SYS_ADMIN")

    def test_without_sys_ptrace(self):
        self.install_with("SYS_ADMIN")
        self.assert_blind("SYS_PTRACE")


class Engines(ClusterTest):
    """Each with the capabilities that the chart gives it and no others, under the runtime's seccomp profile."""

    def install_engine(self, engine):
        """The agent with this engine, which must be in use."""
        self.addCleanup(agent.install)
        agent.install(config={**agent.CONFIG, "scan": {**agent.CONFIG["scan"], "engine": engine}})
        self.assertEqual(value(agent.fresh_metrics(), "closewatch_engine_in_use", engine=engine), 1, agent.log())

    def test_bpf(self):
        self.install_engine("bpf")
        self.assert_right()
        self.assertEqual(workload_mistakes(agent.fresh_metrics(), workload.all_run()), [])

    def test_auto_goes_over_to_bpf_and_inet_diag_agrees(self):
        """SYS_ADMIN stands in for BPF and PERFMON."""
        self.addCleanup(agent.install)
        agent.install(config={**agent.CONFIG, "scan": {"interval": "1s", "cpu_budget": 0.0001, "max_interval": "1s"}})
        self.assertEqual(agent.capabilities(), ["SYS_ADMIN", "SYS_PTRACE"])

        def checked():
            metrics = agent.fresh_metrics()
            agreed = value(metrics, "closewatch_engine_checks_total", result="agree") or 0
            return metrics if agreed >= 5 and value(metrics, "closewatch_engine_in_use", engine="bpf") == 1 else None
        metrics = wait_for(checked, "five checks of bpf by inet_diag")
        self.assertEqual(value(metrics, "closewatch_engine_checks_total", result="disagree"), 0, agent.log())
        self.assert_right()

    def test_procfs(self):
        self.install_engine("procfs")
        metrics = agent.fresh_metrics()
        said = by_pod(metrics["closewatch_pod_sockets"], "state")
        self.assertEqual({key: said.get(key) for key in workload.all_run()},
                         {key: None if known.host_network else known.states()
                          for key, (_, known) in workload.all_run().items()})


class Prometheus(ClusterTest):
    """A real Prometheus scrapes the agent's pod as the Operator would configure it from the chart's PodMonitor.

    Debian builds Prometheus without Kubernetes' service discovery; what that would find is given as static labels.
    """

    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="closewatch-prometheus-")))
        jobs = [cls.scrape_job("closewatch", cls.endpoint()),
                cls.scrape_job("without-honor-labels", {**cls.endpoint(), "honorLabels": False})]
        configuration = cls.directory / "prometheus.json"  # JSON is YAML
        configuration.write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": jobs}))
        with open(cls.directory / "log", "w", encoding="utf-8") as log:
            process = subprocess.Popen(
                ["prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={cls.directory}/data",
                 "--web.listen-address=127.0.0.1:9090"], stdout=log, stderr=log)
        cls.addClassCleanup(process.wait)
        cls.addClassCleanup(process.terminate)

        def scraped():
            if process.poll() is not None:
                raise AssertionError("Prometheus has ended:\n" + (cls.directory / "log").read_text())
            return len(cls.query("up == 1")) == len(jobs)
        wait_for(scraped, "scrapes of the agent")

    @staticmethod
    def endpoint():
        """The one of the PodMonitor."""
        rendered = agent.helm("template", agent.RELEASE, kube.ROOT / "helm" / "closewatch",
                              "--set", "podMonitor.enabled=true", "--show-only", "templates/podmonitor.yaml")
        (endpoint,) = yaml.safe_load(rendered)["spec"]["podMetricsEndpoints"]
        return endpoint

    @staticmethod
    def scrape_job(name, endpoint):
        """What the Operator makes of an endpoint: its own relabelings, then the endpoint's."""
        spelt = {"sourceLabels": "source_labels", "targetLabel": "target_label"}

        def relabelings(key):
            return [{spelt.get(field, field): content for field, content in relabeling.items()}
                    for relabeling in endpoint.get(key, [])]

        pod = agent.pod()
        discovered = {f"__meta_kubernetes_{name}": content for name, content in (
            ("namespace", pod["metadata"]["namespace"]), ("pod_name", pod["metadata"]["name"]),
            ("pod_node_name", pod["spec"]["nodeName"]), ("pod_container_name", pod["spec"]["containers"][0]["name"]),
            ("pod_container_port_name", pod["spec"]["containers"][0]["ports"][0]["name"]),
            ("pod_label_app_kubernetes_io_instance", pod["metadata"]["labels"]["app.kubernetes.io/instance"]))}

        def copy(source, target):
            return {"source_labels": [f"__meta_kubernetes_{source}"], "target_label": target}
        own = [{"action": "keep", "source_labels": ["__meta_kubernetes_pod_label_app_kubernetes_io_instance"],
                "regex": agent.RELEASE},
               {"action": "keep", "source_labels": ["__meta_kubernetes_pod_container_port_name"],
                "regex": endpoint["port"]},
               copy("namespace", "namespace"), copy("pod_container_name", "container"), copy("pod_name", "pod"),
               {"target_label": "endpoint", "replacement": endpoint["port"]}]
        return {"job_name": name, "honor_labels": endpoint.get("honorLabels", False),
                "metrics_path": endpoint.get("path", "/metrics"),
                "static_configs": [{"targets": [f"{agent.address()}:{agent.PORT}"], "labels": discovered}],
                "relabel_configs": own + relabelings("relabelings"),
                "metric_relabel_configs": relabelings("metricRelabelings")}

    @staticmethod
    def query(expression):
        """The result of an instant query; empty while nothing answers."""
        url = "http://127.0.0.1:9090/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]["result"]
        except OSError:
            return []

    def series(self, selector):
        """Labels of the series, once there are any."""
        return [entry["metric"] for entry in wait_for(lambda: self.query(selector), selector)]

    def test_labels_are_the_victims(self):
        found = workload.all_run()
        counts = {Key(entry["metric"]["namespace"], entry["metric"]["pod"]): int(entry["value"][1])
                  for entry in self.query('closewatch_pod_sockets{job="closewatch", state="close_wait"}')}
        self.assertEqual({key: counts.get(key) for key in found},
                         {key: known.states()["close_wait"] for key, (_, known) in found.items()})
        containers = {(labels["namespace"], labels["pod"], labels["container"])
                      for labels in self.series('closewatch_close_wait_stuck_sockets{job="closewatch"}')}
        self.assertLessEqual({(key.namespace, key.pod, name) for key, (_, known) in found.items()
                              for name in known.containers}, containers)

    def test_series_without_a_container_get_none(self):
        for family in ("closewatch_pod_sockets", "closewatch_pod_info", "closewatch_close_wait_oldest_seconds",
                       "closewatch_node_sockets"):
            self.assertEqual([labels for labels in self.series(f'{family}{{job="closewatch"}}')
                              if "container" in labels], [])

    def test_every_series_has_its_node(self):
        for labels in self.series('{__name__=~"closewatch_.*", job="closewatch"}'):
            self.assertEqual(labels.get("node"), kube.NODE, labels)

    def test_nothing_was_renamed(self):
        self.assertEqual(self.query('{job="closewatch", exported_namespace!=""}'), [])
        # Without honorLabels it would have been: the trap is real.
        self.series('closewatch_pod_sockets{job="without-honor-labels", exported_namespace="shop"}')


class Tokens(ClusterTest):
    """Who is let in by a token of this cluster, as its API server says."""

    ACCOUNTS = ("scraper", "stranger")

    @classmethod
    def setUpClass(cls):
        cls.addClassCleanup(agent.install)
        for name in cls.ACCOUNTS:
            kube.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "shop"}},
                       # As the chart's own; all versions of Kubernetes take it.
                       {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token", "metadata": {
                           "name": f"{name}-token", "namespace": "shop",
                           "annotations": {"kubernetes.io/service-account.name": name}}})
            cls.addClassCleanup(kubectl, "-n", "shop", "delete", "serviceaccount", name)
        cls.tokens = {name: cls.token_of(name) for name in cls.ACCOUNTS}
        cls.install()

    @classmethod
    def install(cls, allowed=("scraper",)):
        """The chart with the one value, and the role for scrapers bound to these."""
        agent.install(web={"kubernetesAuth": True}, rbac={"scraper": {"subjects": [
            {"kind": "ServiceAccount", "name": name, "namespace": "shop"} for name in allowed]}})

    @staticmethod
    def token_of(name):
        """Once the controller has made it."""
        wait_for(lambda: "token" in kubectl_json("-n", "shop", "get", "secret", f"{name}-token").get("data", {}), "a token")
        data = kubectl_json("-n", "shop", "get", "secret", f"{name}-token")["data"]
        return base64.b64decode(data["token"]).decode()

    @staticmethod
    def made_for(*audiences):
        """A token of the scraper's that lasts an hour, as pods have one."""
        made = kubectl("create", "--raw", "/api/v1/namespaces/shop/serviceaccounts/scraper/token", "-f", "-", text=json.dumps(
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": list(audiences)}}))
        return json.loads(made)["status"]["token"]

    def status(self, token=None, path="/metrics"):
        """Of an answer to who shows that token."""
        return agent.get(path, {"Authorization": f"Bearer {token}"} if token else {})[0]

    def test_the_scrapers_role_lets_in_and_nothing_else_does(self):
        self.assertEqual(self.status(self.tokens["scraper"]), 200)
        status, body = agent.get("/metrics", {"Authorization": f"Bearer {self.tokens['stranger']}"})
        self.assertEqual(status, 403)
        self.assertIn("system:serviceaccount:shop:stranger may not get /metrics", body)
        self.assertEqual(self.status(self.tokens["scraper"], "/api/v1/pods"), 403)
        self.assertEqual(self.status(), 401)
        header, _, rest = self.tokens["scraper"].partition(".")
        for wrong in ("guess", header + "." + rest[::-1], self.tokens["scraper"][:-2]):
            self.assertEqual(self.status(wrong), 401, "a token of nobody's")

    def test_a_token_for_others_is_nobodys(self):
        self.assertEqual(self.status(self.made_for("vault")), 401)
        self.assertEqual(self.status(self.made_for()), 200)

    def test_who_may_no_more_is_out_within_a_minute(self):
        self.assertEqual(self.status(self.tokens["scraper"]), 200)
        self.addCleanup(self.install)
        kubectl("delete", "clusterrolebinding", f"{agent.RELEASE}-scraper")
        wait_for(lambda: self.status(self.tokens["scraper"]) == 403, "the end of what was allowed", 90)

    def test_without_the_right_to_ask_nobody_comes_in_and_the_log_says_why(self):
        self.addCleanup(self.install)
        kubectl("delete", "clusterrolebinding", f"{agent.RELEASE}-auth")
        logged = len(agent.log())
        wait_for(lambda: self.status(self.tokens["scraper"]) == 503, "what was known to be over", 90)
        wait_for(lambda: "system:auth-delegator" in agent.log()[logged:], "the log to say why")

    def test_prometheus_scrapes(self):
        directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="closewatch-prometheus-")))
        jobs = [{"job_name": name, "authorization": {"credentials": token},
                 "static_configs": [{"targets": [f"{agent.address()}:{agent.PORT}"]}]} for name, token in self.tokens.items()]
        configuration = directory / "prometheus.json"  # JSON is YAML
        configuration.write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": jobs}))
        with open(directory / "log", "w", encoding="utf-8") as log:
            process = subprocess.Popen(
                ["prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={directory}/data",
                 "--web.listen-address=127.0.0.1:9090"], stdout=log, stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)

        def up():
            return {entry["metric"]["job"]: int(entry["value"][1]) for entry in Prometheus.query("up")}
        wait_for(lambda: up() == {"scraper": 1, "stranger": 0}, f"one scrape that is let in; it is {up()}")


if __name__ == "__main__":
    unittest.main()
