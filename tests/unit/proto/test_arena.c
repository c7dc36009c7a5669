/* test_arena.c -- arenas, buffers and memory. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/mem.h"

static void
test_arena(void **state)
{
	(void)state;
	struct arena *arena = arena_new();
	char *first = arena_strdup(arena, "first"), *strings[2000];

	for (size_t i = 0; i < 2000; i++) {
		size_t size = i * 7 % 9000;
		unsigned char *bytes = arena_alloc(arena, size);

		assert_int_equal((uintptr_t)bytes % _Alignof(max_align_t), 0);
		for (size_t k = 0; k < size; k++)
			assert_int_equal(bytes[k], 0);
		memset(bytes, 0xA5, size);
		strings[i] = arena_printf(arena, "%zu", i);
	}
	for (size_t i = 0; i < 2000; i++)
		assert_int_equal(strtoul(strings[i], NULL, 10), i);
	assert_string_equal(first, "first");
	assert_string_equal(arena_strndup(arena, "abc", 2), "ab");
	assert_string_equal(arena_strndup(arena, "", 0), "");
	char *large = arena_alloc(arena, 1000000);

	memset(large, 1, 1000000);
	assert_true(arena_used(arena) > 9000000);
	arena_free(&arena);
	assert_null(arena);
	arena_free(&arena);
}

static size_t cleansed, marks;

void __real_cleanse(void *secret, size_t len);
void __wrap_cleanse(void *secret, size_t len);

void
__wrap_cleanse(void *secret, size_t len)
{
	cleansed += len;
	for (size_t i = 0; i + 6 <= len; i++)
		marks += memcmp((const char *)secret + i, "SECRET", 6) == 0;
	__real_cleanse(secret, len);
}

/* All that a secret arena was given is overwritten when it is freed, in every kind of block; another's is left. */
static void
test_secret(void **state)
{
	(void)state;
	for (int secret = 1; secret >= 0; secret--) { /* in this order: what is left would be found in the next one's blocks */
		struct arena *arena = secret ? arena_new_secret() : arena_new();

		cleansed = marks = 0;
		for (size_t i = 0; i < 300; i++)
			(void)arena_printf(arena, "SECRET %zu", i);
		memcpy(arena_alloc(arena, 100000), "SECRET", 6);
		memcpy((char *)arena_alloc(arena, 9000) + 8994, "SECRET", 6);
		assert_true(arena_used(arena) > 109000);
		arena_free(&arena);
		assert_int_equal(marks, secret ? 302 : 0);
		assert_int_equal(cleansed > 109000, secret);
	}
}

/* What is taken from the system stays near what was asked for. */
static void
test_waste(void **state)
{
	(void)state;
	static const size_t sizes[] = { 1, 16, 72, 300, 5000, 50000 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct arena *arena = arena_new();
		size_t asked = 0;

		while (asked < 400000) {
			(void)arena_alloc(arena, sizes[i]);
			asked += (sizes[i] + 15) / 16 * 16;
			assert_true(arena_used(arena) < 2 * asked + 2200);
		}
		arena_free(&arena);
	}
}

static void
test_buf(void **state)
{
	(void)state;
	struct buf buf = { 0 };

	buf_adds(&buf, "abc");
	buf_add(&buf, "\0d", 2);
	buf_printf(&buf, "%d%s", 12, "x");
	assert_int_equal(buf.len, 8);
	assert_memory_equal(buf.data, "abc\0d12x", 9);
	buf_drop(&buf, 4);
	assert_string_equal(buf.data, "d12x");
	buf_drop(&buf, 0);
	buf_drop(&buf, 4);
	assert_string_equal(buf.data, "");
	for (int i = 0; i < 100000; i++)
		buf_add(&buf, "y", 1);
	assert_int_equal(strlen(buf.data), 100000);
	buf_clear(&buf);
	assert_int_equal(buf.len, 0);
	assert_string_equal(buf.data, "");
	buf_adds(&buf, "z");
	char *taken = buf_take(&buf);

	assert_string_equal(taken, "z");
	assert_null(buf.data);
	free(taken);
	taken = buf_take(&buf);
	assert_string_equal(taken, "");
	free(taken);
	buf_add(&buf, NULL, 0);
	assert_string_equal(buf.data, "");
	buf_free(&buf);
	buf_free(&buf);
}

static void
test_mem(void **state)
{
	(void)state;
	char secret[16] = "secret", *text = xasprintf("%s-%d", "a", 7), *copy = xstrndup("abcd", 2);
	int *numbers = xcalloc(3, sizeof(*numbers));

	assert_string_equal(text, "a-7");
	assert_string_equal(copy, "ab");
	assert_int_equal(numbers[2], 0);
	numbers = xrealloc(numbers, 100);
	cleanse(secret, sizeof(secret));
	for (size_t i = 0; i < sizeof(secret); i++)
		assert_int_equal(secret[i], 0);
	free(text);
	free(copy);
	free(numbers);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arena),
		cmocka_unit_test(test_secret),
		cmocka_unit_test(test_waste),
		cmocka_unit_test(test_buf),
		cmocka_unit_test(test_mem),
	};

	return cmocka_run_group_tests_name("proto/arena", tests, NULL, NULL);
}
