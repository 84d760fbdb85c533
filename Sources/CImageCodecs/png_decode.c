#include "CImageCodecs.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

typedef struct {
  const uint8_t *bytes;
  size_t left;
} source;

static void on_error(png_structp reader, png_const_charp text) {
  ci_png *png = png_get_error_ptr(reader);
  snprintf(png->message, CI_MESSAGE_SIZE, "%s", text);
  png_longjmp(reader, 1);
}

static void on_warning(png_structp reader, png_const_charp text) {
  (void)reader;
  (void)text;
}

static void read_bytes(png_structp reader, png_bytep into, size_t count) {
  source *from = png_get_io_ptr(reader);
  if (count > from->left) png_error(reader, "the data ends too early");
  memcpy(into, from->bytes, count);
  from->bytes += count;
  from->left -= count;
}

static void decode(png_structp reader, png_infop info, ci_png *png) {
  // Pillow applies neither gamma nor profiles, so those chunks need not even be well formed.
  png_set_keep_unknown_chunks(reader, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  png_set_benign_errors(reader, 1);
  png_set_user_limits(reader, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // the caller has limited the size already
  png_read_info(reader, info);
  png_colorp palette = NULL;
  int entries = 0;
  if (png_get_PLTE(reader, info, &palette, &entries) != 0) {
    for (int i = 0; i < entries && i < 256; i++) {
      png->palette[3 * i] = palette[i].red;
      png->palette[3 * i + 1] = palette[i].green;
      png->palette[3 * i + 2] = palette[i].blue;
    }
  }
  png_set_packing(reader);
  int passes = png_set_interlace_handling(reader);
  png_read_update_info(reader, info);
  if (png_get_rowbytes(reader, info) != png->row_bytes || png_get_image_height(reader, info) != png->height) {
    png_error(reader, "the header contradicts itself");
  }
  for (int pass = 0; pass < passes; pass++) {
    for (uint32_t row = 0; row < png->height; row++) {
      png_read_row(reader, png->samples + row * png->row_bytes, NULL);
    }
  }
  png_read_end(reader, NULL);
}

int ci_png_decode(const uint8_t *bytes, size_t length, ci_png *png) {
  memset(png->palette, 0, sizeof png->palette);
  memset(png->message, 0, sizeof png->message);
  source from = {bytes, length};
  png_structp reader = png_create_read_struct(PNG_LIBPNG_VER_STRING, png, on_error, on_warning);
  png_infop info = reader == NULL ? NULL : png_create_info_struct(reader);
  if (info == NULL) {
    png_destroy_read_struct(&reader, NULL, NULL);
    snprintf(png->message, CI_MESSAGE_SIZE, "libpng can't be set up");
    return 1;
  }
  png_set_read_fn(reader, &from, read_bytes);
  int failed = setjmp(png_jmpbuf(reader));
  if (failed == 0) decode(reader, info, png);
  png_destroy_read_struct(&reader, &info, NULL);
  return failed != 0;
}
