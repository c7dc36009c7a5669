/*
 * harness.h -- what the store's tests share: a folder of their own, one-line transactions and questions.
 *
 * Everything here works on a store without a loop, where callbacks have run when the call returns.
 */
#ifndef TESTS_UNIT_STORE_HARNESS_H
#define TESTS_UNIT_STORE_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "relay/store/read.h"
#include "relay/store/store.h"
#include "relay/store/txn.h"

extern const struct scram_keys some_keys;

/* cmocka setup and teardown: *state is a struct place. */
struct place {
	char *dir;
	struct store *store;
};
int place_setup(void **state);
int place_teardown(void **state);
void place_remove(const char *dir);
struct store *open_or_fail(const char *dir);
struct store *open_tool_or_fail(const char *dir);

/* Submit what was given in one transaction. */
enum txn_result run_ops(struct store *store, const struct op *ops, size_t count);
#define run(store, ...)                                                                                      \
	run_ops((store), (const struct op[]){ __VA_ARGS__ },                                                 \
		sizeof((const struct op[]){ __VA_ARGS__ }) / sizeof(struct op))
enum txn_result add_account(struct store *store, const char *node);
/* A message from "ana@a/x" to "beto@a": both boxes, pending for beto. Returns its id. */
int64_t add_message(struct store *store, const char *body);

/* One number out of the file, by a connection of its own; parameters are not needed. */
int64_t sql_number(const char *dir, const char *sql);
/* Each account's numbers in `usage` are those of its rows. */
void assert_counts_hold(const char *dir);
/* Does what refs say of each message hold? Nothing without a reference, nothing that refers to nothing? */
void assert_references_hold(const char *dir);

/* Answers, copied. */
struct mail {
	size_t count;
	struct {
		int64_t id, time, expires;
		char from[64], to[64], body[64];
	} rows[64];
};
void get_pending(struct store *store, const char *node, int64_t after, size_t limit, struct mail *mail_r);
int64_t get_pending_count(struct store *store, const char *node);

#endif
