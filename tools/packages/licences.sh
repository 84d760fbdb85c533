#!/usr/bin/env bash
# The licences of the program and of all that is linked into it statically, as one text on standard output.
#
#     tools/packages/licences.sh SCRATCH      (.build-static: where SwiftPM checked its packages out)
set -euo pipefail
root="$(cd "$(dirname "$0")/../.." && pwd)"
scratch="$1"
swift="$(dirname "$(dirname "$(readlink -f "$(command -v swiftc)")")")"

# $1: of what; the others: files.
add() {
    printf '\n%s\n%s\n\n' "$1" "$(printf '%*s' 78 '' | tr ' ' '=')"
    cat "${@:2}"
}
echo "HeadImpact, and the libraries that are linked into it statically. All others are the distribution's packages."
add "HeadImpact" "$root/LICENSE"
add "Swift's run-time libraries (standard library, Foundation, Dispatch)" "$swift/share/swift/LICENSE.txt"
for package in "$scratch"/checkouts/*/; do
    add "$(basename "$package")" "$package"LICENSE*
done
add "LibYAML (in Yams)" "$root/tools/packages/licences/LibYAML"
add "ICU (in Foundation)" "$root/tools/packages/licences/ICU"
