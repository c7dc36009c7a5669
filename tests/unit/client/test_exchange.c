/* test_exchange.c -- two homes write to each other: first contact, order, duplicates, receipts, waiting,
 * supplements. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "client/db/account.h"
#include "client/db/contact.h"
#include "client/db/history.h"
#include "proto/arena.h"
#include "proto/digest.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "tests/unit/client/homes.h"

#define ANA  "ana@madrid.example"
#define JOSE "jose@maracaibo.example"

enum { MANY = 30 };

struct pair {
	struct person ana;
	struct person jose;
};

static int
setup(void **state)
{
	static struct pair pair;
	home_open(&pair.ana, ANA);
	home_open(&pair.jose, JOSE);
	*state = &pair;
	return 0;
}

static int
teardown(void **state)
{
	struct pair *pair = *state;
	home_close(&pair->ana);
	home_close(&pair->jose);
	return 0;
}

static enum sent
state_of(struct person *person, const char *peer, const char *origin_id)
{
	struct message message;
	int64_t id = history_by_origin(person->db, person->account, peer, person->jid, origin_id);
	assert_true(history_get(person->db, person->arena, id, &message));
	return message.sent;
}

static void
test_first_contact(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	home_meet(&p->ana, &p->jose);
	home_write(&p->ana, JOSE, "Hola, papá", OUTBOX_READY);
	struct xml *message = home_post(&p->ana, arena);
	assert_non_null(message);
	/* what is on the wire: nothing of the text, all the marks */
	assert_null(strstr(xml_child_text(arena, message, "body", NULL), "Hola"));
	assert_non_null(xml_find(message, "encrypted", NS_OMEMO));
	assert_non_null(xml_find(message, "encryption", NS_EME));
	assert_non_null(xml_find(message, "store", NS_HINTS));
	assert_non_null(xml_find(message, "request", NS_RECEIPTS));
	assert_string_equal(xml_attr(xml_find(message, "origin-id", NS_SID), "id"), xml_attr(message, "id"));
	assert_int_equal(home_receive(&p->jose, message, WAY_LIVE, NULL).outcome, INBOX_MESSAGE);
	assert_string_equal(home_read(&p->jose, ANA), "Hola, papá");
	arena_free(&arena);

	/* the answer completes the session: no more prekey messages */
	home_write(&p->jose, ANA, "Hola, hija", OUTBOX_READY);
	assert_int_equal(home_carry(&p->jose, &p->ana), 1);
	assert_string_equal(home_read(&p->ana, JOSE), "Hola, hija");
	assert_int_equal(home_carry(&p->ana, &p->jose), 0); /* her receipt */
	arena = arena_new();
	home_write(&p->ana, JOSE, "¿Cómo estás?", OUTBOX_READY);
	message = home_post(&p->ana, arena);
	struct xml *header = xml_find(xml_find(message, "encrypted", NULL), "header", NULL);
	assert_null(xml_attr(xml_find(header, "key", NULL), "prekey"));
	assert_int_equal(home_receive(&p->jose, message, WAY_LIVE, NULL).outcome, INBOX_MESSAGE);
	arena_free(&arena);
}

static void
test_duplicates(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	home_meet(&p->ana, &p->jose);
	home_write(&p->ana, JOSE, "una vez", OUTBOX_READY);
	struct xml *message = home_post(&p->ana, arena);
	assert_int_equal(home_receive(&p->jose, message, WAY_LIVE, NULL).outcome, INBOX_MESSAGE);
	assert_int_equal(home_receive(&p->jose, message, WAY_ARCHIVE, "a1").outcome, INBOX_DUPLICATE);
	home_reopen(&p->jose);
	assert_int_equal(home_receive(&p->jose, message, WAY_ARCHIVE, "a1").outcome, INBOX_DUPLICATE);
	assert_string_equal(home_read(&p->jose, ANA), "una vez");
	/* the same id with other content is another message */
	const char *id = xml_attr(message, "id");
	home_write(&p->ana, JOSE, "otra cosa", OUTBOX_READY);
	struct xml *other = home_post(&p->ana, arena);
	xml_set(arena, other, "id", id);
	xml_set(arena, xml_find(other, "origin-id", NS_SID), "id", id);
	assert_int_equal(home_receive(&p->jose, other, WAY_LIVE, NULL).outcome, INBOX_MESSAGE);
	assert_string_equal(home_read(&p->jose, ANA), "una vez|otra cosa");
	arena_free(&arena);
}

