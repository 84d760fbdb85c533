// The kernels for one kind of processor: included with
//   LANES, the floats of a vector; ROWS, the most rows at a time; NAME(x), a name of this version;
//   load_part(from, n) and store_part(to, x, n), of n < LANES floats that touch no others; transpose(rows), of LANES rows of as
//   many; multiply_add(a, b, c), a * b + c.
// Loops over `rows` and `vectors` unroll: both are constants wherever these functions are inlined.
typedef float NAME(vec) __attribute__((ext_vector_type(LANES)));
typedef int32_t NAME(ivec) __attribute__((ext_vector_type(LANES)));
#define vec NAME(vec)
#define ivec NAME(ivec)
#define UNROLL _Pragma("clang loop unroll(full)")

// `in_place_step`: so many values stay in the first cache.
enum { NAME(tile) = 2 * LANES, NAME(vectors_at_once) = 8, NAME(in_place_step) = 32 };
#define TILE NAME(tile)

INLINE vec NAME(load)(const float *x) {
  vec v;
  memcpy(&v, x, sizeof v);
  return v;
}
INLINE void NAME(store)(float *x, vec v) { memcpy(x, &v, sizeof v); }
INLINE vec NAME(broadcast)(float x) { return (vec)(x); }

INLINE const float *NAME(at)(const headimpact_attention_source *source, size_t position) {
  return position < source->shared_count ? source->shared + position * source->stride
                                         : source->own + (position - source->shared_count) * source->stride;
}

// The rows computed together when so many are left.
INLINE size_t NAME(block)(size_t left) {
  if (left >= ROWS) return ROWS;
  for (size_t rows = 8; rows > 1; rows /= 2) {
    if (rows < ROWS && left >= rows) return rows;
  }
  return 1;
}

// What a block of rows sees: all of it, and what every row sees.
typedef struct {
  size_t first, end, common_first, common_end;
} NAME(seen);

INLINE NAME(seen) NAME(see)(const headimpact_attention_row *rows, size_t count) {
  NAME(seen) seen = {rows[0].first, rows[0].end, rows[0].first, rows[0].end};
  for (size_t r = 1; r < count; r++) {
    seen.first = rows[r].first < seen.first ? rows[r].first : seen.first;
    seen.common_first = rows[r].first > seen.common_first ? rows[r].first : seen.common_first;
    seen.end = rows[r].end > seen.end ? rows[r].end : seen.end;
    seen.common_end = rows[r].end < seen.common_end ? rows[r].end : seen.common_end;
  }
  return seen;
}

// MARK: Keys

// A tile: [depth, TILE]. Behind the last key it is repeated.
static void NAME(pack_tile)(
    const headimpact_attention_source *keys, size_t first, size_t end, size_t depth, float *packed) {
  for (size_t half = 0; half < 2; half++, packed += LANES) {
    const float *from[LANES];
    for (size_t i = 0; i < LANES; i++) {
      size_t position = first + half * LANES + i;
      from[i] = NAME(at)(keys, position < end ? position : end - 1);
    }
    vec rows[LANES];
    size_t d = 0;
    for (; d + LANES <= depth; d += LANES) {
      UNROLL for (size_t i = 0; i < LANES; i++) rows[i] = NAME(load)(from[i] + d);
      transpose(rows);
      UNROLL for (size_t i = 0; i < LANES; i++) NAME(store)(packed + (d + i) * TILE, rows[i]);
    }
    if (d == depth) continue;
    UNROLL for (size_t i = 0; i < LANES; i++) rows[i] = load_part(from[i] + d, depth - d);
    transpose(rows);
    for (size_t i = 0; i < depth - d; i++) NAME(store)(packed + (d + i) * TILE, rows[i]);
  }
}

static size_t NAME(keys_size)(size_t positions, size_t depth) { return (positions + TILE - 1) / TILE * TILE * depth; }

