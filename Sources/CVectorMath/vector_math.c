#include "CVectorMath.h"
#include "vector_support.h"

// A float's bits, where it lies.
typedef uint32_t __attribute__((may_alias)) float_bits;
#pragma clang fp reassociate(on) contract(fast)

MULTIVERSION
void headimpact_rms_norm(const float *x, const float *weight, float eps, float *out, size_t n) {
  float squares = 0;
  for (size_t i = 0; i < n; i++) squares += x[i] * x[i];
  float inverse = 1.0f / sqrtf(squares / (float)n + eps);
  ELEMENTWISE for (size_t i = 0; i < n; i++) out[i] = weight[i] * (x[i] * inverse);
}

MULTIVERSION
void headimpact_layer_norm(const float *x, const float *weight, const float *bias, float eps, float *out, size_t n) {
  float sum = 0;
  for (size_t i = 0; i < n; i++) sum += x[i];
  float mean = sum / (float)n;
  float squares = 0;
  for (size_t i = 0; i < n; i++) squares += (x[i] - mean) * (x[i] - mean);
  float inverse = 1.0f / sqrtf(squares / (float)n + eps);
  ELEMENTWISE for (size_t i = 0; i < n; i++) out[i] = (x[i] - mean) * inverse * weight[i] + bias[i];
}

MULTIVERSION
void headimpact_silu_multiply(const float *gate, const float *up, float *out, size_t n) {
  ELEMENTWISE for (size_t i = 0; i < n; i++) out[i] = gate[i] / (1.0f + fast_exp(-gate[i])) * up[i];
}

MULTIVERSION
void headimpact_quick_gelu(float *x, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] = x[i] / (1.0f + fast_exp(-1.702f * x[i]));
}

MULTIVERSION
void headimpact_add(float *y, const float *x, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] += x[i];
}

MULTIVERSION
void headimpact_rotate_half(float *x, const float *cosines, const float *sines, size_t half) {
  float *restrict upper = x + half;
  for (size_t i = 0; i < half; i++) {
    float a = x[i], b = upper[i];
    x[i] = a * cosines[i] - b * sines[i];
    upper[i] = b * cosines[i] + a * sines[i];
  }
}

MULTIVERSION
void headimpact_widen_bf16(const uint16_t *x, float *out, size_t n) {
  float_bits *bits = (float_bits *)out;
  for (size_t i = 0; i < n; i++) bits[i] = (uint32_t)x[i] << 16;
}

// By integers, so that it needs no half-precision instructions and runs everywhere alike.
MULTIVERSION
void headimpact_widen_f16(const uint16_t *x, float *out, size_t n) {
  for (size_t i = 0; i < n; i++) {
    uint32_t magnitude = (uint32_t)(x[i] & 0x7fff) << 13;
    float value;
    memcpy(&value, &magnitude, 4);
    value *= 0x1p112f;  // the exponents' biases differ by 112; subnormals come out right too
    uint32_t bits;
    memcpy(&bits, &value, 4);
    bits = (x[i] & 0x7c00) == 0x7c00 ? (0x7f800000u | magnitude) : bits;
    bits |= (uint32_t)(x[i] & 0x8000) << 16;
    memcpy(&out[i], &bits, 4);
  }
}

