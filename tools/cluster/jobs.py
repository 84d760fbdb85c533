"""The program under Slurm: jobs of deploy/score.slurm that are cancelled, put back and run out of time, and srun with a killed rank."""

import os
import re
import signal
import subprocess
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from bits import differences
from faults import SILENCE
from runs import Bench
from slurm import Job, Slurm
from trial import GO_ON, Outcome

SMALL = ["--nodes=3", "--ntasks-per-node=1", "--cpus-per-task=1", "--mem=1G"]
PATIENCE = 120.0


class Batch:
    """One job, or job step, on one output."""

    def __init__(self, bench: Bench, slurm: Slurm, root: Path, name: str):
        self.bench, self.slurm, self.script = bench, slurm, root / "deploy/score.slurm"
        self.folder = bench.folder / "slurm" / name
        self.folder.mkdir(parents=True)
        self.output = self.folder / "hi.h5"

    def environment(self) -> dict[str, str]:
        demo = self.bench.demo
        return {"MODEL": str(demo / "model"), "DATASET": str(demo / "dataset/keyobjects.json"), "IMAGES": str(demo / "dataset/images"),
                "OUTPUT": str(self.output), "PATH": f"{self.bench.program.parent}:{os.environ['PATH']}",
                "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}

    def submit(self, *options: str) -> int:
        return self.slurm.submit([*SMALL, "--output=job-%j.log", *options, str(self.script)], self.environment(), self.folder)

    def step(self, *options: str) -> list[str]:
        """srun of the program itself."""
        program = [str(self.bench.program), "score", *self.bench.inputs(), "--output", str(self.output), "--quiet"]
        return ["srun", "--mpi=pmix", "-n", "3", "-N", "3", *options, *program]

    def log(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))

    def wait_for_work(self, size: int = 200_000) -> None:
        """Until the journal has some records."""
        journal = self.output.with_name("hi.h5.journal")
        until = time.monotonic() + PATIENCE
        while not (journal.exists() and journal.stat().st_size > size):
            if self.output.exists() or time.monotonic() > until:
                raise RuntimeError(f"no work to disturb: {self.log()[-2000:]}")
            time.sleep(0.02)

    def base(self) -> Path:
        """The undisturbed output, of one process."""
        output = self.bench.folder / "slurm/base/hi.h5"
        if not output.exists():
            output.parent.mkdir(parents=True)
            subprocess.run([self.bench.program, "score", *self.bench.inputs(), "--output", output, "--quiet"], check=True, capture_output=True)
        return output

    def finish(self, outcome: Outcome, *options: str) -> None:
        """The same job again, to its end: the undisturbed bits."""
        job = self.slurm.wait(self.submit(*options), PATIENCE)
        if job.state != "COMPLETED":
            outcome.fail("hung" if not job.ended else "lost", f"submitted again: {job}")
        elif "resuming" not in self.log():
            outcome.fail("lost", "submitted again, it began from the beginning")
        self.compare(outcome)

    def compare(self, outcome: Outcome) -> None:
        if unlike := differences(self.output, self.base()):
            outcome.fail("wrong", "; ".join(unlike[:4]))
        if extra := {path.name for path in self.folder.iterdir() if path.suffix != ".log"} - {"hi.h5"}:
            outcome.fail("left", f"files: {', '.join(sorted(extra))}")


def _ended(outcome: Outcome, job: Job, *states: str) -> None:
    outcome.code = job.code
    if not job.ended:
        outcome.fail("hung", f"{job}")
    elif job.state not in states:
        outcome.fail("message", f"{job}, not {' or '.join(states)}")


def _says_resume(batch: Batch, outcome: Outcome) -> None:
    if not re.search(GO_ON, batch.log()):
        outcome.fail("message", f"no line has {GO_ON}")


def whole(batch: Batch, outcome: Outcome) -> None:
    _ended(outcome, batch.slurm.wait(batch.submit(), PATIENCE), "COMPLETED")
    batch.compare(outcome)


def cancelled(batch: Batch, outcome: Outcome) -> None:
    number = batch.submit()
    batch.wait_for_work()
    batch.slurm.run(["scancel", str(number)], check=True)
    _ended(outcome, batch.slurm.wait(number, 40), "CANCELLED")
    _says_resume(batch, outcome)
    batch.finish(outcome)


