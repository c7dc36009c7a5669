/*
 * ctl/ctl.h -- what the verbs of lazoctl(8) share: the configuration, the database, the running relay, and
 * one way to print.
 *
 * A verb is a row of ctl_verbs[] and a function in ctl/NOUN.c; it returns the exit code. Records are JSON
 * objects: --json prints them as they are, one a line; without it the values of `columns` are printed in
 * their order.
 */
#ifndef RELAY_CTL_CTL_H
#define RELAY_CTL_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sysexits.h>

#include <jansson.h>

#include "relay/store/txn.h"

enum { EX_EXISTS = EX_CANTCREAT, EX_NONE = EX_NOUSER }; /* 73 and 67 */

struct conf;
struct arena;
struct store;
struct txn;

struct ctl {
	struct conf *conf;
	struct arena *arena; /* of the whole run */
	struct store *store; /* ctl_store() */
	bool json;
	bool replace; /* peer trust */
	bool deaf; /* a relay runs, and does not answer */
};

struct ctl_verb {
	const char *noun, *verb; /* verb NULL: the noun says it all */
	const char *args;        /* for the usage */
	const char *help;
	int least, most; /* arguments */
	int (*fn)(struct ctl *ctl, char **args, int count);
};
extern const struct ctl_verb ctl_verbs[]; /* ends with noun NULL */

/* The database, beside a running relay too. NULL: said why; *exit_r is the code. */
struct store *ctl_store(struct ctl *ctl, int *exit_r);
/* Run a transaction to its end. Other than TXN_COMMITTED and TXN_CONFLICT have been told on stderr. */
enum txn_result ctl_commit(struct txn **txn);
int ctl_exit_of(enum txn_result result, int conflict);

/* Ask the running relay (control.c). NULL: it does not run. The caller decrefs; takes the request. */
json_t *ctl_call(struct ctl *ctl, json_t *request);
/* Tell it that an account was written; nothing when it does not run. */
void ctl_changed(struct ctl *ctl, const char *node, bool deleted);

/* An account's address at this relay: its node part, or NULL (said why). */
const char *ctl_node(struct ctl *ctl, const char *jid);
/* First line of standard input; without echo from a terminal. cleanse() and free() it. NULL: none (said why).
 */
char *ctl_password(void);

/* Takes the record. Text without labels: one line, values between tabs; with: a line `name: value` each. */
void ctl_print(const struct ctl *ctl, json_t *record, const char *const *columns, bool labels);
json_t *ctl_time(int64_t ms); /* RFC 3339 text; 0: null */

int ctl_complain(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The verbs. */
int ctl_backup(struct ctl *ctl, char **args, int count);
int ctl_check(struct ctl *ctl, char **args, int count);
int ctl_features(struct ctl *ctl, char **args, int count);
int ctl_invite(struct ctl *ctl, char **args, int count);
int ctl_peer_key(struct ctl *ctl, char **args, int count);
int ctl_peer_list(struct ctl *ctl, char **args, int count);
int ctl_peer_show(struct ctl *ctl, char **args, int count);
int ctl_peer_trust(struct ctl *ctl, char **args, int count);
int ctl_queue_cancel(struct ctl *ctl, char **args, int count);
int ctl_queue_expire(struct ctl *ctl, char **args, int count);
int ctl_queue_retry(struct ctl *ctl, char **args, int count);
int ctl_queue_show(struct ctl *ctl, char **args, int count);
int ctl_report_del(struct ctl *ctl, char **args, int count);
int ctl_report_list(struct ctl *ctl, char **args, int count);
int ctl_session_kick(struct ctl *ctl, char **args, int count);
int ctl_session_list(struct ctl *ctl, char **args, int count);
int ctl_status(struct ctl *ctl, char **args, int count);
int ctl_user_add(struct ctl *ctl, char **args, int count);
int ctl_user_del(struct ctl *ctl, char **args, int count);
int ctl_user_list(struct ctl *ctl, char **args, int count);
int ctl_user_password(struct ctl *ctl, char **args, int count);

#endif
