/*
 * fault.h -- what can go wrong between here and the relay, each with its sentence for people, its next step and its
 * exit code (design: 69, 75, 76, 77), in one table.
 *
 * A struct trouble is filled where the cause is known, once: the first cause stays, what follows from it is ignored.
 */
#ifndef CLIENT_FAULT_H
#define CLIENT_FAULT_H

#include <stdbool.h>

enum fault {
	FAULT_NONE,
	FAULT_NETWORK,      /* no address could be reached */
	FAULT_DNS,          /* no answer from the name server */
	FAULT_HOST,         /* the name does not exist */
	FAULT_NO_SERVICE,   /* the domain says that it has no XMPP service (SRV target ".") */
	FAULT_TIMEOUT,      /* a step took longer than its limit */
	FAULT_LOST,         /* the connection broke */
	FAULT_NO_TLS,       /* no encryption offered: never go on without */
	FAULT_HANDSHAKE,    /* TLS failed, not for the certificate */
	FAULT_EXPIRED,      /* certificate expired */
	FAULT_NOT_YET,      /* certificate not yet valid: most often this machine's clock */
	FAULT_NAME,         /* certificate of someone else */
	FAULT_UNTRUSTED,    /* signed by nobody we know */
	FAULT_PIN,          /* not the pinned key */
	FAULT_CA_FILE,      /* --ca cannot be read */
	FAULT_PASSWORD,     /* not accepted */
	FAULT_MECHANISM,    /* only weaker ways to log in than before or than we allow */
	FAULT_PROOF,        /* the relay did not prove that it knows the password, or cheats in SCRAM */
	FAULT_SALT,         /* the relay changed its salt: the kept secret fits no more, the password is needed */
	FAULT_DISABLED,     /* the account is disabled or expired there */
	FAULT_REFUSED,      /* policy: the relay does not want us */
	FAULT_FULL,         /* the relay is out of resources */
	FAULT_REGISTRATION, /* it does not let us register */
	FAULT_TAKEN,        /* the address is taken */
	FAULT_PROTOCOL,     /* what it says is not XMPP */
	FAULT_TOO_BIG,      /* a stanza without end, or more than we take */
	FAULT_STOPPED,      /* by a signal */
	FAULT_DISK,         /* our own database */
	FAULT_BUSY,         /* another process has the connection of this account */
	FAULTS
};

struct trouble {
	enum fault fault;
	char detail[400]; /* technical, not translated; may hold what a relay sent: printed through text.h only */
};

/* Set when nothing is set yet. Returns false, so that callers can return it. */
bool trouble_set(struct trouble *trouble, enum fault fault, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Start anew. */
void trouble_clear(struct trouble *trouble);

const char *fault_word(enum fault fault);     /* stable, for --json */
const char *fault_sentence(enum fault fault); /* translated */
const char *fault_next(enum fault fault);     /* translated next step, or "" */
int fault_exit(enum fault fault);             /* sysexits */

#endif
