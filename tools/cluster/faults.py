"""Signals, and hosts that fail."""

import os
import signal
import time
from collections.abc import Callable

from trial import GO_ON, OWN, Ends, Fault, Scene

# mpirun ends with the code of the first rank to end, or its own.
STOPPED = frozenset({75, 1, 129, 130, 143})
KILLED = frozenset({75, 137})
LOST = frozenset({1, 9, 75, 137, 205})
SILENCE = ("--silence-limit", "10")


def send(number: signal.Signals, whom: str) -> Callable[[Scene], str | None]:
    """A signal to "mpirun", "worker", "rank 0", "ranks" or "all"."""
    def strike(scene: Scene) -> str | None:
        run = scene.run
        ranks = run.ranks()
        if whom == "worker":
            pids = [pid] if (pid := scene.worker) else []
        elif whom == "rank 0":
            pids = [ranks[0]] if 0 in ranks else []
        else:
            pids = (run.pids("mpirun") if whom in ("mpirun", "all") else []) + (list(ranks.values()) if whom in ("ranks", "all") else [])
        return f"{number.name} to {whom}" if signalled(pids, number) else None
    return strike


def signalled(pids: list[int], number: signal.Signals) -> bool:
    """Whether one of the processes got the signal."""
    got = False
    for pid in pids:
        try:
            os.kill(pid, number)
            got = True
        except ProcessLookupError:
            pass
    return got


def stopped(whom: str, seconds: float | None) -> Callable[[Scene], str | None]:
    """A rank that the system suspends, for a time or for good."""
    def strike(scene: Scene) -> str | None:
        pid = scene.worker if whom == "worker" else scene.run.ranks().get(0)
        if pid is None or not signalled([pid], signal.SIGSTOP):
            return None
        scene.undo.append(lambda: signalled([pid], signal.SIGCONT))
        if seconds is not None:
            time.sleep(seconds)
            signalled([pid], signal.SIGCONT)
        return f"{whom} stopped {f'{seconds:g} s' if seconds is not None else 'for good'}"
    return strike


def cut(seconds: float | None) -> Callable[[Scene], str | None]:
    """The link of a host other than the first is down for a time, or for good."""
    def strike(scene: Scene) -> str | None:
        assert scene.cluster is not None
        host = scene.cluster[scene.rng.randrange(1, scene.cluster.size)]
        if not scene.run.running():
            return None
        host.link("down")
        scene.undo.append(lambda: host.link("up"))
        if seconds is not None:
            time.sleep(seconds)
            host.link("up")
        return f"{host.name} {f'{seconds:g} s' if seconds is not None else 'for good'} without a link"
    return strike


def remote(name: str) -> Callable[[Scene], str | None]:
    """Kills a process of that name on a host other than the first."""
    def strike(scene: Scene) -> str | None:
        assert scene.cluster is not None
        host = scene.cluster[scene.rng.randrange(1, scene.cluster.size)]
        pids = [pid for pid, found in host.processes().items() if found == name]
        return f"{name} of {host.name}" if signalled(pids, signal.SIGKILL) else None
    return strike


def kill_ssh(scene: Scene) -> str | None:
    """One of the ssh by which mpirun has started the other hosts."""
    pids = scene.run.pids("ssh")
    return "an ssh of mpirun" if pids and signalled([scene.rng.choice(pids)], signal.SIGKILL) else None


def _signals() -> list[Fault]:
    kill, stops = Ends(KILLED, GO_ON, 15), Ends(STOPPED, GO_ON, 20)
    listed = [
        Fault("kill-worker", "signal", kill, send(signal.SIGKILL, "worker"), weight=3),
        Fault("kill-rank0", "signal", kill, send(signal.SIGKILL, "rank 0"), weight=3),
        # Nobody is left to tell or to hear.
        Fault("kill-mpirun", "signal", Ends(frozenset({137}), within=10), send(signal.SIGKILL, "mpirun")),
        Fault("term-all", "signal", stops, send(signal.SIGTERM, "all"), weight=3),
    ]
    listed += [Fault(f"{name}-mpirun", "signal", stops, send(number, "mpirun"), weight=3 if name == "term" else 2) for name, number in (
        ("term", signal.SIGTERM), ("int", signal.SIGINT), ("hup", signal.SIGHUP))]
    # mpirun passes it on, as Slurm's warning before the time limit.
    listed.append(Fault("usr1-mpirun", "signal", Ends(frozenset({75}), GO_ON, 20), send(signal.SIGUSR1, "mpirun"), weight=3))
    listed += [Fault(f"{name}-{whom.replace(' ', '')}", "signal", Ends(frozenset({75}), GO_ON, 20), send(number, whom)) for name, number, whom in (
        ("term", signal.SIGTERM, "worker"), ("term", signal.SIGTERM, "rank 0"), ("int", signal.SIGINT, "ranks"),
        ("usr1", signal.SIGUSR1, "worker"), ("usr1", signal.SIGUSR1, "ranks"))]
    return listed


