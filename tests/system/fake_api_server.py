# SPDX-License-Identifier: Apache-2.0
"""A fake Kubernetes API server: for the faults that a real one cannot be made to show.

It knows nothing but pods, and of them nothing but GET /api/v1/pods, listed and watched, over TLS;
and, for TokenReviews and SubjectAccessReviews, what it is told of tokens. Its answers about pods have
the shape of a real server's, which `api_recordings` proves; what it is for is that it can be told to
answer otherwise.
"""

import base64
import collections
import contextlib
import copy
import datetime
import http.server
import json
import queue
import re
import ssl
import subprocess
import threading
import time
import urllib.parse
import uuid

PODS = "/api/v1/pods"
TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
POLL_SECONDS = 0.1
REASONS = {401: "Unauthorized", 403: "Forbidden", 406: "NotAcceptable", 410: "Expired",
           500: "InternalError", 503: "ServiceUnavailable"}
FORBIDDEN = ('pods is forbidden: User "system:serviceaccount:monitoring:closewatch" cannot {verb} '
             'resource "pods" in API group "" at the cluster scope')
NO_REVIEWS = ('{resource} is forbidden: User "system:serviceaccount:monitoring:closewatch" cannot '
              'create resource "{resource}" at the cluster scope')
STALE_CONTINUE = "The provided continue parameter is too old to display a consistent list result."

# What a request was: `kind` is "list", "page" (of a list that was begun before), "watch",
# "token_review" or "access_review", whose `query` is what it specifies; `at` is a monotonic time.
Request = collections.namedtuple("Request", "at kind query token accept")
Certificate = collections.namedtuple("Certificate", "chain key")


class Authority:
    """A certificate authority in a directory."""

    def __init__(self, directory, name):
        self._directory = directory
        self._name = name
        self.certificate = directory / f"{name}.crt"
        self._key = directory / f"{name}.key"
        _openssl("req", "-x509", *_new_key(self._key), "-out", self.certificate, "-days", "2",
                 "-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, name, alternatives="IP:127.0.0.1,DNS:localhost"):
        """A server's certificate."""
        chain, key, wish = (self._directory / f"{self._name}-{name}.{end}"
                            for end in ("crt", "key", "csr"))
        extensions = self._directory / f"{name}.extensions"
        # All that strict clients want, as Python 3.13 is one.
        extensions.write_text(f"subjectAltName={alternatives}\nbasicConstraints=critical,CA:FALSE\n"
                              "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
                              "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n", encoding="ascii")
        _openssl("req", *_new_key(key), "-out", wish, "-subj", f"/CN={name}")
        _openssl("x509", "-req", "-in", wish, "-CA", self.certificate, "-CAkey", self._key,
                 "-CAcreateserial", "-out", chain, "-days", "2", "-extfile", extensions)
        return Certificate(chain, key)


def _new_key(path):
    return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path)


def _openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def pod_object(namespace, name, uid=None, node="node-a", owner=None, labels=None,
               annotations=None):
    """A Pod as far as it matters; `owner` is the controller's kind and name."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata = {"name": name, "namespace": namespace, "uid": uid or str(uuid.uuid4()),
                "resourceVersion": "0", "creationTimestamp": now}
    if labels:
        metadata["labels"] = dict(labels)
    if annotations:
        metadata["annotations"] = dict(annotations)
    if owner:
        kind, owner_name = owner
        metadata["ownerReferences"] = [{
            "apiVersion": {"Node": "v1", "Job": "batch/v1"}.get(kind, "apps/v1"), "kind": kind,
            "name": owner_name, "uid": str(uuid.uuid4()), "controller": True,
            "blockOwnerDeletion": True}]
    return {"metadata": metadata, "spec": {"nodeName": node}, "status": {"phase": "Running"}}


def status_object(code, message, reason=None, metadata=None):
    """A Status, which is how a server explains itself."""
    return {"kind": "Status", "apiVersion": "v1", "metadata": metadata or {}, "status": "Failure",
            "message": message, "reason": reason or REASONS[code], "code": code}


def bare_status_object(code, message):
    """One without a reason, as of errors that a server does not know."""
    status = status_object(code, message)
    del status["reason"]
    return status


def event_line(kind, thing):
    """A line of a watch."""
    return json.dumps({"type": kind, "object": thing}).encode() + b"\n"


# ---- answers that are not as they should be ------------------------------------------------------

def refusal(code, message="no reason at all"):
    """Answers with a Status."""
    return lambda exchange: exchange.send_json(code, bare_status_object(code, message))


def too_many_requests(retry_after):
    """As the server's own limit does, in plain text."""
    return lambda exchange: exchange.send(429, b"Too many requests, please try again later.\n",
                                          "text/plain; charset=utf-8",
                                          {"Retry-After": str(retry_after)})


