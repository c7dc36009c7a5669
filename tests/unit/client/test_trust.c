/*
 * test_trust.c -- attacks O1 to O11 (as far as one client decides them): trust, changed keys, tampering,
 * replay, prekeys used twice, malformed input. Each test has its control: the untouched thing works.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "client/db/contact.h"
#include "client/db/history.h"
#include "client/db/key.h"
#include "client/omemo/uri.h"
#include "proto/arena.h"
#include "proto/digest.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlin.h"
#include "tests/unit/client/homes.h"

#define ANA  "ana@madrid.example"
#define JOSE "jose@maracaibo.example"
#define DAY  ((int64_t)24 * 60 * 60 * 1000)

struct pair {
	struct person ana;
	struct person jose;
	struct person tablet; /* another device of José */
};

static int
setup(void **state)
{
	static struct pair pair;
	home_open(&pair.ana, ANA);
	home_open(&pair.jose, JOSE);
	home_open(&pair.tablet, JOSE);
	home_meet(&pair.ana, &pair.jose);
	*state = &pair;
	return 0;
}

static int
teardown(void **state)
{
	struct pair *pair = *state;
	home_close(&pair->ana);
	home_close(&pair->jose);
	home_close(&pair->tablet);
	return 0;
}

/* Ana hears of both of José's devices and has their bundles. */
static void
both_devices(struct pair *p)
{
	home_introduce(&p->ana, &p->tablet);
	home_take_list(&p->ana, JOSE,
		       (uint32_t[]){ omemo_device(p->jose.omemo), omemo_device(p->tablet.omemo) }, 2);
}

/* As a person does who looked at the newest key of that device. */
static void
set_trust(struct person *person, const char *jid, uint32_t id, enum trust trust)
{
	struct device device = home_device(person, jid, id);
	db_begin(person->db);
	if (trust == TRUST_REJECTED)
		device_reject(person->db, person->account, jid, id);
	else
		assert_true(device_verify(person->db, person->account, jid, id,
					  device.offers ? device.offered : device.identity));
	assert_true(db_commit(person->db, NULL));
}

/* The rids of the next stanza, sorted out by what the test expects. */
static bool
next_has_key_for(struct person *from, uint32_t device)
{
	struct arena *arena = arena_new();
	char rid[16];
	bool found = false;
	struct xml *message = home_post(from, arena);
	snprintf(rid, sizeof rid, "%u", (unsigned)device);
	struct xml *header = xml_find(xml_find(message, "encrypted", NULL), "header", NULL);
	for (struct xml *key = xml_find(header, "key", NULL); key; key = xml_next(key, "key", NULL))
		found = found || strcmp(xml_attr(key, "rid"), rid) == 0;
	arena_free(&arena);
	return found;
}

/* O1, O11. */
static void
test_blind_then_strict(void **state)
{
	struct pair *p = *state;
	uint32_t tablet = omemo_device(p->tablet.omemo), phone = omemo_device(p->jose.omemo);
	both_devices(p); /* before any verification: taken blindly */
	assert_int_equal(home_device(&p->ana, JOSE, tablet).trust, TRUST_BLIND);
	home_write(&p->ana, JOSE, "a los dos", OUTBOX_READY);
	assert_true(next_has_key_for(&p->ana, tablet));
	set_trust(&p->ana, JOSE, phone, TRUST_VERIFIED);
	struct person third;
	home_open(&third, JOSE);
	home_introduce(&p->ana, &third);
	home_take_list(&p->ana, JOSE, (uint32_t[]){ phone, tablet, omemo_device(third.omemo) }, 3);
	assert_int_equal(home_device(&p->ana, JOSE, omemo_device(third.omemo)).trust, TRUST_UNDECIDED);
	home_write(&p->ana, JOSE, "al tercero no", OUTBOX_READY);
	assert_false(next_has_key_for(&p->ana, omemo_device(third.omemo)));
	set_trust(&p->ana, JOSE, omemo_device(third.omemo), TRUST_VERIFIED);
	home_write(&p->ana, JOSE, "ahora sí", OUTBOX_READY);
	assert_true(next_has_key_for(&p->ana, omemo_device(third.omemo)));
	/* taken out of the list, or rejected: no key */
	home_take_list(&p->ana, JOSE, (uint32_t[]){ phone, omemo_device(third.omemo) }, 2);
	home_write(&p->ana, JOSE, "sin la tableta", OUTBOX_READY);
	assert_false(next_has_key_for(&p->ana, tablet));
	set_trust(&p->ana, JOSE, phone, TRUST_REJECTED);
	home_write(&p->ana, JOSE, "sin el teléfono", OUTBOX_READY);
	assert_false(next_has_key_for(&p->ana, phone));
	set_trust(&p->ana, JOSE, omemo_device(third.omemo), TRUST_REJECTED);
	home_write(&p->ana, JOSE, "a nadie", OUTBOX_NOT_TRUSTED);
	home_close(&third);
}

