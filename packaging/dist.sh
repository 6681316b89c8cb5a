#!/bin/sh
# Builds a portable archive from a built binary: packaging/dist.sh BINARY FOLDER
set -eu
cd "$(dirname "$0")/.."
. packaging/target.sh "$1"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
name=melos-$version-linux-$machine
out=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"${tools}strip" -o "$work/melos" "$1"
DESTDIR=$work PREFIX=/$name packaging/install.sh "$work/melos"
# A portable archive cannot install units or a system user, so the files for them are included as documentation.
mkdir -p "$work/$name/share/doc/melos/systemd"
cp systemd/* packaging/melos.toml "$work/$name/share/doc/melos/systemd/"
cp README.md LICENSE-APACHE LICENSE-MIT "$work/$name/"
mkdir -p "$out"
tar -C "$work" --owner=0 --group=0 --sort=name -czf "$out/$name.tar.gz" "$name"
echo "$out/$name.tar.gz"
