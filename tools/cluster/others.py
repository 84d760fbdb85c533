"""Second runs, little memory, other clocks, interruptions of interruptions."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from faults import KILLED, SILENCE, STOPPED, signalled
from runs import MARK
from trial import GO_ON, OWN, Ends, Fault, Scene

# Two runs on one output.

def second_run(*options: str) -> Callable[[Scene], str | None]:
    """The same command again while the first works: the second must say so, and leave the first alone."""
    def strike(scene: Scene) -> str | None:
        run = scene.run
        command = run.command(2, None, options)
        env = os.environ | {MARK: run.mark, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        second = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
        if not run.running():
            return None
        if second.returncode != 1 or str(run.output.parent) not in second.stderr:
            scene.failures.append(("message", f"the second run: code {second.returncode}: {second.stderr[-300:]}"))
        return "the second run was refused"
    return strike


# Memory, clocks, kills in the writing of the output.

def limited(megabytes: int) -> Callable[[Scene], None]:
    """ulimit -v for mpirun's children."""
    return lambda scene: scene.run.start(before=["bash", "-c", f'ulimit -v {megabytes << 10}; exec "$@"', "bash"])


def in_group(megabytes: int) -> Callable[[Scene], None]:
    """A control group's limit for the whole run."""
    def start(scene: Scene) -> None:
        group = Path("/sys/fs/cgroup/memory") / f"headimpact-{os.getpid()}-{scene.run.mark}"
        limit, old = (group / "memory.limit_in_bytes", True)
        if not group.parent.is_dir():
            group = Path("/sys/fs/cgroup") / group.name
            limit, old = (group / "memory.max", False)
        group.mkdir()
        scene.undo.append(lambda: _remove_group(group))
        limit.write_text(str(megabytes << 20))
        if not old:
            (group / "memory.swap.max").write_text("0")
        scene.run.start(before=["bash", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "bash"])
    return start


def _remove_group(group: Path) -> None:
    until = time.monotonic() + 5
    while group.exists() and time.monotonic() < until:
        try:
            group.rmdir()
        except OSError:
            time.sleep(0.1)


def groups_are_writable() -> bool:
    return os.access("/sys/fs/cgroup/memory", os.W_OK) or os.path.exists("/sys/fs/cgroup/memory.max")


def at_another_time(offset: str) -> Callable[[Scene], None]:
    return lambda scene: scene.run.start(before=["faketime", "-f", offset])


def killed_in_writing(scene: Scene) -> str | None:
    """SIGKILL to every process as soon as a half-written output stands there."""
    run = scene.run
    until = time.monotonic() + 60
    while run.running() and time.monotonic() < until:
        if any(".partial" in name and not name.startswith(run.journal.name) for name in run.files()):
            signalled(list(run.processes()), signal.SIGKILL)
            return "killed while the output was written"
    return None


# Interruptions of interruptions, and things that look like one.

def killed_again_and_again(scene: Scene) -> str | None:
    """SIGKILL to everything, --resume on another number of ranks, twice more; the trial resumes the last time."""
    run = scene.run
    for _ in range(2):
        signalled(list(run.processes()), signal.SIGKILL)
        run.wait(20)
        run.leftovers(20)
        run.count = scene.rng.choice([1, 2, 3, 5])
        run.start(["--resume"])
        if not run.wait_for_ranks():
            return "done before the last kill"
        time.sleep(scene.rng.uniform(0, 1.5))
    return "killed three times" if signalled(list(run.processes()), signal.SIGKILL) else None


def killed_and_touched(scene: Scene) -> str | None:
    """What a restored backup is: the same files, at other places of the disk, with other dates."""
    run = scene.run
    demo = run.demo
    assert demo is not None
    if not signalled(list(run.processes()), signal.SIGKILL):
        return None

    def restore() -> None:
        shutil.rmtree(demo)
        shutil.copytree(run.bench.demo, demo, copy_function=shutil.copyfile)
    scene.undo.append(restore)
    return "killed, and its files restored"


