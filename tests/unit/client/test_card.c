/* test_card.c -- contact cards: first contact without any network, what a card survives on its way, and what
 * it is refused for. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#ifdef HAVE_ZBAR
#include <png.h>
#endif

#include "client/card.h"
#include "client/qr.h"
#include "client/db/contact.h"
#include "client/db/key.h"
#include "proto/arena.h"
#include "proto/digest.h"
#include "tests/unit/client/homes.h"

#define ANA  "ana@madrid.example"
#define JOSE "jose@maracaibo.example"

struct pair {
	struct person ana;
	struct person jose;
	struct buf card; /* Ana's, by file */
};

static int
setup(void **state)
{
	static struct pair pair;
	home_open(&pair.ana, ANA);
	home_open(&pair.jose, JOSE);
	if (card_make(pair.ana.db, pair.ana.omemo, pair.ana.account, "madrid.example", CARD_FILE_PREKEYS, T0,
		      &pair.card) != CARD_OK)
		return -1;
	*state = &pair;
	return 0;
}

static int
teardown(void **state)
{
	struct pair *pair = *state;
	home_close(&pair->ana);
	home_close(&pair->jose);
	buf_free(&pair->card);
	return 0;
}

static enum card_error
import(struct person *to, const struct buf *card, bool verified, struct card_info *info)
{
	return card_import(to->db, to->omemo, to->arena, to->account, card->data, card->len, verified, T0,
			   info);
}

/* Two homes that never fetched each other's keys, a message each way. */
static void
test_first_contact(void **state)
{
	struct pair *p = *state;
	struct card_info info;
	struct buf other = { 0 };
	home_write(&p->jose, ANA, "sin red", OUTBOX_WAITING); /* waits for the card */
	assert_int_equal(import(&p->jose, &p->card, true, &info), CARD_OK);
	assert_string_equal(info.jid, ANA);
	assert_string_equal(info.relay, "madrid.example");
	assert_int_equal(info.prekeys, CARD_FILE_PREKEYS);
	assert_int_equal(home_device(&p->jose, ANA, info.device).trust, TRUST_VERIFIED);
	assert_int_equal(home_carry(&p->jose, &p->ana), 1);
	assert_string_equal(home_read(&p->ana, JOSE), "sin red");
	assert_int_equal(
	    card_make(p->jose.db, p->jose.omemo, p->jose.account, NULL, CARD_QR_PREKEYS, T0, &other),
	    CARD_OK);
	assert_int_equal(import(&p->ana, &other, false, &info), CARD_OK);
	assert_int_equal(home_device(&p->ana, JOSE, info.device).trust, TRUST_BLIND);
	home_write(&p->ana, JOSE, "te leo", OUTBOX_READY);
	assert_int_equal(home_carry(&p->ana, &p->jose), 1);
	assert_string_equal(home_read(&p->jose, ANA), "te leo");
	buf_free(&other);
}

/* A card's prekeys are on no other card and in no bundle. */
static void
test_reserve(void **state)
{
	struct pair *p = *state;
	struct buf other = { 0 };
	assert_int_equal(key_prekey_count(p->ana.db, p->ana.account, PREKEY_CARD), CARD_FILE_PREKEYS);
	assert_int_equal(key_prekey_count(p->ana.db, p->ana.account, PREKEY_PUBLISHED), 100);
	for (int i = 0; i < 4; i++) { /* more than the reserve holds */
		buf_clear(&other);
		assert_int_equal(
		    card_make(p->ana.db, p->ana.omemo, p->ana.account, NULL, CARD_FILE_PREKEYS, T0, &other),
		    CARD_OK);
	}
	assert_int_equal(key_prekey_count(p->ana.db, p->ana.account, PREKEY_CARD), 5 * CARD_FILE_PREKEYS);
	db_begin(p->ana.db);
	omemo_maintain(p->ana.omemo, T0);
	assert_true(db_commit(p->ana.db, NULL));
	assert_int_equal(key_prekey_count(p->ana.db, p->ana.account, PREKEY_RESERVE), 40);
	buf_free(&other);
}

