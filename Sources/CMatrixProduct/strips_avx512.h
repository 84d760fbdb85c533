// Packing and turning with AVX-512, and what tiles.h and few_rows.h need of its vectors.

#define VECTOR __m512
#define LANES 16
#define VECTORS 2
#define TILE_ROWS 14
#define FEW_ROWS 16
#define ZERO _mm512_setzero_ps()
#define LOAD(at) _mm512_loadu_ps(at)
#define STORE(at, x) _mm512_storeu_ps(at, x)
#define LOAD_SOME(at, width) _mm512_maskz_loadu_ps(low_lanes(width), at)
#define STORE_SOME(at, x, width) _mm512_mask_storeu_ps(at, low_lanes(width), x)
#define TURNED __m512i
#define REGISTERS 8
#define STEP(element) LINE_TERMS(element)
#define GROUPS(height) ((height) <= 6 ? 2 : 1)

// Within each 128 bits, 4 registers' lanes of 32 bits become columns.
ALWAYS_INLINE void transpose_quarters(__m512i *r, const int registers) {
  __m512i t[16];
  UNROLL for (int i = 0; i < registers / 2; i++) {
    t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  }
  UNROLL for (int i = 0; i < registers / 4; i++) {
    r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  }
}

// 16 rows of 16 lanes of 32 bits become columns.
ALWAYS_INLINE void transpose_16(__m512i r[16]) {
  __m512i t[16];
  transpose_quarters(r, 16);
  UNROLL for (int j = 0; j < 4; j++) {
    __m512i even = _mm512_shuffle_i32x4(r[j], r[4 + j], 0x88), odd = _mm512_shuffle_i32x4(r[j], r[4 + j], 0xdd);
    __m512i even2 = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0x88), odd2 = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0xdd);
    t[j] = _mm512_shuffle_i32x4(even, even2, 0x88);
    t[8 + j] = _mm512_shuffle_i32x4(even, even2, 0xdd);
    t[4 + j] = _mm512_shuffle_i32x4(odd, odd2, 0x88);
    t[12 + j] = _mm512_shuffle_i32x4(odd, odd2, 0xdd);
  }
  UNROLL for (int i = 0; i < 16; i++) r[i] = t[i];
}

// 8 registers, of which i holds 8 lanes of row i and 8 of row i + 8, become 8 of 16 rows' lanes.
ALWAYS_INLINE void transpose_8(__m512i r[8]) {
  __m512i t[8];
  transpose_quarters(r, 8);
  const __m512i low = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13), high = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
  UNROLL for (int j = 0; j < 4; j++) {
    t[j] = _mm512_permutex2var_epi64(r[j], low, r[4 + j]);
    t[4 + j] = _mm512_permutex2var_epi64(r[j], high, r[4 + j]);
  }
  UNROLL for (int i = 0; i < 8; i++) r[i] = t[i];
}

// Float32 rounded to bf16 where it lies.
ALWAYS_INLINE __m512i round_16(__m512i x) {
#ifdef ROUND_16
  return ROUND_16(x);
#endif
  __m512i magnitude = _mm512_and_si512(x, _mm512_set1_epi32(0x7fffffff));
  __mmask16 nan = _mm512_cmpgt_epi32_mask(magnitude, _mm512_set1_epi32(0x7f800000));
  __m512i odd = _mm512_and_si512(_mm512_srli_epi32(x, 16), _mm512_set1_epi32(1));
  __m512i rounded = _mm512_add_epi32(x, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  rounded = _mm512_mask_or_epi32(rounded, nan, x, _mm512_set1_epi32(0x400000));
  return _mm512_and_si512(rounded, _mm512_set1_epi32((int)0xffff0000));
}

ALWAYS_INLINE __m256i round_8(__m256i x, int rounds) {
  return rounds ? _mm512_castsi512_si256(round_16(_mm512_zextsi256_si512(x))) : x;
}

ALWAYS_INLINE __mmask16 low_lanes(int64_t count) {
  return (__mmask16)(count >= 16 ? 0xffff : count <= 0 ? 0 : (1u << count) - 1);
}

// 16 consecutive numbers, those of the mask, as float32; the others 0.
ALWAYS_INLINE __m512i load_16(const char *at, const headimpact_element element, int rounds, __mmask16 mask) {
  __m512i x;
  if (element == headimpact_bfloat16)
    return _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, at)), 16);
  if (element == headimpact_float16)
    x = _mm512_castps_si512(_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, at)));
  else
    x = _mm512_maskz_loadu_epi32(mask, at);
  return rounds ? round_16(x) : x;
}

