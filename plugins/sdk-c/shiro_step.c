/* The component's exports, the log, the context and programs. */
#include "shiro_step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shiro_abi.h"

/* What most programs write is kept whole. */
#define DEFAULT_CAPTURE (256 * 1024)

SHIRO_EXPORT("cabi_realloc") void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {
  (void)old_size;
  if (size == 0) return (void *)align;
  void *memory = realloc(old, size);
  if (!memory) abort();
  return memory;
}

/* ---- describe and run --------------------------------------------------------------------------------------------- */

static void add_member(shiro_text *text, const char *name, const char *json) {
  if (json) shiro_addf(text, ",\"%s\":%s", name, json);
}

SHIRO_EXPORT("shiro:step/step@0.1.0#describe") shiro_span *shiro_export_describe(void) {
  static shiro_span answer;
  shiro_text text = {0};
  shiro_add(&text, "{\"name\":");
  shiro_add_string(&text, shiro_step.name);
  shiro_add(&text, ",\"version\":");
  shiro_add_string(&text, shiro_step.version);
  shiro_add(&text, ",\"summary\":");
  shiro_add_string(&text, shiro_step.summary);
  add_member(&text, "config_schema", shiro_step.config_schema);
  add_member(&text, "output_schema", shiro_step.output_schema);
  shiro_add(&text, ",\"permissions\":");
  shiro_add_permissions(&text, &shiro_step.permissions);
  if (shiro_step.idempotent) shiro_add(&text, ",\"idempotent\":true");
  shiro_add(&text, "}");
  answer = (shiro_span){text.data, text.length};
  return &answer;
}

/* result<string, failure> */
typedef struct {
  uint8_t is_error;
  union {
    shiro_span output;
    struct {
      uint8_t kind;
      shiro_span code, message;
      _Alignas(8) uint8_t has_retry_after;
      uint64_t retry_after_ms;
      uint8_t has_output;
      shiro_span output;
    } failure;
  } as;
} run_answer;

static shiro_span span_of(const char *text) { return (shiro_span){text, strlen(text)}; }

/* The code with the step type in front, unless it names one already. */
static const char *qualified(const char *code) {
  if (strchr(code, '.')) return code;
  shiro_text text = {0};
  shiro_add_bytes(&text, shiro_step.name, strcspn(shiro_step.name, "."));
  shiro_add(&text, ".");
  shiro_add(&text, code);
  return text.data;
}

SHIRO_EXPORT("shiro:step/step@0.1.0#run") run_answer *shiro_export_run(const char *json, size_t length) {
  static run_answer answer;
  shiro_text output = {0};
  shiro_failure failure = {SHIRO_PERMANENT, "unexpected", "the step failed without saying why", 0, NULL};
  const shiro_value *config = shiro_parse(json, length);
  if (config ? shiro_run(config, &output, &failure) : shiro_invalid_config(&failure, "config: it is not JSON")) {
    answer.as.output = output.data ? (shiro_span){output.data, output.length} : span_of("null");
    return &answer;
  }
  answer.is_error = 1;
  answer.as.failure.kind = (uint8_t)failure.kind;
  answer.as.failure.code = span_of(qualified(failure.code));
  answer.as.failure.message = span_of(failure.message);
  answer.as.failure.has_retry_after = failure.retry_after_ms > 0;
  answer.as.failure.retry_after_ms = failure.retry_after_ms;
  answer.as.failure.has_output = failure.output != NULL;
  if (failure.output) answer.as.failure.output = span_of(failure.output);
  return &answer;
}

static bool fail(shiro_failure *failure, shiro_kind kind, const char *code, const char *format, va_list args) {
  *failure = (shiro_failure){kind, code, shiro_vformat(format, args), 0, NULL};
  return false;
}

bool shiro_invalid_config(shiro_failure *failure, const char *format, ...) {
  va_list args;
  va_start(args, format);
  fail(failure, SHIRO_INVALID_CONFIG, "invalid_config", format, args);
  va_end(args);
  return false;
}

bool shiro_permanent(shiro_failure *failure, const char *code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  fail(failure, SHIRO_PERMANENT, code, format, args);
  va_end(args);
  return false;
}

bool shiro_transient(shiro_failure *failure, const char *code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  fail(failure, SHIRO_TRANSIENT, code, format, args);
  va_end(args);
  return false;
}

/* ---- The log ------------------------------------------------------------------------------------------------------ */

SHIRO_IMPORT("shiro:step/log@0.1.0", "log")
void import_log(uint32_t level, const char *message, size_t length, const char *fields, size_t fields_length);

void shiro_log(shiro_level level, const char *message, const char *fields) {
  if (!fields) fields = "";
  import_log(level, message, strlen(message), fields, strlen(fields));
}

#define LOG_FUNCTION(name, level)       \
  void name(const char *format, ...) {  \
    va_list args;                       \
    va_start(args, format);             \
    char *text = shiro_vformat(format, args); \
    va_end(args);                       \
    shiro_log(level, text, NULL);       \
    free(text);                         \
  }

LOG_FUNCTION(shiro_debug, SHIRO_DEBUG)
LOG_FUNCTION(shiro_info, SHIRO_INFO)
LOG_FUNCTION(shiro_warn, SHIRO_WARN)
LOG_FUNCTION(shiro_error, SHIRO_ERROR)

