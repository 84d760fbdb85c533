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
add "Swift's run-time libraries (standard library, Foundation with ICU, Dispatch)" "$swift/share/swift/LICENSE.txt"
for package in "$scratch"/checkouts/*/; do
    add "$(basename "$package")" "$package"LICENSE*
done
# Yams has LibYAML's sources.
add "LibYAML (in Yams)" - <<'END'
Copyright (c) 2017-2020 Ingy döt Net
Copyright (c) 2006-2016 Kirill Simonov

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files
(the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge,
publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do
so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE
FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION
WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
END
