/*
 * Write a step type for shiro in C: a step type is a WebAssembly component, and this header with its sources is all that
 * stands between a function and the component's interface.
 *
 *     const shiro_type shiro_step = {
 *         .name = "text.greet",
 *         .version = "0.1.0",
 *         .summary = "Makes a greeting.",
 *         .config_schema = "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"}},\"required\":[\"name\"]}",
 *     };
 *
 *     bool shiro_run(const shiro_value *config, shiro_text *output, shiro_failure *failure) {
 *         const char *name = shiro_string(shiro_get(config, "name"), "");
 *         if (!*name)
 *             return shiro_permanent(failure, "nobody", "there is nobody to greet: set `name`");
 *         shiro_info("greeting %s", name);
 *         shiro_add(output, "{\"greeting\":");
 *         shiro_add_string(output, name);
 *         shiro_add(output, "}");
 *         return true;
 *     }
 *
 * `shiro plugin build` compiles it. shiro checks the config against the schema before it calls shiro_run. What is written
 * to stdout and stderr goes to the step's log.
 *
 * Every attempt is a fresh instance that ends when shiro_run returns, so nothing here has to be freed. Texts are UTF-8 and
 * end with a NUL. Where memory runs out the instance ends.
 */
#ifndef SHIRO_STEP_H
#define SHIRO_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define SHIRO_FORMAT(string, first) __attribute__((format(printf, string, first)))
#else
#define SHIRO_FORMAT(string, first)
#endif

/* ---- The step type ------------------------------------------------------------------------------------------------ */

/* A list of texts: SHIRO_LIST("one", "two"). */
#define SHIRO_LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
typedef const char *const *shiro_list;

/* HTTP requests to the scheme, host and port of a URL, whose host may be `*.example.com`. */
typedef struct {
  const char *url;
  shiro_list methods;      /* only with these, in upper case; NULL for any */
  const char *path_prefix; /* only to paths below this, segment by segment, e.g. `/v1/`; NULL for any */
} shiro_network;

/* Running a program. */
typedef struct {
  const char *program;      /* its name, or `*` for any */
  shiro_list args;          /* patterns: a text is itself, `*` any one argument, `**` at the end any further ones; NULL for any */
  const char *working_dir;  /* where it may run, or below: relative to the project's directory, which NULL is; `/` anywhere */
  shiro_list environment;   /* the variables of the job that it inherits: names, or the beginning of one and `*` */
  bool inherit_environment; /* all of them, with every secret among them */
} shiro_program;

/* The files of a directory, for fopen and its like. */
typedef struct {
  const char *path; /* relative to the project's directory, or absolute: the step finds it under this name */
  bool read_write;
} shiro_directory;

/* Keys of the workflow's shared data. */
typedef struct {
  const char *scope; /* "run", "pipeline", "branch", "project", or "*" for each of them */
  const char *keys;  /* a key, or with a `*` behind it all keys that begin so */
  bool read_write;
} shiro_keys;

/* Limits of one attempt that a step would like raised; 0 where the usual ones do. A policy sets them. */
typedef struct {
  uint32_t memory_mib;    /* memory */
  uint32_t cpu_seconds;   /* time in which it computes */
  uint32_t wall_seconds;  /* time in all */
  uint32_t output_mib;    /* what it returns */
  uint32_t log_mib;       /* what it writes to its log, stdout and stderr */
  uint32_t files_mib;     /* what it writes to files */
  uint32_t http_mib;      /* HTTP bodies in each direction */
  uint32_t store_mib;     /* what it stores in the shared data */
  uint32_t open_requests; /* HTTP requests in flight at once; more wait */
} shiro_limits;

/* What a step type asks for. What it gets is for whoever runs the workflow to decide. `{config.key}` in a URL, a program or a
 * path stands for what the user configured, and nothing else. The arrays end with a `{0}`. */
typedef struct {
  const shiro_network *network;
  const shiro_program *process;
  shiro_list environment;       /* variables of the job that it sees, with getenv: names, or the beginning of one and `*` */
  shiro_list secrets;           /* secret variables of the job that it sees, each by its name */
  const shiro_directory *files; /* directories that it reads or writes */
  const shiro_keys *store;      /* keys of the shared data that it reads or writes */
  shiro_limits limits;          /* what it is likely to need */
} shiro_permissions;

