# Completions of rkafka for fish: rkafka completions fish > ~/.config/fish/conf.d/rkafka.fish
function __rkafka_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l found (rkafka completions fish --at (count $words) -- $words "$current" 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else
        __fish_complete_path "$current"
    end
end
for program in PROGRAMS
    complete -c $program -f -a '(__rkafka_complete)'
end
