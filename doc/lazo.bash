# lazo.bash -- completion of lazo(1) for bash. The words come from the program itself, the people from its contacts.
_lazo() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb= word i global=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case $word in
		--home | --account | --lang)
			global+=("$word" "${COMP_WORDS[i + 1]}")
			i=$((i + 1))
			;;
		--*) ;;
		*)
			verb=$word
			break
			;;
		esac
	done
	COMPREPLY=()
	case $prev in
	--home | --ca | --password-file | --file | --svg)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		compopt -o filenames
		return
		;;
	--lang)
		mapfile -t COMPREPLY < <(compgen -W "es pt_BR fr en" -- "$cur")
		return
		;;
	esac
	local words
	words=$(lazo "${global[@]}" help $verb --words 2>/dev/null)
	case $verb in
	send | history | read | verify | contact | device)
		words+=" $(lazo "${global[@]}" contact list --json 2>/dev/null |
			sed -n 's/.*"jid":"\([^"]*\)".*/\1/p')"
		;;
	esac
	[ "$verb" != send ] || words+=" -"
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
	[ "$verb" != contact ] || mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$cur")
}
complete -F _lazo lazo
