"""What the bench measures: each measurement is a name, a side and a function that gives its values."""
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import inputs
from inputs import ROOT
from measuring import run_watched

OURS, THEIRS = "headimpact", "opponent"
# So many new tokens that passes of all pictures outnumber those that begin one.
TOKENS, MANY, BATCHES = 40, 16, (1, 16, 8, 4)
TRAIN_SAMPLES, TRAIN_EPOCHS, RANK_IMAGES = 3, 3, 4
# Of pictures to describe: smaller than photographs, so that what is compared is decoding.
PICTURE = (320, 240)
# A run that took this long isn't repeated.
LONG_SECONDS = 30


@dataclass
class Setting:
    """A checkpoint and how it is measured."""
    program: Path
    model: Path
    work: Path            # scratch: datasets and outputs
    picture: Path         # of score, train and ranks
    pictures: list        # of generate
    layers: str           # that train adapts
    threads: int
    rounds: int
    quick: bool = False

    def dataset(self, name, samples):
        return inputs.dataset(self.work / name, samples)

    def described(self, name, images, captions=1):
        """A dataset of copies of the picture, each with some captions."""
        texts = inputs.captions(self.model, images * captions)
        return self.dataset(name, [(self.picture, texts[i * captions:(i + 1) * captions]) for i in range(images)])

    def undescribed(self, count):
        return self.dataset("pictures", [(picture, ["a thing"]) for picture in self.pictures[:count]])


@dataclass
class Measurement:
    name: str
    side: str
    part: str             # score, train, generate or ranks: what --only names
    run: Callable[[Setting], dict]
    form: str = ""        # of what is measured: stored results of another form don't count


class Killed(Exception):
    """A process was killed: it needs more memory than there is."""


def run(command, setting, env=None):
    try:
        return run_watched(command, env)
    except subprocess.CalledProcessError as error:
        if error.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL):
            raise Killed from error
        raise


def repeated(setting, once):
    """(the fastest run's seconds, of each run, what the last one gave): as often as the setting says, or once where it takes long."""
    seconds, start = [], time.perf_counter()
    while True:
        value, more = once()
        seconds.append(value)
        if len(seconds) >= setting.rounds or time.perf_counter() - start > LONG_SECONDS:
            return min(seconds), seconds, more


def removed(path):
    """A path whose leftovers are gone."""
    for leftover in path.parent.glob(path.name + "*"):
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    return path


# ---------------------------------------------------------------- headimpact
def mpirun(ranks):
    root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
    return ["mpirun", *root, "--oversubscribe", "--bind-to", "none", "-np", ranks]


def scored(setting, dataset, precision, threads, before=()):
    """Seconds of scoring as the output has them, and what a run cost."""
    import h5py
    output = removed(setting.work / "out.h5")
    _, wall, memory = run([*before, setting.program, "score", "--model", setting.model, "--dataset", dataset, "--images", dataset.parent,
                           "--output", output, "--precision", precision, "--threads", threads, "--quiet"], setting)
    with h5py.File(output) as f:
        return float(f.attrs["seconds_scoring"]), {"wall": wall, "private_bytes": memory.peak, "resident_bytes": memory.peak_with_files}


def score(captions, precision):
    def measure(setting):
        dataset = setting.described("score", 1, captions)
        best, seconds, more = repeated(setting, lambda: scored(setting, dataset, precision, setting.threads))
        return {"seconds": best, "rounds": seconds} | more
    return measure


def ranks(precision):
    """One thread each: one rank and two, in turn."""
    def measure(setting):
        dataset = setting.described("ranks", RANK_IMAGES)
        one, two = (scored(setting, dataset, precision, 1, mpirun(n))[0] for n in (1, 2))
        return {"one": one, "two": two, "images": RANK_IMAGES}
    return measure


