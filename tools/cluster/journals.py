"""Journals and checkpoints that are damaged: each is continued to the undisturbed bits, or refused with its name."""

import dataclasses
import hashlib
import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from runs import Bench, Run, Verb, head_of, records
from trial import UNITS, Ends, Fault, Scene

ENOUGH = 8  # records

Damage = Callable[[bytes, random.Random], bytes]


def partial(bench: Bench, verb: Verb) -> Path:
    """A folder with the journal or the checkpoints of a run that was killed; made once."""
    folder = bench.folder / "partial" / verb.name
    with bench.lock:
        if folder.exists():
            return folder / "out"
        run = Run(bench, verb, folder, 1, options=("--steps", "400") if verb.trains else ())
        run.start(command=bench.command(verb, run.output))
        until = time.monotonic() + 60
        while run.running() and run.progress() < ENOUGH and time.monotonic() < until:
            time.sleep(0.002)
        run.end()
        if run.progress() < ENOUGH:
            raise RuntimeError(f"{verb.name} ended before it could be killed: {run.log()}")
        return run.output.parent


def with_journal(damage: Damage) -> Callable[[Scene], None]:
    """A run finds the damaged journal of a killed one."""
    def prepare(scene: Scene) -> None:
        run = scene.run
        whole = partial(run.bench, run.verb) / run.journal.name
        run.journal.write_bytes(damage(whole.read_bytes(), scene.rng))
        scene.undo.append(lambda: _remove(run.journal))
    return prepare


def with_something(make: Callable[[Path], object]) -> Callable[[Scene], None]:
    def prepare(scene: Scene) -> None:
        make(scene.run.journal)
        scene.undo.append(lambda: _remove(scene.run.journal))
    return prepare


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def resuming(scene: Scene) -> None:
    scene.run.start(["--resume"])


def salvaging(scene: Scene) -> None:
    scene.run.start(["--resume", "--salvage"])


def flipped(place: Callable[[bytes, random.Random], int]) -> Damage:
    def damage(journal: bytes, rng: random.Random) -> bytes:
        at = place(journal, rng)
        return journal[:at] + bytes([journal[at] ^ 1 << rng.randrange(8)]) + journal[at + 1:]
    return damage


def inner(offset: Callable[[int, random.Random], int]) -> Callable[[bytes, random.Random], int]:
    """A byte of a record in the middle; `offset` gets the record's length."""
    def place(journal: bytes, rng: random.Random) -> int:
        start, end = rng.choice(records(journal)[1:-2])
        return start + offset(end - start, rng)
    return place


def _swapped(journal: bytes, _: random.Random) -> bytes:
    (a, b), (c, d) = records(journal)[-2:]
    return journal[:a] + journal[c:d] + journal[a:b] + journal[d:]


def _twice(journal: bytes, _: random.Random) -> bytes:
    whole = records(journal)
    return journal[:whole[-1][1]] + journal[whole[0][1]:whole[-1][1]]


def _invented(journal: bytes, _: random.Random) -> bytes:
    content = b"\1" * 40
    return journal[:records(journal)[-1][1]] + len(content).to_bytes(8, "little") + hashlib.sha256(content).hexdigest()[:16].encode() + content


def _length(value: int) -> Damage:
    return lambda journal, _: journal[:records(journal)[-1][1]] + value.to_bytes(8, "little", signed=True) + bytes(100)


# With these, the run must come to the undisturbed bits.
CONTINUED: dict[str, Damage] = {
    "whole": lambda journal, _: journal,
    "cut off": lambda journal, rng: journal[:rng.randrange(records(journal)[0][1], len(journal))],
    "empty": lambda journal, _: b"",
    "first bytes only": lambda journal, rng: journal[:rng.randrange(1, head_of(journal) + 1)],
    "identity cut off": lambda journal, rng: journal[:rng.randrange(head_of(journal) + 1, records(journal)[0][1])],
    "records twice": _twice,
    "records swapped": _swapped,
}
# With these, it may refuse by the journal's name instead.
EITHER: dict[str, Damage] = {
    "zeros at the end": lambda journal, _: journal + bytes(5000),
    "garbage at the end": lambda journal, rng: journal + rng.randbytes(5000),
    "end zeroed": lambda journal, _: journal[:-4096] + bytes(min(4096, len(journal))),
    "huge length at the end": _length(1 << 62),
    "negative length at the end": _length(-5),
    "bit flip in a length": flipped(inner(lambda _, rng: rng.randrange(8))),
    "bit flip in a digest": flipped(inner(lambda _, rng: rng.randrange(8, 24))),
    "bit flip in a record": flipped(inner(lambda length, rng: rng.randrange(24, length))),
    "bit flip in the first bytes": flipped(lambda journal, rng: rng.randrange(head_of(journal))),
    "bit flip in the identity": flipped(lambda journal, rng: rng.randrange(head_of(journal) + 24, records(journal)[0][1])),
    "invented record": _invented,
}
REFUSED: dict[str, Callable[[Path], object]] = {
    "a folder": lambda path: path.mkdir(),
    "a pipe": lambda path: os.mkfifo(path),
    "a link to nothing": lambda path: path.symlink_to("/nonexistent/journal"),
}


