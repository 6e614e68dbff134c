/* JSON (RFC 8259), and texts that grow. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shiro_abi.h"

/* Deeper than anybody writes, and far from the end of the stack. */
#define MAX_DEPTH 256

void *shiro_allocate(size_t size) {
  void *memory = calloc(1, size ? size : 1);
  if (!memory) {
    shiro_log(SHIRO_ERROR, "out of memory", NULL);
    abort();
  }
  return memory;
}

char *shiro_copy(const void *bytes, size_t length) {
  char *copy = shiro_allocate(length + 1);
  if (length) memcpy(copy, bytes, length);
  return copy;
}

char *shiro_vformat(const char *format, va_list args) {
  va_list again;
  va_copy(again, args);
  int length = vsnprintf(NULL, 0, format, again);
  va_end(again);
  if (length < 0) return shiro_copy("", 0);
  char *text = shiro_allocate((size_t)length + 1);
  vsnprintf(text, (size_t)length + 1, format, args);
  return text;
}

void shiro_add_bytes(shiro_text *text, const void *bytes, size_t length) {
  if (text->length + length + 1 > text->room) {
    size_t room = (text->length + length + 1) * 2;
    char *grown = shiro_allocate(room);
    if (text->length) memcpy(grown, text->data, text->length);
    free(text->data);
    text->data = grown;
    text->room = room;
  }
  if (length) memcpy(text->data + text->length, bytes, length);
  text->length += length;
  text->data[text->length] = 0;
}

void shiro_add(shiro_text *text, const char *more) { shiro_add_bytes(text, more, strlen(more)); }

void shiro_addf(shiro_text *text, const char *format, ...) {
  va_list args;
  va_start(args, format);
  char *more = shiro_vformat(format, args);
  va_end(args);
  shiro_add(text, more);
  free(more);
}

void shiro_add_string(shiro_text *text, const char *value) {
  shiro_add(text, "\"");
  for (; *value; value++) {
    unsigned char c = (unsigned char)*value;
    if (c == '"' || c == '\\')
      shiro_addf(text, "\\%c", c);
    else if (c < 0x20)
      shiro_addf(text, "\\u%04x", c);
    else
      shiro_add_bytes(text, value, 1);
  }
  shiro_add(text, "\"");
}

typedef struct {
  const char *at, *end;
  int depth;
} parser;

static bool parse_value(parser *p, shiro_value *value);

static void skip_space(parser *p) {
  while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r')) p->at++;
}

static bool take(parser *p, const char *word) {
  size_t length = strlen(word);
  if ((size_t)(p->end - p->at) < length || memcmp(p->at, word, length) != 0) return false;
  p->at += length;
  return true;
}

static bool hex4(parser *p, uint32_t *code) {
  if (p->end - p->at < 4) return false;
  *code = 0;
  for (int i = 0; i < 4; i++, p->at++) {
    char c = *p->at;
    uint32_t digit = c >= '0' && c <= '9' ? (uint32_t)(c - '0') : ((c | 32) >= 'a' && (c | 32) <= 'f') ? (uint32_t)((c | 32) - 'a' + 10) : 16;
    if (digit == 16) return false;
    *code = *code * 16 + digit;
  }
  return true;
}

static void add_utf8(shiro_text *text, uint32_t code) {
  char bytes[4];
  size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  static const uint32_t leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
  for (size_t i = length - 1; i > 0; i--, code >>= 6) bytes[i] = (char)(0x80 | (code & 0x3f));
  bytes[0] = (char)(leads[length] | code);
  shiro_add_bytes(text, bytes, length);
}

