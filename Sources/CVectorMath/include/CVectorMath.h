// Elementwise and row kernels that need the processor's vector unit. They are in C because the Swift compiler can't
// build one function for several processors; the C compiler can, and the loader picks the right one at start-up.
// Every pointer is to float32 unless named otherwise; nothing overlaps unless stated; nothing is allocated.
#pragma once
#include <stddef.h>
#include <stdint.h>

// row = softmax(scale * row), in place. n >= 1.
void headimpact_softmax(float *row, size_t n, float scale);

// out = x / sqrt(mean(x^2) + eps) * weight.
void headimpact_rms_norm(const float *x, const float *weight, float eps, float *out, size_t n);

// out = (x - mean) / sqrt(variance + eps) * weight + bias.
void headimpact_layer_norm(const float *x, const float *weight, const float *bias, float eps, float *out, size_t n);

// gate = silu(gate) * up.
void headimpact_silu_multiply(float *gate, const float *up, size_t n);

// x = x * sigmoid(1.702 x), in place.
void headimpact_quick_gelu(float *x, size_t n);

// x = x * Phi(x), in place, by the error function.
void headimpact_gelu(float *x, size_t n);

// y += x.
void headimpact_add(float *y, const float *x, size_t n);

// Rotates the pairs (x[i], x[i + half]) by the angles whose cosines and sines are given, and scales.
void headimpact_rotate_half(float *x, const float *cosines, const float *sines, size_t half);

// Conversions. To bf16 rounds to nearest, ties to even.
void headimpact_widen_bf16(const uint16_t *x, float *out, size_t n);
void headimpact_widen_f16(const uint16_t *x, float *out, size_t n);
void headimpact_narrow_bf16(const float *x, uint16_t *out, size_t n);

// Runs body(context, thread) on `threads` threads of OpenMP's team, and waits.
void headimpact_parallel(unsigned threads, void (*body)(void *context, int thread), void *context);

// The number of OpenMP threads that oneDNN takes for its own loops.
void headimpact_set_threads(int threads);