/* The same card given to two people: both first messages are read. */
static void
test_one_card_for_two(void **state)
{
	struct pair *p = *state;
	struct card_info info;
	struct person luz;
	home_open(&luz, "luz@bogota.example");
	assert_int_equal(import(&p->jose, &p->card, false, &info), CARD_OK);
	assert_int_equal(import(&luz, &p->card, false, &info), CARD_OK);
	for (int i = 0; i < 2 * CARD_FILE_PREKEYS; i++) {
		home_write(&p->jose, ANA, "soy José", OUTBOX_READY);
		home_write(&luz, ANA, "soy Luz", OUTBOX_READY);
		assert_int_equal(home_carry(&p->jose, &p->ana), 1);
		assert_int_equal(home_carry(&luz, &p->ana), 1);
	}
	home_close(&luz);
}

static bool
same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static void
replace(struct buf *text, const char *what, const char *with)
{
	struct buf out = { 0 };
	char *at = text->data, *found;
	while ((found = strstr(at, what))) {
		buf_add(&out, at, (size_t)(found - at));
		buf_adds(&out, with);
		at = found + strlen(what);
	}
	buf_adds(&out, at);
	buf_free(text);
	*text = out;
}

/* What chat programs, mail and SMS do to text. */
static void
test_armor_survives(void **state)
{
	static const char *const changes[][2] = {
		{ "", NULL },
		{ "\n", "\r\n" },
		{ "\n", "\n> " },
		{ "\n", "\n| > " },
		{ "\n", " " },
		{ "\n", "\n\n" },
		{ "\n", "\xc2\xa0\n" },                 /* non-breaking space */
		{ "\n", "\xe2\x80\x8b\n\xef\xbb\xbf" }, /* zero-width space, byte order mark */
		{ "-----", "\xe2\x80\x94-" },           /* dashes made long */
		{ "-----", "" },
		{ "-----", "*****" },
		{ "\n", "=\n" }, /* quoted-printable's soft line end */
		{ "-----BEGIN", "Hola, es mi tarjeta: \xe2\x80\x9c-----BEGIN" },
		{ "CARD-----\n", "CARD-----\n\t" },
	};
	struct pair *p = *state;
	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
		struct buf text = { 0 }, found = { 0 };
		card_armor(&text, p->card.data, p->card.len);
		if (changes[i][1])
			replace(&text, changes[i][0], changes[i][1]);
		assert_int_equal(card_find(text.data, text.len, &found), CARD_OK);
		if (!same(&found, &p->card))
			fail_msg("change %zu: %s", i, text.data);
		buf_free(&text);
		buf_free(&found);
	}
}

/* Every line fits a phone's screen and holds nothing that chat programs read as markup. */
static void
test_armor_lines(void **state)
{
	struct pair *p = *state;
	struct buf text = { 0 };
	card_armor(&text, p->card.data, p->card.len);
	for (char *line = strtok(text.data, "\n"); line; line = strtok(NULL, "\n")) {
		assert_true(strlen(line) <= 40);
		assert_null(strpbrk(line, "*_~`=<>"));
	}
	buf_free(&text);
}

static void
test_qr_parts(void **state)
{
	struct pair *p = *state;
	const char **texts;
	struct arena *arena = arena_new();
	struct buf all = { 0 }, found = { 0 };
	size_t count = card_qr_parts(arena, p->card.data, p->card.len, &texts);
	assert_true(count > 1);
	for (size_t i = count; i-- > 0;) { /* in any order, with words around them */
		assert_true(strlen(texts[i]) <= CARD_QR_PART);
		assert_int_equal(strspn(texts[i], "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"),
				 strlen(texts[i]));
		buf_printf(&all, "foto %zu: %s\n%s\n", i, texts[i], i ? texts[i] : "");
	}
	assert_int_equal(card_find(all.data, all.len, &found), CARD_OK);
	assert_true(same(&found, &p->card));
	buf_clear(&found);
	for (char *c = all.data; *c; c++) /* some readers give lower case */
		*c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 'a' - 'A' : *c);
	assert_int_equal(card_find(all.data, all.len, &found), CARD_OK);
	assert_true(same(&found, &p->card));
	buf_clear(&found);
	assert_int_equal(card_find(texts[1], strlen(texts[1]), &found), CARD_MISSING_PART);
	assert_int_equal(found.len, 0);
	buf_free(&all);
	buf_free(&found);
	arena_free(&arena);
}

