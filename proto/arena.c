/*
 * arena.c -- memory with one life: a chain of blocks, newest first. See arena.h.
 *
 * The first block is small (most stanzas are some hundred bytes), each next one twice as large up to
 * BLOCK_MAX; what is larger than a quarter of the next block gets one of its own size, so that little is
 * wasted on either side.
 */
#include "config.h"

#include "proto/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/mem.h"

enum { BLOCK_FIRST = 1024, BLOCK_MAX = 32 * 1024 };

struct block {
	struct block *older;
	size_t size; /* of bytes */
	alignas(max_align_t) char bytes[];
};

struct arena {
	struct block *newest; /* the one with room; blocks of one object are chained behind it */
	size_t taken;         /* bytes of newest already given */
	size_t next;          /* size of the next block */
	size_t used;          /* bytes taken from the system, the arena's own included */
	bool secret;
};

static struct block *
block_new(struct arena *arena, size_t size)
{
	assert(size <= SIZE_MAX - sizeof(struct block));
	struct block *block = xmalloc(sizeof(*block) + size);

	block->older = NULL;
	block->size = size;
	arena->used += sizeof(*block) + size;
	return block;
}

struct arena *
arena_new(void)
{
	struct arena *arena = xcalloc(1, sizeof(*arena));

	arena->next = BLOCK_FIRST;
	arena->used = sizeof(*arena);
	return arena;
}

struct arena *
arena_new_secret(void)
{
	struct arena *arena = arena_new();

	arena->secret = true;
	return arena;
}

void
arena_free(struct arena **arena)
{
	if (*arena == NULL)
		return;
	for (struct block *block = (*arena)->newest, *older; block != NULL; block = older) {
		older = block->older;
		if ((*arena)->secret)
			cleanse(block->bytes, block->size);
		free(block);
	}
	free(*arena);
	*arena = NULL;
}

/* An object too large to share a block: its block goes behind the newest, whose room stays in use. */
static void *
alloc_alone(struct arena *arena, size_t size)
{
	struct block *block = block_new(arena, size);

	if (arena->newest == NULL) {
		arena->newest = block;
		arena->taken = size;
	} else {
		block->older = arena->newest->older;
		arena->newest->older = block;
	}
	return memset(block->bytes, 0, size);
}

static void *
alloc_aligned(struct arena *arena, size_t size, size_t align)
{
	if (arena->newest != NULL) {
		size_t start = (arena->taken + align - 1) & ~(align - 1);

		if (start <= arena->newest->size && size <= arena->newest->size - start) {
			arena->taken = start + size;
			return memset(arena->newest->bytes + start, 0, size);
		}
	}
	if (size > arena->next / 4)
		return alloc_alone(arena, size);

	struct block *block = block_new(arena, arena->next);

	block->older = arena->newest;
	arena->newest = block;
	arena->taken = size;
	if (arena->next < BLOCK_MAX)
		arena->next *= 2;
	return memset(block->bytes, 0, size);
}

void *
arena_alloc(struct arena *arena, size_t size)
{
	return alloc_aligned(arena, size, alignof(max_align_t));
}

char *
arena_strdup(struct arena *arena, const char *text)
{
	return arena_strndup(arena, text, strlen(text));
}

char *
arena_strndup(struct arena *arena, const char *text, size_t len)
{
	assert(len < SIZE_MAX);
	char *copy = alloc_aligned(arena, len + 1, 1);

	if (len > 0)
		memcpy(copy, text, len);
	return copy;
}

char *
arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	assert(len >= 0);
	char *text = alloc_aligned(arena, (size_t)len + 1, 1);

	va_start(args, format);
	(void)vsnprintf(text, (size_t)len + 1, format, args);
	va_end(args);
	return text;
}

size_t
arena_used(const struct arena *arena)
{
	return arena->used;
}
