"""Disks that fill, files that change or vanish in mid-run, hosts whose files differ."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from trial import OWN, UNITS, Ends, Fault, Scene

FAILED = frozenset({1, 75})
PAGE = 4096


def _room(size: Callable[[Scene], int]) -> Callable[[Scene], None]:
    """The output's folder is a file system of that many bytes; mended, it has room."""
    def prepare(scene: Scene) -> None:
        place = scene.run.output.parent
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={max(PAGE, size(scene))}", "tmpfs", place], check=True)
        if size(scene) == 0:
            (place / "filler").write_bytes(bytes(PAGE))

        def mend() -> None:
            (place / "filler").unlink(missing_ok=True)
            subprocess.run(["mount", "-o", "remount,size=64m", place], check=True)
        scene.undo.append(mend)
    return prepare


def _share(scene: Scene) -> int:
    """A part of what the run needs: the disk fills at another stage each time."""
    if "room" not in scene.notes:
        needed = sum(path.stat().st_size for path in _files(scene.run.bench.base(scene.run.verb)))
        # A journal, or two checkpoints, and the output stand side by side.
        scene.notes["room"] = int(scene.rng.uniform(0.02, 1.2) * needed) // PAGE * PAGE
    return scene.notes["room"]


def _files(path: Path) -> list[Path]:
    return [Path(root, name) for root, _, names in os.walk(path) for name in names] if path.is_dir() else [path]


def _end_of_training(scene: Scene) -> int:
    """Room for a training's first files, not for its adapter."""
    return 3 * PAGE


def no_inodes(scene: Scene) -> None:
    """Room, but not for another file."""
    place = scene.run.output.parent
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,nr_inodes=2", "tmpfs", place], check=True)
    scene.undo.append(lambda: subprocess.run(["mount", "-o", "remount,nr_inodes=1000", place], check=True))


def read_only(scene: Scene) -> None:
    place = scene.run.output.parent
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=64m", "tmpfs", place], check=True)
    scene.undo.append(lambda: subprocess.run(["mount", "-o", "remount,rw", place], check=True))


def becomes_read_only(scene: Scene) -> str | None:
    place = scene.run.output.parent
    # Of the mount. A journal, which is open for writing, would forbid it.
    subprocess.run(["mount", "-o", "remount,ro,bind", place], check=True)
    scene.undo.append(lambda: subprocess.run(["mount", "-o", "remount,rw,bind", place], check=True))
    return "the output is read-only"


def _begun(scene: Scene) -> None:
    """Until something is written: before that, a folder that goes and comes is none of the run's business."""
    while scene.run.running() and not scene.run.journal.exists() and not scene.run.checkpoints.exists():
        time.sleep(0.005)


def output_removed(scene: Scene) -> str | None:
    _begun(scene)
    shutil.rmtree(scene.run.output.parent)
    return "the output's folder is removed"


def output_renamed(scene: Scene) -> str | None:
    _begun(scene)
    place = scene.run.output.parent
    place.rename(place.with_name("elsewhere"))
    place.mkdir()
    return "the output's folder is renamed"


def journal_removed(scene: Scene) -> str | None:
    """By somebody who tidies up."""
    if not scene.run.journal.exists():
        return None
    scene.run.journal.unlink()
    return "the journal is removed"


def dataset_removed(scene: Scene) -> str | None:
    """It has been read at the start."""
    assert scene.run.demo is not None
    _put_back(scene, "dataset")
    (scene.run.demo / "dataset/keyobjects.json").unlink()
    return "the dataset's file is removed"


# Images and model: a copy of the demonstration's files, put back afterwards.

def _put_back(scene: Scene, part: str) -> None:
    demo = scene.run.demo
    assert demo is not None

    def mend() -> None:
        shutil.rmtree(demo / part, ignore_errors=True)
        shutil.copytree(scene.run.bench.demo / part, demo / part)
    scene.undo.append(mend)


def images_removed(scene: Scene) -> str | None:
    _put_back(scene, "dataset/images")
    shutil.rmtree(_images(scene))
    return "the images are removed"


def images_become(change: Callable[[Path, bytes], object], what: str) -> Callable[[Scene], str | None]:
    def strike(scene: Scene) -> str | None:
        _put_back(scene, "dataset/images")
        listed = sorted(_images(scene).iterdir())
        other = listed[0].read_bytes()
        for path in listed:
            change(path, other)
        return what
    return strike


