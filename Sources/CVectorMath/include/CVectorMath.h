// Elementwise and row kernels that need the processor's vector unit. They are in C because the Swift compiler can't
// build one function for several processors; the C compiler can, and the loader picks the right one at start-up.
// Every pointer is to float32 unless named otherwise; nothing overlaps unless stated; nothing is allocated.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "attention.h"

// row = softmax(scale * row), in place. n >= 1.
void headimpact_softmax(float *row, size_t n, float scale);

// out = x / sqrt(mean(x^2) + eps) * weight. out may be x.
void headimpact_rms_norm(const float *x, const float *weight, float eps, float *out, size_t n);

// out = (x - mean) / sqrt(variance + eps) * weight + bias. out may be x.
void headimpact_layer_norm(const float *x, const float *weight, const float *bias, float eps, float *out, size_t n);

// out = silu(gate) * up. out may be gate.
void headimpact_silu_multiply(const float *gate, const float *up, float *out, size_t n);

// x = x * sigmoid(1.702 x), in place.
void headimpact_quick_gelu(float *x, size_t n);

// x = x * Phi(x), in place, Phi being the normal distribution: within 6 units in the last place (64 on processors without fused
// multiply-adds), and -0 below -12.9.
void headimpact_gelu(float *x, size_t n);

// x = x * sigmoid(x), in place; out = silu(gate) * up has its own.
void headimpact_silu(float *x, size_t n);

// x = x * (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, in place.
void headimpact_tanh_gelu(float *x, size_t n);

// out = activation(gate) * up. out may be gate.
void headimpact_quick_gelu_multiply(const float *gate, const float *up, float *out, size_t n);
void headimpact_gelu_multiply(const float *gate, const float *up, float *out, size_t n);
void headimpact_tanh_gelu_multiply(const float *gate, const float *up, float *out, size_t n);

// x, what the activation was given, becomes its gradient from dy.
void headimpact_quick_gelu_backward(const float *dy, float *x, size_t n);
void headimpact_gelu_backward(const float *dy, float *x, size_t n);
void headimpact_tanh_gelu_backward(const float *dy, float *x, size_t n);
void headimpact_silu_backward(const float *dy, float *x, size_t n);

// The gradients of gate and up from dy, that of activation(gate) * up, each in its value's place.
void headimpact_quick_gelu_multiply_backward(const float *dy, float *gate, float *up, size_t n);
void headimpact_gelu_multiply_backward(const float *dy, float *gate, float *up, size_t n);
void headimpact_tanh_gelu_multiply_backward(const float *dy, float *gate, float *up, size_t n);

// x = cap * tanh(scale * x / cap), in place.
void headimpact_softcap(float *x, size_t n, float scale, float cap);

// dy: from the gradient of y = softcap(x) to that of x, in place.
void headimpact_softcap_backward(float *dy, const float *y, size_t n, float scale, float cap);

// y += weight * x.
void headimpact_add_scaled(float *y, const float *x, float weight, size_t n);

// y += x.
void headimpact_add(float *y, const float *x, size_t n);

// Rotates the pairs (x[i], x[i + half]) by the angles whose cosines and sines are given, and scales.
void headimpact_rotate_half(float *x, const float *cosines, const float *sines, size_t half);

// x *= factor.
void headimpact_scale(float *x, float factor, size_t n);

// dx += the gradient of rms_norm's x from dy, that of its output.
void headimpact_rms_norm_backward(const float *dy, const float *x, const float *weight, float eps, float *dx, size_t n);

// dx += the gradient of layer_norm's x from dy, that of its output.
void headimpact_layer_norm_backward(const float *dy, const float *x, const float *weight, float eps, float *dx, size_t n);

// The gradients of gate and up from dy, that of silu(gate) * up, each in its value's place.
void headimpact_silu_multiply_backward(const float *dy, float *gate, float *up, size_t n);

// gradient: from that of weights = softmax(scale * scores) to that of the scores, in place.
void headimpact_softmax_backward(const float *weights, float *gradient, size_t n, float scale);

// Returns -log softmax(logits)[target]; the logits become its gradient.
double headimpact_cross_entropy(float *logits, size_t n, size_t target);

// out = x with a share `rate` of the elements, chosen by key and place, set to 0 and the rest divided by 1 - rate. out may be x.
void headimpact_dropout(const float *x, float rate, uint64_t key, float *out, size_t n);

// Adds x to sums in fixed point, 2^-72 apart: high counts 2^-32, low the rest in 2^-72. Adding integers is exact, so
// the order doesn't matter. Returns how many x were not finite or not below limit in magnitude; they are left out. A limit of
// 2^30 / k lets k such x be added with room to spare; above 2^30 nothing is taken.
size_t headimpact_add_exactly(const float *x, float limit, int64_t *high, int64_t *low, size_t n);

// Conversions. To bf16 rounds to nearest, ties to even.
void headimpact_widen_bf16(const uint16_t *x, float *out, size_t n);
void headimpact_widen_f16(const uint16_t *x, float *out, size_t n);
void headimpact_narrow_bf16(const float *x, uint16_t *out, size_t n);
void headimpact_round_bf16(const float *x, float *out, size_t n);

// A rank's threads: the caller's and those of the team. They sleep between loops.
typedef struct headimpact_team headimpact_team;

// A team of `threads`, the caller's included. No thread starts before the first loop. NULL without memory.
headimpact_team *headimpact_team_create(unsigned threads);
void headimpact_team_destroy(headimpact_team *team);

// How many threads the system let the team have, 1 to what was asked for; starts them.
unsigned headimpact_team_threads(headimpact_team *team);

// Runs body(context, thread) on the calling thread (number 0) and on up to threads - 1 others, and waits for those that
// began. `body` must do all of the work that is left whenever it is called: how many threads call it is not certain.
void headimpact_team_run(
    headimpact_team *team, unsigned threads, void (*body)(void *context, int thread), void *context);

