/*
 * conf_parse.h -- the grammar of lazod.conf(5): words, values, sections, comments, includes; knows no word itself.
 *
 *     file      = { statement }
 *     statement = word "=" value ";" | word [ string ] "{" { statement } "}" [ ";" ] | "include" string ";"
 *     value     = string | bare | "[" [ value { "," value } ] "]"
 *
 * Includes nest 8 deep and are looked for beside the including file; sections do not nest. A file is at most 1 MiB.
 */
#ifndef RELAY_CONF_PARSE_H
#define RELAY_CONF_PARSE_H

#include <stdbool.h>
#include <stddef.h>

struct conf_where {
	const char *file;
	unsigned line;
};

struct conf_value {
	char **items; /* one for a plain value */
	size_t count;
	bool is_list;
	bool quoted;  /* the one item was in quotes */
};

struct conf_handler {
	/* Each returns false with *error_r (malloc'd, without file and line) to stop. */
	bool (*section)(void *arg, const struct conf_where *where, const char *word, const char *title, char **error_r);
	bool (*value)(void *arg, const struct conf_where *where, const char *section, const char *word,
	    const struct conf_value *value, char **error_r);
};

/* False: *error_r (malloc'd) is "file:line: sentence". */
bool conf_parse_text(const char *file, const char *text, size_t len, const struct conf_handler *handler, void *arg,
    char **error_r);
bool conf_parse_file(const char *file, const struct conf_handler *handler, void *arg, char **error_r);

#endif
