/*
 * trees.h -- random trees for the tests of XML out (attack X12), and one text form to compare what readers
 * made of them.
 *
 * The text form: E ns name, then A ns name value for each attribute (sorted), then the children, then Z; T
 * text for text. Every string is its length in bytes, a colon and itself. Neighbouring text is joined, empty
 * text left out.
 */
#ifndef TESTS_TREES_H
#define TESTS_TREES_H

#include <stddef.h>
#include <stdint.h>

struct arena;
struct buf;
struct xml;

/* Pseudo-random numbers that a seed repeats; `state` must not be 0. */
uint64_t trees_random(uint64_t *state);
/* The seed of this run: LAZO_SEED or from the kernel. Printed by whoever uses it. */
uint64_t trees_seed(void);

struct xml *trees_make(struct arena *arena, uint64_t *state);
void trees_string(struct buf *out, char kind, const char *bytes, size_t len);
void trees_text(struct buf *out, const struct xml *node);

#endif
