/* Does everything that can be done with shared data, and returns what came of it. */
#include "sdk/shiro_step.h"

const shiro_type shiro_step = {
    .name = "example.store",
    .version = "0.1.0",
    .summary = "Uses shared data.",
    .config_schema = "{\"type\":\"object\",\"properties\":{\"scope\":{\"type\":\"string\"},\"key\":{\"type\":\"string\"}},"
                     "\"required\":[\"scope\",\"key\"],\"additionalProperties\":false}",
    .permissions = {.store = (const shiro_keys[]){{"*", "*", true}, {0}}},
    .idempotent = true,
};

static const char *text(bool value) { return value ? "true" : "false"; }

bool shiro_run(const shiro_value *config, shiro_text *output, shiro_failure *failure) {
  const char *scope = shiro_string(shiro_get(config, "scope"), ""), *key = shiro_string(shiro_get(config, "key"), "");
  const shiro_value *before, *value;
  const char *const *keys;
  size_t count;
  bool exists, deleted, again;
  uint64_t expires, stays;
  shiro_text short_key = {0};
  shiro_addf(&short_key, "%s/short", key);
  if (!shiro_store_get(scope, key, &before, failure) ||
      !shiro_store_set(scope, key, "{\"by\":\"step\",\"list\":[1,\"\xc3\xa9\"]}", 0, failure) ||
      !shiro_store_set(scope, short_key.data, "1", 3600 * 1000, failure) ||
      !shiro_store_get(scope, key, &value, failure) || !shiro_store_exists(scope, key, &exists, failure) ||
      !shiro_store_list(scope, key, &keys, &count, failure) ||
      !shiro_store_expires_at(scope, short_key.data, &expires, failure) ||
      !shiro_store_expires_at(scope, key, &stays, failure) ||
      !shiro_store_delete(scope, short_key.data, &deleted, failure) ||
      !shiro_store_delete(scope, short_key.data, &again, failure))
    return false;
  shiro_add(output, "{\"before\":");
  shiro_add(output, before ? "true" : "null");
  shiro_add(output, ",\"value\":{\"by\":");
  shiro_add_string(output, shiro_string(shiro_get(value, "by"), ""));
  const shiro_value *list = shiro_get(value, "list");
  shiro_addf(output, ",\"list\":[%d,", (int)shiro_number(&list->items[0], 0));
  shiro_add_string(output, shiro_string(&list->items[1], ""));
  shiro_addf(output, "]},\"exists\":%s,\"keys\":[", text(exists));
  for (size_t i = 0; i < count; i++) {
    if (i) shiro_add(output, ",");
    shiro_add_string(output, keys[i]);
  }
  shiro_addf(output, "],\"expires\":%s,\"stays\":%s", text(expires != 0), text(stays == 0));
  shiro_addf(output, ",\"deleted\":%s,\"again\":%s}", text(deleted), text(again));
  shiro_info("done");
  return true;
}