/* Any byte changed, any length cut: never taken for a card. */
static void
test_damaged(void **state)
{
	struct pair *p = *state;
	struct card_info info;
	struct arena *arena = arena_new();
	for (size_t i = 0; i < p->card.len; i++) {
		p->card.data[i] ^= 1;
		assert_int_not_equal(card_read(arena, p->card.data, p->card.len, &info), CARD_OK);
		p->card.data[i] ^= 1;
		assert_int_not_equal(card_read(arena, p->card.data, i, &info), CARD_OK);
	}
	assert_int_equal(card_read(arena, p->card.data, p->card.len, &info), CARD_OK); /* the control */
	assert_int_equal(card_read(arena, "hola", 4, &info), CARD_NOT_A_CARD);
	struct buf found = { 0 };
	assert_int_equal(card_find("hola", 4, &found), CARD_NOT_A_CARD);
	assert_int_equal(card_find("", 0, &found), CARD_NOT_A_CARD);
	buf_free(&found);
	arena_free(&arena);
}

/* A whole card with a right check whose signature is another's. */
static void
test_forged(void **state)
{
	struct pair *p = *state;
	struct card_info info;
	struct buf other = { 0 };
	uint8_t hash[32];
	assert_int_equal(card_make(p->jose.db, p->jose.omemo, p->jose.account, NULL, 5, T0, &other), CARD_OK);
	size_t end = p->card.len - 4;
	memcpy(p->card.data + end - 64, other.data + other.len - 68, 64);
	digest(DIGEST_SHA256, p->card.data, end, hash);
	memcpy(p->card.data + end, hash, 4);
	assert_int_equal(import(&p->jose, &p->card, true, &info), CARD_FORGED);
	struct device *list;
	assert_int_equal(device_list(p->jose.db, p->jose.arena, p->jose.account, ANA, &list), 0);
	buf_free(&other);
}

static void
test_own_and_changed(void **state)
{
	struct pair *p = *state;
	struct card_info info;
	assert_int_equal(import(&p->ana, &p->card, true, &info), CARD_OWN);
	/* a known device under another identity key: stopped, whatever the person said of the card */
	assert_int_equal(import(&p->jose, &p->card, true, &info), CARD_OK);
	db_begin(p->jose.db);
	uint8_t other[IDENTITY_LEN];
	omemo_identity(p->jose.omemo, other);
	assert_false(device_identify(p->jose.db, p->jose.account, ANA, info.device, other, T0));
	assert_true(db_commit(p->jose.db, NULL));
	assert_int_equal(home_device(&p->jose, ANA, info.device).trust, TRUST_CHANGED);
	home_write(&p->jose, ANA, "no", OUTBOX_NOT_TRUSTED);
	/* the card again: it has the known key, and settles nothing unless the person says so */
	assert_int_equal(import(&p->jose, &p->card, false, &info), CARD_CHANGED_KEY);
	assert_int_equal(import(&p->jose, &p->card, true, &info), CARD_OK);
	struct device device = home_device(&p->jose, ANA, info.device);
	assert_int_equal(device.trust, TRUST_VERIFIED);
	assert_memory_equal(device.identity, info.identity, IDENTITY_LEN); /* not the one that was offered */
	home_write(&p->jose, ANA, "sí", OUTBOX_READY);
}

/* A card's further addresses are of one person when he says so, or a verified key does; else they are words. */
static void
test_further_addresses(void **state)
{
	static const char other[] = "ana@otra.example";
	struct pair *p = *state;
	struct card_info info;
	struct contact contact;
	struct buf card = { 0 };
	const char *also[] = { other, JOSE };
	for (int i = 0; i < 3; i++) {
		buf_clear(&card);
		assert_int_equal(card_make_naming(p->ana.db, p->ana.omemo, also, 2, NULL, 5, T0, &card), CARD_OK);
		assert_int_equal(import(&p->jose, &card, i == 1, &info), CARD_OK);
		assert_int_equal(info.jids, 3);
		assert_string_equal(info.jid_list[1], other);
		assert_int_equal(info.joined, i > 0);
		assert_int_equal(contact_get(p->jose.db, p->jose.arena, p->jose.account, other, &contact), i > 0);
		assert_int_equal(contact_same_person(p->jose.db, p->jose.account, ANA, other), i > 0);
		assert_false(contact_same_person(p->jose.db, p->jose.account, ANA, JOSE)); /* himself */
	}
	const char *many[9] = { other, other, other, other, other, other, other, other, other };
	assert_int_equal(card_make_naming(p->ana.db, p->ana.omemo, many, 9, NULL, 5, T0, &card), CARD_FAILED);
	buf_free(&card);
}

