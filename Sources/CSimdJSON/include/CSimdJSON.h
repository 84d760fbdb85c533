#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// What a token is. An object's members are pairs of tokens: a key, which is a string, and its value.
enum {
  json_object = 1,
  json_array = 2,
  json_string = 3,
  json_true = 4,
  json_false = 5,
  json_null = 6,
  /// The bit that all kinds of numbers have, and no others.
  json_any_number = 8,
  /// `bits` is an int64.
  json_integer = 8,
  /// `bits` is a uint64 above the largest int64.
  json_unsigned = 9,
  /// `bits` is a double.
  json_double = 10,
  /// Any other number, which is left to its reader: an integer of more bits, a double of 20 bytes or more, 1e400, NaN,
  /// Infinity, -Infinity.
  json_big_number = 11,
};

typedef struct {
  /// Where the value begins and how long it is, in bytes of the text given; a string's quotes belong to it.
  uint32_t offset;
  uint32_t length;
  /// The index of the token behind this value and all that is in it.
  uint32_t next;
  uint8_t kind;
  /// Whether a string has a backslash.
  bool has_escape;
  int64_t bits;
} json_token;

/// Why a text can't be read.
enum {
  json_fine = 0,
  json_out_of_memory,
  json_value_expected,
  json_key_expected,
  json_colon_expected,
  json_comma_expected,
  json_bad_number,
  json_bad_escape,
  json_bad_utf8,
  json_control_character,
  json_endless_string,
  json_too_deep,
  json_too_long,
};

typedef struct json_parser json_parser;

/// Returns NULL where there is no memory.
json_parser *json_parser_create(void);
void json_parser_destroy(json_parser *parser);
/// How many bytes its buffers have.
size_t json_parser_memory(const json_parser *parser);

/// Reads `length` bytes as the inside of an array or an object that lies `depth` deep; all of it is checked.
///
/// - lenient: takes NaN and Infinity, and checks no string's UTF-8 and escapes: who reads it does.
///
/// The tokens stay with the parser until its next call. The first is the array or object itself. Where the text can't be
/// read, `*fault` is the byte, and the tokens are those before it, whose containers are still open: their `next` is 0.
int json_parse(
    json_parser *parser, const uint8_t *text, size_t length, bool is_object, uint32_t depth,
    uint32_t maximum_depth, bool lenient, const json_token **tokens, size_t *count, size_t *fault);

/// How a run of members ends.
enum {
  /// At the bracket that closes their container.
  json_run_closed = 0,
  /// At a comma, behind which another run begins.
  json_run_continues,
  /// The first member alone is longer than the run may be.
  json_run_too_long,
  /// At the end of the text: the container isn't closed.
  json_run_unclosed,
};

/// Finds the end of a run of whole members: array elements, or pairs of key and value.
///
/// - from: where the first begins, behind a bracket or a comma.
/// - window: the most bytes that a run has, unless `takes_one`: the first member is taken then, however long it is.
int json_find_run(
    const uint8_t *text, size_t from, size_t length, size_t window, bool takes_one, size_t *end);

/// The index behind the string that begins with the quote at `from`; 0 where it doesn't end.
size_t json_string_end(const uint8_t *text, size_t from, size_t length);

/// Writes the bytes that a string without its quotes stands for to `out`, which has room for `length`.
///
/// Returns how many they are; -1 where an escape means nothing or is half of a surrogate pair.
ptrdiff_t json_unescape(json_parser *parser, const uint8_t *content, size_t length, uint8_t *out);

#ifdef __cplusplus
}
#endif
