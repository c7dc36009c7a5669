/*
 * conf.c -- the typed table of lazod.conf(5): see conf.h.
 *
 * Promises: every word has one row here, with type, default, range and text; the manual page is printed from the rows, so that it
 * cannot differ. Unknown words are refused with the nearest known one.
 */
#include "config.h"

#include "relay/conf.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/jid.h"
#include "proto/mem.h"
#include "relay/conf_calls.h"
#include "relay/conf_parse.h"
#include "relay/log.h"

enum type { STRING, LIST, BOOL, TIME, SIZE, COUNT, CHOICE };

struct word {
	const char *section; /* NULL: at the top */
	const char *word;
	enum type type;
	size_t offset;
	const char *fallback; /* as it would stand in a file; NULL: must be said; "": nothing */
	int64_t least, most;
	const char *const *choices; /* CHOICE: index is the enum's value */
	const char *text;           /* for the manual, mdoc allowed */
	bool fixed;                 /* STRING or LIST: SIGHUP does not change it */
};

static const char *const registrations[] = { "closed", "invite", "open", NULL };
static const char *const mailboxes[] = { "account", "device", NULL };
static const char *const levels[] = { "error", "warn", "info", "debug", NULL };

#define AT(member) .offset = offsetof(struct conf, member)
#define DAY ((int64_t)86400)

