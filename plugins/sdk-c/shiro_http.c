/* Requests over wasi:http. What is held of the host is not dropped where it costs nothing: the instance ends with the attempt. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shiro_abi.h"

#define HTTP "wasi:http/types@0.2.12"
#define STREAMS "wasi:io/streams@0.2.12"
#define CLOCK "wasi:clocks/monotonic-clock@0.2.12"

SHIRO_IMPORT(HTTP, "[constructor]fields") uint32_t fields_new(void);
SHIRO_IMPORT(HTTP, "[method]fields.append")
void fields_append(uint32_t fields, const char *name, size_t name_length, const char *value, size_t value_length, shiro_area *result);
SHIRO_IMPORT(HTTP, "[method]fields.entries") void fields_entries(uint32_t fields, shiro_area *result);
SHIRO_IMPORT(HTTP, "[constructor]outgoing-request") uint32_t request_new(uint32_t fields);
SHIRO_IMPORT(HTTP, "[method]outgoing-request.set-method")
uint32_t set_method(uint32_t request, uint32_t method, const char *other, size_t length);
SHIRO_IMPORT(HTTP, "[method]outgoing-request.set-scheme")
uint32_t set_scheme(uint32_t request, uint32_t some, uint32_t scheme, const char *other, size_t length);
SHIRO_IMPORT(HTTP, "[method]outgoing-request.set-authority")
uint32_t set_authority(uint32_t request, uint32_t some, const char *authority, size_t length);
SHIRO_IMPORT(HTTP, "[method]outgoing-request.set-path-with-query")
uint32_t set_path(uint32_t request, uint32_t some, const char *path, size_t length);
SHIRO_IMPORT(HTTP, "[method]outgoing-request.body") void request_body(uint32_t request, shiro_area *result);
SHIRO_IMPORT(HTTP, "[method]outgoing-body.write") void body_write(uint32_t body, shiro_area *result);
SHIRO_IMPORT(HTTP, "[static]outgoing-body.finish")
void body_finish(uint32_t body, uint32_t some, uint32_t trailers, shiro_area *result);
SHIRO_IMPORT(HTTP, "[constructor]request-options") uint32_t options_new(void);
SHIRO_IMPORT(HTTP, "[method]request-options.set-connect-timeout")
uint32_t set_connect_timeout(uint32_t options, uint32_t some, uint64_t nanoseconds);
SHIRO_IMPORT(HTTP, "[method]request-options.set-first-byte-timeout")
uint32_t set_first_byte_timeout(uint32_t options, uint32_t some, uint64_t nanoseconds);
SHIRO_IMPORT(HTTP, "[method]request-options.set-between-bytes-timeout")
uint32_t set_between_bytes_timeout(uint32_t options, uint32_t some, uint64_t nanoseconds);
SHIRO_IMPORT("wasi:http/outgoing-handler@0.2.12", "handle")
void handle(uint32_t request, uint32_t some, uint32_t options, shiro_area *result);
SHIRO_IMPORT(HTTP, "[method]future-incoming-response.subscribe") uint32_t future_subscribe(uint32_t future);
SHIRO_IMPORT(HTTP, "[method]future-incoming-response.get") void future_get(uint32_t future, shiro_area *result);
SHIRO_IMPORT(HTTP, "[method]incoming-response.status") uint32_t response_status(uint32_t response);
SHIRO_IMPORT(HTTP, "[method]incoming-response.headers") uint32_t response_headers(uint32_t response);
SHIRO_IMPORT(HTTP, "[method]incoming-response.consume") void response_consume(uint32_t response, shiro_area *result);
SHIRO_IMPORT(HTTP, "[method]incoming-body.stream") void body_stream(uint32_t body, shiro_area *result);
SHIRO_IMPORT(HTTP, "http-error-code") void http_error_code(uint32_t error, shiro_area *result);
SHIRO_IMPORT(STREAMS, "[method]input-stream.read") void stream_read(uint32_t stream, uint64_t length, shiro_area *result);
SHIRO_IMPORT(STREAMS, "[method]input-stream.subscribe") uint32_t input_subscribe(uint32_t stream);
SHIRO_IMPORT(STREAMS, "[method]output-stream.check-write") void stream_check_write(uint32_t stream, shiro_area *result);
SHIRO_IMPORT(STREAMS, "[method]output-stream.write")
void stream_write(uint32_t stream, const void *bytes, size_t length, shiro_area *result);
SHIRO_IMPORT(STREAMS, "[method]output-stream.flush") void stream_flush(uint32_t stream, shiro_area *result);
SHIRO_IMPORT(STREAMS, "[method]output-stream.subscribe") uint32_t output_subscribe(uint32_t stream);
SHIRO_IMPORT(STREAMS, "[resource-drop]output-stream") void output_drop(uint32_t stream);
SHIRO_IMPORT("wasi:io/poll@0.2.12", "poll") void poll_list(const uint32_t *list, size_t length, shiro_area *result);
SHIRO_IMPORT("wasi:io/poll@0.2.12", "[resource-drop]pollable") void pollable_drop(uint32_t pollable);
SHIRO_IMPORT(CLOCK, "now") uint64_t clock_now(void);
SHIRO_IMPORT(CLOCK, "subscribe-duration") uint32_t subscribe_duration(uint64_t nanoseconds);

enum kind { INVALID_REQUEST, DENIED, DNS, CONNECT, TLS, TIMEOUT, BAD_RESPONSE, TOO_LARGE };

/* The cases of `error-code`, in their order. */
static const struct {
  enum kind kind;
  const char *detail;
} codes[] = {
    {DNS, "the name server did not answer in time"},
    {DNS, "no such name"},
    {DNS, "no such host"},
    {CONNECT, "it is not available"},
    {DENIED, "its address is not allowed"},
    {CONNECT, "there is no route to it"},
    {CONNECT, "connection refused"},
    {CONNECT, "the connection broke"},
    {TIMEOUT, "no connection in time"},
    {TIMEOUT, "nothing more to read in time"},
    {TIMEOUT, "the request could not be written in time"},
    {CONNECT, "too many connections"},
    {TLS, "TLS protocol error"},
    {TLS, "the certificate is not trusted"},
    {TLS, "it sent a TLS alert"},
    {DENIED, "it is not granted"},
    {INVALID_REQUEST, "its length is required"},
    {INVALID_REQUEST, "its body is too long, or not as long as announced"},
    {INVALID_REQUEST, "the method is not allowed"},
    {INVALID_REQUEST, "the URL is not valid"},
    {INVALID_REQUEST, "the URL is too long"},
    {INVALID_REQUEST, "the headers are too long"},
    {INVALID_REQUEST, "the headers are too long"},
    {INVALID_REQUEST, "the trailers are too long"},
    {INVALID_REQUEST, "the trailers are too long"},
    {BAD_RESPONSE, "it is not complete"},
    {TOO_LARGE, "its headers are over the host's limit"},
    {TOO_LARGE, "its headers are over the host's limit"},
    {TOO_LARGE, "its body is over the host's limit"},
    {TOO_LARGE, "its trailers are over the host's limit"},
    {TOO_LARGE, "its trailers are over the host's limit"},
    {BAD_RESPONSE, "unknown encoding"},
    {BAD_RESPONSE, "unknown encoding"},
    {TIMEOUT, "no response in time"},
    {BAD_RESPONSE, "the upgrade failed"},
    {BAD_RESPONSE, "HTTP protocol error"},
    {BAD_RESPONSE, "loop detected"},
    {INVALID_REQUEST, "shiro's network configuration does not allow it"},
    {BAD_RESPONSE, "an error without a name"},
};

