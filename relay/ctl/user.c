/*
 * ctl/user.c -- accounts: add, del, password, list.
 *
 * Keys are made here from the password, which goes nowhere else. A deleted account's contacts lose their
 * subscriptions to it in the same transaction, so that whoever gets the address next is a stranger to them.
 */
#include "config.h"

#include "relay/ctl/ctl.h"

#include <stdlib.h>
#include <string.h>

#include "proto/arena.h"
#include "proto/jid.h"
#include "proto/mem.h"
#include "relay/conf.h"
#include "relay/net/clock.h"
#include "relay/store/read.h"
#include "relay/store/store.h"
#include "relay/stream/scram.h"

/* Keys of the password on standard input. False: said why. */
static bool
keys_from_input(struct scram_keys *keys)
{
	char *password = ctl_password();
	bool made;

	if (password == NULL)
		return false;
	made = scram_make_keys(password, keys);
	cleanse(password, strlen(password));
	free(password);
	if (!made)
		ctl_complain(0, "this password has characters that may not be used (SASLprep, RFC 4013)");
	return made;
}

static int
write_keys(struct ctl *ctl, const char *jid, enum op_kind kind, int conflict)
{
	const char *node = ctl_node(ctl, jid);
	struct scram_keys keys;
	enum txn_result result;
	struct txn *txn;
	int code;

	if (node == NULL)
		return EX_USAGE;
	if (ctl_store(ctl, &code) == NULL)
		return code;
	if (!keys_from_input(&keys))
		return EX_USAGE;
	txn = txn_new(ctl->store);
	txn_add(txn, &(struct op){ .kind = kind, .account = node, .time = now_wall(), .keys = &keys });
	result = ctl_commit(&txn);
	cleanse(&keys, sizeof keys);
	if (result == TXN_COMMITTED)
		ctl_changed(ctl, node, false);
	else if (result == TXN_CONFLICT)
		ctl_complain(0, conflict == EX_EXISTS ? "%s exists" : "%s: no such account", jid);
	return ctl_exit_of(result, conflict);
}

int
ctl_user_add(struct ctl *ctl, char **args, int count)
{
	(void)count;
	return write_keys(ctl, args[0], OP_ACCOUNT_NEW, EX_EXISTS);
}

int
ctl_user_password(struct ctl *ctl, char **args, int count)
{
	int code = write_keys(ctl, args[0], OP_ACCOUNT_KEYS, EX_NONE);
	const char *node = code == EX_OK ? ctl_node(ctl, args[0]) : NULL;

	(void)count;
	if (node != NULL) /* whoever came in with the old one is out */
		json_decref(ctl_call(ctl, json_pack("{s:s, s:o}", "verb", "kick", "jid",
						    json_sprintf("%s@%s", node, ctl->conf->host))));
	return code;
}

/* What is read of an account before it goes: the local contacts that must forget it. */
struct leaving {
	struct ctl *ctl;
	const char *node, *jid;
	struct txn *txn;
	bool exists;
	const char **contacts; /* nodes; the arena's */
	size_t count;
};

static void
leaving_read(void *arg, bool failed, const struct account_view *view)
{
	struct leaving *leaving = arg;
	struct arena *arena = leaving->ctl->arena;

	leaving->exists = !failed && view->exists;
	if (!leaving->exists)
		return;
	leaving->contacts = arena_alloc(arena, (view->roster_count + 1) * sizeof leaving->contacts[0]);
	for (size_t i = 0; i < view->roster_count; i++) {
		struct jid jid;
		if (jid_parse_text(arena, view->roster[i].contact, &jid) && jid.node != NULL &&
		    strcmp(jid.domain, leaving->ctl->conf->host) == 0)
			leaving->contacts[leaving->count++] = jid.node;
	}
}

struct forgetting {
	struct leaving *leaving;
	const char *node;
};

static void
contact_read(void *arg, bool failed, const struct account_view *view)
{
	const struct forgetting *forgetting = arg;
	struct leaving *leaving = forgetting->leaving;

	for (size_t i = 0; !failed && view->exists && i < view->roster_count; i++) {
		struct roster_row row = view->roster[i];
		if (strcmp(row.contact, leaving->jid) != 0)
			continue;
		row.flags &= ROSTER_VISIBLE;
		row.request = NULL;
		txn_add(leaving->txn, &(struct op){ .kind = row.flags != 0 ? OP_ROSTER_SET : OP_ROSTER_DEL,
						    .account = forgetting->node,
						    .peer = leaving->jid,
						    .roster = &row });
	}
}

int
ctl_user_del(struct ctl *ctl, char **args, int count)
{
	struct leaving leaving = { .ctl = ctl, .node = ctl_node(ctl, args[0]) };
	enum txn_result result;
	int code;

	(void)count;
	if (leaving.node == NULL)
		return EX_USAGE;
	if (ctl_store(ctl, &code) == NULL)
		return code;
	leaving.jid = arena_printf(ctl->arena, "%s@%s", leaving.node, ctl->conf->host);
	read_account(ctl->store, leaving.node, leaving_read, &leaving);
	if (!leaving.exists)
		return ctl_complain(EX_NONE, "%s: no such account", leaving.jid);
	leaving.txn = txn_new(ctl->store);
	for (size_t i = 0; i < leaving.count; i++)
		read_account(ctl->store, leaving.contacts[i], contact_read,
			     &(struct forgetting){ .leaving = &leaving, .node = leaving.contacts[i] });
	txn_add(leaving.txn,
		&(struct op){ .kind = OP_ACCOUNT_DEL, .account = leaving.node, .time = now_wall() });
	result = ctl_commit(&leaving.txn);
	if (result == TXN_COMMITTED) {
		ctl_changed(ctl, leaving.node, true);
		for (size_t i = 0; i < leaving.count; i++)
			ctl_changed(ctl, leaving.contacts[i], false);
	}
	return ctl_exit_of(result, EX_NONE);
}

static void
print_accounts(void *arg, bool failed, const struct account_row *rows, size_t count)
{
	static const char *const columns[] = { "jid", "created", "last", "pending", NULL };
	struct ctl *ctl = arg;

	if (failed)
		ctl_complain(0, "the database could not be read");
	for (size_t i = 0; i < count; i++)
		ctl_print(ctl,
			  json_pack("{s:s, s:o, s:o, s:I}", "jid",
				    arena_printf(ctl->arena, "%s@%s", rows[i].node, ctl->conf->host),
				    "created", ctl_time(rows[i].created), "last", ctl_time(rows[i].last),
				    "pending", (json_int_t)rows[i].pending),
			  columns, false);
}

int
ctl_user_list(struct ctl *ctl, char **args, int count)
{
	int code;

	(void)args;
	(void)count;
	if (ctl_store(ctl, &code) == NULL)
		return code;
	read_accounts(ctl->store, print_accounts, ctl);
	return EX_OK;
}
