# SPDX-License-Identifier: Apache-2.0
"""Records what a real API server answers, for the tests to check the fake one against.

    unshare --net /usr/bin/python3 -B tests/system/api_recordings/record.py KUBERNETES

where KUBERNETES is the directory with kube-apiserver and kube-controller-manager that
tests/cluster/kubernetes-build makes; etcd is Debian's. Run it by hand, as root, when Kubernetes has
changed: the tests read the files only. There is no kubelet, so nothing runs: the pods' node is a
name.

A file holds the request, the status, the headers that matter and the body: a document, the lines of
a watch, or text. Only `managedFields` is left out, which is bulk; all else is as it came.
"""

import base64
import contextlib
import http.client
import json
import os
import pathlib
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
NAME = "recording"  # of the namespace and the node
ADMINISTRATOR = "administrator"  # tokens
NOBODY = "nobody"
PODS = "/api/v1/pods"
SELECTOR = f"fieldSelector=spec.nodeName%3D{NAME}"
LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
EVENT = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
HEADERS = ("Content-Type", "Retry-After", "Transfer-Encoding")
ADDRESS = ("127.0.0.1", 6443)
ETCD = "http://127.0.0.1:2379"
WATCH_SECONDS = 8
DEADLINE_SECONDS = 60


def wait_for(condition, what):
    """Returns the first true value of `condition()`."""
    end = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(OSError):  # not yet there
            if value := condition():
                return value
        time.sleep(0.2)
    raise AssertionError(f"waited {DEADLINE_SECONDS} s in vain for {what}")


def without_bulk(value):
    """The value without `managedFields` anywhere."""
    if isinstance(value, dict):
        return {key: without_bulk(part) for key, part in value.items() if key != "managedFields"}
    if isinstance(value, list):
        return [without_bulk(part) for part in value]
    return value


def parsed(body, is_watch):
    """A body as a document, as lines or as text."""
    if is_watch:
        return "lines", [json.loads(line) for line in body.splitlines()]
    with contextlib.suppress(ValueError):
        return "body", json.loads(body)
    return "text", body.decode()


