/*
 * ctl/check.c -- what is wrong with this relay, and what to do about it: configuration, certificate, ports,
 * disk, clock.
 *
 * One finding a line: `ok`, `warning` or `error`, and a sentence. Exit 0 without errors, 78 with.
 */
#include "config.h"

#include "relay/ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "proto/arena.h"
#include "relay/conf.h"
#include "relay/conf_calls.h"
#include "relay/net/clock.h"
#include "relay/net/listener.h"
#include "relay/net/loop.h"
#include "relay/net/tls.h"

#define DAY_MS     (INT64_C(24) * 3600 * 1000)
#define SENSIBLE   INT64_C(1735689600000) /* 2025-01-01: no honest clock is earlier */
#define SPACE_LOW  (UINT64_C(512) << 20)  /* bytes */
#define SPACE_NONE (UINT64_C(64) << 20)

enum level { FINE, WARNING, WRONG };

struct checking {
	struct ctl *ctl;
	enum level worst;
	bool running;
};

static void
find(struct checking *checking, enum level level, const char *about, const char *said)
{
	static const char *const names[] = { "ok", "warning", "error" };
	static const char *const columns[] = { "level", "about", "text", NULL };

	if (level > checking->worst)
		checking->worst = level;
	ctl_print(checking->ctl,
		  json_pack("{s:s, s:s, s:s}", "level", names[level], "about", about, "text", said), columns,
		  false);
}

static bool
names_host(const char *file, const char *host)
{
	FILE *in = fopen(file, "re");
	X509 *certificate = in != NULL ? PEM_read_X509(in, NULL, NULL, NULL) : NULL;
	bool named = certificate != NULL && X509_check_host(certificate, host, 0, 0, NULL) == 1;

	X509_free(certificate);
	if (in != NULL)
		fclose(in);
	return named;
}

static void
check_certificate(struct checking *checking)
{
	const struct conf *conf = checking->ctl->conf;
	struct arena *arena = checking->ctl->arena;
	char *error = NULL;
	struct tls *tls = tls_load(conf->certificate, conf->key, &error);
	int64_t left;

	if (tls == NULL) {
		find(checking, WRONG, "certificate", error);
		free(error);
		return;
	}
	left = (tls_expires(tls) - now_wall()) / DAY_MS;
	tls_unref(&tls);
	if (!names_host(conf->certificate, conf->host))
		find(checking, WRONG, "certificate",
		     arena_printf(arena, "%s is not for %s: clients will refuse it", conf->certificate,
				  conf->host));
	else if (left < 0)
		find(checking, WRONG, "certificate", "has expired: get a new one and send lazod SIGHUP");
	else
		find(checking, left < 14 ? WARNING : FINE, "certificate",
		     arena_printf(arena, "valid for %d more days", (int)left));
}

static void
check_calls(struct checking *checking)
{
	char *error = NULL;

	if (!conf_calls_load(checking->ctl->conf, &error))
		find(checking, WRONG, "calls", error);
	free(error);
}

static void
check_ports(struct checking *checking, struct loop *loop, const struct conf_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		char *error = NULL;
		struct listener *listener = listener_new(loop, list->items[i], NULL, NULL, NULL, &error);
		if (listener == NULL)
			find(checking, WRONG, "ports", error);
		else
			find(checking, FINE, "ports",
			     arena_printf(checking->ctl->arena, "%s is free", list->items[i]));
		free(error);
		listener_free(&listener);
	}
}

static void
check_disk(struct checking *checking)
{
	struct statvfs disk;
	uint64_t room;
	const char *data = checking->ctl->conf->data;

	if (statvfs(data, &disk) != 0) {
		find(checking, WARNING, "disk",
		     arena_printf(checking->ctl->arena, "%s: not there yet", data));
		return;
	}
	room = (uint64_t)disk.f_bavail * disk.f_frsize;
	find(checking,
	     room < SPACE_NONE  ? WRONG
	     : room < SPACE_LOW ? WARNING
				: FINE,
	     "disk",
	     arena_printf(checking->ctl->arena, "%llu MiB free at %s", (unsigned long long)(room >> 20),
			  data));
}

static void
check_clock(struct checking *checking)
{
	bool sensible = now_wall() > SENSIBLE;

	find(checking, sensible ? FINE : WRONG, "clock",
	     sensible
		 ? "plausible"
		 : "is years behind: certificates and expiry depend on it; set it, or run an NTP client");
}

int
ctl_check(struct ctl *ctl, char **args, int count)
{
	struct checking checking = { .ctl = ctl };
	json_t *status = ctl_call(ctl, json_pack("{s:s}", "verb", "status"));
	struct loop *loop;

	(void)args;
	(void)count;
	checking.running = status != NULL;
	json_decref(status);
	find(&checking, FINE, "configuration", arena_printf(ctl->arena, "%s can be used", ctl->conf->path));
	check_certificate(&checking);
	check_calls(&checking);
	find(&checking, FINE, "relay", checking.running ? "runs and answers" : "does not run");
	if (!checking.running) {
		loop = loop_new();
		check_ports(&checking, loop, &ctl->conf->listen_client);
		check_ports(&checking, loop, &ctl->conf->listen_client_tls);
		loop_free(&loop);
	}
	check_disk(&checking);
	check_clock(&checking);
	return checking.worst == WRONG ? EX_CONFIG : EX_OK;
}