static const struct word words[] = {
	{ NULL, "host", STRING, AT(host), NULL, 0, 0, NULL,
	    "The domain this relay serves: the part of its people's addresses behind the @.", true },
	{ NULL, "data", STRING, AT(data), "/var/lib/lazo", 0, 0, NULL,
	    "Folder of the database. Made with mode 0700 when absent.", true },
	{ NULL, "certificate", STRING, AT(certificate), NULL, 0, 0, NULL,
	    "File with the certificate for the host and its chain, in PEM." },
	{ NULL, "key", STRING, AT(key), NULL, 0, 0, NULL,
	    "File with the certificate's private key, in PEM. A key that others can read is refused." },
	{ NULL, "registration", CHOICE, AT(registration), "closed", 0, 0, registrations,
	    "Who may make an account from a client: nobody, who has an invitation of lazoctl(8), or anyone." },
	{ NULL, "hold", TIME, AT(hold), "365d", 3600, 3650 * DAY, NULL,
	    "How long a message for an unreachable relay that we know is kept." },
	{ NULL, "hold_unknown", TIME, AT(hold_unknown), "5d", 60, 3650 * DAY, NULL,
	    "The same for a relay that never answered." },
	{ NULL, "resume", TIME, AT(resume), "10min", 0, 30 * DAY, NULL,
	    "How long a session whose connection broke can be taken up again where it was (XEP-0198). 0: not at all. Its\n"
	    "messages wait in its mailbox in any case. After a reload: for connections that break from then on, and no\n"
	    "longer than their clients were told." },
	{ NULL, "trust", LIST, AT(trust), "[]", 0, 0, NULL,
	    "Files of more certificate authorities for other relays, beside the system's." },
	{ NULL, "dialback", BOOL, AT(dialback), "false", 0, 0, NULL,
	    "Accept relays that prove themselves by dialback (XEP-0220) instead of a certificate." },
	{ NULL, "plain", BOOL, AT(plain), "false", 0, 0, NULL,
	    "Offer SASL PLAIN (inside TLS) for clients that know nothing better." },
	{ NULL, "log", CHOICE, AT(log), "info", 0, 0, levels, "How much is said on standard error." },
	{ NULL, "contact", STRING, AT(contact), "", 0, 0, NULL, "Where people reach the operator, as a URI." },
	{ NULL, "control", STRING, AT(control), "", 0, 0, NULL,
	    "Socket by which lazoctl(8) speaks to the running relay. Default: control in the data folder.", true },
	{ NULL, "metrics", STRING, AT(metrics), "", 0, 0, NULL,
	    "Where numbers for Prometheus are told, as a loopback address with a port or the path of a socket. Default: nowhere.", true },
	{ NULL, "resolver", LIST, AT(resolver), "[]", 0, 0, NULL,
	    "DNS servers to ask, as address:port. Default: the system's." },
	{ NULL, "sandbox", BOOL, AT(sandbox), "true", 0, 0, NULL,
	    "Once started, have the kernel refuse what a relay has no use for, such as running programs. For programs that look inside"
	    " a running relay it may have to be off. Looked at when the relay starts." },
	{ NULL, "mailbox", CHOICE, AT(mailbox), "account", 0, 0, mailboxes,
	    "Whether a waiting message is gone when one of the account's devices has it, or when each has." },
	{ "listen", "client", LIST, AT(listen_client), "[\"*:5222\"]", 0, 0, NULL,
	    "Addresses for clients that start TLS in the stream. An empty list: off. Port 0: any, told by the ready line.", true },
	{ "listen", "client_tls", LIST, AT(listen_client_tls), "[\"*:5223\"]", 0, 0, NULL,
	    "Addresses for clients that begin with TLS (XEP-0368).", true },
	{ "listen", "server", LIST, AT(listen_server), "[\"*:5269\"]", 0, 0, NULL, "Addresses for other relays.", true },
	{ "listen", "server_tls", LIST, AT(listen_server_tls), "[\"*:5270\"]", 0, 0, NULL,
	    "Addresses for other relays that begin with TLS.", true },
	{ "quota", "pending", COUNT, AT(quota_pending), "50000", 0, INT32_MAX, NULL,
	    "Messages that may wait for one account. 0: no limit." },
	{ "quota", "pending_bytes", SIZE, AT(quota_pending_bytes), "100mb", 0, INT64_MAX / 2, NULL,
	    "Bytes that may wait for one account. 0: no limit." },
	{ "quota", "strangers", COUNT, AT(quota_strangers), "2000", 0, INT32_MAX, NULL,
	    "Messages that the people of one other domain may leave here in a day for those who do not have them as contacts; all such "
	    "domains together ten times that. 0: no limit." },
	{ "quota", "strangers_bytes", SIZE, AT(quota_strangers_bytes), "20mb", 0, 8LL << 30, NULL,
	    "The same in bytes. 0: no limit." },
	{ "quota", "pubsub", SIZE, AT(quota_pubsub), "20mb", 0, INT64_MAX / 2, NULL,
	    "Bytes of all that one account publishes and stores here: avatars, bookmarks, keys, private data. 0: no limit." },
	{ "quota", "archive", SIZE, AT(quota_archive), "1gb", 0, INT64_MAX / 2, NULL,
	    "Bytes of archive of one account. 0: no limit." },
	{ "quota", "archive_age", TIME, AT(quota_archive_age), "730d", 0, 36500 * DAY, NULL,
	    "Age at which archived messages are removed. 0: never." },
	{ "limits", "rate_client", SIZE, AT(limit_rate_client), "20kb", 0, INT32_MAX, NULL,
	    "Bytes a second that one client may send in the long run; beyond it is read more slowly. 0: no limit." },
	{ "limits", "rate_server", SIZE, AT(limit_rate_server), "100kb", 0, INT32_MAX, NULL,
	    "The same for another domain, on all its streams together." },
	{ "limits", "logins", COUNT, AT(limit_logins), "10", 0, 100000, NULL,
	    "Attempts to log in a second from one address; beyond it answers come later. 0: no limit." },
	{ "limits", "connections_ip", COUNT, AT(limit_connections_ip), "50", 0, 1000000, NULL,
	    "Open connections from one address (IPv6: from one /64). 0: no limit." },
	{ "retry", "first", TIME, AT(retry_first), "1s", 1, 3600, NULL,
	    "Wait before the second try to reach a relay." },
	{ "retry", "most", TIME, AT(retry_most), "1h", 1, 7 * DAY, NULL, "Longest wait between two tries." },
	{ "calls", "services", LIST, AT(calls_services), "[]", 0, 0, NULL,
	    "STUN and TURN services for calls, as URIs: stun:HOST, turn:HOST:PORT?transport=udp, turns:HOST (XEP-0215)." },
	{ "calls", "secret", STRING, AT(calls_secret), "", 0, 0, NULL,
	    "File whose first line is the secret shared with the TURN services, from which people's credentials are made. "
	    "A file that others can read is refused." },
	{ "calls", "valid", TIME, AT(calls_valid), "12h", 60, 30 * DAY, NULL, "How long such credentials are good." },
	{ "courier", "inbox", STRING, AT(courier_inbox), "", 0, 0, NULL, "Folder watched for bundles to take in." },
	{ "courier", "outbox", STRING, AT(courier_outbox), "", 0, 0, NULL, "Folder where bundles are put." },
	{ "courier", "carriers", LIST, AT(courier_carriers), "[]", 0, 0, NULL,
	    "Accounts that may list and collect bundles." },
	{ "courier", "drop", BOOL, AT(courier_drop), "false", 0, 0, NULL,
	    "Take bundles of pinned relays from couriers without an account here." },
};
enum { WORDS = sizeof words / sizeof words[0] };