/* O2: by bundle. */
static void
test_changed_bundle(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	uint32_t phone = omemo_device(p->jose.omemo);
	for (int mode = 0; mode < 2; mode++) {
		if (mode == 1) { /* the person takes the new key; then the old one is the changed one */
			set_trust(&p->ana, JOSE, phone, TRUST_VERIFIED);
			home_write(&p->ana, JOSE, "espera",
				   OUTBOX_WAITING); /* its session went with the old key */
		}
		struct person *other = mode == 0 ? &p->tablet : &p->jose;
		db_begin(p->ana.db);
		assert_int_equal(
		    omemo_take_bundle(p->ana.omemo, JOSE, phone, omemo_bundle_tree(other->omemo, arena), T0),
		    OMEMO_BUNDLE_CHANGED);
		assert_true(db_commit(p->ana.db, NULL));
		assert_int_equal(home_device(&p->ana, JOSE, phone).trust, TRUST_CHANGED);
		home_write(&p->ana, JOSE, "no", OUTBOX_NOT_TRUSTED);
	}
	arena_free(&arena);
}

/* Another key is offered for a device of José's. */
static void
offer(struct person *to, uint32_t device, const uint8_t key[static IDENTITY_LEN])
{
	db_begin(to->db);
	device_identify(to->db, to->account, JOSE, device, key, T0);
	assert_true(db_commit(to->db, NULL));
}

/* A decision is about one key: the known one stays when it is the one that was compared, and nobody else's
 * offer slips in. */
static void
test_which_key(void **state)
{
	struct pair *p = *state;
	uint32_t phone = omemo_device(p->jose.omemo);
	uint8_t real[IDENTITY_LEN], forged[IDENTITY_LEN], another[IDENTITY_LEN];
	omemo_identity(p->jose.omemo, real);
	omemo_identity(p->tablet.omemo, forged);
	omemo_identity(p->ana.omemo, another);
	offer(&p->ana, phone, forged);
	assert_true(home_device(&p->ana, JOSE, phone).offers);
	db_begin(p->ana.db);
	device_set_shown(p->ana.db, p->ana.account, JOSE);
	assert_true(db_commit(p->ana.db, NULL));
	assert_true(home_device(&p->ana, JOSE, phone).shown);
	offer(&p->ana, phone, another); /* since then it changed once more */
	assert_false(home_device(&p->ana, JOSE, phone).shown);
	db_begin(p->ana.db);
	assert_false(device_verify(p->ana.db, p->ana.account, JOSE, phone, forged));
	assert_true(device_verify(p->ana.db, p->ana.account, JOSE, phone, real));
	assert_true(db_commit(p->ana.db, NULL));
	struct device device = home_device(&p->ana, JOSE, phone);
	assert_int_equal(device.trust, TRUST_VERIFIED);
	assert_false(device.offers);
	assert_memory_equal(device.identity, real, IDENTITY_LEN);
	home_write(&p->ana, JOSE, "con la de siempre", OUTBOX_READY);
	assert_int_equal(home_carry(&p->ana, &p->jose), 1);
	/* a device whose key nobody has seen cannot be verified */
	home_take_list(&p->ana, JOSE, (uint32_t[]){ phone, 77 }, 2);
	db_begin(p->ana.db);
	assert_false(device_verify(p->ana.db, p->ana.account, JOSE, 77, real));
	assert_true(db_commit(p->ana.db, NULL));
	assert_int_equal(home_device(&p->ana, JOSE, 77).trust, TRUST_UNDECIDED);
}

