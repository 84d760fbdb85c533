#include "CVectorMath.h"
#include "vector_support.h"
#pragma clang fp reassociate(on) contract(fast)

// Every activation is x · gate(x), and its derivative gate(x) + x · gate'(x). Quick GELU and gated SiLU themselves are in
// vector_math.c.
typedef struct {
  float gate, slope;
} gate_value;

INLINE float sigmoid(float x) { return 1.0f / (1.0f + fast_exp(-x)); }

INLINE gate_value silu_gate(float x) {
  float s = sigmoid(x);
  return (gate_value){s, s * (1.0f - s)};
}

INLINE gate_value quick_gelu_gate(float x) {
  float s = sigmoid(1.702f * x);
  return (gate_value){s, 1.702f * s * (1.0f - s)};
}

// (1 + tanh(u)) / 2 = sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3).
INLINE gate_value tanh_gelu_gate(float x) {
  const float twice_root = 1.5957691216057308f;
  float s = sigmoid(twice_root * (x + 0.044715f * x * x * x));
  return (gate_value){s, s * (1.0f - s) * twice_root * (1.0f + 0.134145f * x * x)};
}

// The normal distribution Φ and its density φ, with a small relative error on both sides of 0, where 1 + erf would cancel:
// Φ(-t) = exp(-t² / 2) R(t), and the rational R and the polynomial below are minimax fits of Φ to 2^-25. Below -12.9, where
// Φ would soon leave the normal numbers, both are 0.
INLINE gate_value gelu_gate(float x) {
  // Terms are fused where the processor can, in the order written, on every processor alike.
#pragma clang fp reassociate(off) contract(on)
  const float end = 12.9f;
  float size = fabsf(x);
  float t = size < end ? size : end;
  float square = t * t;
  // What rounding took from the square: up to 5e-6 of the exponential.
  float rest = t * t - square;
  float e = exp_in_range(-0.5f * square, 0.5f * rest);
  e = size < end ? e : 0.0f;
  // From 1 on.
  float p = 0.02392276457781966f;
  p = p * t + 0.14199133137809147f;
  p = p * t + 0.39726892879686043f;
  p = p * t + 0.49981091999091526f;
  float q = 0.059967340040457416f;
  q = q * t + 0.3558338108768719f;
  q = q * t + 1.0574395485240806f;
  q = q * t + 1.5905291456149724f;
  q = q * t + 1.0f;
  float tail = e * p / q;
  float far = x < 0 ? tail : 1.0f - tail;
  // Up to 1: odd about 1/2.
  float s = 9.151255263687386e-5f;
  s = s * square - 1.1631158428806604e-3f;
  s = s * square + 9.962397981034501e-3f;
  s = s * square - 0.0664881968699902f;
  s = s * square + 0.39894215282304624f;
  float near = s * x + 0.5f;
  return (gate_value){size < 1.0f ? near : far, 0.3989422804014327f * e};
}

MULTIVERSION
void headimpact_silu(float *x, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] = x[i] * silu_gate(x[i]).gate;
}

MULTIVERSION
void headimpact_gelu(float *x, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] = x[i] * gelu_gate(x[i]).gate;
}

MULTIVERSION
void headimpact_tanh_gelu(float *x, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] = x[i] * tanh_gelu_gate(x[i]).gate;
}

MULTIVERSION
void headimpact_tanh_gelu_multiply(const float *gate, const float *up, float *out, size_t n) {
  ELEMENTWISE for (size_t i = 0; i < n; i++) out[i] = gate[i] * tanh_gelu_gate(gate[i]).gate * up[i];
}

MULTIVERSION
void headimpact_quick_gelu_multiply(const float *gate, const float *up, float *out, size_t n) {
  ELEMENTWISE for (size_t i = 0; i < n; i++) out[i] = gate[i] * quick_gelu_gate(gate[i]).gate * up[i];
}

MULTIVERSION
void headimpact_gelu_multiply(const float *gate, const float *up, float *out, size_t n) {
  ELEMENTWISE for (size_t i = 0; i < n; i++) out[i] = gate[i] * gelu_gate(gate[i]).gate * up[i];
}

#define BACKWARD(name)                                                                                          \
  MULTIVERSION void headimpact_##name##_backward(const float *dy, float *x, size_t n) {                         \
    for (size_t i = 0; i < n; i++) {                                                                            \
      gate_value v = name##_gate(x[i]);                                                                         \
      x[i] = dy[i] * (v.gate + x[i] * v.slope);                                                                 \
    }                                                                                                           \
  }
#define GATED_BACKWARD(name)                                                                                    \
  MULTIVERSION void headimpact_##name##_multiply_backward(const float *dy, float *gate, float *up, size_t n) {  \
    for (size_t i = 0; i < n; i++) {                                                                            \
      float g = gate[i];                                                                                        \
      gate_value v = name##_gate(g);                                                                            \
      gate[i] = dy[i] * up[i] * (v.gate + g * v.slope);                                                         \
      up[i] = dy[i] * g * v.gate;                                                                               \
    }                                                                                                           \
  }

BACKWARD(silu)
BACKWARD(quick_gelu)
BACKWARD(tanh_gelu)
BACKWARD(gelu)
GATED_BACKWARD(quick_gelu)
GATED_BACKWARD(tanh_gelu)
GATED_BACKWARD(gelu)

// tanh by Cephes: a polynomial about 0, where 1 - 2 / (e^2x + 1) would lose digits.
INLINE float fast_tanh(float x) {
  float size = fabsf(x), square = x * x;
  float p = -5.70498872745e-3f;
  p = p * square + 2.06390887954e-2f;
  p = p * square - 5.37397155531e-2f;
  p = p * square + 1.33314422036e-1f;
  p = p * square - 3.33332819422e-1f;
  float near = p * square * x + x;
  float far = 1.0f - 2.0f / (fast_exp(2.0f * size) + 1.0f);
  far = x < 0 ? -far : far;
  // What is not a number must stay so: fast_exp would make a number of it.
  return size < 0.625f ? near : (x == x ? far : x);
}

MULTIVERSION
void headimpact_softcap(float *x, size_t n, float scale, float cap) {
  float factor = scale / cap;
  for (size_t i = 0; i < n; i++) x[i] = cap * fast_tanh(x[i] * factor);
}

MULTIVERSION
void headimpact_softcap_backward(float *dy, const float *y, size_t n, float scale, float cap) {
  float inverse = 1.0f / cap;
  for (size_t i = 0; i < n; i++) {
    float t = y[i] * inverse;
    dy[i] *= scale * (1.0f - t * t);
  }
}

MULTIVERSION
void headimpact_layer_norm_backward(
    const float *dy, const float *x, const float *weight, float eps, float *dx, size_t n) {
  float sum = 0;
  for (size_t i = 0; i < n; i++) sum += x[i];
  float mean = sum / (float)n;
  float squares = 0, total = 0, product = 0;
  for (size_t i = 0; i < n; i++) {
    float centred = x[i] - mean, d = dy[i] * weight[i];
    squares += centred * centred;
    total += d;
    product += d * centred;
  }
  float inverse = 1.0f / sqrtf(squares / (float)n + eps);
  float offset = total / (float)n, shared = product * inverse * inverse / (float)n;
  for (size_t i = 0; i < n; i++) dx[i] += inverse * (dy[i] * weight[i] - offset - (x[i] - mean) * shared);
}

MULTIVERSION
void headimpact_add_scaled(float *y, const float *x, float weight, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] += weight * x[i];
}
