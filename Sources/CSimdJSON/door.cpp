#include "CSimdJSON.h"

#define SIMDJSON_EXCEPTIONS 0
#include <simdjson.h>

#include <cstdlib>
#include <cstring>
#include <new>

namespace ondemand = simdjson::ondemand;

namespace {

bool is_space(uint8_t byte) { return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t'; }

bool is_digit(uint8_t byte) { return byte >= '0' && byte <= '9'; }

/// The length of the UTF-8 sequence at `p`, of which at most `left` bytes are there; 0 where it is none.
size_t sequence_length(const uint8_t *p, size_t left) {
  if (p[0] < 0x80) return 1;
  size_t length = p[0] >= 0xC2 && p[0] < 0xE0 ? 2 : p[0] >= 0xE0 && p[0] < 0xF0 ? 3 : p[0] >= 0xF0 && p[0] < 0xF5 ? 4 : 0;
  if (length == 0 || length > left) return 0;
  for (size_t i = 1; i < length; i++)
    if ((p[i] & 0xC0) != 0x80) return 0;
  // Overlong forms, surrogates, and what is beyond U+10FFFF.
  if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) || (p[0] == 0xF0 && p[1] < 0x90) ||
      (p[0] == 0xF4 && p[1] > 0x8F))
    return 0;
  return length;
}

/// The first byte from `from` on that isn't UTF-8; `length` where there is none.
size_t first_bad_utf8(const uint8_t *text, size_t from, size_t length) {
  while (from < length) {
    size_t step = sequence_length(text + from, length - from);
    if (step == 0) return from;
    from += step;
  }
  return length;
}

/// Whether the bytes are a number, as JSON writes it.
bool is_number(const uint8_t *p, size_t length) {
  const uint8_t *end = p + length;
  auto digits = [&] {
    const uint8_t *start = p;
    while (p < end && is_digit(*p)) p++;
    return p > start;
  };
  if (p < end && *p == '-') p++;
  bool has_zero = p < end && *p == '0';
  const uint8_t *start = p;
  if (!digits() || (has_zero && p - start > 1)) return false;
  if (p < end && *p == '.') {
    p++;
    if (!digits()) return false;
  }
  if (p < end && (*p == 'e' || *p == 'E')) {
    p++;
    if (p < end && (*p == '+' || *p == '-')) p++;
    if (!digits()) return false;
  }
  return p == end;
}

/// Whether 16 bytes may have a quote or a bracket; written so that compilers use vector instructions.
bool may_have_structure(const uint8_t *p) {
  uint8_t found = 0;
  // All four brackets, and a few letters, are 0x7F with these bits set.
  for (size_t i = 0; i < 16; i++) found |= uint8_t((p[i] == '"') | ((p[i] | 0x26) == 0x7F));
  return found != 0;
}

bool is_word(const uint8_t *p, size_t length, const char *word) {
  return length == std::strlen(word) && std::memcmp(p, word, length) == 0;
}

}  // namespace

struct json_parser {
  ondemand::parser parser;
  uint32_t maximum_depth = 0;
  bool lenient = false;

  /// The text in its brackets, with simdjson's padding behind it.
  uint8_t *text = nullptr;
  size_t text_room = 0;
  size_t text_length = 0;
  /// What a string with escapes stands for.
  uint8_t *string = nullptr;
  size_t string_room = 0;
  json_token *tokens = nullptr;
  size_t token_room = 0;
  size_t count = 0;
  /// Where the value walked last ends, and where a fault is, both in `text`.
  size_t last_end = 0;
  size_t fault = 0;

  ~json_parser() {
    std::free(text);
    std::free(string);
    std::free(tokens);
  }

  static bool make_room(uint8_t *&bytes, size_t &room, size_t length) {
    if (length <= room) return true;
    void *larger = std::realloc(bytes, length);
    if (!larger) return false;
    bytes = static_cast<uint8_t *>(larger);
    room = length;
    return true;
  }

  bool make_string_room(size_t length) { return make_room(string, string_room, length + simdjson::SIMDJSON_PADDING); }

  /// Takes a text, in `left` and `right`, with padding behind it.
  bool take(const uint8_t *bytes, size_t length, char left, char right) {
    if (!make_room(text, text_room, length + 2 + simdjson::SIMDJSON_PADDING)) return false;
    text_length = length + 2;
    text[0] = uint8_t(left);
    if (length > 0) std::memcpy(text + 1, bytes, length);
    text[length + 1] = uint8_t(right);
    std::memset(text + text_length, 0, simdjson::SIMDJSON_PADDING);
    return true;
  }