/* O1: whoever adds a device is seen to do so, once; so is another key. A new contact's first are no news. */
static void
test_news(void **state)
{
	struct pair *p = *state;
	struct device *list;
	uint8_t forged[IDENTITY_LEN];
	omemo_identity(p->ana.omemo, forged);
	assert_int_equal(device_news(p->ana.db, p->ana.arena, p->ana.account, &list), 0);
	db_begin(p->ana.db);
	device_set_told(p->ana.db, p->ana.account);
	assert_true(db_commit(p->ana.db, NULL));
	both_devices(p);
	assert_int_equal(device_news(p->ana.db, p->ana.arena, p->ana.account, &list), 1);
	assert_int_equal(list[0].id, omemo_device(p->tablet.omemo));
	home_take_list(&p->ana, ANA, (uint32_t[]){ 99 }, 1); /* on her own account */
	assert_int_equal(device_news(p->ana.db, p->ana.arena, p->ana.account, &list), 2);
	for (int i = 0; i < 2; i++) {
		db_begin(p->ana.db);
		device_set_told(p->ana.db, p->ana.account);
		assert_true(db_commit(p->ana.db, NULL));
		assert_int_equal(device_news(p->ana.db, p->ana.arena, p->ana.account, &list), 0);
		offer(&p->ana, omemo_device(p->jose.omemo), forged); /* the second time it is no news */
		assert_int_equal(device_news(p->ana.db, p->ana.arena, p->ana.account, &list), i == 0);
		assert_true(i == 1 || list[0].offers);
	}
}

/* O11: the decision counts for what is written and has not left, too; whom it does not concern loses nothing. */
static void
test_decided_before_it_left(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	struct outbox_item item;
	uint32_t tablet = omemo_device(p->tablet.omemo);
	both_devices(p);
	home_write(&p->ana, JOSE, "antes", OUTBOX_READY);
	set_trust(&p->ana, JOSE, tablet, TRUST_REJECTED);
	outbox_keys_came(p->ana.db, p->ana.omemo, p->ana.account, JOSE, T0);
	assert_true(outbox_next(p->ana.db, arena, p->ana.account, 0, &item));
	struct xml *message = home_post(&p->ana, arena);
	struct xml *header = xml_find(xml_find(message, "encrypted", NULL), "header", NULL);
	struct xml *key = xml_find(header, "key", NULL);
	assert_int_equal(strtoul(xml_attr(key, "rid"), NULL, 10), omemo_device(p->jose.omemo));
	assert_null(xml_next(key, "key", NULL));
	assert_int_equal(home_receive(&p->jose, message, WAY_LIVE, NULL).outcome, INBOX_MESSAGE);
	/* trusted after all: it gets what it missed */
	set_trust(&p->ana, JOSE, tablet, TRUST_VERIFIED);
	assert_int_equal(outbox_keys_came(p->ana.db, p->ana.omemo, p->ana.account, JOSE, T0), 1);
	assert_int_equal(home_carry(&p->ana, &p->tablet), 1);
	assert_string_equal(home_read(&p->tablet, ANA), "antes");
	/* a changed key stops what has not left; the known one being right, it goes on */
	home_write(&p->ana, JOSE, "después", OUTBOX_READY);
	uint8_t forged[IDENTITY_LEN];
	omemo_identity(p->ana.omemo, forged);
	offer(&p->ana, tablet, forged);
	outbox_keys_came(p->ana.db, p->ana.omemo, p->ana.account, NULL, T0);
	assert_false(outbox_next(p->ana.db, arena, p->ana.account, 0, &item));
	struct device device = home_device(&p->ana, JOSE, tablet);
	db_begin(p->ana.db);
	assert_true(device_verify(p->ana.db, p->ana.account, JOSE, tablet, device.identity));
	assert_true(db_commit(p->ana.db, NULL));
	assert_int_equal(outbox_keys_came(p->ana.db, p->ana.omemo, p->ana.account, JOSE, T0), 1);
	assert_int_equal(home_carry(&p->ana, &p->jose), 1);
	arena_free(&arena);
}

/* O9: asked for in clear while nobody knew of a device; before it leaves one is seen. */
static void
test_clear_that_waited(void **state)
{
	struct pair *p = *state;
	struct outbox_sent sent;
	struct arena *arena = arena_new();
	home_take_list(&p->jose, "luz@bogota.example", NULL, 0);
	for (int i = 0; i < 2; i++) {
		outbox_send(p->jose.db, p->jose.omemo, arena, p->jose.account, "luz@bogota.example", "a la vista",
			    OUTBOX_PLAIN, T0, &sent);
		assert_int_equal(sent.result, OUTBOX_READY);
		if (i == 0) { /* the control: nothing changed, it goes in clear */
			outbox_keys_came(p->jose.db, p->jose.omemo, p->jose.account, NULL, T0);
			assert_string_equal(xml_child_text(arena, home_post(&p->jose, arena), "body", NULL),
					    "a la vista");
		}
	}
	home_take_list(&p->jose, "luz@bogota.example", (uint32_t[]){ 5 }, 1);
	outbox_keys_came(p->jose.db, p->jose.omemo, p->jose.account, NULL, T0);
	assert_null(home_post(&p->jose, arena));
	arena_free(&arena);
}