static void NAME(pack_keys)(const headimpact_attention *attention, float *packed) {
  for (size_t first = 0; first < attention->positions; first += TILE, packed += TILE * attention->depth) {
    NAME(pack_tile)(&attention->keys, first, attention->positions, attention->depth, packed);
  }
}

// The scores of a tile. Queries: [depth, rows]. Meanwhile, fetches the keys that come next, if any:
// those of one head lie too far apart for the processor to foresee.
INLINE void NAME(score)(
    const size_t rows, const float *queries, const float *tile, size_t depth, const headimpact_attention_row *to,
    size_t column, const float *const *next) {
  vec sums[ROWS][2] = {};
  for (size_t d = 0; d < depth; d++, queries += rows, tile += TILE) {
    if (next) {
      UNROLL for (size_t i = 0; i < TILE; i += 16) __builtin_prefetch(next[d % TILE] + d / TILE * TILE + i);
    }
    vec low = NAME(load)(tile), high = NAME(load)(tile + LANES);
    UNROLL for (size_t r = 0; r < rows; r++) {
      vec q = NAME(broadcast)(queries[r]);
      sums[r][0] = multiply_add(q, low, sums[r][0]);
      sums[r][1] = multiply_add(q, high, sums[r][1]);
    }
  }
  UNROLL for (size_t r = 0; r < rows; r++) {
    NAME(store)(to[r].weights + column, sums[r][0]);
    NAME(store)(to[r].weights + column + LANES, sums[r][1]);
  }
}

static void NAME(scores)(
    const headimpact_attention *attention, const headimpact_attention_row *rows, size_t count) {
  size_t depth = attention->depth;
  float *queries = attention->scratch, *scratch = queries + HEADIMPACT_ATTENTION_ROWS * depth;
  for (size_t r = 0, block; r < count; r += block) {
    block = NAME(block)(count - r);
    for (size_t i = 0; i < block; i++) {
      for (size_t d = 0; d < depth; d++) queries[r * depth + d * block + i] = rows[r + i].query[d];
    }
  }
  NAME(seen) seen = NAME(see)(rows, count);
  for (size_t at = seen.first / TILE * TILE; at < seen.end; at += TILE) {
    const float *tile = scratch, *after[TILE], *const *next = NULL;
    if (attention->packed_keys) {
      tile = attention->packed_keys + at * depth;
    } else {
      NAME(pack_tile)(&attention->keys, at, seen.end, depth, scratch);
      for (size_t i = 0; i < TILE; i++) {
        after[i] = NAME(at)(&attention->keys, at + TILE + i < seen.end ? at + TILE + i : seen.end - 1);
      }
      next = after;
    }
    for (size_t r = 0, block; r < count; r += block) {
      block = NAME(block)(count - r);
      NAME(seen) part = NAME(see)(rows + r, block);
      if (part.first >= at + TILE || part.end <= at) continue;
#define SCORE(n) \
  case n: NAME(score)(n, queries + r * depth, tile, depth, rows + r, at, r == 0 ? next : NULL); break;
      switch (block) {
        EACH_BLOCK(SCORE)
      }
#undef SCORE
    }
  }
}

// MARK: Softmax

// exp as fast_exp computes it.
INLINE vec NAME(exp)(vec x) {
  vec low = NAME(broadcast)(-87.0f), high = NAME(broadcast)(88.0f), magic = NAME(broadcast)(12582912.0f);
  x = x < low ? low : (x > high ? high : x);
  vec z = multiply_add(x, NAME(broadcast)(1.44269504088896341f), magic);
  vec n = z - magic;
  vec r = multiply_add(n, NAME(broadcast)(-0.693359375f), x);
  r = multiply_add(n, NAME(broadcast)(2.12194440e-4f), r);
  vec p = NAME(broadcast)(1.9875691500e-4f);
  p = multiply_add(p, r, NAME(broadcast)(1.3981999507e-3f));
  p = multiply_add(p, r, NAME(broadcast)(8.3334519073e-3f));
  p = multiply_add(p, r, NAME(broadcast)(4.1665795894e-2f));
  p = multiply_add(p, r, NAME(broadcast)(1.6666665459e-1f));
  p = multiply_add(p, r, NAME(broadcast)(5.0000001201e-1f));
  p = multiply_add(p, r * r, r) + NAME(broadcast)(1.0f);
  return __builtin_bit_cast(vec, __builtin_bit_cast(ivec, p) + (__builtin_bit_cast(ivec, z) << 23));
}

