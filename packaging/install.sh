#!/bin/sh
# Installs a built binary with its data: packaging/install.sh BINARY. DESTDIR is prepended to every path; PREFIX defaults to /usr/local.
#
# Every file is written next to its target and then renamed, so that no daemon sees a partial file: a running daemon has the
# old binary and library mapped and watches models, presets and mappings, and another daemon may start at any time.
set -eu
cd "$(dirname "$0")/.."
binary=$1
. packaging/target.sh "$binary"
destdir=${DESTDIR:-}
prefix=${PREFIX:-/usr/local}
root=$destdir$prefix

put() { # MODE SOURCE TARGET
    mkdir -p "$(dirname "$3")"
    new=$(dirname "$3")/.$(basename "$3").new
    cp "$2" "$new"
    chmod "$1" "$new"
    mv -f "$new" "$3"
}

into() { # FOLDER FILE...
    folder=$1
    shift
    for file; do put 644 "$file" "$folder/$(basename "$file")"; done
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

put 755 "$binary" "$root/bin/melos"
# For `melos prepare` and `melos analyze`, if `make build-corpus` has built it; the packages omit it.
corpus=$(dirname "$binary")/melos-corpus
if [ -x "$corpus" ]; then put 755 "$corpus" "$root/bin/melos-corpus"; fi
put 644 "$runtime"/libonnxruntime.so "$root/lib/melos/libonnxruntime.so"
into "$root/share/melos/models/melos-piano" models/melos-piano/*.onnx models/melos-piano/*.toml \
    models/melos-piano/MODEL_CARD.md models/melos-piano/ATTRIBUTION
into "$root/share/melos/presets" presets/*.toml
into "$root/share/melos/mappings" mappings/*.toml
into "$root/share/melos/setlists" setlists/*.toml

# The folders for configuration, units and completions depend on the prefix.
zsh=$root/share/zsh/site-functions
case $prefix in
    /usr)
        etc=/etc/melos system=$root/lib/systemd/system user=$root/lib/systemd/user zsh=$root/share/zsh/vendor-completions ;;
    "${HOME:-/root}/.local")
        etc=$HOME/.config/melos system='' user=$destdir$HOME/.config/systemd/user ;;
    *)
        etc=/etc/melos system=$destdir/etc/systemd/system user=$destdir/etc/systemd/user ;;
esac
if [ ! -e "$destdir$etc/melos.toml" ]; then put 644 packaging/melos.toml "$destdir$etc/melos.toml"; fi

# Installs a unit that refers to the binary and data under this prefix.
install_unit() { sed "s,/usr/,$prefix/,g" "$1" > "$work/unit" && put 644 "$work/unit" "$2"; }
install_unit systemd/melos.user.service "$user/melos.service"
if [ -n "$system" ]; then
    install_unit systemd/melos.service "$system/melos.service"
    install_unit systemd/melos.sysusers.conf "${system%/systemd/system}/sysusers.d/melos.conf"
fi

$emulator "$binary" man "$work/man"
for page in "$work"/man/*.1; do
    gzip -9n "$page"
    put 644 "$page.gz" "$root/share/man/man1/$(basename "$page").gz"
done
install_completions() { $emulator "$binary" completions "$1" > "$work/completions" && put 644 "$work/completions" "$2"; }
install_completions bash "$root/share/bash-completion/completions/melos"
install_completions zsh "$zsh/_melos"
install_completions fish "$root/share/fish/vendor_completions.d/melos.fish"

# The documents refer to each other as in the repository, and to presets, mappings and models where they are installed.
doc=$root/share/doc/melos
document() { # FILE...
    for file; do
        up=$(dirname "$file" | sed 's,^\.$,,; s,[^/][^/]*,..,g; s,..*,&/,')../../melos/
        sed "s,](presets),](${up}presets),; s,](models/melos-piano/,](${up}models/melos-piano/,g; s,](\.\./mappings/,](${up}mappings/,g" \
            "$file" > "$work/document"
        put 644 "$work/document" "$doc/$file"
    done
}
document README.md CHANGELOG.md ARCHITECTURE.md CONTRIBUTING.md BENCHMARKS.md
into "$doc" LICENSE-APACHE LICENSE-MIT
document $(find docs -maxdepth 1 -name '*.md')
into "$doc/docs" $(find docs -maxdepth 1 -type f ! -name '*.md')
for folder in models models/training; do document $(find "$folder" -maxdepth 1 -name '*.md'); done
into "$doc/models/evaluation" $(find models/evaluation -maxdepth 1 -name '*.png')
# The model card is installed beside the model; these links make its relative links work there.
ln -sfn ../../doc/melos/models/EVALUATION.md "$root/share/melos/models/EVALUATION.md"
ln -sfn ../../doc/melos/models/training "$root/share/melos/models/training"
into "$doc/examples" $(find examples -maxdepth 1 -type f)
for folder in $(find examples -mindepth 1 -type d); do into "$doc/$folder" $(find "$folder" -maxdepth 1 -type f); done
into "$doc/onnxruntime" "$runtime"/LICENSE "$runtime"/ThirdPartyNotices.txt
