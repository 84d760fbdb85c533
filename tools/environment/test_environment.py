"""The program in the environments that clusters have: fewer threads than asked, little memory, few file descriptors, full disks.

    python3 -m unittest discover -s tools/environment      (make test-environments)

Where the work can be done, the numbers have the same bits as in a plain environment. Where it can't, the run ends in time with
a message and without a result: never with other numbers, a signal, or half a file under the result's name.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import h5py

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("HEADIMPACT", ROOT / ".build/release/headimpact"))
TIMEOUT = 120
# Settings of OpenMP that a cluster's modules make, and what mpirun and batch systems do to a process.
THREADS = {
    "one thread in all": dict(env={"OMP_THREAD_LIMIT": "1"}),
    "two threads in all": dict(env={"OMP_THREAD_LIMIT": "2"}),
    "dynamic teams": dict(env={"OMP_DYNAMIC": "true"}),
    "one thread wished for": dict(env={"OMP_NUM_THREADS": "1"}),
    "many threads wished for": dict(env={"OMP_NUM_THREADS": "64", "OPENBLAS_NUM_THREADS": "64"}),
    "nested teams": dict(env={"OMP_NESTED": "true", "OMP_MAX_ACTIVE_LEVELS": "4"}),
    "small stacks": dict(env={"OMP_STACKSIZE": "64K"}),
    "one core": dict(before=["taskset", "-c", "0"]),
    "low priority": dict(before=["nice", "-n", "19"]),
}


def can_unshare():
    return subprocess.run(["unshare", "--mount", *user_namespace(), "true"], capture_output=True).returncode == 0


def user_namespace():
    return [] if os.geteuid() == 0 else ["--map-root-user"]


class Environments(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.folder.chmod(0o755)
        subprocess.run([PROGRAM, "demo", "--output", cls.folder / "demo", "--scenes", "6"], check=True, stdout=subprocess.DEVNULL)
        cls.plain = cls.digest_of("plain", {})

    @classmethod
    def score(cls, output, before=(), env=None, options=(), images=None):
        demo = cls.folder / "demo"
        command = [*before, PROGRAM, "score", "--model", demo / "model", "--dataset", demo / "dataset/keyobjects.json",
                   "--images", images or demo / "dataset/images", "--precision", "f32", "--quiet", "--output", output, *options]
        return subprocess.run(command, env=os.environ | (env or {}), capture_output=True, text=True, timeout=TIMEOUT)

    @classmethod
    def digest_of(cls, name, how):
        """SHA-256 of every value in the tables of a run."""
        output = cls.folder / (name.replace(" ", "-") + ".h5")
        run = cls.score(output, options=["--threads", "4"], **how)
        if run.returncode != 0:
            raise AssertionError(f"{name}: exit code {run.returncode}\n{run.stderr}")
        digest = hashlib.sha256()
        with h5py.File(output) as file:
            for key in sorted(file):
                if isinstance(file[key], h5py.Dataset):
                    digest.update(key.encode() + file[key][()].tobytes() if file[key].dtype.kind != "O" else key.encode())
        return digest.hexdigest()

    def expect_refusal(self, run, output, *words):
        self.assertEqual(run.returncode, 1, run.stderr)
        for word in words:
            self.assertIn(word, run.stderr)
        self.assertFalse(output.exists(), "a result under its final name")

    def test_threads_change_no_bit(self):
        for name, how in THREADS.items():
            with self.subTest(name):
                self.assertEqual(self.digest_of(name, how), self.plain)

    def test_no_room_for_another_thread(self):
        # A limit on processes doesn't bind root.
        if os.geteuid() == 0:
            before = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"]
            place = self.folder / "nobody"
            place.mkdir()
            place.chmod(0o777)
        else:
            before, place = [], self.folder
        output = place / "processes.h5"
        for limit in (1, 2, 3):
            with self.subTest(processes=limit):
                run = self.score(output, before=[*before, "bash", "-c", f'ulimit -u {limit}; exec "$@"', "bash"], options=["--threads", "4"])
                self.assertEqual(run.returncode, 0, run.stderr)
                with h5py.File(output) as file, h5py.File(self.folder / "plain.h5") as plain:
                    self.assertEqual(file["hi"][()].tobytes(), plain["hi"][()].tobytes())
                output.unlink()

    def test_little_address_space(self):
        """Each limit either suffices, for the same bits, or is named; none ends by a signal or hangs."""
        ended = set()
        for megabytes in (64, 128, 192, 256, 320, 384, 448, 512, 768, 1024, 2048, 4096):
            output = self.folder / f"memory-{megabytes}.h5"
            limit = ["bash", "-c", f'ulimit -v {megabytes << 10}; exec "$@"', "bash"]
            with self.subTest(megabytes=megabytes):
                run = self.score(output, before=limit, options=["--threads", "2"])
                if run.returncode == 0:
                    with h5py.File(output) as file, h5py.File(self.folder / "plain.h5") as plain:
                        self.assertEqual(file["hi"][()].tobytes(), plain["hi"][()].tobytes())
                else:
                    self.assertFalse(output.exists(), "a result under its final name")
                    # 127: the loader lacks memory for the program's libraries.
                    self.assertIn(run.returncode, (1, 127), run.stderr)
                    self.assertIn("ulimit -v" if run.returncode == 1 else "error while loading shared libraries", run.stderr)
                ended.add(run.returncode)
        self.assertIn(0, ended)

    def test_few_descriptors(self):
        for descriptors in (5, 8, 12, 16, 24, 64):
            output = self.folder / f"descriptors-{descriptors}.h5"
            with self.subTest(descriptors=descriptors):
                run = self.score(output, before=["bash", "-c", f'ulimit -n {descriptors}; exec "$@"', "bash"])
                if run.returncode != 0:
                    self.assertIn(run.returncode, (1, 127), run.stderr)
                    self.assertFalse(output.exists(), "a result under its final name")
                else:
                    with h5py.File(output) as file:
                        self.assertEqual(len(file["skipped/id"]), 0, "a lack of descriptors became a skipped sample")

    def test_a_file_limit_is_a_full_disk(self):
        output = self.folder / "limit.h5"
        # 16 KiB: the journal fits, the result doesn't. SIGXFSZ is ignored as batch systems do, so the write fails.
        run = self.score(output, before=["bash", "-c", 'trap "" XFSZ; ulimit -f 16; exec "$@"', "bash"])
        self.expect_refusal(run, output)

    def test_a_full_file_system(self):
        self.assertTrue(can_unshare(), "needs mount namespaces: run as root, or allow user namespaces")
        place = self.folder / "full"
        place.mkdir()
        inside = 'mount -t tmpfs -o size=32k tmpfs "$0" && "$@"; code=$?; ls -A "$0" >&2; exit $code'
        run = self.score(place / "hi.h5", before=["unshare", "--mount", *user_namespace(), "bash", "-c", inside, place])
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertIn("No space left", run.stderr)
        self.assertIn("--resume", run.stderr)
        self.assertNotIn("\nhi.h5\n", run.stderr)

    def test_a_disk_that_fills_up_while_it_trains(self):
        """What is trained goes to --salvage-dir; with room again, --resume only writes the adapter, of the same bytes."""
        self.assertTrue(can_unshare(), "needs mount namespaces: run as root, or allow user namespaces")
        place, salvage, demo = self.folder / "filled", self.folder / "salvage", self.folder / "demo"
        place.mkdir()

        def train(output):
            return [PROGRAM, "train", "--model", demo / "model", "--dataset", demo / "dataset/keyobjects.json", "--images", demo / "dataset/images",
                    "--layers", "0,2,4", "--batch", "4", "--steps", "60", "--checkpoint-every", "2", "--quiet", "--output", output, "--salvage-dir", salvage]

        inside = """mount -t tmpfs -o size=32m tmpfs "$0" || exit
            (until ls "$0"/a.training/checkpoint-*; do sleep 0.01; done; head -c 64M /dev/zero > "$0/fill") > /dev/null 2>&1 &
            "$@"; echo "first $?"; rm "$0/fill"; "$@" --resume; echo "second $?"
            sha256sum < "$0/a/adapter_model.safetensors"; ls -A "$0" """
        command = ["unshare", "--mount", *user_namespace(), "bash", "-c", inside, place, *train(place / "a")]
        run = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
        self.assertIn("first 1\n", run.stdout, run.stderr)
        self.assertIn("second 0\n", run.stdout, run.stderr)
        self.assertRegex(run.stderr, f"It is in {salvage}/a.training-[0-9a-f]{{8}}/checkpoint-")
        self.assertRegex(run.stderr, f"Everything trained is kept in {salvage}/a.training-[0-9a-f]{{8}}/checkpoint-00000060")
        whole = self.folder / "whole"
        subprocess.run(train(whole), check=True, capture_output=True, timeout=TIMEOUT)
        digest = hashlib.sha256((whole / "adapter_model.safetensors").read_bytes()).hexdigest()
        self.assertIn(f"{digest}  -\na\n", run.stdout, "other bytes, or files that stay")
        self.assertEqual([], list(salvage.glob("a.training*")))

    def test_a_read_only_file_system(self):
        self.assertTrue(can_unshare(), "needs mount namespaces: run as root, or allow user namespaces")
        place = self.folder / "read-only"
        place.mkdir()
        inside = 'mount -t tmpfs -o ro tmpfs "$0" && "$@"'
        run = self.score(place / "hi.h5", before=["unshare", "--mount", *user_namespace(), "bash", "-c", inside, place])
        self.expect_refusal(run, place / "hi.h5", str(place))

    def test_pictures_that_are_not_mounted(self):
        place = self.folder / "mount-point"
        place.mkdir()
        output = self.folder / "unmounted.h5"
        run = self.score(output, images=place)
        self.expect_refusal(run, output, str(place))
        # And nothing was recorded: once they are there, the same command with --resume scores every sample.
        run = self.score(output, options=["--resume"])
        self.assertEqual(run.returncode, 0, run.stderr)
        with h5py.File(output) as file:
            self.assertEqual(len(file["sample"]), 6)

    def test_pictures_that_may_not_be_read(self):
        if os.geteuid() != 0:
            self.skipTest("as root alone another user can be taken")
        images = self.folder / "locked"
        shutil.copytree(self.folder / "demo/dataset/images", images)
        victim = sorted(images.iterdir())[2]
        victim.chmod(0)
        place = self.folder / "nobody-reads"
        place.mkdir()
        place.chmod(0o777)
        run = self.score(place / "hi.h5", images=images,
                         before=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"])
        self.expect_refusal(run, place / "hi.h5", victim.name, "Permission denied")


if __name__ == "__main__":
    unittest.main()
