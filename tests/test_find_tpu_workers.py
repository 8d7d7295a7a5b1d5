"""The workers of a TPU slice, by the environment of GKE and by the metadata of a machine."""

import http.server
import threading

import pytest

from videolstm_jax.cluster import tpu
from videolstm_jax.cluster.detect import Processes, find_processes
from videolstm_jax.config import ClusterConfig

GKE = {"TPU_WORKER_ID": "1", "TPU_WORKER_HOSTNAMES": "t-0.svc,t-1.svc"}
# Two slices of two workers each; this is the first worker of the second one.
SLICES = {
    **GKE,
    "TPU_WORKER_ID": "0",
    "MEGASCALE_NUM_SLICES": "2",
    "MEGASCALE_SLICE_ID": "1",
    "MEGASCALE_COORDINATOR_ADDRESS": "a-0.svc:8080",
}
OLD = "t:0:10.0.0.2,t:1:10.0.0.3"
ENV = "ACCELERATOR_TYPE: 'v4-16'\nMEGASCALE_NUM_SLICES: '2'\nMEGASCALE_SLICE_ID: '1'\n"


class Metadata(http.server.BaseHTTPRequestHandler):
    """The service beside a machine of Google; `attributes` are those that it has."""

    def do_GET(self):
        name = self.path.rpartition("/")[2]
        is_known = name in self.attributes and self.headers["Metadata-Flavor"] == "Google"
        self.send_response(200 if is_known else 404)
        self.end_headers()
        if is_known:
            self.wfile.write(self.attributes[name].encode())

    def log_message(self, *_):
        """Prints nothing."""


@pytest.fixture
def machine(monkeypatch):
    """Has this machine count as a TPU worker; what it returns starts the service of metadata."""
    monkeypatch.setattr(tpu, "has_tpu_chips", lambda: True)
    servers = []

    def start(**attributes):
        attributes = {name.replace("_", "-"): text for name, text in attributes.items()}
        handler = type("Handler", (Metadata,), {"attributes": attributes})
        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        # A proxy of the environment must not be asked.
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        return {"GCE_METADATA_IP": f"127.0.0.1:{servers[-1].server_port}"}

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def processes_of(environ, **settings):
    return find_processes(ClusterConfig(**settings), environ)


def test_the_workers_that_gke_shows():
    expected = Processes(1, 2, "t-0.svc:8476", "TPU_WORKER_HOSTNAMES")
    assert processes_of(GKE) == expected
    addresses = {"TPU_PROCESS_ADDRESSES": "t-0.svc:8471,t-1.svc:8471", "TPU_WORKER_ID": "1"}
    assert processes_of(addresses) == expected
    assert processes_of({**GKE, "TPU_WORKER_HOSTNAMES": "localhost"}) == Processes()
    assert processes_of({**GKE, "TPU_WORKER_ID": ""}) == Processes()


def test_the_workers_of_several_slices():
    assert processes_of(SLICES)[:3] == (2, 4, "a-0.svc:8476")
    one_host = {**SLICES, "TPU_WORKER_HOSTNAMES": "localhost"}
    assert processes_of(one_host)[:3] == (1, 2, "a-0.svc:8476")


@pytest.mark.parametrize("endpoints", [OLD, "10.0.0.2,10.0.0.3"])
def test_the_workers_of_a_tpu_machine(machine, endpoints):
    environ = machine(worker_network_endpoints=endpoints, agent_worker_number="1")
    source = "the metadata of this TPU machine"
    assert processes_of(environ) == Processes(1, 2, "10.0.0.2:8476", source)
    assert processes_of({**environ, "TPU_SKIP_MDS_QUERY": "1"}) == Processes()
    given = {"coordinator": "a:1", "processes": 2, "process": 0}
    assert processes_of(environ, **given).source == "the settings"


def test_the_slices_of_tpu_machines(machine):
    address = "MEGASCALE_COORDINATOR_ADDRESS: '10.0.0.9:8080'\n"
    environ = machine(worker_network_endpoints=OLD, agent_worker_number="1", tpu_env=ENV + address)
    assert processes_of(environ)[:3] == (3, 4, "10.0.0.9:8476")


def test_a_machine_without_such_a_service_is_alone(machine):
    assert processes_of(machine()) == Processes()
    assert processes_of({"GCE_METADATA_IP": "127.0.0.1:9"}) == Processes()


def test_chips_of_google_are_found_by_their_maker(tmp_path):
    (tmp_path / "0000:00:04.0").mkdir()
    (tmp_path / "0000:00:04.0" / "vendor").write_text("0x10de\n")
    assert not tpu.has_tpu_chips(str(tmp_path))
    (tmp_path / "0000:00:05.0").mkdir()
    (tmp_path / "0000:00:05.0" / "vendor").write_text("0x1ae0\n")
    assert tpu.has_tpu_chips(str(tmp_path))
