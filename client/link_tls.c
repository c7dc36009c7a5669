/*
 * link_tls.c -- TLS of a link and whom to believe: see link.h.
 *
 * SSL_connect runs in the library's loop without limit: link_watch.h cuts it. Without a pin the library checks the certificate
 * against the domain; with one, the key alone decides, before anything is sent.
 */
#include "config.h"

#include "client/link-private.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/link_cert.h"
#include "client/link_channel.h"
#include "client/link_watch.h"
#include "proto/mem.h"

/* The link whose socket is being made or whose handshake runs: libstrophe's callbacks for these two get no user data. */
static _Thread_local struct link *current;

void
link_tls_begin(struct link *link)
{
	current = link;
}

int
link_tls_on_socket(xmpp_conn_t *conn, void *sock)
{
	int one = 1;

	(void)conn;
	current->fd = *(int *)sock;
	setsockopt(current->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(current->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	return 0;
}

static void
see_cert(struct link *link, const xmpp_tlscert_t *cert)
{
	const char *pem = cert != NULL ? xmpp_tlscert_get_pem(cert) : NULL;

	if (pem != NULL && cert_pin(pem, link->pin))
		link->pin_seen = true;
}

/* With a pin, who signed, the name and the dates decide nothing: the key is compared once the handshake is over and before
 * anything is sent. */
int
link_tls_on_bad_cert(const xmpp_tlscert_t *cert, const char *reason)
{
	struct link *link = current;

	if (link->config->pin != NULL)
		return 1;
	see_cert(link, cert);
	trouble_set(link->trouble, cert_fault(reason), "%s; subject %s, valid %s to %s", reason,
	    xmpp_tlscert_get_string(cert, XMPP_CERT_SUBJECT), xmpp_tlscert_get_string(cert, XMPP_CERT_NOTBEFORE),
	    xmpp_tlscert_get_string(cert, XMPP_CERT_NOTAFTER));
	return 0;
}

static bool
check_pin(struct link *link)
{
	xmpp_tlscert_t *cert = xmpp_conn_get_peer_cert(link->conn);
	char text[PIN_TEXT_LEN + 1] = "none";

	see_cert(link, cert);
	if (cert != NULL)
		xmpp_tlscert_free(cert);
	if (link->config->pin == NULL)
		return true;
	if (link->pin_seen && memcmp(link->pin, link->config->pin, SHA256_LEN) == 0)
		return true;
	if (link->pin_seen)
		cert_pin_text(text, link->pin);
	return trouble_set(link->trouble, FAULT_PIN, "it shows %s", text);
}

/* The header of a private stream says whose it is (RFC 6120 4.7.1, XEP-0484 section 5); one in clear says nothing. */
static void
name_user(struct link *link)
{
	char *jid;

	if (link->config->user == NULL)
		return;
	jid = xasprintf("%s@%s", link->config->user, link->config->domain);
	xmpp_conn_set_jid(link->conn, jid);
	free(jid);
}

bool
link_start_tls(struct link *link, int64_t deadline)
{
	bool started, late;

	if (link->first != NULL)
		return trouble_set(link->trouble, FAULT_NO_TLS, "data before TLS where none may be");
	if (link->config->ca_file != NULL && access(link->config->ca_file, R_OK) != 0)
		return trouble_set(link->trouble, FAULT_CA_FILE, "%s: %s", link->config->ca_file, strerror(errno));
	link_tls_begin(link);
	channel_forget();
	link->meter.deadline = deadline;
	watch_arm(link->watch, link->fd, deadline);
	started = xmpp_conn_tls_start(link->conn) == XMPP_EOK;
	late = watch_disarm(link->watch);
	link->meter.deadline = 0;
	link->expecting_tls = false;
	if (late)
		return trouble_set(link->trouble, FAULT_TIMEOUT, "TLS handshake");
	if (!started)
		return trouble_set(link->trouble, FAULT_HANDSHAKE, "TLS handshake");
	link->encrypted = xmpp_conn_is_secured(link->conn) == 1;
	if (!link->encrypted || !check_pin(link))
		return false;
	name_user(link);
	return true;
}

bool
link_encrypted(const struct link *link)
{
	return link->encrypted;
}

bool
link_peer_pin(const struct link *link, uint8_t pin_r[32])
{
	if (link->pin_seen)
		memcpy(pin_r, link->pin, SHA256_LEN);
	return link->pin_seen;
}
