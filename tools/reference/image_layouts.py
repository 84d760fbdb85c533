"""What each family makes of an image: the text in the placeholder's place, the rectangle of the image behind each visual
token, and what the model is given beside ids and pixels. `f` is hi_reference.Reference."""
import math
from dataclasses import dataclass


@dataclass
class ImageLayout:
    """`text` takes the placeholder's place. `cells` has an entry for each image token in it, in order: the rectangle
    (x0, y0, x1, y1) of the original image, or None for a token that stands for no pixels (the newlines of LLaVA), which
    is no visual token. `views` are the grids (rows, cols) of consecutive visual tokens."""
    text: str
    cells: list
    views: list


def grid_cells(rows, cols, x_edges, y_edges):
    """Row by row the cells of a grid whose edges are given: functions of the fraction of the grid passed."""
    return [(x_edges(c / cols), y_edges(r / rows), x_edges((c + 1) / cols), y_edges((r + 1) / rows))
            for r in range(rows) for c in range(cols)]


def even(first, last):
    return lambda t: first + (last - first) * t


def whole(rows, cols, width, height, seen=1.0):
    """One view of the stretched image, of which the tower sees the first `seen` of both sides."""
    return grid_cells(rows, cols, even(0, width * seen), even(0, height * seen))


def qwen_layout(f, width, height, pixels):
    _, grid_h, grid_w = pixels["image_grid_thw"][0].tolist()
    merge = f.image_processor.merge_size
    rows, cols = grid_h // merge, grid_w // merge
    return ImageLayout(f.image_token * (rows * cols), whole(rows, cols, width, height), [(rows, cols)])


def square_layout(f, width, height, pixels):
    """PaliGemma: the image stretched to a square."""
    side = f.config.vision_config.image_size // f.config.vision_config.patch_size
    return ImageLayout(f.image_token * side ** 2, whole(side, side, width, height), [(side, side)])


def gemma3_layout(f, width, height, pixels):
    side = math.isqrt(f.config.mm_tokens_per_image)
    boi, eoi = (f.tokenizer.convert_ids_to_tokens(i) for i in (f.config.boi_token_index, f.config.eoi_token_index))
    text = f"\n\n{boi}{f.image_token * side ** 2}{eoi}\n\n"
    return ImageLayout(text, whole(side, side, width, height), [(side, side)])


def idefics_layout(f, width, height, pixels):
    """Tiles row by row, then the whole image; without tiles the whole image alone."""
    vision = f.config.vision_config
    tile, step = f.image_processor.max_image_size["longest_edge"], vision.patch_size * f.config.scale_factor
    side = vision.image_size // vision.patch_size // f.config.scale_factor
    seen = side * step / tile                               # of a tile; the tower drops what fills no patch
    tile_rows, tile_cols = pixels["rows"][0][0], pixels["cols"][0][0]
    fake, tokens = "<fake_token_around_image>", f.image_token * side ** 2
    text, cells = "", []
    for r in range(tile_rows):
        for c in range(tile_cols):
            text += f"{fake}<row_{r + 1}_col_{c + 1}>{tokens}"
            across, down = width / tile_cols, height / tile_rows
            cells += grid_cells(side, side, even(c * across, (c + seen) * across), even(r * down, (r + seen) * down))
        text += "\n"
    text += ("\n" if tile_rows else "") + f"{fake}<global-img>{tokens}{fake}"
    return ImageLayout(text, cells + whole(side, side, width, height, seen), [(side, side)] * (tile_rows * tile_cols + 1))


def internvl_layout(f, width, height, pixels):
    """Tiles row by row, then the whole image; a single tile is the whole image already."""
    from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import get_optimal_tiled_canvas
    p = f.image_processor
    size = (p.size["height"], p.size["width"])
    cols, rows = get_optimal_tiled_canvas((height, width), size, p.min_patches, p.max_patches)
    views = len(pixels["pixel_values"])
    assert views == rows * cols + (rows * cols > 1)
    side = math.isqrt(f.config.image_seq_length)
    cells = []
    for r in range(rows):
        for c in range(cols):
            cells += grid_cells(side, side, even(c * width / cols, (c + 1) * width / cols), even(r * height / rows, (r + 1) * height / rows))
    if views > 1:
        cells += whole(side, side, width, height)
    text = "<img>" + f.image_token * (side ** 2 * views) + "</img>"
    return ImageLayout(text, cells, [(side, side)] * views)


def crop_layout(f, width, height, pixels):
    """LLaVA 1.5: the shorter side scaled, the middle square kept."""
    crop, patch = f.image_processor.crop_size["height"], f.config.vision_config.patch_size
    short = f.image_processor.size["shortest_edge"]
    scaled_w, scaled_h = (short, int(short * height / width)) if width <= height else (int(short * width / height), short)
    left, top = (scaled_w - crop) // 2, (scaled_h - crop) // 2
    side = crop // patch
    x, y = width / scaled_w, height / scaled_h
    seen = side * patch
    cells = grid_cells(side, side, even(left * x, (left + seen) * x), even(top * y, (top + seen) * y))
    return ImageLayout(f.image_token * side ** 2, cells, [(side, side)])


