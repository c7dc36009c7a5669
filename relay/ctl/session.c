/*
 * ctl/session.c -- who is connected: list, kick. Only a running relay knows; without one nobody is.
 */
#include "config.h"

#include "relay/ctl/ctl.h"

#include "proto/jid.h"

int
ctl_session_list(struct ctl *ctl, char **args, int count)
{
	static const char *const columns[] = { "jid", "address", "since", "available", "priority", NULL };
	json_t *reply = ctl_call(ctl, json_pack("{s:s}", "verb", "sessions"));
	json_t *session;
	size_t index;

	(void)args;
	(void)count;
	json_array_foreach(json_object_get(reply, "sessions"), index, session)
	{
		json_object_set_new(session, "since",
				    ctl_time(json_integer_value(json_object_get(session, "since"))));
		ctl_print(ctl, json_incref(session), columns, false);
	}
	json_decref(reply);
	return EX_OK;
}

int
ctl_session_kick(struct ctl *ctl, char **args, int count)
{
	struct jid jid;
	json_int_t closed;
	json_t *reply;

	(void)count;
	if (!jid_parse_text(ctl->arena, args[0], &jid) || jid.node == NULL)
		return ctl_complain(EX_USAGE, "%s: not an address of a session or account", args[0]);
	reply = ctl_call(ctl, json_pack("{s:s, s:s}", "verb", "kick", "jid", jid_text(ctl->arena, &jid)));
	closed = json_integer_value(json_object_get(reply, "closed"));
	json_decref(reply);
	return closed > 0 ? EX_OK : ctl_complain(EX_NONE, "%s: not connected", args[0]);
}
