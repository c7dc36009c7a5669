/* homes.c -- see homes.h. */
#include "config.h"
#include "tests/unit/client/homes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "client/db/account.h"
#include "client/db/history.h"
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlin.h"

static void
attach(struct person *person)
{
	char *error = NULL;
	person->db = db_open(person->folder, &error);
	if (!person->db)
		fail_msg("%s", error);
	db_begin(person->db);
	person->account = account_add(person->db, person->jid, T0);
	assert_true(db_commit(person->db, NULL));
	person->omemo = omemo_open(person->db, person->account, T0, &error);
	if (!person->omemo)
		fail_msg("%s", error);
}

void
home_open(struct person *person, const char *jid)
{
	*person = (struct person){ .jid = jid, .arena = arena_new() };
	snprintf(person->folder, sizeof person->folder, "%s/lazo-test-XXXXXX",
	    getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
	assert_non_null(mkdtemp(person->folder));
	attach(person);
}

void
home_reopen(struct person *person)
{
	omemo_close(&person->omemo);
	db_close(&person->db);
	attach(person);
}

static void
copy_file(struct person *person, const char *from, const char *to)
{
	char path[128], piece[4096];
	size_t got;
	snprintf(path, sizeof path, "%s/%s", person->folder, from);
	FILE *in = fopen(path, "r");
	snprintf(path, sizeof path, "%s/%s", person->folder, to);
	FILE *out = fopen(path, "w");
	assert_true(in && out);
	while ((got = fread(piece, 1, sizeof piece, in)) > 0)
		assert_int_equal(fwrite(piece, 1, got, out), got);
	fclose(in);
	assert_int_equal(fclose(out), 0);
}

void
home_keep(struct person *person)
{
	omemo_close(&person->omemo);
	db_close(&person->db); /* the last to close leaves no journal */
	copy_file(person, "lazo.db", "copy");
	attach(person);
}

void
home_set_back(struct person *person)
{
	omemo_close(&person->omemo);
	db_close(&person->db);
	copy_file(person, "copy", "lazo.db");
	attach(person);
}

void
home_close(struct person *person)
{
	static const char *const files[] = { "copy", "lazo.db", "lazo.db-wal", "lazo.db-shm", "writer.lock" };
	char path[128];
	omemo_close(&person->omemo);
	db_close(&person->db);
	arena_free(&person->arena);
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", person->folder, files[i]);
		unlink(path);
	}
	rmdir(person->folder);
}

void
home_introduce(struct person *to, struct person *of)
{
	struct arena *arena = arena_new();
	db_begin(to->db);
	assert_int_not_equal(omemo_take_list(to->omemo, of->jid, omemo_list_tree(of->omemo, arena), T0),
			     OMEMO_LIST_MALFORMED);
	assert_int_equal(omemo_take_bundle(to->omemo, of->jid, omemo_device(of->omemo),
					   omemo_bundle_tree(of->omemo, arena), T0),
			 OMEMO_BUNDLE_OK);
	assert_true(db_commit(to->db, NULL));
	arena_free(&arena);
}

void
home_meet(struct person *a, struct person *b)
{
	home_introduce(a, b);
	home_introduce(b, a);
}

void
home_take_list(struct person *to, const char *jid, const uint32_t *ids, size_t count)
{
	struct arena *arena = arena_new();
	struct xml *list = xml_new(arena, "list", NS_OMEMO);
	for (size_t i = 0; i < count; i++)
		xml_setf(arena, xml_add(arena, list, "device", NULL), "id", "%u", (unsigned)ids[i]);
	db_begin(to->db);
	omemo_take_list(to->omemo, jid, list, T0);
	assert_true(db_commit(to->db, NULL));
	arena_free(&arena);
}

const char *
home_write(struct person *from, const char *to, const char *text, enum outbox_result expected)
{
	struct outbox_sent sent;
	outbox_send(from->db, from->omemo, from->arena, from->account, to, text, 0, T0, &sent);
	assert_int_equal(sent.result, expected);
	return sent.origin_id;
}

struct xml *
home_post(struct person *from, struct arena *arena)
{
	struct outbox_item item;
	enum stream_error error;
	if (!outbox_next(from->db, arena, from->account, 0, &item))
		return NULL;
	assert_true(outbox_sent(from->db, item.id, T0));
	assert_true(outbox_accepted(from->db, &item.id, 1, T0));
	/* the stream's namespace, as it is declared on the wire */
	struct buf bytes = { 0 };
	buf_printf(&bytes, "<x xmlns='jabber:client'>%.*s</x>", (int)item.stanza_len, item.stanza);
	struct xml *tree = xmlin_parse(arena, bytes.data, bytes.len, &xmlin_limits_default, &error);
	buf_free(&bytes);
	assert_non_null(tree);
	struct xml *message = xml_first(tree);
	message->next = NULL;
	xml_setf(arena, message, "from", "%s/%u", from->jid, (unsigned)omemo_device(from->omemo));
	return message;
}

struct inbox_result
home_receive(struct person *to, const struct xml *message, enum way way, const char *stanza_id)
{
	const struct inbox_meta meta = { .way = way, .stanza_id = stanza_id, .now = T0 };
	struct inbox_result result;
	struct inbox *inbox = inbox_begin(to->db, to->omemo, to->account);
	inbox_take(inbox, to->arena, message, &meta, &result);
	assert_true(inbox_end(&inbox, NULL));
	return result;
}

size_t
home_carry(struct person *from, struct person *to)
{
	size_t shown = 0;
	for (;;) {
		struct arena *arena = arena_new();
		struct xml *message = home_post(from, arena);
		if (message)
			shown += home_receive(to, message, WAY_LIVE, NULL).outcome == INBOX_MESSAGE;
		arena_free(&arena);
		if (!message)
			return shown;
	}
}

const char *
home_read(struct person *person, const char *peer)
{
	const struct history_query query = { .account = person->account,
					     .peer = peer,
					     .received_only = true };
	struct message *list;
	size_t count = history_list(person->db, person->arena, &query, &list);
	struct buf out = { 0 };
	for (size_t i = 0; i < count; i++)
		buf_printf(&out, "%s%s", i ? "|" : "",
			   list[i].unreadable ? unreadable_word(list[i].unreadable) : list[i].body);
	const char *text = arena_strndup(person->arena, out.len ? out.data : "", out.len);
	buf_free(&out);
	return text;
}

struct device
home_device(struct person *person, const char *jid, uint32_t id)
{
	struct device device;
	assert_true(device_get(person->db, person->arena, person->account, jid, id, &device));
	return device;
}
