"""Training and generating, live: headimpact compared with lora_reference.py, PEFT and transformers' generate (docs/training.md, Agreement)."""
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable

import h5py
import numpy as np

from agreement import Figure, relative_l2

ROOT = Path(__file__).resolve().parents[2]
STEPS = 20
QUIET = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL if not os.environ.get("PARITY_VERBOSE") else None)
ATTENTION = "q_proj,k_proj,v_proj,o_proj"
# By the names of run.py's cases. samples: train on the first so many only; a batch of more than that takes some of them twice.
# ranks: what headimpact is run on, each time from the same initial adapter.
CASES = {
    "8 heads, 2 kv": dict(layers="1,2,4", targets=ATTENTION, rank=4, alpha=8, batch=4, lr=1e-3, decay=0.0, ranks=(1, 2, 3)),
    "7 heads, 1 kv, odd sizes, f16": dict(layers="0,3", targets=ATTENTION + ",gate_proj,up_proj,down_proj", rank=3, alpha=5,
                                          batch=5, lr=1e-3, decay=0.01, ranks=(1, 2, 3), samples=3),
    "smolvlm, tiles, bf16": dict(layers="1,3", targets=ATTENTION, rank=4, alpha=8, batch=4, lr=1e-3, decay=0.0, ranks=(1, 2)),
    "idefics3, odd shapes, f32": dict(layers="0,2", targets=ATTENTION + ",gate_proj,up_proj,down_proj", rank=3, alpha=5, batch=3,
                                      lr=1e-3, decay=0.01, ranks=(1, 3)),
}
# Its learning rate makes it unlearn something in 20 steps: a smaller one changes no text.
DEMONSTRATION = dict(layers="2,4,7", targets=ATTENTION, rank=4, alpha=8, batch=4, lr=5e-3, decay=0.0)
QUESTIONS = ["What?", "Is it large?", "How many are there?", "Where is it?", "red or blue", "a b c d e f g", "Name it.", "Why?",
             "Tell me more about the left side.", "Which one?", "Count them.", "What is behind it?", "Is it a dog?", "yes",
             "2 + 2"]


# ---------------------------------------------------------------- comparisons
def compare_training(log, ours, theirs, steps):
    """Figures of one run. log: the reference's; ours, theirs: the adapters' tensors by name; steps: what training.h5 holds."""
    figures = [Figure("tensors that only one of the adapters has", float(len(set(ours) ^ set(theirs))), 0)]
    for name, key, what, limit in (("loss", "loss", "loss of a step, largest relative difference", 1e-4),
                                   ("gradient_norm", "grad_norm", "gradient norm, largest relative difference", 1e-3),
                                   ("tokens", "tokens", "tokens of a step, largest difference", 0)):
        wanted, got = np.array([s[key] for s in log], np.float64), np.asarray(steps[name], np.float64)
        apart = np.abs(got - wanted) / (np.abs(wanted) if limit else 1) if got.shape == wanted.shape else np.array([np.inf])
        figures.append(Figure(what, float(np.max(apart)), limit))
    common = set(ours) & set(theirs)
    # np.max, not max: it passes NaN on.
    figures.append(Figure("adapter weights after the last step, relative L2 (worst)", float(np.max(
        [relative_l2(ours[k].astype(np.float64), theirs[k].astype(np.float64)) if ours[k].shape == theirs[k].shape else np.inf
         for k in common] or [np.inf])), 1e-3))
    return figures


def compare_texts(ours, wanted, unsure, least):
    """Every text that the reference is sure of, equal; and enough of them. ours, wanted: {id: text}; unsure: ids of near ties."""
    sure = set(wanted) - set(unsure)
    return [Figure("texts missing, or of nobody", float(len(set(ours) ^ set(wanted))), 0),
            Figure("texts compared", float(len(sure)), least, ">="),
            Figure("texts that differ", float(sum(ours.get(key) != wanted[key] for key in sure)), 0)]


def compare_loaded(strays, loss, wanted):
    """An adapter made by headimpact, in PEFT: it loads whole, and the dataset has the same loss."""
    return [Figure("tensors that PEFT misses or doesn't expect", float(len(strays)), 0),
            Figure("loss of the dataset with the adapter, relative difference", abs(loss - wanted) / wanted, 1e-4)]


