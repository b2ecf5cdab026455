# SPDX-License-Identifier: Apache-2.0
"""A fake Kubernetes API server with many fake closewatch agents behind its pod proxy.

For what one machine cannot show: hundreds of nodes, and agents that are slow, gone or broken. The real kubectl talks to it
over HTTP. It knows lists of pods and nodes, the proxy's path and, of exec, what comes back over a WebSocket. Answers have the
shape of a real agent's, which a test compares.
"""

import base64
import contextlib
import hashlib
import http.server
import json
import struct
import threading
import urllib.parse

AGENT_LABELS = {"app.kubernetes.io/name": "closewatch"}
RESOURCES = [{"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": ["get", "list"]},
             {"name": "nodes", "singularName": "node", "namespaced": False, "kind": "Node", "verbs": ["get", "list"]}]
REASONS = {403: "Forbidden", 404: "NotFound", 503: "ServiceUnavailable"}

STDOUT, STDERR, ERROR = 1, 2, 3  # channels of exec
WEBSOCKET = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455

POD_COLUMNS = (
    "namespace pod uid workload_kind workload host_network visible reason established syn_sent syn_recv fin_wait1 fin_wait2 "
    "time_wait close close_wait last_ack listen closing stuck oldest_seconds owes_accept owes_read owes_close "
    "inbound outbound unread_bytes entered_total left_total containers peers owners closed_held "
    "closed_held_oldest_seconds closed_held_entered_total closed_held_containers descriptors tcp_events").split()
AGENT_COLUMNS = (
    "version uptime_seconds cpu_seconds resident_bytes scan_age_seconds scan_stale scan_duration_seconds scan_cpu_seconds "
    "scan_interval_seconds scan_errors_total stuck_after_seconds pods pods_visible not_visible node_close_wait").split()
SOCKET_COLUMNS = (
    "state local remote direction owes age_seconds unread_bytes container inode pid process owner_namespace owner_pod "
    "owner_container").split()


def tsv(columns, rows, *remarks):
    """As an agent writes it."""
    lines = ["\t".join(columns)] + ["\t".join(str(row[column]) for column in columns) for row in rows]
    return "".join(line + "\n" for line in [*lines, *remarks, f"#end\t{len(rows)}"])


def pod_row(namespace, pod, close_wait=0, stuck=0, oldest=0, owes="close", direction="outbound", peers="", workload="",
            visible=True, reason="", **more):
    """A pod whose sockets in CLOSE_WAIT are all of one kind."""
    numbers = {column: 0 for column in POD_COLUMNS[8:-8]} if visible else {}
    kind, _, name = workload.partition("/")
    row = {**dict.fromkeys(POD_COLUMNS, ""), **numbers, "namespace": namespace, "pod": pod, "uid": f"uid-{pod}",
           "workload_kind": kind, "workload": name, "host_network": "false", "visible": str(visible).lower(), "reason": reason}
    if visible:
        row.update({"close_wait": close_wait, "stuck": stuck, "oldest_seconds": f"{oldest:.3f}", f"owes_{owes}": close_wait,
                    direction: close_wait, "peers": peers, "containers": f"main/{close_wait}/{stuck}"})
    return {**row, **more}


def agent_row(**more):
    """A healthy agent."""
    return {"version": "0.1.0", "uptime_seconds": "1000.000", "cpu_seconds": "5.000", "resident_bytes": 8 << 20,
            "scan_age_seconds": "3.000", "scan_stale": "false", "scan_duration_seconds": "0.030", "scan_cpu_seconds": "0.028",
            "scan_interval_seconds": "10.000", "scan_errors_total": 0, "stuck_after_seconds": "60.000", "pods": 2,
            "pods_visible": 2, "not_visible": "", "node_close_wait": 0, **more}


class FakeAgent:
    """One node's agent. `behave` takes the exchange and answers it in another way; `exec` says what the agent's own program
    prints, on which channel, and its exit status, or is None where nobody may exec.
    """

    def __init__(self, node, pods=(), about=None, sockets=None, namespace="closewatch"):
        self.node, self.namespace, self.name = node, namespace, f"closewatch-{node}"
        self.pods, self.about, self.sockets = list(pods), about or agent_row(), sockets or {}
        self.phase, self.behave, self.exec = "Running", None, None
        self.asked = self.execs = 0
        self.commands = []  # that were run in its pod

    def pod(self):
        """Its own pod."""
        return pod_object(self.namespace, self.name, self.node, AGENT_LABELS, self.phase, [
            {"name": "closewatch", "ports": [{"name": "metrics", "containerPort": 10088}]}])

    def answer(self, path):
        """Status and body."""
        if path == "/api/v1/pods.tsv":
            return 200, tsv(POD_COLUMNS, self.pods)
        if path == "/api/v1/agent.tsv":
            return 200, tsv(AGENT_COLUMNS, [self.about])
        if path in self.sockets:
            return 200, self.sockets[path]
        return 404, "no such pod on this node\n"


