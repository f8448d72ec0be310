# What recipes source that end in `stepdown study`: options of their own, which those on the command line go before.
#   given=" ${*:4} "; usual --steps 12; stepdown study ... "${own[@]}" "${@:4}"
own=()
# An option of the recipe's, and its value, where the command line does not have it.
usual() { [[ $given == *" $1"[\ =]* ]] || own+=("$1" "$2"); }
