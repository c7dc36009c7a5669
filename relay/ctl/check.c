/*
 * ctl/check.c -- what is wrong with this relay, and what to do about it: configuration, certificate, ports, DNS, disk, permissions, clock.
 *
 * One finding a line: `ok`, `warning` or `error`, what it is about, and a sentence; of what is not right it says what to do, behind
 * "; ". Waits seconds, never minutes, also where there is no network. Exit 0 without errors, 78 with. The findings are made in check_certificate.c, check_network.c and check_machine.c.
 */
#include "config.h"

#include "relay/ctl/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/mem.h"
#include "relay/conf.h"
#include "relay/conf_calls.h"

void
check_find(struct checking *checking, enum level level, const char *about, const char *format, ...)
{
	static const char *const names[] = { "ok", "warning", "error" };
	static const char *const columns[] = { "level", "about", "text", NULL };
	char *text;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = xstrdup("");
	va_end(args);
	if (level > checking->worst)
		checking->worst = level;
	ctl_print(checking->ctl,
		  json_pack("{s:s, s:s, s:s}", "level", names[level], "about", about, "text", text), columns,
		  false);
	free(text);
}

static void
check_calls(struct checking *checking)
{
	char *error = NULL;

	if (!conf_calls_load(checking->ctl->conf, &error))
		check_find(checking, WRONG, "calls", "%s; see `calls` in lazod.conf(5)", error);
	free(error);
}

int
ctl_check(struct ctl *ctl, char **args, int count)
{
	struct checking checking = { .ctl = ctl };
	json_t *status = ctl_call(ctl, json_pack("{s:s}", "verb", "status"));

	(void)args;
	(void)count;
	checking.running = status != NULL;
	json_decref(status);
	check_find(&checking, FINE, "configuration", "%s can be used", ctl->conf->path);
	check_find(&checking, FINE, "relay", checking.running ? "runs and answers" : "does not run");
	check_certificate(&checking);
	check_calls(&checking);
	check_ports(&checking);
	check_data(&checking);
	check_clock(&checking);
	check_dns(&checking);
	return checking.worst == WRONG ? EX_CONFIG : EX_OK;
}
