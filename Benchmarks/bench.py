#!/usr/bin/env python3
"""headimpact beside transformers and PEFT: the same checkpoint, pictures and threads. (make bench)

    .venv/bin/python Benchmarks/bench.py [--family qwen2-vl-2b,gemma-3-4b|all] [--only score,train] [--minutes 15] [--write-readme] [--quick]

Prints each measurement as it is made, and one table: seconds of both, their ratio, the floor (the operations that the shapes need, over the
multiply-adds that this processor does at its peak; Benchmarks/work.py counts them) and the efficiency (floor over time). The opponent is the
faster of torch's types. Each result is a file under FOLDER/results: a run that follows keeps those of the same program, packages, processor
and threads. Leave the machine alone meanwhile: each line says who else computed. Of several families, Qwen2-VL is measured wholly, of the
others what one description and five cost. It may be stopped at any time: --minutes 0 --write-readme writes what is stored.
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


def families(text):
    """Those that --family names, in the order in which they are measured."""
    if text == "all":
        return list(FAMILIES)
    if unknown := set(text.split(",")) - set(FAMILIES):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))} is none of {', '.join(FAMILIES)}")
    return sorted(text.split(","), key=FAMILIES.index)


def parser():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--family", type=families, default=[QWEN2_VL], help=f"one or several, separated by commas, of {', '.join(FAMILIES)}; or all")
    p.add_argument("--only", type=lambda text: text.split(","), default=list(PARTS), help=f"any of {','.join(PARTS)}")
    p.add_argument("--side", choices=(measurements.OURS, measurements.THEIRS), help="measure one side")
    p.add_argument("--minutes", type=float, help="start no measurement after so many minutes, the most important come first (default: "
                   f"{MINUTES})", default=MINUTES)
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

    def key(self, measurement):
        """What a stored result must have been measured on."""
        return self.keys[measurement.side] | ({"measured": measurement.form} if measurement.form else {})

    def stored(self, measurement):
        return self.store.get(measurement.name, self.key(measurement))

    def measure(self, measurement):
        """What is stored of a measurement, or None."""
        key = self.key(measurement)
        if not self.fresh and (stored := self.stored(measurement)):
            print(f"{measurement.name}: kept from {stored['made']}", flush=True)
            return stored
        if time.monotonic() > self.deadline:
            self.omitted.append(measurement.name)
            return None
        limits, quietness, start = self.limits(), machine.Quietness(), time.monotonic()
        try:
            values = measurement.run(self.setting)
        except measurements.Killed:
            values = {"killed": True, "memory": machine.memory()}
        except (subprocess.CalledProcessError, RuntimeError, OSError) as error:
            said = " ".join((getattr(error, "stderr", None) or str(error)).strip().splitlines()[-3:])
            self.failed.append(f"{measurement.name}: {said}")
            print(f"{measurement.name}: FAILED: {said}", flush=True)
            return None
        conditions, seconds = quietness.end(), time.monotonic() - start
        # Other machines share the host's memory: what it gives changes within minutes.
        after = {"limits_after": self.limits()} if measurement.side == measurements.OURS else {}
        print(f"{measurement.name}: {brief(values)} ({seconds:.0f} s; {machine.said(conditions)})", flush=True)
        return self.store.put(measurement.name, key, values, conditions=conditions, limits=limits, seconds=seconds, **after)


class Bench:
    """The measurements of one family. is_brief: only what one description and five cost."""

    def __init__(self, a, family, deadline, is_brief=False):
        self.a, self.family, self.is_brief = a, family, is_brief
        self.setting = setting(a, family)
        self.checkpoint = work.Checkpoint.of(self.setting.model)
        common = {"form": results.FORM, "processor": machine.processor(), "threads": a.threads}
        self.digest = results.program_digest(a.binary)
        keys = {measurements.OURS: common | {"program": self.digest}, measurements.THEIRS: common | results.opponents()}
        self.runner = Runner(results.Store(a.folder / "results" / ("quick" if a.quick else family)), keys, self.setting,
                             lambda: machine.limits(a.product_rates, {1, a.threads}), deadline, a.fresh)

    def run(self, stage):
        """The first measurements (0) or the rest (1). What the basis says is needed first: without it nothing is measured."""
        basis = self.runner.stored(measurements.BASIS) if stage else self.runner.measure(measurements.BASIS)
        if not basis:
            return
        types = measurements.worthwhile(basis["values"]["rates"])
        for measurement in (measurements.brief(types) if self.is_brief else measurements.plan(types, self.a.quick))[stage]:
            if measurement.part in self.a.only and self.a.side in (None, measurement.side):
                self.runner.measure(measurement)

    def table(self):
        """Of all results that still hold."""
        stored = {m.name: result for m in measurements.known() if (result := self.runner.stored(m))}
        limits = machine.highest([result[when] for result in stored.values() for when in ("limits", "limits_after") if when in result])
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
    """Families that other runs measured: they are in README.md too."""
    return [Bench(a, family, 0) for family in FAMILIES if family not in measured and (a.folder / "results" / family).exists()
            and inputs.exists(family, a.folder)]


def write_readme(benches, version, path=ROOT / "README.md"):
    """The table of Qwen2-VL, and that of other families, where they were measured; other rows stay as they are."""
    text = path.read_text()
    tables_of = {bench.family: table for bench in benches if (table := bench.table()).rows()}
    if not tables_of:
        print("nothing is measured that README.md could say")
        return
    made = f"version {version} (program {benches[0].digest})"
    if main := tables_of.pop(QWEN2_VL, None):
        below = tables.summary(main, results.opponents(), machine.processor(), made)
        text = tables.replaced(text, "bench", f"{tables.markdown(main.rows())}\n\n{below}")
    if tables_of:
        below = tables.families_summary(tables_of, results.opponents(), machine.processor(), made)
        rows = tables.families_rows(tables_of, version)
        all_rows = tables.kept(text, "bench-families", version) | rows
        text = tables.replaced(text, "bench-families", f"{tables.families_markdown(all_rows)}\n\n{below}")
    path.write_text(text)


def benches_of(a, deadline):
    """One of each family whose checkpoint is there or finds room."""
    for family in [a.family[0]] if a.quick else a.family:
        if not a.quick and not inputs.exists(family, a.folder):
            if time.monotonic() > deadline:
                print(f"{family}: left out, its checkpoint isn't there, and no time is left to make it", flush=True)
                continue
            if not inputs.fits(family, a.folder):
                print(f"{family}: left out, its checkpoint isn't there and would take {inputs.GIGABYTES[family]} GB of disk", flush=True)
                continue
        yield Bench(a, family, deadline, is_brief=len(a.family) > 1 and family != QWEN2_VL)


def program_version(binary):
    return subprocess.run([binary, "--version"], check=True, capture_output=True, text=True).stdout.strip()


def main():
    a = parser().parse_args()
    if unknown := set(a.only) - set(PARTS):
        sys.exit(f"--only: {', '.join(sorted(unknown))} is none of {', '.join(PARTS)}")
    if a.quick and a.write_readme:
        sys.exit("--quick measures nothing that README.md could say")
    for program in (a.binary, a.product_rates):
        if not program.exists():
            sys.exit(f"{program} is not there: make bench builds it")
    deadline = time.monotonic() + 60 * a.minutes
    benches = []
    for bench in benches_of(a, deadline):
        print(f"== {bench.family}", flush=True)
        bench.run(0)
        benches.append(bench)
    for bench in benches:
        bench.run(1)
        show(bench, a.json)
    if a.write_readme:
        write_readme(benches + others(a, [bench.family for bench in benches]), program_version(a.binary))
    if failed := [f for bench in benches for f in bench.runner.failed]:
        sys.exit("These failed:\n" + "\n".join(failed))


if __name__ == "__main__":
    main()