def compare_ablations(ours, wanted):
    """ours: an ablation.json; wanted: mean losses, of the unmodified model and then of each ablation."""
    losses = np.array([ours["loss"], *(row["loss"] for row in ours["ablations"])])
    wanted = np.array(wanted)
    differences = np.array([row["difference"] for row in ours["ablations"]])
    return [Figure("loss without some heads, largest relative difference", float(np.max(np.abs(losses - wanted) / wanted)), 1e-5),
            Figure("its difference from the model's, largest difference",
                   float(np.max(np.abs(differences - (wanted[1:] - wanted[0])))), 2e-5),
            Figure("differences that the heads make (largest)", float(np.max(np.abs(wanted[1:] - wanted[0]))), 1e-3, ">=")]


# ---------------------------------------------------------------- the reference
def first_samples(data, count, folder):
    """A dataset folder with the first `count` annotations, by id; all where count is None."""
    if count is None:
        return data
    contents = json.loads((data / "keyobjects.json").read_text())
    contents["annotations"] = sorted(contents["annotations"], key=lambda a: a["id"])[:count]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "keyobjects.json").write_text(json.dumps(contents))
    if not (folder / "images").exists():
        (folder / "images").symlink_to((data / "images").resolve())
    return folder


def reference_training(folder, data, case):
    """(log, adapter folder) of lora_reference.py, and the adapter both begin from."""
    lora = [sys.executable, ROOT / "tools/reference/lora_reference.py", "--model", folder / "model", "--layers", case["layers"],
            "--targets", case["targets"], "--rank", case["rank"], "--alpha", case["alpha"]]
    init, out = folder / "init", folder / "trained"
    run = ["--dataset", data / "keyobjects.json", "--images", data / "images", "--init", init, "--steps", STEPS,
           "--batch", case["batch"], "--lr", case["lr"], "--weight-decay", case["decay"], "--output", out]
    for words in (["--make-init", init], run):
        subprocess.run([*map(str, lora + words)], check=True, **QUIET)
    return json.loads((out / "log.json").read_text()), out, init


def tensors(folder):
    from safetensors.numpy import load_file
    return load_file(folder / "adapter_model.safetensors")


def peft_loss(folder, data, adapter):
    """Mean loss of the whole dataset, by PEFT with an adapter; and the tensors that PEFT misses in it or doesn't expect."""
    import peft
    import torch
    from PIL import Image

    from hi_reference import DEFAULT_PROMPT, Reference
    from lora_reference import summed_loss, supervised
    reference = Reference(folder / "model", torch.float32)
    model = peft.PeftModel.from_pretrained(reference.model, adapter)
    weights = {k.replace(".default", "") for k in model.state_dict() if "lora_" in k}
    strays = weights ^ set(tensors(adapter))
    contents = json.loads((data / "keyobjects.json").read_text())
    files = {i["id"]: i["file_name"] for i in contents["images"]}
    losses, count = 0.0, 0
    with torch.no_grad():
        for a in contents["annotations"]:
            image = Image.open(data / "images" / files[a["image_id"]]).convert("RGB")
            loss, n = summed_loss(model, *supervised(reference, image, DEFAULT_PROMPT, a["description"].strip()))
            losses, count = losses + loss.item(), count + n
    return losses / count, strays


def write_questions(data, path):
    """A VQA question file over four of the dataset's pictures, which lie there under names that end in their ids."""
    contents = json.loads((data / "keyobjects.json").read_text())
    (path / "images").mkdir(parents=True, exist_ok=True)
    pairs, questions = {}, []
    for i in contents["images"][:4]:
        picture = path / "images" / f"{i['id']:012d}{Path(i['file_name']).suffix}"
        picture.write_bytes((data / "images" / i["file_name"]).read_bytes())
        for n, question in enumerate(QUESTIONS):
            pairs[i["id"] * 1000 + n] = picture, question
            questions.append({"question_id": i["id"] * 1000 + n, "image_id": i["id"], "question": question})
    (path / "questions.json").write_text(json.dumps({"questions": questions}))
    return pairs


def generate_reference(folder, pairs, length, adapter=None, gap=1e-4):
    """{id: text} by transformers' greedy generate, and the ids of those where a step was nearly a tie: rounding decides there."""
    import torch
    from PIL import Image

    from generation import generated, result
    from hi_reference import Reference
    reference = Reference(folder / "model", torch.float32)
    if adapter:
        import peft
        reference.model = peft.PeftModel.from_pretrained(reference.model, adapter)
    texts, unsure = {}, set()
    for key, (path, prompt) in pairs.items():
        ids, least = generated(reference, Image.open(path).convert("RGB"), prompt, length)
        texts[key] = result(reference, ids)
        if least < gap:
            unsure.add(key)
    return texts, unsure


