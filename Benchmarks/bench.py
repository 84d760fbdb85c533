#!/usr/bin/env python3
"""headimpact beside transformers and PEFT: the same checkpoint, pictures and threads. (make bench)

    .venv/bin/python Benchmarks/bench.py [--family qwen2-vl-2b|all] [--only score,train] [--minutes 15] [--write-readme] [--quick]

Prints each measurement as it is made, and one table: seconds of both, their ratio, the floor (the operations that the shapes need, over the
multiply-adds that this processor does at its peak; Benchmarks/work.py counts them) and the efficiency (floor over time). The opponent is the
faster of torch's types. Each result is a file under FOLDER/results: a run that follows keeps those of the same program, packages, processor
and threads. Leave the machine alone meanwhile: each line says who else computed.
--quick takes the demonstration model: a check of the benchmark, not of the speed.
"""
import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import inputs
import machine
import measurements
import results
import tables
import work
from inputs import FAMILIES, QWEN2_VL, ROOT

PARTS = ("score", "train", "generate", "ranks")
# With the last measurement, make bench ends within 40 minutes.
MINUTES = 35


def parser():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--family", choices=(*FAMILIES, "all"), default=QWEN2_VL)
    p.add_argument("--only", type=lambda text: text.split(","), default=list(PARTS), help=f"any of {','.join(PARTS)}")
    p.add_argument("--side", choices=(measurements.OURS, measurements.THEIRS), help="measure one side")
    p.add_argument("--minutes", type=float, help="start no measurement after so many minutes, the most important come first (default: "
                   f"{MINUTES}, without a limit for all families)")
    p.add_argument("--rounds", type=int, default=2, help="how often runs of seconds are repeated; the fastest counts")
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--fresh", action="store_true", help="measure again what is stored")
    p.add_argument("--quick", action="store_true", help="the demonstration model")
    p.add_argument("--write-readme", action="store_true", help="write the tables of README.md")
    p.add_argument("--json", action="store_true", help="print the rows as JSON too")
    p.add_argument("--folder", type=Path, default=ROOT / ".cache/bench", help="of checkpoints and results")
    p.add_argument("--coco", type=Path, default=ROOT.parent / "shared/data/coco-sample", help="a folder whose images are photographs of COCO")
    p.add_argument("--binary", type=Path, default=ROOT / ".build/release/headimpact")
    p.add_argument("--product-rates", type=Path, default=ROOT / ".build/release/product-rates")
    return p


def setting(a, family):
    """What is measured, made where it is missing."""
    scratch = a.folder / "work"
    scratch.mkdir(parents=True, exist_ok=True)
    if a.quick:
        demo = inputs.demonstration(a.folder, a.binary)
        pictures = sorted((demo / "dataset/images").iterdir())[:measurements.MANY]
        return measurements.Setting(a.binary, demo / "model", scratch, pictures[0], pictures, "4,5", a.threads, 1, quick=True)
    model = inputs.checkpoint(family, a.folder)
    count = json.loads((model / "config.json").read_text())
    middle = count.get("text_config", count)["num_hidden_layers"] // 2
    pictures = [inputs.drawn(scratch, *measurements.PICTURE, seed) for seed in range(measurements.MANY)]
    return measurements.Setting(a.binary, model, scratch, inputs.photograph(scratch, a.coco), pictures,
                                f"{middle},{middle + 1},{middle + 2}", a.threads, a.rounds)


class Runner:
    """Makes measurements, unless they are stored or there is no time."""

    def __init__(self, store, keys, setting, limits, deadline, fresh=False):
        self.store, self.keys, self.setting, self.limits = store, keys, setting, limits
        self.deadline, self.fresh = deadline, fresh
        self.omitted, self.failed = [], []

    def measure(self, measurement):
        """What is stored of a measurement, or None."""
        key = self.keys[measurement.side]
        if not self.fresh and (stored := self.store.get(measurement.name, key)):
            print(f"{measurement.name}: kept from {stored['made']}", flush=True)
            return stored
        if time.monotonic() > self.deadline:
            self.omitted.append(measurement.name)
            return None
        limits, quietness, start = self.limits(), machine.Quietness(), time.monotonic()
        try:
            values = measurement.run(self.setting)
        except measurements.Killed:
            values = {"killed": True}
        except (subprocess.CalledProcessError, RuntimeError, OSError) as error:
            said = " ".join((getattr(error, "stderr", None) or str(error)).strip().splitlines()[-3:])
            self.failed.append(f"{measurement.name}: {said}")
            print(f"{measurement.name}: FAILED: {said}", flush=True)
            return None
        conditions, seconds = quietness.end(), time.monotonic() - start
        print(f"{measurement.name}: {brief(values)} ({seconds:.0f} s; {machine.said(conditions)})", flush=True)
        return self.store.put(measurement.name, key, values, conditions=conditions, limits=limits, seconds=seconds)


