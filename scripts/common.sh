# SPDX-License-Identifier: MIT
#
# What the scripts of this folder share. To be sourced; sets $root and leaves the caller there.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1

have() { command -v "$1" >/dev/null 2>&1; }

say() { printf '%s\n' "$*"; }

die() {
    printf '%s\n' "$*" >&2
    exit 1
}

# Processors to build and test with.
job_count() { nproc 2>/dev/null || echo 2; }

# build PRESET: configures and builds it, or $targets of it. The log of the configuration is kept in
# the build folder.
build() {
    local preset=$1 log=build/$1-configure.log
    mkdir -p build
    say "== building the preset $preset in build/$preset"
    cmake --preset "$preset" >"$log" 2>&1 || { cat "$log" >&2; die "the configuration failed"; }
    # shellcheck disable=SC2086 # several targets
    cmake --build --preset "$preset" -j "$(job_count)" ${targets:+--target $targets} || die "the build failed"
}

# left_out PRESET: what this machine's build does without, from the log of its configuration.
left_out() {
    local lines
    lines=$(grep -oE 'kvant: .*(left out|not found|without).*' "build/$1-configure.log" |
        sed 's/^kvant: /  /' | sort -u)
    compgen -G '/dev/nvidia[0-9]*' >/dev/null || compgen -G '/dev/dri/render*' >/dev/null ||
        lines+=${lines:+$'\n'}"  no GPU on this machine: its part is played by the CPU"
    if [ -n "$lines" ]; then
        say "== left out"
        say "$lines"
    fi
}

# build_tree NAME TARGETS OPTION...: builds TARGETS ("all", or several in one word) of the tree in
# build/NAME with those CMake options, for checkers that want other flags than the presets.
build_tree() {
    local folder=build/$1 targets=$2 log=build/$1-configure.log
    shift 2
    mkdir -p build
    say "== building $targets in $folder"
    cmake -S "${source:-$root}" -B "$folder" "$@" >"$log" 2>&1 ||
        { cat "$log" >&2; die "the configuration failed"; }
    # shellcheck disable=SC2086 # several targets
    cmake --build "$folder" -j "$(job_count)" --target $targets >"build/${folder#build/}-build.log" 2>&1 ||
        { tail -n 40 "build/${folder#build/}-build.log" >&2; die "the build failed"; }
}

# skip CHECK TEXT: ends a checker that this machine cannot run.
skip() {
    say "skipped: $2"
    say "result check=$1 skipped"
    exit 77
}

# kernels_passed FILE: how many kernels of the manifest have a passed case (their name is the first part
# of its name, or the second) in the suite's verbose output, as "N/M"; and the names of the others.
kernels_passed() {
    local manifest covered
    manifest=$(sed -n 's/^KVANT_KERNEL(\([a-z_]*\),.*/\1/p' api/contract/kernels.def | sort)
    covered=$(sed -n 's/^pass  *//p' "$1" | cut -d/ -f1,2 | tr / '\n' | sort -u)
    printf '%s/%s\n' "$(comm -12 <(echo "$manifest") <(echo "$covered") | wc -l)" \
        "$(echo "$manifest" | wc -l)"
    comm -23 <(echo "$manifest") <(echo "$covered") | sed 's/^/  not covered: /' >&2
}

# copy_tree FOLDER: the sources, without what git ignores, to plant a bug in.
copy_tree() {
    mkdir -p "$1"
    git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$1"
}

# plant FILE OLD NEW: replaces OLD, which must be there exactly once.
plant() {
    python3 - "$@" <<'END' || die "nothing to plant a bug in: $1"
import sys
path, old, new = sys.argv[1:]
text = open(path).read()
if text.count(old) != 1:
    sys.exit("'{}' is {} times in {}".format(old, text.count(old), path))
open(path, "w").write(text.replace(old, new))
END
}

# check_preset CHECK PRESET CTEST-ARGUMENTS...: builds a preset, runs its tests, prints the result and ends.
check_preset() {
    local check=$1 preset=$2 total failed skipped
    shift 2
    build "$preset"
    left_out "$preset"
    ctest --preset "$preset" "$@" | tee "build/$preset-tests.txt"
    total=$(grep -cE '^ *[0-9]+/[0-9]+ Test ' "build/$preset-tests.txt")
    skipped=$(grep -cE '\*\*\*Skipped' "build/$preset-tests.txt")
    failed=$((total - skipped - $(grep -cE ' Passed +[0-9]' "build/$preset-tests.txt")))
    say "result check=$check tests=$total skipped=$skipped errors=$failed"
    [ "$failed" = 0 ] && [ "$total" != 0 ]
    exit
}