static void NAME(softmax)(float *row, size_t n, float scale) {
  enum { parts = 16 / LANES };
  // The last, incomplete group of 16, filled up.
  float tail[16];
  size_t whole = n / 16 * 16, rest = n - whole;
  for (size_t i = 0; i < 16; i++) tail[i] = i < rest ? row[whole + i] : row[0];
  vec peaks[parts];
  ivec broken = {};
  UNROLL for (size_t v = 0; v < parts; v++) {
    peaks[v] = NAME(load)(tail + v * LANES);
    broken |= peaks[v] != peaks[v];
  }
  for (size_t i = 0; i < whole; i += 16) {
    UNROLL for (size_t v = 0; v < parts; v++) {
      vec x = NAME(load)(row + i + v * LANES);
      broken |= x != x;
      peaks[v] = x > peaks[v] ? x : peaks[v];
    }
  }
  float peak = row[0];
  int is_broken = 0;
  for (size_t v = 0; v < parts; v++) {
    for (size_t i = 0; i < LANES; i++) peak = peaks[v][i] > peak ? peaks[v][i] : peak;
  }
  for (size_t i = 0; i < LANES; i++) is_broken |= broken[i];
  // NaN must stay NaN: exp would make a number of one with a payload.
  if (is_broken) {
    for (size_t i = 0; i < n; i++) row[i] = NAN;
    return;
  }

  vec sums[parts] = {}, peak_vector = NAME(broadcast)(peak), scale_vector = NAME(broadcast)(scale);
  for (size_t i = 0; i < whole; i += 16) {
    UNROLL for (size_t v = 0; v < parts; v++) {
      vec e = NAME(exp)((NAME(load)(row + i + v * LANES) - peak_vector) * scale_vector);
      NAME(store)(row + i + v * LANES, e);
      sums[v] += e;
    }
  }
  UNROLL for (size_t v = 0; v < parts; v++) {
    NAME(store)(tail + v * LANES, NAME(exp)((NAME(load)(tail + v * LANES) - peak_vector) * scale_vector));
  }
  for (size_t i = rest; i < 16; i++) tail[i] = 0;
  float partial[16];
  UNROLL for (size_t v = 0; v < parts; v++) {
    NAME(store)(partial + v * LANES, sums[v] + NAME(load)(tail + v * LANES));
  }
  for (size_t half = 8; half > 0; half /= 2) {
    for (size_t i = 0; i < half; i++) partial[i] += partial[i + half];
  }
  float inverse = 1.0f / partial[0];
  for (size_t i = 0; i < whole; i += LANES) {
    NAME(store)(row + i, NAME(load)(row + i) * NAME(broadcast)(inverse));
  }
  for (size_t i = 0; i < rest; i++) row[whole + i] = tail[i] * inverse;
}

// MARK: Values

// Panels of 2 vectors, and perhaps one of 1: [positions, 2 * LANES], filled up with 0.
static size_t NAME(values_size)(size_t positions, size_t depth) {
  return positions * ((depth + LANES - 1) / LANES * LANES);
}

static void NAME(pack_values)(const headimpact_attention *attention, float *packed) {
  for (size_t d = 0; d < attention->depth; d += 2 * LANES) {
    size_t left = attention->depth - d;
    for (size_t at = 0; at < attention->positions; at++) {
      const float *from = NAME(at)(&attention->values, at) + d;
      NAME(store)(packed, left >= LANES ? NAME(load)(from) : load_part(from, left));
      packed += LANES;
      if (left <= LANES) continue;
      NAME(store)(packed, left >= 2 * LANES ? NAME(load)(from + LANES) : load_part(from + LANES, left - LANES));
      packed += LANES;
    }
  }
}

