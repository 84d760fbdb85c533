#!/usr/bin/env python3
"""Draw the demonstration's scenes: a few shapes on a textured ground, from a seed, with exact masks and words.

Sources/Demonstration draws the same scenes in Swift, bit for bit. So everything here is integer arithmetic on the
outputs of one counter-based generator (splitmix64): no trigonometry, no floating point, no library generator.

    python scenes.py golden OUT.json      the values that the Swift tests compare with
    python scenes.py preview OUT.png      a sheet of scenes to look at
"""
import json
import sys
import zlib
from dataclasses import dataclass

import numpy as np

SIDE = 224
SHAPES = ("circle", "square", "triangle", "star", "cross", "diamond")
COLOURS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink")
TEXTURES = ("plain", "striped", "dotted", "checkered")
SIZES = ("small", "medium", "large")
POSITIONS = ("at the top left", "at the top", "at the top right", "at the left", "in the centre", "at the right",
             "at the bottom left", "at the bottom", "at the bottom right")
NUMBERS = ("zero", "one", "two", "three", "four", "five")
PROMPT = "Describe the main object in the image."

RGB = ((220, 30, 35), (250, 135, 20), (245, 230, 40), (30, 150, 50), (40, 215, 225), (30, 60, 215), (135, 45, 175),
       (255, 150, 205))
LIGHT, DARK = (245, 245, 245), (20, 20, 20)
SECOND = (LIGHT, DARK, DARK, LIGHT, DARK, LIGHT, LIGHT, DARK)  # what a colour's texture alternates with
AREA = (785, 1000, 500, 309, 590, 500)  # of each shape, in thousandths of its bounding square
SIDES = ((52, 60), (72, 84), (104, 116))  # of the key object, in pixels, for each size word
GROUNDS = ((128, 128, 128), (172, 168, 158), (96, 104, 112), (150, 138, 122), (188, 190, 196), (108, 100, 92))

# Ranges of seeds. A scene of one is never in another.
TRAIN_SEEDS = 0                 # upwards, in training only
DEMO_TRAIN_SEEDS = 1 << 40      # upwards: the demonstration dataset's training split
TEST_SEEDS = 1 << 41            # upwards: held out

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


class Generator:
    """splitmix64."""

    def __init__(self, seed):
        self.state = mix((seed + GOLDEN) & MASK)

    def next(self):
        self.state = (self.state + GOLDEN) & MASK
        return mix(self.state)

    def below(self, n):
        """An integer in 0 ..< n (n < 2^32)."""
        return ((self.next() >> 32) * n) >> 32

    def within(self, low, high):
        """An integer in low ... high."""
        return low + self.below(high - low + 1)

    def block(self, n):
        """The next n outputs as a numpy array."""
        with np.errstate(over="ignore"):
            z = np.uint64(self.state) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(GOLDEN)
            self.state = (self.state + n * GOLDEN) & MASK
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            return z ^ (z >> np.uint64(31))


@dataclass
class Thing:
    """One object. x, y: the top left of its bounding square; side: that square's side; all in pixels."""
    shape: int
    colour: int
    texture: int
    side: int
    x: int = 0
    y: int = 0
    rgb: tuple = ()
    across: int = 0   # stripes: 0 horizontal, 1 vertical
    phase: int = 0