/* O12: a home that is put back from a copy notices, and is read again. */
static void
test_set_back(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	struct xml *messages[3];
	home_write(&p->ana, JOSE, "cero", OUTBOX_READY);
	home_carry(&p->ana, &p->jose);
	home_write(&p->jose, ANA, "sí", OUTBOX_READY);
	home_carry(&p->jose, &p->ana);
	home_carry(&p->ana, &p->jose);
	home_keep(&p->ana);
	for (int i = 0; i < 3; i++) {
		home_write(&p->ana, JOSE, i == 0 ? "uno" : i == 1 ? "dos" : "tres", OUTBOX_READY);
		messages[i] = home_post(&p->ana, arena);
		assert_int_equal(home_receive(&p->jose, messages[i], WAY_LIVE, NULL).outcome, INBOX_MESSAGE);
		/* the control: they are known here */
		assert_int_equal(home_receive(&p->ana, messages[i], WAY_ARCHIVE, "a").outcome, INBOX_DUPLICATE);
	}
	assert_true(home_device(&p->ana, JOSE, omemo_device(p->jose.omemo)).session);
	home_set_back(&p->ana);
	home_write(&p->ana, JOSE, "cuatro", OUTBOX_READY); /* with a key that was spent: not read */
	assert_int_equal(home_carry(&p->ana, &p->jose), 0);
	for (int i = 0; i < 3; i++)
		home_receive(&p->ana, messages[i], WAY_ARCHIVE, "a");
	assert_false(home_device(&p->ana, JOSE, omemo_device(p->jose.omemo)).session);
	assert_int_not_equal(omemo_bundle_due(p->ana.omemo), 0);
	home_introduce(&p->ana, &p->jose); /* its bundle is fetched anew */
	outbox_keys_came(p->ana.db, p->ana.omemo, p->ana.account, NULL, T0);
	inbox_caught_up(p->ana.db, p->ana.omemo, p->ana.account, T0);
	assert_int_equal(home_carry(&p->ana, &p->jose), 1);
	home_write(&p->ana, JOSE, "cinco", OUTBOX_READY);
	assert_int_equal(home_carry(&p->ana, &p->jose), 1);
	assert_string_equal(home_read(&p->jose, ANA), "cero|uno|dos|tres|cuatro|cinco");
	home_write(&p->jose, ANA, "te leo", OUTBOX_READY);
	assert_int_equal(home_carry(&p->jose, &p->ana), 1);
	arena_free(&arena);
}

/* O2: by a first message of a device whose key is known to be another; readable once the person accepts it.
 */
static void
test_changed_message(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	struct inbox_result result;
	uint32_t device = omemo_device(p->tablet.omemo);
	uint8_t known[IDENTITY_LEN];
	omemo_identity(p->jose.omemo, known);
	db_begin(p->ana.db);
	assert_true(device_identify(p->ana.db, p->ana.account, JOSE, device, known, T0));
	assert_true(db_commit(p->ana.db, NULL));
	home_introduce(&p->tablet, &p->ana);
	home_write(&p->tablet, ANA, "soy yo", OUTBOX_READY);
	struct xml *message = home_post(&p->tablet, arena);
	result = home_receive(&p->ana, message, WAY_LIVE, NULL);
	assert_int_equal(result.outcome, INBOX_UNREADABLE);
	assert_int_equal(result.unreadable, UNREADABLE_CHANGED_KEY);
	assert_int_equal(home_device(&p->ana, JOSE, device).trust, TRUST_CHANGED);
	assert_int_equal(inbox_retry(p->ana.db, p->ana.omemo, p->ana.account, JOSE, T0), 0);
	assert_string_equal(home_read(&p->ana, JOSE), "changed-key");
	set_trust(&p->ana, JOSE, device, TRUST_VERIFIED);
	assert_int_equal(inbox_retry(p->ana.db, p->ana.omemo, p->ana.account, JOSE, T0), 1);
	assert_string_equal(home_read(&p->ana, JOSE), "soy yo");
	assert_int_equal(home_receive(&p->ana, message, WAY_ARCHIVE, "z").outcome, INBOX_DUPLICATE);
	arena_free(&arena);
}

