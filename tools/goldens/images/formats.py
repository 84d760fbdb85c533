"""Small pictures in every format but JPEG and PNG, and in every orientation: what Pillow writes, and what only other
programs write, put together by hand. Each function yields (name, bytes)."""
import io
import itertools
import struct
import zlib

import numpy as np
from PIL import Image, TiffImagePlugin
from PIL.PngImagePlugin import PngInfo

random = np.random.default_rng(274)


def noise(count, below=256):
    return random.integers(0, below, count, dtype=np.uint8).tobytes()


def picture(width=23, height=17, channels=3):
    y, x = np.mgrid[0:height, 0:width]
    values = np.stack([(x * 11 + y * 3) % 256, y * 13 % 256, x * y % 256, (255 - x * 5) % 256][:channels], 2)
    values[height // 4: height // 2, width // 4: width // 2] = (250, 20, 30, 128)[:channels]
    return Image.fromarray((values + random.integers(0, 9, values.shape)).clip(0, 255).astype(np.uint8))


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


# ---------------------------------------------------------------- WebP
def riff(chunks):
    body = b"WEBP" + b"".join(name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
                              for name, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def animation(width, height, frames):
    """Frames (image, x, y, options) that need not cover the canvas, which Pillow can't write."""
    def three(value):
        return struct.pack("<I", value)[:3]

    chunks = [(b"VP8X", bytes([0x12, 0, 0, 0]) + three(width - 1) + three(height - 1)),
              (b"ANIM", struct.pack("<IH", 0xff804020, 0))]
    for image, x, y, options in frames:
        data, parts, at = saved(image, "WEBP", **options), b"", 12
        while at < len(data):
            size = 8 + (struct.unpack("<I", data[at + 4:at + 8])[0] + 1) // 2 * 2
            if data[at:at + 4] in (b"VP8 ", b"VP8L", b"ALPH"):
                parts += data[at:at + size]
            at += size
        chunks.append((b"ANMF", three(x // 2) + three(y // 2) + three(image.width - 1) + three(image.height - 1)
                       + three(100) + b"\0" + parts))
    return riff(chunks)


def webps():
    rgb, rgba = picture(), picture(channels=4)
    yield "lossy.webp", saved(rgb, "WEBP", quality=70)
    yield "lossless.webp", saved(rgb, "WEBP", lossless=True)
    yield "alpha-lossy.webp", saved(rgba, "WEBP", quality=60)
    yield "alpha-lossless.webp", saved(rgba, "WEBP", lossless=True, exact=True)
    yield "animated.webp", saved(rgb, "WEBP", save_all=True, append_images=[rgb.transpose(1)], lossless=True)
    yield "offset-lossless.webp", animation(40, 31, [(rgb, 4, 6, {"lossless": True}), (rgba, 0, 0, {"lossless": True})])
    yield "offset-alpha-lossy.webp", animation(40, 31, [(rgba, 4, 6, {"quality": 80})])


# ---------------------------------------------------------------- GIF
def gif(screen, frame, palette=b"", local=b"", transparent=None, interlaced=False, bits=4):
    def size_of(colours):
        return 0x80 | max(0, (len(colours) // 3 - 1).bit_length() - 1) if colours else 0

    def padded(colours):
        return colours.ljust(3 << ((size_of(colours) & 7) + 1), b"\0") if colours else b""

    out = b"GIF89a" + struct.pack("<HHBBB", *screen, size_of(palette), 0, 0) + padded(palette)
    if transparent is not None:
        out += b"!\xf9\x04" + bytes([1, 0, 0, transparent, 0])
    out += b"," + struct.pack("<HHHHB", *frame, size_of(local) | (0x40 if interlaced else 0)) + padded(local)
    clear = 1 << bits
    indices = noise(frame[2] * frame[3], clear)
    codes = []
    for at in range(0, len(indices), clear - 2):
        codes += [clear, *indices[at:at + clear - 2]]
    bitstream = sum(code << (bits + 1) * place for place, code in enumerate([*codes, clear + 1]))
    data = bitstream.to_bytes(((len(codes) + 1) * (bits + 1) + 7) // 8, "little")
    blocks = b"".join(bytes([len(data[at:at + 255])]) + data[at:at + 255] for at in range(0, len(data), 255))
    return out + bytes([bits]) + blocks + b"\0;"


def gifs():
    rgb = picture()
    colours = rgb.quantize(40)
    plain = saved(colours, "GIF")
    palette = noise(48)
    ramp = bytes(itertools.chain(*([i] * 3 for i in range(8))))
    yield "plain.gif", plain
    yield "no-trailer.gif", plain[:-1]
    yield "no-terminator.gif", plain[:-2]
    yield "grey.gif", saved(rgb.convert("L"), "GIF")
    yield "commented.gif", saved(colours, "GIF", comment=b"said " * 100)
    yield "animated.gif", saved(colours, "GIF", save_all=True, append_images=[rgb.transpose(1).quantize(20)])
    yield "offset.gif", gif((12, 10), (3, 2, 5, 4), palette)
    yield "offset-transparent.gif", gif((12, 10), (3, 2, 5, 4), palette, transparent=7)
    yield "offset-greys.gif", gif((12, 10), (3, 2, 5, 4), transparent=9)
    yield "beyond-the-screen.gif", gif((6, 5), (3, 2, 9, 8), palette)
    yield "no-screen.gif", gif((0, 0), (0, 0, 6, 5), palette)
    yield "local-palette.gif", gif((6, 5), (0, 0, 6, 5), palette, local=palette[::-1])
    yield "only-local-palette.gif", gif((6, 5), (0, 0, 6, 5), local=palette[::-1])
    yield "no-palette.gif", gif((6, 5), (0, 0, 6, 5))
    yield "short-palette.gif", gif((6, 5), (0, 0, 6, 5), palette[:12])
    yield "ramp.gif", gif((6, 5), (0, 0, 6, 5), ramp)
    yield "local-ramp.gif", gif((6, 5), (0, 0, 6, 5), palette, local=ramp)
    yield "interlaced.gif", gif((7, 19), (0, 0, 7, 19), palette, interlaced=True)
    yield "256-colours.gif", gif((6, 5), (0, 0, 6, 5), noise(768), bits=8)


# ---------------------------------------------------------------- BMP
def bmp(bits, data, palette=b"", compression=0, header=40, masks=b"", colours=0, offset=None, top_down=False,
        size=(13, 7)):
    width, height = size
    if header == 12:
        head = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        head = struct.pack("<IiiHHIIiiII", header, width, -height if top_down else height, 1, bits, compression,
                           len(data), 2835, 2835, colours, 0)
        head = (head + (masks if header > 40 else b"")).ljust(header, b"\0") + (masks if header == 40 else b"")
    start = 14 + len(head) + len(palette)
    file = struct.pack("<IHHI", start + len(data), 0, 0, start if offset is None else offset)
    return b"BM" + file + head + palette + data


def bmps():
    def rows(bits):
        return noise((13 * bits + 31) // 32 * 4 * 7)

    for bits in (1, 4, 8, 16, 24, 32):
        palette = noise(4 << bits) if bits <= 8 else b""
        yield f"{bits}.bmp", bmp(bits, rows(bits), palette)
        yield f"{bits}-top-down.bmp", bmp(bits, rows(bits), palette, top_down=True, header=124)
        yield f"{bits}-no-offset.bmp", bmp(bits, rows(bits), palette, offset=0)
        if bits <= 8:
            yield f"{bits}-offset-of-palette.bmp", bmp(bits, rows(bits), palette, offset=54)
            yield f"{bits}-os2.bmp", bmp(bits, rows(bits), palette[:3 << bits], header=12)
    yield "grey.bmp", saved(picture().convert("L"), "BMP")
    yield "black-white.bmp", saved(picture().convert("1"), "BMP")
    yield "rgba.bmp", saved(picture(channels=4), "BMP")
    yield "five-colours.bmp", bmp(8, noise(16 * 7, 5), noise(20), colours=5)
    yield "end-cut.bmp", bmp(24, rows(24), size=(13, 7))[:-1]
    for bits, masks in ((32, (0xFF0000, 0xFF00, 0xFF, 0)), (32, (0xFF000000, 0xFF0000, 0xFF00, 0)),
                        (32, (0xFF000000, 0xFF00, 0xFF, 0)), (32, (0xFF000000, 0xFF0000, 0xFF00, 0xFF)),
                        (32, (0xFF, 0xFF00, 0xFF0000, 0xFF000000)), (32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
                        (32, (0xFF000000, 0xFF00, 0xFF, 0xFF0000)), (32, (0, 0, 0, 0)),
                        (24, (0xFF0000, 0xFF00, 0xFF, 0)),
                        (16, (0xF800, 0x7E0, 0x1F, 0)), (16, (0x7C00, 0x3E0, 0x1F, 0))):
        name = "-".join(f"{mask:x}" for mask in masks)
        if masks[3] == 0:
            yield f"masks-{bits}-{name}-40.bmp", bmp(bits, rows(bits), compression=3,
                                                     masks=struct.pack("<3I", *masks[:3]))
        yield f"masks-{bits}-{name}.bmp", bmp(bits, rows(bits), compression=3, header=108,
                                              masks=struct.pack("<4I", *masks))
    runs = [b"".join(b"\x06" + bytes([i * 17]) + b"\0\x07\x12\x34\x56\x70" + b"\0\0" for i in range(7)),
            b"".join(b"\x05" + bytes([i]) + b"\0\x05\1\2\3\4\5\0\x03" + bytes([9]) + b"\0\0" for i in range(7)),
            b"\x04\x01\0\2\x03\x02\x05\x02\0\0" + b"".join(b"\x0d" + bytes([i]) + b"\0\0" for i in range(5)),
            b"".join(b"\x20" + bytes([i]) + b"\0\0" for i in range(7))]
    yield "runs-4.bmp", bmp(4, runs[0], noise(64), compression=2)
    for name, data in zip(("8", "8-jump", "8-too-long"), runs[1:]):
        yield f"runs-{name}.bmp", bmp(8, data, noise(1024), compression=1)
    yield "runs-8-top-down.bmp", bmp(8, runs[1], noise(1024), compression=1, top_down=True)


# ---------------------------------------------------------------- TIFF
def tiff(order, photometric, sample_format, bits, extra, size=(9, 5), compression=8, planar=1, tile=None, fill=1):
    width, height = size
    end = "<" if order == b"II" else ">"
    many, per_plane = (1, len(bits)) if planar == 1 else (len(bits), 1)
    piece_width, piece_height = tile or (width, 3)

    def piece(rows):
        count = piece_width * rows * per_plane
        if sample_format == (3,):
            data = random.normal(100, 120, count).astype(end + "f4").tobytes()
        elif bits[0] == 32:
            data = random.integers(-300, 600, count).astype(end + "i4").tobytes()
        elif bits == (16,):
            data = random.integers(0, 700, count).astype(end + "u2").tobytes()
        else:
            data = noise((piece_width * sum(bits[:per_plane]) + 7) // 8 * rows)
        return zlib.compress(data) if compression == 8 else data

    pieces = [piece(piece_height if tile else min(piece_height, height - y)) for _ in range(many)
              for y in range(0, height, piece_height) for _ in range(0, width, piece_width)]
    offsets, counts = (324, 325) if tile else (273, 279)
    tags = [(256, 3, [width]), (257, 3, [height]), (258, 3, bits), (259, 3, [compression]), (262, 3, [photometric]),
            (277, 3, [len(bits)]), (284, 3, [planar]), (offsets, 4, [0] * len(pieces)),
            (counts, 4, [len(piece) for piece in pieces])]
    tags += [(322, 3, [tile[0]]), (323, 3, [tile[1]])] if tile else [(278, 3, [piece_height])]
    tags += [(266, 3, [fill])] if fill != 1 else []
    tags += [(320, 3, random.integers(0, 65536, 3 << bits[0]).tolist())] if photometric == 3 else []
    tags += [(338, 3, extra)] if extra else []
    tags += [(339, 3, sample_format * len(bits))] if sample_format != (1,) else []
    tags.sort()

    def packed(kind, values):
        return b"".join(struct.pack(end + "_BBHI"[kind], value) for value in values)

    start = 8 + 2 + 12 * len(tags) + 4
    at = start + sum(size for size in (len(packed(kind, values)) for _, kind, values in tags) if size > 4)
    places = list(itertools.accumulate([at] + [len(piece) for piece in pieces]))[:-1]
    entries, values_outside = b"", b""
    for tag, kind, values in tags:
        data = packed(kind, places if tag == offsets else values)
        if len(data) > 4:
            field, values_outside = struct.pack(end + "I", start + len(values_outside)), values_outside + data
        else:
            field = data.ljust(4, b"\0")
        entries += struct.pack(end + "HHI", tag, kind, len(values)) + field
    return (order + struct.pack(end + "HIH", 42, 8, len(tags)) + entries + struct.pack(end + "I", 0) + values_outside
            + b"".join(pieces))


def tiffs():
    for order, photometric, sample_format, fill, bits, extra in TiffImagePlugin.OPEN_INFO:
        # YCbCr and Lab are not read without compression; Pillow can't convert La, and swaps the bytes of MM twice where
        # they are compressed.
        if photometric in (6, 8) or fill != 1 or (bits, extra) == ((8, 8), (1,)):
            continue
        name = f"{order.decode()}-{photometric}-{sample_format[0]}-{'.'.join(map(str, bits))}" \
            + (f"-{'.'.join(map(str, extra))}" if extra else "")
        if order == b"II":
            yield f"{name}.tif", tiff(order, photometric, sample_format, bits, extra)
        elif len(bits) == 1 or 16 in bits:
            yield f"{name}.tif", tiff(order, photometric, sample_format, bits, extra, compression=1)
    for name, photometric, bits, extra in (("rgb", 2, (8,) * 3, ()), ("rgba", 2, (8,) * 4, (2,)),
                                           ("rgb16", 2, (16,) * 3, ()), ("cmyk", 5, (8,) * 4, ()), ("grey", 1, (8,), ()), ("grey4", 1, (4,), ())):
        yield f"{name}-tiles.tif", tiff(b"II", photometric, (1,), bits, extra, size=(21, 18), tile=(16, 16))
        if len(bits) > 1:
            yield f"{name}-planes.tif", tiff(b"MM", photometric, (1,), bits, extra, planar=2)
            yield f"{name}-planes-tiles.tif", tiff(b"II", photometric, (1,), bits, extra, planar=2, tile=(16, 16))
    yield "bits-reversed.tif", tiff(b"II", 1, (1,), (1,), (), compression=1, fill=2)
    rgb = picture()
    bilevel = rgb.convert("1")
    for compression in ("tiff_lzw", "packbits", "jpeg", "lzma", "zstd", "tiff_deflate"):
        yield f"{compression}.tif", saved(rgb, "TIFF", compression=compression)
    for compression in ("group3", "group4", "tiff_ccitt"):
        yield f"{compression}.tif", saved(bilevel, "TIFF", compression=compression)
    yield "predicted.tif", saved(rgb, "TIFF", compression="tiff_lzw", tiffinfo={317: 2})
    yield "ycbcr-jpeg.tif", saved(rgb.convert("YCbCr"), "TIFF", compression="jpeg")
    yield "ycbcr-lzw.tif", saved(rgb.convert("YCbCr"), "TIFF", compression="tiff_lzw")
    yield "cmyk-jpeg.tif", saved(rgb.convert("CMYK"), "TIFF", compression="jpeg")
    yield "grey-jpeg.tif", saved(rgb.convert("L"), "TIFF", compression="jpeg")
    yield "big.tif", saved(rgb, "TIFF", big_tiff=True)
    yield "two-pages.tif", saved(rgb, "TIFF", save_all=True, append_images=[rgb.transpose(2)])


# ---------------------------------------------------------------- orientation
def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def directory(end, entries, prefix=b"Exif\0\0", start=8, values=b""):
    """EXIF data of the entries (tag, type, count, four bytes)."""
    return (prefix + (b"II" if end == "<" else b"MM") + struct.pack(end + "HI", 42, start) + bytes(start - 8)
            + struct.pack(end + "H", len(entries))
            + b"".join(struct.pack(end + "HHI", *entry[:3]) + entry[3] for entry in entries)
            + struct.pack(end + "I", 0) + values)


def oddities():
    """EXIF data that few programs write; with each, what is to be tried of it is in the name."""
    for end, byte_order in (("<", "le"), (">", "be")):
        def short(value):
            return struct.pack(end + "HH", value, 0)

        def long(value):
            return struct.pack(end + "I", value)

        turn = (274, 3, 1, short(6))
        for name, entries in {
            "long": [(274, 4, 1, long(6))], "byte": [(274, 1, 1, b"\6\0\0\0")], "text": [(274, 2, 2, b"6\0\0\0")],
            "undefined": [(274, 7, 1, b"\6\0\0\0")], "two": [(274, 3, 2, struct.pack(end + "HH", 8, 3))],
            "none": [(274, 3, 0, short(6))], "signed": [(274, 8, 1, short(6))],
            "float": [(274, 11, 1, struct.pack(end + "f", 6))], "fraction": [(274, 11, 1, struct.pack(end + "f", 6.5))],
            "no-type": [(274, 99, 1, short(6))], "twice": [turn, (274, 3, 1, short(3))],
            "after-bad-type": [(274, 99, 1, short(3)), turn], "after-outside": [(270, 2, 100, long(9999)), turn],
            "before-outside": [turn, (270, 2, 100, long(9999))], "after-huge": [(270, 2, 0xffffffff, long(8)), turn],
            "after-overlap": [(270, 2, 30, long(0)), (271, 2, 30, long(0)), turn],
            "self": [(34665, 4, 1, long(8)), turn],
        }.items():
            yield f"{name}-{byte_order}", [directory(end, entries)]
        yield f"rational-{byte_order}", [directory(end, [(274, 5, 1, long(26))], values=struct.pack(end + "II", 12, 2))]
        yield f"double-{byte_order}", [directory(end, [(274, 12, 1, long(26))], values=struct.pack(end + "d", 6))]
        yield f"late-{byte_order}", [directory(end, [turn], start=12)]
        yield f"two-prefixes-{byte_order}", [directory(end, [turn], prefix=b"Exif\0\0" * 2)]
        yield f"cut-{byte_order}", [directory(end, [turn, turn])[:6 + 8 + 2 + 12 + 5]]
        whole = directory(end, [turn])
        yield f"in-two-segments-{byte_order}", [whole[:19], b"Exif\0\0" + whole[19:]]
    xmp = b"http://ns.adobe.com/xap/1.0/\0" + b'tiff:Orientation tiff:Orientation="x" tiff:Orientation="8"'
    yield "xmp-without-exif", [b"Exif\0\0", xmp]
    yield "xmp-beside-other-exif", [directory("<", [(270, 3, 1, b"\1\0\0\0")]), xmp]
    yield "xmp-beside-invalid", [directory("<", [(274, 3, 1, b"\0\0\0\0")]), xmp]


def oriented():
    rgb = picture(11, 7)
    jpeg, png = saved(rgb, "JPEG", quality=90), saved(rgb, "PNG")
    end = png.index(b"IEND") - 4
    for orientation in range(10):
        exif = Image.Exif()
        exif[274] = orientation
        xmp = f'<x:xmpmeta><tiff:Orientation>{orientation}</tiff:Orientation></x:xmpmeta>'.encode()
        yield f"turned-{orientation}.jpg", saved(rgb, "JPEG", exif=exif, quality=90)
        yield f"turned-{orientation}.png", saved(rgb, "PNG", exif=exif)
        yield f"turned-{orientation}.webp", saved(rgb, "WEBP", exif=exif, lossless=True)
        yield f"turned-{orientation}.tif", saved(rgb, "TIFF", tiffinfo={274: orientation})
        if orientation in (3, 6):
            yield f"turned-{orientation}-lzw.tif", saved(rgb, "TIFF", tiffinfo={274: orientation},
                                                         compression="tiff_lzw")
            yield f"xmp-{orientation}.jpg", saved(rgb, "JPEG", xmp=xmp)
            yield f"xmp-{orientation}.webp", saved(rgb, "WEBP", xmp=xmp, lossless=True)
            tags = TiffImagePlugin.ImageFileDirectory_v2()
            tags.tagtype[700], tags[700] = 1, xmp
            yield f"xmp-{orientation}.tif", saved(rgb, "TIFF", tiffinfo=tags)
            data = exif.tobytes()
            lines = "\n".join(data.hex()[at:at + 72] for at in range(0, 2 * len(data), 72))
            for compressed in (False, True):
                text = PngInfo()
                text.add_itxt("XML:com.adobe.xmp", xmp.decode(), zip=compressed)
                name = f"{orientation}{'-compressed' if compressed else ''}.png"
                yield f"xmp-{name}", saved(rgb, "PNG", pnginfo=text)
                text = PngInfo()
                text.add_text("Raw profile type exif", f"\nexif\n{len(data):8}\n{lines}\n", zip=compressed)
                yield f"raw-profile-{name}", saved(rgb, "PNG", pnginfo=text)
    turn = directory(">", [(274, 3, 1, b"\0\6\0\0")], prefix=b"")
    yield "exif-after-pixels.png", png[:end] + chunk(b"eXIf", turn) + png[end:]
    yield "exif-last.png", png[:end] + chunk(b"eXIf", turn)
    yield "no-iend.png", png[:end]
    yield "half-iend.png", png[:end + 6]
    scan = jpeg.index(b"\xff\xda")
    segment = b"\xff\xe1" + struct.pack(">H", len(turn) + 8) + b"Exif\0\0" + turn
    yield "exif-after-frame.jpg", jpeg[:scan] + segment + jpeg[scan:]
    for name, segments in oddities():
        yield f"exif-{name}.jpg", jpeg[:2] + b"".join(
            b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data for data in segments) + jpeg[2:]


def everything():
    for make in (webps, gifs, bmps, tiffs, oriented):
        yield from make()
