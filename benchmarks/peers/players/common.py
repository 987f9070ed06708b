"""What the peers' scripts share. It runs in their environments and imports nothing but NumPy."""

import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

PATIENCE = 600.0  # seconds


class Order:
    """What is asked for, from the folder that the first argument names: workload, arguments, settings."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.settings = json.loads((self.folder / "order.json").read_text(encoding="utf-8"))
        self.workload, self.parties = self.settings["workload"], self.settings["parties"]
        self.repeats, self.ports = self.settings["repeats"], self.settings["ports"]
        with np.load(self.folder / "inputs.npz") as held:
            self.arrays = [held[name] for name in self.settings["arrays"]]

    def found(self, number):
        """The file of a party's findings."""
        return self.folder / f"party{number}.json"


def timed(repeats, meet, call, sent):
    """Seconds of each call after one to warm up, all parties having met before; the last result; and the bytes that it sent."""
    seconds, before, result = [], 0, None
    for _ in range(1 + repeats):
        meet()
        before, start = sent(), time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - start)
    return seconds[1:], result, sent() - before


def write(order, number, seconds, sent, results):
    """A party's findings; the first one writes the results as well, an array for each of the workload's."""
    if number == 0:
        np.savez(order.folder / "results.npz", *[np.asarray(one) for one in results])
    found = {"seconds": seconds, "sent": sent, "peak": peak()}
    order.found(number).write_text(json.dumps(found), encoding="utf-8")


def peak():
    """The most bytes this process has had in memory, where the system says."""
    try:
        text = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return 0
    high = re.search(r"^VmHWM:\s+(\d+) kB", text, re.MULTILINE)
    return 1024 * int(high[1]) if high else 0


def loopback():
    """Bytes that this machine has sent to itself: of all parties, and of other programs, where the system says."""
    try:
        lines = Path("/proc/net/dev").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split(":")[1].split()[8]) for line in lines if line.strip().startswith("lo:"))


def together(order, version, commands):
    """Start a process for each party and wait for all of them; the slowest counts. Writes the peer's answer."""
    running = [subprocess.Popen([sys.executable, *command], env={**os.environ, **more}) for command, more in commands]
    try:
        codes = [process.wait(PATIENCE) for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    if any(codes):
        sys.exit(1)
    found = [json.loads(order.found(number).read_text(encoding="utf-8")) for number in range(order.parties)]
    seconds = [max(each) for each in zip(*[one["seconds"] for one in found], strict=True)]
    answer = {
        "version": version, "seconds": seconds, "median": statistics.median(seconds), "peak": max(one["peak"] for one in found),
        "sent": found[0]["sent"],
    }  # fmt: skip
    (order.folder / "answer.json").write_text(json.dumps(answer), encoding="utf-8")
