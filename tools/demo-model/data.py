"""Batches of scenes as the training wants them: patches, a fixed layout of texts, and what each visual token shows.

The layout, so that positions and the attention mask are the same for every batch: the prompt's head with the 64
visual tokens, then a slot for the description, then two slots for questions. A slot sees the head and itself.
"""
import os
import numpy as np

import scenes

GRID = 16           # patches a side; visual tokens stand for 2 x 2 of them
TOKENS = 64
DESCRIPTION, QUESTION = 24, 17   # tokens in a slot: the prompt's tail and the answer
HEAD = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<|vision_start|>"
TAIL = "<|im_end|>\n<|im_start|>assistant\n"


def texts():
    """Everything the tokenizer should know as whole words."""
    out = []
    for seed in range(300):
        s = scenes.Scene(seed)
        out += [s.description, scenes.PROMPT, HEAD, "assistant"] + [t for pair in s.questions for t in pair]
    out += [w for words in (scenes.SHAPES, scenes.COLOURS, scenes.TEXTURES, scenes.SIZES, scenes.POSITIONS,
                            scenes.NUMBERS, ("yes", "no")) for x in words for w in (x, " " + x)] * 20
    return out


def patches(image):
    """(224, 224, 3) uint8 -> (256, 588) uint8: the image processor's order of patches and of values (one frame)."""
    return image.reshape(8, 2, 14, 8, 2, 14, 3).transpose(0, 3, 1, 4, 6, 2, 5).reshape(256, 588)


class Texts:
    """Token ids of what a slot holds, and which of them are to be predicted."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.known = {}

    def ids(self, text):
        if text not in self.known:
            self.known[text] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return self.known[text]

    def slot(self, prompt, answer, length):
        """(ids, labels) of a slot: labels are the next token's id where an answer's token is next, else -100."""
        head, tail = self.ids("<|vision_end|>" + prompt + TAIL), self.ids(answer + "<|im_end|>")
        ids = head + tail
        if len(ids) > length:
            raise ValueError(f"{prompt!r} with {answer!r} takes {len(ids)} tokens, more than the slot's {length}")
        labels = [-100] * (len(head) - 1) + tail
        return ids + [0] * (length - len(ids)), labels + [-100] * (length - len(labels))


def seen(scene, owner):
    """(64, 4) int8 per visual token: shape, colour, texture (-1: ground), and 0 ground, 1 another, 2.. key's size."""
    token = TOKEN_OF * 6 + owner
    covered = np.bincount(token.ravel(), minlength=64 * 6).reshape(64, 6)[:, 1:]
    best = covered.argmax(1)
    best = np.where(covered[np.arange(64), best] >= 78, best, -1)  # a tenth of the token's 784 pixels
    table = np.array([(t.shape, t.colour, t.texture, 1) for t in scene.things] + [(-1, -1, -1, 0)], np.int8)
    table[0, 3] = 2 + scene.size
    return table[best]


_i = np.arange(scenes.SIDE) // 28
TOKEN_OF = _i[:, None] * 8 + _i[None, :]


def batch(texts, seeds):
    """One batch of numpy arrays: pixels (B, 256, 588), ids and labels (B, 62), seen (B, 64, 4)."""
    pixels, ids, labels, marks = [], [], [], []
    for seed in seeds:
        scene = scenes.Scene(seed)
        image, owner = scene.draw()
        pixels.append(patches(image))
        marks.append(seen(scene, owner))
        questions = scene.questions
        g = scenes.Generator(seed ^ 0xABCDEF)
        first = g.below(6)                       # an open question, and any other
        second = (first + 1 + g.below(8)) % 9
        slots = [texts.slot(scenes.PROMPT, scene.description, DESCRIPTION),
                 texts.slot(*questions[first], QUESTION), texts.slot(*questions[second], QUESTION)]
        ids.append(sum((s[0] for s in slots), []))
        labels.append(sum((s[1] for s in slots), []))
    return np.stack(pixels), np.array(ids), np.array(labels), np.stack(marks)


def produce(queue, tokenizer_file, start, size):
    """A process that draws training batches for ever, from seed `start` on; it ends with its parent."""
    from tokenizers import Tokenizer
    words = Texts(Tokenizer.from_file(tokenizer_file))
    parent, seed = os.getppid(), start
    while os.getppid() == parent:
        item = batch(words, range(seed, seed + size))
        seed += size
        while os.getppid() == parent:
            try:
                queue.put(item, timeout=5)
                break
            except Exception:
                continue
