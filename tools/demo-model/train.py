#!/usr/bin/env python3
"""Train the demonstration model from scratch on scenes drawn as it goes.

    python train.py RUN_DIR --minutes 60 [--threads 2]

Logs JSON lines to RUN_DIR/log.jsonl, keeps RUN_DIR/checkpoint.pt (started again, it goes on from there), and stops
when the minutes are over. First the vision tower alone learns what each visual token shows (a head that is thrown
away afterwards); then that goes on beside the texts.
"""
import argparse
import json
import multiprocessing
import os
import time
from pathlib import Path

import torch
import torch.nn.functional as F

import data
import model as demo
import scenes

AUX = (6, 8, 4, 5)   # shapes, colours, textures; ground, another object, small, medium or large key object


class Muon:
    """Momentum with orthogonalised updates (Newton-Schulz) for the matrices, scaled to AdamW's step; alike ones together."""

    def __init__(self, parameters):
        self.groups = {}
        for p, parts in parameters:
            self.groups.setdefault((p.shape[0] // parts, p.shape[1]), []).append((p, parts))
        self.momentum = {}

    @torch.no_grad()
    def step(self, lr, decay=0.02, beta=0.95):
        for (rows, cols), members in self.groups.items():
            g = torch.cat([p.grad.view(parts, rows, cols) for p, parts in members])
            m = self.momentum.setdefault(f"{rows}x{cols}", torch.zeros_like(g))
            m.lerp_(g, 1 - beta)
            u = g.lerp(m, beta)
            wide = rows > cols
            if wide:
                u = u.mT
            u = u / (u.norm(dim=(1, 2), keepdim=True) + 1e-7)
            for _ in range(5):
                a = u @ u.mT
                u = 3.4445 * u + (-4.7750 * a + 2.0315 * a @ a) @ u
            if wide:
                u = u.mT
            u = u * (0.2 * max(rows, cols) ** 0.5)
            at = 0
            for p, parts in members:
                p.mul_(1 - lr * decay).sub_(u[at:at + parts].reshape(p.shape), alpha=lr)
                at += parts


def aux_loss(head, visual, marks):
    """Loss, and the share of the key object's tokens told right: shape, colour, texture, size."""
    out = head(visual).split(AUX, -1)
    key, other = marks[..., 3] >= 2, marks[..., 3] == 1
    weight = (key.float() + 0.3 * other.float()).flatten()
    loss, right = 0, []
    for i in range(3):
        each = F.cross_entropy(out[i].flatten(0, 1), marks[..., i].flatten().clamp(min=0), reduction="none")
        loss = loss + (each * weight).sum() / weight.sum()
        right.append((out[i].argmax(-1) == marks[..., i])[key].float().mean())
    each = F.cross_entropy(out[3].flatten(0, 1), marks[..., 3].flatten(), reduction="none")
    size_weight = torch.where(key, 1.0, 0.25).flatten()
    loss = loss + (each * size_weight).sum() / size_weight.sum()
    right.append((out[3].argmax(-1) == marks[..., 3])[key].float().mean())
    return loss, torch.stack(right).detach()


def text_loss(fast, visual, ids, labels):
    hidden = fast.read(visual, ids)
    n = data.DESCRIPTION
    out = []
    for h, l in ((hidden[:, :n], labels[:, :n]), (hidden[:, n:], labels[:, n:])):
        rows = l >= 0
        out.append(F.cross_entropy(fast.logits(h[rows]), l[rows]))
    return out


def tensors(arrays):
    pixels, ids, labels, marks = (torch.from_numpy(a) for a in arrays)
    return pixels, ids, labels, marks.long()


@torch.no_grad()
def evaluate(fast, head, batches, texts_too):
    """Share of held-out scenes told right. A greedy description is exactly right when, given its right beginning, every
    next token is: so one forward tells."""
    aux, rows, words = [], [], []
    for pixels, ids, labels, marks in batches:
        visual = fast.see(pixels)
        aux.append(aux_loss(head, visual, marks)[1])
        if not texts_too:
            continue
        got = fast.logits(fast.read(visual, ids)).argmax(-1)
        hit = (got == labels) | (labels < 0)
        d = hit[:, :data.DESCRIPTION]
        first = (labels[0] >= 0).nonzero()[0, 0]
        rows.append(torch.stack([d[:, first + 1], d[:, first + 2], d[:, first + 3], d[:, first + 4],
                                 d[:, first + 5:].all(1), d.all(1)], 1).float())
        words.append(torch.stack([hit[:, data.DESCRIPTION:data.DESCRIPTION + data.QUESTION].all(1),
                                  hit[:, data.DESCRIPTION + data.QUESTION:].all(1)], 1).float())
    out = dict(zip(("see_shape", "see_colour", "see_texture", "see_size"), torch.stack(aux).mean(0).tolist()))
    if texts_too:
        out |= dict(zip(("size", "texture", "colour", "shape", "position", "exact"), torch.cat(rows).mean(0).tolist()))
        out["answers"] = torch.cat(words).mean().item()
    return {k: round(v, 4) for k, v in out.items()}


def options():
    p = argparse.ArgumentParser()
    p.add_argument("run")
    p.add_argument("--minutes", type=float, default=60)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--lr", type=float, default=2e-3)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--alone", type=float, default=0.25, help="share of the time for the vision tower alone, at most")
    p.add_argument("--bf16", action="store_true", help="autocast matrix products")
    p.add_argument("--steps", type=int, default=1 << 60)
    p.add_argument("--every", type=int, default=200, help="steps between evaluations")
    p.add_argument("--seed", type=int, default=0)
    return p.parse_args()


def optimisers(model, head, lr):
    """Muon for the matrices, of the vision tower and of the rest; AdamW for what is left."""
    matrices = [(w, 3 if "qkv" in n else 1) for n, w in model.named_parameters()
                if w.ndim == 2 and "embed_tokens" not in n]
    chosen = {id(w) for w, _ in matrices}
    vision_only = {id(w) for n, w in model.named_parameters() if "visual" in n}
    muon = {True: Muon([m for m in matrices if id(m[0]) in vision_only]),
            False: Muon([m for m in matrices if id(m[0]) not in vision_only])}
    adam = torch.optim.AdamW([{"params": [w for w in model.parameters() if id(w) not in chosen]},
                              {"params": list(head.parameters())}], lr=lr, betas=(0.9, 0.98), weight_decay=0.0)
    return muon, adam


def restored(kept, model, head, adam, muon):
    """Goes on from a checkpoint where there is one; how far it is."""
    if not kept.exists():
        return {"step": 0, "seen": 0, "seconds": 0.0, "joint": -1}
    c = torch.load(kept, weights_only=False)
    model.load_state_dict(c["model"])
    head.load_state_dict(c["head"])
    adam.load_state_dict(c["adam"])
    muon[True].momentum, muon[False].momentum = c["muon"]
    return c["state"]


def main():
    a = options()
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    run = Path(a.run)
    run.mkdir(parents=True, exist_ok=True)
    tokenizer = demo.make_tokenizer()
    tokenizer.save(str(run / "tokenizer.json"))
    model = demo.make_model(tokenizer)
    head = torch.nn.Linear(128, sum(AUX))
    fast = demo.Fast(model, tokenizer)
    muon, adam = optimisers(model, head, a.lr)
    kept = run / "checkpoint.pt"
    state = restored(kept, model, head, adam, muon)

    def keep():
        torch.save({"model": model.state_dict(), "head": head.state_dict(), "adam": adam.state_dict(),
                    "muon": (muon[True].momentum, muon[False].momentum), "state": state}, str(kept) + ".new")
        os.replace(str(kept) + ".new", kept)

    words = data.Texts(tokenizer)
    held = [tensors(data.batch(words, range(scenes.TEST_SEEDS + (1 << 20) + i, scenes.TEST_SEEDS + (1 << 20) + i + 64)))
            for i in range(0, 256, 64)]   # not the scenes that the card's figures come from
    context = multiprocessing.get_context("spawn")
    queue = context.Queue(6)
    context.Process(target=data.produce, daemon=True,
                    args=(queue, str(run / "tokenizer.json"), scenes.TRAIN_SEEDS + state["seen"], a.batch)).start()
    log = open(run / "log.jsonl", "a", buffering=1)
    log.write(json.dumps({"parameters": sum(w.numel() for w in model.parameters()), "vocabulary": len(tokenizer.get_vocab()),
                          **vars(a), **state}) + "\n")
    sums, count, since, last_keep = torch.zeros(7), 0, time.time(), time.time()
    while state["seconds"] < 60 * a.minutes and state["step"] < a.steps:
        began = time.time()
        pixels, ids, labels, marks = tensors(queue.get())
        done = state["seconds"] / (60 * a.minutes)
        joint = state["joint"] >= 0
        warm = min(1, (state["step"] + 1) / 50)
        warm_text = min(1, (state["step"] - state["joint"] + 1) / 50) if joint else 0
        decay = min(1.0, max(0.02, (1 - done) / 0.4))
        with torch.autocast("cpu", torch.bfloat16, enabled=a.bf16):
            visual = fast.see(pixels)
            loss, right = aux_loss(head, visual.float(), marks)
            told = asked = torch.zeros(())
            if joint:
                told, asked = text_loss(fast, visual, ids, labels)
        (0.5 * loss + told + 0.5 * asked).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in adam.param_groups:
            group["lr"] = a.lr * warm * decay
        adam.step()
        muon[True].step(a.lr * warm * decay)
        if joint:
            muon[False].step(a.lr * warm_text * decay)
        for w in [*model.parameters(), *head.parameters()]:
            w.grad = None
        sums += torch.stack([loss.detach(), told.detach(), asked.detach(), *right])
        count += 1
        state["step"] += 1
        state["seen"] += len(pixels)
        state["seconds"] += time.time() - began
        if state["step"] % 25 == 0:
            mean = (sums / count).tolist()
            names = ("loss_see", "loss_description", "loss_answer", "shape", "colour", "texture", "size")
            log.write(json.dumps({"step": state["step"], "seen": state["seen"], "minutes": round(state["seconds"] / 60, 2),
                                  "s_step": round((time.time() - since) / count, 3),
                                  **{k: round(v, 4) for k, v in zip(names, mean)}}) + "\n")
            sums, count, since = torch.zeros(7), 0, time.time()
            if not joint and (done > a.alone or mean[3] > 0.85):
                state["joint"] = state["step"]
        if state["step"] % a.every == 0:
            at = time.time()
            log.write(json.dumps({"step": state["step"], "held_out": evaluate(fast, head, held, joint)}) + "\n")
            state["seconds"] += time.time() - at
            since += time.time() - at
        if time.time() - last_keep > 120:
            keep()
            last_keep = time.time()
    keep()
    log.write(json.dumps({"step": state["step"], "end": True, "held_out": evaluate(fast, head, held, True)}) + "\n")
    log.close()


if __name__ == "__main__":
    main()
