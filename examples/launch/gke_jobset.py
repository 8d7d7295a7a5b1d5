"""Runs one command of videolstm on several pods of Kubernetes, as a JobSet.

    python gke_jobset.py --name=ucf --image=IMAGE --claim=data --pods=4 --gpus=8 -- \
        train --workdir=/data/work

--tpu=tpu-v5-lite-podslice and --topology=4x4 take a slice of TPUs in place of GPUs. --dry_run
prints the manifest, which is JSON. A pod that ends with status 75, or with its node, starts all
pods again; an error of the command does not.
"""

import argparse
import json
import subprocess
import sys

PORT = 8476
MOUNT = "/data"
MOST_RESTARTS = 50
# Written behind the command: each pod has a number, and the first one has a name in the network.
OWN_FLAGS = (
    "--cluster.coordinator={name}-workers-0-0.{name}:{port} --cluster.processes={pods} "
    '--cluster.process="$JOB_COMPLETION_INDEX" --cluster.wait=1800'
)


def manifest(options: argparse.Namespace) -> dict:
    """The JobSet of the options."""
    flags = ""
    if options.pods > 1:
        flags = OWN_FLAGS.format(name=options.name, port=PORT, pods=options.pods)
    container = {
        "name": "videolstm",
        "image": options.image,
        # The words of the command come as arguments, so that no shell reads them again.
        "command": ["bash", "-c", f'exec videolstm "$@" {flags}', "videolstm", *options.command],
        "ports": [{"containerPort": PORT}],
        "volumeMounts": [{"name": "data", "mountPath": MOUNT}],
        "resources": {"limits": _devices(options)},
    }
    pod = {
        "restartPolicy": "Never",
        # A training saves within seconds of SIGTERM; a slow disk needs longer.
        "terminationGracePeriodSeconds": 120,
        "containers": [container],
        "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": options.claim}},
        ],
    }
    if options.tpu:
        pod["nodeSelector"] = {
            "cloud.google.com/gke-tpu-accelerator": options.tpu,
            "cloud.google.com/gke-tpu-topology": options.topology,
        }
    job = {
        "completionMode": "Indexed",
        "completions": options.pods,
        "parallelism": options.pods,
        # All pods start again together: one alone could not join the others.
        "backoffLimit": 0,
        "podFailurePolicy": {
            "rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1]}}]
        },
        "template": {"spec": pod},
    }
    return {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": {"name": options.name},
        "spec": {
            "network": {"enableDNSHostnames": True},
            "failurePolicy": {
                "maxRestarts": MOST_RESTARTS,
                "rules": [{"action": "FailJobSet", "onJobFailureReasons": ["PodFailurePolicy"]}],
            },
            "replicatedJobs": [{"name": "workers", "replicas": 1, "template": {"spec": job}}],
        },
    }


def _devices(options: argparse.Namespace) -> dict:
    if options.tpu:
        return {"google.com/tpu": options.gpus}
    return {"nvidia.com/gpu": options.gpus}


def main() -> None:
    """Reads the options, and prints the manifest or hands it to kubectl."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--name", required=True, help="of the JobSet")
    parser.add_argument("--image", required=True, help="a container with videolstm")
    parser.add_argument("--claim", required=True, help="a PersistentVolumeClaim that pods share")
    parser.add_argument("--pods", type=int, default=1)
    parser.add_argument("--gpus", type=int, default=1, help="GPUs or TPU chips of a pod")
    parser.add_argument("--tpu", default="", help="a kind of TPU, such as tpu-v5-lite-podslice")
    parser.add_argument("--topology", default="", help="of the TPU slice, such as 4x4")
    parser.add_argument("--dry_run", action="store_true", help="print the manifest")
    parser.add_argument("command", nargs="+", help="behind --: a command of videolstm")
    options = parser.parse_args()
    text = json.dumps(manifest(options), indent=2)
    if options.dry_run:
        print(text)
        return
    sys.exit(subprocess.run(["kubectl", "apply", "-f", "-"], input=text, text=True).returncode)


if __name__ == "__main__":
    main()
