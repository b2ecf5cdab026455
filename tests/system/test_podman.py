# SPDX-License-Identifier: Apache-2.0
"""Real containers by podman and runc, on their own and in cgroups like the kubelet's.

The containers come from a root file system of nothing but busybox, and podman works on directories of
its own, so neither an image nor the machine's configuration matters.
"""

import contextlib
import glob
import json
import os
import pathlib
import shutil
import sys
import tempfile
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from agent import (ROOT_CGROUPS, STATES, Agent, cleaned_up, count_listeners,  # noqa: E402
                   count_states, free_port, pod_states, remove_cgroup, require, run,
                   run_closewatch, select, ss_rows, wait_for, without)

RUNC = "/usr/sbin/runc"
CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=10000:10000"]
pids_limit = 0
[engine]
lock_type = "file"
"""
SERVER_PORT = 8080
OTHER_PORT = 9090
SERVE = f"exec nc -ll -p {SERVER_PORT} -e sleep 100000"  # a program that never reads its socket
# Each nc at the end of its input shuts down its side, and the server owes the close; one whose
# input goes on stays connected.
CLIENTS = f"""
for i in 1 2 3; do nc 127.0.0.1 {SERVER_PORT} </dev/null & done
for i in 1 2; do sleep 100000 | nc 127.0.0.1 {SERVER_PORT} & done
exec nc -ll -p {OTHER_PORT} -e sleep 100000
"""
EXPECTED = {"listen": 2, "close_wait": 3, "fin_wait2": 3, "established": 4}


def remove_if_empty(path):
    """Removes the cgroup `path` where nothing is below it: others may have pods there too."""
    for root in ROOT_CGROUPS:
        for directory in glob.glob(root + path):
            with contextlib.suppress(OSError):
                os.rmdir(directory)


class Container:
    """A running container."""

    def __init__(self, full_id, pid):
        self.id = full_id
        self.pid = pid

    def rows(self):
        """What `ss` shows from inside its network namespace."""
        return ss_rows("nsenter", "-t", self.pid, "-n")


class Podman(contextlib.ExitStack):
    """podman with nothing of the machine's but its kernel."""

    def __enter__(self):
        super().__enter__()
        require("podman", "nsenter", "ss", "busybox")
        if not os.access(RUNC, os.X_OK):
            raise AssertionError(f"these tests need {RUNC}: not found")
        self._directory = pathlib.Path(self.enter_context(
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        configuration = self._directory / "containers.conf"
        configuration.write_text(CONTAINERS_CONF, encoding="ascii")
        self._command = [
            "env", f"CONTAINERS_CONF={configuration}", "podman",
            "--root", f"{self._directory}/root", "--runroot", f"{self._directory}/runroot",
            "--tmpdir", f"{self._directory}/tmp", "--storage-driver", "vfs",
            "--cgroup-manager", "cgroupfs", "--runtime", RUNC, "--events-backend", "file",
        ]
        self._rootfs = self._make_rootfs()
        self._containers = []
        self._cgroups = []
        self.enter_context(cleaned_up(self.remove_all))
        return self

    def _make_rootfs(self):
        programs = self._directory / "rootfs" / "bin"
        programs.mkdir(parents=True)
        shutil.copy(shutil.which("busybox"), programs / "busybox")
        for name in ("sh", "sleep", "nc"):
            (programs / name).symlink_to("busybox")
        return str(programs.parent)

    def start(self, cgroup_parent, network, *command):
        """Runs a container in the background."""
        name = f"cwtest-{os.getpid()}-{len(self._containers)}"
        self._cgroups.append(cgroup_parent)
        self._containers.append(name)  # also one that fails to start has to be removed
        full_id = run(*self._command, "run", "--detach", "--name", name, "--network", network,
                      "--cgroup-parent", cgroup_parent, "--rootfs", self._rootfs,
                      *command).strip()
        pid = run(*self._command, "inspect", "--format", "{{.State.Pid}}", full_id).strip()
        return Container(full_id, pid)

    def remove(self, container):
        """Kills and removes a container, by id or name."""
        run(*self._command, "rm", "--force", "--ignore", "--time", "0", container)

    def remove_all(self):
        """Safe to call again. A container that shares another's namespace must go before it."""
        failures = []
        for name in reversed(self._containers):
            try:
                self.remove(name)
            except AssertionError as failure:  # the others must go all the same
                failures.append(str(failure))
        for cgroup in self._cgroups:
            wait_for(lambda path=cgroup: remove_cgroup(path), f"{cgroup} to be removed")
        for cgroup in ("/kubepods/besteffort", "/kubepods"):
            if any(used.startswith(cgroup + "/") for used in self._cgroups):
                remove_if_empty(cgroup)
        self._containers.clear()
        self._cgroups.clear()
        if failures:
            raise AssertionError("\n".join(failures))


class StandaloneTest(unittest.TestCase):
    """A container on a machine without Kubernetes."""

    FLAGS = ("--pods.discovery", "standalone")

    def setUp(self):
        self.podman = self.enterContext(Podman())
        self.cgroup = f"/cwtest-{os.getpid()}"

    def scan(self):
        """The pods of a scan."""
        done = run_closewatch("scan", "--output", "json", *self.FLAGS)
        self.assertEqual(0, done.returncode, done.stderr)
        return json.loads(done.stdout)["pods"]

    def test_a_container_goes_by_its_short_id(self):
        container = self.podman.start(self.cgroup, "none", "sh", "-c", SERVE)
        wait_for(container.rows, "the container to listen")
        (pod,) = [pod for pod in self.scan() if pod["uid"] == container.id]
        self.assertEqual(("netns", container.id[:12], True),
                         (pod["namespace"], pod["pod"], pod["visible"]))
        self.assertEqual(count_states(container.rows()), pod["states"])
        self.assertEqual(1, pod["states"]["listen"])
        self.assertEqual([SERVER_PORT], [listener["port"] for listener in pod["listeners"]])

    def test_containers_of_one_namespace_are_one_pod(self):
        first = self.podman.start(self.cgroup, "none", "sh", "-c", SERVE)
        wait_for(first.rows, "the container to listen")
        second = self.podman.start(self.cgroup, f"container:{first.id}", "sleep", "100000")
        pods = [pod for pod in self.scan() if pod["uid"] in (first.id, second.id)]
        self.assertEqual([first.id], [pod["uid"] for pod in pods])

    def test_a_container_on_the_host_network_is_no_pod(self):
        container = self.podman.start(self.cgroup, "host", "sleep", "100000")
        self.assertNotIn(container.id, [pod["uid"] for pod in self.scan()])

    def test_a_removed_container_is_gone_from_the_next_scan(self):
        agent = self.enterContext(Agent())
        container = self.podman.start(self.cgroup, "none", "sleep", "100000")
        self.assertTrue(pod_states(agent.fresh_metrics(), container.id[:12]))
        self.podman.remove(container.id)
        agent.fresh_metrics()
        self.assertNotIn(container.id[:12], agent.metrics_text())


class KubernetesTest(unittest.TestCase):
    """Two pods as the kubelet would lay them out; all tests only look at them."""

    @classmethod
    def setUpClass(cls):
        cls.podman = cls.enterClassContext(Podman())
        cls.uid, cls.host_uid = str(uuid.uuid4()), str(uuid.uuid4())
        cls.server = cls.podman.start(cls.cgroup(cls.uid), "none", "sh", "-c", SERVE)
        wait_for(cls.server.rows, "the server to listen")
        cls.client = cls.podman.start(
            cls.cgroup(cls.uid), f"container:{cls.server.id}", "sh", "-c", CLIENTS)
        cls.host_port = free_port()
        cls.host = cls.podman.start(cls.cgroup(cls.host_uid), "host",
                                    "nc", "-ll", "-p", str(cls.host_port), "-e", "sleep", "100000")
        wait_for(cls.sockets_are_made, f"the sockets {EXPECTED}")
        cls.flags = cls.make_logs()

    @staticmethod
    def cgroup(uid):
        """Where the kubelet puts a pod that asks for no resources."""
        return f"/kubepods/besteffort/pod{uid}"

    @classmethod
    def sockets_are_made(cls):
        """Whether the containers' programs have come so far."""
        counts = count_states(cls.server.rows())
        return {state: count for state, count in counts.items() if count > 0} == EXPECTED

    @classmethod
    def make_logs(cls):
        """The kubelet's directories of logs, which tell names; returns the flags that lead there."""
        directory = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        for name in (f"shop_cart-0_{cls.uid}", f"shop_monitor-0_{cls.host_uid}"):
            (directory / "pods" / name).mkdir(parents=True)
        containers = directory / "containers"
        containers.mkdir()
        for name, container in (("server", cls.server), ("client", cls.client)):
            (containers / f"cart-0_shop_{name}-{container.id}.log").symlink_to("/dev/null")
        return ("--pods.discovery", "kubernetes", "--paths.pod_logs", str(directory / "pods"),
                "--paths.container_logs", str(containers))

    def scan(self, prefix=(), discovery=None):
        """A scan as JSON."""
        flags = self.flags if discovery is None else (*self.flags[2:], "--pods.discovery",
                                                      discovery)
        # Who lacks a privilege would get another engine by auto.
        engine = ("--scan.engine", "inet_diag") if prefix else ()
        done = run_closewatch("scan", "--output", "json", *flags, *engine, prefix=prefix)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return json.loads(done.stdout)

    def pod(self, found, uid):
        """The one entry of a pod."""
        (pod,) = [pod for pod in found["pods"] if pod["uid"] == uid]
        return pod

    def test_a_pod_has_its_name_and_each_socket_once(self):
        pod = self.pod(self.scan(), self.uid)
        self.assertEqual(("shop", "cart-0", True, False),
                         (pod["namespace"], pod["pod"], pod["visible"], pod["host_network"]))
        self.assertEqual(dict.fromkeys(STATES.values(), 0) | EXPECTED, pod["states"])
        self.assertEqual(count_states(self.server.rows()), pod["states"])
        self.assertEqual(count_states(self.client.rows()), pod["states"])

    def test_listeners_of_all_containers_are_listed(self):
        pod = self.pod(self.scan(), self.uid)
        self.assertEqual([SERVER_PORT, OTHER_PORT],
                         [listener["port"] for listener in pod["listeners"]])
        self.assertEqual(count_listeners(self.server.rows()), pod["listeners"])

    def test_a_host_network_pod_has_its_own_sockets_of_the_hosts(self):
        wait_for(lambda: self.pod(self.scan(), self.host_uid).get("listeners"),
                 "the pod to listen")
        pod = self.pod(self.scan(), self.host_uid)
        self.assertEqual(("shop", "monitor-0", True, True),
                         (pod["namespace"], pod["pod"], pod["visible"], pod["host_network"]))
        unknown = {"syn_recv", "fin_wait2", "time_wait"}
        self.assertEqual(
            {state: 0 for state in STATES.values() if state not in unknown} | {"listen": 1},
            pod["states"])
        self.assertEqual([self.host_port], [listener["port"] for listener in pod["listeners"]])

    def test_the_leak_is_of_the_container_that_made_the_listener(self):
        containers = self.pod(self.scan(), self.uid)["close_wait"]["containers"]
        self.assertEqual(["client", "server"], [one["container"] for one in containers])
        self.assertEqual([0, 3], [sum(one["inbound"].values()) for one in containers])
        self.assertEqual([0, 0], [sum(one["outbound"].values()) for one in containers])

    def test_each_socket_is_listed_with_its_container(self):
        done = run_closewatch("scan", "--sockets", "--pod", "shop/cart-0", "--output", "json",
                              *self.flags)
        sockets = json.loads(done.stdout)["sockets"]
        self.assertEqual(["server"] * 3, [one["container"] for one in sockets])
        self.assertEqual([f"127.0.0.1:{SERVER_PORT}"] * 3, [one["local"] for one in sockets])
        self.assertEqual({"sleep"}, {one["process"]["comm"] for one in sockets})

    def test_auto_takes_kubernetes_where_its_cgroups_are(self):
        names = [(pod["namespace"], pod["pod"]) for pod in self.scan(discovery="auto")["pods"]]
        self.assertIn(("shop", "cart-0"), names)
        self.assertNotIn("netns", [namespace for namespace, _ in names])

    def test_filters_know_kubernetes_names(self):
        done = run_closewatch("scan", *self.flags, "-n", "shop", "--pod", "cart-0",
                              "--state", "close_wait")
        self.assertEqual(
            (0, ["NAMESPACE POD CLOSE_WAIT".split(), "shop cart-0 3".split()]),
            (done.returncode, [line.split()[:3] for line in done.stdout.splitlines()]))

    def test_metrics_blame_the_leaking_pod_and_not_the_host_network_one(self):
        agent = self.enterContext(Agent(*self.flags))
        metrics = agent.fresh_metrics()
        self.assertEqual(3, pod_states(metrics, "cart-0")["close_wait"])
        self.assertEqual(0, pod_states(metrics, "monitor-0")["close_wait"])
        self.assertNotIn("time_wait", pod_states(metrics, "monitor-0"))
        ((labels, visible),) = select(
            metrics, "closewatch_pod_visible", pod="monitor-0").items()
        self.assertEqual(("", 1), (dict(labels)["reason"], visible))
        (info,) = select(metrics, "closewatch_pod_info", pod="monitor-0")
        self.assertEqual(("true", self.host_uid),
                         (dict(info)["host_network"], dict(info)["uid"]))
        agent.stop()
        blamed = [line for line in agent.log if " warning " in line and "monitor-0" in line]
        self.assertEqual([], blamed)

    def test_a_pod_without_logs_goes_by_its_uid(self):
        agent = self.enterContext(Agent(*self.flags[:2], "--paths.pod_logs", "/nowhere"))
        metrics = agent.fresh_metrics()
        ((labels, _),) = select(metrics, "closewatch_pod_info", uid=self.uid).items()
        self.assertEqual(("unknown", self.uid), (dict(labels)["namespace"], dict(labels)["pod"]))
        self.assertEqual(3, pod_states(metrics, self.uid)["close_wait"])
        (errors,) = select(metrics, "closewatch_scan_errors_total", stage="metadata").values()
        self.assertGreater(errors, 0)

    def test_without_sys_ptrace_nobody_gets_a_count(self):
        """Who the host is cannot be told then, and a pod could be blamed for the host's sockets."""
        found = self.scan(without("sys_ptrace"))
        self.assertEqual({"visible": False}, found["node"])
        for uid in (self.uid, self.host_uid):
            pod = self.pod(found, uid)
            self.assertEqual((False, "denied"), (pod["visible"], pod["reason"]))
            self.assertIn("CAP_SYS_PTRACE", pod["detail"])
            self.assertFalse({"states", "listeners"} & set(pod))

    def test_without_sys_admin_the_node_is_still_counted(self):
        found = self.scan(without("sys_admin"))
        self.assertTrue(found["node"]["visible"])
        pod = self.pod(found, self.uid)
        self.assertEqual((False, "denied"), (pod["visible"], pod["reason"]))
        self.assertIn("CAP_SYS_ADMIN", pod["detail"])
        self.assertNotIn("states", pod)


if __name__ == "__main__":
    unittest.main()