def own_program(agent, path):
    """What `closewatch get` prints."""
    status, body = agent.answer(path)
    return (STDOUT, body, 0) if status == 200 else (STDERR, f"closewatch: {path} says {status}: {body}", 1)


def pod_object(namespace, name, node, labels=None, phase="Running", containers=()):
    """A Pod as far as it matters."""
    return {"metadata": {"namespace": namespace, "name": name, "labels": labels or {}},
            "spec": {"nodeName": node, "containers": list(containers)}, "status": {"phase": phase}}


# ---- how agents can misbehave ----------------------------------------------------------------------------------------

def hang(exchange):
    """Takes the request and never answers."""
    exchange.server.fake.stopped.wait()


def says(body, status=200):
    """Another body."""
    return lambda exchange: exchange.send(status, body, "text/plain; charset=utf-8")


def forbid(exchange):
    """The API server does not let anybody to this agent."""
    exchange.send_status(403, 'pods "closewatch" is forbidden: User "oncall" cannot get resource "pods/proxy"')


def cut(exchange):
    """The connection ends in the middle of the body."""
    exchange.send_response(200)
    exchange.send_header("Content-Type", "text/tab-separated-values")
    exchange.send_header("Content-Length", "100000")
    exchange.end_headers()
    exchange.wfile.write(b"namespace\tpod\n")


