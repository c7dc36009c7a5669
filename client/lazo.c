/*
 * lazo.c -- the client's main: options, language, one verb, exit code.
 *
 * Global options stand anywhere before "--". Without a terminal nothing is ever asked. Exit codes: design, lazo(1).
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#include "client/cmd/cmd.h"
#include "client/cmd/cmd_help.h"

struct line {
	struct app app;
	const char *lang;
	bool help;
	bool version;
	const char *words[CMD_POSITIONALS + 64]; /* what is not global, in order; the verb first */
	size_t count;
	size_t plain_from; /* words from here on came behind "--" */
};

/* A value for --name VALUE or --name=VALUE. NULL: it is missing, said. *index_r moves on. */
static const char *
take_value(int argc, char **argv, int *index_r)
{
	const char *equals = strchr(argv[*index_r], '=');

	if (equals != NULL)
		return equals + 1;
	if (*index_r + 1 < argc)
		return argv[++*index_r];
	out_error("usage", _("All commands: lazo help"), _("%s needs a value."), argv[*index_r]);
	return NULL;
}

static bool
is_option(const char *arg, const char *name)
{
	size_t len = strlen(name);

	return strncmp(arg, "--", 2) == 0 && strncmp(arg + 2, name, len) == 0 &&
	    (arg[2 + len] == '\0' || arg[2 + len] == '=');
}

static bool
take_arg(struct line *line, int argc, char **argv, int *index)
{
	const char *arg = argv[*index];
	const char **where = NULL;

	if (is_option(arg, "home"))
		where = &line->app.home_option;
	else if (is_option(arg, "account"))
		where = &line->app.account_option;
	else if (is_option(arg, "lang"))
		where = &line->lang;
	if (where != NULL) {
		*where = take_value(argc, argv, index);
		return *where != NULL;
	}
	if (strcmp(arg, "--json") == 0)
		line->app.json = true;
	else if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)
		line->help = true;
	else if (strcmp(arg, "--version") == 0 && line->count == 0)
		line->version = true;
	else
		line->words[line->count++] = arg;
	return true;
}

/* False: said already. */
static bool
split(struct line *line, int argc, char **argv)
{
	line->plain_from = SIZE_MAX;
	for (int i = 1; i < argc; i++) {
		if (line->count == sizeof(line->words) / sizeof(line->words[0])) {
			out_error("usage", _("All commands: lazo help"), "%s", _("Too many words."));
			return false;
		}
		if (line->plain_from == SIZE_MAX && strcmp(argv[i], "--") == 0)
			line->plain_from = line->count;
		else if (line->plain_from != SIZE_MAX)
			line->words[line->count++] = argv[i];
		else if (!take_arg(line, argc, argv, &i))
			return false;
	}
	return true;
}

/* One --option of the verb. False: said already. */
static bool
take_option(const struct line *line, struct args *args, size_t *index)
{
	const char *word = line->words[*index], *equals = strchr(word, '=');
	size_t len = equals != NULL ? (size_t)(equals - word) - 2 : strlen(word) - 2;
	const struct option *options = args->verb->options;

	for (size_t i = 0; options != NULL && options[i].name != NULL; i++) {
		if (strlen(options[i].name) != len || strncmp(options[i].name, word + 2, len) != 0)
			continue;
		if (options[i].value == NULL) {
			args->values[i] = "";
			return equals == NULL;
		}
		if (equals == NULL && *index + 1 >= line->count)
			break;
		args->values[i] = equals != NULL ? equals + 1 : line->words[++*index];
		return true;
	}
	out_error("usage", arena_printf(line->app.arena, _("Usage: lazo %s %s"), args->verb->name, args->verb->usage),
	    _("%s: unknown option, or its value is missing."), word);
	return false;
}

static bool
parse(const struct line *line, struct args *args)
{
	for (size_t i = 1; i < line->count; i++) {
		const char *word = line->words[i];

		if (i < line->plain_from && strncmp(word, "--", 2) == 0) {
			if (!take_option(line, args, &i))
				return false;
		} else if (args->count < CMD_POSITIONALS) {
			args->at[args->count++] = word;
		}
	}
	if (args->count >= args->verb->least && args->count <= args->verb->most)
		return true;
	out_error("usage", arena_printf(line->app.arena, _("Usage: lazo %s %s"), args->verb->name, args->verb->usage), "%s",
	    args->count < args->verb->least ? _("Something is missing.") : _("Too many words."));
	return false;
}

static int
run(struct line *line)
{
	struct args args = { .count = 0 };
	const char *name = line->count > 0 ? line->words[0] : "help";
	int code;

	args.verb = cmd_find(name);
	if (args.verb == NULL) {
		out_error("usage", _("All commands: lazo help"), _("There is no command \"%s\"."), name);
		return EX_USAGE;
	}
	if (line->help)
		return help_verb(line->count > 0 ? args.verb : NULL);
	if (!parse(line, &args))
		return EX_USAGE;
	code = args.verb->run(&line->app, &args);
	if (!out_flush() && code == EX_OK)
		code = app_disk(&line->app, _("The output could not be written."));
	return code;
}

static void
tell_version(void)
{
	if (out_is_json())
		out_json(json_pack("{s:s}", "version", PACKAGE_VERSION));
	else
		out("lazo %s\n", PACKAGE_VERSION);
}

/* stdin, stdout or stderr may be closed: nothing that is opened later may take their place. */
static void
fill_descriptors(void)
{
	struct stat st;

	for (int fd = 0; fd < 3; fd++)
		if (fstat(fd, &st) != 0)
			open("/dev/null", O_RDWR);
}

/* Keys and passwords in memory are not for core files, nor for other programs of the same user. */
static void
hide_memory(void)
{
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int
main(int argc, char **argv)
{
	struct line line = { .count = 0 };
	int code = EX_USAGE;

	hide_memory();
	fill_descriptors();
	umask(077);
	signal(SIGPIPE, SIG_IGN);
	line.app.arena = arena_new_secret();
	intl_start(NULL, argv[0]);
	if (split(&line, argc, argv)) {
		out_start(line.app.json);
		if (line.lang != NULL && !intl_start(line.lang, argv[0])) {
			out_error("usage", _("For example: --lang es"), _("There is no language \"%s\" here: es, pt_BR, fr, en."), line.lang);
		} else if (line.version) {
			tell_version();
			code = out_flush() ? EX_OK : app_disk(&line.app, _("The output could not be written."));
		} else {
			code = run(&line);
		}
	}
	app_close(&line.app);
	return code;
}
