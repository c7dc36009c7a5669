/*
 * conf_parse.c -- the grammar of lazod.conf(5), read in one pass: see conf_parse.h.
 *
 * Promises: every error names file and line; nothing is read beyond the text; lists hold at most 1,000 items.
 * Never: knows a word's meaning; opens anything but the files that `include` names.
 */
#include "config.h"

#include "relay/conf_parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/buf.h"
#include "proto/mem.h"

enum { INCLUDE_DEPTH = 8, FILE_MAX = 1 << 20, LIST_MAX = 1000 };

enum token { T_END, T_WORD, T_STRING, T_SIGN, T_BAD };

struct parser {
	const char *at, *end;
	struct conf_where where;
	unsigned depth; /* of includes */
	const struct conf_handler *handler;
	void *arg;
	char *section;  /* NULL at the top */
	enum token token;
	char sign;
	struct buf text; /* of the word or string */
	char *error;    /* first one wins */
};

static bool parse_path(const char *file, unsigned depth, const struct conf_handler *handler, void *arg, char **error_r);

static bool
fail(struct parser *p, char *what)
{
	if (p->error == NULL)
		p->error = xasprintf("%s:%u: %s", p->where.file, p->where.line, what);
	free(what);
	return false;
}

static bool
is_bare(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.' || c == '/' || c == ':' || c == '*' || c == '@';
}

static void
skip_blank(struct parser *p)
{
	while (p->at < p->end) {
		if (*p->at == '#') {
			while (p->at < p->end && *p->at != '\n')
				p->at++;
		} else if (isspace((unsigned char)*p->at)) {
			p->where.line += *p->at == '\n';
			p->at++;
		} else {
			return;
		}
	}
}

/* "…": a backslash keeps the next quote or backslash as it is; a line end inside is an error. */
static enum token
read_string(struct parser *p)
{
	for (p->at++; p->at < p->end && *p->at != '"'; p->at++) {
		if (*p->at == '\\' && p->at + 1 < p->end && (p->at[1] == '"' || p->at[1] == '\\'))
			p->at++;
		if (*p->at == '\n' || *p->at == '\0') {
			fail(p, xstrdup("a string does not end on its line"));
			return T_BAD;
		}
		buf_add(&p->text, p->at, 1);
	}
	if (p->at == p->end) {
		fail(p, xstrdup("a string does not end"));
		return T_BAD;
	}
	p->at++;
	return T_STRING;
}

static enum token
next(struct parser *p)
{
	skip_blank(p);
	buf_clear(&p->text);
	buf_adds(&p->text, "");
	if (p->at == p->end)
		return p->token = T_END;
	if (*p->at == '"')
		return p->token = read_string(p);
	if (is_bare(*p->at)) {
		while (p->at < p->end && is_bare(*p->at))
			buf_add(&p->text, p->at++, 1);
		return p->token = T_WORD;
	}
	p->sign = *p->at;
	if (strchr("={}[],;", p->sign) == NULL || p->sign == '\0') {
		fail(p, isprint((unsigned char)p->sign) ? xasprintf("'%c' has no meaning here", p->sign) :
							  xasprintf("a byte 0x%02x has no meaning here",
							      (unsigned char)p->sign));
		return p->token = T_BAD;
	}
	p->at++;
	return p->token = T_SIGN;
}

static bool
is_sign(const struct parser *p, char sign)
{
	return p->token == T_SIGN && p->sign == sign;
}

static void
value_add(struct parser *p, struct conf_value *value)
{
	value->items = xrealloc(value->items, (value->count + 1) * sizeof *value->items);
	value->items[value->count++] = xstrdup(p->text.data != NULL ? p->text.data : "");
}

static void
value_free(struct conf_value *value)
{
	for (size_t i = 0; i < value->count; i++)
		free(value->items[i]);
	free(value->items);
}

/* After '[': items up to ']'. */
static bool
read_list(struct parser *p, struct conf_value *value)
{
	value->is_list = true;
	for (next(p); !is_sign(p, ']'); next(p)) {
		if (p->token != T_WORD && p->token != T_STRING)
			return fail(p, xstrdup("a list holds strings or words, with commas between, and ends with ']'"));
		if (value->count == LIST_MAX)
			return fail(p, xasprintf("a list holds at most %d items", LIST_MAX));
		value_add(p, value);
		next(p);
		if (is_sign(p, ']'))
			return true;
		if (!is_sign(p, ','))
			return fail(p, xstrdup("a list needs ',' or ']' after an item"));
	}
	return true;
}

static bool
read_value(struct parser *p, struct conf_value *value)
{
	next(p);
	if (is_sign(p, '['))
		return read_list(p, value);
	if (p->token != T_WORD && p->token != T_STRING)
		return fail(p, xstrdup("a value is missing after '='"));
	value->quoted = p->token == T_STRING;
	value_add(p, value);
	return true;
}

