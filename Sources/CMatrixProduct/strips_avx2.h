// Packing and turning with AVX2.

ALWAYS_INLINE __m256i round_8(__m256i x, int rounds) {
  if (!rounds) return x;
  __m256i magnitude = _mm256_and_si256(x, _mm256_set1_epi32(0x7fffffff));
  __m256i nan = _mm256_cmpgt_epi32(magnitude, _mm256_set1_epi32(0x7f800000));
  __m256i odd = _mm256_and_si256(_mm256_srli_epi32(x, 16), _mm256_set1_epi32(1));
  __m256i rounded = _mm256_add_epi32(x, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  rounded = _mm256_blendv_epi8(rounded, _mm256_or_si256(x, _mm256_set1_epi32(0x400000)), nan);
  return _mm256_and_si256(rounded, _mm256_set1_epi32((int)0xffff0000));
}

ALWAYS_INLINE __m256 load_some(const float *at, int width) {
  if (width >= 8) return _mm256_loadu_ps(at);
  float line[8] = {0};
  for (int i = 0; i < width; i++) line[i] = at[i];
  return _mm256_loadu_ps(line);
}

ALWAYS_INLINE void store_some(float *at, __m256 x, int width) {
  if (width >= 8) {
    _mm256_storeu_ps(at, x);
  } else if (width == 6) {
    _mm_storeu_ps(at, _mm256_castps256_ps128(x));
    _mm_storel_pi((__m64 *)(at + 4), _mm256_extractf128_ps(x, 1));
  } else {
    float line[8];
    _mm256_storeu_ps(line, x);
    for (int i = 0; i < width; i++) at[i] = line[i];
  }
}

// Numbers of a line, where so many lie: 8 of bf16 as they are, or 4 as float32.
ALWAYS_INLINE __m128i load_whole_line(const char *line, const headimpact_element element, int rounds) {
  if (element == headimpact_bfloat16) return _mm_loadu_si128((const __m128i *)line);
  __m128i x = element == headimpact_float16 ? _mm_castps_si128(_mm_cvtph_ps(_mm_loadl_epi64((const __m128i *)line)))
                                            : _mm_loadu_si128((const __m128i *)line);
  return _mm256_castsi256_si128(round_8(_mm256_zextsi128_si256(x), rounds));
}

#define LINE_TERMS(element) ((element) == headimpact_bfloat16 ? 8 : 4)

// The same of `rest` numbers; the others 0.
ALWAYS_INLINE __m128i load_line(const char *line, const headimpact_element element, int rounds, int rest) {
  if (rest >= LINE_TERMS(element)) return load_whole_line(line, element, rounds);
  char numbers[16] = {0};
  memcpy(numbers, line, (size_t)(rest * element_bytes(element)));
  return load_whole_line(numbers, element, rounds);
}

// `rest` terms of up to 8 members, turned: 4 registers of pairs of bf16, or of float32.
ALWAYS_INLINE void load_turned_8(
    const char *at, int64_t stride, int width, const headimpact_element element, int rounds, int rest, int64_t ahead,
    __m256i r[4]) {
  if (width >= 8 && rest >= LINE_TERMS(element)) {
    UNROLL for (int i = 0; i < 4; i++) {
      const char *line = at + i * stride, *other = line + 4 * stride;
      __builtin_prefetch(line + ahead);
      __builtin_prefetch(other + ahead);
      r[i] = _mm256_inserti128_si256(
          _mm256_castsi128_si256(load_whole_line(line, element, rounds)), load_whole_line(other, element, rounds), 1);
    }
  } else {
    for (int i = 0; i < 4; i++) {
      const char *line = at + i * stride;
      __m128i low = _mm_setzero_si128(), high = low;
      if (i < width) low = load_line(line, element, rounds, rest);
      if (i + 4 < width) high = load_line(line + 4 * stride, element, rounds, rest);
      r[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
    }
  }
  __m256i a = _mm256_unpacklo_epi32(r[0], r[1]), b = _mm256_unpackhi_epi32(r[0], r[1]);
  __m256i c = _mm256_unpacklo_epi32(r[2], r[3]), d = _mm256_unpackhi_epi32(r[2], r[3]);
  r[0] = _mm256_unpacklo_epi64(a, c);
  r[1] = _mm256_unpackhi_epi64(a, c);
  r[2] = _mm256_unpacklo_epi64(b, d);
  r[3] = _mm256_unpackhi_epi64(b, d);
}

// 8 consecutive numbers as float32, or as many as `some`; the others 0.
ALWAYS_INLINE __m256i load_8(const char *at, const headimpact_element element, int rounds, int some) {
  char numbers[32];
  if (some < 8) {
    memset(numbers, 0, sizeof numbers);
    memcpy(numbers, at, (size_t)(some * element_bytes(element)));
    at = numbers;
  }
  if (element == headimpact_bfloat16)
    return _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)at)), 16);
  return round_8(
      element == headimpact_float16 ? _mm256_castps_si256(_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)at)))
                                    : _mm256_loadu_si256((const __m256i *)at),
      rounds);
}