/* O3: what one person encrypted, sent on as if from another. */
static void
test_wrong_sender(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	home_write(&p->ana, JOSE, "uno", OUTBOX_READY);
	assert_int_equal(home_carry(&p->ana, &p->jose), 1);
	home_write(&p->jose, ANA, "sesión", OUTBOX_READY);
	assert_int_equal(home_carry(&p->jose, &p->ana), 1);
	home_carry(&p->ana, &p->jose);
	home_write(&p->ana, JOSE, "dos", OUTBOX_READY);
	struct xml *message = home_post(&p->ana, arena);
	xml_set(arena, message, "from", "eve@x.example/1");
	assert_int_equal(home_receive(&p->jose, message, WAY_LIVE, NULL).unreadable, UNREADABLE_NO_SESSION);
	xml_set(arena, message, "from", ANA "/1");
	assert_int_equal(home_receive(&p->jose, message, WAY_LIVE, NULL).outcome, INBOX_MESSAGE);
	assert_string_equal(home_read(&p->jose, ANA), "uno|dos");
	arena_free(&arena);
}

/* Flip a character in the middle of base64 text. */
static void
spoil(struct arena *arena, struct xml *node)
{
	char *text = arena_strdup(arena, xml_text(arena, node));
	size_t at = strlen(text) / 2;
	text[at] = text[at] == 'A' ? 'B' : 'A';
	node->first = node->last = NULL;
	xml_add_text(arena, node, text, strlen(text));
}

/* A spoilt message leaves the ratchet where it was: the good one is read afterwards. */
static void
test_tampered(void **state)
{
	static const char *const parts[] = { "payload", "iv", "key" };
	struct pair *p = *state;
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		struct arena *arena = arena_new();
		home_write(&p->ana, JOSE, "entero", OUTBOX_READY);
		struct xml *message = home_post(&p->ana, arena);
		struct xml *bad = xml_copy(arena, message);
		struct xml *encrypted = xml_find(bad, "encrypted", NULL),
			   *header = xml_find(encrypted, "header", NULL);
		spoil(arena, xml_find(i == 0 ? encrypted : header, parts[i], NULL));
		assert_int_equal(home_receive(&p->jose, bad, WAY_LIVE, NULL).outcome, INBOX_UNREADABLE);
		assert_int_equal(home_receive(&p->jose, bad, WAY_LIVE, NULL).outcome, INBOX_DUPLICATE);
		assert_int_equal(home_receive(&p->jose, message, WAY_LIVE, NULL).outcome, INBOX_MESSAGE);
		arena_free(&arena);
	}
	assert_int_equal(inbox_retry(p->jose.db, p->jose.omemo, p->jose.account, NULL, T0), 0);
}

/* Two senders take the same one-time prekey: both are read (used ones are kept). */
static void
test_prekey_collision(void **state)
{
	struct pair *p = *state;
	struct person luz;
	struct arena *arena = arena_new();
	home_open(&luz, "luz@bogota.example");
	struct xml *list = omemo_list_tree(p->jose.omemo, arena),
		   *bundle = omemo_bundle_tree(p->jose.omemo, arena);
	struct xml *prekeys = xml_find(bundle, "prekeys", NULL);
	prekeys->first->next = NULL; /* one is left */
	prekeys->last = prekeys->first;
	struct person *senders[] = { &p->tablet, &luz };
	for (int i = 0; i < 2; i++) {
		db_begin(senders[i]->db);
		omemo_take_list(senders[i]->omemo, JOSE, list, T0);
		assert_int_equal(
		    omemo_take_bundle(senders[i]->omemo, JOSE, omemo_device(p->jose.omemo), bundle, T0),
		    OMEMO_BUNDLE_OK);
		assert_true(db_commit(senders[i]->db, NULL));
		home_write(senders[i], JOSE, "a la vez", OUTBOX_READY);
		assert_int_equal(home_carry(senders[i], &p->jose), 1);
	}
	assert_int_equal(key_prekey_count(p->jose.db, p->jose.account, PREKEY_USED), 1);
	assert_int_equal(key_prekey_count(p->jose.db, p->jose.account, PREKEY_PUBLISHED), 99);
	assert_int_not_equal(omemo_bundle_due(p->jose.omemo), 0);
	home_close(&luz);
	arena_free(&arena);
}

