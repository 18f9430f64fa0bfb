#!/usr/bin/env bash
# A Slurm cluster of several nodes on one machine, for tests.
#
#   cluster.sh hold FOLDER NODES         brings it up, prints "ready", and keeps it until it is killed
#   cluster.sh on FOLDER HOST COMMAND..  runs a command as on that host (head, node1, node2, ...)
#
# The cluster lives in a PID and a mount namespace whose first process is a child of `hold`. Every node
# has a network, a host name, a /dev/shm and a folder for Slurm's sockets of its own. When `hold` dies, in
# whatever way, or whoever started it does, the kernel ends every process in there, and with the last one
# go the mounts, the networks and the bridge. Only the files in FOLDER stay.
#
# Needs root and the Debian packages slurm-wlm, munge and iproute2. FOLDER has a short path: it holds
# sockets.
set -euo pipefail

subnet=10.207.0
self=$(readlink -f "$0")

hold() { # hold FOLDER NODES
  mkdir -p "$1"
  echo $$ >"$1/holder"
  # Both of them take the cluster with them when they die.
  exec setpriv --pdeathsig KILL unshare --pid --fork --kill-child --mount --propagation private \
    --mount-proc --net --uts --ipc bash "$self" inside "$(readlink -f "$1")" "$2"
}

on() { # on FOLDER HOST COMMAND...
  local holder first host=$2
  holder=$(cat "$1/holder")
  first=$(cat "/proc/$holder/task/$holder/children")
  shift 2
  exec nsenter --target "${first% }" --mount --pid --ipc --wdns="$PWD" \
    bash "$self" as "$host" "$@"
}

# From here on: inside the namespaces.

as_host() { # as_host HOST COMMAND...: becomes the command, on that host
  local host=$1
  shift
  # shellcheck disable=SC2016  # the inner shell expands them
  exec nsenter --net="/run/netns/$host" unshare --uts --mount --propagation private bash -c '
    hostname "$0"
    cluster=$(readlink /run/softmoe-cluster)
    mount --bind "$cluster/private/$0" "$cluster/private/here"
    mount --bind "$cluster/shm/$0" /dev/shm
    export SLURM_CONF=$cluster/slurm.conf
    exec "$@"' "$host" "$@"
}

write_configuration() { # write_configuration FOLDER NODES
  local folder=$1 nodes=$2
  cat >"$folder/slurm.conf" <<CONF
ClusterName=softmoe
SlurmctldHost=head($subnet.1)
SlurmUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$folder/munge.socket
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool/%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.%n.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=bf_interval=1,sched_interval=2,batch_sched_delay=0
SlurmdParameters=config_overrides
SlurmctldParameters=preempt_send_user_signal
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmdTimeout=30
MessageTimeout=30
BatchStartTimeout=60
KillWait=10
MinJobAge=3600
ReturnToService=2
GresTypes=gpu
NodeName=node[1-$nodes] NodeAddr=$subnet.[11-$((10 + nodes))] CPUs=4 RealMemory=4000 Gres=gpu:2 State=UNKNOWN
PartitionName=train Nodes=ALL Default=YES MaxTime=1:00:00 PriorityTier=1 GraceTime=30 State=UP
PartitionName=urgent Nodes=ALL MaxTime=1:00:00 PriorityTier=9 PreemptMode=OFF State=UP
PartitionName=closed Nodes=node1 MaxTime=1:00:00 State=DOWN
CONF
  # Character devices, as Slurm asks for: each another /dev/null.
  mknod "$folder/gpu0" c 1 3
  mknod "$folder/gpu1" c 1 3
  echo "NodeName=node[1-$nodes] Name=gpu File=$folder/gpu[0-1]" >"$folder/gres.conf"
  echo "CgroupAutomount=no" >"$folder/cgroup.conf"
  # Nodes share one /tmp here; Slurm's PMIx keeps sockets of equal names in it.
  echo "PMIxCliTmpDirBase=$folder/private/here" >"$folder/mpi.conf"
}

make_host() { # make_host FOLDER HOST ADDRESS: a network joined to the bridge, and folders
  local folder=$1 host=$2 address=$3
  mkdir -p "$folder/private/$host" "$folder/shm/$host" "$folder/spool/$host"
  mount -t tmpfs none "$folder/private/$host"
  mount -t tmpfs none "$folder/shm/$host"
  ip netns add "$host"
  ip -n "$host" link set lo up
  ip link add "to-$host" type veth peer name eth0 netns "$host"
  ip link set "to-$host" master cluster up
  ip -n "$host" addr add "$address/24" dev eth0
  ip -n "$host" link set eth0 up
}

inside() { # inside FOLDER NODES
  local folder=$1 nodes=$2 i
  mkdir -p "$folder"/{state,log,private/here}
  # Names of networks, addresses of hosts: for this mount namespace alone.
  mount -t tmpfs none /run
  ln -s "$folder" /run/softmoe-cluster
  {
    echo "127.0.0.1 localhost"
    echo "$subnet.1 head"
    for ((i = 1; i <= nodes; i++)); do echo "$subnet.$((10 + i)) node$i"; done
  } >"$folder/hosts"
  mount --bind "$folder/hosts" /etc/hosts
  hostname head
  write_configuration "$folder" "$nodes"
  (umask 077 && head -c 1024 /dev/urandom >"$folder/munge.key")
  munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" \
    --pid-file="$folder/munged.pid" --log-file="$folder/log/munged.log" --seed-file="$folder/munge.seed"

  ip link set lo up
  ip link add cluster type bridge
  ip link set cluster up
  make_host "$folder" head "$subnet.1"
  for ((i = 1; i <= nodes; i++)); do make_host "$folder" "node$i" "$subnet.$((10 + i))"; done
  bash "$self" as head slurmctld -f "$folder/slurm.conf" >>"$folder/log/start.log" 2>&1 </dev/null
  for ((i = 1; i <= nodes; i++)); do
    bash "$self" as "node$i" slurmd -N "node$i" -f "$folder/slurm.conf" >>"$folder/log/start.log" 2>&1 </dev/null
  done
  for ((i = 0; i < 600; i++)); do
    if [ "$(bash "$self" as head sinfo -h -N -p train -t idle -o %n 2>/dev/null | wc -l)" = "$nodes" ]; then
      echo ready
      break
    fi
    sleep 0.1
  done
  if [ "$i" = 600 ]; then
    echo "the cluster did not come up; its logs:" >&2
    tail -n 20 "$folder"/log/* >&2
    exit 1
  fi
  while :; do sleep 3600 & wait $!; done # as the first process, it reaps what others leave behind
}

verb=$1
shift
case $verb in
  hold) hold "$@" ;;
  on) on "$@" ;;
  inside) inside "$@" ;;
  as) as_host "$@" ;;
  *) echo "cluster.sh hold FOLDER NODES | on FOLDER HOST COMMAND..." >&2 && exit 64 ;;
esac
