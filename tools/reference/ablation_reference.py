"""The losses of a dataset's descriptions without some attention heads, the slow and plain way with transformers: what the head has
mixed is made zero where it enters the output projection (`o_proj`)."""
import json
from contextlib import contextmanager
from pathlib import Path

import torch
from PIL import Image

from hi_reference import DEFAULT_PROMPT
from lora_reference import summed_loss, supervised


@contextmanager
def without(model, heads):
    """The model with these heads ablated. heads: (layer, head), from 0."""
    config = model.config.text_config
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    decoder = getattr(model.model, "text_model", None) or model.model.language_model
    hooks = []
    for layer in {layer for layer, _ in heads}:
        columns = [c for l, h in heads if l == layer for c in range(h * size, (h + 1) * size)]

        def clear(module, inputs, columns=columns):
            mixed = inputs[0].clone()
            mixed[..., columns] = 0
            return (mixed, *inputs[1:])

        hooks.append(decoder.layers[layer].self_attn.o_proj.register_forward_pre_hook(clear))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def summed_losses(reference, dataset, images, ablations):
    """{annotation id: (tokens, [summed loss of the unmodified model, then of each ablation])}."""
    data = json.loads(Path(dataset).read_text())
    files = {i["id"]: i["file_name"] for i in data["images"]}
    losses = {}
    for a in sorted(data["annotations"], key=lambda a: a["id"]):
        image = Image.open(Path(images) / files[a["image_id"]]).convert("RGB")
        inputs, labels = supervised(reference, image, DEFAULT_PROMPT, a["description"].strip())
        sums = []
        for heads in [[], *ablations]:
            with without(reference.model, heads):
                loss, tokens = summed_loss(reference.model, inputs, labels)
            sums.append(loss.item())
        losses[a["id"]] = tokens, sums
    return losses


def mean_losses(losses):
    """Of what `summed_losses` gives: over all supervised tokens, of the unmodified model and then of each ablation."""
    tokens = sum(n for n, _ in losses.values())
    return [sum(column) / tokens for column in zip(*(sums for _, sums in losses.values()))]
