# lazo.bash -- completion of lazo(1) for bash. The words come from the program itself, the people from its contacts.
#
# Anyone can ask to be a contact, from an address that a shell would run: no word of theirs is ever expanded here (compgen
# -W would), and what is offered is quoted for the command line.

# The lines of stdin that begin as the word under the cursor does.
_lazo_offer() {
	local line quoted begun=${1//\\/}
	while IFS= read -r line; do
		[[ $line == "$begun"* ]] || continue
		printf -v quoted %q "$line"
		COMPREPLY+=("$quoted")
	done
}

# Addresses of contacts and of those who ask to be; never makes a home.
_lazo_people() {
	[[ -z $1 || -d $1 ]] || return 0
	lazo "${@:2}" contact list --json 2>/dev/null | sed -n 's/.*"jid":"\([^"]*\)".*/\1/p' | sed 's/\\\\/\\/g'
}

_lazo() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb='' home='' word value i global=()
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case $word in
		--home | --account | --lang)
			i=$((i + 1))
			[[ ${COMP_WORDS[i]-} != = ]] || i=$((i + 1))
			value=${COMP_WORDS[i]-}
			;;
		--home=* | --account=* | --lang=*)
			value=${word#*=}
			word=${word%%=*}
			;;
		-*) continue ;;
		*)
			verb=$word
			break
			;;
		esac
		if [[ $word == --home ]]; then
			[[ $value != \~/* ]] || value=$HOME/${value#\~/}
			home=$value
		fi
		global+=("$word" "$value")
	done
	case $prev in
	--home | --ca | --password-file | --file | --svg)
		_lazo_offer "$cur" < <(compgen -f -- "$cur")
		return
		;;
	--lang)
		_lazo_offer "$cur" < <(printf '%s\n' es pt_BR fr en)
		return
		;;
	esac
	_lazo_offer "$cur" < <(lazo help ${verb:+"$verb"} --words 2>/dev/null)
	case $verb in
	send | history | read | verify | contact | device)
		_lazo_offer "$cur" < <(_lazo_people "$home" ${global[@]+"${global[@]}"})
		;;
	esac
	[[ $verb != send ]] || _lazo_offer "$cur" <<<-
	[[ $verb != contact ]] || _lazo_offer "$cur" < <(compgen -f -- "$cur")
}
complete -F _lazo lazo