/* What a step type is. The schemas are JSON; NULL is for "anything goes". */
typedef struct {
  const char *name;          /* what users write in `type`: dotted, lower case, e.g. `slack.notify` */
  const char *version;       /* the plugin's, best a semantic version */
  const char *summary;       /* one sentence that says what it does */
  const char *config_schema; /* JSON Schema 2020-12 of `config` */
  const char *output_schema; /* JSON Schema 2020-12 of the output */
  shiro_permissions permissions; /* what it asks for, e.g. {.network = (const shiro_network[]){{.url = "{config.url}"}, {0}}} */
  bool idempotent;               /* an attempt that was cut off may simply run again: done twice is the same as once */
} shiro_type;

/* For you to define. */
extern const shiro_type shiro_step;

typedef struct shiro_value shiro_value;
typedef struct shiro_text shiro_text;
typedef struct shiro_failure shiro_failure;

/* For you to define: runs one attempt. Returns true with JSON in `output`, or false with `failure` filled in. */
bool shiro_run(const shiro_value *config, shiro_text *output, shiro_failure *failure);

/* ---- Saying no ---------------------------------------------------------------------------------------------------- */

typedef enum {
  SHIRO_INVALID_CONFIG, /* never retried */
  SHIRO_PERMANENT,      /* trying again cannot help: never retried */
  SHIRO_TRANSIENT,      /* retried as the step's `retry` says */
} shiro_kind;

struct shiro_failure {
  shiro_kind kind;
  const char *code;        /* lower case, e.g. `channel_not_found`; the step's name up to its first dot goes in front */
  const char *message;     /* one sentence: what happened, and what to do */
  uint64_t retry_after_ms; /* no attempt before this has passed; 0 for no wish */
  const char *output;      /* JSON to show all the same, or NULL */
};

/* Each fills in the failure and returns false, to be returned in turn. */
bool shiro_invalid_config(shiro_failure *failure, const char *format, ...) SHIRO_FORMAT(2, 3);
bool shiro_permanent(shiro_failure *failure, const char *code, const char *format, ...) SHIRO_FORMAT(3, 4);
bool shiro_transient(shiro_failure *failure, const char *code, const char *format, ...) SHIRO_FORMAT(3, 4);

/* ---- The log ------------------------------------------------------------------------------------------------------ */

typedef enum { SHIRO_DEBUG, SHIRO_INFO, SHIRO_WARN, SHIRO_ERROR } shiro_level;

void shiro_debug(const char *format, ...) SHIRO_FORMAT(1, 2); /* shown only when asked for */
void shiro_info(const char *format, ...) SHIRO_FORMAT(1, 2);
void shiro_warn(const char *format, ...) SHIRO_FORMAT(1, 2);
void shiro_error(const char *format, ...) SHIRO_FORMAT(1, 2);
/* With a JSON object of further fields, or NULL. */
void shiro_log(shiro_level level, const char *message, const char *fields);

/* ---- The run that the step is part of ----------------------------------------------------------------------------- */

const char *shiro_workflow(void);        /* the workflow's name */
const char *shiro_run_id(void);          /* unique everywhere, the same after a pause */
const char *shiro_step_id(void);         /* the step's id in the workflow */
const char *shiro_idempotency_key(void); /* the same for every attempt of this step in this run */
uint32_t shiro_attempt(void);            /* 1 on the first */
bool shiro_time_left_ms(uint64_t *left); /* false if there is no limit */

/* ---- Text --------------------------------------------------------------------------------------------------------- */

/* A text that grows. `{0}` is an empty one. */
struct shiro_text {
  char *data; /* ends with a NUL; NULL while it is empty */
  size_t length;
  size_t room;
};

void shiro_add(shiro_text *text, const char *more);
void shiro_add_bytes(shiro_text *text, const void *bytes, size_t length);
void shiro_addf(shiro_text *text, const char *format, ...) SHIRO_FORMAT(2, 3);
void shiro_add_string(shiro_text *text, const char *value); /* as a JSON string, with its quotes */

/* ---- JSON --------------------------------------------------------------------------------------------------------- */

typedef enum { SHIRO_NULL, SHIRO_FALSE, SHIRO_TRUE, SHIRO_NUMBER, SHIRO_STRING, SHIRO_ARRAY, SHIRO_OBJECT } shiro_json_type;

struct shiro_value {
  shiro_json_type type;
  const char *name;   /* of an object's member */
  const char *string; /* of a string; a number's text */
  size_t length;      /* bytes of a string, elements of an array, members of an object */
  double number;
  shiro_value *items; /* elements or members */
};