# ---------------------------------------------------------------- what is compared with it
@dataclass
class Product:
    """headimpact. mpirun: number of ranks -> the words before a command."""
    binary: Path
    mpirun: Callable

    def train(self, folder, data, case, init, ranks, output, steps=STEPS, batch=None):
        self.run(ranks, "train", "--model", folder / "model", "--dataset", data / "keyobjects.json", "--images", data / "images",
                 "--init", init, "--steps", steps, "--batch", batch or case["batch"], "--lr", case["lr"],
                 "--weight-decay", case["decay"], "--clip", 1, "--shuffle", "none", "--precision", "f32", "--resize", "pillow", "--output", output)

    def generate(self, folder, pairs, dataset, images, length, output, adapter=None):
        self.run(2, "generate", "--model", folder / "model", "--dataset", dataset, "--images", images, "--max-new-tokens", length,
                 "--precision", "f32", "--resize", "pillow", "--output", output, *(["--adapter", adapter] if adapter else []))

    def ablate(self, folder, data, hi, output, kind):
        self.run(3, "ablate", "--ablation", kind, "--model", folder / "model", "--dataset", data / "keyobjects.json", "--images", data / "images",
                 "--hi", hi, "--heads", 3, "--random-seeds", "0,1", "--head", "0.0", "--precision", "f32", "--resize", "pillow", "--output", output)

    def loss(self, folder, data, adapter, output):
        self.run(1, "ablate", "--model", folder / "model", "--dataset", data / "keyobjects.json", "--images", data / "images",
                 "--adapter", adapter, "--head", "0.0", "--precision", "f32", "--resize", "pillow", "--output", output)
        return json.loads(output.read_text())["loss"]

    def run(self, ranks, *words):
        subprocess.run([*self.mpirun(ranks), self.binary, *map(str, words), "--quiet"], check=True, stdout=subprocess.DEVNULL)


class StandIn:
    """The reference's own results, in headimpact's files."""

    def train(self, folder, data, case, init, ranks, output, steps=STEPS, batch=None):
        if steps == STEPS:
            shutil.copytree(folder / "trained", output, dirs_exist_ok=True)
            log = json.loads((output / "log.json").read_text())
        else:  # asked for the loss before the first step
            output.mkdir(exist_ok=True)
            log = [{"loss": peft_loss(folder, data, init)[0], "grad_norm": 0, "tokens": 0}]
        with h5py.File(output / "training.h5", "w") as f:
            for name, key in (("loss", "loss"), ("gradient_norm", "grad_norm"), ("tokens", "tokens")):
                f[name] = [float(s[key]) for s in log]

    def generate(self, folder, pairs, dataset, images, length, output, adapter=None):
        texts, _ = generate_reference(folder, pairs, length, adapter)
        output.write_text(json.dumps([{"question_id": key, "answer": text} for key, text in texts.items()]))


    def ablate(self, folder, data, hi, output, kind):
        import torch

        from ablation_reference import mean_losses, summed_losses
        from hi_reference import Reference
        chosen = {"top": [[0, 0], [1, 2]], "bottom": [[0, 1]], "named": [[2, 1], [0, 0]]}
        loss, *others = mean_losses(summed_losses(
            Reference(folder / "model", torch.float32), data / "keyobjects.json", data / "images", list(chosen.values()), kind))
        output.write_text(json.dumps({"loss": loss, "ablations": [
            {"name": name, "heads": heads, "loss": other, "difference": other - loss}
            for (name, heads), other in zip(chosen.items(), others)]}))


def read_steps(adapter):
    with h5py.File(adapter / "training.h5") as f:
        return {name: f[name][()] for name in ("loss", "gradient_norm", "tokens")}


def read_texts(path):
    """{question or image id: text} of a results file; an id that comes twice has no text."""
    texts = {}
    for r in json.loads(path.read_text()):
        key = r.get("question_id", r.get("image_id"))
        texts[key] = None if key in texts else r.get("answer", r.get("caption"))
    return texts


# ---------------------------------------------------------------- cases
def texts(program, folder, pairs, dataset, images, length, adapter, least, changes=True):
    """Figures of the greedy texts without and with an adapter, which must not be the same where `changes`."""
    figures, said = [], []
    for chosen in (None, adapter):
        wanted, unsure = generate_reference(folder, pairs, length, chosen)
        output = folder / f"texts-{'adapted' if chosen else 'plain'}.json"
        program.generate(folder, pairs, dataset, images, length, output, chosen)
        figures += compare_texts(read_texts(output), wanted, unsure, least)
        said.append(wanted)
    changed = sum(said[0][key] != said[1][key] for key in pairs)
    return figures if not changes else figures + [Figure("texts that the adapter changes", float(changed), 1, ">=")]


