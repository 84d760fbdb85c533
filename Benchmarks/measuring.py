"""Time and memory of a command."""
import subprocess
import threading
import time
from pathlib import Path


def private_bytes(pid, but_not_below):
    """(without the files below a folder, with them): Private_Clean + Private_Dirty of a process, in bytes.

    A mapped weight file counts as private while only one process maps it; a second rank on the node shares it. So what
    a rank costs is the first figure.
    """
    total = excluded = 0
    counts = True
    for line in Path(f"/proc/{pid}/smaps").read_text(errors="replace").splitlines():
        head = line.split(None, 1)[0]
        if not head.endswith(":"):  # a new mapping: addresses, rights, offset, device, inode, path
            fields = line.split(None, 5)
            counts = not (len(fields) == 6 and fields[5].startswith(but_not_below))
        elif head in ("Private_Clean:", "Private_Dirty:", "Private_Hugetlb:"):
            kib = int(line.split()[1])
            total += kib
            excluded += 0 if counts else kib
    return (total - excluded) * 1024, total * 1024


class MemoryWatch(threading.Thread):
    """The peak of `private_bytes`, sampled twice a second."""

    def __init__(self, pid, but_not_below):
        super().__init__(daemon=True)
        self.pid, self.folder, self.peak, self.peak_with_weights = pid, str(but_not_below), 0, 0
        self.stopped = threading.Event()
        self.start()

    def run(self):
        while not self.stopped.wait(0.5):
            try:
                private, with_weights = private_bytes(self.pid, self.folder)
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                return  # it has ended
            self.peak, self.peak_with_weights = max(self.peak, private), max(self.peak_with_weights, with_weights)


def first_to_go(pid):
    """Makes a process, and those that it starts, the first that the kernel kills when memory runs out."""
    try:
        Path(f"/proc/{pid}/oom_score_adj").write_text("1000")
    except OSError:
        pass  # the kernel chooses then: mostly the largest


def run_watched(command, model_folder, env=None):
    """(standard output, wall seconds, MemoryWatch) of a command. Raises CalledProcessError with what it said."""
    start = time.perf_counter()
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    first_to_go(process.pid)
    watch = MemoryWatch(process.pid, Path(model_folder).resolve())
    out, err = process.communicate()
    watch.stopped.set()
    watch.join()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, out, err)
    return out, time.perf_counter() - start, watch
