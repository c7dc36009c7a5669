/*
 * wire.c -- protocol buffers, as far as two messages need them: a byte of version, fields, and in a WhisperMessage
 * 8 bytes of MAC behind them.
 *
 *     WhisperMessage        1 ratchet key (bytes)  2 counter  3 previous counter (varints)  4 ciphertext (bytes)
 *     PreKeyWhisperMessage  4 WhisperMessage (bytes), and what begins a session
 *
 * Of a field that comes twice the last counts, unknown ones are passed over, as the format has it. Nothing is copied
 * but the result; every length is held against what is left.
 */
#include "config.h"
#include "client/omemo/wire.h"

#include <string.h>

enum { WHISPER_VERSION = 3, MAC_LEN = 8, VARINT_BITS = 64 };
enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };
enum { FIELD_RATCHET_KEY = 1, FIELD_COUNTER = 2, FIELD_PREVIOUS = 3, FIELD_INNER = 4 };

struct span {
	const uint8_t *at;
	size_t left;
};

struct field {
	uint64_t number;
	unsigned kind;
	uint64_t value;    /* of varints */
	struct span bytes; /* of bytes */
};

static bool
read_varint(struct span *span, uint64_t *value_r)
{
	*value_r = 0;
	for (unsigned shift = 0; shift < VARINT_BITS && span->left > 0; shift += 7) {
		uint8_t byte = *span->at++;
		span->left--;
		*value_r |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return true;
	}
	return false;
}

static bool
take(struct span *span, uint64_t len, struct span *taken_r)
{
	if (len > span->left)
		return false;
	*taken_r = (struct span){ span->at, (size_t)len };
	span->at += len;
	span->left -= (size_t)len;
	return true;
}

static bool
read_field(struct span *span, struct field *field)
{
	uint64_t tag, len;
	if (!read_varint(span, &tag))
		return false;
	*field = (struct field){ .number = tag >> 3, .kind = (unsigned)(tag & 7) };
	switch (field->kind) {
	case WIRE_VARINT:
		return read_varint(span, &field->value);
	case WIRE_FIXED64:
		return take(span, 8, &field->bytes);
	case WIRE_FIXED32:
		return take(span, 4, &field->bytes);
	case WIRE_BYTES:
		return read_varint(span, &len) && take(span, len, &field->bytes);
	default:
		return false;
	}
}

/* The version of the sender, in the upper half of the first byte. */
static bool
open_version(struct span *span)
{
	if (span->left < 1 || span->at[0] >> 4 != WHISPER_VERSION)
		return false;
	span->at++;
	span->left--;
	return true;
}

static bool
read_whisper(struct span span, struct wire_header *header)
{
	struct field field;
	bool key = false;
	if (span.left < 1 + MAC_LEN || !open_version(&span))
		return false;
	span.left -= MAC_LEN;
	while (span.left > 0) {
		if (!read_field(&span, &field))
			return false;
		if (field.number == FIELD_RATCHET_KEY && field.kind == WIRE_BYTES) {
			key = field.bytes.left == WIRE_KEY_LEN;
			if (key)
				memcpy(header->ratchet_key, field.bytes.at, WIRE_KEY_LEN);
		} else if (field.number == FIELD_COUNTER && field.kind == WIRE_VARINT) {
			header->counter = (uint32_t)field.value;
		} else if (field.number == FIELD_PREVIOUS && field.kind == WIRE_VARINT) {
			header->previous = (uint32_t)field.value;
			header->has_previous = true;
		}
	}
	return key;
}

bool
wire_read(const void *bytes, size_t len, bool prekey, struct wire_header *header_r)
{
	struct span span = { bytes, len }, inner = { NULL, 0 };
	struct field field;
	*header_r = (struct wire_header){ .counter = 0 };
	if (!prekey)
		return read_whisper(span, header_r);
	if (!open_version(&span))
		return false;
	while (span.left > 0) {
		if (!read_field(&span, &field))
			return false;
		if (field.number == FIELD_INNER && field.kind == WIRE_BYTES)
			inner = field.bytes;
	}
	return inner.at && read_whisper(inner, header_r);
}
