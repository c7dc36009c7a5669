/*
 * faulty.c -- a library put in front of the system's with LD_PRELOAD: lets the n-th write, sync, open or
 * allocation of a running relay fail, when the tester says so.
 *
 * LAZO_FAULT names a file that holds a struct fault, mapped by both. Only regular files' writes and syncs are
 * touched: what a socket does is another matter. Without the variable nothing ever fails.
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum kind { NONE, WRITE, SYNC, OPEN, ALLOC };

struct fault { /* int32 each, in this order, for the tester */
	_Atomic int32_t kind;
	_Atomic int32_t nth;   /* counted from now */
	_Atomic int32_t error; /* errno */
	_Atomic int32_t width; /* so many fail, one after the other */
	_Atomic int32_t count; /* calls until now */
	_Atomic int32_t hits;  /* of them failed */
};

static struct fault *fault;
static _Thread_local bool spared;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static void *
find(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

__attribute__((constructor)) static void
setup(void)
{
	const char *path = getenv("LAZO_FAULT");
	int fd;
	void *map = MAP_FAILED;

	*(void **)&real_write = find("write");
	*(void **)&real_pwrite = find("pwrite64");
	*(void **)&real_fsync = find("fsync");
	*(void **)&real_fdatasync = find("fdatasync");
	*(void **)&real_openat = find("openat64");
	*(void **)&real_open = find("open64");
	if (path == NULL)
		return;
	fd = real_open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		map = mmap(NULL, sizeof *fault, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	if (map == MAP_FAILED)
		_exit(70);
	fault = map;
}

static bool
fails(enum kind kind)
{
	int32_t number, nth;

	if (fault == NULL || fault->kind != (int32_t)kind || spared)
		return false;
	number = atomic_fetch_add(&fault->count, 1) + 1;
	nth = fault->nth;
	if (number < nth || number >= nth + fault->width)
		return false;
	atomic_fetch_add(&fault->hits, 1);
	errno = fault->error;
	return true;
}

static bool
is_file(int fd)
{
	struct stat what;

	return fault != NULL && fault->kind != NONE && fstat(fd, &what) == 0 && S_ISREG(what.st_mode) &&
	       fd > 2;
}

ssize_t
write(int fd, const void *data, size_t len)
{
	return is_file(fd) && fails(WRITE) ? -1 : real_write(fd, data, len);
}

ssize_t
pwrite64(int fd, const void *data, size_t len, off_t offset)
{
	return is_file(fd) && fails(WRITE) ? -1 : real_pwrite(fd, data, len, offset);
}

ssize_t
pwrite(int fd, const void *data, size_t len, off_t offset)
{
	return pwrite64(fd, data, len, offset);
}

int
fsync(int fd)
{
	return fails(SYNC) ? -1 : real_fsync(fd);
}

int
fdatasync(int fd)
{
	return fails(SYNC) ? -1 : real_fdatasync(fd);
}

static mode_t
mode_of(int flags, va_list more)
{
	return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0;
}

#define OPEN_LIKE(name)                                                                                      \
	int name(const char *path, int flags, ...)                                                           \
	{                                                                                                    \
		va_list more;                                                                                \
		va_start(more, flags);                                                                       \
		mode_t mode = mode_of(flags, more);                                                          \
		va_end(more);                                                                                \
		return fails(OPEN) ? -1 : real_open(path, flags, mode);                                      \
	}
#define OPENAT_LIKE(name)                                                                                    \
	int name(int dir, const char *path, int flags, ...)                                                  \
	{                                                                                                    \
		va_list more;                                                                                \
		va_start(more, flags);                                                                       \
		mode_t mode = mode_of(flags, more);                                                          \
		va_end(more);                                                                                \
		return fails(OPEN) ? -1 : real_openat(dir, path, flags, mode);                               \
	}
OPEN_LIKE(open)
OPEN_LIKE(open64)
OPENAT_LIKE(openat)
OPENAT_LIKE(openat64)

/* Not here: libuv takes the failure of this one for the end of the world (abort() in uv_signal_init), before the relay has
 * anything that could be lost or a word to say. */
int
__register_atfork(void (*before)(void), void (*parent)(void), void (*child)(void), void *object)
{
	int (*real)(void (*)(void), void (*)(void), void (*)(void), void *);

	*(void **)&real = find("__register_atfork");
	spared = true;
	int code = real(before, parent, child, object);
	spared = false;
	return code;
}

void *
malloc(size_t size)
{
	return fails(ALLOC) ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
	return fails(ALLOC) ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *old, size_t size)
{
	return fails(ALLOC) ? NULL : __libc_realloc(old, size);
}
