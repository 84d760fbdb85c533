"""The scripts of deploy/ on real schedulers and hosts: Slurm with three nodes, and PBS's and LSF's environments over three hosts.

    make test-deploy, or: python3 -m unittest discover -s tools/deploy -p 'test_batch.py'      (as root)

Each job is disturbed as clusters do it; its output has the same bits as an undisturbed run in one process. Whatever this
machine lacks (root, namespaces, Slurm) skips the tests and is named.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/cluster"))
import hosts  # noqa: E402
import slurm  # noqa: E402
from bits import differences  # noqa: E402
from hosts import Cluster  # noqa: E402
from slurm import Slurm  # noqa: E402

PROGRAM = Path(os.environ.get("HEADIMPACT", ROOT / ".build/release/headimpact")).resolve()
DEPLOY = ROOT / "deploy"
# Long enough to be disturbed.
SCENES = 300
NODES = ["--nodes=3", "--ntasks-per-node=1", "--cpus-per-task=1", "--mem=500M"]


def headimpact(*arguments: str | Path) -> None:
    subprocess.run([PROGRAM, *arguments], check=True, capture_output=True, env=os.environ | {"HEADIMPACT_MPI": "never"})


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise AssertionError(f"{what}: not after {seconds:g} s")
        time.sleep(0.05)


class Data:
    """A demonstration model, its data, and undisturbed outputs; made once."""

    def __init__(self, folder: Path):
        self.folder = folder
        demo = folder / "demo"
        headimpact("demo", "--output", demo, "--scenes", str(SCENES), "--split", "train")
        self.model, self.dataset, self.images = demo / "model", demo / "dataset/keyobjects.json", demo / "dataset/images"
        self.inputs = ["--model", self.model, "--dataset", self.dataset, "--images", self.images]
        self.hi, self.adapter = folder / "expected.h5", folder / "expected-adapter"
        headimpact("score", *self.inputs, "--output", self.hi, "--quiet")
        self.training = ["--layers", "6,7", "--steps", "60", "--batch", "8"]
        headimpact("train", *self.inputs, *self.training, "--output", self.adapter, "--quiet")
        (folder / "bin").mkdir()
        (folder / "bin/headimpact").symlink_to(PROGRAM)

    def environment(self, output: Path) -> dict[str, str]:
        return {"MODEL": str(self.model), "DATASET": str(self.dataset), "IMAGES": str(self.images), "OUTPUT": str(output),
                "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}:/usr/sbin"}


def setUpModule() -> None:
    global data, scratch
    if (why := hosts.why_not()) is not None:
        raise unittest.SkipTest(why)
    scratch = tempfile.TemporaryDirectory(prefix="deploy-", dir="/var/tmp")
    data = Data(Path(scratch.name))


def tearDownModule() -> None:
    scratch.cleanup()


class SlurmTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        if (why := slurm.why_not()) is not None:
            raise unittest.SkipTest(why)
        cls.cluster = cls.enterClassContext(Cluster(3, "sn"))
        cls.slurm = cls.enterClassContext(Slurm(cls.cluster, kill_wait=30))

    def setUp(self) -> None:
        self.folder = data.folder / self.id().split(".")[-1]
        self.folder.mkdir()
        self.output = self.folder / "results/hi.h5"

    def submit(self, script: str, *arguments: str, options: list[str] = NODES, time: str = "10", **environment: str) -> int:
        told = [*options, f"--time={time}", "--output=%j.log", str(DEPLOY / script), *arguments]
        return self.slurm.submit(told, data.environment(self.output) | environment, self.folder)

    def log(self, job: int) -> str:
        path = self.folder / f"{job}.log"
        return path.read_text() if path.exists() else ""

    def control(self, *command: str) -> None:
        self.slurm.run(command, check=True)

    def started(self, job: int, grown: Path, bytes: int = 100_000) -> None:
        """Waits until a job is in the midst of its work."""
        def is_there() -> bool:
            if self.slurm.job(job).ended:
                raise AssertionError(f"job {job} ended before it could be disturbed: {self.log(job)}")
            return grown.is_dir() if grown.suffix != ".journal" else grown.exists() and grown.stat().st_size > bytes
        wait_until(is_there, f"job {job}: {grown.name}")

    def ranks(self) -> list[int]:
        """The processes of the ranks, one a host."""
        found = [pid for host in self.cluster.hosts for pid, name in host.processes().items() if name.startswith("headimpact")]
        self.assertEqual(3, len(found))
        return found

    def check(self, job: int, expected: Path | None = None, restarts: int = 0, seconds: float = 120) -> None:
        """The job completes after that many restarts, with the bits of an undisturbed run."""
        ended = self.slurm.wait(job, seconds)
        logs = "".join(f"{path.name}: {path.read_text()}\n" for path in sorted(self.folder.glob("*.log")))
        queue = self.slurm.run(["squeue", "--all", "--format=%i %T %r %E"], capture_output=True).stdout
        self.assertEqual(("COMPLETED", restarts), (ended.state, ended.restarts), logs + queue)
        self.assertEqual([], differences(self.output, expected or data.hi))
        self.assertEqual([], [path.name for path in self.output.parent.iterdir() if path.suffix in (".journal", ".training")])

    @property
    def journal(self) -> Path:
        return self.output.with_name("hi.h5.journal")

    def test_score_completes_under_mpirun_and_srun(self) -> None:
        for launcher in ("mpirun", "srun"):
            with self.subTest(launcher):
                self.output = self.folder / launcher / "hi.h5"
                job = self.submit("score.slurm", LAUNCHER=launcher)
                self.check(job)
                self.assertRegex(self.log(job), r"layer +HI")

    def test_score_goes_on_after_the_warning_before_the_time_limit(self) -> None:
        for launcher in ("mpirun", "srun"):
            with self.subTest(launcher):
                self.output = self.folder / launcher / "hi.h5"
                job = self.submit("score.slurm", LAUNCHER=launcher)
                self.started(job, self.journal)
                self.control("scancel", "--batch", "--signal=USR1", str(job))
                self.check(job, restarts=1)
                self.assertIn("resuming", self.log(job))

    def test_slurm_warns_before_the_time_limit(self) -> None:
        """Slurm looks at time limits twice a minute: stopped ranks stand for long work."""
        job = self.submit("score.slurm", "--limit=200", options=[*NODES, "--signal=B:USR1@50"], time="1")
        self.started(job, self.journal)
        ranks = self.ranks()
        for rank in ranks:
            os.kill(rank, signal.SIGSTOP)
        wait_until(lambda: "Forwarding signal 10" in self.log(job), "the warning", 90)
        for rank in ranks:
            os.kill(rank, signal.SIGCONT)
        ended = self.slurm.wait(job, 120)
        self.assertEqual(("COMPLETED", 1), (ended.state, ended.restarts), self.log(job))

    def test_score_goes_on_after_requeue(self) -> None:
        for launcher in ("mpirun", "srun"):
            with self.subTest(launcher):
                self.output = self.folder / launcher / "hi.h5"
                job = self.submit("score.slurm", LAUNCHER=launcher)
                self.started(job, self.journal)
                self.control("scontrol", "requeue", str(job))
                self.check(job, restarts=1)
                self.assertIn("resuming", self.log(job))

    def test_score_goes_on_when_submitted_again_after_scancel(self) -> None:
        first = self.submit("score.slurm")
        self.started(first, self.journal)
        self.control("scancel", str(first))
        self.assertEqual("CANCELLED", self.slurm.wait(first, 30).state)
        self.assertIn("--resume", self.log(first))
        second = self.submit("score.slurm")
        self.check(second)
        self.assertIn("resuming", self.log(second))

    def test_score_is_not_queued_again_more_often_than_said(self) -> None:
        job = self.submit("score.slurm", RESTARTS="0")
        self.started(job, self.journal)
        self.control("scancel", "--batch", "--signal=USR1", str(job))
        ended = self.slurm.wait(job, 30)
        self.assertEqual(("FAILED", 75, 0), (ended.state, ended.code, ended.restarts), self.log(job))

    def test_a_killed_rank_ends_the_job_under_mpirun_and_srun(self) -> None:
        for launcher in ("mpirun", "srun"):
            with self.subTest(launcher):
                self.output = self.folder / launcher / "hi.h5"
                job = self.submit("score.slurm", LAUNCHER=launcher)
                self.started(job, self.journal)
                os.kill(self.ranks()[-1], signal.SIGKILL)
                start = time.monotonic()
                # Under srun, what counts is which rank ends first: the killed one, or rank 0 with 75, after which the job goes on.
                wait_until(lambda: self.slurm.job(job).state != "RUNNING", "the end", 60)
                self.assertLess(time.monotonic() - start, 40)
                ended = self.slurm.wait(job, 120)
                self.assertIn((ended.state, ended.restarts), [("FAILED", 0), ("COMPLETED", 1)], self.log(job))
                self.check(self.submit("score.slurm", LAUNCHER=launcher))

    def test_training_keeps_a_checkpoint_and_goes_on(self) -> None:
        for launcher in ("mpirun", "srun"):
            with self.subTest(launcher):
                self.output = self.folder / launcher / "adapter"
                job = self.submit("train.slurm", *data.training, LAUNCHER=launcher)
                wait_until(lambda: re.search(r"step +[1-9]", self.log(job)) is not None, "a step")
                self.control("scancel", "--batch", "--signal=USR1", str(job))
                self.check(job, data.adapter, restarts=1)
                self.assertIn("resuming", self.log(job))

    def test_an_experiment_goes_on(self) -> None:
        file = self.folder / "experiment.yaml"
        file.write_text(EXPERIMENT)
        expected = self.folder / "expected"
        headimpact("experiment", file, "--output", expected, "--quiet")
        self.output = self.folder / "results/experiment"
        job = self.submit("experiment.slurm", FILE=str(file))
        self.started(job, self.output / "adapters")
        self.control("scancel", "--batch", "--signal=USR1", str(job))
        self.check(job, expected, restarts=1)

    def test_shards_and_gather(self) -> None:
        task = ["--ntasks=1", "--cpus-per-task=1", "--mem=500M"]
        array = self.submit("shards.slurm", options=[*task, "--array=1-4", "--output=%A_%a.log"])
        gather = self.submit("gather.slurm", options=[*task, f"--dependency=afterok:{array}"])
        shard = self.output.with_name("hi.h5.shard-2-of-4.journal")
        wait_until(lambda: shard.exists() and shard.stat().st_size > 20_000, "the second shard's journal")
        self.control("scancel", "--batch", "--signal=USR1", f"{array}_2")
        self.check(gather)
        told = self.slurm.run(["scontrol", "show", "job", str(array)], capture_output=True).stdout
        self.assertEqual(["0", "0", "0", "1"], sorted(re.findall(r"Restarts=(\d+)", told)), told)

    def test_a_part_of_the_array_must_say_of_how_many(self) -> None:
        task = ["--ntasks=1", "--cpus-per-task=1", "--mem=500M"]
        job = self.submit("shards.slurm", options=[*task, "--array=2-3"])
        self.assertEqual("FAILED", self.slurm.wait(job, 30).state)
        self.assertIn("SHARDS=", "".join(path.read_text() for path in self.folder.glob("*.log")))


class OtherSchedulerTests(unittest.TestCase):
    """No free PBS or LSF is at hand: the environments that they set, over real hosts, and stand-ins for their commands."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.cluster = cls.enterClassContext(Cluster(3))

    def setUp(self) -> None:
        self.folder = data.folder / self.id().split(".")[-1]
        self.folder.mkdir()
        self.output = self.folder / "hi.h5"

    def run_script(self, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        env = data.environment(self.output) | {"RANKS_PER_NODE": "1", "THREADS": "1"} | environment
        return self.cluster[0].run(["env", "-C", str(self.folder), "bash", str(DEPLOY / script)], env, capture_output=True, timeout=120)

    def names(self, separator: str) -> str:
        return separator.join(host.name for host in self.cluster.hosts)

    def test_pbs(self) -> None:
        nodes = self.folder / "nodes"
        nodes.write_text(self.names("\n") + "\n")
        run = self.run_script("score.pbs", PBS_NODEFILE=str(nodes), PBS_O_WORKDIR=str(self.folder))
        self.assertEqual(0, run.returncode, run.stderr)
        self.assertEqual([], differences(self.output, data.hi))

    def test_pbs_submits_itself_again_before_the_time_limit(self) -> None:
        nodes, told = self.folder / "nodes", self.folder / "told"
        nodes.write_text(self.names("\n") + "\n")
        queue = self.folder / "qsub"
        queue.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {told}\n')
        queue.chmod(0o755)
        path = f"{self.folder}:{data.environment(self.output)['PATH']}"
        environment = dict(PBS_NODEFILE=str(nodes), PBS_O_WORKDIR=str(self.folder), PATH=path)
        run = self.run_script("score.pbs", WORK_SECONDS="3", **environment)
        self.assertEqual(75, run.returncode, run.stderr)
        flag, variables, script = told.read_text().splitlines()
        self.assertEqual(("-v", "deploy/score.pbs"), (flag, script))
        again = dict(pair.split("=", 1) for pair in variables.split(","))
        self.assertEqual("1", again["RESTART"])
        run = self.run_script("score.pbs", **environment | again | {"WORK_SECONDS": "100"})
        self.assertEqual(0, run.returncode, run.stderr)
        self.assertIn("resuming", run.stderr)
        self.assertEqual([], differences(self.output, data.hi))

    def test_lsf_with_either_list_of_hosts(self) -> None:
        lines = self.folder / "lines"
        lines.write_text(self.names("\n") + "\n")
        for hosts_of in ({"LSB_DJOB_HOSTFILE": str(lines)}, {"LSB_MCPU_HOSTS": self.names(" 1 ") + " 1"}):
            with self.subTest(next(iter(hosts_of))):
                self.output = self.folder / next(iter(hosts_of)) / "hi.h5"
                run = self.run_script("score.lsf", **hosts_of)
                self.assertEqual(0, run.returncode, run.stderr)
                self.assertEqual([], differences(self.output, data.hi))

    def test_lsf_warns_before_the_time_limit(self) -> None:
        lists = {"LSB_MCPU_HOSTS": self.names(" 1 ") + " 1"}
        env = data.environment(self.output) | {"RANKS_PER_NODE": "1", "THREADS": "1"} | lists
        with open(self.folder / "log", "wb") as log:
            script = self.cluster[0].start(["bash", str(DEPLOY / "score.lsf")], env, stdout=log, stderr=log)
        journal = self.output.with_name("hi.h5.journal")
        wait_until(lambda: journal.exists() and journal.stat().st_size > 100_000, "the journal")
        shell = next(pid for pid in self.cluster[0].processes() if b"score.lsf" in Path(f"/proc/{pid}/cmdline").read_bytes())
        os.kill(shell, signal.SIGUSR1)
        self.assertEqual(75, script.wait(60), (self.folder / "log").read_text())
        run = self.run_script("score.lsf", **lists)
        self.assertEqual(0, run.returncode, run.stderr)
        self.assertIn("resuming", run.stderr)
        self.assertEqual([], differences(self.output, data.hi))


EXPERIMENT = """
output: results/small
demonstration: {train_scenes: 96, test_scenes: 32}
precision: f32
select: {measure: matched, layers: 2, heads: 4}
arms: [pretrained, top, bottom, top-heads]
train: {steps: 24, batch: 8, lr: 4.0e-3, lora_rank: 4}
generate: {max_new_tokens: 8}
"""

if __name__ == "__main__":
    unittest.main()