class Bench:
    """The measurements of one family."""

    def __init__(self, a, family, deadline):
        self.a, self.family = a, family
        self.setting = setting(a, family)
        self.checkpoint = work.Checkpoint.of(self.setting.model)
        common = {"form": results.FORM, "processor": machine.processor(), "threads": a.threads}
        self.digest = results.program_digest(a.binary)
        keys = {measurements.OURS: common | {"program": self.digest}, measurements.THEIRS: common | results.opponents()}
        self.runner = Runner(results.Store(a.folder / "results" / ("quick" if a.quick else family)), keys, self.setting,
                             lambda: machine.limits(a.product_rates, {1, a.threads}), deadline, a.fresh)

    def run(self):
        """What the basis says is needed first: without it nothing is measured."""
        basis = self.runner.measure(measurements.BASIS)
        if not basis:
            return
        for measurement in measurements.plan(measurements.worthwhile(basis["values"]["rates"]), self.a.quick):
            if measurement.part in self.a.only and self.a.side in (None, measurement.side):
                self.runner.measure(measurement)

    def table(self):
        """Of all results that still hold."""
        sides = {m.name: m.side for types in (["f32", "bf16"], ["bf16", "f32"]) for m in measurements.plan(types)}
        sides |= {measurements.BASIS.name: measurements.BASIS.side}
        stored = {name: self.runner.store.get(name, self.runner.keys[side]) for name, side in sides.items()}
        stored = {name: result for name, result in stored.items() if result}
        limits = machine.highest([result["limits"] for result in stored.values()])
        return tables.Table(stored, self.checkpoint, limits, self.a.threads, int(self.setting.layers.split(",")[0]))


def brief(values):
    """The figures of a measurement, in one line."""
    if values.get("killed"):
        return "killed: it needs more memory than there is"
    return ", ".join(f"{name} {value:.3g}" for name, value in values.items() if isinstance(value, float)) or "measured"


def show(bench, as_json):
    table = bench.table()
    rows = table.rows()
    print(f"\n{bench.family if not bench.a.quick else 'the demonstration model: whether the bench works, not how fast the program is'}")
    if table.limits:
        print(tables.limits_text({bench.a.threads: table.limits}, bench.a.threads))
    print(tables.text(rows) if rows else "nothing of it is measured")
    for note in [*table.notes(), tables.conditions_text(table.results)]:
        print(note)
    if bench.runner.omitted:
        print(f"No time was left for {len(bench.runner.omitted)} measurements: {', '.join(bench.runner.omitted)}. The same command makes them.")
    if as_json:
        print(json.dumps([vars(row) | {"ratio": row.ratio, "efficiency": row.efficiency} for row in rows]))


def others(a, measured):
    """Families that other runs measured: their rows stay in README.md."""
    return [Bench(a, family, 0) for family in FAMILIES if family not in measured and (a.folder / "results" / family).exists()
            and (a.folder / f"{family}-random/config.json").exists()]


def write_readme(benches, path=ROOT / "README.md"):
    """The table of Qwen2-VL, and that of other families, where they were measured."""
    text = path.read_text()
    tables_of = {bench.family: table for bench in benches if (table := bench.table()).rows()}
    if main := tables_of.pop(QWEN2_VL, None):
        digest = next(bench.digest for bench in benches)
        below = tables.summary(main, results.opponents(), machine.processor(), digest, main.results)
        text = tables.replaced(text, "bench", f"{tables.markdown(main.rows())}\n\n{below}")
    if tables_of:
        text = tables.replaced(text, "bench-families", tables.families_markdown(tables_of))
    path.write_text(text)


def main():
    a = parser().parse_args()
    a.minutes = a.minutes if a.minutes is not None else float("inf") if a.family == "all" else MINUTES
    if unknown := set(a.only) - set(PARTS):
        sys.exit(f"--only: {', '.join(sorted(unknown))} is none of {', '.join(PARTS)}")
    if a.quick and a.write_readme:
        sys.exit("--quick measures nothing that README.md could say")
    for program in (a.binary, a.product_rates):
        if not program.exists():
            sys.exit(f"{program} is not there: make bench builds it")
    deadline = time.monotonic() + 60 * a.minutes
    benches = []
    for family in FAMILIES if a.family == "all" else [a.family]:
        bench = Bench(a, family, deadline)
        bench.run()
        show(bench, a.json)
        benches.append(bench)
    if a.write_readme:
        write_readme(benches + others(a, [bench.family for bench in benches]))
    if failed := [f for bench in benches for f in bench.runner.failed]:
        sys.exit("These failed:\n" + "\n".join(failed))


if __name__ == "__main__":
    main()
