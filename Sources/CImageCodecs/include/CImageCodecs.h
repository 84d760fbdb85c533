#ifndef C_IMAGE_CODECS_H
#define C_IMAGE_CODECS_H

#include <stddef.h>
#include <stdint.h>

#define CI_MESSAGE_SIZE 200

/// A PNG's samples as stored, only unpacked: nothing scaled, no gamma, no transparency applied.
typedef struct {
  /// In: room for `height` rows of `row_bytes`. Samples below 8 bits take a byte each; 16 bits are big-endian.
  uint8_t *samples;
  size_t row_bytes;
  uint32_t height;
  /// Out: red, green, blue of each palette entry; zero where the file has none.
  uint8_t palette[768];
  /// Out: what is wrong, where the result is not 0.
  char message[CI_MESSAGE_SIZE];
} ci_png;

/// Decodes a whole PNG. libpng reports errors by longjmp, which must not cross Swift: that is why this is C.
///
/// Returns 0, or 1 with `message` set.
int ci_png_decode(const uint8_t *bytes, size_t length, ci_png *png);

#endif
