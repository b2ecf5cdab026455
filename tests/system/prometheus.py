# SPDX-License-Identifier: Apache-2.0
"""The real Prometheus and the real Alertmanager as processes of a test, each on a port of its own."""

import contextlib
import json
import os
import pathlib
import subprocess
import tempfile
import urllib.parse
import urllib.request

from agent import DEADLINE_SECONDS, cleaned_up, free_port, require, wait_for


class Server(contextlib.ExitStack):
    """A program that says at /-/ready that it is. Unless it is given a directory it forgets everything at the end."""

    program = None

    def __init__(self, configuration, directory=None):
        super().__init__()
        self._configuration = configuration
        self.directory = directory
        self._process = None
        self._log = None
        self.port = None

    def command(self, configuration):
        raise NotImplementedError

    def __enter__(self):
        super().__enter__()
        require(self.program)
        self.directory = pathlib.Path(self.directory or self.enter_context(tempfile.TemporaryDirectory()))
        configuration = self.directory / f"{self.program}.yml"
        configuration.write_text(self._configuration, encoding="utf-8")
        self._log = self.enter_context(open(self.directory / "log", "w+", encoding="utf-8"))
        self.enter_context(cleaned_up(self.stop))
        self.port = free_port()
        self._process = subprocess.Popen(self.command(configuration), stdin=subprocess.DEVNULL, stdout=self._log,
                                         stderr=subprocess.STDOUT)
        try:
            wait_for(self._is_ready, f"{self.program} to be ready")
        except BaseException:
            self.close()
            raise
        return self

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def log(self):
        """What it has written so far."""
        return (self.directory / "log").read_text(encoding="utf-8")

    def _is_ready(self):
        if self._process.poll() is not None:
            raise AssertionError(f"{self.program} ended:\n{self.log()}")
        with contextlib.suppress(OSError):  # refused or 503 until then
            return bool(self.read("/-/ready"))
        return False

    def read(self, path, timeout=DEADLINE_SECONDS):
        with urllib.request.urlopen(f"{self.url}{path}", timeout=timeout) as answer:
            return answer.read()

    def stop(self):
        """Safe to call again."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Prometheus(Server):
    """A server with the given configuration and further flags."""

    program = "prometheus"

    def __init__(self, configuration, *flags, directory=None):
        super().__init__(configuration, directory)
        self._flags = flags

    def command(self, configuration):
        return ["prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={self.directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}", *self._flags]

    def query(self, expression, at=None, timeout=DEADLINE_SECONDS):
        """An instant query: list of (labels, value)."""
        question = urllib.parse.urlencode({"query": expression} | ({"time": at} if at is not None else {}))
        answer = json.loads(self.read(f"/api/v1/query?{question}", timeout))
        return [(sample["metric"], float(sample["value"][1])) for sample in answer["data"]["result"]]

    def cpu_seconds(self):
        """That it has used so far."""
        fields = pathlib.Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def value(self, expression, at=None):
        """The value of the only sample, None without one."""
        samples = self.query(expression, at)
        return samples[0][1] if len(samples) == 1 else None


class Alertmanager(Server):
    """A single one, without peers."""

    program = "prometheus-alertmanager"

    def command(self, configuration):
        return ["prometheus-alertmanager", f"--config.file={configuration}", f"--storage.path={self.directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address="]
