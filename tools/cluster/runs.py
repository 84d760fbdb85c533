"""Runs of the program to disturb: started on several ranks, here or on hosts, watched through /proc, and resumed."""

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hosts import Cluster

# Every process of a run has its mark in the environment: only such processes are ever sent a signal.
MARK = "HEADIMPACT_TRIAL"
RESUMED = re.compile(r"resuming: (\d+) of (\d+)")
INTERRUPTED = re.compile(r"(\d+) of (\d+) .*--resume")


@dataclass(frozen=True)
class Verb:
    """A command to disturb."""
    name: str
    output: str
    arguments: tuple[str, ...]
    # What stands beside a finished output.
    beside: tuple[str, ...] = ()

    @property
    def trains(self) -> bool:
        return self.name == "train"

    @property
    def longer(self) -> tuple[str, ...]:
        """Options of a run that lasts some times as long; its output is another."""
        return {"train": ("--steps", "600"), "score": ("--limit", "100000"), "generate": ("--limit", "100000"),
                "ablate": ("--limit", "100000"), "ground": ("--limit", "100000")}.get(self.name, ())


EXPERIMENT = """demonstration: {train_scenes: 24, test_scenes: 8}
threads: 1
arms: [pretrained, top, bottom]
select: {layers: 2, heads: 4}
train: {steps: 12, batch: 6}
generate: {max_new_tokens: 12}
evaluate: {resamples: 100}
score: {bootstrap: 100}
ablate: {heads: 4, seeds: [0], limit: 8}
"""


@dataclass
class Bench:
    """The program, the data, and the undisturbed results."""
    program: Path
    folder: Path
    # Some tens of seconds of one rank's work for every verb together.
    scenes: int = 1024
    lengths: dict[tuple[str, str], float] = field(default_factory=dict)
    # Held while something is made that several trials use.
    lock: threading.Lock = field(default_factory=threading.Lock)
    helps: dict[str, str] = field(default_factory=dict)

    @property
    def demo(self) -> Path:
        return self.folder / "demo"

    def prepare(self) -> None:
        (self.folder / "base").mkdir()
        subprocess.run([self.program, "demo", "--output", self.demo, "--scenes", str(self.scenes), "--split", "train"], check=True,
                       stdout=subprocess.DEVNULL)
        (self.folder / "experiment.yaml").write_text(EXPERIMENT)

    def inputs(self, demo: Path | None = None) -> list[str]:
        """The options that every verb but experiment has."""
        demo = demo or self.demo
        return ["--model", str(demo / "model"), "--dataset", str(demo / "dataset/keyobjects.json"), "--images", str(demo / "dataset/images"),
                "--threads", "1"]

    def verbs(self) -> dict[str, Verb]:
        scored = str(self.folder / "base/score/hi.h5")
        listed = [
            Verb("score", "hi.h5", ("--limit", "256")),
            Verb("generate", "texts.json", ("--limit", "192"), beside=("texts.json.run",)),
            Verb("ablate", "ablation.json", ("--limit", "48", "--hi", scored), beside=("ablation.json.run",)),
            Verb("ground", "places.json", ("--limit", "384", "--hi", scored), beside=("places.json.run",)),
            Verb("train", "adapter", ("--limit", "48", "--layers", "2,3", "--steps", "48", "--batch", "6", "--checkpoint-every", "4")),
            Verb("experiment", "experiment", ()),
        ]
        return {verb.name: verb for verb in listed}

    def command(self, verb: Verb, output: Path, options: Sequence[str] = (), demo: Path | None = None) -> list[str]:
        """The program's command line, without a launcher."""
        inputs = [str(self.folder / "experiment.yaml")] if verb.name == "experiment" else self.inputs(demo)
        return [str(self.program), verb.name, *inputs, *verb.arguments, "--output", str(output), *options]

    def base(self, verb: Verb) -> Path:
        """The verb's result of a single process that nothing disturbed."""
        return self.of_files(verb, None, self.folder / "base" / verb.name)

    def of_files(self, verb: Verb, demo: Path | None, folder: Path) -> Path:
        """The same of a model and a dataset as they are now."""
        output = folder / verb.output
        if not output.exists():
            folder.mkdir(parents=True, exist_ok=True)
            told = subprocess.run(self.command(verb, output, demo=demo), capture_output=True, text=True)
            if told.returncode != 0:
                raise RuntimeError(f"the undisturbed {verb.name} fails: {told.stderr}")
        return output

    def has_option(self, verb: str, option: str) -> bool:
        """Whether the program's verb has the option; "launch --pause" asks another verb."""
        verb, option = option.split() if " " in option else (verb, option)
        if verb not in self.helps:
            self.helps[verb] = subprocess.run([self.program, verb, "--help"], capture_output=True, text=True).stdout
        return option in self.helps[verb]


