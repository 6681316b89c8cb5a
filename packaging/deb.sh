#!/bin/sh
# Builds a Debian package from a built binary: packaging/deb.sh BINARY FOLDER
set -eu
cd "$(dirname "$0")/.."
binary=$1
. packaging/target.sh "$binary"
out=$2
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root

"${tools}strip" -o "$work/melos" "$binary"
DESTDIR=$root PREFIX=/usr packaging/install.sh "$work/melos"
mkdir -p "$root/DEBIAN"
cp packaging/copyright "$root/usr/share/doc/melos/copyright"
chmod 644 "$root/usr/share/doc/melos/copyright"

# The packages of the libraries to which the binary and the inference runtime are linked. The other dependencies below are for
# the service's user, for opening hours in local time, and for JACK, which is loaded at run time.
mkdir "$work/debian"
printf 'Source: melos\n\nPackage: melos\nArchitecture: any\n' > "$work/debian/control"
linked=$(cd "$work" && DEB_HOST_ARCH=$architecture dpkg-shlibdeps -O root/usr/bin/melos root/usr/lib/melos/libonnxruntime.so 2>/dev/null | sed 's/^shlibs:Depends=//')
if [ -z "$linked" ]; then
    echo "cannot determine which packages $binary needs: install libasound2:$architecture and libstdc++6:$architecture" >&2
    exit 1
fi

cat > "$root/DEBIAN/control" <<CONTROL
Package: melos
Version: $version
Architecture: $architecture
Maintainer: The Melos developers <melos@localhost>
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f1)
Depends: $linked, tzdata, systemd | systemd-standalone-sysusers | systemd-sysusers
Recommends: libjack-jackd2-0 | libjack-0.125 | pipewire-jack
Suggests: jackd2, pipewire
Section: sound
Priority: optional
Description: endless live piano music, steered by mood
 A daemon that composes and plays piano music live, and lets you steer its
 mood, tempo and harmony from MIDI controllers, OSC and a web page. Neural
 networks play the piano; rule-based harmony carries on if they fall behind.
CONTROL
echo /etc/melos/melos.toml > "$root/DEBIAN/conffiles"
for script in postinst prerm postrm; do
    cp "packaging/debian/$script" "$root/DEBIAN/$script"
    chmod 755 "$root/DEBIAN/$script"
done
(cd "$root" && find usr -type f -exec md5sum {} +) > "$root/DEBIAN/md5sums"
chmod 644 "$root/DEBIAN/control" "$root/DEBIAN/conffiles" "$root/DEBIAN/md5sums"
find "$root" -type d -exec chmod 755 {} +

mkdir -p "$out"
dpkg-deb --root-owner-group -Zzstd --build "$root" "$out/melos_${version}_$architecture.deb"
