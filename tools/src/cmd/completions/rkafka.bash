# Completions of rkafka for bash: source <(rkafka completions bash)
_rkafka() {
    mapfile -t COMPREPLY < <(rkafka completions bash --at "$COMP_CWORD" -- "${COMP_WORDS[@]}" 2>/dev/null)
    # `--topic=` goes on.
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
}
complete -o default -o nosort -F _rkafka PROGRAMS
