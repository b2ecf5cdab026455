# SPDX-License-Identifier: Apache-2.0
"""The commands that end by themselves, the settings, and what missing privileges do."""

import json
import os
import pathlib
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from agent import (STANDALONE, STATES, Agent, Namespace, binary, by_label,  # noqa: E402
                   count_listeners, find, pod_states, require, run_closewatch, scan,
                   scan_table, select, without)

NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")


class ScanTest(unittest.TestCase):
    """`closewatch scan`, the one-shot in place of `ss`."""

    @classmethod
    def setUpClass(cls):
        cls.leaky = cls.enterClassContext(
            Namespace("leaky", close_wait=4, connections=2, queued=3))
        cls.idle = cls.enterClassContext(Namespace("idle"))

    def test_a_named_namespace_is_introduced(self):
        pod = find(scan(), self.leaky.name)
        self.assertEqual(("netns", True, False),
                         (pod["namespace"], pod["visible"], pod["host_network"]))
        self.assertRegex(pod["uid"], r"^\d+$")

    def test_json_counts_as_ss_does(self):
        found = scan()
        for namespace in (self.leaky, self.idle):
            with self.subTest(namespace.name):
                pod = find(found, namespace.name)
                self.assertEqual(namespace.states(), pod["states"])
                self.assertEqual(count_listeners(namespace.rows()), pod["listeners"])
        self.assertEqual(4, find(found, self.leaky.name)["states"]["close_wait"])
        self.assertEqual(3, find(found, self.leaky.name)["listeners"][0]["backlog"])

    def test_a_pod_is_filtered_by_name(self):
        found = scan("--namespace", "netns", "--pod", self.leaky.name)
        self.assertEqual([self.leaky.name], [pod["pod"] for pod in found["pods"]])

    def test_a_namespace_keeps_all_its_pods(self):
        names = [pod["pod"] for pod in scan("-n", "netns")["pods"]]
        self.assertLessEqual({self.leaky.name, self.idle.name}, set(names))

    def test_a_state_keeps_only_pods_with_sockets_in_it(self):
        found = scan("--state", "close_wait")
        self.assertEqual({"close_wait": 4}, find(found, self.leaky.name)["states"])
        self.assertNotIn(self.idle.name, [pod["pod"] for pod in found["pods"]])

    def test_no_socket_in_a_state_is_an_answer(self):
        found = scan("--pod", self.idle.name, "--state", "close_wait")
        self.assertEqual([], found["pods"])

    def test_no_match_is_a_failure_that_names_what_was_asked_for(self):
        for asked in (("--pod", "nobody-0"), ("--namespace", "nowhere"),
                      ("--namespace", "nowhere", "--pod", self.leaky.name)):
            for output in ("json", "table"):
                with self.subTest(asked=asked, output=output):
                    done = run_closewatch("scan", *STANDALONE, "--output", output, *asked)
                    self.assertEqual((1, ""), (done.returncode, done.stdout))
                    for name in asked[1::2]:
                        self.assertIn(name, done.stderr)

    def test_the_table_has_a_header_and_the_numbers(self):
        header, *rows = scan_table("--namespace", "netns", "--pod", self.leaky.name)
        self.assertEqual(["NAMESPACE", "POD"], header[:2])
        (row,) = rows
        self.assertEqual(["netns", self.leaky.name], row[:2])
        present = {state: count for state, count in self.leaky.states().items() if count > 0}
        shown = {name.lower(): int(count) for name, count in zip(header, row, strict=True)
                 if name.lower() in STATES.values()}
        self.assertEqual(present, shown)

    def test_the_table_shows_the_leaks_first_and_the_node_last(self):
        names = [row[1] for row in scan_table()[1:]]
        self.assertLess(names.index(self.leaky.name), names.index(self.idle.name))
        self.assertEqual("[node]", names[-1])

    def test_an_answer_that_cannot_be_written_is_a_failure(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            self.assertEqual(1, run_closewatch("scan", *STANDALONE, stdout=full).returncode)
            self.assertEqual(1, run_closewatch("check-config", stdout=full).returncode)

    def test_nobody_who_reads_the_answer_is_a_failure_that_is_told(self):
        for command in (("scan", *STANDALONE), ("top", *STANDALONE), ("check-config",)):
            with self.subTest(command):
                reader, writer = os.pipe()
                os.close(reader)
                with open(writer, "w", encoding="ascii") as pipe:
                    done = run_closewatch(*command, stdout=pipe)
                self.assertEqual((1, "closewatch: the output could not be written: Broken pipe\n"),
                                 (done.returncode, done.stderr))

    def test_nothing_seen_is_a_failure(self):
        done = run_closewatch("scan", *STANDALONE, "--paths.proc", "/nowhere")
        self.assertEqual(1, done.returncode)
        self.assertIn("/nowhere", done.stderr)


class UsageTest(unittest.TestCase):
    """Mistakes on the command line itself."""

    def test_mistakes_are_usage_errors(self):
        mistakes = [
            (), ("no-such-command",), ("serve", "extra"), ("scan", "--no-such-flag"),
            ("scan", "--state", "open"), ("scan", "--output", "xml"), ("scan", "--pod"),
            ("check-config", "--config"),
        ]
        for arguments in mistakes:
            with self.subTest(arguments=arguments):
                done = run_closewatch(*arguments)
                self.assertEqual((2, ""), (done.returncode, done.stdout))
                self.assertTrue(done.stderr.strip())

    def test_bad_values_name_the_flag(self):
        values = {
            "scan.interval": ("5", "0s", "999ms", "2h", "-5s", "5 s", ""),
            "scan.cpu_budget": ("0", "1.1", "nan", "1%"),
            "diagnosis.stuck_after": ("0s", "999ms", "25h", "60"),
            "diagnosis.peers": ("1.5", "-1", "101", "nan", "all", ""),
            "api.socket_detail": ("maybe", "True", "1", ""),
            "pods.discovery": ("docker",),
            "paths.proc": ("proc",),
            "web.listen-address": ("9100", ":65536", "localhost:1", "::1:80"),
            "web.telemetry-path": ("metrics", "/api", "/api/v1/metrics"),
            "log.level": ("loud",),
            "log.format": ("JSON",),
        }
        for flag, texts in values.items():
            for text in texts:
                for command in ("serve", "scan", "check-config"):
                    with self.subTest(flag=flag, text=text, command=command):
                        done = run_closewatch(command, f"--{flag}={text}")
                        self.assertEqual((2, ""), (done.returncode, done.stdout))
                        self.assertIn(f"--{flag}", done.stderr)

    def test_help_and_version_go_to_standard_output(self):
        for arguments in (("--help",), ("serve", "--help"), ("scan", "-h"), ("--version",)):
            with self.subTest(arguments=arguments):
                done = run_closewatch(*arguments)
                self.assertEqual((0, ""), (done.returncode, done.stderr))
                self.assertTrue(done.stdout)


    def test_the_version_tells_the_commit_where_the_build_knew_it(self):
        self.assertRegex(run_closewatch("--version").stdout,
                         r"^\d+\.\d+\.\d+( \(revision [0-9a-f]{40}(-modified)? of \d{4}-\d\d-\d\dT[0-9:]{8}(Z|[+-]\d\d:\d\d)\))?\n$")


class ConfigurationTest(unittest.TestCase):
    """The YAML file."""

    def setUp(self):
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def write(self, text):
        """A configuration file; returns its name."""
        file = self.directory / "closewatch.yml"
        file.write_text(text, encoding="utf-8")
        return str(file)

    def check(self, text, *flags):
        """The verdict on a configuration file."""
        return run_closewatch("check-config", "--config", self.write(text), *flags)

    def test_valid_files_are_valid(self):
        full = ("scan:\n  interval: 5s\n  cpu_budget: 0.02\n"
                "diagnosis:\n  stuck_after: 24h\n  peers: 0\napi:\n  socket_detail: false\n"
                "pods:\n  discovery: kubernetes\n"
                "paths:\n  proc: /host/proc\nweb:\n  listen-address: '[::1]:9000'\n"
                "log:\n  level: debug\n  format: json\n")
        for text in (full, "", "# only a comment\n", "scan:\n"):
            with self.subTest(text=text):
                done = self.check(text)
                self.assertEqual((0, ""), (done.returncode, done.stderr))

    def test_mistakes_name_file_line_and_key(self):
        mistakes = {
            "typo": ("scan:\n  intervall: 5s\n", 2, "scan.intervall"),
            "typo in a section": ("log:\n  level: info\nscans:\n  interval: 5s\n", 3, "scans"),
            "a list for a value": ("scan:\n  interval: [5s]\n", 2, "scan.interval"),
            "a value for a section": ("log:\n  level: info\nweb: 3\n", 3, "web"),
            "a word for a number": ("scan:\n  cpu_budget: little\n", 2, "scan.cpu_budget"),
            "a number without unit": ("scan:\n  interval: 10\n", 2, "scan.interval"),
            "too much": ("scan:\n  interval: 5s\n  cpu_budget: 7\n", 3, "scan.cpu_budget"),
            "half a peer": ("diagnosis:\n  peers: 1.5\n", 2, "diagnosis.peers"),
            "stuck at once": ("diagnosis:\n  stuck_after: 0s\n", 2, "diagnosis.stuck_after"),
            "neither yes nor no": ("api:\n\n  socket_detail: maybe\n", 3, "api.socket_detail"),
            "too short": ("\n\nscan:\n  interval: 10ms\n", 4, "scan.interval"),
            "given twice": ("log:\n  level: info\n  level: warn\n", 3, "log.level"),
            "given twice in two ways": ("log.level: info\nlog:\n  level: warn\n", 3, "log.level"),
        }
        for name, (text, line, key) in mistakes.items():
            with self.subTest(name):
                done = self.check(text)
                self.assertEqual((1, ""), (done.returncode, done.stdout))
                (complaint,) = done.stderr.splitlines()
                self.assertIn(f"closewatch.yml:{line}: {key}: ", complaint)

    def test_invalid_yaml_names_file_and_line(self):
        for text, line in (("log:\n  level: info\n\tformat: json\n", 3),
                           ("log:\n  level: a: b\n", 2), ("log:\n  level: [\n", 3)):
            with self.subTest(text=text):
                done = self.check(text)
                self.assertEqual((1, ""), (done.returncode, done.stdout))
                self.assertIn(f"closewatch.yml:{line}: ", done.stderr)

    def test_a_file_without_keys_is_refused(self):
        done = self.check("- interval\n- level\n")
        self.assertEqual(1, done.returncode)
        self.assertIn("closewatch.yml:1: ", done.stderr)

    def test_a_second_document_is_not_passed_over(self):
        done = self.check("scan:\n  interval: 5s\n---\nscan:\n  intervall: 5s\n")
        self.assertEqual(1, done.returncode)
        self.assertIn("closewatch.yml:", done.stderr)

    def test_every_mistake_is_told_at_once(self):
        done = self.check("scan:\n  interval: soon\nlog:\n  colour: red\n")
        self.assertEqual(1, done.returncode)
        self.assertEqual(2, len(done.stderr.splitlines()), done.stderr)

    def test_a_missing_file_is_named(self):
        missing = str(self.directory / "missing.yml")
        for command in ("check-config", "scan", "serve"):
            with self.subTest(command=command):
                done = run_closewatch(command, "--config", missing)
                self.assertEqual((1, ""), (done.returncode, done.stdout))
                self.assertIn(missing, done.stderr)

    def test_no_command_starts_with_a_bad_file(self):
        file = self.write("scan:\n  intervall: 5s\n")
        for command in ("scan", "serve"):
            with self.subTest(command=command):
                done = run_closewatch(command, "--config", file)
                self.assertEqual((1, ""), (done.returncode, done.stdout))
                self.assertIn("scan.intervall", done.stderr)

    def test_flags_win_over_the_file(self):
        file = self.write("web:\n  telemetry-path: /from-file\nlog:\n  format: json\n")
        agent = self.enterContext(
            Agent("--config", file, "--web.telemetry-path", "/from-flag"))
        self.assertEqual(200, agent.get("/from-flag").status)
        self.assertEqual(404, agent.get("/from-file").status)
        agent.stop()
        for line in agent.log:  # what no flag says is as the file says
            self.assertIn("message", json.loads(line))

    def test_a_bad_flag_is_a_usage_error_beside_a_good_file(self):
        done = self.check("scan:\n  interval: 5s\n", "--scan.interval", "soon")
        self.assertEqual(2, done.returncode)
        self.assertIn("--scan.interval", done.stderr)


class PrivilegesTest(unittest.TestCase):
    """Whatever is missing: the agent says what, and never a zero that it has not measured."""

    @classmethod
    def setUpClass(cls):
        require("setpriv")
        cls.namespace = cls.enterClassContext(Namespace("foreign", close_wait=2))

    def setUp(self):
        # Where the binary was built may be closed to other users.
        directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        directory.chmod(0o755)
        self.program = str(shutil.copy(binary(), directory / "closewatch"))
        pathlib.Path(self.program).chmod(0o755)

    def serve(self, prefix):
        """Log and metrics of an agent that has done a scan and ended."""
        with Agent("--scan.engine", "inet_diag", prefix=prefix, program=self.program) as agent:
            metrics = agent.fresh_metrics()
            agent.stop()
            return agent.log, metrics

    @staticmethod
    def warnings(log, capability):
        """The lines that say that it is missing, not those on its consequences for a pod."""
        return [line for line in log if f" warning {capability} is missing: " in line]

    def assert_denied(self, metrics):
        """The foreign namespace is not visible, says why, and has no counts of any kind."""
        (labels, visible), = select(
            metrics, "closewatch_pod_visible", pod=self.namespace.name).items()
        self.assertEqual(("denied", 0), (dict(labels)["reason"], visible))
        counted = {family for family, labels in metrics if ("pod", self.namespace.name) in labels}
        self.assertEqual({"closewatch_pod_visible", "closewatch_pod_info"}, counted)

    def assert_node_measured(self, metrics):
        """The agent itself listens in the host's namespace, so a zero would be a lie."""
        node = by_label(select(metrics, "closewatch_node_sockets"), "state")
        self.assertEqual(set(STATES.values()), set(node))
        self.assertGreaterEqual(node["listen"], 1)

    def assert_node_unseen(self, metrics):
        """Nobody can tell which namespace is the host's, so none is taken for it."""
        self.assertEqual({}, select(metrics, "closewatch_node_sockets"))

    def test_nothing_is_said_to_be_missing_when_nothing_is(self):
        log, metrics = self.serve(())
        self.assertFalse([line for line in log if "is missing" in line])
        self.assertEqual(2, pod_states(metrics, self.namespace.name)["close_wait"])

    def test_without_sys_admin_foreign_namespaces_are_denied(self):
        log, metrics = self.serve(without("sys_admin"))
        (warning,) = self.warnings(log, "CAP_SYS_ADMIN")
        self.assertIn("network namespace", warning)
        self.assertIn("reason=denied", warning)
        self.assertEqual([], self.warnings(log, "CAP_SYS_PTRACE"))
        self.assert_denied(metrics)
        self.assert_node_measured(metrics)

    def test_without_sys_ptrace_named_namespaces_are_still_counted(self):
        """They are reached through their file; no process needs to be looked at."""
        log, metrics = self.serve(without("sys_ptrace"))
        (warning,) = self.warnings(log, "CAP_SYS_PTRACE")
        self.assertIn("other users' processes", warning)
        self.assertEqual([], self.warnings(log, "CAP_SYS_ADMIN"))
        self.assertEqual(self.namespace.states(), pod_states(metrics, self.namespace.name))
        self.assert_node_unseen(metrics)

    def test_without_sys_ptrace_the_list_says_that_it_may_lack_pods(self):
        log, metrics = self.serve(without("sys_ptrace"))
        (errors,) = select(metrics, "closewatch_scan_errors_total", stage="discovery").values()
        self.assertGreater(errors, 0)
        self.assertTrue([line for line in log if " discovery: " in line], log)

    def test_nobody_is_denied_and_told_of_both(self):
        log, metrics = self.serve(NOBODY)
        for capability in ("CAP_SYS_ADMIN", "CAP_SYS_PTRACE"):
            self.assertEqual(1, len(self.warnings(log, capability)), capability)
        self.assert_denied(metrics)
        self.assert_node_unseen(metrics)

    def test_scan_as_nobody_says_denied_and_no_counts(self):
        done = run_closewatch("scan", "--output", "json", "--scan.engine", "inet_diag", *STANDALONE,
                              prefix=NOBODY, program=self.program)
        pod = find(json.loads(done.stdout), self.namespace.name)
        self.assertEqual((False, "denied"), (pod["visible"], pod["reason"]))
        self.assertIn("CAP_SYS_ADMIN", pod["detail"])
        self.assertFalse({"states", "listeners"} & set(pod))

    def test_an_unknown_host_is_not_given_the_counts_of_another_namespace(self):
        """Inside a namespace, and unable to look at the host's processes: the node is unseen."""
        found = scan(prefix=(*self.namespace.entering(), *without("sys_ptrace")))
        self.assertNotEqual(self.namespace.states(), found["node"].get("states"))


if __name__ == "__main__":
    unittest.main()