class Run:
    """One run of a verb, in a folder of its own; on hosts if a cluster is given."""

    def __init__(self, bench: Bench, verb: Verb, folder: Path, ranks: int, cluster: Cluster | None = None, demo: Path | None = None,
                 options: Sequence[str] = (), launcher: Sequence[str] = (), output: Path | None = None):
        self.bench, self.verb, self.folder, self.cluster, self.demo = bench, verb, folder, cluster, demo
        # The options are those of the first start only.
        self.count, self.options, self.launcher = ranks, tuple(options), tuple(launcher)
        self.output = output or folder / "out" / verb.output
        self.output.parent.mkdir(parents=True, exist_ok=True)
        self.mark = folder.name
        self.starts = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.started = 0.0

    # Starting

    def command(self, ranks: int, cluster: Cluster | None, options: Sequence[str]) -> list[str]:
        program = self.bench.command(self.verb, self.output, options, self.demo)
        placing = ["--hostfile", str(cluster.hostfile()), "-x", MARK, "--map-by", "ppr:1:node"] if cluster else []
        return ["mpirun", "--oversubscribe", "-np", str(ranks), *placing, *self.launcher, *program]

    def start(self, options: Sequence[str] = (), ranks: int | None = None, local: bool = False, before: Sequence[str] = (),
              command: Sequence[str] | None = None) -> None:
        self.starts += 1
        cluster = None if local else self.cluster
        # The lock of a killed run on hosts is this host's: its processes are known to be gone on it only.
        place = self.cluster[0] if self.cluster else None
        if self.starts == 1:
            options = [*self.options, *options]
        line = [*before, *(command or self.command(ranks or self.count, cluster, options))]
        env = os.environ | {MARK: self.mark, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        if place:
            env |= place.environment()
            line = place.command(line)
        with open(self.log_path, "wb") as log:
            log.write(f"$ {' '.join(line)}\n".encode())
            log.flush()
            self.process = subprocess.Popen(line, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.started = time.monotonic()

    @property
    def log_path(self) -> Path:
        return self.folder / f"log-{self.starts}"

    def log(self) -> str:
        """What the run has said."""
        return self.log_path.read_text(errors="replace").partition("\n")[2]

    def command_line(self) -> str:
        return self.log_path.read_text(errors="replace").partition("\n")[0]

    # Watching

    def processes(self) -> dict[int, str]:
        """The run's processes: the name of each by its pid. Zombies are gone."""
        found = {}
        wanted = f"{MARK}={self.mark}".encode()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                    name, state = status(int(pid))
                    if state != "Z" and name != "nsenter":
                        found[int(pid)] = name
        for host in self.cluster.hosts if self.cluster else []:
            found |= {pid: name for pid, name in host.processes().items() if name != "sshd" and status(pid)[1] not in ("Z", "")}
        return found

    def ranks(self) -> dict[int, int]:
        """The pid of each rank that runs."""
        found = {}
        for pid, name in self.processes().items():
            with contextlib.suppress(OSError):
                if name == "headimpact":
                    values = dict(entry.partition(b"=")[::2] for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))
                    if b"OMPI_COMM_WORLD_RANK" in values:
                        found[int(values[b"OMPI_COMM_WORLD_RANK"])] = pid
        return found

    def listens(self) -> bool:
        """Whether every rank has begun to look after SIGTERM: before that it is the system that ends it, without a word."""
        term = 1 << (signal.SIGTERM - 1)
        ranks = self.ranks()
        return len(ranks) >= self.count and all(caught(pid) & term for pid in ranks.values())

    def pids(self, name: str) -> list[int]:
        return [pid for pid, found in self.processes().items() if found == name]

    def wait_for_ranks(self, seconds: float = 60) -> bool:
        """Until every rank has started; false if the run ended before."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.running():
            if len(self.ranks()) >= self.count:
                return True
            time.sleep(0.01)
        return self.running()

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def wait(self, seconds: float) -> int | None:
        """The exit code, as a shell tells it; None if it still runs."""
        assert self.process is not None
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        return code if code >= 0 else 128 - code

    def leftovers(self, seconds: float) -> list[str]:
        """Names of the run's processes that are still there after that many seconds."""
        until = time.monotonic() + seconds
        while (found := self.processes()) and time.monotonic() < until:
            time.sleep(0.1)
        return sorted(found.values())

    def end(self) -> None:
        """Kills whatever is left of it."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            self.process.wait()

    # What it has done

    @property
    def journal(self) -> Path:
        return self.output.with_name(self.output.name + ".journal")

    @property
    def checkpoints(self) -> Path:
        return self.output.with_name(self.output.name + ".training")

    def progress(self) -> int:
        """Units in the journal, or the step of the newest checkpoint: what no fault may take away."""
        with contextlib.suppress(OSError, ValueError):
            if self.verb.trains:
                steps = [int(path.name.rsplit("-", 1)[1]) for path in self.checkpoints.glob("checkpoint-*") if path.name[-1].isdigit()]
                return max(steps, default=0)
            return max(0, len(records(self.journal.read_bytes())) - 1) if self.journal.is_file() else 0
        return 0

    def resumed(self) -> int:
        """How many units or steps --resume found done."""
        told = RESUMED.search(self.log())
        return int(told.group(1)) if told else 0

    def files(self) -> list[str]:
        """What stands in the folder of the output."""
        with contextlib.suppress(OSError):
            return sorted(os.listdir(self.output.parent))
        return []

    def extra_files(self) -> list[str]:
        """What a finished run should not leave: anything beside its output, and half files within."""
        beside = set(self.files()) - {self.verb.output, *self.verb.beside}
        return sorted(beside | set(_half_files(self.output)))


def _half_files(folder: Path) -> list[str]:
    found = [str(Path(root, name).relative_to(folder)) for root, folders, names in os.walk(folder) for name in [*folders, *names]]
    return [name for name in found if ".partial" in name or name.endswith((".lock", ".journal"))]


def head_of(journal: bytes) -> int:
    """Where a journal's records begin: after a line that says what it is."""
    return journal.index(b"\n") + 1


def records(journal: bytes) -> list[tuple[int, int]]:
    """The byte ranges of a journal's whole records, their heads included; the first is the identity."""
    found, at = [], head_of(journal)
    while at + 24 <= len(journal):
        length = int.from_bytes(journal[at:at + 8], "little", signed=True)
        if length < 0 or at + 24 + length > len(journal):
            break
        found.append((at, at + 24 + length))
        at += 24 + length
    return found


def status(pid: int) -> tuple[str, str]:
    """A process's name and state, empty if it is gone."""
    with contextlib.suppress(OSError):
        before, _, after = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
        return before.partition("(")[2], after.split()[0]
    return "", ""


def caught(pid: int) -> int:
    """The mask of the signals for which a process has a handler."""
    with contextlib.suppress(OSError):
        found = re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text())
        return int(found.group(1), 16) if found else 0
    return 0
