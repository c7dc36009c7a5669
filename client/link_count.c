/* link_count.c -- bytes of a link on the wire, TLS included, as the kernel counts them: see link-private.h and link.h. */
#include "config.h"

#include "client/link-private.h"

#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <linux/tcp.h>

static uint64_t
unread(const struct link *link)
{
	int bytes = 0;

	return ioctl(link->fd, FIONREAD, &bytes) == 0 && bytes > 0 ? (uint64_t)bytes : 0;
}

uint64_t
link_consumed(const struct link *link, bool most)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	uint64_t before, waiting;

	if (link->fd < 0)
		return 0;
	before = most ? unread(link) : 0;
	if (getsockopt(link->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
		return 0;
	waiting = most ? before : unread(link);
	return info.tcpi_bytes_received > waiting ? info.tcpi_bytes_received - waiting : 0;
}

void
link_bytes(const struct link *link, uint64_t *sent_r, uint64_t *received_r)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	*sent_r = *received_r = 0;
	if (link->fd < 0 || getsockopt(link->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
		return;
	*sent_r = info.tcpi_bytes_acked;
	*received_r = info.tcpi_bytes_received;
}
