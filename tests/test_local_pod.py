"""Several processes on one machine are ended by what ends the process that started them."""

import os
import signal
import sys

from videolstm_jax.cluster.local_pod import LocalPod


def test_a_signal_while_a_pod_starts_is_sent_on(monkeypatch):
    pod = LocalPod(2, [])
    start = pod.start

    def start_and_signal():
        running = start()
        os.kill(os.getpid(), signal.SIGTERM)
        return running

    monkeypatch.setattr(pod, "start", start_and_signal)
    sleeping = [sys.executable, "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr(pod, "command", lambda index: sleeping)
    assert pod.run() == 128 + signal.SIGTERM