class Scene:
    """things[0] is the key object: the largest, by two fifths more area than the next, or more. None overlaps another."""

    def __init__(self, seed):
        self.seed = seed
        g = Generator(seed)
        self.size = g.below(3)
        self.position = g.below(9)
        key = Thing(g.below(6), g.below(8), g.below(4), g.within(*SIDES[self.size]))
        key.x = place(g, self.position % 3, key.side)
        key.y = place(g, self.position // 3, key.side)
        self.things = [key]
        others = g.below(5)
        for _ in range(others):
            t = Thing(g.below(6), g.below(8), g.below(4), g.within(18, key.side * 6 // 10))
            while AREA[t.shape] * t.side * t.side * 3 > AREA[key.shape] * key.side * key.side * 2:
                t.side -= 1
            for _ in range(16):
                t.x, t.y = g.below(SIDE - t.side + 1), g.below(SIDE - t.side + 1)
                if all(apart(t, o) for o in self.things):
                    self.things.append(t)
                    break
        for t in self.things:
            t.rgb = tuple(min(255, max(0, c + g.within(-12, 12))) for c in RGB[t.colour])
            t.across, t.phase = g.below(2), g.below(16)
        self._draw_from = g

    # ------------------------------------------------------------ words
    @property
    def words(self):
        k = self.things[0]
        return (SIZES[self.size], TEXTURES[k.texture], COLOURS[k.colour], SHAPES[k.shape], POSITIONS[self.position])

    @property
    def description(self):
        return "a " + " ".join(self.words)

    @property
    def questions(self):
        """(question, answer) pairs: six open ones, three of yes or no."""
        g = Generator((self.seed ^ 0x5175657374696F6E) & MASK)
        size, texture, colour, shape, position = self.words

        def about(values, true):  # the true value half the time
            return true if g.below(2) else values[(values.index(true) + 1 + g.below(len(values) - 1)) % len(values)]

        c, s, t = about(COLOURS, colour), about(SHAPES, shape), about(TEXTURES, texture)
        answer = lambda same: "yes" if same else "no"
        return [("What colour is the largest object?", colour), ("What shape is the largest object?", shape),
                ("What texture does the largest object have?", texture), ("How large is the largest object?", size),
                ("Where is the largest object?", position),
                ("How many objects are there?", NUMBERS[len(self.things)]),
                (f"Is the largest object {c}?", answer(c == colour)),
                (f"Is the largest object a {s}?", answer(s == shape)),
                (f"Is the largest object {t}?", answer(t == texture))]

    # ------------------------------------------------------------ picture
    def draw(self):
        """(224, 224, 3) uint8 pixels, and (224, 224) uint8 owners: 0 the ground, i + 1 the thing i."""
        g = Generator((self.seed ^ 0x47726F756E64) & MASK)
        base = [min(235, max(40, c + g.within(-16, 16))) for c in GROUNDS[g.below(len(GROUNDS))]]
        kind, amplitude, step, period = g.below(4), g.within(6, 18), g.within(8, 20), g.within(3, 9)
        noise = ((g.block(56 * 56) >> np.uint64(56)).astype(np.int64) * (2 * amplitude + 1) >> 8) - amplitude
        light = noise.reshape(56, 56)
        row, col = ROWS[:56], ROWS[:56].T
        if kind == 1:                                   # wide stripes
            light = light + step * ((row // period) & 1)
        elif kind == 2:                                 # boards
            light = light + step * ((row // period + col // period) & 1)
        elif kind == 3:                                 # a slope of light
            light = light + step * (row + col) // 56
        ground = np.clip(light[:, :, None] + np.array(base), 0, 255).astype(np.uint8)
        image = ground.repeat(4, 0).repeat(4, 1)
        owner = np.zeros((SIDE, SIDE), np.uint8)
        for i, t in enumerate(self.things):
            inside = SHAPE_MASKS[t.shape, t.side]
            second = SECOND_MASKS(t.texture, t.side, t.across, t.phase) & INNER_MASKS[t.shape, t.side]
            box = (slice(t.y, t.y + t.side), slice(t.x, t.x + t.side))
            image[box][inside] = t.rgb
            image[box][second] = SECOND[t.colour]
            owner[box][inside] = i + 1
        return image, owner


def place(g, third, side):
    """Where the key object starts along one axis, so that its centre is well inside a third of the image."""
    half = side // 2
    low, high = ((max(half, 32), 62), (94, 130), (162, SIDE - max(side - half, 32)))[third]
    return g.within(low, high) - half


def apart(a, b):
    return (a.x + a.side + 3 <= b.x or b.x + b.side + 3 <= a.x or
            a.y + a.side + 3 <= b.y or b.y + b.side + 3 <= a.y)


ROWS = np.arange(SIDE, dtype=np.int64)[:, None]


def shape_mask(shape, s):
    """(s, s) bool: the pixels of a shape in its bounding square. u, v: twice the offset from its centre."""
    v = 2 * ROWS[:s] + 1 - s
    u = v.T
    if shape == 0:
        return u * u + v * v <= s * s
    if shape == 1:
        return np.ones((s, s), bool)
    if shape == 2:
        return 2 * np.abs(u) <= v + s
    if shape == 3:  # a five-pointed star: on the inner side of at least four of its five lines
        lines = ((0, -1000), (951, -309), (588, 809), (-588, 809), (-951, -309))
        w = 10000 * v - 1004 * s     # twice the offset from the star's own centre, in ten-thousandths
        return sum((a * 10000 * u + b * w) * 951 <= 309 * 10000 * 1000 * s for a, b in lines) >= 4
    if shape == 4:
        return (100 * np.abs(u) <= 36 * s) | (100 * np.abs(v) <= 36 * s)
    return np.abs(u) + np.abs(v) <= s


def inner(mask):
    """The pixels of a mask that have its pixels on all four sides, a border's width away."""
    s = len(mask)
    b = max(2, s // 18)
    p = np.pad(mask, b)
    return mask & p[b:-b, :-2 * b] & p[b:-b, 2 * b:] & p[:-2 * b, b:-b] & p[2 * b:, b:-b]


def second_mask(texture, s, across, phase):
    """(s, s) bool: where a texture shows its second colour."""
    v = ROWS[:s] + phase
    u = v.T
    w = 4 + s // 32
    if texture == 1:
        return np.broadcast_to((((u if across else v) // w) & 1) == 1, (s, s))
    if texture == 2:
        pitch = 2 * w + 2
        du, dv = 2 * (u % pitch) + 1 - pitch, 2 * (v % pitch) + 1 - pitch
        return 25 * (du * du + dv * dv) <= 9 * pitch * pitch
    if texture == 3:
        c = w + 2
        return ((u // c + v // c) & 1) == 1
    return np.zeros((s, s), bool)


class Table(dict):
    def __init__(self, make):
        self.make = make

    def __missing__(self, key):
        self[key] = value = self.make(*key)
        return value


SHAPE_MASKS = Table(shape_mask)
INNER_MASKS = Table(lambda shape, side: inner(SHAPE_MASKS[shape, side]))
_seconds = Table(second_mask)
SECOND_MASKS = lambda *key: _seconds[key]


def golden(path):
    """Pixels and masks as CRC-32, words as they are, for a dozen seeds of every range."""
    out = []
    for seed in [*range(4), *range(DEMO_TRAIN_SEEDS, DEMO_TRAIN_SEEDS + 4), *range(TEST_SEEDS, TEST_SEEDS + 12)]:
        scene = Scene(seed)
        image, owner = scene.draw()
        out.append({"seed": seed, "pixels": zlib.crc32(image.tobytes()), "owners": zlib.crc32(owner.tobytes()),
                    "areas": [int((owner == i + 1).sum()) for i in range(len(scene.things))],
                    "boxes": [[t.x, t.y, t.side] for t in scene.things],
                    "description": scene.description, "questions": scene.questions})
    with open(path, "w") as f:
        json.dump(out, f, indent=1)
        f.write("\n")


def preview(path, n=40, seed=TEST_SEEDS):
    from PIL import Image
    rows = [np.concatenate([Scene(seed + r * 8 + c).draw()[0] for c in range(8)], 1) for r in range(n // 8)]
    Image.fromarray(np.concatenate(rows)).save(path)


if __name__ == "__main__":
    {"golden": golden, "preview": preview}[sys.argv[1]](sys.argv[2])
