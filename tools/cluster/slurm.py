"""Slurm on the hosts of hosts.py: a controller on the first, a slurmd on each.

    python3 tools/cluster/slurm.py up 3 /tmp/slurm           # sn0 … sn2, until `down`
    python3 tools/cluster/slurm.py on /tmp/slurm 0 sbatch …  # on sn0
    python3 tools/cluster/slurm.py down /tmp/slurm

In Python: `with Cluster(3, "sn") as cluster, Slurm(cluster) as slurm: job = slurm.submit(…)`.
The machine's own Slurm and munge, if any, are not touched: a host sees its configuration as /etc/slurm, its socket in /run.
"""

import contextlib
import os
import re
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import hosts
from hosts import Cluster, tool_path

DAEMONS = ("slurmctld", "slurmd", "munged", "sbatch")
CPUS, MEMORY_MB = 4, 8000
# Slurm starts a requeued job when the credential of its last start has expired. A node's CPUs are more than the machine has,
# so that a job of several tasks fits. KillWait: seconds from SIGTERM to SIGKILL.
CONFIGURATION = """ClusterName=headimpact
SlurmctldHost={names[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
TmpFS={temporary}/%n
TaskProlog={folder}/task-prolog
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
KillWait={kill_wait}
ReturnToService=2
JobRequeue=1
MinJobAge=3600
NodeName={nodes} CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
"""
ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "BOOT_FAIL", "DEADLINE"}


def why_not() -> str | None:
    """Why this machine can't run Slurm on hosts; None if it can."""
    missing = [name for name in DAEMONS if tool_path(name) is None]
    return hosts.why_not() or (f"{', '.join(missing)} not installed (make cluster-deps)" if missing else None)


@dataclass
class Job:
    """What `scontrol show job` says."""
    state: str
    code: int
    signal: int
    restarts: int
    nodes: str

    @property
    def ended(self) -> bool:
        return self.state in ENDED


class Slurm:
    """Slurm on a running cluster; a context manager. `folder` holds the logs of its daemons."""

    def __init__(self, cluster: Cluster, kill_wait: int = 10):
        self.cluster, self.kill_wait = cluster, kill_wait
        self.folder = cluster.folder / "slurm"
        self.daemons: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "Slurm":
        try:
            self._files()
            for host in self.cluster.hosts:
                host.run(["bash", "-ec", f"mkdir -p /etc/slurm /run/munge; mount --bind {self.folder}/etc /etc/slurm"], check=True)
                munge = [f"--key-file={self.folder}/munge.key", "--pid-file=/run/munge/pid", "--seed-file=/run/munge/seed",
                         f"--log-file={self.folder}/munged-{host.name}.log", "--socket=/run/munge/munge.socket.2"]
                self._start(host, ["munged", "--foreground", "--force", *munge])
            for host in self.cluster.hosts:
                self._wait(host, lambda host=host: host.run(["test", "-S", "/run/munge/munge.socket.2"]).returncode == 0, "munged")
            first = self.cluster[0]
            self._start(first, ["slurmctld", "-D", "-c"])
            for host in self.cluster.hosts:
                self._start(host, ["slurmd", "-D", "-c", "-N", host.name])
            self._wait(first, self.ready, "slurmctld")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        # The daemons, not the nsenter that waits for each: it reaps them.
        for host in self.cluster.hosts:
            for pid, name in host.processes().items():
                if name in DAEMONS:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
        for daemon in self.daemons:
            daemon.wait(10)
        self.daemons = []

    def ready(self) -> bool:
        told = self.cluster[0].run(["sinfo", "-h", "-o", "%T %D"], capture_output=True)
        return told.stdout.split() == ["idle", str(self.cluster.size)]

    def run(self, command: Sequence[str], env: Mapping[str, str] | None = None, **options: object) -> subprocess.CompletedProcess[str]:
        """A command on the controller's host: srun, scontrol …"""
        return self.cluster[0].run(command, env, **options)

    def submit(self, arguments: Sequence[str], env: Mapping[str, str] | None = None, folder: Path | None = None) -> int:
        """sbatch with the arguments, in `folder`; the job's number. Throws what sbatch says."""
        told = self.cluster[0].run(["env", "-C", str(folder or self.folder), "sbatch", "--parsable", *arguments], env, capture_output=True)
        if told.returncode != 0:
            raise RuntimeError(f"sbatch {' '.join(arguments)}: {told.stderr.strip()}")
        return int(told.stdout.strip().split(";")[0])

    def job(self, number: int) -> Job:
        text = self.run(["scontrol", "show", "job", str(number)], capture_output=True).stdout
        fields = dict(re.findall(r"(\w+)=(\S*)", text))
        code, _, number_of_signal = fields.get("ExitCode", "0:0").partition(":")
        return Job(fields.get("JobState", "UNKNOWN"), int(code), int(number_of_signal or 0), int(fields.get("Restarts", 0)),
                   fields.get("NodeList", ""))

    def requeue(self, number: int) -> None:
        """Puts a running job back into the queue, to start again at once."""
        self.run(["scontrol", "requeue", str(number)], check=True)
        self.run(["scontrol", "update", f"JobId={number}", "StartTime=now"], check=True)

    def wait(self, number: int, seconds: float) -> Job:
        """The job once it has ended; as it is after that many seconds if it hasn't."""
        until = time.monotonic() + seconds
        while True:
            job = self.job(number)
            if job.ended or time.monotonic() > until:
                return job
            time.sleep(0.2)

    def _files(self) -> None:
        etc = self.folder / "etc"
        etc.mkdir(parents=True)
        (self.folder / "state").mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        names = [host.name for host in self.cluster.hosts]
        # Open MPI's files must lie in another folder on each host.
        temporary = self.folder / "tmp"
        for name in names:
            (temporary / name).mkdir(parents=True)
        prolog = self.folder / "task-prolog"
        prolog.write_text(f"#!/bin/sh\necho export TMPDIR={temporary}/$SLURMD_NODENAME\n")
        prolog.chmod(0o755)
        nodes = f"{self.cluster.prefix}[0-{len(names) - 1}]" if len(names) > 1 else names[0]
        (etc / "slurm.conf").write_text(CONFIGURATION.format(names=names, folder=self.folder, temporary=temporary, nodes=nodes, cpus=CPUS,
                                                             memory=MEMORY_MB, kill_wait=self.kill_wait))
        (etc / "cgroup.conf").write_text("CgroupAutomount=no\nConstrainCores=no\nConstrainRAMSpace=no\n")

    def _start(self, host: hosts.Host, command: list[str]) -> None:
        path = tool_path(command[0])
        assert path is not None
        with open(self.folder / f"{command[0]}-{host.name}.out", "ab") as log:
            self.daemons.append(host.start([path, *command[1:]], {"SLURM_CONF": "/etc/slurm/slurm.conf"}, stdin=subprocess.DEVNULL,
                                           stdout=log, stderr=log))

    def _wait(self, host: hosts.Host, ready: Callable[[], bool], what: str, seconds: float = 30) -> None:
        until = time.monotonic() + seconds
        while not ready():
            ended = [daemon.args for daemon in self.daemons if daemon.poll() is not None]
            if ended or time.monotonic() > until:
                tails = "".join(f"{log.name}: {log.read_text()[-400:]}\n" for log in sorted(self.folder.glob("*.out")) if log.stat().st_size)
                raise RuntimeError(f"{what} on {host.name} is not ready after {seconds:g} s; ended: {ended}\n{tails}")
            time.sleep(0.1)


if __name__ == "__main__":
    hosts.main(prefix="sn", on_top=Slurm, reason=why_not, description=__doc__)