def _images(scene: Scene) -> Path:
    assert scene.run.demo is not None
    return scene.run.demo / "dataset/images"


def _model(scene: Scene) -> Path:
    assert scene.run.demo is not None
    return scene.run.demo / "model/model.safetensors"


def model_becomes(change: Callable[[Path], None], what: str) -> Callable[[Scene], str | None]:
    def strike(scene: Scene) -> str | None:
        _put_back(scene, "model")
        change(_model(scene))
        return what
    return strike


def truncate(path: Path) -> None:
    os.truncate(path, 100_000)


def overwrite(path: Path) -> None:
    """Other values, the same header and size: cp of another checkpoint over this one."""
    content = other_values(path.read_bytes())
    with open(path, "r+b") as file:
        file.write(content)


def rename_over(path: Path) -> None:
    aside = path.with_suffix(".new")
    aside.write_bytes(other_values(path.read_bytes()))
    aside.rename(path)


def other_values(model: bytes) -> bytes:
    """The weights in the reverse order, so that all are finite and none is where it was."""
    start = 8 + int.from_bytes(model[:8], "little")
    values = model[start:]
    width = 4
    pieces = [values[at:at + width] for at in range(0, len(values) - len(values) % width, width)]
    return model[:start] + b"".join(reversed(pieces)) + values[len(pieces) * width:]


# Hosts whose files differ.

def _instead(scene: Scene, original: Path, change: Callable[[Path], None], host: int) -> None:
    """Another folder in place of the original, on one host only."""
    copy = scene.run.folder / f"other-{original.name}"
    shutil.copytree(original, copy, copy_function=shutil.copyfile)
    change(copy)
    scene.mount("--bind", str(copy), at=original, host=host)


