#include "CImageCodecs.h"

#include <gif_lib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ci_gif {
  GifFileType *file;
  const uint8_t *bytes;
  size_t left;
  int has_ended;
};

static int read_bytes(GifFileType *file, GifByteType *into, int count) {
  ci_gif *gif = file->UserData;
  if (count <= 0) return 0;
  if (gif->left == 0 && !gif->has_ended && count == 1) {
    // The byte that ends a picture's data may be cut off, and only it: as data of its own it is an error.
    gif->has_ended = 1;
    *into = 0;
    return 1;
  }
  if ((size_t)count > gif->left) {
    gif->has_ended = 1;
    return 0;
  }
  memcpy(into, gif->bytes, (size_t)count);
  gif->bytes += count;
  gif->left -= (size_t)count;
  return count;
}

static int fail(ci_gif *gif, int code, char *message) {
  const char *text = GifErrorString(code);
  snprintf(message, CI_MESSAGE_SIZE, "%s", text != NULL ? text : "giflib gives no reason");
  return gif->has_ended ? CI_ENDS_EARLY : CI_BAD;
}

/// Pillow takes a palette of nothing but its own numbers for none.
static int is_ramp(const ColorMapObject *map) {
  for (int i = 0; i < map->ColorCount; i++) {
    const GifColorType color = map->Colors[i];
    if (color.Red != i || color.Green != i || color.Blue != i) return 0;
  }
  return 1;
}

static void copy_palette(const ColorMapObject *map, ci_gif_frame *frame) {
  if (map == NULL || map->Colors == NULL) return;
  frame->colors = map->ColorCount < 256 ? map->ColorCount : 256;
  for (int i = 0; i < frame->colors; i++) {
    frame->palette[3 * i] = map->Colors[i].Red;
    frame->palette[3 * i + 1] = map->Colors[i].Green;
    frame->palette[3 * i + 2] = map->Colors[i].Blue;
  }
}

static int read_extension(GifFileType *file, ci_gif_frame *frame) {
  int code = 0;
  GifByteType *block = NULL;
  if (DGifGetExtension(file, &code, &block) == GIF_ERROR) return GIF_ERROR;
  while (block != NULL) {
    if (code == GRAPHICS_EXT_FUNC_CODE && block[0] >= 4 && (block[1] & 1) != 0) frame->transparent = block[4];
    if (DGifGetExtensionNext(file, &block) == GIF_ERROR) return GIF_ERROR;
  }
  return GIF_OK;
}

static int find_picture(ci_gif *gif, ci_gif_frame *frame) {
  GifFileType *file = gif->file;
  for (;;) {
    GifRecordType type = UNDEFINED_RECORD_TYPE;
    if (DGifGetRecordType(file, &type) == GIF_ERROR) return fail(gif, file->Error, frame->message);
    if (type == TERMINATE_RECORD_TYPE) {
      snprintf(frame->message, CI_MESSAGE_SIZE, "it has no picture");
      return CI_BAD;
    }
    if (type == EXTENSION_RECORD_TYPE) {
      if (read_extension(file, frame) == GIF_ERROR) return fail(gif, file->Error, frame->message);
    } else if (type == IMAGE_DESC_RECORD_TYPE) {
      if (DGifGetImageDesc(file) == GIF_ERROR) return fail(gif, file->Error, frame->message);
      frame->left = (uint32_t)file->Image.Left;
      frame->top = (uint32_t)file->Image.Top;
      frame->width = (uint32_t)file->Image.Width;
      frame->height = (uint32_t)file->Image.Height;
      frame->is_interlaced = file->Image.Interlace;
      const ColorMapObject *local = file->Image.ColorMap;
      copy_palette(local != NULL && local->Colors != NULL && !is_ramp(local) ? local : file->SColorMap, frame);
      return CI_OK;
    }
  }
}

int ci_gif_open(const uint8_t *bytes, size_t length, ci_gif **result, ci_gif_frame *frame) {
  memset(frame, 0, sizeof *frame);
  frame->transparent = -1;
  *result = NULL;
  ci_gif *gif = calloc(1, sizeof *gif);
  if (gif == NULL) {
    snprintf(frame->message, CI_MESSAGE_SIZE, "there is no memory");
    return CI_BAD;
  }
  gif->bytes = bytes;
  gif->left = length;
  int error = 0;
  gif->file = DGifOpen(gif, read_bytes, &error);
  int code = CI_OK;
  if (gif->file == NULL) {
    code = fail(gif, error, frame->message);
  } else {
    frame->screen_width = (uint32_t)gif->file->SWidth;
    frame->screen_height = (uint32_t)gif->file->SHeight;
    code = find_picture(gif, frame);
  }
  if (code == CI_OK && gif->has_ended) code = CI_ENDS_EARLY;
  if (code != CI_OK) {
    ci_gif_close(gif);
    return code;
  }
  *result = gif;
  return CI_OK;
}

int ci_gif_row(ci_gif *gif, uint8_t *row, uint32_t width, char message[CI_MESSAGE_SIZE]) {
  if (DGifGetLine(gif->file, row, (int)width) == GIF_OK) return CI_OK;
  return fail(gif, gif->file->Error, message);
}

void ci_gif_close(ci_gif *gif) {
  if (gif == NULL) return;
  int error = 0;
  if (gif->file != NULL) DGifCloseFile(gif->file, &error);
  free(gif);
}
