/*
 * mem.h -- memory that is there or the program is not.
 *
 * Every call either succeeds or ends the process with a line on stderr and exit code 71 (EX_OSERR):
 * both programs keep what they promised on disk, so dying is safe and half an answer is not.
 */
#ifndef PROTO_MEM_H
#define PROTO_MEM_H

#include <stddef.h>

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size); /* zeroed; dies when count * size overflows */
void *xrealloc(void *old, size_t size);
char *xstrdup(const char *text);
char *xstrndup(const char *text, size_t len);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Overwrite a secret so that the compiler cannot leave it behind. */
void cleanse(void *secret, size_t len);

#endif
