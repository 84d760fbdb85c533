"""Several "hosts" on one machine: namespaces of network, names, mounts and processes, joined by a bridge, an sshd in each.

    python3 tools/cluster/hosts.py up 4 /tmp/hosts       # node0 … node3, until `down`
    python3 tools/cluster/hosts.py on /tmp/hosts 0 CMD   # runs CMD on node0: `ssh node1`, mpirun --host node0,node1 …
    python3 tools/cluster/hosts.py link /tmp/hosts 2 down
    python3 tools/cluster/hosts.py docker0 /tmp/hosts    # gives every host an interface that Docker makes
    python3 tools/cluster/hosts.py down /tmp/hosts

In Python: `with Cluster(4) as cluster: cluster[0].run(["mpirun", …])`. Needs root.

The hosts see the machine's files, but each has its own /run, /dev/shm and $TMPDIR. Nothing has a name outside of the cluster's
folder: any number of clusters can stand side by side. The kernel removes a cluster when the process that holds it ends.
"""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

NETWORK = "10.77.0."
# The first process of a host only reaps what others leave behind.
FIRST_PROCESS = "while :; do sleep 3600 & wait $!; done"
UNSHARE = ["setpriv", "--pdeathsig", "KILL", "unshare", "--kill-child=KILL", "--fork"]


def why_not() -> str | None:
    """Why this machine can't make hosts; None if it can."""
    if os.geteuid() != 0:
        return "hosts need root"
    missing = [tool for tool in ("ip", "sshd", "ssh", "nsenter", "setpriv", "mpirun") if tool_path(tool) is None]
    if missing:
        return f"{', '.join(missing)} not installed (make cluster-deps)"
    tried = subprocess.run(["unshare", "-n", "-u", "-m", "-p", "-f", "true"], capture_output=True, text=True)
    return f"no namespaces: {tried.stderr.strip()}" if tried.returncode != 0 else None


def tool_path(name: str) -> str | None:
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


class Host:
    """One host of a cluster. `pid` is its first process, in the machine's numbers."""

    def __init__(self, cluster: "Cluster", index: int):
        self.cluster, self.index, self.name = cluster, index, f"{cluster.prefix}{index}"
        self.address = f"{NETWORK}{index + 10}"
        self.folder = cluster.folder / str(index)
        self.sshd: subprocess.Popen[bytes] | None = None
        self.pid = 0

    def command(self, command: Sequence[str | os.PathLike[str]]) -> list[str]:
        """The command line that runs `command` on this host, in the current folder."""
        return ["nsenter", "-t", str(self.pid), "-n", "-u", "-m", "-p", f"--wdns={os.getcwd()}", "--", *map(os.fspath, command)]

    def environment(self) -> dict[str, str]:
        """Open MPI as root, and files of its own."""
        return {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "TMPDIR": str(self.folder)}

    def run(self, command: Sequence[str | os.PathLike[str]], env: Mapping[str, str] | None = None,
            **options: object) -> subprocess.CompletedProcess[str]:
        """subprocess.run on this host, with text."""
        return subprocess.run(self.command(command), env=os.environ | self.environment() | dict(env or {}), text=True,
                              **options)  # type: ignore[call-overload]

    def start(self, command: Sequence[str | os.PathLike[str]], env: Mapping[str, str] | None = None,
              **options: object) -> subprocess.Popen[bytes]:
        """subprocess.Popen on this host."""
        return subprocess.Popen(self.command(command), env=os.environ | self.environment() | dict(env or {}),
                                **options)  # type: ignore[call-overload]

    def set_up(self) -> None:
        """After the first process has started: a name, files of its own, and an sshd."""
        self.folder.mkdir()
        hosts, ssh = self.cluster.folder / "hosts", self.cluster.folder / "ssh"
        mounts = [f"hostname {self.name}", "mount --make-rprivate /", "mount -t tmpfs tmpfs /run", "mkdir -p /run/sshd",
                  "mount -t tmpfs tmpfs /dev/shm", f"mount --bind {hosts} /etc/hosts", f"mount --bind {ssh}/config /etc/ssh/ssh_config",
                  f"mount --bind {ssh}/shadow /etc/shadow"]
        self.run(["bash", "-ec", "; ".join(mounts)], check=True)
        (ssh / f"sshd{self.index}").write_text(SERVER.format(ssh=ssh, folder=self.folder))
        self.start_sshd()

    def start_sshd(self) -> None:
        sshd, ssh = tool_path("sshd"), self.cluster.folder / "ssh"
        assert sshd is not None
        self.sshd = self.start([sshd, "-D", "-f", ssh / f"sshd{self.index}", "-E", ssh / f"sshd{self.index}.log"],
                               stdin=subprocess.DEVNULL)

    def processes(self) -> dict[int, str]:
        """Names of the host's processes by the machine's pids, without its first process and that one's sleep."""
        here, found = os.readlink(f"/proc/{self.pid}/ns/pid"), {}
        for entry in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                if entry.isdigit() and int(entry) != self.pid and os.readlink(f"/proc/{entry}/ns/pid") == here:
                    name = Path(f"/proc/{entry}/comm").read_text().strip()
                    if name not in ("sleep", "nsenter"):
                        found[int(entry)] = name
        return found

    def link(self, state: str) -> None:
        """Takes the host's network away ("down") or gives it back ("up")."""
        self.cluster.in_switch(["ip", "link", "set", f"port{self.index}", state])

    def add_docker0(self) -> None:
        """What a machine with Docker has: an interface of the same address everywhere, which leads to no other host."""
        self.run(["bash", "-ec", "ip link add docker0 type veth peer name docker1; ip link set docker1 up; "
                  "ip addr add 172.17.0.1/16 dev docker0; ip link set docker0 up"], check=True)

    def mend(self) -> None:
        """Link up, sshd running, and nothing else: as after set_up."""
        self.link("up")
        server = {pid for pid, name in self.processes().items() if name == "sshd"} if self.listening() else set()
        keep = min(server, default=None)
        for pid in self.processes():
            if pid != keep:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        if keep is None:
            self.start_sshd()
            self.wait_for_sshd()

    def listening(self) -> bool:
        return self.sshd is not None and self.sshd.poll() is None

    def wait_for_sshd(self, seconds: float = 10) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            table = Path(f"/proc/{self.pid}/net/tcp").read_text()
            if ":0016 00000000:0000 0A" in table:
                return
            time.sleep(0.02)
        log = self.cluster.folder / f"ssh/sshd{self.index}.log"
        raise RuntimeError(f"{self.name}: no sshd after {seconds:g} s: {log.read_text() if log.exists() else 'no log'}")


