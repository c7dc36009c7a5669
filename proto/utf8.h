/*
 * utf8.h -- reading UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#ifndef PROTO_UTF8_H
#define PROTO_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the character at `text` (1 to 4) and its code point; 0: what stands there is not UTF-8. left: at least 1. */
size_t utf8_next(const char *text, size_t left, uint32_t *code_r);
bool utf8_valid(const char *text, size_t len);

#endif
