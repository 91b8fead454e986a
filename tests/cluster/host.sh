#!/bin/bash
# PID 1 of one host, in fresh net, mount, pid, uts and ipc namespaces: gives it folders of its own, then runs its sshd.
# usage: host.sh FOLDER NAME ADDRESS GATEWAY HIDDEN SHARED|none KEPT...
#   FOLDER   what is the host's alone: root/, tmp/, etc/ (hosts, sshd_config, host key)
#   HIDDEN   a folder of the machine that the host does not see
#   SHARED   what it sees at /mnt/nfs
#   KEPT     folders of the machine that it sees, read-only, where they are, also below /root, /tmp or HIDDEN
set -eu
folder=$1 name=$2 address=$3 gateway=$4 hidden=$5 shared=$6
shift 6

mount --make-rprivate /
hostname "$name"
mount -t proc proc /proc
mkdir "$folder/mnt"
mkdir "$folder/mnt/host"
[ "$shared" = none ] || mkdir "$folder/mnt/nfs"
number=0
for kept in "$@"; do
  number=$((number + 1))
  mkdir -p "$folder/mnt/kept/$number"
  mount --bind "$kept" "$folder/mnt/kept/$number"
  mount -o remount,ro,bind "$folder/mnt/kept/$number"
done
mount --bind "$folder" "$folder/mnt/host"
[ "$shared" = none ] || mount --bind "$shared" "$folder/mnt/nfs"
mount --rbind "$folder/mnt" /mnt

# From here on the machine's /tmp and /root, in which FOLDER may lie, are out of sight.
mount -t tmpfs tmpfs "$hidden"
mount --bind /mnt/host/root /root
mount --bind /mnt/host/tmp /tmp
mount --bind /mnt/host/etc/hosts /etc/hosts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/sshd
number=0
for kept in "$@"; do
  number=$((number + 1))
  mkdir -p "$kept"
  mount --bind "/mnt/kept/$number" "$kept"
done

touch /mnt/host/unshared
until ip link show eth0 >/dev/null 2>&1; do sleep 0.05; done # moved in from outside
ip link set lo up
ip address add "$address/24" dev eth0
ip link set eth0 up
ip route add default via "$gateway"
cd /root
env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  "$(command -v sshd)" -D -f /mnt/host/etc/sshd_config -E /mnt/host/sshd.log &
touch /mnt/host/ready
wait # as PID 1, bash reaps whatever loses its parent
