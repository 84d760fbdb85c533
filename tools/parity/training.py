"""Training and generating, live: headimpact beside lora_reference.py, PEFT and transformers' generate (training.md, "Agreement")."""
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from agreement import Figure, relative_l2

ROOT = Path(__file__).resolve().parents[2]
STEPS = 20
QUIET = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL if not os.environ.get("PARITY_VERBOSE") else None)
# layers, targets, rank, alpha, batch, weight decay, ranks that headimpact is run on
ALL = "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj"
CASES = {
    "8 heads, 2 kv": dict(layers="1,2,4", targets="q_proj,k_proj,v_proj,o_proj", rank=4, alpha=8, batch=4, decay=0.0, ranks=(1, 2, 3)),
    "7 heads, 1 kv, odd sizes, f16": dict(layers="0,3", targets=ALL, rank=3, alpha=5, batch=5, decay=0.01, ranks=(1, 3)),
}
QUESTIONS = ["What?", "Is it large?", "How many are there?", "Where is it?", "red or blue", "a b c d e f g", "Name it.", "Why?",
             "Tell me more about the left side.", "Which one?", "Count them.", "What is behind it?", "Is it a dog?"]


def compare_training(reference_log, adapters, losses, norms):
    """Figures of one run. adapters: (ours, the reference's), tensors by name."""
    ours, theirs = adapters
    rows = [Figure("tensors that only one of the adapters has", float(len(set(ours) ^ set(theirs))), 0)]
    wanted = np.array([[s["loss"], s["grad_norm"]] for s in reference_log])
    got = np.stack([losses, norms], 1) if len(losses) == len(norms) == len(wanted) else np.full_like(wanted, np.nan)
    relative = np.abs(got - wanted) / np.abs(wanted)
    rows.append(Figure("loss of a step, largest relative difference", float(relative[:, 0].max()), 1e-4))
    rows.append(Figure("gradient norm, largest relative difference", float(relative[:, 1].max()), 1e-3))
    worst = max((relative_l2(ours[k].astype(np.float64), theirs[k].astype(np.float64)) for k in set(ours) & set(theirs)),
                default=float("inf"))
    rows.append(Figure("adapter weights after the last step, relative L2", worst, 1e-3))
    return rows


def reference_training(folder, data, case):
    """(log, adapter folder) of lora_reference.py, and the adapter both begin from."""
    lora = [sys.executable, ROOT / "tools/reference/lora_reference.py", "--model", folder / "model", "--layers", case["layers"],
            "--targets", case["targets"], "--rank", case["rank"], "--alpha", case["alpha"]]
    init, out = folder / "init", folder / "trained"
    subprocess.run([*map(str, lora), "--make-init", init], check=True, **QUIET)
    subprocess.run([*map(str, lora), "--dataset", data / "keyobjects.json", "--images", data / "images", "--init", init, "--steps",
                    str(STEPS), "--batch", str(case["batch"]), "--lr", "1e-3", "--weight-decay", str(case["decay"]), "--output", out],
                   check=True, **QUIET)
    return json.loads((out / "log.json").read_text()), out, init


def train(binary, mpirun, folder, data, case, init, ranks, output, steps=STEPS, batch=None):
    subprocess.run([*mpirun(ranks), str(binary), "train", "--model", folder / "model", "--dataset", data / "keyobjects.json",
                    "--images", data / "images", "--init", init, "--steps", str(steps), "--batch", str(batch or case["batch"]),
                    "--lr", "1e-3", "--weight-decay", str(case["decay"]), "--shuffle", "none", "--precision", "f32", "--quiet",
                    "--output", output], check=True, stdout=subprocess.DEVNULL)
    return output


def tensors(folder):
    from safetensors.numpy import load_file
    return load_file(folder / "adapter_model.safetensors")


def peft_loss(folder, data, adapter):
    """Mean loss of the whole dataset, by PEFT with an adapter; and what PEFT found missing or unexpected in it."""
    import peft
    import torch
    from PIL import Image

    from hi_reference import DEFAULT_PROMPT, Reference
    from lora_reference import summed_loss, supervised
    reference = Reference(folder / "model", torch.float32)
    model = peft.PeftModel.from_pretrained(reference.model, adapter)
    weights = {k.replace(".default", "") for k in model.state_dict() if "lora_" in k}
    strays = len(weights ^ set(tensors(adapter)))
    contents = json.loads((data / "keyobjects.json").read_text())
    files = {i["id"]: i["file_name"] for i in contents["images"]}
    losses, count = 0.0, 0
    with torch.no_grad():
        for a in contents["annotations"]:
            image = Image.open(data / "images" / files[a["image_id"]]).convert("RGB")
            loss, n = summed_loss(model, *supervised(reference, image, DEFAULT_PROMPT, a["description"].strip()))
            losses, count = losses + loss.item(), count + n
    return losses / count, strays


