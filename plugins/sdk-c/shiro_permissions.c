/* What a step type asks for, as JSON: see wit/description.schema.json. */
#include "shiro_abi.h"

/* The name of another member, with a comma before all but the first. */
static void add_name(shiro_text *text, const char *name) {
  if (text->data[text->length - 1] != '{') shiro_add(text, ",");
  shiro_add_string(text, name);
  shiro_add(text, ":");
}

static void add_text(shiro_text *text, const char *name, const char *value) {
  if (!value) return;
  add_name(text, name);
  shiro_add_string(text, value);
}

static void add_list(shiro_text *text, const char *name, shiro_list list) {
  if (!list) return;
  add_name(text, name);
  shiro_add(text, "[");
  for (size_t i = 0; list[i]; i++) {
    if (i) shiro_add(text, ",");
    shiro_add_string(text, list[i]);
  }
  shiro_add(text, "]");
}

static void add_limit(shiro_text *text, const char *name, uint32_t value) {
  if (!value) return;
  add_name(text, name);
  shiro_addf(text, "%lu", (unsigned long)value);
}

/* The beginning of another object of an array. */
static void begin(shiro_text *text, size_t index) { shiro_add(text, index ? ",{" : "{"); }

static void add_network(shiro_text *text, const shiro_network *network) {
  if (!network) return;
  add_name(text, "network");
  shiro_add(text, "[");
  for (size_t i = 0; network[i].url; i++) {
    begin(text, i);
    add_text(text, "url", network[i].url);
    add_list(text, "methods", network[i].methods);
    add_text(text, "path_prefix", network[i].path_prefix);
    shiro_add(text, "}");
  }
  shiro_add(text, "]");
}

static void add_process(shiro_text *text, const shiro_program *process) {
  if (!process) return;
  add_name(text, "process");
  shiro_add(text, "[");
  for (size_t i = 0; process[i].program; i++) {
    begin(text, i);
    add_text(text, "program", process[i].program);
    add_list(text, "args", process[i].args);
    add_text(text, "working_dir", process[i].working_dir);
    add_list(text, "environment", process[i].environment);
    if (process[i].inherit_environment) {
      add_name(text, "inherit_environment");
      shiro_add(text, "true");
    }
    shiro_add(text, "}");
  }
  shiro_add(text, "]");
}

static void add_files(shiro_text *text, const shiro_directory *files) {
  if (!files) return;
  add_name(text, "files");
  shiro_add(text, "[");
  for (size_t i = 0; files[i].path; i++) {
    begin(text, i);
    add_text(text, "path", files[i].path);
    if (files[i].read_write) add_text(text, "access", "read-write");
    shiro_add(text, "}");
  }
  shiro_add(text, "]");
}

static void add_store(shiro_text *text, const shiro_keys *store) {
  if (!store) return;
  add_name(text, "store");
  shiro_add(text, "[");
  for (size_t i = 0; store[i].scope; i++) {
    begin(text, i);
    add_text(text, "scope", store[i].scope);
    add_text(text, "keys", store[i].keys);
    if (store[i].read_write) add_text(text, "access", "read-write");
    shiro_add(text, "}");
  }
  shiro_add(text, "]");
}

static void add_limits(shiro_text *text, const shiro_limits *limits) {
  const struct {
    const char *name;
    uint32_t value;
  } all[] = {
      {"memory_mib", limits->memory_mib}, {"cpu_seconds", limits->cpu_seconds}, {"wall_seconds", limits->wall_seconds},
      {"output_mib", limits->output_mib}, {"log_mib", limits->log_mib},         {"files_mib", limits->files_mib},
      {"http_mib", limits->http_mib},     {"store_mib", limits->store_mib},     {"open_requests", limits->open_requests},
  };
  add_name(text, "limits");
  shiro_add(text, "{");
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) add_limit(text, all[i].name, all[i].value);
  shiro_add(text, "}");
}

void shiro_add_permissions(shiro_text *text, const shiro_permissions *permissions) {
  shiro_add(text, "{");
  add_network(text, permissions->network);
  add_process(text, permissions->process);
  add_list(text, "environment", permissions->environment);
  add_list(text, "secrets", permissions->secrets);
  add_files(text, permissions->files);
  add_store(text, permissions->store);
  add_limits(text, &permissions->limits);
  shiro_add(text, "}");
}
