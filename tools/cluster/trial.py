"""A trial: a run, a fault, what came of it, and the same command again with --resume."""

import contextlib
import random
import re
import shutil
import subprocess
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bits import differences
from hosts import Cluster
from runs import INTERRUPTED, Bench, Run, Verb

# Those that hand out units of work and keep a journal; those that read a model and data of their own; all.
UNITS = ("score", "generate", "ablate", "ground")
OWN = (*UNITS, "train")
VERBS = (*OWN, "experiment")
# How long an undisturbed run, or one that resumes, may take on a busy machine.
PATIENCE = 180.0
# A failing run's own words; Open MPI's are noise around them.
GO_ON = r"--resume"
BACKTRACE = re.compile(r"Thread \d+ .*crashed|Backtrace took|\*\*\* Signal \d+: Backtracing")


@dataclass(frozen=True)
class Ends:
    """How a run may end after a fault: with one of these codes and a line of this pattern, in this time."""
    codes: frozenset[int] = frozenset()
    line: str = ""
    within: float = 30
    # Or with code 0 and the undisturbed bits.
    goes_on: bool = True


class Scene:
    """What a fault can see and touch."""

    def __init__(self, run: Run, rng: random.Random, cluster: Cluster | None):
        self.run, self.rng, self.cluster = run, rng, cluster
        # Whether the program could hear a signal when the fault struck.
        self.listened = True
        # What `mend` undoes, last first.
        self.undo: list[Callable[[], object]] = []
        # A fault's own, and what it finds wrong itself.
        self.notes: dict[str, int] = {}
        self.failures: list[tuple[str, str]] = []

    @property
    def worker(self) -> int | None:
        """The pid of some rank above 0."""
        ranks = self.run.ranks()
        above = sorted(rank for rank in ranks if rank > 0)
        return ranks[self.rng.choice(above)] if above else None

    def mend(self) -> None:
        while self.undo:
            self.undo.pop()()

    def mount(self, *arguments: str, at: Path, host: int | None = None) -> None:
        """mount ARGUMENTS AT, here or on a host, until mended."""
        def do(command: Sequence[str]) -> None:
            if host is None:
                subprocess.run(command, check=True)
            else:
                assert self.cluster is not None
                self.cluster[host].run(command, check=True)
        do(["mount", *arguments, str(at)])
        self.undo.append(lambda: do(["umount", "-l", str(at)]))


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong, and what is promised then."""
    name: str
    kind: str
    ends: Ends
    # Does it, and tells what it did; None if there was nothing left to disturb.
    strike: Callable[[Scene], str | None] = lambda scene: ""
    # Before the run starts.
    prepare: Callable[[Scene], None] = lambda scene: None
    verbs: tuple[str, ...] = VERBS
    on_hosts: bool = False
    # "moment": at a random one; "start": `prepare` is all; "work": when some work is done; "writing": when an output is written.
    when: str = "moment"
    options: tuple[str, ...] = ()
    # The first run lasts longer, and must not come to its end.
    longer: bool = False
    launcher: tuple[str, ...] = ()
    # An option of the program without which the trial makes no sense.
    needs: str = ""
    # How often it takes part among random moments, as compared with others.
    weight: int = 2
    # Whether what was done stays done: false if the fault takes the journal or the checkpoints away.
    keeps: bool = True
    # A copy of the demonstration's files to damage.
    own_files: bool = False
    # What else is wrong with the first run, by its log.
    check: Callable[[str], str] = lambda log: ""
    # Replaces the run's start.
    start: Callable[[Scene], None] | None = None


@dataclass
class Outcome:
    """What came of a trial. `failures` has pairs of a verdict (hung, lost, wrong, message, left) and its reason."""
    fault: str
    kind: str
    verb: str
    seed: str
    note: str = ""
    moment: float = 0
    code: int | None = None
    seconds: float = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    log: str = ""
    command: str = ""

    def fail(self, verdict: str, reason: str) -> None:
        self.failures.append((verdict, reason))

    @property
    def verdict(self) -> str:
        order = ("error", "wrong", "hung", "lost", "message", "left")
        found = {verdict for verdict, _ in self.failures}
        return next((verdict for verdict in order if verdict in found), "ok")


def attempt(bench: Bench, fault: Fault, verb: Verb, seed: str, cluster: Cluster | None) -> Outcome:
    """The whole trial. A mistake of the trial itself is the verdict "error"."""
    outcome = Outcome(fault.name, fault.kind, verb.name, seed)
    folder = bench.folder / "trials" / re.sub(r"[^\w-]+", "-", f"{fault.name}-{verb.name}-{seed}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rng = random.Random(f"{fault.name}/{verb.name}/{seed}")
    demo = None
    if fault.own_files:
        demo = folder / "demo"
        shutil.copytree(bench.demo, demo)
    hosts = cluster if fault.on_hosts else None
    ranks = hosts.size if hosts else rng.choice([2, 3, 4])
    options = fault.options + (verb.longer if fault.longer else ())
    run = Run(bench, verb, folder, ranks, hosts, demo, options, fault.launcher)
    scene = Scene(run, rng, hosts)
    try:
        _disturb(bench, fault, scene, outcome)
        outcome.failures += scene.failures
        _resume(bench, fault, scene, outcome)
    except Exception:
        outcome.fail("error", traceback.format_exc())
    finally:
        run.end()
        with contextlib.suppress(Exception):
            scene.mend()
        if hosts:
            hosts.mend()
    if outcome.verdict == "ok":
        shutil.rmtree(folder, ignore_errors=True)
    return outcome


def _disturb(bench: Bench, fault: Fault, scene: Scene, outcome: Outcome) -> None:
    run = scene.run
    fault.prepare(scene)
    if fault.start:
        fault.start(scene)
    else:
        run.start()
    outcome.command = run.command_line()
    done = _strike(bench, fault, scene, outcome)
    began = time.monotonic()
    code = run.wait(fault.ends.within if fault.when != "start" else fault.ends.within + PATIENCE / 2)
    outcome.code, outcome.seconds, outcome.log = code, time.monotonic() - began, run.log()
    if code is None:
        outcome.fail("hung", f"still running after {fault.ends.within:g} s")
        run.end()
        return
    if left := run.leftovers(20):
        outcome.fail("left", f"processes: {', '.join(left)}")
        run.end()
    if BACKTRACE.search(outcome.log):
        outcome.fail("message", "a backtrace")
    if wrong := fault.check(outcome.log):
        outcome.fail("message", wrong)
    if code == 0:
        _check_going_on(bench, fault, scene, outcome)
        return
    if fault.kind in ("signal", "host") and run.progress() == 0 and (not scene.listened or code == 137):
        outcome.note += ", before anything was done"
        return
    if code not in fault.ends.codes:
        outcome.fail("message", f"exit code {code}, not one of {sorted(fault.ends.codes)}")
    # A run is also right to say itself that it can go on.
    if fault.ends.line and not re.search(fault.ends.line, outcome.log):
        outcome.fail("message", f"no line has {fault.ends.line}")
    if fault.keeps and (kept := run.progress()) < done and not run.output.exists():
        outcome.fail("lost", f"{done} units or steps were on the disk, {kept} are left")
    if code == 75 and not re.search(GO_ON, outcome.log):
        outcome.fail("message", "exit code 75, and no word of --resume")


def _strike(bench: Bench, fault: Fault, scene: Scene, outcome: Outcome) -> int:
    """Waits for the time of the fault, and strikes. Returns what was done by then."""
    run = scene.run
    if fault.when == "start":
        return 0
    if not run.wait_for_ranks(PATIENCE):
        outcome.note = "too late"
        return 0
    if fault.when == "moment":
        length = bench.lengths.get((run.verb.name, "hosts" if run.cluster else "here"), 3.0)
        outcome.moment = scene.rng.uniform(0, length)
        time.sleep(outcome.moment)
    elif fault.when == "work":
        wanted = scene.rng.randrange(1, 12)
        while run.running() and run.progress() < wanted:
            time.sleep(0.005)
    done, scene.listened = run.progress(), run.listens()
    struck = fault.strike(scene) if run.running() else None
    outcome.note = "too late" if struck is None else struck
    return done


def _check_going_on(bench: Bench, fault: Fault, scene: Scene, outcome: Outcome) -> None:
    if fault.longer:
        if outcome.note != "too late":
            outcome.fail("message", "exit code 0: it noticed nothing")
        return
    if not fault.ends.goes_on and outcome.note != "too late":
        outcome.fail("message", "exit code 0")
    if not (unlike := differences(scene.run.output, bench.base(scene.run.verb))):
        return
    if _is_of_changed_files(bench, scene.run):
        # Struck before the run had looked at the files: its result is right for what it found, and no part of the next one's.
        outcome.note += ", before it was looked at"
        shutil.rmtree(scene.run.output.parent)
    else:
        outcome.fail("wrong", f"exit code 0: {'; '.join(unlike[:4])}")


def _is_of_changed_files(bench: Bench, run: Run) -> bool:
    if not run.demo:
        return False
    try:
        return not differences(run.output, bench.of_files(run.verb, run.demo, run.folder / "again"))
    except RuntimeError:
        return False  # nobody can use these files


def _resume(bench: Bench, fault: Fault, scene: Scene, outcome: Outcome) -> None:
    run, verb = scene.run, scene.run.verb
    before, done, finished = run.log(), run.progress(), run.output.exists()
    run.end()
    scene.mend()
    if scene.cluster:
        scene.cluster.mend()
    if fault.longer:
        shutil.rmtree(run.output.parent, ignore_errors=True)
    run.output.parent.mkdir(parents=True, exist_ok=True)
    ranks = scene.rng.choice([1, 2, 3, 5])
    run.start(["--resume"], ranks, local=True)
    code = run.wait(PATIENCE)
    again = f"--resume on {ranks} ranks"
    if code is None:
        outcome.fail("hung", f"{again} has not ended after {PATIENCE:g} s")
        return
    if code != 0:
        outcome.fail("lost", f"{again}: exit code {code}: {tail(run.log())}")
        return
    if unlike := differences(run.output, bench.base(verb)):
        outcome.fail("wrong", f"{again}: {'; '.join(unlike[:4])}")
    told = INTERRUPTED.search(before)
    promised = max(done, int(told.group(1)) if told and verb.name != "experiment" else 0)
    if fault.keeps and not finished and verb.name != "experiment" and run.resumed() < promised:
        outcome.fail("lost", f"{again} finds {run.resumed()} done of {promised}")
    if extra := run.extra_files():
        outcome.fail("left", f"files: {', '.join(extra)}")


def tail(log: str, lines: int = 3) -> str:
    """The last lines of a log that say something."""
    telling = [line for line in log.splitlines() if line.strip() and not line.startswith("---")]
    return " / ".join(telling[-lines:])[-400:]