  /// Returns the new token's index; SIZE_MAX where there is no memory.
  size_t push(uint8_t kind, size_t offset, size_t length, int64_t bits = 0, bool has_escape = false) {
    if (count == token_room) {
      size_t room = token_room ? 2 * token_room : 1024;
      void *larger = std::realloc(tokens, room * sizeof(json_token));
      if (!larger) return SIZE_MAX;
      tokens = static_cast<json_token *>(larger);
      token_room = room;
    }
    // The opening bracket isn't of the caller's text.
    tokens[count] = {uint32_t(offset - 1), uint32_t(length), uint32_t(count + 1), kind, has_escape, bits};
    last_end = offset + length;
    return count++;
  }

  int fail(int code, size_t at) {
    fault = at;
    return code;
  }

  size_t skip_space(size_t at) const {
    while (at < text_length && is_space(text[at])) at++;
    return at;
  }

  /// Finds out why an object's next member, or what follows it, could not be read.
  int fail_in_object(bool is_first) {
    size_t at = skip_space(last_end);
    if (!is_first) {
      if (text[at] != ',') return fail(json_comma_expected, at);
      at = skip_space(at + 1);
    }
    if (text[at] != '"') return fail(json_key_expected, at);
    size_t end = json_string_end(text, at, text_length);
    if (end == 0) return fail(json_endless_string, at);
    if (int code = push_string(at, end)) return code;
    at = skip_space(end);
    return fail(text[at] == ':' ? json_value_expected : json_colon_expected, at);
  }

  int push_string(size_t at, size_t end) {
    const uint8_t *content = text + at + 1;
    size_t length = end - at - 2;
    bool has_escape = length > 0 && std::memchr(content, '\\', length) != nullptr;
    if (has_escape && !lenient) {
      if (!make_string_room(length)) return json_out_of_memory;
      if (unescape(content) < 0) return fail(json_bad_escape, at);
    }
    return push(json_string, at, end - at, 0, has_escape) == SIZE_MAX ? json_out_of_memory : json_fine;
  }

  /// Writes what a string stands for, which has a quote and padding behind its `content`, to `string`.
  ///
  /// Returns its length; -1 where an escape means nothing.
  ptrdiff_t unescape(const uint8_t *content) {
    uint8_t *out = string;
    std::string_view text;
    if (parser.unescape(ondemand::raw_json_string(content), out).get(text)) return -1;
    // simdjson 3.0 takes the second half of a surrogate pair that stands alone.
    if (!lenient && first_bad_utf8(string, 0, text.size()) < text.size()) return -1;
    return ptrdiff_t(text.size());
  }

  /// Reads `-12` and `-12.34`, of few digits.
  ///
  /// Returns the kind of number, with its bits in `bits`; 0 if it is another number, or none.
  static uint8_t read_short_number(const uint8_t *p, size_t length, int64_t *bits) {
    static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    if (length > 15) return 0;
    bool is_negative = *p == '-';
    const uint8_t *end = p + length;
    p += is_negative;
    const uint8_t *start = p;
    int64_t digits = 0;
    while (p < end && is_digit(*p)) digits = 10 * digits + (*p++ - '0');
    if (p == start || (*start == '0' && p - start > 1)) return 0;
    if (p == end) {
      *bits = is_negative ? -digits : digits;
      return json_integer;
    }
    const uint8_t *decimals = p + 1;
    if (*p != '.' || decimals == end) return 0;
    for (p = decimals; p < end; p++) {
      if (!is_digit(*p)) return 0;
      digits = 10 * digits + (*p - '0');
    }
    // Both are exact doubles, so the one division rounds once, correctly.
    double value = double(digits) / powers[p - decimals];
    if (is_negative) value = -value;
    std::memcpy(bits, &value, sizeof value);
    return json_double;
  }

