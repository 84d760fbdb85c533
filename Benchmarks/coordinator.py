#!/usr/bin/env python3
"""What rank 0 can coordinate: units of trivial work a second among 2 to 64 ranks, the rate of its journal, and the simulation of
10,000 ranks at 2 s a unit by the coordinator's own code. Costs of messages, results and the journal are measured here.

    .venv/bin/python Benchmarks/coordinator.py [--ranks 10000] [--units 50] [--folder DIR]        (make bench-coordinator)

--units is how many each virtual rank computes, --folder where the journal is written: a disk like that of the outputs.
"""
import argparse
import os
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def mpirun(ranks):
    return ["mpirun", "--oversubscribe", "--bind-to", "none", *(["--allow-run-as-root"] if os.geteuid() == 0 else []), "-np", str(ranks)]


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--cases", type=Path, default=ROOT / ".build/release/mpi-cases")
    a.add_argument("--ranks", type=int, default=10_000)
    a.add_argument("--units", type=int, default=50)
    a.add_argument("--folder", type=Path)
    a = a.parse_args()
    print("trivial units, 500 bytes each, with results of 300 bytes:", flush=True)
    for ranks in [1, 2, 4, 8, 16, 32, 64]:
        command = ([] if ranks == 1 else mpirun(ranks)) + [a.cases, "share-rate", "20000", "500", "300"]
        subprocess.run(command, check=True)
    print("results of 51 kB (336 heads):", flush=True)
    for ranks in [2, 8, 32]:
        subprocess.run(mpirun(ranks) + [a.cases, "share-rate", "20000", "2000", "51000"], check=True)
    with tempfile.TemporaryDirectory(dir=a.folder) as folder:
        subprocess.run(mpirun(2) + [a.cases, "coordinator", str(a.ranks), str(a.units), folder], check=True)


if __name__ == "__main__":
    main()
