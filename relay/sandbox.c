/*
 * sandbox.c -- the list of system calls that the relay may make: see sandbox.h.
 *
 * A call that a newer C library makes in a new way fails with EPERM, or with ENOSYS where the library then takes the old way
 * (clone3, whose flags lie in memory where no filter sees them).
 */
#include "config.h"

#include "relay/sandbox.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>

#ifndef HAVE_SECCOMP

bool
sandbox_is_built(void)
{
	return false;
}

bool
sandbox_enter(const char **error_r)
{
	*error_r = "built without libseccomp";
	return false;
}

#else

#include <linux/netlink.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

static const int allowed[] = {
	/* files: the database, its log, certificates, the configuration */
	SCMP_SYS(access), SCMP_SYS(close), SCMP_SYS(close_range), SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
	SCMP_SYS(fadvise64), SCMP_SYS(fallocate), SCMP_SYS(fchmod), SCMP_SYS(fchmodat), SCMP_SYS(fchown),
	SCMP_SYS(fcntl), SCMP_SYS(fcntl64), SCMP_SYS(fdatasync), SCMP_SYS(flock), SCMP_SYS(fstat),
	SCMP_SYS(fstat64), SCMP_SYS(fstatat64), SCMP_SYS(fstatfs), SCMP_SYS(fstatfs64), SCMP_SYS(fsync),
	SCMP_SYS(ftruncate), SCMP_SYS(ftruncate64), SCMP_SYS(getcwd), SCMP_SYS(getdents), SCMP_SYS(getdents64),
	SCMP_SYS(link), SCMP_SYS(linkat), SCMP_SYS(_llseek), SCMP_SYS(lseek), SCMP_SYS(lstat), SCMP_SYS(lstat64),
	SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(newfstatat), SCMP_SYS(open), SCMP_SYS(openat),
	SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(pwrite64), SCMP_SYS(pwritev), SCMP_SYS(read),
	SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(readv), SCMP_SYS(rename), SCMP_SYS(renameat),
	SCMP_SYS(renameat2), SCMP_SYS(rmdir), SCMP_SYS(stat), SCMP_SYS(stat64), SCMP_SYS(statfs), SCMP_SYS(statfs64),
	SCMP_SYS(statx), SCMP_SYS(sync_file_range), SCMP_SYS(umask), SCMP_SYS(unlink), SCMP_SYS(unlinkat),
	SCMP_SYS(write), SCMP_SYS(writev),
	/* sockets; socket and socketpair have rules of their own */
	SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(bind), SCMP_SYS(connect), SCMP_SYS(getpeername),
	SCMP_SYS(getsockname), SCMP_SYS(getsockopt), SCMP_SYS(listen), SCMP_SYS(recv), SCMP_SYS(recvfrom),
	SCMP_SYS(recvmmsg), SCMP_SYS(recvmmsg_time64), SCMP_SYS(recvmsg), SCMP_SYS(send), SCMP_SYS(sendmmsg),
	SCMP_SYS(sendmsg), SCMP_SYS(sendto), SCMP_SYS(setsockopt), SCMP_SYS(shutdown),
	/* the loop */
	SCMP_SYS(_newselect), SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(epoll_create),
	SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2),
	SCMP_SYS(epoll_wait), SCMP_SYS(eventfd), SCMP_SYS(eventfd2), SCMP_SYS(pipe), SCMP_SYS(pipe2),
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(ppoll_time64), SCMP_SYS(pselect6), SCMP_SYS(pselect6_time64),
	SCMP_SYS(select), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
	/* memory and threads; clone, mmap and mprotect have rules of their own */
	SCMP_SYS(arch_prctl), SCMP_SYS(brk), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(futex),
	SCMP_SYS(futex_time64), SCMP_SYS(get_robust_list), SCMP_SYS(getcpu), SCMP_SYS(gettid), SCMP_SYS(madvise),
	SCMP_SYS(membarrier), SCMP_SYS(mlock), SCMP_SYS(mremap), SCMP_SYS(msync), SCMP_SYS(munlock),
	SCMP_SYS(munmap), SCMP_SYS(rseq), SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_getparam),
	SCMP_SYS(sched_getscheduler), SCMP_SYS(sched_yield), SCMP_SYS(set_robust_list), SCMP_SYS(set_tid_address),
	/* who and when we are */
	SCMP_SYS(clock_getres), SCMP_SYS(clock_getres_time64), SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_gettime64), SCMP_SYS(clock_nanosleep), SCMP_SYS(clock_nanosleep_time64), SCMP_SYS(getegid),
	SCMP_SYS(getegid32), SCMP_SYS(geteuid), SCMP_SYS(geteuid32), SCMP_SYS(getgid), SCMP_SYS(getgid32),
	SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(getrandom), SCMP_SYS(getrlimit), SCMP_SYS(getrusage),
	SCMP_SYS(gettimeofday), SCMP_SYS(getuid), SCMP_SYS(getuid32), SCMP_SYS(nanosleep), SCMP_SYS(prlimit64),
	SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigpending), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigtimedwait), SCMP_SYS(setrlimit), SCMP_SYS(sigaltstack),
	SCMP_SYS(sigreturn), SCMP_SYS(sysinfo), SCMP_SYS(time), SCMP_SYS(ugetrlimit), SCMP_SYS(uname),
};

