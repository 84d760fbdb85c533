"""The least work of a run, counted from the shapes of a checkpoint's tensors: operations (a multiplication and an addition are
two) and bytes.

- A linear layer of `out x in` weights costs 2 * rows * out * in.
- Attention costs 4 * width for each pair of a query and a key that it sees, width being heads * head size: q.k and weight * v.
- The vision tower's rows are patches, its projector's the tokens that they become, the decoder's the tokens of the text.
- Rows, norms, activations, softmax and the optimiser are not counted: they are linear in what products are quadratic in.
- What an output doesn't need is not counted: see each function.
"""
import json
import math
import re
import struct
from pathlib import Path

VISION_LAYER = re.compile(r"(?:visual\.blocks|(?:vision_tower|vision_model)\b.*?\blayers?)\.(\d+)\.")
DECODER_LAYER = re.compile(r"(?:^|\.)(?:model|language_model|text_model)\.layers\.(\d+)\.")
PROJECTOR = re.compile(r"merger|multi_modal_projector|connector")
BYTES = {"BF16": 2, "F16": 2, "F32": 4}


def headers(folder):
    """{name: (shape, bytes of a number)} of all tensors of a checkpoint."""
    found = {}
    for path in sorted(Path(folder).glob("*.safetensors")):
        with open(path, "rb") as file:
            header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        found |= {name: (entry["shape"], BYTES[entry["dtype"]]) for name, entry in header.items() if name != "__metadata__"}
    return found


def elements(tensors, wanted):
    """Weights of the matrices whose names `wanted` finds."""
    return sum(math.prod(shape) for name, (shape, _) in tensors.items() if len(shape) > 1 and wanted(name))