/* After the backslash. A surrogate without its other half becomes U+FFFD. */
static bool parse_escape(parser *p, shiro_text *text) {
  static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
  if (p->at == p->end) return false;
  char c = *p->at++;
  uint32_t code, low;
  if (c != 'u') {
    const char *found = c ? strchr(names, c) : NULL;
    if (!found) return false;
    shiro_add_bytes(text, values + (found - names), 1);
    return true;
  }
  if (!hex4(p, &code)) return false;
  if (code >= 0xd800 && code < 0xdc00 && p->end - p->at >= 6 && p->at[0] == '\\' && p->at[1] == 'u') {
    parser ahead = {p->at + 2, p->end, 0};
    if (!hex4(&ahead, &low)) return false;
    if (low >= 0xdc00 && low < 0xe000) {
      p->at = ahead.at;
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
  }
  add_utf8(text, code >= 0xd800 && code < 0xe000 ? 0xfffd : code);
  return true;
}

static bool parse_string(parser *p, const char **string, size_t *length) {
  shiro_text text = {0};
  shiro_add(&text, "");
  if (!take(p, "\"")) return false;
  while (p->at < p->end) {
    const char *start = p->at;
    while (p->at < p->end && *p->at != '"' && *p->at != '\\' && (unsigned char)*p->at >= 0x20) p->at++;
    shiro_add_bytes(&text, start, (size_t)(p->at - start));
    if (take(p, "\"")) {
      *string = text.data;
      *length = text.length;
      return true;
    }
    if (!take(p, "\\") || !parse_escape(p, &text)) return false;
  }
  return false;
}

static bool digits(parser *p) {
  const char *start = p->at;
  while (p->at < p->end && *p->at >= '0' && *p->at <= '9') p->at++;
  return p->at > start;
}

static bool parse_number(parser *p, shiro_value *value) {
  const char *start = p->at;
  take(p, "-");
  if (!take(p, "0") && !digits(p)) return false;
  if (take(p, ".") && !digits(p)) return false;
  if (take(p, "e") || take(p, "E")) {
    if (!take(p, "+")) take(p, "-");
    if (!digits(p)) return false;
  }
  value->type = SHIRO_NUMBER;
  value->length = (size_t)(p->at - start);
  value->string = shiro_copy(start, value->length);
  value->number = strtod(value->string, NULL);
  return true;
}

/* After the opening bracket. */
static bool parse_items(parser *p, shiro_value *value, const char *close) {
  size_t room = 0;
  bool object = value->type == SHIRO_OBJECT;
  for (skip_space(p); !(value->length == 0 && take(p, close)); skip_space(p)) {
    if (value->length == room) {
      room = room ? room * 2 : 8;
      shiro_value *grown = shiro_allocate(room * sizeof *grown);
      if (value->length) memcpy(grown, value->items, value->length * sizeof *grown);
      free(value->items);
      value->items = grown;
    }
    shiro_value *item = &value->items[value->length];
    size_t ignored;
    const char *name = NULL;
    if (object) {
      if (!parse_string(p, &name, &ignored)) return false;
      skip_space(p);
      if (!take(p, ":")) return false;
    }
    if (!parse_value(p, item)) return false;
    item->name = name;
    value->length++;
    skip_space(p);
    if (take(p, close)) return true;
    if (!take(p, ",")) return false;
  }
  return true;
}

static bool parse_value(parser *p, shiro_value *value) {
  skip_space(p);
  memset(value, 0, sizeof *value);
  if (p->at == p->end || p->depth >= MAX_DEPTH) return false;
  if (*p->at == '"') {
    value->type = SHIRO_STRING;
    return parse_string(p, &value->string, &value->length);
  }
  if (*p->at == '{' || *p->at == '[') {
    bool object = *p->at++ == '{';
    value->type = object ? SHIRO_OBJECT : SHIRO_ARRAY;
    p->depth++;
    bool good = parse_items(p, value, object ? "}" : "]");
    p->depth--;
    return good;
  }
  value->type = SHIRO_NULL;
  if (take(p, "null")) return true;
  value->type = SHIRO_FALSE;
  if (take(p, "false")) return true;
  value->type = SHIRO_TRUE;
  if (take(p, "true")) return true;
  return parse_number(p, value);
}

const shiro_value *shiro_parse(const char *json, size_t length) {
  parser p = {json, json + length, 0};
  shiro_value *value = shiro_allocate(sizeof *value);
  if (!parse_value(&p, value)) return NULL;
  skip_space(&p);
  return p.at == p.end ? value : NULL;
}

const shiro_value *shiro_get(const shiro_value *object, const char *name) {
  if (!object || object->type != SHIRO_OBJECT) return NULL;
  /* Of a name that stands there twice the last counts, as everywhere else. */
  for (size_t i = object->length; i-- > 0;)
    if (strcmp(object->items[i].name, name) == 0) return &object->items[i];
  return NULL;
}

const char *shiro_string(const shiro_value *value, const char *otherwise) {
  return value && value->type == SHIRO_STRING ? value->string : otherwise;
}

double shiro_number(const shiro_value *value, double otherwise) {
  return value && value->type == SHIRO_NUMBER ? value->number : otherwise;
}

bool shiro_bool(const shiro_value *value, bool otherwise) {
  return value && (value->type == SHIRO_TRUE || value->type == SHIRO_FALSE) ? value->type == SHIRO_TRUE : otherwise;
}