def impatient(scene: Scene) -> str | None:
    """Ctrl-C twice."""
    pids = scene.run.pids("mpirun")
    signalled(pids, signal.SIGINT)
    time.sleep(scene.rng.uniform(0.05, 0.8))
    return "SIGINT twice" if signalled(pids, signal.SIGINT) else None


def terminated_then_killed(scene: Scene) -> str | None:
    """A batch system that doesn't wait long."""
    everyone = list(scene.run.processes())
    signalled(everyone, signal.SIGTERM)
    time.sleep(scene.rng.uniform(0.01, 0.3))
    signalled(everyone, signal.SIGKILL)
    return "SIGTERM, then SIGKILL"


def suspended(scene: Scene) -> str | None:
    """The whole job, as by Slurm's preemption: longer than the limit of silence."""
    everyone = list(scene.run.processes())
    if not signalled(everyone, signal.SIGSTOP):
        return None
    scene.undo.append(lambda: signalled(everyone, signal.SIGCONT))
    time.sleep(12)
    signalled(everyone, signal.SIGCONT)
    return "the job is suspended for 12 s"


def deaf(scene: Scene) -> None:
    """Nobody reads what it says: a closed terminal, or `2>&1 | head -1`."""
    scene.run.start(before=["bash", "-c", 'exec 2> >(head -c 1 >/dev/null); exec "$@"', "bash"])


def little_shared_memory(scene: Scene) -> None:
    """/dev/shm of a container."""
    scene.run.start(before=["unshare", "--mount", "bash", "-ec", 'mount -t tmpfs -o size=64k tmpfs /dev/shm; exec "$@"', "bash"])


def _again() -> list[Fault]:
    dead = Ends(frozenset({137}), within=20)
    return [
        Fault("killed-thrice", "signal", dead, killed_again_and_again, verbs=(*OWN, "experiment"), weight=1, keeps=False),
        Fault("killed-then-restored", "signal", dead, killed_and_touched, verbs=OWN, own_files=True, weight=1),
        Fault("term-then-kill", "signal", Ends(STOPPED | KILLED, within=20), terminated_then_killed, weight=2),
        Fault("int-twice", "signal", Ends(STOPPED | KILLED, within=20), impatient, weight=1),
        Fault("suspended", "silence", Ends(frozenset({75}), GO_ON, 60), suspended, verbs=("score", "train"), when="work", options=SILENCE,
              needs="--silence-limit"),
        # The signal for it ends Open MPI's mpirun, or its handler crashes in PMIx_Finalize.
        Fault("nobody-listens", "output", Ends(frozenset({139, 141}), within=60), start=deaf, verbs=("score", "train", "experiment"), when="start"),
        Fault("little-shared-memory", "memory", Ends(frozenset({1, 75, 135}), within=60), start=little_shared_memory, verbs=("score", "train"),
              when="start"),
    ]


def _others() -> list[Fault]:
    memory = Ends(frozenset({1, 75, 127, 134, 137}), within=60)
    found = [Fault("two-at-once", "twice", Ends(within=120), second_run(), verbs=(*OWN, "experiment"), when="work"),
             Fault("two-at-once-resume", "twice", Ends(within=120), second_run("--resume"), verbs=(*OWN, "experiment"), when="work"),
             Fault("killed-in-writing", "signal", Ends(frozenset({137}), within=20), killed_in_writing, verbs=OWN, when="work")]
    found += [Fault(f"ulimit-v-{megabytes}MB", "memory", memory, start=limited(megabytes), verbs=("score", "train"), when="start")
              for megabytes in (100, 150, 200, 250, 300, 350, 500)]
    if groups_are_writable():
        found += [Fault(f"group-of-{megabytes}MB", "memory", memory, start=in_group(megabytes), verbs=("score", "train"), when="start")
                  for megabytes in (30, 60, 100)]
    if shutil.which("faketime"):
        found += [Fault(f"clock-{name}", "clock", Ends(within=60), start=at_another_time(offset), verbs=("score", "train"), when="start")
                  for name, offset in (("back", "-1d"), ("ahead", "+1d"))]
    return found


FAULTS = [*_again(), *_others()]