class Checkpoint:
    """What the counts need to know of a checkpoint."""

    def __init__(self, tensors, config):
        text, vision = config.get("text_config", config), config["vision_config"]
        self.patch = elements(tensors, lambda n: "patch_embed" in n)
        self.vision = elements(tensors, lambda n: VISION_LAYER.search(n))
        self.projector = elements(tensors, lambda n: PROJECTOR.search(n) and not VISION_LAYER.search(n))
        self.vision_layers = 1 + max(int(m[1]) for n in tensors if (m := VISION_LAYER.search(n)))
        self.vision_width = next(shape[0] // (3 if "qkv" in n else 1) for n, (shape, _) in tensors.items()
                                 if VISION_LAYER.search(n) and re.search(r"(?:qkv|q_proj)\.weight$", n))
        self.has_class_token = any(n.endswith(("cls_token", "class_embedding")) for n in tensors)
        size = vision.get("patch_size", 14)
        self.patch_size = size[0] if isinstance(size, list) else size
        # Windows of some layers of Qwen2.5-VL: (patches of one, layers that see all of them).
        window = vision.get("window_size")
        self.window = (window // self.patch_size) ** 2 if window else None
        self.whole_layers = len(vision.get("fullatt_block_indexes", ()))
        # The decoder: weights of one layer by the module's name.
        first = {m[0]: shape for n, (shape, _) in tensors.items()
                 if (m := re.search(r"\w+_proj(?=\.weight$)", n)) and (at := DECODER_LAYER.search(n)) and at[1] == "0"
                 and not VISION_LAYER.search(n)}
        self.layer = {name: math.prod(shape) for name, shape in first.items()}
        self.layers = 1 + max(int(m[1]) for n in tensors if (m := DECODER_LAYER.search(n)) and not VISION_LAYER.search(n))
        self.width = first["q_proj"][0]
        head = next((n for n in tensors if n.endswith("lm_head.weight")),
                    next(n for n in tensors if n.endswith("embed_tokens.weight")))
        self.head = math.prod(tensors[head][0])
        # What a new token reads: every layer and the head.
        self.decoder_bytes = tensors[head][1] * self.head + sum(
            math.prod(shape) * size for n, (shape, size) in tensors.items()
            if len(shape) > 1 and DECODER_LAYER.search(n) and not VISION_LAYER.search(n))
        self.sees_prefix_both_ways = config["model_type"] == "paligemma"

    @classmethod
    def of(cls, folder):
        return cls(headers(folder), json.loads((Path(folder) / "config.json").read_text()))

    @property
    def layer_weights(self):
        return sum(self.layer.values())


def patches(checkpoint, pixels):
    """(patches of an image, patches that one of them sees) from the shape of pixel_values: [patches, values], or [..., 3, height, width]."""
    if len(pixels) == 2:
        return pixels[0], pixels[0]
    view = (pixels[-2] // checkpoint.patch_size) * (pixels[-1] // checkpoint.patch_size) + checkpoint.has_class_token
    return math.prod(pixels[:-3]) * view, view


def vision_operations(checkpoint, pixels, tokens):
    """One image through the vision tower. tokens: visual tokens that it becomes."""
    count, seen = patches(checkpoint, pixels)
    pairs = count * seen * checkpoint.vision_layers
    if checkpoint.window:
        windowed = checkpoint.vision_layers - checkpoint.whole_layers
        pairs = count * (seen * checkpoint.whole_layers + min(seen, checkpoint.window) * windowed)
    return (2 * count * (checkpoint.patch + checkpoint.vision) + 2 * tokens * checkpoint.projector
            + 4 * checkpoint.vision_width * pairs)


def pairs(checkpoint, prefix, segments):
    """Queries and keys of one layer: a prefix, and segments of some lengths that see it and themselves up to each token."""
    own = prefix * prefix if checkpoint.sees_prefix_both_ways else prefix * (prefix + 1) / 2
    return own + sum(n * prefix + n * (n + 1) / 2 for n in segments)


def score_operations(checkpoint, pixels, tokens, prefix, segments):
    """Attention scores of descriptions of one image.

    The image and the prompt are computed once, each description's own tokens beside them. The last layer's attention weights are the
    last that is needed: its keys of all rows and its queries of the descriptions.
    """
    rows = prefix + sum(segments)
    whole = 2 * rows * checkpoint.layer_weights + 4 * checkpoint.width * pairs(checkpoint, prefix, segments)
    last = (2 * rows * checkpoint.layer["k_proj"] + 2 * sum(segments) * checkpoint.layer["q_proj"]
            + 2 * checkpoint.width * sum(n * prefix + n * (n + 1) / 2 for n in segments))
    return vision_operations(checkpoint, pixels, tokens) + (checkpoint.layers - 1) * whole + last


def upper_layers(checkpoint, rows, kept, layers):
    """Forward operations of the last `layers` layers, of whose last only `kept` rows are needed behind its keys and values."""
    keys = checkpoint.layer["k_proj"] + checkpoint.layer["v_proj"]
    attention = 4 * checkpoint.width
    whole = 2 * rows * checkpoint.layer_weights + attention * rows * (rows + 1) / 2
    last = 2 * rows * keys + 2 * kept * (checkpoint.layer_weights - keys) + attention * kept * (rows - (kept - 1) / 2)
    return (layers - 1) * whole + last


def train_operations(checkpoint, pixels, tokens, rows, answer, lowest):
    """(first epoch, later epochs): one sample's forward and backward pass to the adapters of layer `lowest` and above.

    Backward, each product gives its input's gradient (the weights are frozen): as many operations again, of attention twice as many. Later
    epochs begin at the lowest adapted layer. The head computes the answer's rows.
    """
    head = 2 * answer * checkpoint.head
    adapted = checkpoint.layers - lowest
    forward = upper_layers(checkpoint, rows, answer, adapted)
    attention = 4 * checkpoint.width * ((adapted - 1) * rows * (rows + 1) / 2 + answer * (rows - (answer - 1) / 2))
    later = 2 * forward + attention + 2 * head
    first = (vision_operations(checkpoint, pixels, tokens) + later
             + upper_layers(checkpoint, rows, answer, checkpoint.layers) - forward)
    return first, later


def prefill_operations(checkpoint, pixels, tokens, rows):
    """An image and a question, up to the first new token."""
    return (vision_operations(checkpoint, pixels, tokens) + upper_layers(checkpoint, rows, 1, checkpoint.layers)
            + 2 * checkpoint.head)


def step_seconds(checkpoint, limits, precision, batch):
    """The floor of one step of `batch` sequences: every weight is read once, and multiplied by each sequence's row."""
    operations = 2 * batch * (checkpoint.layers * checkpoint.layer_weights + checkpoint.head)
    return max(checkpoint.decoder_bytes / limits["bandwidth"], operations / limits[precision])
