/* example.check: checks that a URL answers with the expected status. */
#include "sdk/shiro_step.h"

const shiro_type shiro_step = {
    .name = "example.check",
    .version = "0.1.0",
    .summary = "Checks that a URL answers with the expected status.",
    .config_schema =
        "{\"type\":\"object\",\"properties\":{"
        "\"url\":{\"type\":\"string\",\"description\":\"The URL to ask.\"},"
        "\"expect_status\":{\"type\":\"integer\",\"minimum\":100,\"maximum\":599,\"default\":200,"
        "\"description\":\"The status that it has to answer with.\"},"
        "\"label\":{\"type\":\"string\",\"default\":\"\",\"description\":\"What to call it in the log.\"}"
        "},\"required\":[\"url\"],\"additionalProperties\":false}",
    .output_schema =
        "{\"type\":\"object\",\"properties\":{"
        "\"status\":{\"type\":\"integer\",\"minimum\":100,\"maximum\":599,\"description\":\"The status that it answered with.\"},"
        "\"ok\":{\"type\":\"boolean\",\"description\":\"Whether that is the expected one.\"}"
        "},\"required\":[\"status\",\"ok\"]}",
    .permissions = {.network = (const shiro_network[]){{.url = "{config.url}"}, {0}}},
};

bool shiro_run(const shiro_value *config, shiro_text *output, shiro_failure *failure) {
  const char *label = shiro_string(shiro_get(config, "label"), "");
  int expected = (int)shiro_number(shiro_get(config, "expect_status"), 200);
  shiro_request request = {.url = shiro_string(shiro_get(config, "url"), "")};
  shiro_response response;

  shiro_info("checking %s", *label ? label : "the URL");
  if (!shiro_http(&request, &response, failure)) return false;

  bool ok = response.status == expected;
  shiro_addf(output, "{\"status\":%d,\"ok\":%s}", response.status, ok ? "true" : "false");
  if (ok) return true;
  shiro_transient(failure, "unexpected_status", "expected status %d, got %d", expected, response.status);
  failure->output = output->data;
  return false;
}
