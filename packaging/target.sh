# Detects the processor that a program was built for. Sets machine and architecture (the processor's names in uname and dpkg),
# tools (the prefix of its binutils), emulator (the command that runs the program on this machine; empty if none is needed) and
# runtime (the folder of the inference runtime).
case $(od -An -tu2 -j18 -N2 "$1" | tr -d ' ') in
    62) machine=x86_64 architecture=amd64 ;;
    183) machine=aarch64 architecture=arm64 ;;
    *) echo "$1: expected a program for x86-64 or 64-bit ARM" >&2; exit 1 ;;
esac
if [ "$machine" = "$(uname -m)" ]; then
    tools='' emulator='' runtime=runtime
else
    tools=$machine-linux-gnu- emulator=qemu-$machine-static runtime=runtime/$machine
fi