class ControlPlane(contextlib.ExitStack):
    """etcd, the API server and the controller manager, in a directory of their own."""

    def __init__(self, programs):
        super().__init__()
        self._programs = programs

    def __enter__(self):
        super().__enter__()
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        self._directory = pathlib.Path(self.enter_context(
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        key = self._directory / "accounts.key"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        (self._directory / "tokens").write_text(
            f"{ADMINISTRATOR},administrator,1,system:masters\n{NOBODY},nobody,2\n")
        (self._directory / "kubeconfig").write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{"name": "it", "cluster": {"server": f"https://{ADDRESS[0]}:{ADDRESS[1]}",
                                                    "insecure-skip-tls-verify": True}}],
            "users": [{"name": "it", "user": {"token": ADMINISTRATOR}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}]}))
        self.start_etcd()
        self._start_api_server()
        self._start("manager", self._programs / "kube-controller-manager",
                    "--kubeconfig=kubeconfig", "--leader-elect=false", "--port=0",
                    f"--service-account-private-key-file={key}")
        return self

    def start_etcd(self):
        """Where it was, if it has been before."""
        self.etcd = self._start(
            "etcd", "etcd", "--data-dir", "etcd", "--unsafe-no-fsync",
            "--listen-client-urls", ETCD, "--advertise-client-urls", ETCD)

    def _start_api_server(self):
        key = self._directory / "accounts.key"
        # One request at a time, so that it can be made to answer 429.
        self._api_server = self._start(
            "apiserver", self._programs / "kube-apiserver", f"--etcd-servers={ETCD}",
            f"--secure-port={ADDRESS[1]}", "--cert-dir=certificates", "--authorization-mode=RBAC",
            "--token-auth-file=tokens", "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}",
            "--max-requests-inflight=1", "--feature-gates=APIPriorityAndFairness=false",
            "--advertise-address=192.0.2.1")
        wait_for(lambda: self.ask("GET", "/readyz")[0] == 200, "the API server")

    def restart_api_server(self):
        """Its cache knows nothing of what was before then."""
        self._api_server.kill()
        self._api_server.wait()
        self._start_api_server()

    def _start(self, name, *command):
        with open(self._directory / f"{name}.log", "wb") as log:
            process = subprocess.Popen(command, cwd=self._directory, stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log)
        self.callback(process.wait)
        self.callback(process.kill)
        return process

    def compact(self):
        """Makes etcd forget all but what is now."""
        def post(path, document):
            body = json.dumps(document).encode()
            with urllib.request.urlopen(ETCD + path, body, DEADLINE_SECONDS) as answer:
                return json.load(answer)
        now = post("/v3/kv/range", {"key": "AA=="})["header"]["revision"]
        post("/v3/kv/compaction", {"revision": now, "physical": True})

    def ask(self, method, target, body=None, token=ADMINISTRATOR, accept=LIST,
            content_type="application/json"):
        """Status, headers and body."""
        headers = {"Accept": accept, "Authorization": f"Bearer {token}"}
        if body is not None:
            headers["Content-Type"] = content_type
        context = ssl._create_unverified_context()  # made by the server for itself
        connection = http.client.HTTPSConnection(*ADDRESS, context=context,
                                                 timeout=2 * DEADLINE_SECONDS)
        with contextlib.closing(connection):
            connection.request(method, target, headers=headers,
                               body=None if body is None else json.dumps(body))
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def make(self, target, document):
        """POSTs an object and returns what it has become."""
        status, _, body = self.ask("POST", target, document, accept="application/json")
        if status not in (200, 201):
            raise AssertionError(f"POST {target}: {status} {body!r}")
        return json.loads(body)

    def list(self, query=""):
        """One page of the node's pods."""
        return json.loads(self.ask("GET", f"{PODS}?{SELECTOR}{query}")[2])

    def record(self, name, query, token=ADMINISTRATOR, accept=LIST, until=None):
        """Writes one answer to its file, the first with the status `until`; returns the body."""
        target = f"{PODS}?{SELECTOR}{query}"

        def ask():
            got = self.ask("GET", target, token=token, accept=accept)
            return got if until in (None, got[0]) else None
        status, headers, body = wait_for(ask, name)
        form, content = parsed(body, "watch=1" in query)
        document = {"request": {"target": target, "accept": accept}, "status": status,
                    "headers": {key: headers[key] for key in HEADERS if key in headers},
                    form: without_bulk(content)}
        (HERE / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        print(f"{name}: {status} {dict(document['headers'])} {form}")
        return content


def template(labels):
    """A pod's specification; its node does not exist, so nothing is pulled or run."""
    return {"metadata": {"labels": labels},
            "spec": {"nodeName": NAME, "terminationGracePeriodSeconds": 0,
                     "containers": [{"name": "main", "image": "example.invalid/none:1"}]}}


def make_pod(server, name, annotations=None):
    """A pod without a controller."""
    pod = template({"app": name})
    pod["metadata"] |= {"name": name, "annotations": annotations or {}}
    server.make(f"/api/v1/namespaces/{NAME}/pods", pod)


def change_pods(server):
    """What the watch is to see; a little later, so that it has begun."""
    pod = f"/api/v1/namespaces/{NAME}/pods/watched"
    time.sleep(1)
    make_pod(server, "watched")
    server.ask("PATCH", pod, {"metadata": {"labels": {"changed": "yes"}}},
               content_type="application/merge-patch+json")
    server.ask("DELETE", pod, {"gracePeriodSeconds": 0})


def record_pages(server):
    """Lists, out of etcd by pages, and out of the server's cache, which knows none."""
    page = server.record("list_page_1", "&limit=1")
    server.record("list_page_2", f"&limit=1&continue={page['metadata']['continue']}")
    server.record("list_from_cache", "&limit=1&resourceVersion=0")
    server.record("list_of_pods", "&limit=1", accept="application/json")
    return page


def record_watch(server, name, accept):
    """All kinds of events."""
    version = server.list()["metadata"]["resourceVersion"]
    changes = threading.Thread(target=change_pods, args=(server,))
    changes.start()
    server.record(name, f"&watch=1&allowWatchBookmarks=true&resourceVersion={version}"
                  f"&timeoutSeconds={WATCH_SECONDS}", accept=accept)
    changes.join()


def record_refusals(server):
    """401, 403 and 429."""
    server.record("unauthorized", "&limit=500", token="an-old-token")
    server.record("forbidden", "&limit=500", token=NOBODY, until=403)
    enough = threading.Event()

    def press():
        while not enough.is_set():
            server.ask("GET", PODS, token=NOBODY)
    crowd = [threading.Thread(target=press) for _ in range(16)]
    for one in crowd:
        one.start()
    try:
        server.record("too_many_requests", "&limit=500", token=NOBODY, until=429)
    finally:
        enough.set()
        for one in crowd:
            one.join()


def main():
    """Makes what is to be recorded and records it."""
    with ControlPlane(pathlib.Path(sys.argv[1]).resolve()) as server:
        server.make("/api/v1/namespaces", {"metadata": {"name": NAME}})
        wait_for(lambda: server.ask(
            "GET", f"/api/v1/namespaces/{NAME}/serviceaccounts/default",
            accept="application/json")[0] == 200, "the account")
        make_pod(server, "bare")
        server.make(f"/apis/apps/v1/namespaces/{NAME}/deployments", {
            "metadata": {"name": "cart"},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "cart"}},
                     "template": template({"app": "cart"})}})
        wait_for(lambda: len(server.list()["items"]) == 2, "the pods")
        page = record_pages(server)
        record_watch(server, "watch", EVENT)
        record_watch(server, "watch_of_pods", "application/json")
        record_watch(server, "watch_as_list", LIST)  # ends at the first event, without a word
        record_refusals(server)
        server.etcd.kill()
        server.record("etcd_away", "&limit=1&timeout=3s")
        server.start_etcd()
        wait_for(lambda: server.ask("GET", "/readyz")[0] == 200, "etcd")
        server.compact()
        server.record("stale_continue", f"&limit=1&continue={page['metadata']['continue']}")
        server.restart_api_server()
        server.record("stale_watch", "&watch=1&allowWatchBookmarks=true&resourceVersion=2"
                      "&timeoutSeconds=2", accept=EVENT)
        server.record("list_as_event", "", accept=EVENT.partition(",")[0])


main()