def cut_after(offset):
    """The right answer, but its connection is closed after so many bytes of the body."""
    def answer(exchange):
        exchange.bytes_left = offset
        exchange.answer()
    return answer


def document(body):
    """A list with this body."""
    return lambda exchange: exchange.send(200, body)


def lines(body):
    """A watch that brings these bytes and is then cut."""
    def answer(exchange):
        exchange.begin_stream()
        exchange.send_chunk(body)
    return answer


def flood(*head, piece=b"a" * 65536, most=512 << 20):
    """These bytes as the whole answer, then one piece again and again, until nobody reads; so many bytes at most."""
    def answer(exchange):
        exchange.wfile.write(b"".join(head))
        for _ in range(most // len(piece)):
            exchange.wfile.write(piece)
    return answer


def endless_pages(exchange):
    """Each page has one more."""
    exchange.send_json(200, {"metadata": {"resourceVersion": "1", "continue": str(uuid.uuid4())}, "items": [
        shaped(pod_object("many", str(uuid.uuid4())), partial=True, in_list=True) for _ in range(10)]})


def endless_events(name_length=40):
    """A watch in which pods are added without end."""
    def answer(exchange):
        exchange.begin_stream()
        padding = "n" * name_length
        for number in range(1 << 30):
            exchange.send_chunk(b"".join(event_line("ADDED", {"metadata": {
                "namespace": "many", "name": f"{number}-{one}-{padding}", "uid": f"{number}-{one}-{padding}",
                "resourceVersion": "9"}}) for one in range(100)))
    return answer


def announced(times):
    """The right answer, after so many that say that it will come."""
    def answer(exchange):
        exchange.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n" * times)
        exchange.answer()
    return answer


def dripping(byte, seconds=0.05):
    """The head of an answer without a length, then a byte now and then for ever."""
    def answer(exchange):
        exchange.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while not exchange.server.fake.stopped.wait(seconds):
            exchange.wfile.write(byte)
    return answer


def silence(exchange):
    """Takes the request and never answers."""
    exchange.server.fake.stopped.wait()


class _Cut(Exception):
    """The connection ends here."""


class _Exchange(http.server.BaseHTTPRequestHandler):
    """One request and its answer; each has a connection of its own."""

    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.bytes_left = None  # of the body, until it is cut
        self.close_connection = True

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass

    def do_GET(self):  # pylint: disable=invalid-name
        """Answers as told, else as a server does."""
        path, _, query = self.path.partition("?")
        self.query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        if path != PODS:
            return self.send_status_object(404, "no such thing", "NotFound")
        kind = ("watch" if self.query.get("watch") in ("1", "true")
                else "page" if "continue" in self.query else "list")
        return self._take(kind, self.query)

    def do_POST(self):  # pylint: disable=invalid-name
        """Reviews alone can be made."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kind = {TOKEN_REVIEWS: "token_review", ACCESS_REVIEWS: "access_review"}.get(self.path)
        if kind is None or self.headers["Content-Type"] != "application/json":
            return self.send_status_object(404, "no such thing", "NotFound")
        return self._take(kind, json.loads(body)["spec"])

    def _take(self, kind, query):
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        self.request_seen = Request(time.monotonic(), kind, query,
                                    token if scheme == "Bearer" else None,
                                    self.headers.get("Accept", ""))
        fault = self.server.fake.note(self.request_seen)
        with contextlib.suppress(_Cut, OSError):
            if fault:
                fault(self)
            else:
                self.answer()
        self.close_connection = True

    def answer(self):
        """As a server does."""
        fake, kind = self.server.fake, self.request_seen.kind
        if self.request_seen.token not in fake.tokens:
            return self.send_status_object(401, "Unauthorized")
        if kind in ("token_review", "access_review"):
            return self._review(kind)
        if not fake.allowed:
            verb = "watch" if kind == "watch" else "list"
            return self.send_status_object(403, FORBIDDEN.format(verb=verb),
                                           details={"kind": "pods"})
        return self._watch() if kind == "watch" else self._list()

    def _review(self, kind):
        fake, spec = self.server.fake, self.request_seen.query
        resource = {"token_review": "tokenreviews.authentication.k8s.io",
                    "access_review": "subjectaccessreviews.authorization.k8s.io"}[kind]
        if not fake.may_review:
            return self.send_status_object(403, NO_REVIEWS.format(resource=resource))
        if kind == "token_review":
            name, group, status = "TokenReview", "authentication.k8s.io/v1", fake.owner(spec)
        else:
            name, group, status = "SubjectAccessReview", "authorization.k8s.io/v1", fake.access(spec)
        return self.send_json(201, {"kind": name, "apiVersion": group, "metadata": {"creationTimestamp": None},
                                    "spec": spec, "status": status})

    def _form(self):
        """What Accept asks for; the first clause decides, as all are ones that a server knows."""
        for part in self.headers.get("Accept", "application/json").split(",")[0].split(";"):
            if part.startswith("as="):
                return part[3:]
        return "Pod"

    def _list(self):
        if self._form() == "PartialObjectMetadata":
            return self.send_status_object(406, "you requested PartialObjectMetadata, but the "
                                           "requested object is a list (*core.PodList)")
        partial = self._form() == "PartialObjectMetadataList"
        page = self.server.fake.page(self.query)
        if page is None:
            return self.send_status_object(410, STALE_CONTINUE, metadata={"continue": "e30"})
        version, pods, token = page
        metadata = {"resourceVersion": str(version)}
        if token:
            metadata["continue"] = token
        return self.send_json(200, {
            "kind": "PartialObjectMetadataList" if partial else "PodList",
            "apiVersion": "meta.k8s.io/v1" if partial else "v1",
            "metadata": metadata,
            "items": [shaped(pod, partial, in_list=True) for pod in pods]})

    def _watch(self):
        form = self._form()
        self.begin_stream()
        with self.server.fake.watching(self.query) as events:
            while True:
                try:
                    kind, thing = events.get(timeout=POLL_SECONDS)
                except queue.Empty:
                    if self.server.fake.stopped.is_set():
                        raise _Cut() from None
                    continue
                if kind == "cut":
                    raise _Cut()
                if kind == "end" or form == "PartialObjectMetadataList":
                    return self.end_stream()  # an event is no list: without a word
                if kind != "ERROR":
                    thing = shaped(thing, form == "PartialObjectMetadata", in_list=False)
                self.send_chunk(event_line(kind, thing))

    def send_status_object(self, code, message, reason=None, metadata=None, details=None):
        """A Status as a body."""
        status = status_object(code, message, reason, metadata)
        if details:
            status["details"] = details
        self.send_json(code, status)

    def send_json(self, code, thing):
        """A document."""
        self.send(code, json.dumps(thing).encode())

    def send(self, code, body, content_type="application/json", headers=None):
        """A whole answer."""
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self._write(body, body)

    def begin_stream(self):
        """The head of a watch."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def send_chunk(self, body):
        """A part of a watch."""
        self._write(body, b"%x\r\n%s\r\n" % (len(body), body))

    def end_stream(self):
        """The proper end of a watch."""
        self.wfile.write(b"0\r\n\r\n")

    def _write(self, body, framed):
        """Writes the body, or as much of it as there may be and ends the connection."""
        if self.bytes_left is None:
            self.wfile.write(framed)
        elif self.bytes_left < len(body):
            self.wfile.write(framed[:framed.index(body) + self.bytes_left])
            raise _Cut()
        else:
            self.bytes_left -= len(body)
            self.wfile.write(framed)


def shaped(pod, partial, in_list):
    """A pod as that form has it. Items of a PodList have no kind of their own."""
    if partial:
        return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                "metadata": pod["metadata"]}
    return dict(pod) if in_list else {"kind": "Pod", "apiVersion": "v1", **pod}