/* Parses JSON; NULL if it is none. */
const shiro_value *shiro_parse(const char *json, size_t length);
/* All of these take NULL for a value that is not there. */
const shiro_value *shiro_get(const shiro_value *object, const char *name); /* NULL without such a member */
const char *shiro_string(const shiro_value *value, const char *otherwise);
double shiro_number(const shiro_value *value, double otherwise);
bool shiro_bool(const shiro_value *value, bool otherwise);

/* ---- HTTP: needs a `network` permission --------------------------------------------------------------------------- */

typedef struct {
  const char *name, *value;
} shiro_header;

typedef struct {
  const char *method; /* NULL for GET; any but CONNECT and TRACE */
  const char *url;    /* absolute, http or https */
  const shiro_header *headers;
  size_t header_count;
  const void *body; /* NULL for none */
  size_t body_length;
  uint64_t timeout_ms; /* in all, up to the body's last byte; 0 for 30 seconds */
  size_t max_body;     /* of the response; 0 for 8 MiB */
} shiro_request;

typedef struct {
  int status; /* redirects are not followed: the step sees the 3xx answer */
  shiro_header *headers;
  size_t header_count;
  const char *body; /* ends with a NUL that does not count */
  size_t body_length;
} shiro_response;

/* Sends it and reads the answer. A status that says no is no failure. False with `failure` filled in if there is no answer. */
bool shiro_http(const shiro_request *request, shiro_response *response, shiro_failure *failure);
/* A header's first value, the name in any case; NULL without one. */
const char *shiro_response_header(const shiro_response *response, const char *name);

/* ---- Programs: needs a `process` permission ----------------------------------------------------------------------- */

typedef struct {
  const char *program;     /* a name to look for on PATH, or a path with a slash in it */
  const char *const *args; /* without the program's name */
  size_t arg_count;
  const shiro_header *env; /* variables, on top of what the grant lets it inherit */
  size_t env_count;
  const char *working_dir; /* NULL for the project's directory */
  const void *stdin_bytes; /* NULL for none */
  size_t stdin_length;
  uint32_t capture; /* bytes of each stream to keep, half of it at each end; 0 for 256 KiB, 1 MiB at most */
  uint64_t timeout_ms; /* 0 for the step's own limit only */
} shiro_command;

typedef struct {
  const char *head; /* the first bytes: all if nothing was left out; ends with a NUL that does not count */
  size_t head_length;
  const char *tail; /* the last bytes, when head is not all */
  size_t tail_length;
  uint64_t total; /* how many bytes it wrote */
} shiro_captured;

typedef struct {
  int exit_code; /* -1 if a signal ended it */
  int signal;    /* 0 if none did */
  shiro_captured out, err;
  uint64_t duration_ms;
} shiro_completed;

/* Runs it and waits for its end. An exit code that says no is no failure. False with `failure` filled in if it did not run
 * to its end. */
bool shiro_process(const shiro_command *command, shiro_completed *completed, shiro_failure *failure);

/* ---- Shared data: needs a `store` permission ---------------------------------------------------------------------- */

/*
 * Values by key, which outlive the step. The scope says how far a value reaches: "run", "pipeline", "branch" or "project".
 * Each gives false with `failure` filled in if it was not done: with the code `denied`, `store_invalid`, `store_limit`,
 * `store_unreadable` (never to be taken for "nothing is there"), or `store_failed`, which is worth another attempt.
 */

/* The value of a key as JSON; NULL if there is none, or none any more. */
bool shiro_store_get(const char *scope, const char *key, const shiro_value **value, shiro_failure *failure);
bool shiro_store_exists(const char *scope, const char *key, bool *exists, shiro_failure *failure);
/* Stores JSON, in place of what is there; durable when it returns. Gone after ttl_ms, by the wall clock; 0 for never. */
bool shiro_store_set(const char *scope, const char *key, const char *json, uint64_t ttl_ms, shiro_failure *failure);
/* `deleted` is false if there was no value. It may be NULL. */
bool shiro_store_delete(const char *scope, const char *key, bool *deleted, shiro_failure *failure);
/* The keys that begin with a prefix ("" for all) and have a value, sorted. All that begin so have to be granted. */
bool shiro_store_list(const char *scope, const char *prefix, const char *const **keys, size_t *count, shiro_failure *failure);
/* When a value is gone, or went, in milliseconds since 1970-01-01 UTC; 0 if it stays, or if there is none. */
bool shiro_store_expires_at(const char *scope, const char *key, uint64_t *at_ms, shiro_failure *failure);

#endif
