"""The scripts that a shell reads once; each asks `stepdown` itself for the words at every Tab."""

_BASH = r"""# stepdown completion for bash: eval "$(stepdown completion bash)"
_stepdown() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        COMPREPLY+=("$line")
    done < <("${1/#\~/$HOME}" __complete bash "$2" "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
}
complete -o nospace -F _stepdown stepdown
"""
_ZSH = r"""#compdef stepdown
# stepdown completion for zsh: eval "$(stepdown completion zsh)"
_stepdown() {
    local line word
    local -a whole whole_said begun begun_said
    while IFS= read -r line; do
        word=${line%%$'\t'*}
        if [[ $word == *[/=] ]]; then
            begun+=("$word") begun_said+=("${line/$'\t'/  }")
        else
            whole+=("$word") whole_said+=("${line/$'\t'/  }")
        fi
    done < <("${(Q)words[1]/#\~/$HOME}" __complete zsh "${(@Q)words[1,CURRENT]}" 2>/dev/null)
    (( $#whole )) && compadd -l -d whole_said -a whole
    (( $#begun )) && compadd -S '' -l -d begun_said -a begun
    (( $#whole + $#begun ))
}
if [[ ${funcstack[1]} == _stepdown ]]; then
    _stepdown "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
    compdef _stepdown stepdown
fi
"""
_FISH = r"""# stepdown completion for fish: stepdown completion fish | source
function __stepdown_complete
    set -l words (commandline -opc) (commandline -ct)
    command $words[1] __complete fish $words 2>/dev/null
end
complete -c stepdown -f -a '(__stepdown_complete)'
"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