static void
test_out_of_order(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	struct xml *messages[MANY];
	home_meet(&p->ana, &p->jose);
	for (int i = 0; i < MANY; i++) {
		home_write(&p->ana, JOSE, i % 2 ? "impar" : "par", OUTBOX_READY);
		messages[i] = home_post(&p->ana, arena);
	}
	for (int i = MANY - 1; i >= 0; i--)
		assert_int_equal(home_receive(&p->jose, messages[i], WAY_LIVE, NULL).outcome, INBOX_MESSAGE);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(home_receive(&p->jose, messages[i], WAY_LIVE, NULL).outcome,
				 INBOX_DUPLICATE);
	arena_free(&arena);
}

static void
test_receipts(void **state)
{
	struct pair *p = *state;
	struct message *list;
	home_meet(&p->ana, &p->jose);
	db_begin(p->jose.db);
	contact_add(p->jose.db, p->jose.account, ANA, "Ana", T0);
	assert_true(db_commit(p->jose.db, NULL));
	const char *id = home_write(&p->ana, JOSE, "¿Llegó?", OUTBOX_READY);
	assert_int_equal(state_of(&p->ana, JOSE, id), SENT_READY);
	assert_int_equal(home_carry(&p->ana, &p->jose), 1);
	assert_int_equal(state_of(&p->ana, JOSE, id), SENT_ACCEPTED);
	home_carry(&p->jose, &p->ana);
	assert_int_equal(state_of(&p->ana, JOSE, id), SENT_DELIVERED);
	const struct history_query query = { .account = p->jose.account, .peer = ANA };
	assert_int_equal(history_list(p->jose.db, p->jose.arena, &query, &list), 1);
	outbox_add_displayed(p->jose.db, p->jose.account, list[0].id, T0);
	home_carry(&p->jose, &p->ana);
	assert_int_equal(state_of(&p->ana, JOSE, id), SENT_DISPLAYED);
	outbox_receipt(p->ana.db, p->ana.account, JOSE, id, SENT_DELIVERED, 1); /* late: never backwards */
	assert_int_equal(state_of(&p->ana, JOSE, id), SENT_DISPLAYED);
}

/* XEP-0184 5.3 and XEP-0333 allow both in one message: neither hides the other. */
static void
test_text_beside_a_receipt(void **state)
{
	struct pair *p = *state;
	struct arena *arena = p->ana.arena;
	home_meet(&p->ana, &p->jose);
	const char *id = home_write(&p->ana, JOSE, "¿Llegó?", OUTBOX_READY);
	assert_int_equal(home_carry(&p->ana, &p->jose), 1);
	struct xml *message = xml_new(arena, "message", NS_CLIENT);
	xml_set(arena, message, "from", JOSE "/1");
	xml_set(arena, message, "type", "chat");
	xml_set(arena, message, "id", "r1");
	xml_set(arena, xml_add(arena, message, "received", NS_RECEIPTS), "id", id);
	assert_int_equal(home_receive(&p->ana, message, WAY_LIVE, NULL).outcome, INBOX_NOTHING);
	assert_int_equal(state_of(&p->ana, JOSE, id), SENT_DELIVERED);
	xml_set(arena, message, "id", "r2");
	xml_set(arena, xml_add(arena, message, "displayed", NS_MARKERS), "id", id);
	xml_add_text(arena, xml_add(arena, message, "body", NS_CLIENT), "Sí, todo.", strlen("Sí, todo."));
	assert_int_equal(home_receive(&p->ana, message, WAY_LIVE, NULL).outcome, INBOX_MESSAGE);
	assert_int_equal(state_of(&p->ana, JOSE, id), SENT_DISPLAYED);
	assert_string_equal(home_read(&p->ana, JOSE), "Sí, todo.");
}