def _silences() -> list[Fault]:
    # 137: rank 0 kills its mpirun if that doesn't end by itself.
    # It strikes in MPI_Init, too: then it is this that has not returned.
    waits, limit = Ends(within=60), Ends(frozenset({75, 137}), r"not (answered|returned)", 60, goes_on=False)
    return [
        Fault("stop-worker-5s", "silence", waits, stopped("worker", 5), weight=1),
        Fault("stop-rank0-5s", "silence", waits, stopped("rank 0", 5), weight=1),
        Fault("stop-worker-30s", "silence", waits, stopped("worker", 30), weight=0, verbs=("score", "train"), when="work"),
        Fault("stop-worker-for-good", "silence", limit, stopped("worker", None), options=SILENCE, needs="--silence-limit", weight=1,
              verbs=OWN),
        Fault("stop-rank0-for-good", "silence", limit, stopped("rank 0", None), options=SILENCE, needs="--silence-limit", weight=1,
              verbs=("score", "train")),
    ]


def _hosts() -> list[Fault]:
    lost = Ends(LOST, GO_ON, 60)
    return [
        Fault("kill-remote-worker", "host", Ends(KILLED, GO_ON, 20), send(signal.SIGKILL, "worker"), on_hosts=True, weight=3),
        Fault("term-mpirun-of-hosts", "host", Ends(STOPPED, GO_ON, 20), send(signal.SIGTERM, "mpirun"), on_hosts=True),
        Fault("usr1-mpirun-of-hosts", "host", Ends(frozenset({75}), GO_ON, 20), send(signal.SIGUSR1, "mpirun"), on_hosts=True),
        Fault("kill-mpirun-of-hosts", "host", Ends(frozenset({137}), within=10), send(signal.SIGKILL, "mpirun"), on_hosts=True),
        Fault("kill-orted", "host", lost, remote("orted"), on_hosts=True),
        Fault("kill-ssh", "host", lost, kill_ssh, on_hosts=True),
        # mpirun may need it still, to hear that its daemon has started.
        Fault("kill-sshd", "host", Ends(frozenset({255}), GO_ON, 30), remote("sshd"), on_hosts=True, weight=1),
        Fault("link-down-10s", "host", Ends(within=60), cut(10), on_hosts=True, weight=1),
        Fault("link-down-for-good", "host", Ends(frozenset({75, 137, 205, 1}), r"node\d", 75), cut(None), on_hosts=True, options=SILENCE,
              needs="--silence-limit", weight=1, verbs=OWN),
    ]


def launched(scene: Scene) -> None:
    """The run of `headimpact launch`, which starts it again on the hosts that are left."""
    run, cluster = scene.run, scene.cluster
    assert cluster is not None
    options = SILENCE if run.bench.has_option(run.verb.name, SILENCE[0]) else ()
    program, *arguments = run.bench.command(run.verb, run.output, options)
    run.start(command=[program, "launch", "--hostfile", str(cluster.hostfile()), "-np", str(cluster.size), "--map-by", "ppr:1:node",
                       "--restarts", "3", "--pause", "1", "--", *arguments])


def two_vanish(scene: Scene) -> str | None:
    """Two of the hosts, one after the other."""
    assert scene.cluster is not None
    first, second = (scene.cluster[index] for index in scene.rng.sample(range(1, scene.cluster.size), 2))
    first.link("down")
    pause = scene.rng.uniform(0, 20)
    until = time.monotonic() + pause
    while scene.run.running() and time.monotonic() < until:
        time.sleep(0.05)
    second.link("down")
    scene.undo += [lambda: first.link("up"), lambda: second.link("up")]
    return f"{first.name} vanished, and {second.name} {pause:.0f} s later"


def restarts(log: str) -> str:
    found = log.count("launch: restart")
    return f"{found} restarts for two hosts" if found > 2 else ""


def _launched() -> list[Fault]:
    return [Fault("two-hosts-vanish", "launch", Ends(within=180), two_vanish, verbs=("score", "train"), on_hosts=True, start=launched,
                  needs="launch --pause", check=restarts, weight=1)]


FAULTS = [*_signals(), *_silences(), *_hosts(), *_launched()]
