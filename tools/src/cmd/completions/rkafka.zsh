#compdef PROGRAMS
# Completions of rkafka for zsh: rkafka completions zsh > a folder of $fpath, as _rkafka
_rkafka() {
    local line
    local -a values shown
    for line in "${(@f)$(rkafka completions zsh --at $((CURRENT - 1)) -- "${words[@]}" 2>/dev/null)}"; do
        [[ -n $line ]] || continue
        values+=("${line%%$'\t'*}")
        shown+=("${line/$'\t'/  }")
    done
    if (( ${#values} )); then
        compadd -l -d shown -a values
    else
        _files
    fi
}
if [[ ${funcstack[1]} == _rkafka ]]; then
    _rkafka "$@"
else
    compdef _rkafka PROGRAMS
fi
