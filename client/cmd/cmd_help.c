/* cmd_help.c -- lazo help [COMMAND], and the word lists of bash completion. */
#include "config.h"

#include "client/cmd/cmd_help.h"

#include <string.h>

#include "client/cmd/cmd.h"
#include "client/text.h"

static void
print_options(const struct option *options)
{
	struct arena *arena = arena_new();

	for (size_t i = 0; options != NULL && options[i].name != NULL; i++) {
		const char *left = options[i].value != NULL ?
		    arena_printf(arena, "--%s %s", options[i].name, options[i].value) :
		    arena_printf(arena, "--%s", options[i].name);

		out("  %s  %s\n", text_pad(arena, left, 24), _(options[i].help));
	}
	arena_free(&arena);
}

static void
print_all(void)
{
	struct arena *arena = arena_new();

	out("%s\n\n", _("lazo: messages that arrive, however late, that nobody in between can read."));
	out("%s\n\n", _("Usage: lazo [OPTION]... COMMAND [WORD]..."));
	for (size_t i = 0; cmd_table[i] != NULL; i++)
		out("  %s  %s\n", text_pad(arena, cmd_table[i]->name, 10), _(cmd_table[i]->summary));
	out("\n%s\n", _("Options for all commands:"));
	print_options(cmd_globals);
	out("\n%s\n", _("More about one: lazo help COMMAND. The manual: man lazo"));
	arena_free(&arena);
}

static json_t *
describe(const struct verb *verb)
{
	json_t *options = json_array(), *words = json_array();

	for (size_t i = 0; verb->options != NULL && verb->options[i].name != NULL; i++)
		json_array_append_new(options, json_string(verb->options[i].name));
	for (size_t i = 0; verb->words != NULL && verb->words[i] != NULL; i++)
		json_array_append_new(words, json_string(verb->words[i]));
	return json_pack("{s:s, s:s, s:s, s:o, s:o}", "command", verb->name, "usage", verb->usage, "summary",
	    _(verb->summary), "words", words, "options", options);
}

static void
tell_json(const struct verb *verb)
{
	for (size_t i = 0; cmd_table[i] != NULL; i++)
		if (verb == NULL || verb == cmd_table[i])
			out_json(describe(cmd_table[i]));
}

int
help_verb(const struct verb *verb)
{
	if (out_is_json()) {
		tell_json(verb);
		return EX_OK;
	}
	if (verb == NULL) {
		print_all();
		return EX_OK;
	}
	out(_("Usage: lazo %s %s"), verb->name, verb->usage);
	out("\n\n%s\n", _(verb->summary));
	if (verb->about != NULL)
		out("%s\n", _(verb->about));
	if (verb->options != NULL) {
		out("\n%s\n", _("Options:"));
		print_options(verb->options);
	}
	out("\n%s\n", _("Options for all commands:"));
	print_options(cmd_globals);
	return EX_OK;
}

static void
print_words(const struct verb *verb)
{
	if (verb == NULL) {
		for (size_t i = 0; cmd_table[i] != NULL; i++)
			out("%s\n", cmd_table[i]->name);
		return;
	}
	for (size_t i = 0; verb->words != NULL && verb->words[i] != NULL; i++)
		out("%s\n", verb->words[i]);
	for (size_t i = 0; verb->options != NULL && verb->options[i].name != NULL; i++)
		out("--%s\n", verb->options[i].name);
	for (size_t i = 0; cmd_globals[i].name != NULL; i++)
		out("--%s\n", cmd_globals[i].name);
}

static int
run(struct app *app, const struct args *args)
{
	const struct verb *verb = args->count > 0 ? cmd_find(args->at[0]) : NULL;

	if (args->count > 0 && verb == NULL) {
		out_error("usage", _("All commands: lazo help"), _("There is no command \"%s\"."), args->at[0]);
		return EX_USAGE;
	}
	if (app->json || !args_flag(args, "words"))
		return help_verb(verb);
	print_words(verb);
	return EX_OK;
}

static const struct option options[] = {
	{ "words", NULL, N_("only the words that may follow, for completion") },
	{ NULL, NULL, NULL },
};

const struct verb verb_help = {
	.name = "help",
	.usage = "[COMMAND]",
	.summary = N_("what there is, and what a command does"),
	.options = options,
	.most = 1,
	.run = run,
};
