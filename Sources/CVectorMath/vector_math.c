#include "CVectorMath.h"

#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#define MULTIVERSION __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define MULTIVERSION
#endif
#define INLINE static inline __attribute__((always_inline))
#pragma clang fp reassociate(on) contract(fast)

// exp by Cephes' polynomial: within 2 units in the last place, and 0 below -87.
INLINE float fast_exp(float x) {
  x = x < -87.0f ? -87.0f : (x > 88.0f ? 88.0f : x);
  const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  float z = x * 1.44269504088896341f + magic;
  int32_t bits;
  memcpy(&bits, &z, 4);
  float n = z - magic;
  float r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  int32_t power = (int32_t)((uint32_t)bits << 23);  // n, moved into the exponent
  int32_t result;
  memcpy(&result, &p, 4);
  result += power;
  memcpy(&p, &result, 4);
  return p;
}

MULTIVERSION
void headimpact_softmax(float *row, size_t n, float scale) {
  float peak = row[0];
  for (size_t i = 0; i < n; i++) peak = row[i] > peak ? row[i] : peak;
  float sum = 0;
  for (size_t i = 0; i < n; i++) {
    float e = fast_exp((row[i] - peak) * scale);
    row[i] = e;
    sum += e;
  }
  float inverse = 1.0f / sum;
  for (size_t i = 0; i < n; i++) row[i] *= inverse;
}

MULTIVERSION
void headimpact_rms_norm(const float *x, const float *weight, float eps, float *out, size_t n) {
  float squares = 0;
  for (size_t i = 0; i < n; i++) squares += x[i] * x[i];
  float inverse = 1.0f / sqrtf(squares / (float)n + eps);
  for (size_t i = 0; i < n; i++) out[i] = weight[i] * (x[i] * inverse);
}

MULTIVERSION
void headimpact_layer_norm(const float *x, const float *weight, const float *bias, float eps, float *out, size_t n) {
  float sum = 0;
  for (size_t i = 0; i < n; i++) sum += x[i];
  float mean = sum / (float)n;
  float squares = 0;
  for (size_t i = 0; i < n; i++) squares += (x[i] - mean) * (x[i] - mean);
  float inverse = 1.0f / sqrtf(squares / (float)n + eps);
  for (size_t i = 0; i < n; i++) out[i] = (x[i] - mean) * inverse * weight[i] + bias[i];
}

MULTIVERSION
void headimpact_silu_multiply(float *gate, const float *up, size_t n) {
  for (size_t i = 0; i < n; i++) gate[i] = gate[i] / (1.0f + fast_exp(-gate[i])) * up[i];
}

MULTIVERSION
void headimpact_quick_gelu(float *x, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] = x[i] / (1.0f + fast_exp(-1.702f * x[i]));
}

void headimpact_gelu(float *x, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] = 0.5f * x[i] * (1.0f + erff(x[i] * 0.70710678118654752f));
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
  uint32_t *bits = (uint32_t *)out;
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
  const uint32_t *bits = (const uint32_t *)x;
  for (size_t i = 0; i < n; i++) {
    uint32_t rounded = (bits[i] + 0x7fffu + ((bits[i] >> 16) & 1u)) >> 16;
    uint32_t quiet = (bits[i] >> 16) | 0x40u;
    out[i] = (uint16_t)((bits[i] & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
  }
}

// libgomp's own entry points: its team is the one that oneDNN, which links it, knows to be busy.
extern void GOMP_parallel(void (*body)(void *), void *data, unsigned threads, unsigned flags);
extern int omp_get_thread_num(void);
extern void omp_set_num_threads(int);

typedef struct {
  void (*body)(void *, int);
  void *context;
} team_task;

static void run_task(void *data) {
  team_task *task = data;
  task->body(task->context, omp_get_thread_num());
}

void headimpact_parallel(unsigned threads, void (*body)(void *context, int thread), void *context) {
  if (threads <= 1) {
    body(context, 0);
    return;
  }
  team_task task = {body, context};
  GOMP_parallel(run_task, &task, threads, 0);
}

void headimpact_set_threads(int threads) { omp_set_num_threads(threads); }