/* Signed prekeys rotate; a first message that was more than a year under way is still read. */
static void
test_maintenance(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	home_write(&p->ana, JOSE, "tarde", OUTBOX_READY);
	struct xml *late = home_post(&p->ana, arena);
	db_begin(p->jose.db);
	omemo_bundle_published(p->jose.omemo, omemo_bundle_due(p->jose.omemo));
	assert_int_equal(omemo_bundle_due(p->jose.omemo), 0);
	omemo_maintain(p->jose.omemo, T0 + 20 * DAY);
	assert_int_equal(omemo_bundle_due(p->jose.omemo), 0); /* nothing to do */
	omemo_maintain(p->jose.omemo, T0 + 40 * DAY);
	assert_int_not_equal(omemo_bundle_due(p->jose.omemo), 0);
	omemo_maintain(p->jose.omemo, T0 + 390 * DAY);
	assert_true(db_commit(p->jose.db, NULL));
	assert_int_equal(home_receive(&p->jose, late, WAY_LIVE, NULL).outcome, INBOX_MESSAGE);
	arena_free(&arena);
}

/* O5: a jump of 2000 is read, one of more is a gap; afterwards what comes in order still is. */
static void
test_gap(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	struct xml *first = NULL, *jump = NULL, *beyond = NULL;
	home_write(&p->ana, JOSE, "0", OUTBOX_READY);
	assert_int_equal(home_carry(&p->ana, &p->jose), 1);
	db_begin(p->ana.db);
	for (int i = 1; i <= 4100; i++) {
		struct arena *one = i == 1 || i == 2001 || i == 4100 ? arena : arena_new();
		struct omemo_target *targets;
		struct xml *encrypted, *message = xml_new(one, "message", NS_CLIENT);
		size_t count;
		assert_int_equal(
		    omemo_encrypt(p->ana.omemo, one, JOSE, "x", NULL, 0, T0, &encrypted, &targets, &count),
		    OMEMO_READY);
		xml_set(one, message, "from", ANA "/1");
		xml_append(message, encrypted);
		if (i == 1)
			first = message;
		if (i == 2001)
			jump = message;
		if (i == 4100)
			beyond = message;
		if (one != arena)
			arena_free(&one);
	}
	assert_true(db_commit(p->ana.db, NULL));
	assert_int_equal(home_receive(&p->jose, beyond, WAY_LIVE, NULL).unreadable, UNREADABLE_GAP);
	assert_int_equal(home_receive(&p->jose, jump, WAY_LIVE, NULL).outcome, INBOX_MESSAGE);
	assert_int_equal(home_receive(&p->jose, first, WAY_LIVE, NULL).outcome, INBOX_MESSAGE);
	assert_int_equal(inbox_retry(p->jose.db, p->jose.omemo, p->jose.account, NULL, T0), 0);
	arena_free(&arena);
}