/* Someone that the person never wrote to or named is not told that he is here (XEP-0184, 8). */
static void
test_no_receipt_for_strangers(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	home_meet(&p->ana, &p->jose);
	home_write(&p->ana, JOSE, "¿Hay alguien?", OUTBOX_READY);
	assert_int_equal(home_carry(&p->ana, &p->jose), 1);
	assert_null(home_post(&p->jose, arena));
	arena_free(&arena);
}

static void
test_waiting(void **state)
{
	struct pair *p = *state;
	struct outbox_item *list;
	struct arena *arena = arena_new();
	const char *first = home_write(&p->ana, JOSE, "primero", OUTBOX_WAITING);
	const char *second = home_write(&p->ana, JOSE, "segundo", OUTBOX_WAITING);
	assert_int_equal(state_of(&p->ana, JOSE, first), SENT_WAITING);
	assert_null(home_post(&p->ana, arena)); /* nothing leaves */
	assert_int_equal(outbox_list(p->ana.db, p->ana.arena, p->ana.account, &list), 2);
	assert_string_equal(list[0].reason, "no-device-list");
	assert_string_equal(list[0].body, "primero");
	home_take_list(&p->ana, JOSE, (uint32_t[]){ omemo_device(p->jose.omemo) }, 1);
	assert_int_equal(outbox_keys_came(p->ana.db, p->ana.omemo, p->ana.account, JOSE, T0), 0);
	outbox_list(p->ana.db, p->ana.arena, p->ana.account, &list);
	assert_string_equal(list[1].reason, "no-keys");
	home_introduce(&p->ana, &p->jose);
	assert_int_equal(outbox_keys_came(p->ana.db, p->ana.omemo, p->ana.account, JOSE, T0), 2);
	assert_int_equal(state_of(&p->ana, JOSE, second), SENT_READY);
	assert_int_equal(home_carry(&p->ana, &p->jose), 2);
	assert_string_equal(home_read(&p->jose, ANA), "primero|segundo");
	arena_free(&arena);
}

/* Attack O9: in clear only when asked for, and never to someone who ever had a device. */
static void
test_clear(void **state)
{
	struct pair *p = *state;
	struct outbox_sent sent;
	struct arena *arena = arena_new();
	home_take_list(&p->ana, JOSE, NULL, 0);
	home_write(&p->ana, JOSE, "secreto", OUTBOX_WAITING);
	assert_null(home_post(&p->ana, arena));
	outbox_send(p->ana.db, p->ana.omemo, arena, p->ana.account, JOSE, "a la vista", OUTBOX_PLAIN, T0,
		    &sent);
	assert_int_equal(sent.result, OUTBOX_READY);
	struct xml *message = home_post(&p->ana, arena);
	assert_string_equal(xml_child_text(arena, message, "body", NULL), "a la vista");
	assert_int_equal(home_receive(&p->jose, message, WAY_LIVE, NULL).outcome, INBOX_MESSAGE);
	assert_int_equal(home_receive(&p->jose, message, WAY_ARCHIVE, "x").outcome, INBOX_DUPLICATE);
	struct message *list;
	const struct history_query query = { .account = p->jose.account };
	assert_int_equal(history_list(p->jose.db, arena, &query, &list), 1);
	assert_false(list[0].encrypted);
	assert_int_equal(list[0].trust, TRUST_NONE);
	/* the relay says that the devices are gone */
	home_introduce(&p->ana, &p->jose);
	home_take_list(&p->ana, JOSE, NULL, 0);
	outbox_send(p->ana.db, p->ana.omemo, arena, p->ana.account, JOSE, "no", OUTBOX_PLAIN, T0, &sent);
	assert_int_equal(sent.result, OUTBOX_WAITING);
	assert_string_equal(sent.reason, "no-omemo");
	arena_free(&arena);
}

