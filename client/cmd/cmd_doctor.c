/*
 * cmd_doctor.c -- lazo doctor: what could keep messages from going, each in words with the next step.
 *
 * Exit status: that of the first thing that is wrong.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "client/cmd/cmd.h"
#include "client/text.h"

enum { SPACE_MIN_MB = 50 };

struct findings {
	struct app *app;
	int code; /* of the first that is wrong */
};

static void
found(struct findings *findings, const char *what, bool fine, int code, const char *text, const char *next)
{
	if (!fine && findings->code == EX_OK)
		findings->code = code;
	if (findings->app->json) {
		out_json(json_pack("{s:s, s:b, s:o, s:o}", "check", what, "ok", fine, "message", out_json_text(text), "next",
		    out_json_text(fine ? "" : next)));
		return;
	}
	out("%s  %s\n", fine ? _("fine   ") : _("PROBLEM"), text_line(findings->app->arena, text));
	if (!fine && next[0] != '\0')
		out("         %s\n", next);
}

static void
check_home(struct findings *findings)
{
	struct app *app = findings->app;
	struct statvfs space;
	struct stat st;
	unsigned long long free_mb = 0;
	char *damage = NULL;
	bool whole;

	if (stat(app->home.data, &st) == 0)
		found(findings, "home", (st.st_mode & 077) == 0, EX_CONFIG,
		    arena_printf(app->arena, _("Everything is in %s, for your eyes only."), app->home.data),
		    arena_printf(app->arena, "chmod 700 %s", app->home.data));
	if (statvfs(app->home.data, &space) == 0)
		free_mb = (unsigned long long)space.f_bavail * space.f_frsize >> 20;
	found(findings, "space", free_mb >= SPACE_MIN_MB, EX_IOERR,
	    arena_printf(app->arena, _("Free space on the disk: %llu MB."), free_mb), _("Make room on the disk."));
	whole = db_check(app->db, &damage);
	found(findings, "database", whole, EX_IOERR,
	    whole ? _("The messages can be read.") : arena_printf(app->arena, "%s [%s]",
	    _("The messages on this disk cannot be read or written."), damage != NULL ? damage : ""), _("Check the disk."));
	free(damage);
}

/* Builds are younger than what a clock without a battery shows. */
static void
check_clock(struct findings *findings)
{
	struct arena *arena = findings->app->arena;
	int64_t now = now_wall();
	time_t seconds = (time_t)(now / 1000);
	struct tm tm = { .tm_year = 0 };

	gmtime_r(&seconds, &tm);
	found(findings, "clock", tm.tm_year + 1900 >= 2024, EX_PROTOCOL,
	    arena_printf(arena, _("This machine says it is %s."), text_when_full(arena, now)),
	    _("Set the date and time, then try again."));
}

/* As the last sync left it. */
static void
check_keys(struct findings *findings, const struct account *account)
{
	struct app *app = findings->app;
	const char *reason = account_get(app->db, app->arena, account->id, "keys.refused", NULL);
	bool fine = reason == NULL || reason[0] == '\0';

	found(findings, "keys", fine, EX_UNAVAILABLE, fine ? _("Others can write to you encrypted.") :
	    arena_printf(app->arena, "%s [%s]", _("The relay did not take your encryption keys."), reason),
	    _("Try again: lazo sync. If it stays so, ask those who run the relay."));
}

static void
check_account(struct findings *findings, const struct account *account, bool offline)
{
	struct app *app = findings->app;
	struct sync_settings settings;
	struct sync_owner owner = { .progress = NULL };
	struct sync_result result;
	const char *name = text_line(app->arena, account->jid);

	if (!account->logged_in) {
		found(findings, "account", false, EX_NOPERM, arena_printf(app->arena, _("%s is logged out."), name),
		    arena_printf(app->arena, "lazo login %s", name));
		return;
	}
	if (offline) {
		check_keys(findings, account);
		return;
	}
	app->account = *account;
	sync_settings_load(app->db, app->arena, account->id, &settings);
	if (sync_run(app->db, account, &settings, &owner, &result))
		found(findings, "relay", true, EX_OK, arena_printf(app->arena, _("The relay of %s answers: %lld ms, %llu bytes."),
		    name, (long long)result.took_ms, (unsigned long long)(result.bytes_in + result.bytes_out)), "");
	else
		found(findings, "relay", false, fault_exit(result.trouble.fault),
		    arena_printf(app->arena, "%s: %s [%s]", name, fault_sentence(result.trouble.fault), result.trouble.detail),
		    fault_next(result.trouble.fault));
	check_keys(findings, account);
}

static int
run(struct app *app, const struct args *args)
{
	struct findings findings = { .app = app };
	struct account *list;
	size_t count;
	int code = app_open(app);

	if (code != EX_OK)
		return code;
	check_home(&findings);
	check_clock(&findings);
	count = account_list(app->db, app->arena, &list);
	if (count == 0)
		found(&findings, "account", false, EX_CONFIG, _("There is no account here yet."),
		    _("Begin with: lazo login JID"));
	for (size_t i = 0; i < count; i++)
		check_account(&findings, &list[i], args_flag(args, "offline"));
	return findings.code;
}

static const struct option options[] = {
	{ "offline", NULL, N_("ask no relay") },
	{ NULL, NULL, NULL },
};

const struct verb verb_doctor = {
	.name = "doctor",
	.usage = "[--offline]",
	.summary = N_("find out what keeps messages from going"),
	.options = options,
	.run = run,
};
