#include "CImageCodecs.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

typedef struct {
  ci_png *png;
  const uint8_t *bytes;
  size_t left;
  int has_ended;
  int has_all_rows;
} source;

static void on_error(png_structp reader, png_const_charp text) {
  source *from = png_get_error_ptr(reader);
  snprintf(from->png->message, CI_MESSAGE_SIZE, "%s", text);
  png_longjmp(reader, 1);
}

static void on_warning(png_structp reader, png_const_charp text) {
  (void)reader;
  (void)text;
}

static void read_bytes(png_structp reader, png_bytep into, size_t count) {
  source *from = png_get_io_ptr(reader);
  if (count > from->left) {
    from->has_ended = 1;
    png_error(reader, "the data ends too early");
  }
  memcpy(into, from->bytes, count);
  from->bytes += count;
  from->left -= count;
}

/// Spreads the samples at a row's end over the row. Each is read before its place is written.
static void spread_palette(uint8_t *row, uint32_t width, const png_color *palette) {
  const uint8_t *samples = row + 2 * (size_t)width;
  for (uint32_t x = 0; x < width; x++) {
    png_color color = palette[samples[x]];
    row[3 * (size_t)x] = color.red;
    row[3 * (size_t)x + 1] = color.green;
    row[3 * (size_t)x + 2] = color.blue;
  }
}

static void spread_grey(uint8_t *row, uint32_t width, uint8_t scale) {
  const uint8_t *samples = row + 2 * (size_t)width;
  for (uint32_t x = 0; x < width; x++) {
    uint8_t value = (uint8_t)(samples[x] * scale);
    memset(row + 3 * (size_t)x, value, 3);
  }
}

/// Pillow keeps these as numbers and clips them at 255, where it halves every other 16-bit kind.
static void spread_grey_16(uint8_t *row, uint32_t width) {
  const uint8_t *samples = row + width;
  for (uint32_t x = 0; x < width; x++) {
    uint8_t value = samples[2 * (size_t)x] == 0 ? samples[2 * (size_t)x + 1] : 255;
    memset(row + 3 * (size_t)x, value, 3);
  }
}

static void decode(png_structp reader, png_infop info, ci_png *png, source *from) {
  // Pillow applies neither gamma nor profiles, so those chunks need not even be well formed.
  png_set_keep_unknown_chunks(reader, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  png_set_benign_errors(reader, 1);
  png_set_user_limits(reader, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // the caller has limited the size already
  png_read_info(reader, info);
  png_color palette[256];
  memset(palette, 0, sizeof palette);
  png_colorp stored = NULL;
  int entries = 0;
  if (png_get_PLTE(reader, info, &stored, &entries) != 0 && entries > 0) {
    memcpy(palette, stored, (size_t)(entries < 256 ? entries : 256) * sizeof *stored);
  }
  int depth = png_get_bit_depth(reader, info);
  int color = png_get_color_type(reader, info);
  int is_grey_16 = color == PNG_COLOR_TYPE_GRAY && depth == 16;
  png_set_packing(reader);
  if (!is_grey_16) png_set_strip_16(reader);
  png_set_strip_alpha(reader);
  int passes = png_set_interlace_handling(reader);
  png_read_update_info(reader, info);
  size_t samples = (color & PNG_COLOR_MASK_COLOR) && color != PNG_COLOR_TYPE_PALETTE ? 3 : is_grey_16 ? 2 : 1;
  size_t row_bytes = 3 * (size_t)png->width;
  if (png_get_rowbytes(reader, info) != samples * png->width || png_get_image_width(reader, info) != png->width ||
      png_get_image_height(reader, info) != png->height) {
    png_error(reader, "the header contradicts itself");
  }
  for (int pass = 0; pass < passes; pass++) {
    for (uint32_t y = 0; y < png->height; y++) {
      // At the row's end, so that it can be spread where it lies.
      png_read_row(reader, png->rgb + y * row_bytes + (3 - samples) * png->width, NULL);
    }
  }
  if (samples != 3) {
    for (uint32_t y = 0; y < png->height; y++) {
      uint8_t *row = png->rgb + y * row_bytes;
      if (color == PNG_COLOR_TYPE_PALETTE) {
        spread_palette(row, png->width, palette);
      } else if (is_grey_16) {
        spread_grey_16(row, png->width);
      } else {
        spread_grey(row, png->width, depth < 8 ? (uint8_t)(255 / ((1 << depth) - 1)) : 1);
      }
    }
  }
  from->has_all_rows = 1;
  png_read_end(reader, NULL);
}

int ci_png_decode(const uint8_t *bytes, size_t length, ci_png *png) {
  memset(png->message, 0, sizeof png->message);
  source from = {png, bytes, length, 0, 0};
  png_structp reader = png_create_read_struct(PNG_LIBPNG_VER_STRING, &from, on_error, on_warning);
  png_infop info = reader == NULL ? NULL : png_create_info_struct(reader);
  if (info == NULL) {
    png_destroy_read_struct(&reader, NULL, NULL);
    snprintf(png->message, CI_MESSAGE_SIZE, "libpng can't be set up");
    return CI_BAD;
  }
  png_set_read_fn(reader, &from, read_bytes);
  int failed = setjmp(png_jmpbuf(reader));
  if (failed == 0) decode(reader, info, png, &from);
  png_destroy_read_struct(&reader, &info, NULL);
  // Like Pillow: a picture whose pixels are all there is whole, whatever of its last chunks is cut off.
  return failed == 0 || (from.has_all_rows && from.has_ended) ? CI_OK : CI_BAD;
}

size_t ci_inflate(const uint8_t *bytes, size_t length, uint8_t *into, size_t capacity) {
  uLongf size = capacity;
  if (length > UINT32_MAX || capacity > UINT32_MAX) return 0;
  return uncompress(into, &size, bytes, length) == Z_OK ? size : 0;
}
