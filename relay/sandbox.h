/*
 * sandbox.h -- once everything is open, the kernel refuses what a relay has no use for (seccomp, by libseccomp).
 *
 * What would serve only an intruder (exec, ptrace, modules, mounts, namespaces, io_uring, BPF) kills the process; everything else that
 * is not on the list fails with EPERM, among it sockets of other families than Internet, Unix and routing netlink, memory that is both
 * writable and executable, and signals to other processes. DNS, TLS, SQLite, threads and the clock go on.
 */
#ifndef RELAY_SANDBOX_H
#define RELAY_SANDBOX_H

#include <stdbool.h>

/* Built with it? */
bool sandbox_is_built(void);
/* All threads of the process, those to come included; for ever. False: nothing was changed; *error_r is static text. */
bool sandbox_enter(const char **error_r);

#endif
