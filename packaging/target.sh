# Detects what a program was built for: sets machine and architecture (the names that uname and dpkg use), tools (the prefix
# of its binutils), start (the emulator that runs it here, if needed) and runtime (the folder of its inference runtime).
case $(od -An -tu2 -j18 -N2 "$1" | tr -d ' ') in
    62) machine=x86_64 architecture=amd64 ;;
    183) machine=aarch64 architecture=arm64 ;;
    *) echo "$1: expected a program for x86-64 or 64-bit ARM" >&2; exit 1 ;;
esac
if [ "$machine" = "$(uname -m)" ]; then
    tools='' start='' runtime=runtime
else
    tools=$machine-linux-gnu- start=qemu-$machine-static runtime=runtime/$machine
fi
