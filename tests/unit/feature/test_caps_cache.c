/* test_caps_cache.c -- what is kept of clients' versions, and that it stays bounded. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "relay/feature/caps_cache.h"

static void
count(struct caps_entry *entry, void *arg)
{
	(void)entry;
	++*(size_t *)arg;
}

static size_t
size_of(struct caps_cache *cache)
{
	size_t size = 0;

	caps_cache_each(cache, count, &size);
	return size;
}

static void
test_shared_and_kept(void **state)
{
	struct caps_cache cache = { .tree = NULL };
	struct caps_entry *first = caps_cache_take(&cache, "sha-1\na", "node#a");

	(void)state;
	assert_ptr_equal(caps_cache_take(&cache, "sha-1\na", "node#a"), first);
	assert_int_equal(first->refs, 2);
	first->set = caps_set_new(NULL);
	caps_cache_release(&cache, first);
	caps_cache_release(&cache, first);
	assert_ptr_equal(caps_cache_find(&cache, "sha-1\na"), first);
	assert_int_equal(cache.idle, 1);
	assert_ptr_equal(caps_cache_take(&cache, "sha-1\na", "node#a"), first);
	assert_int_equal(cache.idle, 0);
	caps_cache_clear(&cache);
	assert_null(caps_cache_find(&cache, "sha-1\na"));
}

/* What is not known, and what counts for one session, goes with its last session. */
static void
test_not_kept(void **state)
{
	struct caps_cache cache = { .tree = NULL };
	struct caps_entry *unknown = caps_cache_take(&cache, "sha-1\nb", "node#b");
	struct caps_entry *own = caps_cache_take(&cache, "\nana@familia.example/casa\nnode#b", "node#b");

	(void)state;
	assert_true(caps_entry_is_shared(unknown));
	assert_false(caps_entry_is_shared(own));
	own->set = caps_set_new(NULL);
	caps_cache_release(&cache, unknown);
	caps_cache_release(&cache, own);
	assert_int_equal(size_of(&cache), 0);
}

static void
test_bounded(void **state)
{
	struct caps_cache cache = { .tree = NULL };
	struct caps_entry *busy = caps_cache_take(&cache, "sha-1\nbusy", "node#busy");
	char key[32];

	(void)state;
	busy->set = caps_set_new(NULL);
	for (int i = 0; i < 3 * CAPS_IDLE_MAX; i++) {
		snprintf(key, sizeof key, "sha-1\n%d", i);
		struct caps_entry *entry = caps_cache_take(&cache, key, "node");
		entry->set = caps_set_new(NULL);
		caps_cache_release(&cache, entry);
	}
	assert_int_equal(size_of(&cache), CAPS_IDLE_MAX + 1);
	assert_non_null(caps_cache_find(&cache, "sha-1\nbusy"));
	assert_non_null(caps_cache_find(&cache, key));
	assert_null(caps_cache_find(&cache, "sha-1\n0"));
	caps_cache_clear(&cache);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shared_and_kept),
		cmocka_unit_test(test_not_kept),
		cmocka_unit_test(test_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