struct peer_word {
	const char *word;
	enum type type;
	size_t offset;
	const char *text;
};
#define PEER(member) offsetof(struct conf_peer, member)
static const struct peer_word peer_words[] = {
	{ "address", STRING, PEER(address), "Where the relay is, as address:port, instead of asking DNS." },
	{ "tls", STRING, PEER(tls), "direct or starttls." },
	{ "pin", STRING, PEER(pin), "sha256: and the hash of the only certificate key to accept, in hexadecimal." },
	{ "via", LIST, PEER(via), "Friendly relays that may carry sealed bundles." },
	{ "keep", BOOL, PEER(keep), "Whether a stream to it is opened whenever there is none, so that it can reach this relay where nobody can "
	    "dial it (behind the address translation of a phone line, say)." },
};
enum { PEER_WORDS = sizeof peer_words / sizeof peer_words[0] };

struct loading {
	struct conf *conf;
	unsigned line[WORDS]; /* where each was said; 0: not yet */
};

/* Steps from one word to the other (insert, remove, change); words are short. */
static unsigned
distance(const char *a, const char *b)
{
	unsigned row[40], corner, above;
	size_t bl = strlen(b);

	if (bl >= 40 || strlen(a) >= 40)
		return UINT_MAX;
	for (size_t j = 0; j <= bl; j++)
		row[j] = (unsigned)j;
	for (unsigned i = 1; a[i - 1] != '\0'; i++) {
		corner = row[0];
		row[0] = i;
		for (size_t j = 1; j <= bl; j++) {
			above = row[j];
			row[j] = corner + (a[i - 1] != b[j - 1]);
			if (above + 1 < row[j])
				row[j] = above + 1;
			if (row[j - 1] + 1 < row[j])
				row[j] = row[j - 1] + 1;
			corner = above;
		}
	}
	return row[bl];
}

static char *
unknown_word(const char *section, const char *word)
{
	const char *best = NULL, *best_section = NULL;
	unsigned least = 4, d;

	for (size_t i = 0; i < WORDS; i++) {
		d = distance(word, words[i].word);
		if (d < least || (d == 0 && best == NULL)) {
			least = d;
			best = words[i].word;
			best_section = words[i].section;
		}
	}
	if (best == NULL)
		return xasprintf("'%s' is no word of %s%s", word, section != NULL ? "the section " : "this file",
		    section != NULL ? section : "");
	return xasprintf("'%s' is no word of %s%s; did you mean '%s'%s%s?", word,
	    section != NULL ? "the section " : "this file", section != NULL ? section : "", best,
	    best_section != NULL ? " in the section " : "", best_section != NULL ? best_section : "");
}

struct unit {
	const char *name;
	int64_t factor;
};
static const struct unit time_units[] = { { "", 1 }, { "s", 1 }, { "min", 60 }, { "h", 3600 }, { "d", DAY },
	{ "w", 7 * DAY }, { NULL, 0 } };
static const struct unit size_units[] = { { "", 1 }, { "b", 1 }, { "kb", 1024 }, { "mb", 1024 * 1024 },
	{ "gb", 1024 * 1024 * 1024 }, { NULL, 0 } };
static const struct unit no_units[] = { { "", 1 }, { NULL, 0 } };

static bool
number(const char *text, const struct unit *units, int64_t *value_r)
{
	char *end;
	long long n;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	n = strtoll(text, &end, 10);
	for (; units->name != NULL; units++)
		if (strcmp(units->name, end) == 0)
			return errno == 0 && !__builtin_mul_overflow((int64_t)n, units->factor, value_r);
	return false;
}