SERVER = """Port 22
HostKey {ssh}/host-key
AuthorizedKeysFile {ssh}/authorized
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
PidFile none
MaxStartups 100
SetEnv TMPDIR={folder} OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
"""
CLIENT = """Host *
  IdentityFile {ssh}/key
  IdentitiesOnly yes
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
"""


class Cluster:
    """`size` hosts with the names PREFIX0, PREFIX1 …; a context manager that leaves nothing behind.

    The hosts' lives hang on the thread that enters: it must outlive the cluster.
    """

    def __init__(self, size: int, prefix: str = "node", folder: Path | None = None):
        self.prefix, self.size = prefix, size
        self.made_folder = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix=f"hosts-{os.getpid()}-"))
        self.hosts = [Host(self, index) for index in range(size)]
        self.holders: list[subprocess.Popen[bytes]] = []
        self.switch = 0

    def __getitem__(self, index: int) -> Host:
        return self.hosts[index]

    def __enter__(self) -> "Cluster":
        try:
            self._files()
            self.switch = self._hold(["--net"], "exec sleep infinity")
            self.in_switch(["bash", "-ec", "ip link set lo up; ip link add bridge0 type bridge; ip link set bridge0 up"])
            for host in self.hosts:
                host.pid = self._hold(["--net", "--uts", "--mount", "--pid", "--mount-proc"], FIRST_PROCESS)
            for host in self.hosts:
                self._connect(host)
                host.set_up()
            for host in self.hosts:
                host.wait_for_sshd()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for holder in self.holders:
            holder.kill()
        for holder in self.holders:
            holder.wait()
        for host in self.hosts:
            if host.sshd is not None:
                host.sshd.wait()
        self.holders = []
        if self.made_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def hostfile(self, slots: int = 1, hosts: Sequence[int] | None = None) -> Path:
        """A file for mpirun --hostfile: the hosts of the indices, all by default."""
        chosen = [self.hosts[index] for index in hosts] if hosts is not None else self.hosts
        path = self.folder / f"hostfile-{slots}-{'-'.join(str(host.index) for host in chosen)}"
        path.write_text("".join(f"{host.name} slots={slots}\n" for host in chosen))
        return path

    def in_switch(self, command: Sequence[str]) -> None:
        subprocess.run(["nsenter", "-t", str(self.switch), "-n", "--", *command], check=True)

    def mend(self) -> None:
        for host in self.hosts:
            host.mend()

    def _files(self) -> None:
        self.folder.chmod(0o755)
        ssh = self.folder / "ssh"
        ssh.mkdir()
        for key in ("key", "host-key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", ssh / key], check=True)
        shutil.copy(ssh / "key.pub", ssh / "authorized")
        (ssh / "config").write_text(CLIENT.format(ssh=ssh))
        # sshd turns away an account that is locked by an exclamation mark.
        (ssh / "shadow").write_text("root:*:20000:0:99999:7:::\n")
        (ssh / "shadow").chmod(0o600)
        names = "".join(f"{host.address} {host.name}\n" for host in self.hosts)
        (self.folder / "hosts").write_text("127.0.0.1 localhost\n" + names)

    def _hold(self, namespaces: list[str], script: str) -> int:
        """Starts bash with `script` in new namespaces; they end with this process, whatever ends it. Returns its pid."""
        holder = subprocess.Popen([*UNSHARE, *namespaces, "bash", "-c", script], stdin=subprocess.DEVNULL, start_new_session=True)
        self.holders.append(holder)
        until = time.monotonic() + 10
        children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children")
        while time.monotonic() < until and holder.poll() is None:
            with contextlib.suppress(OSError):
                pids = children.read_text().split()
                # Its mounts are ready once it runs the script.
                if pids and Path(f"/proc/{pids[0]}/comm").read_text().strip() in ("bash", "sleep"):
                    return int(pids[0])
            time.sleep(0.01)
        raise RuntimeError(f"no namespaces {' '.join(namespaces)} after 10 s")

    def _connect(self, host: Host) -> None:
        self.in_switch(["bash", "-ec",
                        f"ip link add port{host.index} type veth peer name eth0 netns {host.pid}; "
                        f"ip link set port{host.index} master bridge0; ip link set port{host.index} up"])
        host.run(["bash", "-ec", f"ip addr add {host.address}/24 dev eth0; ip link set eth0 up; ip link set lo up"], check=True)