static void
test_refusals(void **state)
{
	struct pair *p = *state;
	static char long_text[OUTBOX_TEXT_MAX + 2];
	memset(long_text, 'a', sizeof long_text - 1);
	home_meet(&p->ana, &p->jose);
	home_write(&p->ana, JOSE, "", OUTBOX_EMPTY_TEXT);
	home_write(&p->ana, JOSE, " \n\t", OUTBOX_EMPTY_TEXT);
	home_write(&p->ana, JOSE, long_text, OUTBOX_TOO_LONG);
	home_write(&p->ana, JOSE, "\xff", OUTBOX_NOT_TEXT);
	home_write(&p->ana, JOSE, "a\x01", OUTBOX_NOT_TEXT);
	db_begin(p->ana.db);
	contact_set_blocked(p->ana.db, p->ana.account, JOSE, true, true);
	assert_true(db_commit(p->ana.db, NULL));
	home_write(&p->ana, JOSE, "hola", OUTBOX_BLOCKED);
	struct outbox_item *list;
	assert_int_equal(outbox_list(p->ana.db, p->ana.arena, p->ana.account, &list), 0);
}

/* The recipient's new device gets what is not delivered, once; the old one shows it once. */
static void
test_supplement(void **state)
{
	struct pair *p = *state;
	struct person tablet;
	struct arena *arena = arena_new();
	home_open(&tablet, JOSE);
	home_meet(&p->ana, &p->jose);
	const char *id = home_write(&p->ana, JOSE, "para todos", OUTBOX_READY);
	struct xml *first = home_post(&p->ana, arena);
	assert_int_equal(home_receive(&tablet, first, WAY_LIVE, NULL).outcome, INBOX_UNREADABLE);
	assert_string_equal(home_read(&tablet, ANA), "not-for-this-device");
	home_take_list(&p->ana, JOSE, (uint32_t[]){ omemo_device(p->jose.omemo), omemo_device(tablet.omemo) },
		       2);
	db_begin(p->ana.db);
	assert_int_equal(omemo_take_bundle(p->ana.omemo, JOSE, omemo_device(tablet.omemo),
					   omemo_bundle_tree(tablet.omemo, arena), T0),
			 OMEMO_BUNDLE_OK);
	assert_true(db_commit(p->ana.db, NULL));
	assert_int_equal(outbox_keys_came(p->ana.db, p->ana.omemo, p->ana.account, JOSE, T0), 1);
	assert_int_equal(outbox_keys_came(p->ana.db, p->ana.omemo, p->ana.account, JOSE, T0), 0);
	struct xml *second = home_post(&p->ana, arena);
	assert_string_equal(xml_attr(xml_find(second, "same-as", NS_CUSTODY), "id"), id);
	assert_string_not_equal(xml_attr(second, "id"), id);
	assert_int_equal(home_receive(&tablet, second, WAY_LIVE, NULL).outcome, INBOX_MESSAGE);
	assert_string_equal(home_read(&tablet, ANA), "para todos"); /* the unreadable row made way */
	assert_int_equal(home_receive(&p->jose, first, WAY_LIVE, NULL).outcome, INBOX_MESSAGE);
	assert_int_equal(home_receive(&p->jose, second, WAY_LIVE, NULL).outcome, INBOX_NOTHING);
	assert_string_equal(home_read(&p->jose, ANA), "para todos");
	/* a receipt for the supplement is one for the message */
	outbox_receipt(p->ana.db, p->ana.account, JOSE, xml_attr(second, "id"), SENT_DELIVERED, 1);
	assert_int_equal(state_of(&p->ana, JOSE, id), SENT_DELIVERED);
	home_close(&tablet);
	arena_free(&arena);
}

