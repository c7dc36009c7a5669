/*
 * cmd.h -- what a verb of lazo is, and what every verb may use.
 *
 * A verb is one file and one `const struct verb`; cmd_table.c lists them. Options, --help, completion and the manual's
 * check are derived from the table. A verb prints through out.h only, and returns an exit code of sysexits.h.
 */
#ifndef CLIENT_CMD_CMD_H
#define CLIENT_CMD_CMD_H

#include <stdbool.h>
#include <stddef.h>
#include <sysexits.h>
#include "client/clock.h"
#include "client/cmd/out.h"
#include "client/db/account.h"
#include "client/db/db.h"
#include "client/db/home.h"
#include "client/intl.h"
#include "client/sync.h"
#include "proto/arena.h"

struct option {
	const char *name;  /* without -- */
	const char *value; /* what it takes, in capitals; NULL: nothing */
	const char *help;  /* N_() */
};

enum { CMD_POSITIONALS = 64 };

struct args {
	const struct verb *verb;
	size_t count;                      /* positionals */
	const char *at[CMD_POSITIONALS];
	const char *values[24];            /* by the option's place in the verb's table; "" for a given flag */
};

struct app {
	const char *home_option;
	const char *account_option;
	bool json;
	struct home home;
	struct db *db;
	struct arena *arena; /* lives as long as the program */
	struct account account;
};

struct verb {
	const char *name;
	const char *usage;              /* positionals and sub-commands, for --help and errors */
	const char *summary;            /* N_(), one line */
	const char *about;              /* N_(), more */
	const struct option *options;   /* ends with a NULL name; may be NULL */
	const char *const *words;       /* sub-commands, for completion; may be NULL */
	size_t least, most;             /* positionals */
	int (*run)(struct app *app, const struct args *args);
};

extern const struct verb *const cmd_table[]; /* ends with NULL; in the order of help */
extern const struct option cmd_globals[];
const struct verb *cmd_find(const char *name);

/* NULL: not given. */
const char *args_value(const struct args *args, const char *name);
bool args_flag(const struct args *args, const char *name);
/* The number of an option or positional. False: not a positive number; said so. */
bool args_number(const char *text, long long *number_r);

/* Home and database. EX_OK, or what to exit with; said already. */
int app_open(struct app *app);
/* The account that is meant: --account, else the standard one. */
int app_account(struct app *app);
/* A person by name or address, to a bare JID in the arena. NULL: *code_r says what to exit with; said already. */
const char *app_person(struct app *app, const char *word, int *code_r);
void app_close(struct app *app);

/* Connect once with the account's kept settings (settings NULL) or others. Says what went wrong. */
int app_sync(struct app *app, const struct sync_settings *settings, struct sync_result *result_r);
/* Say a trouble with its next step; its exit code. */
int app_trouble(struct app *app, const struct sync_result *result);
/* The disk or database. EX_IOERR. */
int app_disk(struct app *app, const char *why);
/* Commit the open transaction: EX_OK or EX_IOERR, said. */
int app_commit(struct app *app);

#endif
