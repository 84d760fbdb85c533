"""The parts of tools/cluster, and the short form of `make test-cluster` where namespaces are allowed.

    sudo python3 -m unittest discover -s tools/cluster -p 'test_*.py'

In CI (CI=true), what the short form needs must be there; elsewhere it is skipped with a message.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import h5py
import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import hosts  # noqa: E402
import run  # noqa: E402
from bits import differences  # noqa: E402
from report import Report  # noqa: E402
from runs import head_of, records  # noqa: E402
from trial import INTERRUPTED, Outcome  # noqa: E402


def record(content: bytes) -> bytes:
    return len(content).to_bytes(8, "little") + b"0" * 16 + content


class Parts(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def hdf5(self, name: str, value: float, **attributes: object) -> Path:
        path = self.folder / name
        with h5py.File(path, "w") as file:
            file["hi"] = np.array([1, value, np.nan])
            file["sample"] = ["a", "b"]
            file.attrs.update(attributes)
        return path

    def test_a_bit_is_a_difference_and_the_date_is_none(self) -> None:
        first = self.hdf5("a.h5", 2, created="today", ranks=1)
        self.assertEqual(differences(self.hdf5("b.h5", 2, created="tomorrow", ranks=3), first), [])
        self.assertEqual(differences(self.hdf5("c.h5", np.nextafter(2, 3), created="today"), first), ["c.h5: hi"])
        self.assertEqual(differences(self.hdf5("d.h5", 2, title="other"), first), ["d.h5: attribute title"])
        self.assertEqual(differences(self.folder / "e.h5", first), ["e.h5 is missing"])

    def test_folders_are_compared_file_by_file(self) -> None:
        for name, content in (("a", "x"), ("b", "x"), ("c", "y")):
            (self.folder / name).mkdir()
            (self.folder / name / "weights").write_text(content)
        self.assertEqual(differences(self.folder / "a", self.folder / "b"), [])
        self.assertEqual(differences(self.folder / "a", self.folder / "c"), ["weights: other bytes"])
        (self.folder / "a/more").touch()
        self.assertEqual(differences(self.folder / "a", self.folder / "b"), ["more: extra"])

    def test_a_journal_that_is_cut_off_has_its_whole_records(self) -> None:
        journal = b"HIJOURNAL1\n" + record(b"identity") + record(b"one") + record(b"two")
        self.assertEqual(head_of(journal), 11)
        self.assertEqual(len(records(journal)), 3)
        self.assertEqual(len(records(journal[:-1])), 2)
        self.assertEqual(len(records(journal + (1 << 62).to_bytes(8, "little") + bytes(100))), 3)

    def test_an_interrupted_run_says_how_far_it_came(self) -> None:
        told = INTERRUPTED.search("score: stopped by SIGTERM; 31 of 64 samples done; the same command with --resume goes on")
        assert told is not None
        self.assertEqual(told.group(1), "31")

    def test_one_seed_gives_the_same_moments(self) -> None:
        def drawn(seed: int) -> list[tuple[str, str, str]]:
            options = argparse.Namespace(seed=seed, moments=40, verbs="")
            return [(fault.name, verb, mark) for fault, verb, mark in run.moments(options, run.ALL)]
        self.assertEqual(drawn(1), drawn(1))
        self.assertNotEqual(drawn(1), drawn(2))
        self.assertEqual(len(drawn(1)), 40)

    def test_names_of_faults_are_unique_and_the_short_form_knows_them(self) -> None:
        names = [fault.name for fault in run.ALL]
        self.assertEqual(len(names), len(set(names)))
        for name, verb in run.SHORT:
            self.assertIn(verb, next(fault for fault in run.ALL if fault.name == name).verbs)

    def test_the_report_counts_a_trial_that_fails_twice_in_both(self) -> None:
        report = Report(self.folder / "failures")
        report.add(Outcome("kill", "signal", "score", "1", failures=[("lost", "all"), ("message", "none")]))
        report.add(Outcome("kill", "signal", "train", "1"))
        self.assertTrue(report.sentence().startswith("tried 2, hung 0, lost 1, wrong 0, message 1"))
        self.assertTrue(report.failed)


class Short(unittest.TestCase):
    def setUp(self) -> None:
        reason = hosts.why_not()
        program = Path(os.environ.get("HEADIMPACT", run.ROOT / ".build/release/headimpact"))
        if reason is None and not program.exists():
            reason = f"{program} is not built"
        if reason is not None:
            if os.environ.get("CI") == "true":
                self.fail(f"CI must be able to make hosts: {reason}")
            self.skipTest(reason)

    def test_hosts_reach_each_other_and_leave_nothing(self) -> None:
        with hosts.Cluster(2) as cluster:
            told = cluster[0].run(["ssh", cluster[1].name, "hostname"], capture_output=True)
            self.assertEqual(told.stdout.strip(), cluster[1].name, told.stderr)
            cluster[1].link("down")
            self.assertNotEqual(cluster[0].run(["timeout", "1", "ssh", cluster[1].name, "hostname"], capture_output=True).returncode, 0)
            cluster.mend()
            self.assertEqual(cluster[0].run(["ssh", cluster[1].name, "true"]).returncode, 0)
            firsts, folder = [host.pid for host in cluster.hosts], cluster.folder
        self.assertFalse(folder.exists())
        # A killed process is there until its parent has taken note of its end.
        limit = time.monotonic() + 10
        while (left := [pid for pid in firsts if Path(f"/proc/{pid}/ns/pid").exists()]) and time.monotonic() < limit:
            time.sleep(0.05)
        self.assertEqual(left, [])

    def test_one_fault_of_each_kind(self) -> None:
        failures = Path(tempfile.gettempdir()) / f"cluster-failures-{os.getpid()}.log"
        self.addCleanup(failures.unlink, missing_ok=True)
        told = subprocess.run([sys.executable, HERE / "run.py", "--short", "--failures", failures], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=600)
        log = failures.read_text() if failures.exists() else ""
        self.assertEqual(told.returncode, 0, f"{told.stdout}\n{log[-20000:]}")


if __name__ == "__main__":
    unittest.main()
