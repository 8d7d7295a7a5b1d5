"""The workers of a TPU slice, which GKE shows to each container and Google to each machine."""

from __future__ import annotations

import contextlib
import http
import http.client
import pathlib
import re
from collections.abc import Mapping
from typing import NamedTuple

_GOOGLE = "0x1ae0"
"""The number of Google as a maker of PCI devices: a machine that has one may be a TPU worker."""
_ATTRIBUTES = "/computeMetadata/v1/instance/attributes"
_SECONDS = 5.0
"""The service answers within milliseconds; a machine elsewhere has none."""

_NUMBERS = {"TPU_WORKER_ID": "", "MEGASCALE_NUM_SLICES": "1", "MEGASCALE_SLICE_ID": "0"}
"""What is read, and what it is where nothing is shown; a worker without its number is none."""


class TpuWorkers(NamedTuple):
    """The workers of one slice, and its place among several slices that work together.

    Attributes:
      hosts: addresses of the workers of this slice, in the order of their numbers.
      worker: the number of this one.
      slices: how many slices work together.
      slice_number: of this one.
      first_host: where process 0 runs.
      source: where this is known from, for messages.
    """

    hosts: tuple[str, ...]
    worker: int
    slices: int
    slice_number: int
    first_host: str
    source: str

    @property
    def count(self) -> int:
        """The workers of all slices; all slices have as many."""
        return self.slices * len(self.hosts)

    @property
    def index(self) -> int:
        """The number of this worker among those of all slices."""
        return self.slice_number * len(self.hosts) + self.worker


def find_tpu_workers(environ: Mapping[str, str]) -> TpuWorkers | None:
    """The workers of the TPU slice that this process runs on; None where it is on none.

    Args:
      environ: the environment variables; where these show no workers, and this machine has chips
        of Google, the metadata of the machine are read.
    """
    addresses = environ.get("TPU_PROCESS_ADDRESSES") or environ.get("TPU_WORKER_HOSTNAMES")
    if addresses is not None:
        return _workers(addresses, environ, "TPU_WORKER_HOSTNAMES")
    # Set where no such service must be asked.
    if "TPU_SKIP_MDS_QUERY" in environ or not has_tpu_chips():
        return None
    server = environ.get("GCE_METADATA_IP", "metadata.google.internal")
    addresses = _attribute(server, "worker-network-endpoints")
    values = dict(re.findall(r"^(\w+): *'?([^'\n]*)'?$", _attribute(server, "tpu-env"), re.M))
    values["TPU_WORKER_ID"] = _attribute(server, "agent-worker-number")
    return _workers(addresses, values, "the metadata of this TPU machine")


def has_tpu_chips(devices: str = "/sys/bus/pci/devices") -> bool:
    """Whether this machine has PCI devices that Google made."""
    for vendor in pathlib.Path(devices).glob("*/vendor"):
        with contextlib.suppress(OSError):
            if vendor.read_text().strip() == _GOOGLE:
                return True
    return False


def _workers(addresses: str, values: Mapping[str, str], source: str) -> TpuWorkers | None:
    """The workers by a list of addresses, and numbers by name; None where these are no numbers."""
    hosts = tuple(_host(address) for address in addresses.split(",") if address)
    numbers = []
    for name, default in _NUMBERS.items():
        text = values.get(name) or default
        if not text.isdigit():
            return None
        numbers.append(int(text))
    if not hosts:
        return None
    first_host = _host(values.get("MEGASCALE_COORDINATOR_ADDRESS") or hosts[0])
    return TpuWorkers(hosts, *numbers, first_host, source)


def _host(address: str) -> str:
    """The host of HOST, HOST:PORT, or NAME:NUMBER:HOST as older machines have it."""
    parts = address.strip().split(":")
    return parts[2] if len(parts) == 3 else parts[0]


def _attribute(server: str, name: str) -> str:
    """An attribute of this machine; empty where it has none, or no such service answers."""
    # No library that would go through a proxy: the service is beside this machine.
    connection = http.client.HTTPConnection(server, timeout=_SECONDS)
    try:
        connection.request("GET", f"{_ATTRIBUTES}/{name}", headers={"Metadata-Flavor": "Google"})
        answer = connection.getresponse()
        text = answer.read().decode().strip()
    except (OSError, ValueError, http.client.HTTPException):
        return ""
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        return ""
    return text
