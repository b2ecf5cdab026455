# SPDX-License-Identifier: Apache-2.0
"""`closewatch top` as somebody at a terminal meets it: a real one of tmux's, `ss` as the reference.

The shell is dash, which gives no terminal back by itself as bash would: whatever is in order after
the end of `top` has been put in order by `top`.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from agent import (STANDALONE, Agent, Impostor, Namespace, binary, cleaned_up,  # noqa: E402
                   free_port, require, run, run_closewatch, wait_for)

PROMPT = "ready> "
# A sanitizer's runtime would make an exit of a crash.
CRASHES = "ASAN_OPTIONS=handle_segv=0 TSAN_OPTIONS=handle_segv=0"


class Terminal(unittest.TestCase):
    """A terminal of 80×24 with a shell in it, two namespaces that leak and an agent."""

    def setUp(self):
        require("tmux", "dash", "pgrep")
        self.cart = self.enterContext(Namespace("cart", close_wait=9, connections=2))
        self.search = self.enterContext(Namespace("search", close_wait=4))
        self.idle = self.enterContext(Namespace("idle"))
        self.tmux_name = f"cwtest-{os.getpid()}"
        self.enterContext(cleaned_up(self.end_tmux))
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24",
                  f"env PS1='{PROMPT}' ENV= {CRASHES} dash")
        self.wait_for_line(PROMPT.strip())

    def tmux(self, *arguments):
        return run("tmux", "-L", self.tmux_name, *arguments)

    def end_tmux(self):
        subprocess.run(("tmux", "-L", self.tmux_name, "kill-server"), check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def lines(self):
        return self.tmux("capture-pane", "-p").splitlines()

    def line_with(self, text):
        """The first such line, empty when there is none."""
        return next((line for line in self.lines() if text in line), "")

    def wait_for_line(self, text):
        def found():
            return self.line_with(text)
        try:
            return wait_for(found, f"'{text}'")
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *self.lines()])) from None

    def wait_until_gone(self, text):
        wait_for(lambda: not self.line_with(text), f"'{text}' to go")

    def press(self, *keys):
        self.tmux("send-keys", *keys)

    def type(self, text):
        self.tmux("send-keys", "-l", "--", text)

    def command(self, *arguments):
        return " ".join([binary(), "top", *STANDALONE, *arguments])

    def start(self, *arguments):
        self.type(self.command(*arguments))
        self.press("Enter")
        self.wait_for_line("closewatch top - ")

    def start_beside_an_agent(self):
        """Shows this test's pods only."""
        agent = self.enterContext(Agent("--diagnosis.stuck_after", "1s"))
        agent.wait_until_ready()
        self.start("--web.listen-address", f"127.0.0.1:{agent.port}")
        self.wait_for_line(f"agent at 127.0.0.1:{agent.port}")
        self.only_mine()
        return agent

    def only_mine(self):
        self.press("/")
        self.type(f"cwtest-{os.getpid()}")
        self.press("Enter")

    def rows(self):
        """Name (cut as it is shown) and count in CLOSE_WAIT of each pod on the screen."""
        found = re.findall(r"^(netns/\S+) +(\d+) ", "\n".join(self.lines()), re.MULTILINE)
        return [(name, int(count)) for name, count in found]

    def wait_for_rows(self, *expected):
        """Pairs of a namespace and its count; names may be cut to the column's width."""
        def right():
            rows = self.rows()
            return len(rows) == len(expected) and all(
                f"netns/{namespace.name}".startswith(name.rstrip("~")) and count == wanted
                for (name, count), (namespace, wanted) in zip(rows, expected))
        try:
            wait_for(right, f"{[(namespace.name, count) for namespace, count in expected]}")
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *self.lines()])) from None

    def shell_pid(self):
        return int(self.tmux("display-message", "-p", "#{pane_pid}"))

    @staticmethod
    def child_of(pid):
        return int(run("pgrep", "-P", str(pid)))

    def modes(self):
        """What the terminal's driver is set to, read beside the shell."""
        tty = self.tmux("display-message", "-p", "#{pane_tty}").strip()
        return run("stty", "-a", "-F", tty)

    def screen_state(self):
        """Whether the second screen is on, and whether the cursor shows."""
        return self.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag}").strip()

    def assert_terminal_given_back(self, modes):
        wait_for(lambda: self.screen_state() == "0 1", "the first screen and a cursor")
        wait_for(lambda: self.modes() == modes, "the terminal's modes")
        self.type("echo typed-$((40 + 2))")
        self.press("Enter")
        self.wait_for_line("typed-42")