  int number(ondemand::value value, size_t at, size_t length) {
    const uint8_t *p = text + at;
    int64_t bits = 0;
    // Most numbers of our files; simdjson reads the others.
    if (uint8_t kind = read_short_number(p, length, &bits))
      return push(kind, at, length, bits) == SIZE_MAX ? json_out_of_memory : json_fine;
    bool is_real = false;
    for (size_t i = 0; i < length; i++) is_real |= p[i] == '.' || (p[i] | 0x20) == 'e';
    // simdjson 3.0 makes wrong doubles of 20 digits and more, and get_number loses them.
    uint8_t kind = json_big_number;
    uint64_t natural;
    double real;
    if (is_real) {
      if (length < 20 && !value.get_double().get(real)) {
        kind = json_double;
        std::memcpy(&bits, &real, sizeof bits);
      }
    } else if (!value.get_int64().get(bits)) {
      kind = json_integer;
    } else if (!value.get_uint64().get(natural)) {
      kind = json_unsigned;
      bits = int64_t(natural);
    } else {
      bits = 0;
    }
    if (kind == json_big_number && !is_number(p, length)) {
      bool is_pythons = is_word(p, length, "NaN") || is_word(p, length, "Infinity") || is_word(p, length, "-Infinity");
      if (!is_pythons || !lenient) return fail(is_digit(*p) || *p == '-' ? json_bad_number : json_value_expected, at);
    }
    return push(kind, at, length, bits) == SIZE_MAX ? json_out_of_memory : json_fine;
  }

  /// Reads a value, and all that is in it, to tokens.
  int walk(ondemand::value value, uint32_t depth) {
    std::string_view token = value.raw_json_token();
    const uint8_t *p = reinterpret_cast<const uint8_t *>(token.data());
    size_t at = size_t(p - text);
    if (at + 1 >= text_length) return fail(json_value_expected, at);
    size_t length = token.size();
    while (length > 1 && is_space(p[length - 1])) length--;
    switch (*p) {
    case '{': {
      ondemand::object object;
      if (value.get_object().get(object)) return fail(json_value_expected, at);
      return members(object, at, depth);
    }
    case '[': {
      ondemand::array array;
      if (value.get_array().get(array)) return fail(json_value_expected, at);
      return elements(array, at, depth);
    }
    case '"': {
      // What skips a string for us would take it for a key where a colon follows.
      ondemand::raw_json_string string;
      if (value.get_raw_json_string().get(string)) return fail(json_value_expected, at);
      return push_string(at, at + length);
    }
    case 't':
    case 'f':
    case 'n': {
      uint8_t kind = *p == 't' ? json_true : *p == 'f' ? json_false : json_null;
      const char *word = *p == 't' ? "true" : *p == 'f' ? "false" : "null";
      if (!is_word(p, length, word)) return fail(json_value_expected, at);
      return push(kind, at, length) == SIZE_MAX ? json_out_of_memory : json_fine;
    }
    case '-':
    case '0' ... '9':
    case 'N':
    case 'I': return number(value, at, length);
    default: return fail(json_value_expected, at);
    }
  }

  int open(uint8_t kind, size_t at, uint32_t depth, size_t *index) {
    if (depth > maximum_depth) return fail(json_too_deep, at);
    *index = push(kind, at, 1);
    if (*index == SIZE_MAX) return json_out_of_memory;
    tokens[*index].next = 0;
    return json_fine;
  }

  /// Ends a container at its closing bracket, the next thing behind its last member.
  int close(size_t index) {
    size_t at = skip_space(last_end);
    // The bracket behind the text is the whole run's.
    if (index > 0 && at + 1 == text_length) return fail(json_comma_expected, at);
    last_end = at + 1;
    tokens[index].length = uint32_t(at - tokens[index].offset);
    tokens[index].next = uint32_t(count);
    return json_fine;
  }

  int members(ondemand::object &object, size_t at, uint32_t depth) {
    size_t index;
    if (int code = open(json_object, at, depth, &index)) return code;
    bool is_first = true;
    for (auto result : object) {
      ondemand::field field;
      if (std::move(result).get(field)) return fail_in_object(is_first);
      is_first = false;
      size_t key = size_t(reinterpret_cast<const uint8_t *>(field.key().raw()) - text) - 1;
      size_t end = json_string_end(text, key, text_length);
      if (end == 0) return fail(json_endless_string, key);
      if (int code = push_string(key, end)) return code;
      if (int code = walk(field.value(), depth + 1)) return code;
    }
    return close(index);
  }

  int elements(ondemand::array &array, size_t at, uint32_t depth) {
    size_t index;
    if (int code = open(json_array, at, depth, &index)) return code;
    for (auto result : array) {
      ondemand::value value;
      if (std::move(result).get(value)) return fail(json_comma_expected, skip_space(last_end));
      if (int code = walk(value, depth + 1)) return code;
    }
    return close(index);
  }