/* word = value ; */
static bool
read_assignment(struct parser *p, const char *word)
{
	struct conf_where where = p->where;
	struct conf_value value = { 0 };
	char *error = NULL;
	bool ok = read_value(p, &value);

	if (ok && (next(p), !is_sign(p, ';')))
		ok = fail(p, xasprintf("';' is missing after the value of %s", word));
	if (ok && !p->handler->value(p->arg, &where, p->section, word, &value, &error)) {
		p->where.line = where.line;
		ok = fail(p, error);
	}
	value_free(&value);
	return ok;
}

static bool
read_include(struct parser *p)
{
	char *path, *error = NULL;
	const char *slash = strrchr(p->where.file, '/');
	bool ok;

	if (p->depth + 1 >= INCLUDE_DEPTH)
		return fail(p, xasprintf("includes nest more than %d deep", INCLUDE_DEPTH));
	path = p->text.data[0] == '/' || slash == NULL ?
		   xstrdup(p->text.data) :
		   xasprintf("%.*s/%s", (int)(slash - p->where.file), p->where.file, p->text.data);
	next(p);
	if (!is_sign(p, ';')) {
		free(path);
		return fail(p, xstrdup("';' is missing after include"));
	}
	ok = parse_path(path, p->depth + 1, p->handler, p->arg, &error);
	if (!ok && p->error == NULL)
		p->error = error; /* names its own file and line */
	else
		free(error);
	free(path);
	return ok;
}

static bool read_statement(struct parser *p);

/* After '{'. */
static bool
read_section(struct parser *p, const char *word, const char *title)
{
	char *error = NULL;

	if (p->section != NULL)
		return fail(p, xasprintf("a section inside the section %s", p->section));
	if (!p->handler->section(p->arg, &p->where, word, title, &error))
		return fail(p, error);
	p->section = xstrdup(word);
	for (next(p); !is_sign(p, '}'); next(p)) {
		if (p->token == T_END)
			return fail(p, xasprintf("the section %s does not end: '}' is missing", word));
		if (!read_statement(p))
			return false;
	}
	free(p->section);
	p->section = NULL;
	skip_blank(p);
	if (p->at < p->end && *p->at == ';')
		p->at++;
	return true;
}

/* The first token has been read. */
static bool
read_statement(struct parser *p)
{
	char *word, *title = NULL;
	bool ok;

	if (p->token == T_SIGN && p->sign == ';')
		return true;
	if (p->token != T_WORD)
		return fail(p, xstrdup("a word is expected here"));
	word = xstrdup(p->text.data);
	next(p);
	if (p->token == T_STRING && strcmp(word, "include") == 0 && p->section == NULL) {
		ok = read_include(p);
	} else if (is_sign(p, '=')) {
		ok = read_assignment(p, word);
	} else {
		if (p->token == T_STRING) {
			title = xstrdup(p->text.data);
			next(p);
		}
		ok = is_sign(p, '{') ? read_section(p, word, title) :
				       fail(p, xasprintf("'=' or '{' is missing after %s", word));
	}
	free(word);
	free(title);
	return ok;
}

static bool
parse_text(const char *file, const char *text, size_t len, unsigned depth, const struct conf_handler *handler, void *arg,
    char **error_r)
{
	struct parser p = { .at = text,
		.end = text + len,
		.where = { .file = file, .line = 1 },
		.depth = depth,
		.handler = handler,
		.arg = arg };
	bool ok = true;

	while (ok && next(&p) != T_END)
		ok = p.token != T_BAD && read_statement(&p);
	ok = ok && p.error == NULL;
	if (!ok)
		*error_r = p.error;
	free(p.section);
	buf_free(&p.text);
	return ok;
}

static bool
parse_path(const char *file, unsigned depth, const struct conf_handler *handler, void *arg, char **error_r)
{
	char bytes[4096];
	struct buf text = { 0 };
	FILE *in = fopen(file, "re");
	size_t got;
	bool ok;

	if (in == NULL) {
		*error_r = xasprintf("%s: cannot be read: %s", file, strerror(errno));
		return false;
	}
	while ((got = fread(bytes, 1, sizeof bytes, in)) > 0 && text.len <= FILE_MAX)
		buf_add(&text, bytes, got);
	ok = !ferror(in) && text.len <= FILE_MAX;
	if (!ok)
		*error_r = xasprintf("%s: %s", file, text.len > FILE_MAX ? "larger than 1 MiB" : "cannot be read");
	fclose(in);
	ok = ok && parse_text(file, text.data != NULL ? text.data : "", text.len, depth, handler, arg, error_r);
	buf_free(&text);
	return ok;
}

bool
conf_parse_text(const char *file, const char *text, size_t len, const struct conf_handler *handler, void *arg,
    char **error_r)
{
	return parse_text(file, text, len, 0, handler, arg, error_r);
}

bool
conf_parse_file(const char *file, const struct conf_handler *handler, void *arg, char **error_r)
{
	return parse_path(file, 0, handler, arg, error_r);
}
