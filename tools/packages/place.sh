#!/usr/bin/env bash
# Places a built program, its resources, manual pages and completions under a folder, as /usr/local is laid out.
#
#     tools/packages/place.sh RELEASE PREFIX      (RELEASE: .build/release)
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
release="$1" prefix="$2"
program="$release/headimpact"

install -d "$prefix/bin" "$prefix/lib/headimpact"
install -m 755 "$program" "$prefix/lib/headimpact/headimpact"
rm -rf "$prefix"/lib/headimpact/*.resources
cp -RL "$release"/headimpact_*.resources "$prefix/lib/headimpact/"
ln -sf ../lib/headimpact/headimpact "$prefix/bin/headimpact"

bash="$prefix/share/bash-completion/completions" zsh="$prefix/share/zsh/site-functions" fish="$prefix/share/fish/vendor_completions.d"
install -d "$bash" "$zsh" "$fish"
"$program" --generate-completion-script bash >"$bash/headimpact"
"$program" --generate-completion-script zsh >"$zsh/_headimpact"
"$program" --generate-completion-script fish >"$fish/headimpact.fish"

install -d "$prefix/share/man/man1"
"$program" --experimental-dump-help | python3 "$here/manual.py" "$prefix/share/man/man1" "$("$program" --version)"