def compare_adapter(binary, mpirun, folder, data, case, adapter):
    """An adapter made by headimpact, in PEFT: it loads whole, and the dataset has the same loss."""
    import h5py
    wanted, strays = peft_loss(folder, data, adapter)
    count = len(json.loads((data / "keyobjects.json").read_text())["annotations"])
    output = train(binary, mpirun, folder, data, case, adapter, 1, folder / "once", steps=1, batch=count)
    with h5py.File(output / "training.h5") as f:
        got = float(f["loss"][0])
    return [Figure("tensors that PEFT misses or doesn't expect", float(strays), 0),
            Figure("loss of the dataset with the adapter, relative difference", abs(got - wanted) / wanted, 1e-4)]


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


def generate_reference(folder, pairs, length, adapter=None, gap=1e-3):
    """{id: text} of transformers' greedy generate, without those where a step was nearly a tie."""
    import torch
    from PIL import Image

    from hi_reference import Reference
    reference = Reference(folder / "model", torch.float32)
    if adapter:
        import peft
        reference.model = peft.PeftModel.from_pretrained(reference.model, adapter)
    stops = [reference.tokenizer.convert_tokens_to_ids(t) for t in ("<|im_end|>", "<|endoftext|>")]
    texts = {}
    for key, (path, prompt) in pairs.items():
        pixels = reference.image_processor(images=[Image.open(path).convert("RGB")], return_tensors="pt")
        visual = int(pixels["image_grid_thw"][0].prod()) // reference.image_processor.merge_size ** 2
        messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt}]}]
        text = reference.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        ids = reference.tokenizer(text, add_special_tokens=False)["input_ids"]
        at = ids.index(reference.image_token_id)
        ids = torch.tensor([ids[:at] + [reference.image_token_id] * visual + ids[at + 1:]])
        with torch.no_grad():
            out = reference.model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), mm_token_type_ids=(ids == reference.image_token_id).long(),
                **pixels, do_sample=False, max_new_tokens=length, eos_token_id=stops, pad_token_id=stops[1],
                return_dict_in_generate=True, output_scores=True)
        if min(float(s[0].topk(2).values.diff().abs()) for s in out.scores) < gap:
            continue
        new = out.sequences[0, ids.shape[1]:].tolist()
        texts[key] = reference.tokenizer.decode(new[:-1] if new[-1] in stops else new, skip_special_tokens=True).strip()
    return texts


def generate(binary, mpirun, folder, dataset, images, length, output, ranks, adapter=None):
    subprocess.run([*mpirun(ranks), str(binary), "generate", "--model", folder / "model", "--dataset", dataset, "--images", images,
                    "--max-new-tokens", str(length), "--precision", "f32", "--quiet", "--output", output,
                    *(["--adapter", adapter] if adapter else [])], check=True, stdout=subprocess.DEVNULL)
    return {r.get("question_id", r.get("image_id")): r.get("answer", r.get("caption")) for r in json.loads(output.read_text())}


def compare_texts(ours, wanted, least):
    """Every text that the reference is sure of, equal; and enough of them."""
    differing = sum(ours.get(key) != text for key, text in wanted.items())
    return [Figure("texts compared", float(len(wanted)), least, ">="), Figure("texts that differ", float(differing), 0)]


def run_case(binary, mpirun, folder, data, case):
    """All figures of one random checkpoint."""
    import h5py
    log, reference_adapter, init = reference_training(folder, data, case)
    rows = []
    for ranks in case["ranks"]:
        output = train(binary, mpirun, folder, data, case, init, ranks, folder / f"adapter-{ranks}")
        with h5py.File(output / "training.h5") as f:
            rows += compare_training(log, (tensors(output), tensors(reference_adapter)), f["loss"][()], f["gradient_norm"][()])
    rows += compare_adapter(binary, mpirun, folder, data, case, output)
    pairs = write_questions(data, folder / "vqa")
    for adapter in (None, output):
        wanted = generate_reference(folder, pairs, 10, adapter)
        ours = generate(binary, mpirun, folder, folder / "vqa/questions.json", folder / "vqa/images", 10,
                        folder / f"answers-{bool(adapter)}.json", 2, adapter)
        rows += compare_texts(ours, wanted, 25)
    return rows


def demonstration(binary, mpirun, folder, scenes=20):
    """Greedy descriptions of the demonstration model's test scenes."""
    dataset = folder / "dataset"
    contents = json.loads((dataset / "keyobjects.json").read_text())
    from hi_reference import DEFAULT_PROMPT
    pairs = {i["id"]: (dataset / "images" / i["file_name"], DEFAULT_PROMPT) for i in contents["images"][:scenes]}
    wanted = generate_reference(folder, pairs, 24)
    ours = generate(binary, mpirun, folder, dataset / "captions.json", dataset / "images", 24, folder / "texts.json", 2)
    return compare_texts(ours, wanted, scenes - 2)