/* One request on its way. */
typedef struct {
  const shiro_request *request;
  shiro_failure *failure;
  const char *origin; /* scheme and host: what may be shown */
  bool https;
  const char *authority, *path;
  uint64_t timeout_ms, end; /* end: when it must be over, on the monotonic clock */
  size_t max_body;
} exchange;

static bool fail(const exchange *e, enum kind kind, const char *detail) {
  shiro_failure *to = e->failure;
  const char *origin = e->origin;
  switch (kind) {
    case INVALID_REQUEST:
      return shiro_permanent(to, "http_invalid_request", "the request can't be sent: %s", detail);
    case DENIED:
      return shiro_permanent(to, "denied", "the request to %s was denied: %s", origin, detail);
    case DNS:
      return shiro_transient(to, "http_dns", "the host of %s could not be found: %s", origin, detail);
    case CONNECT:
      return shiro_transient(to, "http_connect", "no connection to %s: %s", origin, detail);
    case TLS:
      return shiro_permanent(to, "http_tls",
                             "no secure connection to %s: %s (hint: a private certificate authority has to be known to shiro)", origin,
                             detail);
    case TIMEOUT:
      return shiro_transient(to, "http_timeout", "%s did not answer in time: %s", origin, detail);
    case BAD_RESPONSE:
      return shiro_transient(to, "http_bad_response", "the answer of %s could not be read: %s", origin, detail);
    default:
      return shiro_permanent(to, "http_too_large", "the answer of %s is too long: %s", origin, detail);
  }
}