static bool
set_number(const struct word *row, const char *text, int64_t *out, char **error_r)
{
	static const struct {
		const struct unit *units;
		const char *shape;
	} kinds[] = {
		[TIME] = { time_units, "a time such as 90s, 10min, 12h or 365d" },
		[SIZE] = { size_units, "a size such as 256kb, 100mb or 1gb" },
		[COUNT] = { no_units, "a whole number" },
	};

	if (!number(text, kinds[row->type].units, out)) {
		*error_r = xasprintf("%s needs %s, not '%s'", row->word, kinds[row->type].shape, text);
		return false;
	}
	if (*out < row->least || *out > row->most) {
		*error_r = xasprintf("%s = %s is out of range: %" PRId64 " to %" PRId64 "%s", row->word, text, row->least,
		    row->most, row->type == TIME ? " seconds" : row->type == SIZE ? " bytes" : "");
		return false;
	}
	return true;
}

static void
list_set(struct conf_list *list, const struct conf_value *value)
{
	list->items = xcalloc(value->count + 1, sizeof *list->items);
	list->count = value->count;
	for (size_t i = 0; i < value->count; i++)
		list->items[i] = xstrdup(value->items[i]);
}

static void
list_free(struct conf_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct conf_list){ 0 };
}

static bool
set_choice(const struct word *row, const char *text, void *out, char **error_r)
{
	for (int i = 0; row->choices[i] != NULL; i++) {
		if (strcmp(row->choices[i], text) == 0) {
			memcpy(out, &i, sizeof i); /* enums and int alike */
			return true;
		}
	}
	*error_r = xasprintf("%s cannot be '%s'; it is one of %s, %s%s%s%s%s", row->word, text, row->choices[0],
	    row->choices[1], row->choices[2] != NULL ? ", " : "", row->choices[2] != NULL ? row->choices[2] : "",
	    row->choices[2] != NULL && row->choices[3] != NULL ? ", " : "",
	    row->choices[2] != NULL && row->choices[3] != NULL ? row->choices[3] : "");
	return false;
}

/* base: the struct that the row's offset is in. */
static bool
set(void *base, const struct word *row, const struct conf_value *value, char **error_r)
{
	void *out = (char *)base + row->offset;
	const char *text = value->count > 0 ? value->items[0] : "";

	if (value->is_list != (row->type == LIST)) {
		*error_r = row->type == LIST ? xasprintf("%s needs a list: [\"...\", \"...\"]", row->word) :
					       xasprintf("%s takes one value, not a list", row->word);
		return false;
	}
	switch (row->type) {
	case LIST:
		list_free(out);
		list_set(out, value);
		return true;
	case STRING:
		free(*(char **)out);
		*(char **)out = xstrdup(text);
		return true;
	case BOOL:
		if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0) {
			*error_r = xasprintf("%s is true or false, not '%s'", row->word, text);
			return false;
		}
		*(bool *)out = text[0] == 't';
		return true;
	case TIME:
	case SIZE:
	case COUNT:
		return set_number(row, text, out, error_r);
	case CHOICE:
		return set_choice(row, text, out, error_r);
	}
	return false;
}

static bool
set_peer(struct conf *conf, const char *word, const struct conf_value *value, char **error_r)
{
	struct conf_peer *peer = &conf->peers[conf->peer_count - 1];

	for (size_t i = 0; i < PEER_WORDS; i++) {
		struct word row = { .word = peer_words[i].word, .type = peer_words[i].type, .offset = peer_words[i].offset };

		if (strcmp(peer_words[i].word, word) == 0)
			return set(peer, &row, value, error_r);
	}
	*error_r = xasprintf("'%s' is no word of a peer; known are address, tls, pin, via and keep", word);
	return false;
}