  /// What is wrong with a text that simdjson's first stage refuses: where a string doesn't end or has a control character.
  int fail_in_string(simdjson::error_code error) {
    for (size_t at = 0; at < text_length; at++) {
      if (text[at] != '"') continue;
      size_t start = at;
      for (at++; at < text_length && text[at] != '"'; at++) {
        if (text[at] == '\\') {
          at++;
        } else if (text[at] < 0x20) {
          return fail(json_control_character, at);
        }
      }
      if (at >= text_length) return fail(json_endless_string, start);
    }
    return error == simdjson::MEMALLOC ? json_out_of_memory : fail(json_value_expected, 1);
  }

  int parse(bool is_object, uint32_t depth) {
    ondemand::document document;
    auto error = parser.iterate(text, text_length, text_room).get(document);
    if (error == simdjson::UTF8_ERROR) {
      size_t bad = first_bad_utf8(text, 0, text_length);
      if (!lenient) return fail(json_bad_utf8, bad);
      for (; bad < text_length; bad = first_bad_utf8(text, bad + 1, text_length)) text[bad] = '?';
      error = parser.iterate(text, text_length, text_room).get(document);
    }
    if (error == simdjson::MEMALLOC) return json_out_of_memory;
    if (error) return fail_in_string(error);
    last_end = 0;
    int code;
    if (is_object) {
      ondemand::object object;
      code = document.get_object().get(object) ? fail(json_value_expected, 1) : members(object, 0, depth);
    } else {
      ondemand::array array;
      code = document.get_array().get(array) ? fail(json_value_expected, 1) : elements(array, 0, depth);
    }
    if (code) return code;
    if (last_end != text_length) return fail(json_comma_expected, last_end - 1);
    return json_fine;
  }
};

json_parser *json_parser_create(void) { return new (std::nothrow) json_parser(); }

void json_parser_destroy(json_parser *parser) { delete parser; }

size_t json_parser_memory(const json_parser *parser) {
  // simdjson has an index of 4 bytes and a string buffer for each byte that it may be given.
  return parser->text_room + parser->string_room + parser->token_room * sizeof(json_token) + 6 * parser->parser.capacity();
}

int json_parse(
    json_parser *parser, const uint8_t *text, size_t length, bool is_object, uint32_t depth,
    uint32_t maximum_depth, bool lenient, const json_token **tokens, size_t *count, size_t *fault) {
  parser->maximum_depth = maximum_depth;
  parser->lenient = lenient;
  parser->count = 0;
  parser->fault = 1;
  int code = json_too_long;
  // simdjson counts in 32 bits.
  if (length < UINT32_MAX - 2 * simdjson::SIMDJSON_PADDING)
    code = parser->take(text, length, is_object ? '{' : '[', is_object ? '}' : ']') ? parser->parse(is_object, depth)
                                                                                    : json_out_of_memory;
  *tokens = parser->tokens;
  *count = parser->count;
  *fault = parser->fault - 1;
  return code;
}

int json_find_run(const uint8_t *text, size_t from, size_t length, size_t window, bool takes_one, size_t *end) {
  size_t limit = length - from > window ? from + window : length;
  if (takes_one) limit = length;
  size_t comma = SIZE_MAX;
  size_t depth = 0;
  for (size_t at = from; at < limit; at++) {
    // A comma inside a member doesn't matter.
    while (depth > 0 && at + 16 < limit && !may_have_structure(text + at)) at += 16;
    switch (text[at]) {
    case '"': {
      size_t behind = json_string_end(text, at, limit);
      at = behind == 0 ? limit : behind - 1;
      break;
    }
    case '[':
    case '{': depth++; break;
    case ']':
    case '}':
      if (depth == 0) {
        *end = at;
        return json_run_closed;
      }
      depth--;
      break;
    case ',':
      if (depth > 0) break;
      comma = at;
      if (takes_one) limit = at;
      break;
    }
  }
  *end = comma == SIZE_MAX ? length : comma;
  if (comma != SIZE_MAX) return json_run_continues;
  return limit == length ? json_run_unclosed : json_run_too_long;
}

size_t json_string_end(const uint8_t *text, size_t from, size_t length) {
  for (size_t at = from + 1; at < length; at++) {
    if (text[at] == '"') return at + 1;
    if (text[at] == '\\') at++;
  }
  return 0;
}

ptrdiff_t json_unescape(json_parser *parser, const uint8_t *content, size_t length, uint8_t *out) {
  if (!parser->take(content, length, '"', '"') || !parser->make_string_room(length)) return -1;
  ptrdiff_t count = parser->unescape(parser->text + 1);
  if (count > 0) std::memcpy(out, parser->string, size_t(count));
  return count;
}
