/* Between the sources of the SDK only: the canonical ABI of wasm32. Not for steps. */
#ifndef SHIRO_ABI_H
#define SHIRO_ABI_H

#include <stdarg.h>

#include "shiro_step.h"

#define SHIRO_IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define SHIRO_EXPORT(name) __attribute__((export_name(name)))

/* A text or list, as the ABI has it. */
typedef struct {
  const void *at;
  size_t length;
} shiro_span;

/* Memory for the host to write a result into, aligned as any result may need. */
typedef union {
  uint64_t align[16];
  uint8_t bytes[128];
} shiro_area;

static inline uint8_t shiro_u8(const shiro_area *area, size_t at) { return area->bytes[at]; }

static inline uint32_t shiro_u32(const shiro_area *area, size_t at) {
  return *(const uint32_t *)(const void *)(area->bytes + at);
}

static inline uint64_t shiro_u64(const shiro_area *area, size_t at) {
  return *(const uint64_t *)(const void *)(area->bytes + at);
}

static inline const void *shiro_at(const shiro_area *area, size_t at) { return (const void *)(uintptr_t)shiro_u32(area, at); }

/* Memory that is there, or the end. */
void *shiro_allocate(size_t size);
/* A text with a NUL at its end. */
char *shiro_copy(const void *bytes, size_t length);
char *shiro_vformat(const char *format, va_list args);
/* As the description has them. */
void shiro_add_permissions(shiro_text *text, const shiro_permissions *permissions);

#endif