def adapter_loss(program, folder, data, case, adapter):
    """Figures of an adapter made by headimpact, in PEFT."""
    wanted, strays = peft_loss(folder, data, adapter)
    count = len(json.loads((data / "keyobjects.json").read_text())["annotations"])
    program.train(folder, data, case, adapter, 1, folder / "once", steps=1, batch=count)
    return compare_loaded(strays, float(read_steps(folder / "once")["loss"][0]), wanted)


def ablation(program, folder, data, hi, samples=6):
    """Figures of the losses without some heads, those of hi.h5's ends among them."""
    import torch

    from ablation_reference import mean_losses, summed_losses
    from hi_reference import Reference
    few = first_samples(data, samples, folder / "ablated-samples")
    figures = []
    for kind in ("zero", "mean", "knockout"):
        output = folder / f"ablation-{kind}.json"
        program.ablate(folder, few, hi, output, kind)
        ours = json.loads(output.read_text())
        wanted = mean_losses(summed_losses(Reference(folder / "model", torch.float32), few / "keyobjects.json", few / "images",
                                           [row["heads"] for row in ours["ablations"]], kind))
        figures += [replace(figure, what=f"{kind}: {figure.what}") for figure in compare_ablations(ours, wanted)]
    return figures


def adapter_parts(program, folder, data, samples=4):
    """Figures of adapters with more than B A of the decoder's linear layers, on a tied model: losses by PEFT and by headimpact."""
    sys.path.insert(0, str(ROOT / "tools/goldens/lora"))
    import make_parts
    few = first_samples(data, samples, folder / "parts-samples")
    figures = []
    for name, (checkpoint, options, ends) in make_parts.CASES.items():
        if checkpoint != "nested":
            continue
        adapter = folder / f"parts-{name}"
        make_parts.save(folder / "model", options, ends, adapter)
        wanted = peft_loss(folder, few, adapter)[0]
        ours = program.loss(folder, few, adapter, folder / f"parts-{name}.json")
        figures.append(Figure(f"loss with {name}, relative difference", abs(ours - wanted) / wanted, 1e-4))
    return figures


def run_case(program, folder, data, case):
    """All figures of one random checkpoint."""
    few = first_samples(data, case.get("samples"), folder / "few")
    log, reference_adapter, init = reference_training(folder, few, case)
    figures = []
    for ranks in case["ranks"]:
        output = folder / f"adapter-{ranks}"
        program.train(folder, few, case, init, ranks, output)
        figures += compare_training(log, tensors(output), tensors(reference_adapter), read_steps(output))
    figures += adapter_loss(program, folder, few, case, output)
    pairs = write_questions(data, folder / "vqa")
    return figures + texts(program, folder, pairs, folder / "vqa/questions.json", folder / "vqa/images", 10, output, 50,
                           case.get("changes_texts", True))


def demonstration(program, folder, scenes=20):
    """The demonstration model: an adapter trained on some of its test scenes, and their descriptions without and with it.

    It learns the descriptions' words in reverse. Those that it knows have losses of 1e-4, where the reference's float32 is off by
    6e-4 of the loss in float64 (headimpact's by 1e-6): no measure of agreement.
    """
    from hi_reference import DEFAULT_PROMPT
    data = first_samples(folder / "dataset", scenes, folder / "few")
    contents = json.loads((data / "keyobjects.json").read_text())
    for a in contents["annotations"]:
        a["description"] = " ".join(reversed(a["description"].split()))
    (data / "keyobjects.json").write_text(json.dumps(contents))
    log, reference_adapter, init = reference_training(folder, data, DEMONSTRATION)
    output = folder / "adapter"
    program.train(folder, data, DEMONSTRATION, init, 2, output)
    figures = compare_training(log, tensors(output), tensors(reference_adapter), read_steps(output))
    figures += adapter_loss(program, folder, data, DEMONSTRATION, output)
    figures += adapter_parts(program, folder, data)
    contents = json.loads((folder / "dataset/captions.json").read_text())
    contents["images"] = sorted(contents["images"], key=lambda i: i["id"])[:scenes]
    kept = {i["id"] for i in contents["images"]}
    contents["annotations"] = [a for a in contents["annotations"] if a["image_id"] in kept]
    (data / "captions.json").write_text(json.dumps(contents))
    pairs = {i["id"]: (data / "images" / i["file_name"], DEFAULT_PROMPT) for i in contents["images"]}
    return figures + texts(program, folder, pairs, data / "captions.json", data / "images", 24, output, scenes - 2)
