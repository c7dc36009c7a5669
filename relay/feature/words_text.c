/* feature/words_text.c -- words and sentences: see words_text.h. */
#include "config.h"

#include "relay/feature/words_text.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>
#include "proto/arena.h"
#include "proto/jid.h"

enum { WORD_MOST = 64 /* bytes */ };

const struct words_text words_texts[] = {
	{ "en", .held = "Held for you, not yet confirmed by one of your devices: %lld (the oldest from %s).",
	  .none_held = "Held for you: nothing.", .sent = "From you, not yet confirmed by a device of theirs:",
	  .sent_to = "  %s: %lld (the oldest from %s)", .sent_more = "  ... and others",
	  .none_sent = "From you to contacts at this relay: nothing waits.",
	  .away = "From you, held for other relays until they can be reached:",
	  .away_to = "  %s: %lld (the oldest from %s)", .away_next = "; last try: %s; next: %s",
	  .none_away = "From you to other relays: nothing waits.",
	  .untold = "I cannot tell whether somebody has read a message, nor what happens at other domains or "
		    "with people who do not "
		    "show you their presence.",
	  .help = "I understand two words: status (what this relay holds for you and from you) and help. "
		  "Nobody reads what is "
		  "written here.",
	  .failed = "I cannot look right now. Please ask again in a minute." },
	{ "es",
	  .held = "En espera para usted, sin confirmar por ninguno de sus dispositivos: %lld (el más "
		  "antiguo, del %s).",
	  .none_held = "En espera para usted: nada.",
	  .sent = "De usted, sin confirmar por ningún dispositivo del destinatario:",
	  .sent_to = "  %s: %lld (el más antiguo, del %s)", .sent_more = "  ... y otros",
	  .none_sent = "De usted para contactos de este relé: nada en espera.",
	  .away = "De usted, guardado para otros relés hasta que se les pueda alcanzar:",
	  .away_to = "  %s: %lld (el más antiguo, del %s)", .away_next = "; último intento: %s; el próximo: %s",
	  .none_away = "De usted para otros relés: nada en espera.",
	  .untold = "No puedo decir si alguien ha leído un mensaje, ni qué ocurre en otros dominios o con "
		    "quienes no le muestran su "
		    "presencia.",
	  .help = "Entiendo dos palabras: estado (lo que este relé guarda para usted y de usted) y ayuda. "
		  "Nadie lee lo que se escribe "
		  "aquí.",
	  .failed = "Ahora no puedo mirarlo. Vuelva a preguntar en un minuto." },
	{ "pt",
	  .held = "Em espera para você, sem confirmação de nenhum dos seus dispositivos: %lld (a mais "
		  "antiga, de %s).",
	  .none_held = "Em espera para você: nada.",
	  .sent = "De você, sem confirmação de nenhum dispositivo do destinatário:",
	  .sent_to = "  %s: %lld (a mais antiga, de %s)", .sent_more = "  ... e outros",
	  .none_sent = "De você para contatos deste relé: nada em espera.",
	  .away = "De você, guardado para outros relés até que possam ser alcançados:",
	  .away_to = "  %s: %lld (a mais antiga, de %s)", .away_next = "; última tentativa: %s; a próxima: %s",
	  .none_away = "De você para outros relés: nada em espera.",
	  .untold = "Não posso dizer se alguém leu uma mensagem, nem o que acontece em outros domínios ou "
		    "com quem não mostra a "
		    "presença a você.",
	  .help = "Entendo duas palavras: estado (o que este relé guarda para você e de você) e ajuda. "
		  "Ninguém lê o que se escreve "
		  "aqui.",
	  .failed = "Não consigo verificar agora. Pergunte de novo em um minuto." },
	{ "fr",
	  .held =
	      "En attente pour vous, non confirmés par l’un de vos appareils : %lld (le plus ancien, du %s).",
	  .none_held = "En attente pour vous : rien.",
	  .sent = "De vous, non confirmés par un appareil du destinataire :",
	  .sent_to = "  %s : %lld (le plus ancien, du %s)", .sent_more = "  ... et d’autres",
	  .none_sent = "De vous vers des contacts de ce relais : rien en attente.",
	  .away = "De vous, gardé pour d’autres relais jusqu’à ce qu’ils soient joignables :",
	  .away_to = "  %s : %lld (le plus ancien, du %s)", .away_next = " ; dernier essai : %s ; le prochain : %s",
	  .none_away = "De vous vers d’autres relais : rien en attente.",
	  .untold = "Je ne peux pas dire si quelqu’un a lu un message, ni ce qui se passe dans d’autres "
		    "domaines ou chez les personnes "
		    "qui ne vous montrent pas leur présence.",
	  .help = "Je comprends deux mots : état (ce que ce relais garde pour vous et de vous) et aide. "
		  "Personne ne lit ce qui est "
		  "écrit ici.",
	  .failed = "Je ne peux pas regarder maintenant. Redemandez dans une minute." },
	{ .tag = NULL },
};

static const struct {
	const char *text, *tag; /* tag NULL: of no language */
	enum word word;
} words[] = {
	{ "status", "en", WORD_STATUS },   { "state", "en", WORD_STATUS },  { "help", "en", WORD_HELP },
	{ "estado", "es", WORD_STATUS },   { "ayuda", "es", WORD_HELP },    { "situação", "pt", WORD_STATUS },
	{ "situacao", "pt", WORD_STATUS }, { "ajuda", "pt", WORD_HELP },    { "état", "fr", WORD_STATUS },
	{ "etat", "fr", WORD_STATUS },     { "statut", "fr", WORD_STATUS }, { "aide", "fr", WORD_HELP },
	{ "?", NULL, WORD_HELP },
};

static const struct words_text *
text_of(const char *tag)
{
	size_t len = tag == NULL ? 0 : strcspn(tag, "-");

	for (const struct words_text *at = words_texts; len > 0 && at->tag != NULL; at++)
		if (strlen(at->tag) == len && strncasecmp(at->tag, tag, len) == 0)
			return at;
	return NULL;
}

/* One word in lower case and composed (nodeprep does both); NULL: not one word. */
static const char *
plain(struct arena *arena, const char *body)
{
	size_t len;
	struct jid jid;

	body += strspn(body, " \t\r\n");
	len = strcspn(body, " \t\r\n");
	if (len == 0 || len > WORD_MOST || body[len + strspn(body + len, " \t\r\n")] != '\0')
		return NULL;
	while (len > 1 && strchr(".!?", body[len - 1]) != NULL)
		len--;
	return jid_make(arena, arena_strndup(arena, body, len), "x", NULL, &jid) ? jid.node : NULL;
}

enum word
words_read(struct arena *arena, const char *body, const char *lang, const struct words_text **text_r)
{
	const char *word = plain(arena, body);

	*text_r = text_of(lang);
	for (size_t i = 0; word != NULL && i < sizeof words / sizeof *words; i++) {
		if (strcmp(words[i].text, word) != 0)
			continue;
		if (words[i].tag != NULL && (*text_r == NULL || strcmp((*text_r)->tag, "en") == 0))
			*text_r = text_of(words[i].tag);
		if (*text_r == NULL)
			*text_r = text_of("en");
		return words[i].word;
	}
	if (*text_r == NULL)
		*text_r = text_of("en");
	return WORD_NONE;
}