/* O8: nothing of this is more than "malformed", or nothing at all. */
static void
test_malformed(void **state)
{
	static const struct {
		const char *what, *header, *rest;
		enum inbox_outcome outcome;
		enum unreadable unreadable;
	} cases[] = {
		{ "no header", NULL, "", INBOX_UNREADABLE, UNREADABLE_MALFORMED },
		{ "no sid", "<header><key rid='1'>AAAA</key><iv>AAAAAAAAAAAAAAAA</iv></header>",
		  "<payload>AAAA</payload>", INBOX_UNREADABLE, UNREADABLE_MALFORMED },
		{ "sid 0", "<header sid='0'><iv>AAAAAAAAAAAAAAAA</iv></header>", "<payload>AAAA</payload>",
		  INBOX_UNREADABLE, UNREADABLE_MALFORMED },
		{ "sid too large", "<header sid='4294967297'><iv>AAAAAAAAAAAAAAAA</iv></header>",
		  "<payload>AAAA</payload>", INBOX_UNREADABLE, UNREADABLE_MALFORMED },
		{ "iv of 3", "<header sid='5'><iv>AAAA</iv></header>", "<payload>AAAA</payload>",
		  INBOX_UNREADABLE, UNREADABLE_MALFORMED },
		{ "no iv", "<header sid='5'/>", "<payload>AAAA</payload>", INBOX_UNREADABLE,
		  UNREADABLE_MALFORMED },
		{ "base64 junk", "<header sid='5'><iv>AAAAAAAAAAAAAAAA</iv></header>", "<payload>*</payload>",
		  INBOX_UNREADABLE, UNREADABLE_MALFORMED },
		{ "two payloads", "<header sid='5'><iv>AAAAAAAAAAAAAAAA</iv></header>",
		  "<payload>AAAA</payload><payload>AAAA</payload>", INBOX_UNREADABLE, UNREADABLE_MALFORMED },
		{ "no key for us",
		  "<header sid='5'><key rid='0'>AAAA</key><iv>AAAAAAAAAAAAAAAA</iv></header>",
		  "<payload>AAAA</payload>", INBOX_UNREADABLE, UNREADABLE_NOT_FOR_US },
		{ "a key transport for someone else", "<header sid='5'><iv>AAAAAAAAAAAAAAAA</iv></header>",
		  "", INBOX_NOTHING, READABLE },
		{ "a key that is no ratchet message",
		  "<header sid='5'><key rid='%u'>AAAA</key><iv>AAAAAAAAAAAAAAAA</iv></header>",
		  "<payload>AAAA</payload>", INBOX_UNREADABLE, UNREADABLE_MALFORMED },
		{ "an empty key", "<header sid='5'><key rid='%u'/><iv>AAAAAAAAAAAAAAAA</iv></header>",
		  "<payload>AAAA</payload>", INBOX_UNREADABLE, UNREADABLE_MALFORMED },
		{ "two keys for us",
		  "<header sid='5'><key rid='%u'>AAAA</key><key "
		  "rid='%u'>AAAA</key><iv>AAAAAAAAAAAAAAAA</iv></header>",
		  "<payload>AAAA</payload>", INBOX_UNREADABLE, UNREADABLE_MALFORMED },
	};
	struct pair *p = *state;
	unsigned own = omemo_device(p->jose.omemo);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct arena *arena = arena_new();
		enum stream_error error;
		const char *header = cases[i].header ? arena_printf(arena, cases[i].header, own, own) : "";
		const char *text = arena_printf(arena,
						"<message xmlns='jabber:client' from='%s/1' to='" JOSE
						"'><encrypted xmlns='" NS_OMEMO
						"'>%s%s</encrypted><body>fallback</body></message>",
						ANA, header, cases[i].rest);
		struct xml *message = xmlin_parse(arena, text, strlen(text), &xmlin_limits_default, &error);
		assert_non_null(message);
		struct inbox_result result = home_receive(&p->jose, message, WAY_LIVE, NULL);
		if (result.outcome != cases[i].outcome || result.unreadable != cases[i].unreadable)
			fail_msg("%s: %d %d", cases[i].what, result.outcome, result.unreadable);
		arena_free(&arena);
	}
	assert_null(strstr(home_read(&p->jose, ANA), "fallback"));
}

/* 10,000 keys are not looked through. */
static void
test_many_keys(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	home_write(&p->ana, JOSE, "hola", OUTBOX_READY);
	struct xml *message = home_post(&p->ana, arena);
	struct xml *header = xml_find(xml_find(message, "encrypted", NULL), "header", NULL);
	for (unsigned i = 0; i < 10000; i++)
		xml_setf(arena, xml_add_leaf(arena, header, "key", NULL, "AAAA"), "rid", "%u", i + 1);
	assert_int_equal(home_receive(&p->jose, message, WAY_LIVE, NULL).unreadable, UNREADABLE_MALFORMED);
	arena_free(&arena);
}

static void
test_bad_bundles(void **state)
{
	struct pair *p = *state;
	static const char *const parts[] = { "signedPreKeyPublic", "signedPreKeySignature", "identityKey" };
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		struct arena *arena = arena_new();
		struct xml *bundle = omemo_bundle_tree(p->tablet.omemo, arena);
		spoil(arena, xml_find(bundle, parts[i], NULL));
		db_begin(p->ana.db);
		assert_int_equal(
		    omemo_take_bundle(p->ana.omemo, JOSE, omemo_device(p->tablet.omemo), bundle, T0),
		    OMEMO_BUNDLE_MALFORMED);
		assert_int_equal(omemo_take_bundle(p->ana.omemo, JOSE, omemo_device(p->tablet.omemo),
						   omemo_list_tree(p->tablet.omemo, arena), T0),
				 OMEMO_BUNDLE_MALFORMED);
		assert_int_equal(omemo_take_list(p->ana.omemo, JOSE, bundle, T0), OMEMO_LIST_MALFORMED);
		db_rollback(p->ana.db);
		arena_free(&arena);
	}
}