MULTIVERSION
void headimpact_narrow_bf16(const float *x, uint16_t *out, size_t n) {
  const float_bits *bits = (const float_bits *)x;
  for (size_t i = 0; i < n; i++) {
    uint32_t rounded = (bits[i] + 0x7fffu + ((bits[i] >> 16) & 1u)) >> 16;
    uint32_t quiet = (bits[i] >> 16) | 0x40u;
    out[i] = (uint16_t)((bits[i] & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
  }
}

MULTIVERSION
void headimpact_round_bf16(const float *x, float *out, size_t n) {
  const float_bits *bits = (const float_bits *)x;
  float_bits *to = (float_bits *)out;
  for (size_t i = 0; i < n; i++) {
    uint32_t rounded = bits[i] + 0x7fffu + ((bits[i] >> 16) & 1u);
    uint32_t quiet = bits[i] | 0x400000u;
    to[i] = ((bits[i] & 0x7fffffffu) > 0x7f800000u ? quiet : rounded) & 0xffff0000u;
  }
}

MULTIVERSION
void headimpact_scale(float *x, float factor, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] *= factor;
}

MULTIVERSION
void headimpact_rms_norm_backward(const float *dy, const float *x, const float *weight, float eps, float *dx, size_t n) {
  float squares = 0, product = 0;
  for (size_t i = 0; i < n; i++) {
    squares += x[i] * x[i];
    product += dy[i] * weight[i] * x[i];
  }
  float inverse = 1.0f / sqrtf(squares / (float)n + eps);
  float shared = product * inverse * inverse / (float)n;
  for (size_t i = 0; i < n; i++) dx[i] += inverse * (dy[i] * weight[i] - x[i] * shared);
}

MULTIVERSION
void headimpact_silu_multiply_backward(const float *dy, float *gate, float *up, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float g = gate[i], sigmoid = 1.0f / (1.0f + fast_exp(-g));
    gate[i] = dy[i] * up[i] * sigmoid * (1.0f + g * (1.0f - sigmoid));
    up[i] = dy[i] * g * sigmoid;
  }
}

MULTIVERSION
void headimpact_softmax_backward(const float *weights, float *gradient, size_t n, float scale) {
  float shared = 0;
  for (size_t i = 0; i < n; i++) shared += weights[i] * gradient[i];
  for (size_t i = 0; i < n; i++) gradient[i] = scale * weights[i] * (gradient[i] - shared);
}

MULTIVERSION
double headimpact_cross_entropy(float *logits, size_t n, size_t target) {
  float peak = logits[0];
  for (size_t i = 0; i < n; i++) peak = logits[i] > peak ? logits[i] : peak;
  double wanted = (double)logits[target] - (double)peak;
  double sum = 0;
  for (size_t i = 0; i < n; i++) {
    // NaN must stay NaN: fast_exp would make a number of one with a payload.
    float x = logits[i] - peak, e = x == x ? fast_exp(x) : x;
    logits[i] = e;
    sum += (double)e;
  }
  float inverse = (float)(1.0 / sum);
  for (size_t i = 0; i < n; i++) logits[i] *= inverse;
  logits[target] -= 1.0f;
  return log(sum) - wanted;
}

// SplitMix64's mixing of a counter.
INLINE uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

MULTIVERSION
void headimpact_dropout(const float *x, float rate, uint64_t key, float *out, size_t n) {
  float kept = 1.0f / (1.0f - rate);
  uint64_t threshold = (uint64_t)((double)rate * 0x1p53);
  ELEMENTWISE for (size_t i = 0; i < n; i++) {
    uint64_t drawn = mix(key + (i + 1) * 0x9E3779B97F4A7C15u) >> 11;
    out[i] = drawn < threshold ? 0.0f : x[i] * kept;
  }
}

// No reordering in here: it rests on exact steps. Sums are of unsigned numbers, which wrap where signed ones are undefined;
// a caller that keeps to `limit` sees neither.
MULTIVERSION
size_t headimpact_add_exactly(const float *x, float limit, int64_t *high, int64_t *low, size_t n) {
#pragma clang fp reassociate(off) contract(off)
  size_t refused = 0;
  for (size_t i = 0; i < n; i++) {
    if (!(fabsf(x[i]) < limit && limit <= 0x1p30f)) {
      refused++;
      continue;
    }
    double scaled = (double)x[i] * 0x1p32;
    double whole = floor(scaled);
    high[i] = (int64_t)((uint64_t)high[i] + (uint64_t)(int64_t)whole);
    low[i] = (int64_t)((uint64_t)low[i] + (uint64_t)(int64_t)((scaled - whole) * 0x1p40));
  }
  return refused;
}