def endless(line):
    """The same line again and again, without a length, until nobody listens any more; 256 MiB at most."""
    def behave(exchange):
        exchange.send_response(200)
        exchange.send_header("Content-Type", "text/tab-separated-values")
        exchange.send_header("Connection", "close")
        exchange.end_headers()
        piece = line * (65536 // len(line) + 1)
        for _ in range(256 * 2**20 // len(piece)):
            exchange.wfile.write(piece)
    return behave


class _Exchange(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass

    def do_GET(self):  # pylint: disable=invalid-name
        """Answers one request."""
        self.close_connection = True
        url = urllib.parse.urlsplit(self.path)
        with contextlib.suppress(OSError):
            # Of a parameter that is given more than once the last: of a command its last word.
            self.route(url.path, dict(urllib.parse.parse_qsl(url.query)))

    def do_POST(self):  # pylint: disable=invalid-name
        """Only exec is asked for like this, by SPDY."""
        self.close_connection = True
        self.forbid_exec()

    def forbid_exec(self):
        """As RBAC does."""
        self.send_status(403, 'pods "closewatch" is forbidden: User "oncall" cannot create resource "pods/exec"')

    def route(self, path, query):
        """By path."""
        fake = self.server.fake
        match path.strip("/").split("/"):
            case ["api"]:
                self.send_json({"kind": "APIVersions", "versions": ["v1"]})
            case ["apis"]:
                self.send_json({"kind": "APIGroupList", "apiVersion": "v1", "groups": []})
            case ["api", "v1"]:
                self.send_json({"kind": "APIResourceList", "groupVersion": "v1", "resources": RESOURCES})
            case ["api", "v1", "nodes"]:
                if not fake.may_list_nodes:
                    return self.send_status(403, 'nodes is forbidden: User "oncall" cannot list resource "nodes"')
                self.send_list("Node", [{"metadata": {"name": name}} for name in fake.nodes])
            case ["api", "v1", "pods"]:
                self.send_list("Pod", fake.pods_like(query))
            case ["api", "v1", "namespaces", namespace, "pods"]:
                self.send_list("Pod", [pod for pod in fake.pods_like(query) if pod["metadata"]["namespace"] == namespace])
            case ["api", "v1", "namespaces", namespace, "pods", pod, "proxy", *rest]:
                self.proxy(namespace, pod, "/" + "/".join(rest))
            case ["api", "v1", "namespaces", namespace, "pods", pod, "exec"]:
                self.execute(fake.agents[namespace, pod], query["command"])
            case ["api", "v1", "namespaces", namespace, "pods", name]:
                found = [pod for pod in fake.pods_like({"fieldSelector": f"metadata.name={name}"})
                         if pod["metadata"]["namespace"] == namespace]
                if not found:
                    return self.send_status(404, f'pods "{name}" not found')
                self.send_json({"kind": "Pod", "apiVersion": "v1", **found[0]})
            case _:
                self.send_status(404, "the server could not find the requested resource")
        return None

    def proxy(self, namespace, pod, path):
        """To an agent."""
        name, _, port = pod.partition(":")
        agent = self.server.fake.agents.get((namespace, name))
        if agent is None or port != "10088":
            return self.send_status(404, f'pods "{name}" not found')
        agent.asked += 1
        if agent.behave:
            return agent.behave(self)
        status, body = agent.answer(path)
        kind = "text/tab-separated-values" if status == 200 else "text/plain; charset=utf-8"
        return self.send(status, body, kind)

    def execute(self, agent, path):
        """By WebSocket, as kubectl does from version 1.31 on."""
        if agent.exec is None:
            return self.forbid_exec()
        agent.execs += 1
        agent.commands.append(urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)["command"])
        channel, text, status = agent.exec(agent, path)
        key = self.headers["Sec-WebSocket-Key"] + WEBSOCKET
        self.send_response(101)
        for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade"),
                            ("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()),
                            ("Sec-WebSocket-Protocol", "v5.channel.k8s.io")):
            self.send_header(name, value)
        self.end_headers()
        end = {"status": "Success"} if status == 0 else {
            "status": "Failure", "reason": "NonZeroExitCode", "message": f"command terminated with exit code {status}",
            "details": {"causes": [{"reason": "ExitCode", "message": str(status)}]}}
        for number, content in ((channel, text.encode("latin-1")), (ERROR, json.dumps(end).encode())):
            frame = bytes([number]) + content
            self.wfile.write(struct.pack("!BBQ", 0x82, 127, len(frame)) + frame)
        return self.wfile.write(struct.pack("!BBH", 0x88, 2, 1000))

    def send(self, status, body, kind):
        """A whole answer."""
        body = body.encode("latin-1")
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def send_json(self, document, status=200):
        """A document."""
        self.send(status, json.dumps(document), "application/json")

    def send_list(self, kind, items):
        """A list."""
        self.send_json({"kind": f"{kind}List", "apiVersion": "v1", "metadata": {}, "items": items})

    def send_status(self, code, message):
        """How a server explains itself."""
        self.send_json({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
                        "reason": REASONS[code], "code": code}, code)


class _Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def handle_error(self, request, client_address):
        pass  # the other end may go at any time


class FakeAgentCluster(contextlib.ExitStack):
    """Within the block it listens; what it has can be changed at any time."""

    def __init__(self, agents, other_nodes=(), pods=()):
        super().__init__()
        self.agents = {(agent.namespace, agent.name): agent for agent in agents}
        self.nodes = sorted({agent.node for agent in agents} | set(other_nodes))
        self.pods = list(pods)  # that are no agents'
        self.may_list_nodes = True
        self.stopped = threading.Event()
        self._listener = None

    def __enter__(self):
        super().__enter__()
        self._listener = _Listener(("127.0.0.1", 0), _Exchange)
        self._listener.fake = self
        thread = threading.Thread(target=self._listener.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        self.callback(thread.join)
        self.callback(self._listener.server_close)
        self.callback(self._listener.shutdown)
        self.callback(self.stopped.set)
        return self

    def kubeconfig(self):
        """For kubectl."""
        return json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "fake", "users": [{"name": "oncall", "user": {}}],
            "clusters": [{"name": "fake", "cluster": {"server": "http://127.0.0.1:%d" % self._listener.server_address[1]}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "oncall"}}]})

    def pods_like(self, query):
        """Those that the selectors name: equalities, joined by commas."""
        labels = dict(term.split("=") for term in query.get("labelSelector", "").split(",") if term)
        fields = dict(term.split("=") for term in query.get("fieldSelector", "").split(",") if term)
        everything = [agent.pod() for agent in self.agents.values()] + self.pods
        return [pod for pod in everything if labels.items() <= pod["metadata"]["labels"].items()
                and fields.get("metadata.name", pod["metadata"]["name"]) == pod["metadata"]["name"]]
