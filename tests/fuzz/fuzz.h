/*
 * fuzz.h -- a fuzz target: built with libFuzzer by --enable-fuzzing (tests/fuzz/fuzz_NAME), and always with
 * replay.c into tests/fuzz/replay_NAME, which runs the saved corpus once in make check.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A promise of the code under test; holds in every build. */
#define PROMISE(condition)                                                                                   \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition);              \
			abort();                                                                             \
		}                                                                                            \
	} while (0)

#endif