// Pairs of bf16 out of two vectors of float32 that bf16 holds exactly: of each lane, `even` below `odd`.
ALWAYS_INLINE __m512i pairs_of(__m512i even, __m512i odd) { return _mm512_or_si512(_mm512_srli_epi32(even, 16), odd); }

// 32 consecutive numbers, `rest` at most, as bf16.
ALWAYS_INLINE __m512i load_32(const char *at, const headimpact_element element, int64_t rest) {
  __mmask32 mask = rest >= 32 ? 0xffffffffu : (1u << rest) - 1;
#ifdef ROUND_32
  if (element == headimpact_float32)
    return ROUND_32(_mm512_maskz_loadu_ps((__mmask16)mask, at), _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), at + 64));
#endif
  (void)element;
  return _mm512_maskz_loadu_epi16(mask, at);
}

// Terms start..<start + length of up to 16 members from `first` on; out [terms][out_width], of which `stored` is written.
//
// paired: a term of `out` is two of the matrix, in bf16.
ALWAYS_INLINE void strip_across_16(
    headimpact_matrix m, const headimpact_element element, const int paired, int64_t first, const int width, int64_t start,
    int64_t length, uint32_t *out, int64_t out_width, __mmask16 stored) {
  const int64_t bytes = element_bytes(element), stride = m.stride * bytes;
  const char *base = place(m, first, start);
  const __m512i upper = _mm512_set1_epi32((int)0xffff0000);
  if (element == headimpact_bfloat16 || (paired && element == headimpact_float32)) {
    for (int64_t k = 0; k < length; k += 32) {
      int64_t rest = length - k, pairs = rest >= 32 ? 16 : (rest + 1) / 2;
      __m512i r[16];
      UNROLL for (int i = 0; i < 16; i++) {
        const char *line = base + i * stride + k * bytes;
        r[i] = i < width ? load_32(line, element, rest) : _mm512_setzero_si512();
        if (i < width && element == headimpact_bfloat16) __builtin_prefetch(line + 2 * BLOCK, 0, 2);
      }
      transpose_16(r);
      if (paired && rest >= 32) {
        UNROLL for (int p = 0; p < 16; p++) _mm512_mask_storeu_epi32(out + (k / 2 + p) * out_width, stored, r[p]);
      } else if (paired) {
        for (int p = 0; p < pairs; p++) _mm512_mask_storeu_epi32(out + (k / 2 + p) * out_width, stored, r[p]);
      } else {
        for (int p = 0; p < pairs; p++) {
          uint32_t *to = out + (k + 2 * p) * out_width;
          _mm512_mask_storeu_epi32(to, stored, _mm512_slli_epi32(r[p], 16));
          if (2 * p + 1 < rest) _mm512_mask_storeu_epi32(to + out_width, stored, _mm512_and_si512(r[p], upper));
        }
      }
    }
    return;
  }
  for (int64_t k = 0; k < length; k += 16) {
    int64_t rest = smaller(length - k, 16);
    __m512i r[16];
    UNROLL for (int i = 0; i < 16; i++) {
      r[i] = i < width ? load_16(base + i * stride + k * bytes, element, m.rounds, low_lanes(rest)) : _mm512_setzero_si512();
    }
    transpose_16(r);
    if (paired) {
      for (int p = 0; p < (rest + 1) / 2; p++)
        _mm512_mask_storeu_epi32(out + (k / 2 + p) * out_width, stored, pairs_of(r[2 * p], r[2 * p + 1]));
    } else {
      for (int p = 0; p < rest; p++) _mm512_mask_storeu_epi32(out + (k + p) * out_width, stored, r[p]);
    }
  }
}

// The same of a matrix whose rows each hold a term of all members.
ALWAYS_INLINE void strip_along_16(
    headimpact_matrix m, const headimpact_element element, const int paired, int64_t first, int width, int64_t start,
    int64_t length, uint32_t *out, int64_t out_width, __mmask16 stored) {
  __mmask16 mask = low_lanes(width);
  for (int64_t k = 0; k < length; k += paired ? 2 : 1) {
    __m512i x = load_16(place(m, first, start + k), element, m.rounds, mask);
    if (paired) {
      __m512i odd = _mm512_setzero_si512();
      if (k + 1 < length) odd = load_16(place(m, first, start + k + 1), element, m.rounds, mask);
      x = pairs_of(x, odd);
    }
    _mm512_mask_storeu_epi32(out + (paired ? k / 2 : k) * out_width, stored, x);
  }
}

