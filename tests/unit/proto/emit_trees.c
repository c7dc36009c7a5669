/*
 * emit_trees.c -- for tests/interop/xml-prosody: random trees as XML and as text.
 *
 * usage: emit_trees COUNT SEED
 * Each tree: the length of its XML, a space, the length of its text, a newline, the XML, the text (see
 * trees.h).
 */
#include "config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlout.h"
#include "trees.h"

int
main(int argc, char **argv)
{
	if (argc != 3) {
		fputs("usage: emit_trees COUNT SEED\n", stderr);
		return 64;
	}
	unsigned long count = strtoul(argv[1], NULL, 10);
	uint64_t random = strtoull(argv[2], NULL, 10);

	for (random += random == 0; count > 0; count--) {
		struct arena *arena = arena_new();
		struct buf bytes = { 0 }, text = { 0 };
		/* Prosody reads stanzas: the tree is a message's child. */
		struct xml *message = xml_new(arena, "message", NS_CLIENT);

		xml_append(message, trees_make(arena, &random));
		xmlout(&bytes, message, NS_CLIENT);
		trees_text(&text, message);
		printf("%zu %zu\n", bytes.len, text.len);
		fwrite(bytes.data, 1, bytes.len, stdout);
		fwrite(text.data, 1, text.len, stdout);
		buf_free(&bytes);
		buf_free(&text);
		arena_free(&arena);
	}
	return ferror(stdout) || fflush(stdout) != 0 ? 74 : 0;
}