/* Our own list: merged, and announced again when we are missing in it. */
static void
test_own_list(void **state)
{
	struct pair *p = *state;
	struct arena *arena = arena_new();
	uint32_t other = omemo_device(p->tablet.omemo);
	db_begin(p->jose.db);
	omemo_list_published(p->jose.omemo, omemo_list_due(p->jose.omemo));
	assert_true(db_commit(p->jose.db, NULL));
	assert_int_equal(omemo_list_due(p->jose.omemo), 0);
	home_take_list(&p->jose, JOSE, &other, 1);
	assert_int_not_equal(omemo_list_due(p->jose.omemo), 0);
	struct xml *list = omemo_list_tree(p->jose.omemo, arena);
	unsigned count = 0;
	for (struct xml *device = xml_first(list); device; device = xml_next(device, NULL, NULL))
		count++;
	assert_int_equal(count, 2);
	arena_free(&arena);
}

static void
test_wanted(void **state)
{
	struct pair *p = *state;
	struct device_want *list;
	const int64_t week = 7 * DAY;
	uint32_t ids[] = { omemo_device(p->jose.omemo), 77 };
	home_write(&p->ana, "luz@bogota.example", "hola", OUTBOX_WAITING);
	home_take_list(&p->ana, JOSE, ids, 2);
	/* what strangers announce is not asked for */
	assert_int_equal(device_wanted(p->ana.db, p->ana.arena, p->ana.account, T0, week, &list), 1);
	db_begin(p->ana.db);
	contact_add(p->ana.db, p->ana.account, JOSE, "José", T0);
	assert_true(db_commit(p->ana.db, NULL));
	assert_int_equal(device_wanted(p->ana.db, p->ana.arena, p->ana.account, T0, week, &list), 2);
	assert_string_equal(list[0].jid, "luz@bogota.example");
	assert_int_equal(list[0].device, 0);
	assert_string_equal(list[1].jid, JOSE);
	assert_int_equal(list[1].device, 77);
	db_begin(p->ana.db);
	device_fetch_failed(p->ana.db, p->ana.account, "luz@bogota.example", 0, false, T0);
	device_fetch_failed(p->ana.db, p->ana.account, JOSE, 77, true, T0);
	assert_true(db_commit(p->ana.db, NULL));
	assert_int_equal(device_wanted(p->ana.db, p->ana.arena, p->ana.account, T0 + 1, week, &list), 0);
	assert_int_equal(device_wanted(p->ana.db, p->ana.arena, p->ana.account, T0 + DAY / 12, week, &list),
			 1);
	assert_int_equal(device_wanted(p->ana.db, p->ana.arena, p->ana.account, T0 + 8 * DAY, week, &list),
			 4);
}

static void
test_uri(void **state)
{
	static const char *const bad[] = {
		"",
		"xmpp:",
		"http://a@b",
		"xmpp:ana@madrid.example",
		"xmpp:a@b.example/r?omemo-sid-1=00",
		"xmpp:a@b.example?omemo-sid-0="
		"0000000000000000000000000000000000000000000000000000000000000000",
		"xmpp:a@b.example?omemo-sid-1=00000000000000000000000000000000000000000000000000000000000000",
		"xmpp:a%00@b.example?omemo-sid-1="
		"0000000000000000000000000000000000000000000000000000000000000000"
	};
	struct pair *p = *state;
	struct omemo_uri uri = { .jid = ANA, .count = 2 }, read;
	uri.devices[0].device = 5;
	uri.devices[1].device = INT32_MAX;
	omemo_identity(p->ana.omemo, uri.devices[0].identity);
	omemo_identity(p->jose.omemo, uri.devices[1].identity);
	const char *text = omemo_uri_make(p->ana.arena, &uri);
	assert_true(omemo_uri_parse(p->ana.arena, text, &read));
	assert_int_equal(read.count, 2);
	assert_string_equal(read.jid, ANA);
	assert_memory_equal(read.devices, uri.devices, 2 * sizeof uri.devices[0]);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(omemo_uri_parse(p->ana.arena, bad[i], &read));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_blind_then_strict),
		TEST(test_changed_bundle),
		TEST(test_changed_message),
		TEST(test_clear_that_waited),
		TEST(test_decided_before_it_left),
		TEST(test_set_back),
		TEST(test_which_key),
		TEST(test_news),
		TEST(test_wrong_sender),
		TEST(test_tampered),
		TEST(test_prekey_collision),
		TEST(test_maintenance),
		TEST(test_gap),
		TEST(test_malformed),
		TEST(test_many_keys),
		TEST(test_bad_bundles),
		TEST(test_own_list),
		TEST(test_wanted),
		TEST(test_uri),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
