/* text.sha256: the SHA-256 of a text (FIPS 180-4), and whether it is the expected one. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "sdk/shiro_step.h"

const shiro_type shiro_step = {
    .name = "text.sha256",
    .version = "1.0.0",
    .summary = "Computes the SHA-256 of a text, and fails if it is not the expected one.",
    .config_schema =
        "{\"type\":\"object\",\"properties\":{"
        "\"text\":{\"type\":\"string\",\"description\":\"The text; its UTF-8 is what counts.\"},"
        "\"expect\":{\"type\":\"string\",\"pattern\":\"^[0-9A-Fa-f]{64}$\",\"description\":\"The digest that it has to have, "
        "in hex.\"}"
        "},\"required\":[\"text\"],\"additionalProperties\":false}",
    .output_schema =
        "{\"type\":\"object\",\"properties\":{\"sha256\":{\"type\":\"string\",\"description\":\"The digest in lower-case "
        "hex.\"}},\"required\":[\"sha256\"]}",
};

static const uint32_t ROUND[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t word, int by) { return word >> by | word << (32 - by); }

static void block(uint32_t state[8], const uint8_t bytes[64]) {
  uint32_t w[64], s[8];
  for (int i = 0; i < 16; i++)
    w[i] = (uint32_t)bytes[4 * i] << 24 | (uint32_t)bytes[4 * i + 1] << 16 | (uint32_t)bytes[4 * i + 2] << 8 | bytes[4 * i + 3];
  for (int i = 16; i < 64; i++) {
    uint32_t a = w[i - 15], b = w[i - 2];
    w[i] = w[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[i - 7] + (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
  }
  memcpy(s, state, sizeof s);
  for (int i = 0; i < 64; i++) {
    uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
    uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
    uint32_t one = s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) + choice + ROUND[i] + w[i];
    uint32_t two = (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) + majority;
    memmove(s + 1, s, 7 * sizeof *s);
    s[4] += one;
    s[0] = one + two;
  }
  for (int i = 0; i < 8; i++) state[i] += s[i];
}

static void sha256(const char *text, size_t length, char hex[65]) {
  uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  uint8_t rest[128] = {0};
  size_t whole = length / 64 * 64, left = length - whole, end = left < 56 ? 64 : 128;
  for (size_t at = 0; at < whole; at += 64) block(state, (const uint8_t *)text + at);
  memcpy(rest, text + whole, left);
  rest[left] = 0x80;
  for (int i = 0; i < 8; i++) rest[end - 1 - i] = (uint8_t)((uint64_t)length * 8 >> 8 * i);
  for (size_t at = 0; at < end; at += 64) block(state, rest + at);
  for (int i = 0; i < 8; i++) snprintf(hex + 8 * i, 9, "%08x", (unsigned)state[i]);
}

bool shiro_run(const shiro_value *config, shiro_text *output, shiro_failure *failure) {
  const shiro_value *text = shiro_get(config, "text");
  const char *expected = shiro_string(shiro_get(config, "expect"), NULL);
  if (!text || text->type != SHIRO_STRING) return shiro_invalid_config(failure, "text: expected a text");
  char hex[65];
  sha256(text->string, text->length, hex);
  shiro_addf(output, "{\"sha256\":\"%s\"}", hex);
  if (!expected || strcasecmp(expected, hex) == 0) return true;
  shiro_permanent(failure, "mismatch", "expected the SHA-256 %s, got %s", expected, hex);
  failure->output = output->data;
  return false;
}