ALWAYS_INLINE void strip_16(
    headimpact_matrix m, const headimpact_element element, const int paired, int64_t first, int width, int64_t start,
    int64_t length, uint32_t *out, int64_t out_width, __mmask16 stored) {
  if (!m.across)
    strip_along_16(m, element, paired, first, width, start, length, out, out_width, stored);
  else if (width == 16)
    strip_across_16(m, element, paired, first, 16, start, length, out, out_width, stored);
  else if (width == 14)
    strip_across_16(m, element, paired, first, 14, start, length, out, out_width, stored);
  else
    strip_across_16(m, element, paired, first, width, start, length, out, out_width, stored);
}

// A single member whose terms lie one behind the other: they stay in that order.
ALWAYS_INLINE void line(
    headimpact_matrix m, const headimpact_element element, const int paired, int64_t member, int64_t start, int64_t length,
    uint32_t *out) {
  const char *base = place(m, member, start);
  for (int64_t k = 0; k < length; k += 16) {
    __m512i x = load_16(base + k * element_bytes(element), element, m.rounds, low_lanes(length - k));
    if (paired)
      _mm256_mask_storeu_epi32(
          out + k / 2, (__mmask8)low_lanes((length - k + 1) / 2), _mm512_cvtepi32_epi16(_mm512_srli_epi32(x, 16)));
    else
      _mm512_mask_storeu_epi32(out + k, low_lanes(length - k), x);
  }
}

ALWAYS_INLINE void pack_strip(
    const int paired, headimpact_matrix m, int64_t first, int width, int64_t start, int64_t length, uint32_t *out,
    int out_width) {
  // What is paired is bf16.
  if (paired) m.rounds = 1;
  if (out_width == 1 && width == 1 && m.across) {
    switch (m.element) {
      case headimpact_float32: line(m, headimpact_float32, paired, first, start, length, out); return;
      case headimpact_bfloat16: line(m, headimpact_bfloat16, paired, first, start, length, out); return;
      case headimpact_float16: line(m, headimpact_float16, paired, first, start, length, out); return;
    }
  }
  for (int member = 0; member < out_width; member += 16) {
    int some = width - member < 0 ? 0 : (int)smaller(width - member, 16);
    __mmask16 stored = low_lanes(out_width - member);
    switch (m.element) {
      case headimpact_float32:
        strip_16(m, headimpact_float32, paired, first + member, some, start, length, out + member, out_width, stored);
        break;
      case headimpact_bfloat16:
        strip_16(m, headimpact_bfloat16, paired, first + member, some, start, length, out + member, out_width, stored);
        break;
      case headimpact_float16:
        strip_16(m, headimpact_float16, paired, first + member, some, start, length, out + member, out_width, stored);
        break;
    }
  }
}

// `rest` numbers of a line: 16 of bf16, or 8 as float32.
ALWAYS_INLINE __m256i load_line(const char *line, const headimpact_element element, int rounds, int rest) {
  __mmask16 mask = low_lanes(rest);
  if (element == headimpact_bfloat16)
    return rest >= 16 ? _mm256_loadu_si256((const __m256i *)line) : _mm256_maskz_loadu_epi16(mask, line);
  if (element == headimpact_float16)
    return round_8(_mm256_castps_si256(_mm256_cvtph_ps(_mm_maskz_loadu_epi16((__mmask8)mask, line))), rounds);
  return round_8(
      rest >= 8 ? _mm256_loadu_si256((const __m256i *)line) : _mm256_maskz_loadu_epi32((__mmask8)mask, line), rounds);
}

#define LINE_TERMS(element) ((element) == headimpact_bfloat16 ? 16 : 8)

// `rest` terms of up to 16 members: 8 registers of pairs of bf16, or of float32.
ALWAYS_INLINE void load_turned_16(
    const char *at, int64_t stride, int width, const headimpact_element element, int rounds, int rest, int64_t ahead,
    __m512i r[8]) {
  const int whole = LINE_TERMS(element);
  if (width >= 16 && rest >= whole) {
    UNROLL for (int i = 0; i < 8; i++) {
      const char *line = at + i * stride, *other = line + 8 * stride;
      __builtin_prefetch(line + ahead);
      __builtin_prefetch(other + ahead);
      r[i] = _mm512_inserti64x4(
          _mm512_castsi256_si512(load_line(line, element, rounds, whole)), load_line(other, element, rounds, whole), 1);
    }
  } else {
    for (int i = 0; i < 8; i++) {
      const char *line = at + i * stride;
      __m256i low = _mm256_setzero_si256(), high = low;
      if (i < width) low = load_line(line, element, rounds, rest);
      if (i + 8 < width) high = load_line(line + 8 * stride, element, rounds, rest);
      r[i] = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
    }
  }
  transpose_8(r);
}