/* ---- The context -------------------------------------------------------------------------------------------------- */

#define CONTEXT_TEXT(function, name)                                                       \
  SHIRO_IMPORT("shiro:step/context@0.1.0", name) void import_##function(shiro_area *result); \
  const char *function(void) {                                                             \
    shiro_area result;                                                                     \
    import_##function(&result);                                                            \
    return shiro_copy(shiro_at(&result, 0), shiro_u32(&result, 4));                        \
  }

CONTEXT_TEXT(shiro_workflow, "workflow")
CONTEXT_TEXT(shiro_run_id, "run-id")
CONTEXT_TEXT(shiro_step_id, "step-id")
CONTEXT_TEXT(shiro_idempotency_key, "idempotency-key")

SHIRO_IMPORT("shiro:step/context@0.1.0", "attempt") uint32_t import_attempt(void);
SHIRO_IMPORT("shiro:step/context@0.1.0", "time-left-ms") void import_time_left_ms(shiro_area *result);

uint32_t shiro_attempt(void) { return import_attempt(); }

bool shiro_time_left_ms(uint64_t *left) {
  shiro_area result;
  import_time_left_ms(&result);
  *left = shiro_u8(&result, 0) ? shiro_u64(&result, 8) : 0;
  return shiro_u8(&result, 0) != 0;
}

/* ---- Programs ----------------------------------------------------------------------------------------------------- */

SHIRO_IMPORT("shiro:step/process@0.1.0", "run")
void import_run(const char *program, size_t program_length, const shiro_span *args, size_t arg_count, const shiro_span (*env)[2],
                size_t env_count, uint32_t has_dir, const char *dir, size_t dir_length, uint32_t has_stdin, const void *stdin_bytes,
                size_t stdin_length, uint32_t capture, uint32_t has_timeout, uint64_t timeout_ms, shiro_area *result);

static shiro_captured captured(const shiro_area *result, size_t at) {
  size_t head = shiro_u32(result, at + 4), tail = shiro_u32(result, at + 12);
  return (shiro_captured){shiro_copy(shiro_at(result, at), head), head, shiro_copy(shiro_at(result, at + 8), tail), tail,
                          shiro_u64(result, at + 16)};
}

/* The record that stands at an offset. */
static void read_completed(const shiro_area *result, size_t at, shiro_completed *completed) {
  bool signaled = shiro_u8(result, at) == 1;
  completed->exit_code = signaled ? -1 : shiro_u8(result, at + 1);
  completed->signal = signaled ? shiro_u8(result, at + 1) : 0;
  completed->out = captured(result, at + 8);
  completed->err = captured(result, at + 32);
  completed->duration_ms = shiro_u64(result, at + 56);
}

static bool not_completed(const shiro_area *result, const char *program, shiro_completed *completed, shiro_failure *failure) {
  enum { denied, not_found, not_started, timed_out, invalid } kind = shiro_u8(result, 8);
  const char *why = kind == denied || kind == not_started || kind == invalid
                        ? shiro_copy(shiro_at(result, 16), shiro_u32(result, 20))
                        : "";
  switch (kind) {
    case denied:
      return shiro_permanent(failure, "denied", "running `%s` was denied: %s", program, why);
    case not_found:
      return shiro_permanent(failure, "not_found", strchr(program, '/') ? "there is no program at `%s`" : "there is no program `%s` on PATH",
                             program);
    case not_started:
      return shiro_permanent(failure, "not_started", "`%s` could not be started: %s", program, why);
    case timed_out:
      read_completed(result, 16, completed);
      return shiro_transient(failure, "timeout", "`%s` did not end within %u.%us and was stopped", program,
                             (unsigned)(completed->duration_ms / 1000), (unsigned)(completed->duration_ms % 1000 / 100));
    default:
      return shiro_permanent(failure, "invalid_command", "`%s` can't be run like this: %s", program, why);
  }
}

bool shiro_process(const shiro_command *command, shiro_completed *completed, shiro_failure *failure) {
  shiro_span *args = shiro_allocate(command->arg_count * sizeof *args);
  for (size_t i = 0; i < command->arg_count; i++) args[i] = span_of(command->args[i]);
  shiro_span(*env)[2] = shiro_allocate(command->env_count * sizeof *env);
  for (size_t i = 0; i < command->env_count; i++) {
    env[i][0] = span_of(command->env[i].name);
    env[i][1] = span_of(command->env[i].value);
  }
  shiro_span dir = span_of(command->working_dir ? command->working_dir : "");
  shiro_area result;
  *completed = (shiro_completed){0};
  import_run(command->program, strlen(command->program), args, command->arg_count, (const shiro_span(*)[2])env, command->env_count,
             command->working_dir != NULL, dir.at, dir.length, command->stdin_bytes != NULL, command->stdin_bytes,
             command->stdin_length, command->capture ? command->capture : DEFAULT_CAPTURE, command->timeout_ms != 0,
             command->timeout_ms, &result);
  if (shiro_u8(&result, 0)) return not_completed(&result, command->program, completed, failure);
  read_completed(&result, 8, completed);
  return true;
}
