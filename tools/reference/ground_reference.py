"""Boxes and masks out of attention, the slow and plain way with numpy: docs/grounding.md as a program."""
import numpy as np
from pycocotools import mask as coco_mask


def smoothed(grid, sigma):
    """A Gaussian filter over a grid of cells, rows and columns one after the other; weights outside the grid are left out."""
    radius = int(np.floor(4 * sigma + 0.5))
    if radius == 0:
        return grid

    def along(n):
        distance = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
        weights = np.where(distance <= radius, np.exp(-distance**2 / (2 * sigma**2)), 0)
        return weights / weights.sum(1, keepdims=True)

    return along(grid.shape[0]) @ grid @ along(grid.shape[1]).T


def pixel_map(scores, cells, width, height):
    """Attention per pixel, and which pixels a token stands for: a pixel belongs to the cell that its centre lies in."""
    x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
    values, covered = np.zeros((height, width)), np.zeros((height, width), bool)
    for score, (x0, y0, x1, y1) in zip(scores, cells):
        inside = np.outer((y >= y0) & (y < y1), (x >= x0) & (x < x1))
        values[inside] += score / ((x1 - x0) * (y1 - y0))
        covered |= inside
    return values, covered


def otsu(values, bins=256):
    """As skimage and hi_reference.py: the upper edge of the bin below which the classes are best told apart."""
    counts, edges = np.histogram(values, bins)
    centres = (edges[:-1] + edges[1:]) / 2
    below, moment = np.cumsum(counts), np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (moment[-1] * below / below[-1] - moment) ** 2 / (below * (below[-1] - below))
    return edges[np.argmax(np.where(np.isfinite(between), between, -1)) + 1]


def selected(values, covered, rule):
    """The pixels that belong to the object."""
    known = values[covered]
    if known.size == 0 or known.max() == known.min():
        return np.zeros(values.shape, bool)
    name, _, number = rule.partition(":")
    if name == "mean":
        return covered & (values > known.mean())
    if name == "otsu":
        return covered & (values >= otsu(known))
    if name == "quantile":
        return covered & (values > np.quantile(known, float(number)))
    return covered & (values >= float(number) * known.max())


def largest_part(pixels):
    """The part with the most pixels that hang together by their sides; of equal ones the first, row by row."""
    left, best = pixels.copy(), np.zeros(pixels.shape, bool)
    while left.any():
        part = np.zeros(pixels.shape, bool)
        part[np.unravel_index(np.argmax(left), left.shape)] = True
        while True:
            grown = part.copy()
            grown[1:] |= part[:-1]
            grown[:-1] |= part[1:]
            grown[:, 1:] |= part[:, :-1]
            grown[:, :-1] |= part[:, 1:]
            grown &= left
            if (grown == part).all():
                break
            part = grown
        if part.sum() > best.sum():
            best = part
        left &= ~part
    return best


def locate(scores, views, cells, width, height, rule="mean", sigma=0.0, parts="largest"):
    """scores: of each visual token. Returns the mask, its box as x, y, width, height, and the share of attention in it."""
    at, tokens = 0, []
    for rows, columns in views:
        tokens.append(smoothed(np.asarray(scores[at:at + rows * columns], float).reshape(rows, columns), sigma).ravel())
        at += rows * columns
    values, covered = pixel_map(np.concatenate(tokens), cells, width, height)
    mask = selected(values, covered, rule)
    if parts == "largest":
        mask = largest_part(mask)
    y, x = np.nonzero(mask)
    box = [int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1] if len(x) else [0, 0, 0, 0]
    return mask, box, float(values[mask].sum() / values.sum()) if values.sum() > 0 else 0.0


def run_lengths(mask):
    """pycocotools' compressed counts."""
    return coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()


def box_iou(a, b):
    """By pycocotools, of x, y, width and height."""
    return float(coco_mask.iou(np.array([a], float), np.array([b], float), [0])[0, 0]) if a[2] * a[3] > 0 else 0.0