def _emptied(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def _four_missing(folder: Path) -> None:
    for path in sorted(folder.iterdir())[3:200:50]:
        path.unlink()


def _four_broken(folder: Path) -> None:
    for path in sorted(folder.iterdir())[3:200:50]:
        path.write_bytes(path.read_bytes()[:300] + bytes(max(0, path.stat().st_size - 300)))


def _other_mean(folder: Path) -> None:
    path = folder / "preprocessor_config.json"
    text = path.read_text()
    path.write_text(text.replace("0.48145466", "0.58145466").replace('"image_mean": [0.5', '"image_mean": [0.4'))
    if path.read_text() == text:
        raise RuntimeError(f"{path}: no image_mean to change")


def _other_template(folder: Path) -> None:
    path = next(path for path in (folder / "chat_template.json", folder / "tokenizer_config.json") if path.exists())
    path.write_text(path.read_text() + "\n")


def on_host(number: int, part: str, change: Callable[[Path], None]) -> Callable[[Scene], None]:
    return lambda scene: _instead(scene, scene.run.bench.demo / part, change, number)


def docker0(scene: Scene) -> None:
    assert scene.cluster is not None
    cluster = scene.cluster
    for host in cluster.hosts:
        host.add_docker0()
    scene.undo.append(lambda: [host.run(["ip", "link", "del", "docker0"], check=True) for host in cluster.hosts])


def to_the_end(log: str) -> str:
    """A run whose output's folder is gone must not compute all the rest first."""
    return "it noticed only at the end" if re.search(r"\b(\d+)/\1 samples", log) else ""


def _disks() -> list[Fault]:
    # It fails, or finds before it begins that there isn't enough.
    full = Ends(FAILED, r"No space left|\d+ \w*B free", 60)
    noticed = Ends(FAILED, r"/out", 60)
    return [
        Fault("disk-full", "disk", full, prepare=_room(_share), when="start", verbs=OWN, weight=3),
        Fault("disk-full-at-random", "disk", full, prepare=_room(_share), strike=lambda scene: "the disk fills", weight=3),
        Fault("no-room-for-a-journal", "disk", full, prepare=_room(lambda scene: 0), when="start", verbs=OWN),
        Fault("no-room-for-the-adapter", "disk", full, prepare=_room(_end_of_training), when="start", verbs=("train",)),
        Fault("no-inodes", "disk", full, prepare=no_inodes, when="start", verbs=OWN),
        Fault("read-only", "disk", Ends(FAILED, r"[Rr]ead-only", 30, goes_on=False), prepare=read_only, when="start"),
        Fault("becomes-read-only", "disk", Ends(FAILED, r"[Rr]ead-only", 60), becomes_read_only, prepare=_room(lambda scene: 64 << 20), verbs=("train",)),
        Fault("output-removed", "disk", noticed, output_removed, verbs=UNITS, keeps=False, longer=True, check=to_the_end),
        Fault("output-renamed", "disk", noticed, output_renamed, verbs=UNITS, keeps=False, longer=True, check=to_the_end),
        # A training makes the folder again.
        Fault("output-of-a-training-removed", "disk", Ends(FAILED, r"/out", 60), output_removed, verbs=("train",), keeps=False),
    ]


def _changes() -> list[Fault]:
    pictures, model = Ends(FAILED, r"dataset/images", 30), Ends(frozenset({1, 75, 135}), r"demo/model", 30)
    return [
        Fault("journal-removed", "files", Ends(FAILED, r"\.journal", 60), journal_removed, verbs=UNITS, when="work", keeps=False),
        Fault("dataset-removed", "files", Ends(within=60), dataset_removed, verbs=OWN, own_files=True, when="work"),
        Fault("images-gone", "files", pictures, images_removed, verbs=OWN, own_files=True),
        Fault("images-become-garbage", "files", pictures, images_become(lambda path, _: path.write_bytes(b"x\n"), "garbage"), verbs=OWN, own_files=True),
        Fault("images-cut", "files", pictures, images_become(lambda path, _: os.truncate(path, 300), "cut"), verbs=OWN, own_files=True),
        Fault("images-replaced", "files", pictures, images_become(lambda path, other: path.write_bytes(other), "replaced"), verbs=OWN, own_files=True),
        Fault("model-truncated", "files", model, model_becomes(truncate, "truncated"), verbs=OWN, own_files=True),
        Fault("model-overwritten", "files", model, model_becomes(overwrite, "overwritten"), verbs=OWN, own_files=True, weight=3),
        Fault("model-renamed-over", "files", model, model_becomes(rename_over, "another file"), verbs=OWN, own_files=True, weight=1),
        Fault("model-removed", "files", model, model_becomes(lambda path: shutil.rmtree(path.parent), "removed"), verbs=OWN, own_files=True, weight=1),
    ]


def _unlike_hosts() -> list[Fault]:
    named = Ends(FAILED, r"node2|rank 2", 60)
    never = Ends(FAILED, r"node2|rank 2", 60, goes_on=False)
    listed = [("no-images", "dataset/images", _emptied, never, OWN), ("images-missing", "dataset/images", _four_missing, named, OWN),
              ("images-broken", "dataset/images", _four_broken, named, OWN), ("no-model", "model", _emptied, never, OWN),
              ("other-image-mean", "model", _other_mean, never, OWN), ("other-template", "model", _other_template, never, ("score",)),
              ("other-weights", "model", lambda folder: overwrite(folder / "model.safetensors"), never, OWN)]
    found = [Fault(name, "unlike", ends, prepare=on_host(2, part, change), verbs=verbs, on_hosts=True, when="start")
             for name, part, change, ends, verbs in listed]
    # Rank 0's host may be the one that is wrong.
    disagree = Ends(FAILED, r"node\d|rank \d", 60)
    found += [Fault(f"{name}-at-rank0", "unlike", disagree, prepare=on_host(0, "dataset/images", change), verbs=OWN, on_hosts=True, when="start")
              for name, change in (("images-missing", _four_missing), ("images-broken", _four_broken))]
    # A copy is as good as a shared folder, whatever its dates.
    found += [Fault(f"copied-{name}", "unlike", Ends(within=60), prepare=on_host(2, part, lambda _: None), verbs=("score", "train"), on_hosts=True,
                    when="start") for name, part in (("images", "dataset/images"), ("model", "model"))]
    return [*found, Fault("docker0", "unlike", Ends(within=60), prepare=docker0, verbs=("score", "train"), on_hosts=True, when="start")]


FAULTS = [*_disks(), *_changes(), *_unlike_hosts()]
