/*
 * net/inherited.h -- sockets that the service manager opened for us and passed on (sd_listen_fds(3)'s protocol, without its
 * library): LISTEN_PID, LISTEN_FDS, and LISTEN_FDNAMES with a word of `listen` for each, so that ports below 1024 need no
 * privilege here.
 */
#ifndef RELAY_NET_INHERITED_H
#define RELAY_NET_INHERITED_H

#include <stddef.h>

size_t inherited_count(void); /* 0 when they are meant for another process */
/* The nth of this name, from 0; made close-on-exec and non-blocking. -1: there is none. */
int inherited_socket(const char *name, size_t nth);
/* What is wrong with them: one that does not listen for streams, or whose name is in no place of names[] (ends with NULL). NULL:
 * nothing; otherwise malloc'd. */
char *inherited_fault(const char *const *names);

#endif
