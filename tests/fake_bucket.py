"""A Google bucket on this machine, which TensorFlow's own client talks to over TLS and a proxy.

The client is not changed in any way. Three environment variables send it here: `https_proxy`,
`CURL_CA_BUNDLE` and a token, so that it asks nobody who it is.
"""

import datetime
import http.server
import json
import re
import shutil
import ssl
import subprocess
import threading
import urllib.parse

HOSTS = ("www.googleapis.com", "storage.googleapis.com")


class Bucket:
    """Objects by name, and every request that came, as "METHOD path"."""

    def __init__(self, folder):
        """Starts the server; `folder` is for its certificate."""
        self.objects, self.requests, self.sent = _Objects(), [], 0
        names = ",".join(f"DNS:{host}" for host in HOSTS)
        self.certificate = folder / "cert.pem"
        subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=test",
                "-addext",
                f"subjectAltName={names}",
                "-keyout",
                folder / "key.pem",
                "-out",
                self.certificate,
            ],
            check=True,
            capture_output=True,
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, folder / "key.pem")
        handler = type("Handler", (_Handler,), {"bucket": self, "context": context})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def upload(self, folder, name):
        """Makes an object of each file of a folder, below a name."""
        for path in folder.rglob("*"):
            if path.is_file():
                self.objects[f"{name}/{path.relative_to(folder)}"] = path.read_bytes()

    def download(self, name, folder):
        """Writes each object below a name to a file of a folder."""
        for key, content in self.objects.items():
            if key.startswith(f"{name}/") and not key.endswith("/"):
                path = folder / key.removeprefix(f"{name}/")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)

    @property
    def environment(self):
        """What a process must have around it to find this bucket under gs://."""
        return {
            "https_proxy": f"http://127.0.0.1:{self.server.server_port}",
            "CURL_CA_BUNDLE": str(self.certificate),
            "GOOGLE_AUTH_TOKEN_FOR_TESTING": "nobody",
            "no_proxy": "",
        }


class _Objects(dict):
    """Bytes by name, and when each was written."""

    def __init__(self):
        super().__init__()
        self.stamps = {}

    def __setitem__(self, name, data):
        super().__setitem__(name, data)
        now = datetime.datetime.now(datetime.UTC)
        self.stamps[name] = f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z"


def available():
    """Whether certificates can be made here."""
    return shutil.which("openssl") is not None


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def do_CONNECT(self):
        self.send_response(200, "Connection established")
        self.end_headers()
        try:
            self.connection = self.context.wrap_socket(self.connection, server_side=True)
        except OSError:
            self.close_connection = True
            return
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")

    def handle_expect_100(self):
        going_on = super().handle_expect_100()
        self.wfile.flush()  # else the client waits a second
        return going_on

    def reply(self, code, body=b"", **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()
        self.bucket.sent += len(data)

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def parsed(self):
        url = urllib.parse.urlsplit(self.path)
        self.bucket.requests.append(f"{self.command} {self.path}")
        return url.path, dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))

    def do_GET(self):
        path, query = self.parsed()
        objects = self.bucket.objects
        if match := re.fullmatch(r"/storage/v1/b/[^/]+/o/(.+)", path):
            name = urllib.parse.unquote(match[1])
            metadata = {
                "size": str(len(objects.get(name, b""))),
                "generation": "1",
                "updated": objects.stamps.get(name, ""),
            }
            self.reply(200, metadata) if name in objects else self.reply(404, {})
        elif re.fullmatch(r"/storage/v1/b/[^/]+/o", path):
            self.reply(200, self.listing(query))
        elif re.fullmatch(r"/storage/v1/b/[^/]+", path):
            self.reply(200, {"location": "here"})
        else:
            self.download(urllib.parse.unquote(path.lstrip("/").split("/", 1)[1]))

    def listing(self, query):
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        items, prefixes = [], set()
        for name in sorted(self.bucket.objects):
            if name.startswith(prefix):
                rest = name[len(prefix) :]
                if delimiter and delimiter in rest:
                    prefixes.add(prefix + rest.split(delimiter)[0] + delimiter)
                else:
                    items.append({"name": name})
        return {"items": items[: int(query.get("maxResults", 1000))], "prefixes": sorted(prefixes)}

    def download(self, name):
        data = self.bucket.objects.get(name)
        if data is None:
            return self.reply(404)
        span = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if not span:
            return self.reply(200, data)
        start, stop = int(span[1]), int(span[2]) + 1
        if start >= len(data):
            return self.reply(416)
        part = data[start:stop]
        self.reply(
            206, part, **{"Content-Range": f"bytes {start}-{start + len(part) - 1}/{len(data)}"}
        )

    def do_POST(self):
        (path, query), data = self.parsed(), self.body()
        if query.get("uploadType") == "media":  # a folder: an empty object that ends in a stroke
            self.bucket.objects[query["name"]] = data
            self.reply(200, {})
        elif path.startswith("/upload/"):
            name = urllib.parse.quote(query["name"], safe="")
            self.reply(200, {}, Location=f"https://www.googleapis.com/session/{name}")
        else:
            match = re.fullmatch(r"/storage/v1/b/[^/]+/o/([^/]+)/rewriteTo/b/[^/]+/o/([^/]+)", path)
            source, target = (urllib.parse.unquote(part) for part in match.groups())
            self.bucket.objects[target] = self.bucket.objects[source]
            self.reply(200, {"done": True})

    def do_PUT(self):
        (path, _), data = self.parsed(), self.body()
        self.bucket.objects[urllib.parse.unquote(path.removeprefix("/session/"))] = data
        self.reply(200, {})

    def do_DELETE(self):
        path, _ = self.parsed()
        name = urllib.parse.unquote(path.split("/o/", 1)[1])
        self.reply(204 if self.bucket.objects.pop(name, None) is not None else 404)