// Adds the values at first..<end to the sums of a block of rows. Without `all`, a row adds what it sees.
INLINE void NAME(add)(
    const size_t rows, const size_t vectors, const int all, vec sums[ROWS][2], const headimpact_attention_row *of,
    const float *const weights[ROWS], const float *values, size_t first, size_t end) {
  values += first * vectors * LANES;
  for (size_t at = first; at < end; at++, values += vectors * LANES) {
    vec v[2];
    UNROLL for (size_t i = 0; i < vectors; i++) v[i] = NAME(load)(values + i * LANES);
    UNROLL for (size_t r = 0; r < rows; r++) {
      if (!all && at - of[r].first >= of[r].end - of[r].first) continue;
      vec w = NAME(broadcast)(weights[r][at]);
      UNROLL for (size_t i = 0; i < vectors; i++) sums[r][i] = multiply_add(w, v[i], sums[r][i]);
    }
  }
}

// A panel of a block of rows, over the positions first..<end.
INLINE void NAME(sum)(
    const size_t rows, const size_t vectors, const headimpact_attention_row *of, size_t column, size_t width,
    const float *values, size_t first, size_t end) {
  NAME(seen) seen = NAME(see)(of, rows);
  if (seen.first < first) seen.first = first;
  if (seen.end > end) seen.end = end;
  if (seen.first >= seen.end) return;
  size_t common_first = seen.common_first < seen.first ? seen.first : seen.common_first;
  size_t common_end = seen.common_end > seen.end ? seen.end : seen.common_end;
  if (common_first >= common_end) common_first = common_end = seen.end;
  const float *weights[ROWS];
  vec sums[ROWS][2];
  UNROLL for (size_t r = 0; r < rows; r++) {
    weights[r] = of[r].weights;
    UNROLL for (size_t i = 0; i < vectors; i++) {
      const float *from = of[r].output + column + i * LANES;
      size_t left = width - i * LANES;
      sums[r][i] = left >= LANES ? NAME(load)(from) : load_part(from, left);
    }
  }
  NAME(add)(rows, vectors, 0, sums, of, weights, values, seen.first, common_first);
  NAME(add)(rows, vectors, 1, sums, of, weights, values, common_first, common_end);
  NAME(add)(rows, vectors, 0, sums, of, weights, values, common_end, seen.end);
  UNROLL for (size_t r = 0; r < rows; r++) {
    UNROLL for (size_t i = 0; i < vectors; i++) {
      float *to = of[r].output + column + i * LANES;
      size_t left = width - i * LANES;
      if (left >= LANES) {
        NAME(store)(to, sums[r][i]);
      } else {
        store_part(to, sums[r][i], left);
      }
    }
  }
}

static void NAME(add_packed)(
    const headimpact_attention *attention, const headimpact_attention_row *rows, size_t count) {
  // A panel of so many values stays in the first cache.
  enum { step = VALUES_AT_ONCE };
  NAME(seen) seen = NAME(see)(rows, count);
  for (size_t first = seen.first; first < seen.end; first += step) {
    size_t end = first + step < seen.end ? first + step : seen.end;
    for (size_t d = 0; d < attention->depth; d += 2 * LANES) {
      size_t width = attention->depth - d;
      size_t vectors = width > LANES ? 2 : 1;
      const float *values = attention->packed_values + d * attention->positions;
      for (size_t r = 0, block; r < count; r += block) {
        block = NAME(block)(count - r);
#define SUM(n)                                                        \
  case n:                                                             \
    if (vectors == 2) {                                               \
      NAME(sum)(n, 2, rows + r, d, width, values, first, end);        \
    } else {                                                          \
      NAME(sum)(n, 1, rows + r, d, width, values, first, end);        \
    }                                                                 \
    break;
        switch (block) {
          EACH_BLOCK(SUM)
        }
#undef SUM
      }
    }
  }
}

