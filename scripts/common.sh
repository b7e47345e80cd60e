# SPDX-License-Identifier: MIT
#
# What scripts/demo and scripts/test share. To be sourced; sets $root and leaves the caller there.

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

# build PRESET: configures and builds it. The log of the configuration is kept in the build folder.
build() {
    local preset=$1 log=build/$1-configure.log
    mkdir -p build
    say "== building the preset $preset in build/$preset"
    cmake --preset "$preset" >"$log" 2>&1 || { cat "$log" >&2; die "the configuration failed"; }
    cmake --build --preset "$preset" -j "$(job_count)" || die "the build failed"
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
