"""Disturbs the program in every way we know, and compares what comes of it bit for bit: `make test-cluster`.

    sudo .venv/bin/python tools/cluster/run.py --seed 1 --moments 200
    sudo .venv/bin/python tools/cluster/run.py --short                        # one fault of each kind
    sudo .venv/bin/python tools/cluster/run.py --only 'kill-.*' --verbs score,train --moments 10

Signals and lost hosts strike at seeded random moments; disks, files, journals, memory, second runs and Slurm have lists of their own.
Each trial ends with the same command and --resume on another number of ranks. What a verdict says:
  hung     it had to be stopped
  lost     --resume refused, or found less done than there was
  wrong    exit code 0 and other bits
  message  another exit code than promised, no word of what failed, or a backtrace
  left     processes or files that should be gone
  error    the trial itself failed

Everything happens in namespaces of processes and mounts, which the kernel removes with this program, and in a temporary folder.
"""

import argparse
import dataclasses
import os
import queue
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import faults
import files
import hosts
import jobs
import journals
import others
import slurm
from hosts import Cluster
from report import Report
from runs import Bench, Run
from trial import Fault, Outcome, attempt

ROOT = Path(__file__).resolve().parents[2]
HOSTS = 4
INSIDE = "CLUSTER_TRIALS_FOLDER"
ALL = [*faults.FAULTS, *files.FAULTS, *journals.FAULTS, *others.FAULTS]
# One of each kind, on the verbs where it says most.
SHORT = [("two-hosts-vanish", "score"), ("kill-worker", "score"), ("stop-worker-for-good", "score"), ("term-mpirun", "train"),
         ("usr1-mpirun", "experiment"), ("kill-remote-worker", "generate"), ("no-images", "ground"), ("disk-full", "train"),
         ("images-gone", "ablate"), ("model-overwritten", "score"), ("damaged: bit flip in a record", "score"),
         ("two-at-once-resume", "train")]

Trial = tuple[Fault, str, str]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=Path(os.environ.get("HEADIMPACT", ROOT / ".build/release/headimpact")))
    parser.add_argument("--seed", type=int, default=1, help="of the moments, verbs and numbers of ranks")
    parser.add_argument("--moments", type=int, default=200, help="how many faults at random moments")
    parser.add_argument("--short", action="store_true", help="one fault of each kind")
    parser.add_argument("--only", default="", help="faults whose names match this regular expression")
    parser.add_argument("--verbs", default="", help="only these, separated by commas")
    parser.add_argument("--at-once", type=int, default=2, help="trials at the same time")
    parser.add_argument("--no-slurm", action="store_true")
    parser.add_argument("--no-lists", action="store_true", help="only the random moments")
    parser.add_argument("--failures", type=Path, default=ROOT / ".cache/cluster-failures.log", help="logs of the trials that failed")
    parser.add_argument("--list", action="store_true", help="name the faults, and stop")
    return parser.parse_args()


def moments(options: argparse.Namespace, choice: list[Fault]) -> list[Trial]:
    """Every pair of a fault and a verb once, then pairs drawn by weight."""
    rng = random.Random(options.seed)
    pairs = [(fault, verb) for fault in choice if fault.when == "moment" for verb in wanted(fault, options)]
    if not pairs:
        return []
    rng.shuffle(pairs)
    chosen = pairs[:options.moments]
    weights = [fault.weight for fault, _ in pairs]
    chosen += rng.choices(pairs, weights, k=options.moments - len(chosen)) if any(weights) else []
    return [(fault, verb, f"{options.seed}.{number}") for number, (fault, verb) in enumerate(chosen)]


def wanted(fault: Fault, options: argparse.Namespace) -> list[str]:
    return [verb for verb in fault.verbs if not options.verbs or verb in options.verbs.split(",")]


def chosen(options: argparse.Namespace, bench: Bench) -> tuple[list[Trial], list[str]]:
    """The trials, and the faults that this program can't meet."""
    able, unable = [], []
    for fault in ALL:
        if options.only and not re.fullmatch(options.only, fault.name):
            continue
        if fault.needs and not bench.has_option(fault.verbs[0], fault.needs):
            unable.append(f"{fault.name} (no {fault.needs})")
        else:
            able.append(fault)
    if options.short:
        by_name = {fault.name: fault for fault in able}
        return [(in_work(by_name[name], verb), verb, f"{options.seed}.short") for name, verb in SHORT if name in by_name], unable
    trials = moments(options, able)
    if not options.no_lists:
        trials += [(fault, verb, f"{options.seed}.list") for fault in able if fault.when != "moment"
                   for verb in wanted(fault, options)]
    return trials, unable