def trained(setting, images, epochs, precision, ranks, threads):
    """Seconds of each step, and of its allreduce."""
    import h5py
    dataset = setting.described("train", images)
    output = removed(setting.work / "adapter")
    run([*(mpirun(ranks) if ranks > 1 else []), setting.program, "train", "--model", setting.model, "--dataset", dataset,
         "--images", dataset.parent, "--layers", setting.layers, "--batch", ranks, "--epochs", epochs, "--precision", precision,
         "--threads", threads, "--shuffle", "none", "--quiet", "--output", output], setting)
    with h5py.File(output / "training.h5") as f:
        return f["seconds"][()].tolist(), f["seconds_allreduce"][()].tolist()


def train(precision):
    """A step is one sample: of an image that is new in the first epoch."""
    def measure(setting):
        seconds, _ = trained(setting, TRAIN_SAMPLES, TRAIN_EPOCHS, precision, 1, setting.threads)
        if len(seconds) != TRAIN_SAMPLES * TRAIN_EPOCHS:
            raise RuntimeError(f"train took {len(seconds)} steps, not {TRAIN_SAMPLES * TRAIN_EPOCHS}")
        first, later = seconds[:TRAIN_SAMPLES], seconds[TRAIN_SAMPLES:]
        return {"first": statistics.median(first), "later": statistics.median(later), "steps": seconds}
    return measure


def allreduce(setting):
    """Four ranks of one thread: the share of a step that is in the allreduce, waiting for slower ranks included."""
    steps, reduces = trained(setting, 4, 4, "bf16", 4, 1)
    shares = [r / s for r, s in zip(reduces[1:], steps[1:])]
    return {"step": statistics.median(steps[1:]), "share": statistics.median(shares)}


def generated(setting, dataset, precision, batch):
    """Seconds of a whole run, from start to end, what its passes took (the program says it), and its peak of private memory."""
    output = removed(setting.work / "texts.json")
    said, wall, memory = run([setting.program, "generate", "--model", setting.model, "--dataset", dataset, "--images", dataset.parent,
                              "--output", output, "--precision", precision, "--threads", setting.threads, "--max-new-tokens", TOKENS,
                              "--batch", batch, "--quiet", "--format", "json"], setting)
    texts = json.loads(output.read_text())
    if len(texts) != len(json.loads(dataset.read_text())["images"]):
        raise RuntimeError(f"generate wrote {len(texts)} texts")
    if not (passes := json.loads(said).get("passes")):
        raise RuntimeError("generate said nothing of its passes: the program is older than the bench")
    return wall, passes, memory.peak


def generate(pictures, batch, precision):
    """A step is a pass that takes one token on the texts of a whole batch, and begins no picture: the median of a run."""
    def measure(setting):
        dataset, runs = setting.undescribed(pictures), []

        def once():
            wall, passes, memory = generated(setting, dataset, precision, batch)
            runs.append(passes)
            return wall, memory
        best, seconds, memory = repeated(setting, once)
        # Texts of the demonstration model may end before all have begun: then there is no figure.
        steps = [passes["continuing"][str(batch)] for passes in runs if str(batch) in passes["continuing"]]
        return {"pictures": pictures, "batch": batch, "tokens": TOKENS, "seconds": best, "rounds": seconds, "private_bytes": memory,
                "prefill": min(passes["beginning"]["median"] for passes in runs),
                "step": min((step["median"] for step in steps), default=None), "passes": runs}
    return measure


# ---------------------------------------------------------------- opponents
def opponent(setting, form, *options):
    """The lines of opponents.py, its peak of private memory."""
    command = [sys.executable, ROOT / "Benchmarks/opponents.py", form, "--model", setting.model, "--threads", setting.threads, *options]
    out, _, memory = run(command, setting)
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")], memory.peak


def of(dataset):
    return ["--dataset", dataset, "--images", dataset.parent]


def their_score(dtype, attention="eager"):
    def measure(setting):
        lines, memory = opponent(setting, "score", *of(setting.described("score", 1)), "--dtype", dtype, "--attention", attention,
                                 "--rounds", setting.rounds)
        seconds = [line["seconds"] for line in lines]
        return {"seconds": min(seconds), "rounds": seconds, "private_bytes": memory}
    return measure