class ShowTest(Terminal):
    """What is on the screen."""

    def test_it_shows_the_counts_that_ss_has_and_follows_them(self):
        self.start_beside_an_agent()
        self.wait_for_rows((self.cart, 9), (self.search, 4), (self.idle, 0))
        self.assertEqual([9, 4, 0], [space.states()["close_wait"] for space in
                                     (self.cart, self.search, self.idle)])
        with Namespace("more", close_wait=12) as more:
            self.wait_for_rows((more, 12), (self.cart, 9), (self.search, 4), (self.idle, 0))
            self.assertEqual(12, more.states()["close_wait"])
        self.wait_for_rows((self.cart, 9), (self.search, 4), (self.idle, 0))

    def test_it_costs_the_agent_no_scan(self):
        """Looking at a snapshot of an agent that scans once an hour shows it, and stays."""
        agent = self.enterContext(Agent("--scan.interval", "1h"))
        agent.wait_until_ready()
        self.start("--web.listen-address", f"127.0.0.1:{agent.port}")
        self.wait_for_line("every 3600 s")
        before = agent.metrics()
        self.press("n", "Enter", "Escape")
        self.wait_for_line("by name")
        key = ("closewatch_scan_cpu_seconds_total", frozenset())
        self.assertEqual(before[key], agent.metrics()[key])

    def test_without_an_agent_it_scans_itself_and_says_so(self):
        self.start("--web.listen-address", f"127.0.0.1:{free_port()}", "--scan.interval", "1s",
                   "--scan.cpu_budget", "1")
        self.wait_for_line("own scans, no agent answers")
        self.only_mine()
        self.wait_for_rows((self.cart, 9), (self.search, 4), (self.idle, 0))
        self.press("Enter")
        self.wait_for_line("9 of 9 sockets in CLOSE_WAIT")

    def test_it_says_that_the_agent_is_gone_and_goes_on_when_it_is_back(self):
        agent = self.start_beside_an_agent()
        self.wait_for_rows((self.cart, 9), (self.search, 4), (self.idle, 0))
        agent.stop()
        self.wait_for_line("Connection refused")
        self.assertIn(self.cart.name[:12], "\n".join(self.lines()), "what was known stays")
        self.enterContext(Agent(port=agent.port)).wait_until_ready()
        self.wait_until_gone("Connection refused")
        self.wait_for_rows((self.cart, 9), (self.search, 4), (self.idle, 0))


class KeyTest(Terminal):
    """What keys do."""

    def test_sorting_and_filtering(self):
        self.start_beside_an_agent()
        self.press("n")
        self.wait_for_rows((self.cart, 9), (self.idle, 0), (self.search, 4))
        self.press("r")
        self.wait_for_rows((self.search, 4), (self.idle, 0), (self.cart, 9))
        self.press("c")
        self.press("r")
        self.press("/")
        self.type("-search")
        self.wait_for_rows((self.search, 4))
        self.press("Escape")
        self.only_mine()
        self.press("w")
        self.wait_for_rows((self.cart, 9), (self.search, 4), (self.idle, 0))

    def test_drilling_into_a_pods_sockets(self):
        self.start_beside_an_agent()
        self.wait_for_rows((self.cart, 9), (self.search, 4), (self.idle, 0))
        self.press("Down", "Enter")
        self.wait_for_line(f"netns/{self.search.name}: 4 of 4 sockets in CLOSE_WAIT")
        remotes = {row[4] for row in self.search.rows() if row[0] == "CLOSE-WAIT"}
        # `ss` writes v4-mapped addresses as they are, closewatch as what they mean.
        remotes = {re.sub(r"^\[::ffff:([\d.]+)\]", r"\1", remote) for remote in remotes}

        def shown():
            return {line.split()[0] for line in self.lines() if re.match(r"(127|\[::1)", line)}
        wait_for(lambda: shown() == remotes, f"{remotes}, there is {shown()}")
        self.press("Escape")
        self.wait_for_rows((self.cart, 9), (self.search, 4), (self.idle, 0))

    def test_another_size(self):
        self.start_beside_an_agent()
        self.wait_for_rows((self.cart, 9), (self.search, 4), (self.idle, 0))
        self.assertNotIn("CONTAINER", "\n".join(self.lines()))
        self.tmux("resize-window", "-x", "130", "-y", "30")
        self.wait_for_line("CONTAINER")
        wait_for(lambda: "q quit" in self.lines()[-1] and len(self.lines()) == 30,
                 "the help in the last line")
        self.tmux("resize-window", "-x", "40", "-y", "8")
        wait_for(lambda: len(self.lines()) == 8 and "STUCK" in self.line_with("CL_WAIT"),
                 "a small screen")
        self.tmux("resize-window", "-x", "80", "-y", "24")
        self.wait_for_line("TOP PEER")