/* The failure of the `error-code` that stands at an offset. */
static bool fail_code(const exchange *e, const shiro_area *result, size_t at) {
  enum { dns_error = 1, tls_alert = 14, last = sizeof codes / sizeof *codes - 1 };
  unsigned code = shiro_u8(result, at) <= last ? shiro_u8(result, at) : last;
  size_t payload = at + 8 + (code == tls_alert ? 4 : 0);
  const char *detail = codes[code].detail;
  if ((code == dns_error || code == tls_alert || code == last) && shiro_u8(result, payload))
    detail = shiro_copy(shiro_at(result, payload + 4), shiro_u32(result, payload + 8));
  return fail(e, codes[code].kind, detail);
}

/* Takes the URL apart. What is wrong with it is said without repeating it: a URL may hold a secret. */
static bool parse_url(exchange *e, const char *url) {
  const char *rest = strstr(url, "://");
  size_t scheme = rest ? (size_t)(rest - url) : 0;
  e->https = scheme == 5 && strncasecmp(url, "https", 5) == 0;
  if (!e->https && !(scheme == 4 && strncasecmp(url, "http", 4) == 0))
    return fail(e, INVALID_REQUEST, "the URL does not begin with http:// or https://");
  for (const char *c = url; *c; c++)
    if (isspace((unsigned char)*c) || iscntrl((unsigned char)*c))
      return fail(e, INVALID_REQUEST, "the URL has a space, a line break or a control character in it");
  rest += 3;
  size_t host = strcspn(rest, "/?#\\");
  if (host == 0) return fail(e, INVALID_REQUEST, "the URL has no host");
  if (memchr(rest, '@', host))
    return fail(e, INVALID_REQUEST, "the URL has a user name or a password in it: pass them in a header");
  if (rest[host] == '\\') return fail(e, INVALID_REQUEST, "the URL has a backslash after its host");
  e->authority = shiro_copy(rest, host);
  shiro_text path = {0}, origin = {0};
  if (rest[host] != '/') shiro_add(&path, "/");
  shiro_add_bytes(&path, rest + host, strcspn(rest + host, "#"));
  shiro_addf(&origin, "%s://%s", e->https ? "https" : "http", e->authority);
  e->path = path.data;
  e->origin = origin.data;
  return true;
}

/* Waits until something is ready, and ends it. */
static bool wait_for(const exchange *e, uint32_t ready) {
  uint64_t now = clock_now();
  uint32_t list[2] = {ready, subscribe_duration(e->end > now ? e->end - now : 0)};
  shiro_area result;
  poll_list(list, 2, &result);
  pollable_drop(list[0]);
  pollable_drop(list[1]);
  const uint32_t *indices = shiro_at(&result, 0);
  for (size_t i = 0; i < shiro_u32(&result, 4); i++)
    if (indices[i] == 0) return true;
  char detail[64];
  snprintf(detail, sizeof detail, "not done after %lums", (unsigned long)e->timeout_ms);
  return fail(e, TIMEOUT, detail);
}

static bool append(const exchange *e, uint32_t fields, const char *name, const char *value) {
  shiro_area result;
  fields_append(fields, name, strlen(name), value, strlen(value), &result);
  return !shiro_u8(&result, 0) || fail(e, INVALID_REQUEST, "a header's name or value is not valid or not allowed");
}

static bool outgoing(const exchange *e, uint32_t *request) {
  static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};
  enum { other = sizeof methods / sizeof *methods };
  uint32_t fields = fields_new();
  for (size_t i = 0; i < e->request->header_count; i++)
    if (!append(e, fields, e->request->headers[i].name, e->request->headers[i].value)) return false;
  char length[24];
  snprintf(length, sizeof length, "%zu", e->request->body_length);
  if (e->request->body_length && !append(e, fields, "content-length", length)) return false;
  *request = request_new(fields);
  const char *name = e->request->method ? e->request->method : "GET";
  uint32_t method = 0;
  while (method < other && strcasecmp(methods[method], name) != 0) method++;
  if (set_method(*request, method, name, strlen(name))) return fail(e, INVALID_REQUEST, "the method is not valid");
  if (set_scheme(*request, 1, e->https, NULL, 0)) return fail(e, INVALID_REQUEST, "the URL's scheme is not valid");
  if (set_authority(*request, 1, e->authority, strlen(e->authority))) return fail(e, INVALID_REQUEST, "the URL's host is not valid");
  if (set_path(*request, 1, e->path, strlen(e->path))) return fail(e, INVALID_REQUEST, "the URL's path is not valid");
  return true;
}

/* Limits that a host need not know: the deadline holds all the same. */
static uint32_t options(const exchange *e) {
  uint32_t made = options_new();
  uint64_t nanoseconds = e->timeout_ms * 1000000;
  set_connect_timeout(made, 1, nanoseconds);
  set_first_byte_timeout(made, 1, nanoseconds);
  set_between_bytes_timeout(made, 1, nanoseconds);
  return made;
}

