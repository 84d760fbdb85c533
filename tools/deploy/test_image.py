"""The image for several machines, without a container: its sshd and its ssh settings, on two hosts, as its unprivileged user.

    python3 -m unittest discover -s tools/deploy -p 'test_image.py'      (as root)

The hosts get /etc/passwd, /etc/ssh and a home like the image's, in their own mounts. Everything runs as the user with no
capability at all, as in deploy/kubernetes/score.yaml.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from collections.abc import Sequence
from pathlib import Path

import h5py
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/cluster"))
import hosts  # noqa: E402
from hosts import Cluster, Host  # noqa: E402

IMAGE = ROOT / "deploy/image"
PROGRAM = Path(os.environ.get("HEADIMPACT", ROOT / ".build/release/headimpact")).resolve()
USER = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]


class ImageTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        if (why := hosts.why_not()) is not None:
            raise unittest.SkipTest(why)
        cls.cluster = cls.enterClassContext(Cluster(2))
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="image-", dir="/var/tmp")))
        cls.folder.chmod(0o755)
        # The operator's keys: root's files, which anybody may read. ECDSA under an RSA's name, as the operator makes them.
        keys = cls.folder / "keys"
        keys.mkdir()
        subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-b", "521", "-N", "", "-f", keys / "id_rsa"], check=True)
        (keys / "authorized_keys").write_text((keys / "id_rsa.pub").read_text())
        for key in keys.iterdir():
            key.chmod(0o644)
        cls.bin = cls.folder / "bin"
        cls.bin.mkdir()
        # Where the user can read them, wherever this folder lies.
        for file in (*IMAGE.iterdir(), PROGRAM):
            shutil.copy(file, cls.bin)
        for resources in PROGRAM.parent.glob("*.resources"):
            shutil.copytree(resources, cls.bin / resources.name)
        for host in cls.cluster.hosts:
            cls.make_like_image(host, keys)
        cls.servers = [cls.in_background(host, "start-sshd", cls.bin / "sshd_config") for host in cls.cluster.hosts]
        for host in cls.cluster.hosts:
            cls.wait_for_port(host)

    @classmethod
    def make_like_image(cls, host: Host, keys: Path) -> None:
        root = cls.folder / host.name
        shutil.copytree("/etc/ssh", root / "ssh")
        shutil.copy(IMAGE / "ssh_config", root / "ssh/ssh_config.d/headimpact.conf")
        passwd = root / "passwd"
        # The first line of a number wins, whoever else has it on this machine.
        passwd.write_text("mpi:x:1000:1000::/home/mpi:/bin/bash\n" + Path("/etc/passwd").read_text())
        host.run(["bash", "-ec", f"""
            umount /etc/ssh/ssh_config
            mount --bind {root}/ssh /etc/ssh
            mount --bind {passwd} /etc/passwd
            mount -t tmpfs -o mode=755 tmpfs /home
            mkdir -p /home/mpi/.ssh /home/mpi/tmp; chown -R 1000:1000 /home/mpi
            mount --bind {keys} /home/mpi/.ssh
            mount --bind {cls.bin} /usr/local/bin
            """], check=True)

    @classmethod
    def as_user(cls, host: Host, *command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return host.run(cls.words(command, environment), capture_output=True, timeout=60)

    @classmethod
    def in_background(cls, host: Host, *command: str | Path) -> subprocess.Popen[bytes]:
        with open(cls.folder / f"{host.name}.log", "wb") as log:
            server = host.start(cls.words(command, {}), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        cls.addClassCleanup(server.wait)
        cls.addClassCleanup(server.kill)
        return server

    @staticmethod
    def words(command: Sequence[str | Path], environment: dict[str, str]) -> list[str | Path]:
        settings = {"HOME": "/home/mpi", "USER": "mpi", "PATH": "/usr/local/bin:/usr/bin:/bin", "TMPDIR": "/home/mpi/tmp"} | environment
        return [*USER, "env", "-i", "-C", "/home/mpi", *(f"{name}={value}" for name, value in settings.items()), *command]

    @classmethod
    def wait_for_port(cls, host: Host) -> None:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            # Port 2222, listening.
            if ":08AE 00000000:0000 0A" in Path(f"/proc/{host.pid}/net/tcp").read_text():
                return
            time.sleep(0.05)
        raise AssertionError(f"{host.name}: no sshd: {(cls.folder / f'{host.name}.log').read_text()}")

    def test_sshd_accepts_its_configuration(self) -> None:
        key = self.folder / "keys/id_rsa"
        run = self.as_user(self.cluster[0], "/usr/sbin/sshd", "-t", "-f", self.bin / "sshd_config", "-h", key)
        self.assertEqual((0, ""), (run.returncode, run.stderr))

    def test_a_login_as_the_user(self) -> None:
        run = self.as_user(self.cluster[0], "ssh", "node1", "id -u; hostname; command -v headimpact")
        self.assertEqual((0, "1000\nnode1\n/usr/local/bin/headimpact\n"), (run.returncode, run.stdout), run.stderr)

    def test_no_login_as_another_user_or_by_another_key(self) -> None:
        run = self.as_user(self.cluster[0], "ssh", "root@node1", "id")
        self.assertEqual(255, run.returncode, run.stdout)
        other = self.as_user(self.cluster[0], "bash", "-c",
                             "ssh-keygen -q -t ed25519 -N '' -f tmp/other && ssh -i tmp/other -o IdentitiesOnly=yes node1 id")
        self.assertEqual(255, other.returncode, other.stdout)

    def test_the_program_runs_on_both_hosts(self) -> None:
        """With the operator's variables, as the launcher of deploy/kubernetes/score.yaml gets them."""
        hostfile = self.folder / "hostfile"
        hostfile.write_text("node0 slots=2\nnode1 slots=2\n")
        operator = {"OMPI_MCA_orte_keep_fqdn_hostnames": "true", "OMPI_MCA_orte_default_hostfile": str(hostfile),
                    "OMPI_MCA_plm_rsh_args": "-o ConnectionAttempts=10", "OMPI_MCA_orte_set_default_slots": "2"}
        image = {"OMPI_MCA_btl_vader_single_copy_mechanism": "none"}
        self.assertEqual(0, self.as_user(self.cluster[0], "headimpact", "demo", "--output", "demo", HEADIMPACT_MPI="never").returncode)
        demo = self.folder / "demo"
        shutil.copytree(f"/proc/{self.cluster[0].pid}/root/home/mpi/demo", demo)
        (self.folder / "results").mkdir()
        os.chown(self.folder / "results", 1000, 1000)
        job = next(document for document in yaml.safe_load_all((ROOT / "deploy/kubernetes/score.yaml").read_text()))
        container = job["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]["spec"]["containers"][0]
        places = {"/inputs/Qwen2-VL-2B-Instruct": demo / "model", "/inputs/keyobjects.json": demo / "dataset/keyobjects.json",
                  "/inputs/val2017": demo / "dataset/images", "/results/hi.h5": self.folder / "results/hi.h5", "/etc/mpi/hostfile": hostfile}
        command = []
        for word in container["command"] + container["args"]:
            for place, here in places.items():
                word = word.replace(place, str(here))
            command.append(word.replace("--threads=8", "--threads=1"))
        run = self.as_user(self.cluster[0], *command, **operator, **image)
        self.assertEqual(0, run.returncode, run.stderr)
        with h5py.File(self.folder / "results/hi.h5") as file:
            self.assertEqual(4, file.attrs["ranks"])


if __name__ == "__main__":
    unittest.main()
