#!/bin/bash
# Make the next boots use these arguments on the kernel's command line, on a machine that GRUB boots. May be repeated.
set -euo pipefail
missing=()
for argument in "$@"; do
    [[ " $(cat /proc/cmdline) " = *" $argument "* ]] || missing+=("$argument")
done
if [ ${#missing[@]} -eq 0 ]; then
    echo "kernel-arguments: in effect already"
    exit 0
fi
command -v update-grub >/dev/null || { echo "kernel-arguments: no GRUB here; boot with: $*" >&2; exit 1; }
mkdir -p /etc/default/grub.d
echo "GRUB_CMDLINE_LINUX=\"\$GRUB_CMDLINE_LINUX $*\"" > /etc/default/grub.d/nodeguard.cfg
update-grub