static void
test_terminal(void **state)
{
	(void)state;
	struct buf out = { 0 };
	assert_true(qr_terminal(&out, "LAZOCARD/1/2/00000000/AAAA", 80, 0));
	assert_true(out.len > 0);
	buf_clear(&out);
	assert_false(qr_terminal(&out, "LAZOCARD/1/2/00000000/AAAA", 20, 0));
	assert_int_equal(out.len, 0);
	buf_free(&out);
}

/* The largest part still fits a terminal of 80 columns. */
static void
test_part_fits_terminal(void **state)
{
	(void)state;
	char text[CARD_QR_PART + 1];
	struct buf out = { 0 };
	memset(text, 'A', CARD_QR_PART);
	text[CARD_QR_PART] = '\0';
	assert_true(qr_terminal(&out, text, 80, 0));
	buf_free(&out);
}

#ifdef HAVE_ZBAR
/* The rectangles of qr_svg() as a picture, pixel for pixel. */
static void
picture(const char *svg, const char *file)
{
	int width = 0, height = 0, x, y, w, h;
	assert_int_equal(sscanf(strstr(svg, "viewBox"), "viewBox=\"0 0 %d %d\"", &width, &height), 2);
	png_image image = {
		.version = PNG_IMAGE_VERSION,
		.width = (unsigned)width,
		.height = (unsigned)height,
		.format = PNG_FORMAT_GRAY,
	};
	uint8_t *pixels = malloc(PNG_IMAGE_SIZE(image));
	assert_non_null(pixels);
	memset(pixels, 255, PNG_IMAGE_SIZE(image));
	for (const char *at = svg; (at = strstr(at, "<rect x=")); at++) {
		assert_int_equal(
		    sscanf(at, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>", &x, &y, &w, &h), 4);
		assert_true(x >= 0 && y >= 0 && x + w <= width && y + h <= height);
		for (int row = y; row < y + h; row++)
			memset(pixels + (size_t)row * image.width + (size_t)x, 0, (size_t)w);
	}
	assert_true(png_image_write_to_file(&image, file, 0, pixels, 0, NULL));
	free(pixels);
}

/* From a card to a picture and back. */
static void
test_picture(void **state)
{
	struct pair *p = *state;
	struct buf svg = { 0 }, texts = { 0 }, found = { 0 }, small = { 0 };
	const char **parts, *error = NULL;
	char file[128];
	assert_int_equal(
	    card_make(p->ana.db, p->ana.omemo, p->ana.account, NULL, CARD_QR_PREKEYS, T0, &small), CARD_OK);
	size_t count = card_qr_parts(p->ana.arena, small.data, small.len, &parts);
	assert_int_equal(count, 2);
	assert_true(qr_svg(&svg, parts, (int)count));
	snprintf(file, sizeof file, "%s/card.png", p->ana.folder);
	picture(svg.data, file);
	assert_int_equal(qr_read_png(file, &texts, &error), (int)count);
	assert_int_equal(card_find(texts.data, texts.len, &found), CARD_OK);
	assert_true(same(&found, &small));
	FILE *broken = fopen(file, "w");
	fputs("no picture", broken);
	fclose(broken);
	assert_int_equal(qr_read_png(file, &texts, &error), -1);
	assert_non_null(error);
	unlink(file);
	buf_free(&svg);
	buf_free(&texts);
	buf_free(&found);
	buf_free(&small);
}
#endif

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_first_contact),
		TEST(test_reserve),
		TEST(test_one_card_for_two),
		TEST(test_armor_survives),
		TEST(test_armor_lines),
		TEST(test_qr_parts),
		TEST(test_damaged),
		TEST(test_forged),
		TEST(test_own_and_changed),
		TEST(test_further_addresses),
#ifdef HAVE_ZBAR
		TEST(test_picture),
#endif
		cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_part_fits_terminal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