static bool
same_section(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool
on_value(void *arg, const struct conf_where *where, const char *section, const char *word,
    const struct conf_value *value, char **error_r)
{
	struct loading *loading = arg;

	if (same_section(section, "peer"))
		return set_peer(loading->conf, word, value, error_r);
	for (size_t i = 0; i < WORDS; i++) {
		if (!same_section(words[i].section, section) || strcmp(words[i].word, word) != 0)
			continue;
		if (loading->line[i] != 0) {
			*error_r = xasprintf("%s is said twice; first in line %u", word, loading->line[i]);
			return false;
		}
		loading->line[i] = where->line;
		return set(loading->conf, &words[i], value, error_r);
	}
	*error_r = unknown_word(section, word);
	return false;
}

static bool
on_section(void *arg, const struct conf_where *where, const char *word, const char *title, char **error_r)
{
	struct loading *loading = arg;
	struct conf *conf = loading->conf;

	(void)where;
	if (strcmp(word, "peer") == 0) {
		if (title == NULL) {
			*error_r = xstrdup("a peer needs its domain: peer \"hogar.example\" { ... }");
			return false;
		}
		conf->peers = xrealloc(conf->peers, (conf->peer_count + 1) * sizeof *conf->peers);
		conf->peers[conf->peer_count++] = (struct conf_peer){ .domain = xstrdup(title) };
		return true;
	}
	for (size_t i = 0; i < WORDS; i++) {
		if (words[i].section == NULL || strcmp(words[i].section, word) != 0)
			continue;
		if (title == NULL)
			return true;
		*error_r = xasprintf("the section %s takes no name", word);
		return false;
	}
	*error_r = xasprintf("'%s' is no section; known are listen, quota, limits, retry, calls, courier and peer", word);
	return false;
}

static unsigned
line_of(const struct loading *loading, const void *member)
{
	for (size_t i = 0; i < WORDS; i++)
		if ((const char *)loading->conf + words[i].offset == (const char *)member)
			return loading->line[i];
	return 0;
}

/* Host in canonical form, words that must be said, defaults that depend on others. */
static bool
complete(struct conf *conf, const struct loading *loading, char **error_r)
{
	struct arena *arena;
	struct jid jid;
	bool ok;

	for (size_t i = 0; i < WORDS; i++) {
		if (words[i].fallback == NULL && loading->line[i] == 0) {
			*error_r = xasprintf("%s:1: %s is missing: %s", conf->path, words[i].word, words[i].text);
			return false;
		}
	}
	for (size_t i = 0; i < conf->calls_services.count; i++) {
		struct conf_service service;
		if (conf_service_parse(conf->calls_services.items[i], &service))
			continue;
		*error_r = xasprintf("%s:%u: calls.services: '%s' is no URI of a STUN or TURN service", conf->path,
		    line_of(loading, &conf->calls_services), conf->calls_services.items[i]);
		return false;
	}
	arena = arena_new();
	ok = jid_parse_text(arena, conf->host, &jid) && jid.node == NULL && jid.resource == NULL;
	if (ok) {
		free(conf->host);
		conf->host = xstrdup(jid.domain);
	} else {
		*error_r = xasprintf("%s:%u: host \"%s\" is not a domain name", conf->path, loading->line[0], conf->host);
	}
	arena_free(&arena);
	if (ok && conf->control[0] == '\0') {
		free(conf->control);
		conf->control = xasprintf("%s/control", conf->data);
	}
	return ok;
}

static bool
set_fallback(struct conf *conf, const struct word *row)
{
	char *text = xstrdup(row->fallback != NULL ? row->fallback : ""), *item = text, *error = NULL;
	struct conf_value value = { .items = &item, .count = 1 };
	bool ok;

	if (row->type == LIST) { /* [] or ["one"] */
		value.is_list = true;
		value.count = strchr(text, '"') != NULL;
		if (value.count == 1) {
			item = strchr(text, '"') + 1;
			*strchr(item, '"') = '\0';
		}
	}
	ok = set(conf, row, &value, &error);
	free(error);
	free(text);
	return ok;
}

static struct conf *
load(const char *path, const char *text, size_t len, char **error_r)
{
	static const struct conf_handler handler = { on_section, on_value };
	struct conf *conf = xcalloc(1, sizeof *conf);
	struct loading loading = { .conf = conf };
	bool ok;

	conf->path = xstrdup(path);
	for (size_t i = 0; i < WORDS; i++)
		set_fallback(conf, &words[i]);
	ok = text != NULL ? conf_parse_text(path, text, len, &handler, &loading, error_r) :
			    conf_parse_file(path, &handler, &loading, error_r);
	if (!ok || !complete(conf, &loading, error_r))
		conf_free(&conf);
	return conf;
}

struct conf *
conf_load(const char *path, char **error_r)
{
	return load(path, NULL, 0, error_r);
}

struct conf *
conf_parse(const char *name, const char *text, size_t len, char **error_r)
{
	return load(name, text, len, error_r);
}

void
conf_free(struct conf **conf_p)
{
	struct conf *conf = *conf_p;

	*conf_p = NULL;
	if (conf == NULL)
		return;
	for (size_t i = 0; i < WORDS; i++) {
		if (words[i].type == STRING)
			free(*(char **)((char *)conf + words[i].offset));
		else if (words[i].type == LIST)
			list_free((struct conf_list *)((char *)conf + words[i].offset));
	}
	for (size_t i = 0; i < conf->peer_count; i++) {
		free(conf->peers[i].domain);
		free(conf->peers[i].address);
		free(conf->peers[i].tls);
		free(conf->peers[i].pin);
		list_free(&conf->peers[i].via);
	}
	if (conf->calls_key != NULL)
		cleanse(conf->calls_key, strlen(conf->calls_key));
	free(conf->calls_key);
	free(conf->peers);
	free(conf->path);
	free(conf);
}

static bool
same_list(const struct conf_list *a, const struct conf_list *b)
{
	for (size_t i = 0; i < a->count && i < b->count; i++)
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	return a->count == b->count;
}

static bool
same_value(const struct word *row, const struct conf *a, const struct conf *b)
{
	const char *at = (const char *)a + row->offset, *other = (const char *)b + row->offset;

	if (row->type == LIST)
		return same_list((const struct conf_list *)at, (const struct conf_list *)other);
	return strcmp(*(char *const *)at, *(char *const *)other) == 0;
}

char *
conf_fixed_differences(const struct conf *now, const struct conf *next)
{
	struct buf list = { 0 };

	buf_adds(&list, "");
	for (size_t i = 0; i < WORDS; i++) {
		if (!words[i].fixed || same_value(&words[i], now, next))
			continue;
		buf_printf(&list, "%s%s%s%s", list.len > 0 ? ", " : "",
		    words[i].section != NULL ? words[i].section : "", words[i].section != NULL ? "." : "",
		    words[i].word);
	}
	return list.data;
}

void
conf_swap_fixed(struct conf *now, struct conf *next)
{
	for (size_t i = 0; i < WORDS; i++) {
		char *a = (char *)now + words[i].offset, *b = (char *)next + words[i].offset;
		struct conf_list list; /* the larger of the two types */
		size_t size = words[i].type == LIST ? sizeof(struct conf_list) : sizeof(char *);

		if (!words[i].fixed)
			continue;
		memcpy(&list, a, size);
		memcpy(a, b, size);
		memcpy(b, &list, size);
	}
}

/* mdoc wants each sentence on a line of its own. */
static void
print_sentences(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		bool ends = (*text == '.' || *text == ':') && text[1] == ' ' && isupper((unsigned char)text[2]);

		fputc(*text, out);
		if (ends) {
			fputc('\n', out);
			text++;
		}
	}
	fputc('\n', out);
}

