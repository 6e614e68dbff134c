/* The workflow's shared data. */
#include <string.h>

#include "shiro_abi.h"
#include "shiro_step.h"

#define STORE_IMPORT(function, name)                                                                                    \
  SHIRO_IMPORT("shiro:step/store@0.1.0", name)                                                                          \
  void import_store_##function(const char *scope, size_t scope_length, const char *key, size_t key_length, shiro_area *result)

STORE_IMPORT(get, "get");
STORE_IMPORT(exists, "exists");
STORE_IMPORT(delete, "delete");
STORE_IMPORT(list, "list");
STORE_IMPORT(expires_at, "expires-at-ms");

SHIRO_IMPORT("shiro:step/store@0.1.0", "set")
void import_store_set(const char *scope, size_t scope_length, const char *key, size_t key_length, const char *value,
                      size_t value_length, uint32_t has_ttl, uint64_t ttl_ms, shiro_area *result);

static const char *text_at(const shiro_area *result, size_t at) {
  return shiro_copy(shiro_at(result, at), shiro_u32(result, at + 4));
}

/* Whether the result, whose parts begin at an offset, is none of an error. All cases are texts; the last one has two. */
static bool done(const shiro_area *result, size_t at, shiro_failure *failure) {
  static const char *const codes[] = {"denied", "store_invalid", "store_limit", "store_unreadable", "store_failed"};
  if (!shiro_u8(result, 0)) return true;
  size_t kind = shiro_u8(result, at);
  const char *text = text_at(result, at + 4);
  if (kind >= sizeof codes / sizeof *codes) return shiro_permanent(failure, text, "%s", text_at(result, at + 12));
  if (!strcmp(codes[kind], "store_failed")) return shiro_transient(failure, codes[kind], "%s", text);
  return shiro_permanent(failure, codes[kind], "%s", text);
}

bool shiro_store_get(const char *scope, const char *key, const shiro_value **value, shiro_failure *failure) {
  shiro_area result;
  import_store_get(scope, strlen(scope), key, strlen(key), &result);
  *value = NULL;
  if (!done(&result, 4, failure)) return false;
  if (shiro_u8(&result, 4)) *value = shiro_parse(text_at(&result, 8), shiro_u32(&result, 12));
  return true;
}

bool shiro_store_exists(const char *scope, const char *key, bool *exists, shiro_failure *failure) {
  shiro_area result;
  import_store_exists(scope, strlen(scope), key, strlen(key), &result);
  bool ok = done(&result, 4, failure);
  *exists = ok && shiro_u8(&result, 4);
  return ok;
}

bool shiro_store_set(const char *scope, const char *key, const char *json, uint64_t ttl_ms, shiro_failure *failure) {
  shiro_area result;
  import_store_set(scope, strlen(scope), key, strlen(key), json, strlen(json), ttl_ms != 0, ttl_ms, &result);
  return done(&result, 4, failure);
}

bool shiro_store_delete(const char *scope, const char *key, bool *deleted, shiro_failure *failure) {
  shiro_area result;
  import_store_delete(scope, strlen(scope), key, strlen(key), &result);
  bool ok = done(&result, 4, failure);
  if (deleted) *deleted = ok && shiro_u8(&result, 4);
  return ok;
}

bool shiro_store_list(const char *scope, const char *prefix, const char *const **keys, size_t *count, shiro_failure *failure) {
  shiro_area result;
  import_store_list(scope, strlen(scope), prefix, strlen(prefix), &result);
  *count = 0;
  if (!done(&result, 4, failure)) return false;
  const shiro_span *list = shiro_at(&result, 4);
  *count = shiro_u32(&result, 8);
  const char **texts = shiro_allocate(*count * sizeof *texts);
  for (size_t i = 0; i < *count; i++) texts[i] = shiro_copy(list[i].at, list[i].length);
  *keys = texts;
  return true;
}

bool shiro_store_expires_at(const char *scope, const char *key, uint64_t *at_ms, shiro_failure *failure) {
  shiro_area result;
  import_store_expires_at(scope, strlen(scope), key, strlen(key), &result);
  *at_ms = 0;
  /* A u64 stands in the result, so all of it is aligned to 8. */
  if (!done(&result, 8, failure)) return false;
  if (shiro_u8(&result, 8)) *at_ms = shiro_u64(&result, 16);
  return true;
}