class EndTest(Terminal):
    """However it ends, the terminal is as it was."""

    def run_to_the_end(self, end):
        modes = self.modes()
        self.start_beside_an_agent()
        self.wait_for_rows((self.cart, 9), (self.search, 4), (self.idle, 0))
        self.assertEqual("1 0", self.screen_state(), "a full screen without a cursor")
        self.assertNotEqual(modes, self.modes())
        parent = self.child_of(self.shell_pid())
        display = self.child_of(parent)
        end(parent, display)
        self.assert_terminal_given_back(modes)
        for pid in (parent, display):
            wait_for(lambda pid=pid: not os.path.exists(f"/proc/{pid}"), f"the end of {pid}")

    def test_q(self):
        self.run_to_the_end(lambda *_: self.press("q"))

    def test_q_where_the_end_of_children_is_ignored(self):
        modes = self.modes()
        self.type(f"env --ignore-signal=CHLD {self.command()}")
        self.press("Enter")
        self.wait_for_line("closewatch top - ")
        self.press("q")
        self.assert_terminal_given_back(modes)

    def test_control_c(self):
        self.run_to_the_end(lambda *_: self.press("C-c"))

    def test_sigterm(self):
        self.run_to_the_end(lambda parent, _: os.kill(parent, signal.SIGTERM))

    def test_sighup(self):
        self.run_to_the_end(lambda parent, _: os.kill(parent, signal.SIGHUP))

    def test_sigkill(self):
        self.run_to_the_end(lambda parent, _: os.kill(parent, signal.SIGKILL))

    def test_sigkill_of_the_display(self):
        self.run_to_the_end(lambda _, display: os.kill(display, signal.SIGKILL))
        self.wait_for_line("signal 9 ended the display; the terminal is as it was")

    def test_a_crash(self):
        self.run_to_the_end(lambda _, display: os.kill(display, signal.SIGSEGV))

    def test_an_unknown_terminal_is_one_clear_line(self):
        modes = self.modes()
        self.type(f"TERM=nonesuch {self.command()}")
        self.press("Enter")
        self.wait_for_line("the terminal type 'nonesuch' is not known here: set TERM")
        self.assert_terminal_given_back(modes)


class PipeTest(unittest.TestCase):
    """Where there is no terminal."""

    def test_it_prints_the_agents_snapshot_once(self):
        space = self.enterContext(Namespace("pipe", close_wait=3))
        agent = self.enterContext(Agent("--scan.interval", "1h"))
        agent.wait_until_ready()
        address = ("--web.listen-address", f"127.0.0.1:{agent.port}")
        with Namespace("later"):  # which the agent has not seen, and a scan would
            done = run_closewatch("top", *STANDALONE, *address)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertRegex(done.stdout, rf"(?m)^netns +{re.escape(space.name)} +3 ")
        self.assertNotIn("later", done.stdout)
        self.assertNotIn("\x1b", done.stdout)

    def test_an_impostors_words_cannot_move_the_cursor(self):
        agent = self.enterContext(Agent())
        agent.wait_until_ready()
        hostile = agent.get_json("/api/v1/pods")
        hostile["pods"] = [{"namespace": Impostor.ESCAPES, "pod": Impostor.ESCAPES, "uid": "u", "workload_kind": "",
                            "workload": "", "host_network": False, "visible": False, "reason": "denied",
                            "detail": Impostor.ESCAPES}]
        for status, body in ((200, json.dumps(hostile)), (200, Impostor.ESCAPES), (500, Impostor.ESCAPES)):
            with self.subTest(status), Impostor(status, body) as impostor:
                done = run_closewatch("top", *STANDALONE, "--web.listen-address", impostor.address)
                self.assertNotRegex(done.stdout + done.stderr, "[\x00-\x09\x0b-\x1f\x7f]")

    def test_an_answer_without_end_takes_no_memory(self):
        """As JSON it would take twelve times its 32 MB."""
        with Impostor(200, "[" + "0," * (16 << 20) + "0]") as impostor:
            # A sanitizer keeps what is freed aside.
            process = subprocess.Popen(["env", "ASAN_OPTIONS=quarantine_size_mb=1", binary(), "top", *STANDALONE,
                                        "--web.listen-address", impostor.address],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(0, process.returncode)  # it has scanned itself
        self.assertLess(usage.ru_maxrss << 10, 128 << 20)

    def test_without_an_agent_it_scans_once(self):
        space = self.enterContext(Namespace("pipe", close_wait=3))
        done = run_closewatch("top", *STANDALONE, "--web.listen-address",
                              f"127.0.0.1:{free_port()}")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertRegex(done.stdout, rf"(?m)^netns +{re.escape(space.name)} +3 ")


if __name__ == "__main__":
    unittest.main()
