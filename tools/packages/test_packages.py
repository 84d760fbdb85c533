"""The Debian package and the archive on bare systems: Debian 12, and Ubuntu 24.04 where its mirror can be reached.

As root, with debootstrap. The systems stay in .cache/packages; each test works on a copy in memory.
"""
import os
import re
import shutil
import subprocess
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = Path(os.environ.get("PACKAGES", ROOT / "dist"))
SYSTEMS = Path(os.environ.get("BARE_SYSTEMS", ROOT / ".cache/packages"))
MIRRORS = {"bookworm": "http://deb.debian.org/debian", "noble": "http://archive.ubuntu.com/ubuntu"}
# A changed copy of the system, with its own /proc, in namespaces that end with it.
INSIDE = """
set -euo pipefail
mkdir -p "$1"
mount -t tmpfs -o size=4g tmpfs "$1"
mkdir "$1"/changes "$1"/work "$1"/root
mount -t overlay -o "lowerdir=$2,upperdir=$1/changes,workdir=$1/work" overlay "$1/root"
root="$1/root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mkdir -p "$root/packages" "$root/etc/apt/apt.conf.d"
mount --bind "$3" "$root/packages"
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
grep -rhi proxy /etc/apt/apt.conf /etc/apt/apt.conf.d 2>/dev/null >"$root/etc/apt/apt.conf.d/99proxy" || true
exec chroot "$root" /bin/bash -euo pipefail -c "$4"
"""
TRIAL = """
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_btl_vader_single_copy_mechanism=none
cd /tmp
$HEADIMPACT demo --output demo --scenes 8
mpirun -np 2 $HEADIMPACT score --model demo/model --dataset demo/dataset/keyobjects.json --images demo/dataset/images --output hi.h5 --quiet
$HEADIMPACT select hi.h5 --layers 2
$HEADIMPACT report hi.h5 --output report
test -s report/index.html
"""


def bare_system(release):
    """The folder of a bare system, made once."""
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        raise unittest.SkipTest("a bare system takes root and debootstrap")
    system = SYSTEMS / release
    if not (system / "bin/bash").exists():
        SYSTEMS.mkdir(parents=True, exist_ok=True)
        check = [] if Path("/usr/share/keyrings/ubuntu-archive-keyring.gpg").exists() or release != "noble" else ["--no-check-gpg"]
        # Debian's debootstrap may not know a younger Ubuntu: all are set up alike. Its library packages are in `universe`.
        scripts = Path("/usr/share/debootstrap/scripts")
        script = [] if (scripts / release).exists() else [scripts / "gutsy"]
        made = subprocess.run(["debootstrap", "--variant=minbase", *check, "--components=main" + ",universe" * (release == "noble"),
                               release, system, MIRRORS[release], *script], capture_output=True, text=True)
        if made.returncode != 0:
            shutil.rmtree(system, ignore_errors=True)
            raise unittest.SkipTest(f"{release} can't be had from {MIRRORS[release]}: {(made.stdout + made.stderr)[-300:]}")
    return system


def only(pattern):
    found = sorted(PACKAGES.glob(pattern))
    if not found:
        raise unittest.SkipTest(f"{PACKAGES} has no {pattern}: make deb tarball")
    return found[-1]


class Packages(unittest.TestCase):
    def run_in(self, release, script):
        place = SYSTEMS / f".{release}-{os.getpid()}"
        system = bare_system(release)
        run = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", INSIDE, "inside", place, system,
                              PACKAGES.resolve(), script], capture_output=True, text=True)
        shutil.rmtree(place, ignore_errors=True)
        self.assertEqual(run.returncode, 0, (run.stdout + run.stderr)[-4000:])
        return run.stdout

    def test_the_debian_package_on_a_bare_debian_12(self):
        package = only("headimpact_*.deb")
        out = self.run_in("bookworm", f"""
            apt-get update -qq
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends /packages/{package.name} >/dev/null
            HEADIMPACT=headimpact
            {TRIAL}
            test -s /usr/share/bash-completion/completions/headimpact
            dpkg -L headimpact | grep man1/headimpact-score.1.gz
            test -s /usr/share/doc/headimpact/copyright""")
        self.assertIn("headimpact-score.1.gz", out)

    def unpacked(self, release, distribution):
        archive = only("headimpact-*-linux-*.tar.gz")
        readme = (ROOT / "tools/packages/README.tarball").read_text()
        install = re.search(rf"{distribution}:\n\s+(apt-get install .*?)\n\n", readme, re.DOTALL).group(1)
        install = " ".join(install.replace("\\\n", " ").split()).replace("install", "install -y -qq --no-install-recommends")
        self.run_in(release, f"""
            apt-get update -qq
            DEBIAN_FRONTEND=noninteractive {install} >/dev/null
            mkdir /opt/unpacked
            tar -C /opt/unpacked -xzf /packages/{archive.name}
            HEADIMPACT=/opt/unpacked/{archive.name.removesuffix(".tar.gz")}/bin/headimpact
            {TRIAL}""")

    def test_the_archive_on_a_bare_debian_12(self):
        self.unpacked("bookworm", "Debian 12")

    def test_the_archive_on_a_bare_ubuntu_24_04(self):
        self.unpacked("noble", "Ubuntu 24.04")


if __name__ == "__main__":
    unittest.main()