static void
test_lifecycle(void **state)
{
	struct pair *p = *state;
	struct outbox_item item, again;
	struct arena *arena = arena_new();
	home_meet(&p->ana, &p->jose);
	const char *id = home_write(&p->ana, JOSE, "hola", OUTBOX_READY);
	assert_true(outbox_next(p->ana.db, arena, p->ana.account, 0, &item));
	assert_true(outbox_sent(p->ana.db, item.id, T0));
	assert_false(outbox_cancel(p->ana.db, p->ana.account, item.id, T0)); /* on the wire */
	assert_false(outbox_next(p->ana.db, arena, p->ana.account, 0, &again));
	assert_true(outbox_unsent(p->ana.db, p->ana.account));
	assert_true(outbox_next(p->ana.db, arena, p->ana.account, 0, &again));
	assert_int_equal(item.stanza_len, again.stanza_len); /* the same bytes */
	assert_memory_equal(item.stanza, again.stanza, item.stanza_len);
	assert_false(outbox_refused(p->ana.db, p->ana.account, "eve@x.example", id, "gone", T0));
	assert_true(outbox_refused(p->ana.db, p->ana.account, JOSE, id, "service-unavailable", T0));
	assert_int_equal(state_of(&p->ana, JOSE, id), SENT_REFUSED);
	assert_true(outbox_retry(p->ana.db, p->ana.account, item.id, T0));
	assert_true(outbox_cancel(p->ana.db, p->ana.account, item.id, T0));
	assert_int_equal(state_of(&p->ana, JOSE, id), SENT_CANCELLED);
	assert_null(home_post(&p->ana, arena));
	arena_free(&arena);
}

/* An archive brings our own message back: the relay has it, even when its acknowledgement was lost. */
static void
test_own_comes_back(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	home_meet(&p->ana, &p->jose);
	const char *id = home_write(&p->ana, JOSE, "hola", OUTBOX_READY);
	struct xml *message = home_post(&p->ana, arena);
	outbox_unsent(p->ana.db, p->ana.account);
	assert_int_equal(home_receive(&p->ana, message, WAY_ARCHIVE, "s9").outcome, INBOX_DUPLICATE);
	assert_int_equal(state_of(&p->ana, JOSE, id), SENT_ACCEPTED);
	assert_string_equal(home_read(&p->ana, JOSE), "");
	arena_free(&arena);
}

/* Empty messages complete sessions; what is not for people is not shown. */
static void
test_completion(void **state)
{
	struct pair *p = *state;
	home_meet(&p->ana, &p->jose);
	home_write(&p->ana, JOSE, "hola", OUTBOX_READY);
	assert_int_equal(home_carry(&p->ana, &p->jose), 1);
	inbox_caught_up(p->jose.db, p->jose.omemo, p->jose.account, T0);
	struct arena *arena = arena_new();
	assert_null(home_post(&p->jose, arena)); /* a stranger is not told that someone is here */
	db_begin(p->jose.db);
	contact_add(p->jose.db, p->jose.account, ANA, "Ana", T0);
	assert_true(db_commit(p->jose.db, NULL));
	inbox_caught_up(p->jose.db, p->jose.omemo, p->jose.account, T0);
	assert_int_equal(home_carry(&p->jose, &p->ana), 0);
	assert_string_equal(home_read(&p->ana, JOSE), "");
	inbox_caught_up(p->jose.db, p->jose.omemo, p->jose.account, T0);
	struct outbox_item item;
	assert_false(outbox_next(p->jose.db, p->jose.arena, p->jose.account, 0, &item)); /* once */
	home_write(&p->ana, JOSE, "otra", OUTBOX_READY);
	struct xml *message = home_post(&p->ana, arena);
	struct xml *header = xml_find(xml_find(message, "encrypted", NULL), "header", NULL);
	assert_null(xml_attr(xml_find(header, "key", NULL), "prekey"));
	arena_free(&arena);
}

/* XEP-0280: carbons of our own account only (CVE-2017-5589). */
static void
test_carbons(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	home_meet(&p->ana, &p->jose);
	home_write(&p->ana, JOSE, "hola", OUTBOX_READY);
	struct xml *inner = home_post(&p->ana, arena);
	struct xml *carbon = xml_new(arena, "message", NS_CLIENT);
	xml_set(arena, carbon, "from", "eve@x.example/1");
	struct xml *forwarded =
	    xml_add(arena, xml_add(arena, carbon, "received", NS_CARBONS), "forwarded", NS_FORWARD);
	xml_append(forwarded, inner);
	assert_int_equal(home_receive(&p->jose, carbon, WAY_LIVE, NULL).outcome, INBOX_REFUSED);
	xml_set(arena, carbon, "from", JOSE);
	assert_int_equal(home_receive(&p->jose, carbon, WAY_LIVE, NULL).outcome, INBOX_MESSAGE);
	assert_string_equal(home_read(&p->jose, ANA), "hola");
	arena_free(&arena);
}

