/* cmd_table.c -- the verbs of lazo, in the order of help, and the options that all take. */
#include "config.h"

#include <string.h>

#include "client/cmd/cmd.h"

extern const struct verb verb_login, verb_logout, verb_send, verb_sync, verb_read, verb_history, verb_outbox, verb_status,
    verb_contact, verb_device, verb_verify, verb_account, verb_doctor, verb_help;

const struct verb *const cmd_table[] = {
	&verb_login,
	&verb_send,
	&verb_sync,
	&verb_read,
	&verb_history,
	&verb_outbox,
	&verb_status,
	&verb_contact,
	&verb_verify,
	&verb_device,
	&verb_account,
	&verb_doctor,
	&verb_logout,
	&verb_help,
	NULL,
};

const struct option cmd_globals[] = {
	{ "home", "DIR", N_("keep everything in this folder (also LAZO_HOME)") },
	{ "account", "JID", N_("act for this account instead of the standard one") },
	{ "lang", "LANG", N_("speak this language: es, pt_BR, fr, en (also LAZO_LANG)") },
	{ "json", NULL, N_("one JSON object a line, for programs: lazo-json(5)") },
	{ "help", NULL, N_("say what this command does") },
	{ NULL, NULL, NULL },
};

const struct verb *
cmd_find(const char *name)
{
	for (size_t i = 0; cmd_table[i] != NULL; i++)
		if (strcmp(cmd_table[i]->name, name) == 0)
			return cmd_table[i];
	return NULL;
}
