"""Time and memory of a command."""
import subprocess
import threading
import time
from pathlib import Path


def resident_bytes(pid):
    """(anonymous, all) memory of a process, in bytes.

    Anonymous is what it has for itself: without mapped files, whose pages the ranks of a node share. The kernel keeps both counts: asking
    for them costs a tenth of a millisecond. smaps, which walks every mapped page of the weights, took up to 90 ms of a core.
    """
    found = {}
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in ("VmRSS", "RssAnon"):
            found[name] = int(value.split()[0]) * 1024
    return found.get("RssAnon", 0), found.get("VmRSS", 0)


class MemoryWatch(threading.Thread):
    """The peaks of `resident_bytes`, sampled five times a second."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.peak, self.peak_with_files = pid, 0, 0
        self.stopped = threading.Event()
        self.start()

    def run(self):
        while not self.stopped.wait(0.2):
            try:
                anonymous, resident = resident_bytes(self.pid)
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                return  # it has ended
            self.peak, self.peak_with_files = max(self.peak, anonymous), max(self.peak_with_files, resident)


def first_to_go(pid):
    """Makes a process, and those that it starts, the first that the kernel kills when memory runs out."""
    try:
        Path(f"/proc/{pid}/oom_score_adj").write_text("1000")
    except OSError:
        pass  # the kernel chooses then: mostly the largest


def run_watched(command, env=None):
    """(standard output, wall seconds, MemoryWatch) of a command. Raises CalledProcessError with what it said."""
    start = time.perf_counter()
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    first_to_go(process.pid)
    watch = MemoryWatch(process.pid)
    out, err = process.communicate()
    watch.stopped.set()
    watch.join()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, out, err)
    return out, time.perf_counter() - start, watch