def requeued(batch: Batch, outcome: Outcome) -> None:
    number = batch.submit("--requeue")
    batch.wait_for_work()
    batch.slurm.requeue(number)
    job = batch.slurm.wait(number, PATIENCE)
    _ended(outcome, job, "COMPLETED")
    if job.restarts != 1:
        outcome.fail("message", f"{job.restarts} restarts")
    if "resuming" not in batch.log():
        outcome.fail("lost", "it began from the beginning")
    batch.compare(outcome)


def warned(batch: Batch, outcome: Outcome) -> None:
    """Slurm's warning before the time limit: the job ends by itself, and says how far it came."""
    number = batch.submit("--no-requeue", "--signal=USR1@3600", "--time=60")
    job = batch.slurm.wait(number, PATIENCE)
    outcome.code = job.code
    # The warning may come after the last sample.
    if job.state == "COMPLETED":
        outcome.note = "the warning came too late"
        batch.compare(outcome)
        return
    _says_resume(batch, outcome)
    batch.finish(outcome)


def killed_rank(*options: str, rank: int, within: float) -> Callable[[Batch, Outcome], None]:
    """What the system does if memory runs out: SIGKILL to a task of srun."""
    def case(batch: Batch, outcome: Outcome) -> None:
        with open(batch.folder / "step.log", "wb") as log:
            step = batch.slurm.cluster[0].start(batch.step(*options), batch.environment(), stdout=log, stderr=log)
        try:
            batch.wait_for_work()
            pid = _task(batch, rank)
            os.kill(pid, signal.SIGKILL)
            began = time.monotonic()
            while step.poll() is None and time.monotonic() - began < within:
                time.sleep(0.1)
            outcome.code, outcome.seconds = step.poll(), time.monotonic() - began
            if outcome.code is None:
                outcome.fail("hung", f"still running {within:g} s after the kill of rank {rank}")
            elif outcome.code == 0:
                outcome.fail("message", "exit code 0")
            else:
                _says_resume(batch, outcome)
        finally:
            batch.slurm.run(["bash", "-c", "scancel $(squeue -h -o %i) 2>/dev/null; true"], check=True)
            step.kill()
            step.wait()
        batch.finish(outcome)
    return case


def _task(batch: Batch, rank: int) -> int:
    """The pid of a task of srun."""
    for host in batch.slurm.cluster.hosts:
        for pid, name in host.processes().items():
            if name == "headimpact":
                environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                if f"PMIX_RANK={rank}".encode() in environment:
                    return pid
    raise RuntimeError(f"no task with rank {rank}")


def outcomes(bench: Bench, slurm: Slurm, root: Path, seed: int) -> Iterator[Outcome]:
    """Every case, one after the other."""
    cases: dict[str, Callable[[Batch, Outcome], None]] = {
        "sbatch score.slurm": whole, "scancel": cancelled, "requeue": requeued, "warning": warned,
        "srun, worker killed": killed_rank("--kill-on-bad-exit=1", rank=1, within=40),
        "srun, rank 0 killed": killed_rank("--kill-on-bad-exit=1", rank=0, within=40),
    }
    if bench.has_option("score", "--silence-limit"):
        cases["srun without --kill-on-bad-exit, worker killed"] = silent(1)
        cases["srun without --kill-on-bad-exit, rank 0 killed"] = silent(0)
    for name, case in cases.items():
        outcome = Outcome(name, "slurm", "score", f"{seed}.list")
        batch = Batch(bench, slurm, root, re.sub(r"\W+", "-", name))
        began = time.monotonic()
        try:
            case(batch, outcome)
        except Exception:
            outcome.fail("error", traceback.format_exc())
        outcome.seconds = outcome.seconds or time.monotonic() - began
        outcome.log = batch.log()
        yield outcome


def silent(rank: int) -> Callable[[Batch, Outcome], None]:
    """Without srun's option, the program itself ends: the killed rank is silent."""
    case = killed_rank(rank=rank, within=60)

    def with_limit(batch: Batch, outcome: Outcome) -> None:
        step = batch.step
        batch.step = lambda *options: [*step(*options), *SILENCE]  # type: ignore[method-assign]
        case(batch, outcome)
    return with_limit