def their_train(dtype, attention):
    def measure(setting):
        lines, memory = opponent(setting, "train", *of(setting.described("train", TRAIN_SAMPLES)), "--dtype", dtype, "--attention", attention,
                                 "--layers", setting.layers)
        steps = [line["seconds"] for line in lines]
        return {"step": statistics.median(steps[1:]), "steps": steps, "private_bytes": memory}
    return measure


def their_generate(dtype):
    def measure(setting):
        lines, memory = opponent(setting, "generate", *of(setting.undescribed(MANY)), "--dtype", dtype, "--tokens", TOKENS,
                                 "--batches", ",".join(map(str, BATCHES)))
        return {"batches": lines, "private_bytes": memory}
    return measure


def basis(setting):
    """Tokens and pixels of the descriptions of the picture, and of a picture to describe; torch's matrix products a second in each type."""
    texts = inputs.captions(setting.model, len(inputs.CAPTIONS))
    lines, _ = opponent(setting, "basis", *of(setting.dataset("basis", [(setting.picture, texts), (setting.pictures[0], texts[:1])])))
    shapes = [line for line in lines if "pixels" in line]
    return {"described": shapes[:-1], "pictured": shapes[-1], "rates": {line["dtype"]: line["rate"] for line in lines if "rate" in line}}


BASIS = Measurement("basis", THEIRS, "", basis)


def worthwhile(rates):
    """The types that torch is measured in, the fastest first: not bf16 where it is emulated, at less than half the rate of f32."""
    return sorted((dtype for dtype, rate in rates.items() if dtype == "f32" or rate > rates["f32"] / 2), key=lambda dtype: -rates[dtype])


# Texts of TOKENS tokens, the median of a run's steps.
STEPS = f"{TOKENS} tokens, median step"


def plan(types, quick=False):
    """(the most important measurements first, the rest). types: torch's, the fastest first."""
    ours, theirs = (("f32",), ("f32",)) if quick else (("f32", "bf16"), types)
    first = [Measurement(f"score 1 {p}", OURS, "score", score(1, p)) for p in ours]
    first += [Measurement(f"transformers score eager {t}", THEIRS, "score", their_score(t)) for t in theirs]
    first += [Measurement(f"score 5 {p}", OURS, "score", score(5, p)) for p in ours]
    first += [Measurement(f"generate one {p}", OURS, "generate", generate(1, 1, p), STEPS) for p in ours]
    first += [Measurement(f"generate many {p}", OURS, "generate", generate(MANY, MANY, p), STEPS) for p in ours]
    first += [Measurement("transformers generate f32", THEIRS, "generate", their_generate("f32"), STEPS),
              Measurement("train f32", OURS, "train", train("f32"))]
    first += [Measurement(f"peft train sdpa {t}", THEIRS, "train", their_train(t, "sdpa")) for t in theirs]
    first += [Measurement("ranks bf16", OURS, "ranks", ranks("bf16"))]
    if quick:
        return first, []
    first += [Measurement("train bf16", OURS, "train", train("bf16"))]
    rest = [Measurement(f"transformers score sdpa {t}", THEIRS, "score", their_score(t, "sdpa")) for t in theirs]
    rest += [Measurement("generate serial f32", OURS, "generate", generate(MANY, 1, "f32"), STEPS),
             Measurement("ranks f32", OURS, "ranks", ranks("f32"))]
    rest += [Measurement(f"peft train eager {t}", THEIRS, "train", their_train(t, "eager")) for t in theirs]
    return first, [*rest, Measurement("train allreduce", OURS, "train", allreduce)]


def brief(types):
    """The same of a family beside others: one description and five, the opponent in its faster type."""
    first = [Measurement("score 1 bf16", OURS, "score", score(1, "bf16")),
             Measurement(f"transformers score eager {types[0]}", THEIRS, "score", their_score(types[0])),
             Measurement("score 5 bf16", OURS, "score", score(5, "bf16"))]
    return first, [Measurement(f"score {n} f32", OURS, "score", score(n, "f32")) for n in (1, 5)]


def known():
    """Every measurement that there is."""
    return [BASIS, *(m for types in (["f32", "bf16"], ["bf16", "f32"]) for stage in plan(types) for m in stage)]
