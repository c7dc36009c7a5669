/*
 * arena.h -- memory with one life: a stanza's tree and all its strings, freed in one call.
 *
 * An arena grows by blocks and never moves what it gave. Strings in it are borrowed views: what must outlive
 * the arena is copied by the module that keeps it. Never fails (mem.h).
 */
#ifndef PROTO_ARENA_H
#define PROTO_ARENA_H

#include <stddef.h>

struct arena;

struct arena *arena_new(void);
struct arena *arena_new_secret(void); /* what it held is overwritten when it is freed: passwords, keys, records of sessions */
void arena_free(struct arena **arena); /* NULL inside is allowed; leaves NULL */

void *arena_alloc(struct arena *arena, size_t size); /* zeroed, aligned for any object */
char *arena_strdup(struct arena *arena, const char *text);
char *arena_strndup(struct arena *arena, const char *text, size_t len); /* adds the NUL */
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Bytes taken from the system so far. */
size_t arena_used(const struct arena *arena);

#endif
