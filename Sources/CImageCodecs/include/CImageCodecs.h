#ifndef C_IMAGE_CODECS_H
#define C_IMAGE_CODECS_H

// The door to the picture libraries. No error leaves it but as a return code with a message, and nothing in it keeps
// the pointers that it is given longer than its handle lives.

#include <stddef.h>
#include <stdint.h>

#define CI_MESSAGE_SIZE 200

// What a function returns: CI_BAD where the data is corrupt or of a kind that isn't read, with a message why;
// CI_ENDS_EARLY where it ends before what was asked for.
#define CI_OK 0
#define CI_BAD 1
#define CI_ENDS_EARLY 2

// PNG: libpng reports errors by longjmp, which must not cross Swift.

typedef struct {
  /// In: the size that the header states, and as many pixels of red, green and blue.
  uint8_t *rgb;
  uint32_t width;
  uint32_t height;
  /// Out: what is wrong, where the result is not CI_OK.
  char message[CI_MESSAGE_SIZE];
} ci_png;

/// Decodes a whole PNG to what Pillow's convert("RGB") gives: palette applied, transparency dropped, no gamma. What comes
/// after the pixels may be cut off. Needs no memory beside `rgb` but a few rows.
int ci_png_decode(const uint8_t *bytes, size_t length, ci_png *png);

/// Inflates zlib data, a PNG's compressed text. Returns the number of bytes written; 0 where it is corrupt or has more
/// than `capacity`.
size_t ci_inflate(const uint8_t *bytes, size_t length, uint8_t *into, size_t capacity);

// GIF, by giflib: the first picture.

typedef struct ci_gif ci_gif;

typedef struct {
  uint32_t screen_width, screen_height;
  uint32_t left, top, width, height;
  int is_interlaced;
  /// The palette index that is transparent; -1 where there is none.
  int transparent;
  /// Red, green and blue of each entry; `colors` is 0 where the file has no palette.
  uint8_t palette[768];
  int colors;
  char message[CI_MESSAGE_SIZE];
} ci_gif_frame;

/// Reads up to the first picture's data. On CI_OK `*gif` must be closed; `bytes` must live as long.
int ci_gif_open(const uint8_t *bytes, size_t length, ci_gif **gif, ci_gif_frame *frame);
/// The next row of palette indices, in the file's order.
int ci_gif_row(ci_gif *gif, uint8_t *row, uint32_t width, char message[CI_MESSAGE_SIZE]);
void ci_gif_close(ci_gif *gif);

// WebP, by libwebp: the first picture.

typedef struct {
  uint32_t width, height;
  /// The first picture on the canvas, and its data within the file.
  uint32_t left, top, frame_width, frame_height;
  size_t frame_offset, frame_length;
  /// Metadata within the file; of length 0 where there is none.
  size_t exif_offset, exif_length, xmp_offset, xmp_length;
} ci_webp_layout;

/// Where everything is in a whole WebP file.
int ci_webp_open(const uint8_t *bytes, size_t length, ci_webp_layout *layout);
/// The size of the canvas, from the first bytes of a file. Returns CI_ENDS_EARLY where they are too few.
int ci_webp_size(const uint8_t *bytes, size_t length, uint32_t *width, uint32_t *height);
/// Decodes the first picture into a canvas of `width` by `height` pixels of red, green and blue.
int ci_webp_decode(const uint8_t *bytes, const ci_webp_layout *layout, uint8_t *rgb);

// TIFF, by libtiff: the first picture. libtiff's functions of variable arguments can't be called from Swift.

typedef struct ci_tiff ci_tiff;

typedef struct {
  uint32_t width, height;
  uint32_t compression, photometric;
  int is_separate, is_tiled;
  /// Tiles; or strips of `rows_per_strip` rows.
  uint32_t tile_width, tile_height;
  uint32_t rows_per_strip;
  /// Bytes that a row, and a tile, of one plane takes.
  size_t row_bytes, tile_bytes, tile_row_bytes;
  char message[CI_MESSAGE_SIZE];
} ci_tiff_layout;

/// Opens the first picture. On CI_OK `*tiff` must be closed; `bytes` must live as long. `memory_limit` bounds each of
/// libtiff's own allocations.
int ci_tiff_open(
    const uint8_t *bytes, size_t length, size_t memory_limit, ci_tiff **tiff, ci_tiff_layout *layout);
/// Decodes one row of one plane. Rows of a plane must be asked for in order.
int ci_tiff_row(ci_tiff *tiff, uint32_t row, uint16_t plane, uint8_t *into, size_t size);
/// Decodes the tile of one plane that has the pixel (x, y).
int ci_tiff_tile(ci_tiff *tiff, uint32_t x, uint32_t y, uint16_t plane, uint8_t *into, size_t size);
/// Decodes the strip that begins with `row`, or the tile at (x, row), to red, green, blue and alpha by libtiff's own
/// conversion; rows from bottom to top. `pixels` is the room in `into`.
int ci_tiff_rgba(ci_tiff *tiff, uint32_t x, uint32_t row, uint32_t *into, size_t pixels);
/// What the last function found wrong.
const char *ci_tiff_message(const ci_tiff *tiff);
void ci_tiff_close(ci_tiff *tiff);

#endif