/* Of no use to us and of much to an intruder. */
static const int deadly[] = {
	SCMP_SYS(add_key), SCMP_SYS(bpf), SCMP_SYS(chroot), SCMP_SYS(delete_module), SCMP_SYS(execve),
	SCMP_SYS(execveat), SCMP_SYS(finit_module), SCMP_SYS(fork), SCMP_SYS(init_module), SCMP_SYS(io_uring_setup),
	SCMP_SYS(kexec_load), SCMP_SYS(keyctl), SCMP_SYS(mount), SCMP_SYS(perf_event_open), SCMP_SYS(pivot_root),
	SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(ptrace), SCMP_SYS(reboot),
	SCMP_SYS(request_key), SCMP_SYS(setns), SCMP_SYS(swapon), SCMP_SYS(umount2), SCMP_SYS(unshare),
	SCMP_SYS(userfaultfd), SCMP_SYS(vfork),
};

struct rule {
	int call;
	struct scmp_arg_cmp when;
};

#define IS(arg, value)         SCMP_CMP64(arg, SCMP_CMP_EQ, (value), 0)
#define HAS(arg, mask, value)  SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, (mask), (value))
#define WRITE_AND_EXEC         ((scmp_datum_t)(PROT_WRITE | PROT_EXEC))

static int
add_conditions(scmp_filter_ctx filter)
{
	const scmp_datum_t self = (scmp_datum_t)getpid();
	const struct rule rules[] = {
		{ SCMP_SYS(clone), HAS(0, CLONE_THREAD, CLONE_THREAD) }, /* threads, no processes */
		{ SCMP_SYS(mmap), HAS(2, PROT_EXEC, 0) },
		{ SCMP_SYS(mmap), HAS(2, WRITE_AND_EXEC, PROT_EXEC) }, /* a library that is opened late */
		{ SCMP_SYS(mmap2), HAS(2, PROT_EXEC, 0) },
		{ SCMP_SYS(mmap2), HAS(2, WRITE_AND_EXEC, PROT_EXEC) },
		{ SCMP_SYS(mprotect), HAS(2, PROT_EXEC, 0) },
		{ SCMP_SYS(kill), IS(0, self) },   /* raise and abort */
		{ SCMP_SYS(tgkill), IS(0, self) },
		{ SCMP_SYS(prctl), IS(0, PR_SET_NAME) },
		{ SCMP_SYS(ioctl), IS(1, FIONBIO) },
		{ SCMP_SYS(ioctl), IS(1, FIONREAD) },
		{ SCMP_SYS(ioctl), IS(1, FIOCLEX) },
		{ SCMP_SYS(ioctl), IS(1, TCGETS) }, /* isatty */
		{ SCMP_SYS(socket), IS(0, AF_INET) },
		{ SCMP_SYS(socket), IS(0, AF_INET6) },
		{ SCMP_SYS(socket), IS(0, AF_UNIX) },
		{ SCMP_SYS(socketpair), IS(0, AF_UNIX) },
	};
	int result = 0;

	for (size_t i = 0; result == 0 && i < sizeof rules / sizeof *rules; i++)
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, rules[i].call, 1, rules[i].when);
	if (result == 0) /* which addresses this machine has: getaddrinfo(3) */
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, IS(0, AF_NETLINK),
		    IS(2, NETLINK_ROUTE));
	return result;
}

static int
fill(scmp_filter_ctx filter)
{
	int result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1); /* the store's threads run already */

	for (size_t i = 0; result == 0 && i < sizeof allowed / sizeof *allowed; i++)
		result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; result == 0 && i < sizeof deadly / sizeof *deadly; i++)
		result = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
	if (result == 0)
		result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (result == 0)
		result = add_conditions(filter);
	/* One comparison for each call of a hundred is slow; a tree is not. */
	return result == 0 ? seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) : result;
}

bool
sandbox_is_built(void)
{
	return true;
}

bool
sandbox_enter(const char **error_r)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int result = -ENOMEM;

	if (filter != NULL)
		result = fill(filter);
	if (result == 0)
		result = seccomp_load(filter); /* sets no_new_privs first */
	seccomp_release(filter);
	*error_r = result == 0 ? NULL : "the kernel refuses it";
	return result == 0;
}

#endif
