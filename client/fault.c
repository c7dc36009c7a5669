/* fault.c -- the table of what can go wrong with the relay: see fault.h. */
#include "config.h"

#include "client/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <sysexits.h>

#include "client/intl.h"

struct row {
	const char *word;
	const char *sentence;
	const char *next;
	int code;
};

static const struct row rows[FAULTS] = {
	[FAULT_NONE] = { "none", "", "", EX_OK },
	[FAULT_NETWORK] = { "network", N_("No network, or the relay cannot be reached."),
	    N_("Nothing is lost. Try again when the line is back: lazo sync"), EX_TEMPFAIL },
	[FAULT_DNS] = { "dns", N_("No network: the name server does not answer."),
	    N_("Nothing is lost. Try again when the line is back: lazo sync"), EX_TEMPFAIL },
	[FAULT_HOST] = { "unknown-host", N_("There is no relay of that name."),
	    N_("Check the part of the address after the @, or name the relay with: lazo login JID --server HOST:PORT"),
	    EX_UNAVAILABLE },
	[FAULT_NO_SERVICE] = { "no-service", N_("That domain says that it offers no messaging."),
	    N_("Check the part of the address after the @."), EX_UNAVAILABLE },
	[FAULT_TIMEOUT] = { "timeout", N_("The relay did not answer in time."),
	    N_("Nothing is lost. Try again later: lazo sync"), EX_TEMPFAIL },
	[FAULT_LOST] = { "connection-lost", N_("The connection to the relay broke."),
	    N_("Nothing is lost. Try again: lazo sync"), EX_TEMPFAIL },
	[FAULT_NO_TLS] = { "no-tls", N_("The relay, or someone in between, offers no encrypted connection. Nothing was sent."),
	    N_("Tell the relay's keeper. If this happens only here, do not trust this network."), EX_PROTOCOL },
	[FAULT_HANDSHAKE] = { "tls", N_("No encrypted connection could be made."),
	    N_("Check the port (direct TLS: --server xmpps://HOST:PORT), or tell the relay's keeper."), EX_PROTOCOL },
	[FAULT_EXPIRED] = { "certificate-expired", N_("The relay's certificate has expired."),
	    N_("If this machine's date is right, ask the relay's keeper to renew it."), EX_PROTOCOL },
	[FAULT_NOT_YET] = { "clock", N_("The relay's certificate is not valid yet: this machine's clock is probably wrong."),
	    N_("Set the date and time, then try again."), EX_PROTOCOL },
	[FAULT_NAME] = { "certificate-name", N_("The certificate belongs to another host. Nothing was sent."),
	    N_("Check the address and --server; otherwise do not trust this network."), EX_PROTOCOL },
	[FAULT_UNTRUSTED] = { "certificate-untrusted",
	    N_("The relay's certificate is signed by nobody this machine knows. Nothing was sent."),
	    N_("Ask the relay's keeper for its CA file (lazo login JID --ca FILE), or compare the fingerprint with them and "
	       "use the --pin shown."),
	    EX_PROTOCOL },
	[FAULT_PIN] = { "pin", N_("The relay has another key than the pinned one. Nothing was sent."),
	    N_("Ask the relay's keeper whether the key was changed; then: lazo login JID with the new --pin"), EX_PROTOCOL },
	[FAULT_CA_FILE] = { "ca-file", N_("The file of --ca cannot be used."), N_("It must hold certificates in PEM."),
	    EX_CONFIG },
	[FAULT_PASSWORD] = { "password", N_("The relay does not accept this address and password."),
	    N_("Check both and log in again: lazo login JID"), EX_NOPERM },
	[FAULT_MECHANISM] = { "weaker-login",
	    N_("The relay offers only weaker ways to log in than this account demands. The password was not sent."),
	    N_("Ask the relay's keeper; if the change is meant: lazo login JID"), EX_NOPERM },
	[FAULT_PROOF] = { "no-proof",
	    N_("The relay could not prove that it knows the password: it may be an impostor. Nothing more was sent."),
	    N_("Do not trust this network. Tell the relay's keeper."), EX_NOPERM },
	[FAULT_SALT] = { "password-needed", N_("The relay changed how it stores the password, so the password is needed once."),
	    N_("Log in again: lazo login JID"), EX_NOPERM },
	[FAULT_DISABLED] = { "account-disabled", N_("The account is disabled on the relay."), N_("Ask the relay's keeper."),
	    EX_UNAVAILABLE },
	[FAULT_REFUSED] = { "refused", N_("The relay refuses us."), N_("Ask the relay's keeper."), EX_UNAVAILABLE },
	[FAULT_FULL] = { "relay-full", N_("The relay is too busy or full."), N_("Nothing is lost. Try again later: lazo sync"),
	    EX_TEMPFAIL },
	[FAULT_REGISTRATION] = { "registration", N_("The relay does not let us make this account."),
	    N_("Ask the relay's keeper for an invitation: lazo login JID --invite TOKEN"), EX_UNAVAILABLE },
	[FAULT_TAKEN] = { "taken", N_("That address is taken."),
	    N_("Choose another, or log in without --invite if it is yours."), EX_UNAVAILABLE },
	[FAULT_PROTOCOL] = { "protocol", N_("The relay does not speak XMPP as it should."),
	    N_("Tell the relay's keeper what stands in brackets."), EX_PROTOCOL },
	[FAULT_TOO_BIG] = { "too-big", N_("The relay sent more than this program takes."), N_("Tell the relay's keeper."),
	    EX_PROTOCOL },
	[FAULT_STOPPED] = { "stopped", N_("Stopped."), N_("Nothing is lost. To go on: lazo sync"), EX_TEMPFAIL },
	[FAULT_DISK] = { "disk", N_("The messages on this disk cannot be read or written."),
	    N_("Make room or check the disk; lazo doctor tells more."), EX_IOERR },
	[FAULT_BUSY] = { "busy", N_("Another lazo is connected with this account just now."),
	    N_("It sends what waits here too. Otherwise try again: lazo sync"), EX_TEMPFAIL },
};

bool
trouble_set(struct trouble *trouble, enum fault fault, const char *format, ...)
{
	va_list args;

	if (trouble->fault != FAULT_NONE)
		return false;
	trouble->fault = fault;
	va_start(args, format);
	vsnprintf(trouble->detail, sizeof(trouble->detail), format, args);
	va_end(args);
	return false;
}

void
trouble_clear(struct trouble *trouble)
{
	trouble->fault = FAULT_NONE;
	trouble->detail[0] = '\0';
}

const char *
fault_word(enum fault fault)
{
	return rows[fault].word;
}

const char *
fault_sentence(enum fault fault)
{
	return fault == FAULT_NONE ? "" : _(rows[fault].sentence);
}

const char *
fault_next(enum fault fault)
{
	return fault == FAULT_NONE ? "" : _(rows[fault].next);
}

int
fault_exit(enum fault fault)
{
	return rows[fault].code;
}
