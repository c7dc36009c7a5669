/* intl.c -- choose the language and find its catalogue: see intl.h. */
#include "config.h"

#include "client/intl.h"

#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* locale/ of the build tree: beside the folder of the program, when it holds a catalogue. */
static const char *
catalogue_folder(void)
{
	static char path[PATH_MAX];
	char probe[PATH_MAX + 64];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 16);

	for (int up = 0; len > 0 && up < 2; up++) {
		path[len] = '\0';
		len = strrchr(path, '/') != NULL ? strrchr(path, '/') - path : 0;
	}
	if (len <= 0)
		return LOCALEDIR;
	memcpy(path + len, "/locale", sizeof("/locale"));
	snprintf(probe, sizeof(probe), "%s/es/LC_MESSAGES/" PACKAGE ".mo", path);
	return access(probe, R_OK) == 0 ? path : LOCALEDIR;
}

static int
has_catalogue(const char *folder, const char *lang)
{
	char probe[PATH_MAX + 64];

	snprintf(probe, sizeof(probe), "%s/%s/LC_MESSAGES/" PACKAGE ".mo", folder, lang);
	return access(probe, R_OK) == 0;
}

/* The catalogue that fits `lang` best: itself, its language without the country, a country of that language. */
static const char *
fitting(const char *folder, const char *lang)
{
	static char name[64];
	size_t len = strcspn(lang, ".@");

	snprintf(name, sizeof(name), "%.*s", (int)(len < sizeof(name) ? len : sizeof(name) - 1), lang);
	for (char *dash = strchr(name, '-'); dash != NULL; dash = strchr(dash, '-'))
		*dash = '_';
	if (strcmp(name, "C") == 0 || strcmp(name, "POSIX") == 0 || strncmp(name, "en", 2) == 0)
		return "en";
	if (strchr(name, '/') != NULL || name[0] == '\0')
		return NULL;
	if (has_catalogue(folder, name))
		return name;
	name[strcspn(name, "_")] = '\0';
	if (has_catalogue(folder, name))
		return name;
	return strcmp(name, "pt") == 0 && has_catalogue(folder, "pt_BR") ? "pt_BR" : NULL;
}

/* gettext translates nothing in the locale "C"; C.UTF-8 is always there, and LANGUAGE names the catalogue. */
static void
use_language(const char *name)
{
	static const struct {
		const char *lang;
		const char *locale;
	} usual[] = { { "es", "es_ES.UTF-8" }, { "pt_BR", "pt_BR.UTF-8" }, { "fr", "fr_FR.UTF-8" },
		{ "en", "C.UTF-8" } };
	const char *current = setlocale(LC_MESSAGES, NULL);

	setenv("LANGUAGE", name, 1);
	if (current != NULL && strncmp(current, name, 2) == 0)
		return; /* the person's own locale knows their dates best */
	if (setlocale(LC_MESSAGES, "C.UTF-8") == NULL)
		setlocale(LC_MESSAGES, "en_US.UTF-8");
	setlocale(LC_TIME, "C");
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		if (strcmp(usual[i].lang, name) == 0 && strcmp(name, "en") != 0)
			setlocale(LC_TIME, usual[i].locale);
}

static char codeset[64]; /* "": UTF-8 */

const char *
intl_terminal_codeset(void)
{
	return codeset[0] != '\0' ? codeset : NULL;
}

int
intl_start(const char *lang, const char *program)
{
	const char *folder = catalogue_folder(), *name;
	int known = 1;

	(void)program;
	setlocale(LC_ALL, "");
	codeset[0] = '\0';
	if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0) {
		snprintf(codeset, sizeof(codeset), "%s", nl_langinfo(CODESET));
		setlocale(LC_CTYPE, "C.UTF-8"); /* everything here is UTF-8; out.c converts for such terminals */
	}
	if (lang == NULL)
		lang = getenv("LAZO_LANG");
	if (lang != NULL && lang[0] != '\0') {
		name = fitting(folder, lang);
		known = name != NULL;
		use_language(known ? name : "en");
	}
	bindtextdomain(PACKAGE, folder);
	bind_textdomain_codeset(PACKAGE, "UTF-8");
	textdomain(PACKAGE);
	return known;
}