/* Our own other device reads what we write, and shows it as ours. */
static void
test_own_devices(void **state)
{
	struct pair *p = *state;
	struct person phone;
	struct arena *arena = arena_new();
	struct message *list;
	home_open(&phone, ANA);
	home_meet(&p->ana, &p->jose);
	home_meet(&p->ana, &phone);
	home_take_list(&p->ana, ANA, (uint32_t[]){ omemo_device(p->ana.omemo), omemo_device(phone.omemo) },
		       2);
	home_write(&p->ana, JOSE, "desde la laptop", OUTBOX_READY);
	struct xml *message = home_post(&p->ana, arena);
	assert_int_equal(home_receive(&phone, message, WAY_ARCHIVE, "s1").outcome, INBOX_MESSAGE);
	const struct history_query query = { .account = phone.account, .peer = JOSE };
	assert_int_equal(history_list(phone.db, arena, &query, &list), 1);
	assert_int_equal(list[0].sent, SENT_ACCEPTED);
	assert_string_equal(list[0].from, ANA);
	assert_string_equal(list[0].body, "desde la laptop");
	assert_int_equal(home_receive(&p->jose, message, WAY_LIVE, NULL).outcome, INBOX_MESSAGE);
	home_close(&phone);
	arena_free(&arena);
}

/* Two accounts in one home: every table of OMEMO is kept apart by own account. */
static void
test_two_accounts(void **state)
{
	struct pair *p = *state;
	struct person luz = p->ana; /* the same home and database */
	char *error;
	luz.jid = "luz@bogota.example";
	db_begin(luz.db);
	luz.account = account_add(luz.db, luz.jid, T0);
	assert_true(db_commit(luz.db, NULL));
	luz.omemo = omemo_open(luz.db, luz.account, T0, &error);
	assert_non_null(luz.omemo);
	assert_int_not_equal(omemo_device(luz.omemo), omemo_device(p->ana.omemo));
	home_meet(&p->ana, &luz);
	home_meet(&p->ana, &p->jose);
	home_meet(&luz, &p->jose);
	for (int i = 0; i < 3; i++) {
		home_write(&p->ana, luz.jid, "de Ana a Luz", OUTBOX_READY);
		assert_int_equal(home_carry(&p->ana, &luz), 1);
		home_write(&luz, ANA, "de Luz a Ana", OUTBOX_READY);
		assert_int_equal(home_carry(&luz, &p->ana), 1);
		home_write(&luz, JOSE, "de Luz a José", OUTBOX_READY);
		assert_int_equal(home_carry(&luz, &p->jose), 1);
		home_write(&p->ana, JOSE, "de Ana a José", OUTBOX_READY);
		assert_int_equal(home_carry(&p->ana, &p->jose), 1);
		home_carry(&p->jose, &luz); /* nothing of his is for her */
	}
	assert_string_equal(home_read(&luz, ANA), "de Ana a Luz|de Ana a Luz|de Ana a Luz");
	assert_string_equal(home_read(&p->ana, luz.jid), "de Luz a Ana|de Luz a Ana|de Luz a Ana");
	omemo_close(&luz.omemo);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_first_contact),
		TEST(test_duplicates),
		TEST(test_out_of_order),
		TEST(test_receipts),
		TEST(test_text_beside_a_receipt),
		TEST(test_no_receipt_for_strangers),
		TEST(test_waiting),
		TEST(test_clear),
		TEST(test_refusals),
		TEST(test_supplement),
		TEST(test_lifecycle),
		TEST(test_own_comes_back),
		TEST(test_completion),
		TEST(test_carbons),
		TEST(test_own_devices),
		TEST(test_two_accounts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