/* Writes the body. A host that stopped reading has an answer, or a reason: that is what counts then. */
static bool write_body(const exchange *e, uint32_t body) {
  shiro_area result;
  const char *bytes = e->request->body;
  size_t left = e->request->body_length;
  if (left) {
    body_write(body, &result);
    uint32_t stream = shiro_u32(&result, 4);
    while (left) {
      if (!wait_for(e, output_subscribe(stream))) return false;
      stream_check_write(stream, &result);
      if (shiro_u8(&result, 0)) return true;
      size_t now = shiro_u64(&result, 8) < left ? (size_t)shiro_u64(&result, 8) : left;
      if (!now) continue;
      stream_write(stream, bytes, now, &result);
      if (shiro_u8(&result, 0)) return true;
      bytes += now;
      left -= now;
    }
    stream_flush(stream, &result);
    if (!shiro_u8(&result, 0) && !wait_for(e, output_subscribe(stream))) return false;
    output_drop(stream);
  }
  body_finish(body, 0, 0, &result);
  return true;
}

static bool answer(const exchange *e, uint32_t future, uint32_t *response) {
  shiro_area result;
  do {
    if (!wait_for(e, future_subscribe(future))) return false;
    future_get(future, &result);
  } while (!shiro_u8(&result, 0));
  if (shiro_u8(&result, 8)) return fail(e, BAD_RESPONSE, "the response was taken already");
  if (shiro_u8(&result, 16)) return fail_code(e, &result, 24);
  *response = shiro_u32(&result, 24);
  return true;
}

static void read_headers(uint32_t incoming, shiro_response *response) {
  shiro_area result;
  fields_entries(response_headers(incoming), &result);
  const shiro_span(*entries)[2] = shiro_at(&result, 0);
  response->header_count = shiro_u32(&result, 4);
  response->headers = shiro_allocate(response->header_count * sizeof *response->headers);
  for (size_t i = 0; i < response->header_count; i++) {
    response->headers[i].name = shiro_copy(entries[i][0].at, entries[i][0].length);
    response->headers[i].value = shiro_copy(entries[i][1].at, entries[i][1].length);
  }
}

static bool read_body(const exchange *e, uint32_t incoming, shiro_response *response) {
  enum { closed = 1, chunk = 64 * 1024 };
  shiro_area result;
  shiro_text body = {0};
  shiro_add(&body, "");
  response_consume(incoming, &result);
  body_stream(shiro_u32(&result, 4), &result);
  uint32_t stream = shiro_u32(&result, 4);
  for (;;) {
    stream_read(stream, chunk, &result);
    if (shiro_u8(&result, 0)) {
      if (shiro_u8(&result, 4) == closed) break;
      http_error_code(shiro_u32(&result, 8), &result);
      return shiro_u8(&result, 0) ? fail_code(e, &result, 8) : fail(e, BAD_RESPONSE, "it broke off");
    }
    size_t length = shiro_u32(&result, 8);
    shiro_add_bytes(&body, shiro_at(&result, 4), length);
    if (length) free((void *)shiro_at(&result, 4));
    if (body.length > e->max_body) {
      char detail[64];
      snprintf(detail, sizeof detail, "more than %zu bytes", e->max_body);
      return fail(e, TOO_LARGE, detail);
    }
    if (!length && !wait_for(e, input_subscribe(stream))) return false;
  }
  response->body = body.data;
  response->body_length = body.length;
  return true;
}

bool shiro_http(const shiro_request *request, shiro_response *response, shiro_failure *failure) {
  exchange e = {.request = request, .failure = failure, .origin = ""};
  e.timeout_ms = request->timeout_ms ? request->timeout_ms : 30000;
  e.max_body = request->max_body ? request->max_body : 8 << 20;
  e.end = clock_now() + e.timeout_ms * 1000000;
  *response = (shiro_response){0};
  if (!parse_url(&e, request->url)) return false;
  uint32_t outgoing_request, incoming;
  shiro_area result, handled;
  if (!outgoing(&e, &outgoing_request)) return false;
  request_body(outgoing_request, &result);
  handle(outgoing_request, 1, options(&e), &handled);
  if (shiro_u8(&handled, 0)) return fail_code(&e, &handled, 8);
  if (!write_body(&e, shiro_u32(&result, 4)) || !answer(&e, shiro_u32(&handled, 8), &incoming)) return false;
  response->status = (int)response_status(incoming);
  read_headers(incoming, response);
  return read_body(&e, incoming, response);
}

const char *shiro_response_header(const shiro_response *response, const char *name) {
  for (size_t i = 0; i < response->header_count; i++)
    if (strcasecmp(response->headers[i].name, name) == 0) return response->headers[i].value;
  return NULL;
}
