/*
 * lazoctl.c -- the operator's program: options, the table of verbs, exit codes. The verbs are in ctl/.
 */
#include "config.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/arena.h"
#include "relay/conf.h"
#include "relay/ctl/ctl.h"
#include "relay/store/store.h"
#include "relay/version.h"

const struct ctl_verb ctl_verbs[] = {
	{ "user", "add", "JID", "make an account; its password is the first line of standard input", 1, 1,
	  ctl_user_add },
	{ "user", "del", "JID", "remove an account with all that it holds", 1, 1, ctl_user_del },
	{ "user", "password", "JID", "set a new password, from the first line of standard input", 1, 1,
	  ctl_user_password },
	{ "user", "list", "", "all accounts: address, created, last login, messages waiting", 0, 0,
	  ctl_user_list },
	{ "invite", NULL, "[JID]", "print a link for one new account", 0, 1, ctl_invite },
	{ "report", "list", "", "what users reported when they blocked somebody", 0, 0, ctl_report_list },
	{ "report", "del", "ID", "forget a report", 1, 1, ctl_report_del },
	{ "session", "list", "", "who is connected", 0, 0, ctl_session_list },
	{ "session", "kick", "JID", "close the sessions of an account, or one of them", 1, 1,
	  ctl_session_kick },
	{ "queue", "show", "[DOMAIN|JID]", "messages held for other relays", 0, 1, ctl_queue_show },
	{ "queue", "retry", "[DOMAIN|ID]", "try now: all, those for a domain, or one message", 0, 1, ctl_queue_retry },
	{ "queue", "cancel", "ID", "hold a message no more, and tell its sender", 1, 1, ctl_queue_cancel },
	{ "queue", "expire", "", "the clock is right: end what is over its time", 0, 0, ctl_queue_expire },
	{ "peer", "list", "", "other relays", 0, 0, ctl_peer_list },
	{ "peer", "show", "DOMAIN", "what is known of another relay", 1, 1, ctl_peer_show },
	{ "peer", "key", "", "our courier certificate, for the operators of other relays", 0, 0, ctl_peer_key },
	{ "peer", "trust", "[--replace] DOMAIN FILE", "believe that this is the courier certificate of that relay", 2, 2, ctl_peer_trust },
	{ "status", NULL, "", "the relay at a glance", 0, 0, ctl_status },
	{ "features", NULL, "", "what the relay implements", 0, 0, ctl_features },
	{ "check", NULL, "", "what is wrong, and what to do", 0, 0, ctl_check },
	{ "backup", NULL, "FILE", "a consistent copy of the database", 1, 1, ctl_backup },
	{ .noun = NULL },
};

static void
print_usage(FILE *out)
{
	fputs("usage: lazoctl -c FILE [--json] VERB\n", out);
	for (const struct ctl_verb *verb = ctl_verbs; verb->noun != NULL; verb++) {
		char call[64];
		snprintf(call, sizeof call, "%s%s%s %s", verb->noun, verb->verb != NULL ? " " : "",
			 verb->verb != NULL ? verb->verb : "", verb->args);
		fprintf(out, "  %-20s %s\n", call, verb->help);
	}
}

struct options {
	const char *file;
	char **words; /* what is no option, in order */
	int count;
	bool json, help, version, replace;
};

/* Options may stand anywhere; after -- there are none. False: an unknown one, or -c without a file. */
static bool
read_options(int argc, char **argv, struct options *options)
{
	bool open = true;

	options->words = argv;
	for (int i = 1; i < argc; i++) {
		if (open && strcmp(argv[i], "--") == 0)
			open = false;
		else if (open && strcmp(argv[i], "-c") == 0 && i + 1 < argc)
			options->file = argv[++i];
		else if (open && strcmp(argv[i], "--json") == 0)
			options->json = true;
		else if (open && strcmp(argv[i], "--replace") == 0)
			options->replace = true;
		else if (open && (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0))
			options->help = true;
		else if (open && strcmp(argv[i], "-V") == 0)
			options->version = true;
		else if (open && argv[i][0] == '-' && argv[i][1] != '\0')
			return false;
		else
			options->words[options->count++] = argv[i];
	}
	return true;
}

static const struct ctl_verb *
find_verb(const struct options *options, int *used_r)
{
	for (const struct ctl_verb *verb = ctl_verbs; verb->noun != NULL && options->count > 0; verb++) {
		int rest;
		if (strcmp(verb->noun, options->words[0]) != 0 || (options->replace && verb->fn != ctl_peer_trust))
			continue;
		*used_r = verb->verb != NULL ? 2 : 1;
		if (verb->verb != NULL && (options->count < 2 || strcmp(verb->verb, options->words[1]) != 0))
			continue;
		rest = options->count - *used_r;
		if (rest >= verb->least && rest <= verb->most)
			return verb;
	}
	return NULL;
}

static int
run(const struct ctl_verb *verb, const struct options *options, int used)
{
	struct ctl ctl = { .json = options->json, .replace = options->replace };
	char *error = NULL;
	int code;

	ctl.conf = conf_load(options->file, &error);
	if (ctl.conf == NULL) {
		code = ctl_complain(EX_CONFIG, "%s", error);
		free(error);
		return code;
	}
	ctl.arena = arena_new();
	code = verb->fn(&ctl, options->words + used, options->count - used);
	store_close(&ctl.store);
	arena_free(&ctl.arena);
	conf_free(&ctl.conf);
	if (fflush(stdout) != 0 && code == EX_OK)
		code = ctl_complain(EX_IOERR, "cannot write what was asked for");
	return code;
}

int
main(int argc, char **argv)
{
	struct options options = { .file = NULL };
	const struct ctl_verb *verb;
	int used = 0;

	setlocale(LC_ALL, "");
	umask(077);
	if (!read_options(argc, argv, &options)) {
		print_usage(stderr);
		return EX_USAGE;
	}
	if (options.help) {
		print_usage(stdout);
		return EX_OK;
	}
	if (options.version) {
		puts("lazoctl " LAZO_VERSION);
		return EX_OK;
	}
	verb = find_verb(&options, &used);
	if (verb == NULL || options.file == NULL) {
		print_usage(stderr);
		return EX_USAGE;
	}
	return run(verb, &options, used);
}