static void
print_row(FILE *out, const struct word *row)
{
	static const char *const types[] = { "string", "list", "true or false", "time", "size", "number", "one of" };

	fprintf(out, ".It Ic %s%s%s\n", row->section != NULL ? row->section : "", row->section != NULL ? "." : "",
	    row->word);
	print_sentences(out, row->text);
	fprintf(out, ".br\nType: %s", types[row->type]);
	for (int i = 0; row->type == CHOICE && row->choices[i] != NULL; i++)
		fprintf(out, "%s%s", i == 0 ? " " : ", ", row->choices[i]);
	fputs(".\n", out);
	if (row->type == TIME)
		fprintf(out, "Range: %" PRId64 " s to %" PRId64 " d.\n", row->least, row->most / DAY);
	if (row->fallback == NULL)
		fputs("Must be set.\n", out);
	else
		fprintf(out, "Default: %s.\n", row->fallback[0] != '\0' ? row->fallback : "none");
	if (row->fixed)
		fputs("A change needs a restart.\n", out);
}

void
conf_print_reference(FILE *out)
{
	static const char *const peer_types[] = { [STRING] = "string", [LIST] = "list", [BOOL] = "true or false, default false" };

	fputs(".Bl -tag -width Ds\n", out);
	for (size_t i = 0; i < WORDS; i++)
		print_row(out, &words[i]);
	for (size_t i = 0; i < PEER_WORDS; i++)
		fprintf(out, ".It Ic peer.%s\n%s\n.br\nType: %s.\n", peer_words[i].word, peer_words[i].text,
		    peer_types[peer_words[i].type]);
	fputs(".El\n", out);
}
