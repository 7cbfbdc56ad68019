#!/bin/bash
# Set a Debian machine up with nodeguard, from the tree in /srv/nodeguard (or the first argument), as root. May be repeated:
# the second time takes what has changed in the tree. WHEELHOUSE names a directory of wheels (make wheels); with it, and
# with the packages there, no network is needed.
set -euo pipefail
project=${1:-/srv/nodeguard}
export DEBIAN_FRONTEND=noninteractive

# python3-venv brings the pip that install/install works with.
"$project/.ci/install-packages" make:make python3-venv:python3
make --silent --no-print-directory -C "$project" install WHEELHOUSE="${WHEELHOUSE:-}"
ln -sfn /usr/local/share/nodeguard/examples /examples

case "$(stat -fc %T /sys/fs/cgroup 2>/dev/null)" in
    cgroup2fs) mode=v2 ;;
    tmpfs) mode=$([ -e /sys/fs/cgroup/unified ] && echo hybrid || echo v1) ;;
    *) mode=none ;; # an image that is being built
esac
echo "provision: $(nodeguard --version | head -n 1), kernel $(uname -r), cgroups: $mode"
