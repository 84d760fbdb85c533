"""The machine: its limits, and whether it is quiet."""
import json
import os
import re
import resource
import subprocess
import time
from pathlib import Path

# Cores that others may use at most while a measurement counts as one of a quiet machine.
QUIET_CORES = 0.1


def processor():
    """The processor's name, family and model: names alone say little on virtual machines."""
    text = Path("/proc/cpuinfo").read_text()
    found = {key: m.group(1).strip() for key in ("model name", "cpu family", "model")
             if (m := re.search(rf"^{key}\s*: (.*)$", text, re.M))}
    if "model name" not in found:
        return os.uname().machine
    return f"{found['model name']} (family {found.get('cpu family')}, model {found.get('model')})"


def memory():
    """Bytes of memory that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def limits(program, threads, seconds=0.05):
    """{threads: {"f32", "bf16": operations a second, "bandwidth": bytes a second}}, measured now by product-rates."""
    out = subprocess.run([program, "--limits", "--json", "--threads", ",".join(map(str, sorted(set(threads)))), "--seconds", str(seconds)],
                         check=True, capture_output=True, text=True).stdout
    return parsed_limits(json.loads(out))


def parsed_limits(said):
    """Of product-rates' JSON. In bf16 the peak is that of bf16 dot products where the program uses them."""
    found = {}
    for entry in said["limits"]:
        f32 = max(rate for name, rate in entry["peaks"].items() if name != "bf16")
        bf16 = max(f32, entry["peaks"].get("bf16", 0)) if said["hasFastBFloat16"] else f32
        found[entry["threads"]] = {"f32": f32, "bf16": bf16, "bandwidth": entry["bandwidth"]}
    return found


def highest(measured):
    """The highest of several `limits`: what a busy moment hides is no limit."""
    best = {}
    for one in measured:
        for threads, rates in one.items():
            for name, rate in rates.items():
                mine = best.setdefault(int(threads), {})
                mine[name] = max(mine.get(name, 0), rate)
    return best


def busy_seconds(text=None):
    """Seconds that all processors have computed since the start of the machine, from /proc/stat."""
    fields = (Path("/proc/stat").read_text() if text is None else text).split("\n", 1)[0].split()
    user, nice, system, _, _, irq, softirq, *rest = map(int, fields[1:])
    steal = rest[0] if rest else 0
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def own_seconds():
    """Seconds that this process and those that it waited for have computed."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


class Quietness:
    """Who else computes: before a measurement, for a moment, and while it runs."""

    def __init__(self, moment=0.5):
        self.load = os.getloadavg()[0]
        busy, own, start = busy_seconds(), own_seconds(), time.monotonic()
        time.sleep(moment)
        self.before = max(0, busy_seconds() - busy - (own_seconds() - own)) / (time.monotonic() - start)
        self.start = busy_seconds(), own_seconds(), time.monotonic()

    def end(self):
        """What is stored with a measurement. Load: the average of a minute. Others: cores that other processes used."""
        busy, own, start = self.start
        during = max(0, busy_seconds() - busy - (own_seconds() - own)) / max(time.monotonic() - start, 1e-9)
        return {"load": self.load, "others_before": self.before, "others": during,
                "quiet": max(self.before, during) <= QUIET_CORES}


def said(conditions):
    """The conditions of a measurement in words."""
    kind = "quiet" if conditions["quiet"] else "NOT QUIET"
    return (f"{kind}: load {conditions['load']:.1f} before, others used {conditions['others_before']:.2f} cores before "
            f"and {conditions['others']:.2f} meanwhile")
