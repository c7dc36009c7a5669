/*
 * ctl/report.c -- what users reported when they blocked somebody (XEP-0377): list, del.
 */
#include "config.h"

#include "relay/ctl/ctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/arena.h"
#include "relay/conf.h"
#include "relay/store/read.h"
#include "relay/store/store.h"

static json_t *
ids_of(struct ctl *ctl, const char *text)
{
	json_t *ids = json_array();

	for (size_t len; text != NULL && *text != '\0'; text += len + (text[len] != '\0')) {
		len = strcspn(text, " ");
		json_array_append_new(ids, json_string(arena_strndup(ctl->arena, text, len)));
	}
	return ids;
}

static void
print_reports(void *arg, bool failed, const struct report_row *rows, size_t count)
{
	static const char *const columns[] = {
		"id", "time", "by", "jid", "reason", "messages", "text", NULL
	};
	struct ctl *ctl = arg;

	if (failed)
		ctl_complain(0, "the database could not be read");
	for (size_t i = 0; i < count; i++)
		ctl_print(ctl,
			  json_pack("{s:I, s:o, s:s, s:s, s:s, s:o, s:s?}", "id", (json_int_t)rows[i].id,
				    "time", ctl_time(rows[i].time), "by",
				    arena_printf(ctl->arena, "%s@%s", rows[i].node, ctl->conf->host), "jid",
				    rows[i].jid, "reason", rows[i].reason, "messages",
				    ids_of(ctl, rows[i].messages), "text", rows[i].words),
			  columns, false);
}

int
ctl_report_list(struct ctl *ctl, char **args, int count)
{
	int code;

	(void)args;
	(void)count;
	if (ctl_store(ctl, &code) == NULL)
		return code;
	read_reports(ctl->store, print_reports, ctl);
	return EX_OK;
}

int
ctl_report_del(struct ctl *ctl, char **args, int count)
{
	enum txn_result result;
	struct txn *txn;
	long long id;
	char *end;
	int code;

	(void)count;
	errno = 0;
	id = strtoll(args[0], &end, 10);
	if (end == args[0] || *end != '\0' || errno != 0)
		return ctl_complain(EX_USAGE, "'%s' is no number of a report; see lazoctl report list",
				    args[0]);
	if (ctl_store(ctl, &code) == NULL)
		return code;
	txn = txn_new(ctl->store);
	txn_add(txn, &(struct op){ .kind = OP_REPORT_DEL, .id = id });
	result = ctl_commit(&txn);
	if (result == TXN_CONFLICT)
		ctl_complain(0, "%s: no such report", args[0]);
	return ctl_exit_of(result, EX_NONE);
}