class _Listener(http.server.ThreadingHTTPServer):
    """Shakes hands in each connection's own thread."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port, fake):
        self.fake = fake
        super().__init__(("127.0.0.1", port), _Exchange)

    def finish_request(self, request, client_address):
        try:
            connection = self.fake.tls.wrap_socket(request, server_side=True)
        except OSError as error:
            self.fake.failed_handshakes.append(str(error))
            return
        with contextlib.closing(connection):
            self.RequestHandlerClass(connection, client_address, self)

    def handle_error(self, request, client_address):
        pass  # the other end may go at any time


class FakeApiServer(contextlib.ExitStack):
    """Within the block it listens on `port`. What it knows and how it answers can be changed at any
    time.

    A server without a cache (kube-apiserver --watch-cache=false) gives lists page by page also with
    resourceVersion=0; one that has it never does then.
    """

    def __init__(self, certificate, token="token-1", has_cache=True):
        super().__init__()
        self.tls = None
        self.use(certificate)
        self.tokens = {token}
        self.allowed = True
        self.may_review = True
        self.owners = {}  # token -> user, as a TokenReview has it
        self.audiences = {}  # token -> for whom it was made, where not for this server
        self.allowed_paths = set()  # (user's name, non-resource path) that may be got
        self.requests = []
        self.failed_handshakes = []
        self.when_watched = None  # called when a watch has begun
        self.stopped = threading.Event()
        self.port = 0
        self._has_cache = has_cache
        self._listener = None
        self._lock = threading.RLock()
        self._pods = {}  # (namespace, name) -> Pod
        self._version = 100
        self._oldest = 100  # version that a watch or a list can go on from
        self._history = []  # (version, kind, Pod)
        self._begun_lists = {}  # version -> all pods of then
        self._watches = []  # (query, queue)
        self._next_faults = collections.defaultdict(collections.deque)
        self._faults = {}

    def __enter__(self):
        super().__enter__()
        self.start()
        self.callback(self.stop)
        return self

    @property
    def address(self):
        """Where it is, as --metadata.api_server takes it."""
        return f"127.0.0.1:{self.port}"

    def use(self, certificate):
        """Shows this one from now on."""
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate.chain, certificate.key)
        self.tls = tls

    def start(self):
        """Listens, where it did before if it did."""
        self.stopped.clear()
        self._listener = _Listener(self.port, self)
        self.port = self._listener.server_address[1]
        threading.Thread(target=self._listener.serve_forever, args=(POLL_SECONDS,),
                         daemon=True).start()

    def stop(self):
        """From now on connections are refused; those there are, are cut. Safe to call again."""
        if self._listener is None:
            return
        self.stopped.set()
        self.cut_watches()
        self._listener.shutdown()
        self._listener.server_close()
        self._listener = None

    # ---- pods ------------------------------------------------------------------------------------

    @property
    def version(self):
        """The resource version of now."""
        with self._lock:
            return str(self._version)

    def put(self, pod):
        """Adds or changes a pod."""
        key = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        with self._lock:
            self._change("MODIFIED" if key in self._pods else "ADDED", key, copy.deepcopy(pod))

    def delete(self, namespace, name):
        """Removes a pod."""
        with self._lock:
            key = (namespace, name)
            self._change("DELETED", key, copy.deepcopy(self._pods[key]))

    def _change(self, kind, key, pod):
        self._version += 1
        pod["metadata"]["resourceVersion"] = str(self._version)
        if kind == "DELETED":
            del self._pods[key]
        else:
            self._pods[key] = pod
        self._history.append((self._version, kind, pod))
        for query, events in self._watches:
            if _selects(query, pod):
                events.put((kind, pod))

    def forget(self):
        """Compacts: watches and lists that go on from before now are told 410."""
        with self._lock:
            self._oldest = self._version
            self._history.clear()
            self._begun_lists.clear()

    def pass_time(self, versions=1000):
        """As if much had happened to what nobody here watches."""
        with self._lock:
            self._version += versions

    # ---- watches ---------------------------------------------------------------------------------

    def send_bookmarks(self):
        """Tells the watches that want it which version it is."""
        bookmark = {"metadata": {"resourceVersion": self.version, "creationTimestamp": None},
                    "spec": {"containers": None}, "status": {}}
        self._tell("BOOKMARK", bookmark, lambda query: query.get("allowWatchBookmarks") == "true")

    def cut_watches(self):
        """Closes their connections."""
        self._tell("cut")

    def end_watches(self):
        """Ends them as a server does whose time is over."""
        self._tell("end")

    def expire_watches(self):
        """Compacts under the running watches."""
        self.forget()
        self._tell("ERROR", status_object(410, f"too old resource version: 1 ({self.version})"))
        self._tell("end")

    def _tell(self, kind, thing=None, wants=lambda query: True):
        with self._lock:
            for query, events in self._watches:
                if wants(query):
                    events.put((kind, thing))

    def count_watches(self):
        """How many are under way."""
        with self._lock:
            return len(self._watches)

    @contextlib.contextmanager
    def watching(self, query):
        """The events of a watch that begins now, as a queue of kind and object."""
        events = queue.Queue()
        with self._lock:
            since = int(query.get("resourceVersion") or 0)
            if since < self._oldest:
                events.put(("ERROR", status_object(
                    410, f"too old resource version: {since} ({self._oldest})")))
                events.put(("end", None))
            for version, kind, pod in self._history:
                if version > since and _selects(query, pod):
                    events.put((kind, pod))
            entry = (query, events)
            self._watches.append(entry)
            if self.when_watched:
                self.when_watched()
        try:
            yield events
        finally:
            with self._lock:
                self._watches.remove(entry)

    # ---- lists -----------------------------------------------------------------------------------

    def page(self, query):
        """Version, pods and token of the next page; None when it has been forgotten."""
        with self._lock:
            token = _opened(query["continue"]) if "continue" in query else None
            version = token["rv"] if token else self._version
            if token and version not in self._begun_lists:
                return None
            pods = self._begun_lists.get(version) or [self._pods[key] for key in sorted(self._pods)]
            pods = [pod for pod in pods if _selects(query, pod)]
            limit = int(query.get("limit", 0))
            if self._has_cache and query.get("resourceVersion") == "0":
                limit = 0
            first = token["start"] if token else 0
            if not limit or first + limit >= len(pods):
                return version, pods[first:], None
            self._begun_lists[version] = pods
            return version, pods[first:first + limit], _sealed(version, first + limit)

    # ---- reviews ---------------------------------------------------------------------------------

    def owner(self, spec):
        """Whose a token is."""
        meant = self.audiences.get(spec["token"], ["https://kubernetes.default.svc"])
        wanted = spec.get("audiences", ["https://kubernetes.default.svc"])
        common = [one for one in wanted if one in meant]
        user = self.owners.get(spec["token"])
        if user is None or not common:
            return {"user": {}, "error": "[invalid bearer token, token lookup failed]"}
        return {"authenticated": True, "user": user, "audiences": common}

    def access(self, spec):
        """Whether somebody may get a path."""
        asked = spec["nonResourceAttributes"]
        if asked["verb"] == "get" and re.match(r"/(api|apis|openapi|version|healthz|livez|readyz)(/|$)", asked["path"]):
            return {"allowed": True, "reason": "RBAC: allowed by ClusterRoleBinding \"system:discovery\""}
        if asked["verb"] == "get" and (spec["user"], asked["path"]) in self.allowed_paths:
            return {"allowed": True, "reason": "RBAC: allowed by ClusterRoleBinding"}
        return {"allowed": False}

    # ---- requests and faults ---------------------------------------------------------------------

    def note(self, request):
        """Keeps the request; returns the fault that is to answer it."""
        with self._lock:
            self.requests.append(request)
            waiting = self._next_faults[request.kind]
            return waiting.popleft() if waiting else self._faults.get(request.kind)

    def asked(self, kind=None):
        """The requests so far, of one kind."""
        with self._lock:
            return [request for request in self.requests if kind in (None, request.kind)]

    def next(self, kind, *faults):
        """The next requests of a kind are answered so, one each."""
        with self._lock:
            self._next_faults[kind].extend(faults)

    def always(self, fault, *kinds):
        """All requests, or those of these kinds, are answered so; None is as it should be."""
        with self._lock:
            for kind in kinds or ("list", "page", "watch"):
                self._faults[kind] = fault


def _selects(query, pod):
    name, _, value = query.get("fieldSelector", "").partition("=")
    return not name or (name == "spec.nodeName" and pod["spec"]["nodeName"] == value)


def _sealed(version, start):
    content = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": start}).encode()
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _opened(token):
    return json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