@contextlib.contextmanager
def ends_as_an_exception() -> Iterator[None]:
    """SIGTERM and SIGHUP raise SystemExit, as SIGINT raises KeyboardInterrupt: context managers clean up."""
    def stop(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)
    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


OnTop = Callable[[Cluster], contextlib.AbstractContextManager[object]]


def hold(size: int, folder: Path, prefix: str, on_top: OnTop) -> None:
    """`up`: a process in the background holds the cluster, and what runs on top of it, until `down` ends it."""
    folder.mkdir(parents=True)
    if os.fork() != 0:
        until = time.monotonic() + 60
        while not (folder / "pids").exists():
            if time.monotonic() > until or (folder / "failed").exists():
                sys.exit(f"the cluster did not come up: {(folder / 'log').read_text()}")
            time.sleep(0.05)
        return
    os.setsid()
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (0, 1, 2):
        os.dup2(log if stream else os.open(os.devnull, os.O_RDONLY), stream)
    try:
        with ends_as_an_exception(), Cluster(size, prefix, folder) as cluster, on_top(cluster):
            cluster.hostfile()
            lines = [os.getpid(), cluster.switch, *(host.pid for host in cluster.hosts)]
            (folder / "pids.new").write_text("\n".join(map(str, lines)))
            (folder / "pids.new").rename(folder / "pids")
            threading.Event().wait()
    except BaseException:
        (folder / "failed").touch()
        raise


def held(folder: Path, prefix: str) -> tuple[int, Cluster]:
    """The process that holds the cluster of a folder, and the cluster, for commands on its hosts."""
    holder, switch, *pids = map(int, (folder / "pids").read_text().split())
    cluster = Cluster(len(pids), prefix, folder)
    cluster.switch = switch
    for host, pid in zip(cluster.hosts, pids):
        host.pid = pid
    return holder, cluster


def main(prefix: str = "node", on_top: OnTop = contextlib.nullcontext, reason: Callable[[], str | None] = why_not,
         description: str | None = __doc__) -> None:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prefix", default=prefix, help="names of the hosts")
    verbs = parser.add_subparsers(dest="verb", required=True)
    up = verbs.add_parser("up")
    up.add_argument("size", type=int)
    up.add_argument("folder", type=Path)
    on = verbs.add_parser("on")
    link = verbs.add_parser("link")
    for verb in (on, link):
        verb.add_argument("folder", type=Path)
        verb.add_argument("host", type=int)
    on.add_argument("command", nargs=argparse.REMAINDER)
    link.add_argument("state", choices=("up", "down"))
    for name in ("docker0", "down"):
        verbs.add_parser(name).add_argument("folder", type=Path)
    options = parser.parse_args()
    if options.verb == "up":
        if (why := reason()) is not None:
            sys.exit(why)
        hold(options.size, options.folder.resolve(), options.prefix, on_top)
        return
    holder, cluster = held(options.folder.resolve(), options.prefix)
    if options.verb == "on":
        host = cluster[options.host]
        os.environ.update(host.environment())
        os.execvp("nsenter", host.command(options.command))
    elif options.verb == "link":
        cluster[options.host].link(options.state)
    elif options.verb == "docker0":
        for host in cluster.hosts:
            host.add_docker0()
    else:
        with contextlib.suppress(ProcessLookupError):
            os.kill(holder, signal.SIGTERM)
        while Path(f"/proc/{holder}").exists() and "Z" not in Path(f"/proc/{holder}/stat").read_text().split(")")[-1][:3]:
            time.sleep(0.02)
        shutil.rmtree(options.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
