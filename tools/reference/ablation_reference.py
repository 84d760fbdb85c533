"""The losses of a dataset's descriptions without some attention heads, the slow and plain way with transformers.

zero: what the head has mixed is made zero where it enters the output projection (`o_proj`). mean: it is made the head's mean over all
images, one over the rows of image tokens and one over those of the text; each image counts once, with the mean of its rows, and its rows before
the first that predicts a description count once. knockout: from rows of the text, the head's scores at the visual tokens are -inf before the softmax."""
import json
from contextlib import contextmanager
from pathlib import Path

import torch
from PIL import Image

from hi_reference import DEFAULT_PROMPT
from lora_reference import summed_loss, supervised


def head_size(model):
    config = model.config.text_config
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def decoder_layers(model):
    return (getattr(model.model, "text_model", None) or model.model.language_model).layers


@contextmanager
def hooked(hooks):
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def without(model, heads, means=None, is_image=None):
    """The model with these heads ablated, within a `with`. heads: (layer, head), from 0. means: by layer, of image rows and of text rows
    [2, heads * size]; zeros if None. is_image: [tokens], of the sequence."""
    size, hooks = head_size(model), []
    for layer in {layer for layer, _ in heads}:
        columns = [c for l, h in heads if l == layer for c in range(h * size, (h + 1) * size)]

        def replace(module, inputs, columns=columns, layer=layer):
            mixed = inputs[0].clone()
            mixed[..., columns] = 0 if means is None else torch.where(
                is_image[:, None], means[layer][0][columns], means[layer][1][columns]).to(mixed.dtype)
            return (mixed, *inputs[1:])

        hooks.append(decoder_layers(model)[layer].self_attn.o_proj.register_forward_pre_hook(replace))
    return hooked(hooks)


def knocked_out(model, heads, is_image, visual):
    """The model whose heads don't see the visual tokens from rows of the text, within a `with`. visual: their positions."""
    hooks = []
    for layer in {layer for layer, _ in heads}:
        def hide(module, args, kwargs, chosen=[h for l, h in heads if l == layer]):
            mask = kwargs["attention_mask"].expand(-1, model.config.text_config.num_attention_heads, -1, -1).clone()
            rows = torch.nonzero(~is_image).flatten()
            for head in chosen:
                mask[0, head][rows[:, None], torch.as_tensor(visual)[None]] = float("-inf")
            return args, {**kwargs, "attention_mask": mask}

        hooks.append(decoder_layers(model)[layer].self_attn.register_forward_pre_hook(hide, with_kwargs=True))
    return hooked(hooks)


def samples(reference, dataset, images):
    """(annotation, inputs, labels, caption, visual, is_image), ascending by annotation id."""
    data = json.loads(Path(dataset).read_text())
    files = {i["id"]: i["file_name"] for i in data["images"]}
    for a in sorted(data["annotations"], key=lambda a: a["id"]):
        image = Image.open(Path(images) / files[a["image_id"]]).convert("RGB")
        inputs, caption, visual = reference.inputs(image, DEFAULT_PROMPT, a["description"].strip())
        _, labels = supervised(reference, image, DEFAULT_PROMPT, a["description"].strip())
        yield a, inputs, labels, caption, visual, inputs["input_ids"][0] == reference.image_token_id


@torch.no_grad()
def head_means(reference, dataset, images, layers):
    """{layer: [2, heads * size]}: what heads give on the average, in image rows and in text rows."""
    by_image = {}
    for a, inputs, _, caption, _, is_image in samples(reference, dataset, images):
        by_image.setdefault(a["image_id"], []).append((inputs, caption, is_image))
    totals = {layer: [] for layer in layers}
    for group in by_image.values():
        ids = [inputs["input_ids"][0].tolist() for inputs, _, _ in group]
        common = min(next((i for i, (x, y) in enumerate(zip(one, ids[0])) if x != y), len(one)) for one in ids)
        start = min([common] + [caption[0] - 1 for _, caption, _ in group])
        rows = {layer: ([], []) for layer in layers}
        for place, (inputs, caption, is_image) in enumerate(group):
            taken = torch.zeros_like(is_image)
            taken[0 if place == 0 else start:caption[-1] + 1] = True
            hooks = []
            for layer in layers:
                def keep(module, args, layer=layer, taken=taken, is_image=is_image):
                    for kind, chosen in enumerate((taken & is_image, taken & ~is_image)):
                        rows[layer][kind].append(args[0][0][chosen].double())
                hooks.append(decoder_layers(reference.model)[layer].self_attn.o_proj.register_forward_pre_hook(keep))
            with hooked(hooks):
                reference.model(**inputs, use_cache=False)
        for layer in layers:
            totals[layer].append(torch.stack([torch.cat(kind).mean(0) for kind in rows[layer]]))
    return {layer: torch.stack(found).mean(0) for layer, found in totals.items()}


@torch.no_grad()
def summed_losses(reference, dataset, images, ablations, kind="zero"):
    """{annotation id: (tokens, [summed loss of the unmodified model, then of each ablation])}."""
    means = None
    if kind == "mean":
        means = head_means(reference, dataset, images, sorted({layer for heads in ablations for layer, _ in heads}))
    losses = {}
    for a, inputs, labels, _, visual, is_image in samples(reference, dataset, images):
        sums = []
        for heads in [[], *ablations]:
            with (knocked_out(reference.model, heads, is_image, visual) if kind == "knockout"
                  else without(reference.model, heads, means, is_image)):
                loss, tokens = summed_loss(reference.model, inputs, labels)
            sums.append(loss.item())
        losses[a["id"]] = tokens, sums
    return losses


def mean_losses(losses):
    """Of what `summed_losses` gives: over all supervised tokens, of the unmodified model and then of each ablation."""
    tokens = sum(n for n, _ in losses.values())
    return [sum(column) / tokens for column in zip(*(sums for _, sums in losses.values()))]
