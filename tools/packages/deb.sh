#!/usr/bin/env bash
# Makes a Debian package of a program whose Swift run-time is linked statically, for the distribution that it was built on.
#
#     tools/packages/deb.sh SCRATCH FOLDER      (.build-static; prints the package's path)
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
scratch="$1" folder="$2"
program="$scratch/release/headimpact"
version="$("$program" --version)"
architecture="$(dpkg --print-architecture)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
tree="$work/headimpact"

"$here/place.sh" "$scratch/release" "$tree/usr"
mkdir -p "$tree/usr/share/zsh/vendor-completions"
mv "$tree/usr/share/zsh/site-functions/_headimpact" "$tree/usr/share/zsh/vendor-completions/"
rmdir "$tree/usr/share/zsh/site-functions"
strip --strip-unneeded "$tree/usr/lib/headimpact/headimpact"
gzip -9n "$tree"/usr/share/man/man1/*.1
install -d "$tree/usr/share/doc/headimpact"
"$here/licences.sh" "$scratch" >"$tree/usr/share/doc/headimpact/copyright"

# dpkg-shlibdeps wants a source package around it; it names the packages of the libraries that the program links to.
mkdir -p "$work/debian"
printf 'Source: headimpact\n\nPackage: headimpact\nArchitecture: any\n' >"$work/debian/control"
libraries="$(cd "$work" && dpkg-shlibdeps -O headimpact/usr/lib/headimpact/headimpact 2>/dev/null | sed -n 's/^shlibs:Depends=//p')"
[ -n "$libraries" ] || { echo "dpkg-shlibdeps found no libraries of $program" >&2; exit 1; }

install -d "$tree/DEBIAN"
cat >"$tree/DEBIAN/control" <<END
Package: headimpact
Version: $version
Architecture: $architecture
Maintainer: HeadImpact maintainers <maintainers@localhost>
Installed-Size: $(du -ks --exclude DEBIAN "$tree" | cut -f1)
Depends: $libraries, openmpi-bin, fonts-dejavu-core
Section: science
Priority: optional
Description: which attention heads of a vision-language model look at the object
 HeadImpact computes the Head Impact of every layer and head of a multimodal
 model over a dataset, adapts the chosen layers or heads by LoRA, and reports
 what that changed. It runs on processors, on one machine or under MPI.
END
chmod -R u=rwX,go=rX "$tree"
mkdir -p "$folder"
package="$folder/headimpact_${version}_$architecture.deb"
dpkg-deb --root-owner-group --build "$tree" "$package" >/dev/null
echo "$package"