def of_another_verb(scene: Scene) -> None:
    run = scene.run
    other = "generate" if run.verb.name == "score" else "score"
    verb = run.bench.verbs()[other]
    shutil.copy(partial(run.bench, verb) / f"{verb.output}.journal", run.journal)
    scene.undo.append(lambda: _remove(run.journal))


# Checkpoints.

def with_checkpoint(damage: Callable[[Path, random.Random], object]) -> Callable[[Scene], None]:
    """A run finds the newest checkpoint of a killed one damaged: it refuses by name, or goes on from an older one."""
    def prepare(scene: Scene) -> None:
        run = scene.run
        shutil.copytree(partial(run.bench, run.verb) / run.checkpoints.name, run.checkpoints)
        newest = max(run.checkpoints.glob("checkpoint-*[0-9]"))
        damage(newest, scene.rng)
        scene.undo.append(lambda: _remove(run.checkpoints))
    return prepare


def _flip(path: Path, rng: random.Random, first: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[rng.randrange(first, len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


CHECKPOINTS: dict[str, Callable[[Path, random.Random], object]] = {
    "state cut off": lambda folder, rng: os.truncate(folder / "state.safetensors", rng.randrange(100_000)),
    "state missing": lambda folder, _: (folder / "state.safetensors").unlink(),
    "state empty": lambda folder, _: os.truncate(folder / "state.safetensors", 0),
    "weights missing": lambda folder, _: (folder / "adapter_model.safetensors").unlink(),
    "weights cut off": lambda folder, rng: os.truncate(folder / "adapter_model.safetensors", rng.randrange(50_000)),
    "bit flip in the state": lambda folder, rng: _flip(folder / "state.safetensors", rng),
    "bit flip in the weights": lambda folder, rng: _flip(folder / "adapter_model.safetensors", rng),
    "folder empty": lambda folder, _: [path.unlink() for path in folder.iterdir()],
}


def _fault(name: str, ends: Ends, prepare: Callable[[Scene], None], verbs: tuple[str, ...], kind: str = "journal") -> Fault:
    return Fault(name, kind, ends, prepare=prepare, start=resuming, when="start", verbs=verbs, keeps=False)


def _faults() -> list[Fault]:
    refused = frozenset({1})
    found = [_fault(f"journal: {name}", Ends(within=60), with_journal(damage), UNITS) for name, damage in CONTINUED.items()]
    found += [_fault(f"damaged: {name}", Ends(refused, r"\.journal", 60), with_journal(damage), UNITS) for name, damage in EITHER.items()]
    # Nothing is refused any more if --salvage is given.
    found += [dataclasses.replace(_fault(f"salvaged: {name}", Ends(within=60), with_journal(EITHER[name]), UNITS), start=salvaging)
              for name in ("bit flip in a length", "bit flip in a digest", "bit flip in a record", "end zeroed")]
    found += [_fault(f"journal is {name}", Ends(refused, r"\.journal", 60, goes_on=False), with_something(make), ("score", "generate"))
              for name, make in REFUSED.items()]
    found.append(_fault("journal of another verb", Ends(refused, r"\.journal", 60, goes_on=False), of_another_verb, ("score", "ablate")))
    found += [_fault(f"checkpoint: {name}", Ends(refused, r"\.training", 60), with_checkpoint(damage), ("train",), "checkpoint")
              for name, damage in CHECKPOINTS.items()]
    return found


FAULTS = _faults()