def anyres_layout(f, width, height, pixels):
    """LLaVA-NeXT and LLaVA-OneVision: the whole image, then all tiles as one raster, its padding cut off,
    each of its rows with a newline token behind it."""
    from transformers.image_processing_utils import select_best_resolution
    vision = f.config.vision_config
    tile, patch = vision.image_size, vision.patch_size
    side = tile // patch
    best_h, best_w = select_best_resolution((height, width), f.config.image_grid_pinpoints)
    rows, cols = side * (best_h // tile), side * (best_w // tile)

    # The image in the canvas: as large as fits, in the middle.
    scale_w, scale_h = best_w / width, best_h / height
    if scale_w < scale_h:
        new_w, new_h = best_w, min(math.ceil(height * scale_w), best_h)
    else:
        new_w, new_h = min(math.ceil(width * scale_h), best_w), best_h
    left, top = (best_w - new_w) // 2, (best_h - new_h) // 2

    # Rows or columns of features that are padding, counted as the model counts them.
    cut_rows = cut_cols = 0
    if width / height > cols / rows:
        cut_rows = (rows - int(round(height * (cols / width), 7))) // 2
    else:
        cut_cols = (cols - int(round(width * (rows / height), 7))) // 2
    kept_rows, kept_cols = rows - 2 * cut_rows, cols - 2 * cut_cols
    out_rows, out_cols = kept_rows, kept_cols
    if f.config.model_type == "llava_onevision":
        most = int(f.config.vision_aspect_ratio.removeprefix("anyres_max_"))
        ratio = math.sqrt(kept_rows * kept_cols / (most * side ** 2))
        if ratio > 1.1:                                      # the raster is resampled to fewer tokens
            out_rows, out_cols = int(kept_rows // ratio), int(kept_cols // ratio)

    def edges(cut, kept, offset, new, original):
        """The place in the image of the fraction t of the kept features. A tile's last pixels may be in no patch, so the
        start of a tile is not the end of the one before."""
        def place(t, is_end):
            at = cut + t * kept
            number = math.ceil(at / side - 1e-9) - 1 if is_end else math.floor(at / side + 1e-9)
            pixel = number * tile + (at - number * side) * patch
            return min(max((pixel - offset) * original / new, 0.0), float(original))
        return place

    x, y = edges(cut_cols, kept_cols, left, new_w, width), edges(cut_rows, kept_rows, top, new_h, height)
    cells = whole(side, side, width, height, side * patch / tile)
    for r in range(out_rows):
        for c in range(out_cols):
            cells.append((x(c / out_cols, False), y(r / out_rows, False), x((c + 1) / out_cols, True), y((r + 1) / out_rows, True)))
        cells.append(None)
    return ImageLayout(f.image_token * len(cells), cells, [(side, side), (out_rows, out_cols)])


@dataclass
class Family:
    layout: object
    image_token: str                    # the config's attribute: image_token_id or image_token_index
    placeholder: str | None = None      # what the chat template writes for an image, where it isn't the image token
    call: dict = None                   # further arguments of the image processor's call
    drop: tuple = ()                    # outputs of the image processor that the model doesn't take
    image_types: str | None = None      # the input that marks the image's tokens with 1
    prefix_types: bool = False          # token_type_ids 0 for the prompt, 1 for the answer (PaliGemma)


FAMILIES = {
    "qwen2_vl": Family(qwen_layout, "image_token_id", image_types="mm_token_type_ids"),
    "qwen2_5_vl": Family(qwen_layout, "image_token_id", image_types="mm_token_type_ids"),
    "qwen3_vl": Family(qwen_layout, "image_token_id", image_types="mm_token_type_ids"),
    "smolvlm": Family(idefics_layout, "image_token_id", call={"return_row_col_info": True}, drop=("rows", "cols")),
    "idefics3": Family(idefics_layout, "image_token_id", call={"return_row_col_info": True}, drop=("rows", "cols")),
    "paligemma": Family(square_layout, "image_token_index", prefix_types=True),
    "internvl": Family(internvl_layout, "image_token_id", call={"crop_to_patches": True}, drop=("num_patches",)),
    "llava_onevision": Family(anyres_layout, "image_token_index"),
    "llava_next": Family(anyres_layout, "image_token_index"),
    "llava": Family(crop_layout, "image_token_index"),
    "gemma3": Family(gemma3_layout, "image_token_index", placeholder="<start_of_image>", drop=("num_crops",),
                     image_types="token_type_ids"),
}
PROCESSORS = {  # module of transformers.models by the `image_processor_type` of preprocessor_config.json
    "Qwen2VL": "qwen2_vl", "SmolVLM": "smolvlm", "Idefics3": "idefics3", "Siglip": "siglip", "GotOcr2": "got_ocr2", "CLIP": "clip",
    "LlavaOnevision": "llava_onevision", "LlavaNext": "llava_next", "Llava": "llava", "Gemma3": "gemma3",
}