// Terms start..<start + length of up to 8 members from `first` on; out [terms][out_width], of which `stored` lanes are written.
ALWAYS_INLINE void strip_8(
    headimpact_matrix m, const headimpact_element element, int64_t first, int width, int64_t start, int64_t length, float *out,
    int64_t out_width, int stored) {
  if (!m.across) {
    for (int64_t k = 0; k < length; k++)
      store_some(
          out + k * out_width, _mm256_castsi256_ps(load_8(place(m, first, start + k), element, m.rounds, width)), stored);
    return;
  }
  const int64_t bytes = element_bytes(element), stride = m.stride * bytes;
  const char *base = place(m, first, start);
  const int step = LINE_TERMS(element);
  for (int64_t k = 0; k < length; k += step) {
    int rest = (int)smaller(step, length - k);
    __m256i r[4];
    load_turned_8(base + k * bytes, stride, width, element, m.rounds, rest, BLOCK * bytes, r);
    for (int t = 0; t < rest; t++) {
      __m256i x = element != headimpact_bfloat16 ? r[t]
          : t % 2                                 ? _mm256_and_si256(r[t / 2], _mm256_set1_epi32((int)0xffff0000))
                                                  : _mm256_slli_epi32(r[t / 2], 16);
      store_some(out + (k + t) * out_width, _mm256_castsi256_ps(x), stored);
    }
  }
}

// A single member whose terms lie one behind the other: they stay in that order.
ALWAYS_INLINE void line(
    headimpact_matrix m, const headimpact_element element, int64_t member, int64_t start, int64_t length, float *out) {
  const char *base = place(m, member, start);
  for (int64_t k = 0; k < length; k += 8) {
    int some = (int)smaller(8, length - k);
    __m256i x = load_8(base + k * element_bytes(element), element, m.rounds, some);
    store_some(out + k, _mm256_castsi256_ps(x), some);
  }
}

ALWAYS_INLINE void pack_strip(
    headimpact_matrix m, int64_t first, int width, int64_t start, int64_t length, float *out, int out_width) {
  if (out_width == 1 && width == 1 && m.across) {
    switch (m.element) {
      case headimpact_float32: line(m, headimpact_float32, first, start, length, out); return;
      case headimpact_bfloat16: line(m, headimpact_bfloat16, first, start, length, out); return;
      case headimpact_float16: line(m, headimpact_float16, first, start, length, out); return;
    }
  }
  for (int member = 0; member < out_width; member += 8) {
    int some = width - member < 0 ? 0 : (int)smaller(width - member, 8), stored = (int)smaller(out_width - member, 8);
    switch (m.element) {
      case headimpact_float32:
        strip_8(m, headimpact_float32, first + member, some, start, length, out + member, out_width, stored);
        break;
      case headimpact_bfloat16:
        strip_8(m, headimpact_bfloat16, first + member, some, start, length, out + member, out_width, stored);
        break;
      case headimpact_float16:
        strip_8(m, headimpact_float16, first + member, some, start, length, out + member, out_width, stored);
        break;
    }
  }
}
