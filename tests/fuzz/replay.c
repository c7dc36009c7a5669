/*
 * replay.c -- run a fuzz target once over saved inputs, without libFuzzer.
 *
 * usage: replay_NAME [FILE]...
 * Without files: tests/fuzz/corpus/NAME below $srcdir, which make check sets. DIAGNOSTICS: 1 when there is no
 * input.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "fuzz.h"
#include "proto/buf.h"
#include "proto/mem.h"

static void
replay(const char *path)
{
	struct buf bytes = { 0 };
	char piece[4096];
	size_t got;
	FILE *file = fopen(path, "rb");

	if (file == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	while ((got = fread(piece, 1, sizeof(piece), file)) > 0)
		buf_add(&bytes, piece, got);
	fclose(file);

	/* In memory of its own size, so that sanitizers see a read beyond the end. */
	uint8_t *exact = xmalloc(bytes.len);

	if (bytes.len > 0)
		memcpy(exact, bytes.data, bytes.len);
	(void)LLVMFuzzerTestOneInput(exact, bytes.len);
	free(exact);
	buf_free(&bytes);
}

static unsigned
replay_folder(const char *path)
{
	DIR *folder = opendir(path);
	const struct dirent *entry;
	unsigned count = 0;

	if (folder == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	while ((entry = readdir(folder)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		char *file = xasprintf("%s/%s", path, entry->d_name);

		replay(file);
		free(file);
		count++;
	}
	closedir(folder);
	return count;
}

int
main(int argc, char **argv)
{
	const char *srcdir = getenv("srcdir"), *name = strstr(argv[0], "replay_");
	unsigned count = (unsigned)argc - 1;

	if (argc == 1 && name != NULL) {
		char *path = xasprintf("%s/tests/fuzz/corpus/%s", srcdir == NULL ? "." : srcdir,
				       name + strlen("replay_"));

		count = replay_folder(path);
		free(path);
	}
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	printf("%u saved inputs\n%d passed, %d failed, 0 skipped\n", count, count > 0, count == 0);
	return count == 0;
}
