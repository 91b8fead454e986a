#!/bin/bash
# A search as a Slurm job, on one node or on several. In this folder, which the nodes see, on the login node:
#
#   make env                                                      # once
#   sbatch cluster-slurm.sh --space degradations --name first     # sbatch's options before the file, the search's after
#   sbatch --nodes=4 --gpus-per-node=1 cluster-slurm.sh --space quality --name large --time-budget 36000
#   sbatch --array=0-3 cluster-slurm.sh --space widths --name widths-%a --seed %a    # %a: the number in the array
#   python analysis/rank.py runs/first                            # the ranking, at any time
#   scancel JOB                                                   # ends it in order; later, to go on:
#   sbatch cluster-slurm.sh --resume first
#
# Two minutes before the time of the job is over, its trials save and the search ends; the job is queued again and goes
# on, until the search is done. Runs are in runs/, or in $SEARCH_STORAGE: a folder that the nodes see, or s3://...

# Edit these lines. One that begins with ## is switched off.
#SBATCH --job-name=diffusion-search
#SBATCH --time=04:00:00
#SBATCH --nodes=1
#SBATCH --cpus-per-task=4
##SBATCH --gpus-per-node=1
##SBATCH --mem=16G
##SBATCH --partition=...
##SBATCH --account=...

# These stay as they are.
#SBATCH --ntasks-per-node=1
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append

complain() { echo "cluster-slurm.sh: $*" >&2; }

[ -n "$SLURM_JOB_ID" ] || { complain "this is a job: sbatch cluster-slurm.sh --space degradations"; exit 2; }
[ -x .venv/bin/python ] || { complain "$PWD has no .venv: run make env in the project's folder, and sbatch there"; exit 2; }

# Runs on every node until its input ends. `ray symmetric-run` would do for a job that has its nodes to itself: it refuses
# a node on which a Ray runs, and its `ray stop` ends the Ray of every job of this user.
node='
  folder=$1 address=$2 port=$3 client_port=$4
  trap "" TERM  # of scancel: Ray ends after the search
  rm -rf "$folder" && mkdir -m 700 "$folder" || exit
  export TMPDIR=$folder
  start="ray start --block --temp-dir=$folder/ray --num-cpus=$SLURM_CPUS_ON_NODE --num-gpus=${SLURM_GPUS_ON_NODE:-0}"
  start+=" --disable-usage-stats --min-worker-port=0 --max-worker-port=0 --dashboard-agent-listen-port=0"
  if [ "$SLURM_PROCID" = 0 ]; then
    start+=" --head --node-ip-address=$address --port=$port --ray-client-server-port=$client_port"
    start+=" --include-dashboard=false"
  else
    start+=" --address=$address:$port"
    for _ in {1..300}; do (: < "/dev/tcp/$address/$port") 2> /dev/null && break; sleep 1; done
  fi
  for _ in {1..5}; do  # Ray gives up after 30 seconds where a node is busy
    $start > "$folder/ray.txt" 2>&1 < /dev/null & ray=$!
    until up=$(grep -s "Ray runtime started" "$folder/ray.txt") || ! kill -0 $ray 2> /dev/null; do sleep 0.2; done
    [ -z "$up" ] || break
  done
  [ -n "$up" ] || { echo "$SLURMD_NODENAME: Ray did not start: $(tail -n 1 "$folder/ray.txt")" >&2; exit 1; }
  echo "$SLURMD_NODENAME"
  while read -r _; do touch "$folder/diffusion-search-preempted"; done  # the trials here save and leave
  kill $ray 2> /dev/null
  for _ in {1..50}; do kill -0 $ray 2> /dev/null || break; sleep 0.2; done  # Slurm kills what is left
  rm -rf "$folder"'

# Every process has a group of its own: Slurm may signal the whole group of the script.
set -m
too_short() { complain "the time of this job is too short to search; give a longer --time to sbatch"; exit 1; }
trap too_short USR1

# Of this job alone: a token, an address with ports, and a folder on each node's disk, short because it has sockets.
export PATH=$PWD/.venv/bin:$PATH PYTHONUNBUFFERED=1 SEARCH_STORAGE=${SEARCH_STORAGE:-$PWD/runs}
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN
disk=/tmp folder=$disk/slurm-$SLURM_JOB_ID
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))') || exit
last=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | tail -n 1)
read -r address port client_port < <(python -c '
import socket, sys

# This node as the last one sees it, and two ports that are free here.
with socket.socket(type=socket.SOCK_DGRAM) as way, socket.socket() as port, socket.socket() as client_port:
    way.connect((sys.argv[1], 9))
    port.bind(("", 0))
    client_port.bind(("", 0))
    print(way.getsockname()[0], port.getsockname()[1], client_port.getsockname()[1])' "$last" 2> /dev/null)
[ -n "$client_port" ] || { complain "$SLURMD_NODENAME finds no way to the node $last"; exit 1; }

coproc RAY {
  exec srun --nodes="$SLURM_NNODES" --ntasks="$SLURM_NNODES" --ntasks-per-node=1 \
    ${SLURM_CPUS_PER_TASK:+--cpus-per-task="$SLURM_CPUS_PER_TASK"} --cpu-bind=none --kill-on-bad-exit=1 \
    bash -c "$node" node "$folder" "$address" "$port" "$client_port"
}
ray=$RAY_PID said=${RAY[0]} open=${RAY[1]}
for ((number = 1; number <= SLURM_NNODES; number++)); do
  read -r name <&"$said" || { complain "Ray did not start on every node"; exit 1; }
  echo "job $SLURM_JOB_ID: Ray is up on $name, $number of $SLURM_NNODES"
done

[ -z "$SLURM_ARRAY_TASK_ID" ] || set -- "${@//%a/$SLURM_ARRAY_TASK_ID}"
case " $* " in *" --name"* | *" --resume "* | *" --resume="*) ;; *) set -- --name "job-$SLURM_JOB_ID" "$@" ;; esac
[ "${SLURM_RESTART_COUNT:-0}" = 0 ] || set -- "$@" --auto-resume
RAY_ADDRESS=$address:$port TMPDIR=$folder python search/run.py "$@" < /dev/null & search=$!
leave() { echo leave >&"$open"; kill -TERM "$search"; } 2> /dev/null
again=''
trap '' PIPE
trap leave TERM # scancel
trap 'again=1; leave' USR1 # two minutes before the end
until wait "$search"; status=$?; ! kill -0 "$search" 2> /dev/null; do :; done # a signal ends `wait` too
trap - TERM USR1

exec {open}>&- # the nodes stop Ray
wait "$ray"
case $status in 0 | 2 | 3) again='' ;; esac # done, a usage error, no result
[ -n "$again" ] || exit "$status"
[ "$SECONDS" -gt 60 ] || too_short
echo "job $SLURM_JOB_ID: its time is over; it is queued again and goes on"
scontrol requeue "$SLURM_JOB_ID" || { complain "to go on: sbatch cluster-slurm.sh --resume NAME"; exit "$status"; }
