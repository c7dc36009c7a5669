/* late.c -- see late.h. */
#include "config.h"
#include "tests/unit/client/late.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <ratchet.h>
#include <session_record.h>
#include <session_state.h>
#include <sqlite3.h>

#include "client/db/contact.h"
#include "client/db/session.h"
#include "client/omemo/provider.h"
#include "proto/arena.h"
#include "proto/digest.h"
#include "proto/xml.h"

struct mail *
mail_write(struct arena *arena, struct person *from, struct person *to, const char *text, int64_t now)
{
	struct omemo_target *targets;
	size_t count;
	struct mail *mail = arena_alloc(arena, sizeof *mail);
	*mail = (struct mail){ .from = from, .to = to, .text = arena_strdup(arena, text) };
	db_begin(from->db);
	assert_int_equal(omemo_encrypt(from->omemo, arena, to->jid, text, NULL, 0, now, &mail->encrypted, &targets,
				       &count),
			 OMEMO_READY);
	assert_int_equal(count, 1);
	assert_true(db_commit(from->db, NULL));
	return mail;
}

static void
deliver(struct mail *mail, int64_t now, struct omemo_message *message, struct arena *arena)
{
	struct person *to = mail->to;
	db_begin(to->db);
	omemo_decrypt(to->omemo, arena, mail->from->jid, mail->encrypted, now, message);
	if (message->outcome == OMEMO_OK)
		omemo_mark_read(to->omemo, message, 1);
	char *error = NULL;
	if (!db_commit(to->db, &error))
		fail_msg("%s", error);
}

enum omemo_outcome
mail_deliver(struct mail *mail, int64_t now)
{
	struct arena *arena = arena_new();
	struct omemo_message message;
	deliver(mail, now, &message, arena);
	if (message.outcome == OMEMO_OK) {
		assert_string_equal(message.text, mail->text);
		mail->reads++;
	}
	arena_free(&arena);
	return message.outcome;
}

enum unreadable
mail_refused(struct mail *mail, int64_t now)
{
	struct arena *arena = arena_new();
	struct omemo_message message;
	deliver(mail, now, &message, arena);
	assert_int_equal(message.outcome, OMEMO_UNREADABLE);
	arena_free(&arena);
	return message.unreadable;
}

void
mail_read(struct mail *mail, int64_t now)
{
	if (mail_deliver(mail, now) != OMEMO_OK)
		fail_msg("not read: %s", mail->text);
}

struct mail *
mail_forge(struct arena *arena, const struct mail *mail, int byte)
{
	struct mail *forged = arena_alloc(arena, sizeof *forged);
	*forged = *mail;
	forged->text = "forged";
	forged->encrypted = xml_copy(arena, mail->encrypted);
	struct xml *key = xml_find(xml_find(forged->encrypted, "header", NULL), "key", NULL);
	const char *text = xml_text(arena, key);
	uint8_t *raw = arena_alloc(arena, strlen(text));
	long len = base64_decode(raw, text, strlen(text));
	assert_true(len > 0);
	raw[byte < 0 ? len + byte : byte] ^= 0x41;
	char *changed = arena_alloc(arena, base64_encoded_len((size_t)len) + 1);
	base64_encode(changed, raw, (size_t)len);
	key->first = key->last = NULL;
	xml_add_text(arena, key, changed, strlen(changed));
	return forged;
}

void
mail_turn(struct person *a, struct person *b, int64_t now)
{
	struct arena *arena = arena_new();
	mail_read(mail_write(arena, a, b, "turn", now), now);
	mail_read(mail_write(arena, b, a, "turn", now), now);
	arena_free(&arena);
}

void
mail_lose(struct person *from, struct person *to, unsigned count)
{
	struct arena *arena = arena_new();
	struct provider *provider = provider_new();
	session_record *record = NULL;
	signal_buffer *out = NULL;
	size_t len;
	uint32_t device = omemo_device(to->omemo);
	db_begin(from->db);
	const void *bytes = session_get(from->db, arena, from->account, to->jid, device, &len);
	assert_int_equal(session_record_deserialize(&record, bytes, len, provider_context(provider)), 0);
	session_state *state = session_record_get_state(record);
	for (unsigned i = 0; i < count; i++) {
		ratchet_chain_key *next = NULL;
		assert_int_equal(ratchet_chain_key_create_next(session_state_get_sender_chain_key(state), &next), 0);
		session_state_set_sender_chain_key(state, next);
		SIGNAL_UNREF(next);
	}
	assert_int_equal(session_record_serialize(&out, record), 0);
	session_put(from->db, from->account, to->jid, device, signal_buffer_data(out), signal_buffer_len(out));
	assert_true(db_commit(from->db, NULL));
	signal_buffer_bzero_free(out);
	SIGNAL_UNREF(record);
	provider_free(&provider);
	arena_free(&arena);
}

void
mail_know(struct person *person, const char *jid)
{
	db_begin(person->db);
	contact_add(person->db, person->account, jid, jid, T0);
	assert_true(db_commit(person->db, NULL));
}

int64_t
mail_sql(struct person *person, const char *sql)
{
	char path[128];
	sqlite3 *db = NULL;
	sqlite3_stmt *row = NULL;
	int64_t found = 0;
	snprintf(path, sizeof path, "%s/lazo.db", person->folder);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_exec(db, "PRAGMA foreign_keys = ON", NULL, NULL, NULL);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &row, NULL), SQLITE_OK);
	int step = sqlite3_step(row);
	assert_true(step == SQLITE_ROW || step == SQLITE_DONE);
	found = step == SQLITE_ROW ? sqlite3_column_int64(row, 0) : sqlite3_changes(db);
	sqlite3_finalize(row);
	sqlite3_close(db);
	return found;
}
