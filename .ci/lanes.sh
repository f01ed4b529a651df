# shellcheck shell=bash
# Steps beside each other. .ci/run and .ci/windows source this, with `set -euo pipefail`: it makes the folder $scratch, which
# goes with the script that sources it, as all that runs in a lane does.

scratch="$(mktemp -d)"
lanes=()
declare -A names=()
clean_up() {
    for lane in "${lanes[@]}"; do
        kill -- "-$lane" 2>/dev/null || true
    done
    wait
    rm -rf "$scratch"
}
trap clean_up EXIT

# lane NAME STEP... does steps one after another while others go on; a step finds the name in $lane_name.
lane() {
    local lane_name="$1"
    shift
    set -m # a group of its own, so that all of it ends with the script
    (
        set +m
        for step in "$@"; do
            "$step"
        done
    ) >"$scratch/$lane_name.log" 2>&1 &
    set +m
    lanes[$!]=$!
    names[$!]="$lane_name"
}

# wait_for_lanes shows what each has printed when it has ended; the first that fails ends the script.
wait_for_lanes() {
    local code ended
    while [ "${#lanes[@]}" -gt 0 ]; do
        code=0
        wait -n -p ended "${lanes[@]}" || code=$?
        unset "lanes[$ended]"
        cat "$scratch/${names[$ended]}.log"
        if [ "$code" -ne 0 ]; then
            echo "a step failed, with $code" >&2
            exit 1
        fi
    done
}
