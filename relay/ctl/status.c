/*
 * ctl/status.c -- the relay at a glance: what the running one says, and what waits in the database.
 */
#include "config.h"

#include "relay/ctl/ctl.h"

#include "relay/store/spool_list.h"
#include "relay/version.h"

static void
add_pending(void *arg, bool failed, const struct account_row *rows, size_t count)
{
	json_int_t pending = 0;

	for (size_t i = 0; !failed && i < count; i++)
		pending += (json_int_t)rows[i].pending;
	json_object_set_new(arg, "accounts", json_integer((json_int_t)count));
	json_object_set_new(arg, "pending", json_integer(pending));
}

static void
add_held(void *arg, bool failed, int64_t count, int64_t bytes)
{
	(void)failed;
	(void)bytes;
	json_object_set_new(arg, "held", json_integer((json_int_t)count));
}

int
ctl_status(struct ctl *ctl, char **args, int count)
{
	static const char *const columns[] = { "running", "version", "uptime", "sessions",
					       "peers",   "queued",  "held",   "accounts",
					       "pending", "rss",     NULL };
	json_t *status = ctl_call(ctl, json_pack("{s:s}", "verb", "status"));
	bool running = status != NULL;
	int code;

	(void)args;
	(void)count;
	if (!running)
		status = json_pack("{s:s, s:i, s:i, s:i, s:i, s:i}", "version", LAZO_VERSION, "uptime", 0, "sessions", 0, "rss", 0,
		    "peers", 0, "queued", 0);
	json_object_del(status, "ok");
	json_object_set_new(status, "running", json_boolean(running));
	if (ctl_store(ctl, &code) == NULL) {
		json_decref(status);
		return code;
	}
	read_accounts(ctl->store, add_pending, status);
	read_spool_count(ctl->store, add_held, status);
	ctl_print(ctl, status, columns, true);
	return EX_OK;
}