def in_work(fault: Fault, verb: str) -> Fault:
    """The fault, not so early or late that it proves nothing."""
    return dataclasses.replace(fault, when="work") if fault.when == "moment" and verb != "experiment" else fault


def measure(bench: Bench, trials: list[Trial], cluster: Cluster | None) -> None:
    """How long the undisturbed runs take from the first sign of ranks on: the moments lie within."""
    known = bench.verbs()
    for verb, place in sorted({(verb, "hosts" if fault.on_hosts else "here") for fault, verb, _ in trials if fault.when == "moment"}):
        folder = bench.folder / f"length-{verb}-{place}"
        run = Run(bench, known[verb], folder, HOSTS if place == "hosts" else 3, cluster if place == "hosts" else None)
        run.start()
        run.wait_for_ranks()
        began = time.monotonic()
        if run.wait(180) != 0:
            sys.exit(f"the undisturbed {verb} fails ({place}):\n{run.log()}")
        bench.lengths[verb, place] = time.monotonic() - began
        shutil.rmtree(folder)
    print("seconds of the undisturbed runs: " + ", ".join(f"{verb} {place} {length:.1f}" for (verb, place), length in bench.lengths.items()))


def inside(options: argparse.Namespace, folder: Path) -> int:
    """In namespaces of its own."""
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4g", "tmpfs", folder], check=True)
    bench = Bench(options.program, folder)
    trials, unable = chosen(options, bench)
    known = bench.verbs()
    began = time.monotonic()
    report = Report(options.failures)
    options.failures.unlink(missing_ok=True)
    with ExitStack() as stack:
        # Clusters live as long as the thread that makes them.
        clusters: queue.Queue[Cluster] = queue.Queue()
        for number in range(options.at_once if any(fault.on_hosts for fault, _, _ in trials) else 0):
            clusters.put(stack.enter_context(Cluster(HOSTS, folder=_made(folder / f"hosts{number}"))))
        bench.prepare()
        for verb in ("score", *{verb for _, verb, _ in trials}):
            bench.base(known[verb])
        measure(bench, trials, clusters.queue[0] if clusters.queue else None)

        def one(trial: Trial) -> None:
            fault, verb, seed = trial
            cluster = clusters.get() if fault.on_hosts else None
            try:
                report.add(attempt(bench, fault, known[verb], seed, cluster))
            finally:
                if cluster is not None:
                    clusters.put(cluster)
        with ThreadPoolExecutor(options.at_once) as pool:
            list(pool.map(one, trials))
    if not options.no_slurm and not options.short and (not options.only or options.only == "slurm"):
        run_slurm(bench, report, options)
    for name in unable:
        print(f"not tried: {name}")
    print(report.table())
    print(f"{report.sentence()}; seed {options.seed}, {(time.monotonic() - began) / 60:.1f} min")
    if report.failed:
        print(f"The failing trials' logs are in {options.failures}")
    return 1 if report.failed else 0


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def run_slurm(bench: Bench, report: Report, options: argparse.Namespace) -> None:
    if (reason := slurm.why_not()) is not None:
        report.add(Outcome("slurm", "slurm", "score", "", failures=[("error", reason)]))
        return
    (bench.folder / "slurm").mkdir()
    with Cluster(3, "sn", _made(bench.folder / "nodes")) as cluster, slurm.Slurm(cluster) as running:
        for outcome in jobs.outcomes(bench, running, ROOT, options.seed):
            report.add(outcome)


def main() -> int:
    options = parse()
    if options.list:
        for fault in ALL:
            print(f"{fault.kind:10}{fault.name:36}{', '.join(fault.verbs)}")
        return 0
    if (reason := hosts.why_not()) is not None:
        sys.exit(f"test-cluster: {reason}")
    options.program = options.program.resolve()
    options.failures = options.failures.resolve()
    options.failures.parent.mkdir(parents=True, exist_ok=True)
    if INSIDE in os.environ:
        return inside(options, Path(os.environ[INSIDE]))
    with hosts.ends_as_an_exception(), tempfile.TemporaryDirectory(prefix="cluster-") as folder:
        # bash is the first process in the namespace: it reaps what others leave behind.
        inner = subprocess.Popen([*hosts.UNSHARE, "--mount", "--pid", "--mount-proc", "bash", "-c", '"$@"; exit $?', "bash", sys.executable,
                                  "-u", *sys.argv], env=os.environ | {INSIDE: folder})
        try:
            return inner.wait()
        finally:
            inner.send_signal(signal.SIGKILL)
            inner.wait()


if __name__ == "__main__":
    sys.exit(main())
