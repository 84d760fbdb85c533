#include "CImageCodecs.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tiffio.h>

struct ci_tiff {
  TIFF *file;
  const uint8_t *bytes;
  size_t length;
  size_t position;
  char message[CI_MESSAGE_SIZE];
};

static int on_error(TIFF *file, void *user, const char *module, const char *format, va_list arguments) {
  (void)file;
  (void)module;
  ci_tiff *tiff = user;
  // The first one is the cause.
  if (tiff->message[0] == 0) vsnprintf(tiff->message, CI_MESSAGE_SIZE, format, arguments);
  return 1;
}

static int on_warning(TIFF *file, void *user, const char *module, const char *format, va_list arguments) {
  (void)file;
  (void)user;
  (void)module;
  (void)format;
  (void)arguments;
  return 1;
}

static tmsize_t read_bytes(thandle_t handle, void *into, tmsize_t size) {
  ci_tiff *tiff = handle;
  if (size <= 0 || tiff->position >= tiff->length) return 0;
  size_t count = tiff->length - tiff->position;
  if (count > (size_t)size) count = (size_t)size;
  memcpy(into, tiff->bytes + tiff->position, count);
  tiff->position += count;
  return (tmsize_t)count;
}

static tmsize_t write_bytes(thandle_t handle, void *from, tmsize_t size) {
  (void)handle;
  (void)from;
  (void)size;
  return 0;
}

static toff_t seek(thandle_t handle, toff_t offset, int whence) {
  ci_tiff *tiff = handle;
  toff_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? tiff->position : tiff->length;
  tiff->position = base + offset > tiff->length ? tiff->length : base + offset;
  return base + offset > tiff->length ? (toff_t)-1 : tiff->position;
}

static int close_source(thandle_t handle) {
  (void)handle;
  return 0;
}

static toff_t size_of(thandle_t handle) { return ((ci_tiff *)handle)->length; }

static int read_layout(ci_tiff *tiff, ci_tiff_layout *layout) {
  TIFF *file = tiff->file;
  uint16_t compression = COMPRESSION_NONE, photometric = 0, planar = PLANARCONFIG_CONTIG;
  if (!TIFFGetField(file, TIFFTAG_IMAGEWIDTH, &layout->width) ||
      !TIFFGetField(file, TIFFTAG_IMAGELENGTH, &layout->height)) {
    snprintf(tiff->message, CI_MESSAGE_SIZE, "it states no width and height");
    return CI_BAD;
  }
  TIFFGetFieldDefaulted(file, TIFFTAG_COMPRESSION, &compression);
  TIFFGetFieldDefaulted(file, TIFFTAG_PLANARCONFIG, &planar);
  TIFFGetField(file, TIFFTAG_PHOTOMETRIC, &photometric);
  layout->compression = compression;
  layout->photometric = photometric;
  layout->is_separate = planar == PLANARCONFIG_SEPARATE;
  layout->is_tiled = TIFFIsTiled(file);
  if (compression == COMPRESSION_JPEG && photometric == PHOTOMETRIC_YCBCR && !layout->is_separate) {
    TIFFSetField(file, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
  }
  if (layout->is_tiled) {
    TIFFGetField(file, TIFFTAG_TILEWIDTH, &layout->tile_width);
    TIFFGetField(file, TIFFTAG_TILELENGTH, &layout->tile_height);
    layout->tile_bytes = (size_t)TIFFTileSize(file);
    layout->tile_row_bytes = (size_t)TIFFTileRowSize(file);
  } else {
    TIFFGetFieldDefaulted(file, TIFFTAG_ROWSPERSTRIP, &layout->rows_per_strip);
    layout->row_bytes = (size_t)TIFFScanlineSize(file);
  }
  return CI_OK;
}

int ci_tiff_open(
    const uint8_t *bytes, size_t length, size_t memory_limit, ci_tiff **result, ci_tiff_layout *layout) {
  memset(layout, 0, sizeof *layout);
  *result = NULL;
  ci_tiff *tiff = calloc(1, sizeof *tiff);
  TIFFOpenOptions *options = tiff == NULL ? NULL : TIFFOpenOptionsAlloc();
  if (options == NULL) {
    free(tiff);
    snprintf(layout->message, CI_MESSAGE_SIZE, "there is no memory");
    return CI_BAD;
  }
  tiff->bytes = bytes;
  tiff->length = length;
  TIFFOpenOptionsSetMaxSingleMemAlloc(options, (tmsize_t)memory_limit);
  TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, tiff);
  TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, tiff);
  // m: not mapped, so that all reading goes through read_bytes.
  tiff->file = TIFFClientOpenExt(
      "picture", "rm", tiff, read_bytes, write_bytes, seek, close_source, size_of, NULL, NULL, options);
  TIFFOpenOptionsFree(options);
  int code = tiff->file == NULL ? CI_BAD : read_layout(tiff, layout);
  if (code != CI_OK) {
    snprintf(layout->message, CI_MESSAGE_SIZE, "%s", tiff->message);
    ci_tiff_close(tiff);
    return code;
  }
  *result = tiff;
  return CI_OK;
}

int ci_tiff_row(ci_tiff *tiff, uint32_t row, uint16_t plane, uint8_t *into, size_t size) {
  if (TIFFIsTiled(tiff->file) || (size_t)TIFFScanlineSize(tiff->file) > size) return CI_BAD;
  return TIFFReadScanline(tiff->file, into, row, plane) == 1 ? CI_OK : CI_BAD;
}

int ci_tiff_tile(ci_tiff *tiff, uint32_t x, uint32_t y, uint16_t plane, uint8_t *into, size_t size) {
  if (!TIFFIsTiled(tiff->file) || (size_t)TIFFTileSize(tiff->file) > size) return CI_BAD;
  return TIFFReadTile(tiff->file, into, x, y, 0, plane) < 0 ? CI_BAD : CI_OK;
}

int ci_tiff_rgba(ci_tiff *tiff, uint32_t x, uint32_t row, uint32_t *into, size_t pixels) {
  uint32_t width = 0, rows = 0;
  if (TIFFIsTiled(tiff->file)) {
    TIFFGetField(tiff->file, TIFFTAG_TILEWIDTH, &width);
    TIFFGetField(tiff->file, TIFFTAG_TILELENGTH, &rows);
    if ((uint64_t)width * rows > pixels) return CI_BAD;
    return TIFFReadRGBATileExt(tiff->file, x, row, into, 1) ? CI_OK : CI_BAD;
  }
  uint32_t height = 0;
  TIFFGetField(tiff->file, TIFFTAG_IMAGEWIDTH, &width);
  TIFFGetField(tiff->file, TIFFTAG_IMAGELENGTH, &height);
  TIFFGetFieldDefaulted(tiff->file, TIFFTAG_ROWSPERSTRIP, &rows);
  if (row >= height) return CI_BAD;
  if (rows > height - row) rows = height - row;
  if ((uint64_t)width * rows > pixels) return CI_BAD;
  return TIFFReadRGBAStripExt(tiff->file, row, into, 1) ? CI_OK : CI_BAD;
}

const char *ci_tiff_message(const ci_tiff *tiff) { return tiff->message; }

void ci_tiff_close(ci_tiff *tiff) {
  if (tiff == NULL) return;
  if (tiff->file != NULL) TIFFClose(tiff->file);
  free(tiff);
}
