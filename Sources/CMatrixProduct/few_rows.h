// A few rows against a matrix as it lies, whose rows each hold the terms of a column of c: it is read once, turned in registers,
// and multiplied there. The sums are the tiles'. Beside what tiles.h needs, the file that includes this defines:
//   STEP(element)           terms that are turned at a time
//   REGISTERS, TURNED       how many vectors these are, and their type
//   NAME(load_turned)(at, stride, width, element, rounds, rest, ahead, turned)
//   NAME(add_turned)(height, turned, left, rest, element, sums)
//   LOAD_SOME, STORE_SOME   the first `width` floats of a vector
//   GROUPS(height)          groups that are computed together, to hide the latency of additions
#pragma clang fp contract(off) reassociate(off)

// Bytes of each column ahead of those at work that are asked for. A cache line is asked for twice, from far and from near: while
// many requests are on their way, some are dropped or late.
#define FAR 768
#define NEAR 384

// Terms k..<k + rest of the columns at `base`, which are `width` of those of all groups, added to the sums.
ALWAYS_INLINE void NAME(add_few)(
    const int height, const headimpact_element element, const TERM *left, int64_t depth, headimpact_matrix right, const char *base,
    int width, int64_t k, int rest, int64_t ahead, VECTOR (*sums)[FEW_ROWS]) {
  const int groups = GROUPS(height);
  const int64_t bytes = element_bytes(element), stride = right.stride * bytes;
  // Of these columns, or of the next ones.
  if (k * bytes + ahead >= depth * bytes) ahead += LANES * groups * stride - depth * bytes;
  UNROLL for (int g = 0; g < groups; g++) {
    TURNED turned[REGISTERS];
    NAME(load_turned)(
        base + LANES * g * stride + k * bytes, stride, width - LANES * g, element, right.rounds, rest, ahead, turned);
    NAME(add_turned)(height, turned, left + k / PAIR * height, rest, element, sums[g]);
  }
}

ALWAYS_INLINE void NAME(few)(
    const int height, const headimpact_element element, const TERM *left, int rows, int64_t depth, headimpact_matrix right,
    int64_t first_column, int64_t end_column, float *c, int64_t c_stride, const float *bias, int accumulate) {
  const int groups = GROUPS(height), step = STEP(element);
  const int64_t bytes = element_bytes(element), stride = right.stride * bytes;
  for (int64_t column = first_column; column < end_column; column += LANES * groups) {
    int width = (int)smaller(LANES * groups, end_column - column);
    const char *base = (const char *)right.base + column * stride;
    for (int64_t start = 0; start < depth || start == 0; start += BLOCK) {
      int64_t end = start + smaller(BLOCK, depth - start);
      VECTOR sums[4][FEW_ROWS];
      UNROLL for (int g = 0; g < groups; g++) UNROLL for (int i = 0; i < height; i++) sums[g][i] = ZERO;
      int64_t k = start;
      // More rows wait for their products, not for memory.
      for (; height <= 4 && k + 2 * step <= end; k += 2 * step) {
        NAME(add_few)(height, element, left, depth, right, base, width, k, step, FAR, sums);
        NAME(add_few)(height, element, left, depth, right, base, width, k + step, step, NEAR, sums);
      }
      for (; k < end; k += step)
        NAME(add_few)(height, element, left, depth, right, base, width, k, (int)smaller(step, end - k), FAR, sums);
      UNROLL for (int g = 0; g < groups; g++) {
        int some = width - LANES * g;
        UNROLL for (int i = 0; i < height; i++) {
          if (some <= 0 || i >= rows) continue;
          float *to = c + i * c_stride + column + LANES * g;
          VECTOR value = sums[g][i];
          if (accumulate || start > 0) value = LOAD_SOME(to, some) + value;
          if (bias && end == depth) value = value + LOAD_SOME(bias + column + LANES * g, some);
          STORE_SOME(to, value, some);
        }
      }
    }
  }
}

#define FEW(height, element)                                                                                         \
  static void NAME(few_##height##_##element)(                                                                        \
      const TERM *left, int rows, int64_t depth, headimpact_matrix right, int64_t first, int64_t end, float *c,      \
      int64_t c_stride, const float *bias, int accumulate) {                                                         \
    NAME(few)(height, headimpact_##element, left, rows, depth, right, first, end, c, c_stride, bias, accumulate);    \
  }
#define FEW_OF_ELEMENTS(height) FEW(height, float32) FEW(height, bfloat16) FEW(height, float16)
#define FEW_NAMES(height) {NAME(few_##height##_float32), NAME(few_##height##_bfloat16), NAME(few_##height##_float16)}
FEW_OF_ELEMENTS(1)
FEW_OF_ELEMENTS(2)
FEW_OF_ELEMENTS(3)
FEW_OF_ELEMENTS(4)
FEW_OF_ELEMENTS(6)
#if FEW_ROWS > 6
FEW_OF_ELEMENTS(8)
FEW_OF_ELEMENTS(12)
FEW_OF_ELEMENTS(16)
#endif

static void NAME(run_few)(
    const TERM *left, int rows, int64_t depth, headimpact_matrix right, int64_t first, int64_t end, float *c, int64_t c_stride,
    const float *bias, int accumulate) {
  static void (*const functions[][3])(
      const TERM *, int, int64_t, headimpact_matrix, int64_t, int64_t, float *, int64_t, const float *, int) = {
      {0, 0, 0}, FEW_NAMES(1), FEW_NAMES(2), FEW_NAMES(3), FEW_NAMES(4), {0, 0, 0}, FEW_NAMES(6),
#if FEW_ROWS > 6
      {0, 0, 0}, FEW_NAMES(8), {0, 0, 0}, {0, 0, 0}, {0, 0, 0}, FEW_NAMES(12), {0, 0, 0}, {0, 0, 0}, {0, 0, 0}, FEW_NAMES(16),
#endif
  };
  functions[few_height(rows)][right.element](left, rows, depth, right, first, end, c, c_stride, bias, accumulate);
}
