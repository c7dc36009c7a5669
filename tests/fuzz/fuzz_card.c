/*
 * fuzz_card.c -- any bytes as a contact card, in any of its forms.
 *
 * The bytes are looked at as they are, and again as records of a card with the right magic and check (nobody can guess
 * those, so the fuzzer would never come past them). Promises: nothing without a signature that holds is OK; what
 * was found is within its bounds; written in each form and found again it is the same.
 */
#include "config.h"

#include "fuzz.h"

#include <string.h>

#include "client/card-private.h"
#include "proto/arena.h"

static void
check_forms(struct arena *arena, const struct buf *card)
{
	struct buf text = { 0 }, again = { 0 };
	const char **parts;

	card_armor(&text, card->data, card->len);
	PROMISE(card_find(text.data, text.len, &again) == CARD_OK);
	PROMISE(again.len == card->len && memcmp(again.data, card->data, again.len) == 0);
	buf_clear(&text);
	buf_clear(&again);
	size_t count = card_qr_parts(arena, card->data, card->len, &parts);
	for (size_t i = 0; i < count; i++) {
		PROMISE(strlen(parts[i]) <= CARD_QR_PART);
		buf_printf(&text, "%s\n", parts[i]);
	}
	if (count <= CARD_QR_PARTS) {
		PROMISE(card_find(text.data, text.len, &again) == CARD_OK);
		PROMISE(again.len == card->len && memcmp(again.data, card->data, again.len) == 0);
	}
	buf_free(&text);
	buf_free(&again);
}

static enum card_error
check_card(struct arena *arena, const void *bytes, size_t len)
{
	struct card card;
	enum card_error error = card_parse(arena, bytes, len, &card);

	PROMISE(card.info.jids <= CARD_JIDS && card.keys.count <= CARD_PREKEYS);
	PROMISE(error != CARD_OK || (card.info.jids > 0 && card.info.device != 0 && len <= CARD_MAX));
	return error;
}

static void
check_records(struct arena *arena, const uint8_t *data, size_t size)
{
	static const uint8_t no_signature[SIGNATURE_LEN];
	uint8_t check[CARD_CHECK_LEN];
	struct buf card = { 0 };

	buf_add(&card, CARD_MAGIC, CARD_MAGIC_LEN);
	buf_add(&card, data, size);
	buf_add(&card, no_signature, sizeof(no_signature));
	card_check(card.data, card.len, check);
	buf_add(&card, check, sizeof(check));
	PROMISE(check_card(arena, card.data, card.len) != CARD_OK);
	if (card.len <= CARD_MAX)
		check_forms(arena, &card);
	buf_free(&card);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new();
	struct buf found = { 0 };

	(void)check_card(arena, data, size);
	if (card_find(data, size, &found) == CARD_OK) {
		PROMISE(found.len <= CARD_MAX + 1);
		(void)check_card(arena, found.data != NULL ? found.data : "", found.len);
	} else {
		PROMISE(found.len == 0);
	}
	buf_free(&found);
	if (size <= CARD_MAX)
		check_records(arena, data, size);
	arena_free(&arena);
	return 0;
}