// Some dimensions of a row over values where they lie. Meanwhile, fetches its share of the values that come next: those of one
// head lie too far apart for the processor to foresee.
INLINE void NAME(sum_row)(
    const size_t vectors, float *output, const float *weights, const float *values, size_t stride, size_t count,
    size_t share, size_t shares) {
  size_t turn = share;
  vec sums[NAME(vectors_at_once)];
  UNROLL for (size_t i = 0; i < vectors; i++) sums[i] = NAME(load)(output + i * LANES);
  for (size_t k = 0; k < count; k++, values += stride) {
    vec w = NAME(broadcast)(weights[k]);
    if (turn == 0) {
      turn = shares;
      UNROLL for (size_t i = 0; i < vectors * LANES; i += 16) {
        __builtin_prefetch(values + NAME(in_place_step) * stride + i);
      }
    }
    turn--;
    UNROLL for (size_t i = 0; i < vectors; i++) {
      sums[i] = multiply_add(w, NAME(load)(values + i * LANES), sums[i]);
    }
  }
  UNROLL for (size_t i = 0; i < vectors; i++) NAME(store)(output + i * LANES, sums[i]);
}

static void NAME(add_row)(
    float *output, const float *weights, const float *values, size_t stride, size_t count, size_t depth, size_t share,
    size_t shares) {
  size_t d = 0;
#define SUM_ROW(n)                                                                      \
  for (; d + n * LANES <= depth; d += n * LANES) {                                      \
    NAME(sum_row)(n, output + d, weights, values + d, stride, count, share, shares);    \
  }
  SUM_ROW(8)
  SUM_ROW(4)
  SUM_ROW(1)
#undef SUM_ROW
  if (d == depth) return;
  vec sum = load_part(output + d, depth - d);
  for (size_t k = 0; k < count; k++) {
    vec w = NAME(broadcast)(weights[k]);
    sum = multiply_add(w, load_part(values + k * stride + d, depth - d), sum);
  }
  store_part(output + d, sum, depth - d);
}

static void NAME(add_in_place)(
    const headimpact_attention *attention, const headimpact_attention_row *rows, size_t count) {
  enum { step = NAME(in_place_step) };
  const headimpact_attention_source *values = &attention->values;
  NAME(seen) seen = NAME(see)(rows, count);
  for (size_t at = seen.first, next; at < seen.end; at = next) {
    next = at + step < seen.end ? at + step : seen.end;
    if (at < values->shared_count && next > values->shared_count) next = values->shared_count;
    for (size_t r = 0; r < count; r++) {
      size_t first = rows[r].first > at ? rows[r].first : at, end = rows[r].end < next ? rows[r].end : next;
      if (first >= end) continue;
      NAME(add_row)(
          rows[r].output, rows[r].weights + first, NAME(at)(values, first), values->stride, end - first,
          attention->depth, r, count);
    }
  }
}

static void NAME(add_values)(
    const headimpact_attention *attention, const headimpact_attention_row *rows, size_t count) {
  if (attention->packed_values) {
    NAME(add_packed)(attention, rows, count);
  } else {
    NAME(add_in_place)(attention, rows, count);
  }
}

static size_t NAME(scratch_size)(size_t depth) { return (HEADIMPACT_ATTENTION_ROWS + TILE) * depth; }

static const kernels NAME(kernels) = {
    .name = VERSION_NAME,
    .rows = ROWS,
    .keys_size = NAME(keys_size),
    .values_size = NAME(values_size),
    .scratch_size = NAME(scratch_size),
    .pack_keys = NAME(pack_keys),
    .pack_values = NAME(pack_values),
    .scores = NAME(scores),
    .softmax = NAME(softmax),
    .add_values = NAME(add_values),
};

#undef vec
#undef ivec
#undef TILE
#undef UNROLL
#undef NAME
#undef LANES
#undef ROWS
#undef EACH_BLOCK
#undef VALUES_AT_ONCE
#undef VERSION_NAME
#undef multiply_add
#undef load_part
#undef store_part
#undef transpose
