#!/usr/bin/env bash
# Makes an archive of a program whose Swift run-time is linked statically, to be unpacked anywhere. The libraries whose
# versions differ between distributions lie beside the program, which looks there first; README names the packages of the others.
#
#     tools/packages/tarball.sh SCRATCH FOLDER      (.build-static; prints the archive's path)
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
scratch="$1" folder="$2"
program="$scratch/release/headimpact"
name="headimpact-$("$program" --version)-linux-$(uname -m)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
tree="$work/$name"

"$here/place.sh" "$scratch/release" "$tree"
strip --strip-unneeded "$tree/lib/headimpact/headimpact"
"$here/licences.sh" "$scratch" >"$tree/LICENCES"
for library in libsimdjson; do
    path="$(ldd "$program" | sed -n "s,^\s*$library\.so\S* => \(\S*\) .*,\1,p")"
    [ -n "$path" ] || { echo "$program is not linked to $library" >&2; exit 1; }
    cp -L "$path" "$tree/lib/headimpact/"
    copyright="/usr/share/doc/$(dpkg -S "$(readlink -f "$path")" | cut -d: -f1)/copyright"
    printf '\n%s\n%s\n\n' "$library" "$(printf '%*s' 78 '' | tr ' ' '=')" >>"$tree/LICENCES"
    cat "$copyright" >>"$tree/LICENCES"
done
sed "s/NAME/$name/" "$here/README.tarball" >"$tree/README"
mkdir -p "$folder"
tar --sort=name --owner=0 --group=0 --numeric-owner -C "$work" -czf "$folder/$name.tar.gz" "$name"
echo "$folder/$name.tar.gz"
