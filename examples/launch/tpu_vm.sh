#!/usr/bin/env bash
# Runs one command of videolstm on all workers of a Cloud TPU slice.
#
#   bash tpu_vm.sh --name=my-tpu --zone=us-central2-b -- train --workdir=gs://BUCKET/work
#
# --setup="COMMANDS" runs first on each worker, such as an installation. --dry_run prints the command.
# Each worker starts the command again, at most 50 times, where it ends with status 75 or is killed.
set -euo pipefail

MOST_RESTARTS=50

name="" zone="" setup="true" dry_run=""
while [ $# -gt 0 ]; do
    case "$1" in
        --name=*) name=${1#*=} ;;
        --zone=*) zone=${1#*=} ;;
        --setup=*) setup=${1#*=} ;;
        --dry_run) dry_run=1 ;;
        --) shift; break ;;
        *) echo "error: there is no option $1; expected -- and a command behind the options" >&2; exit 1 ;;
    esac
    shift
done
[ -n "$name" ] && [ -n "$zone" ] && [ $# -gt 0 ] || {
    echo "error: expected --name=TPU --zone=ZONE -- COMMAND" >&2; exit 1
}

if [ -n "$dry_run" ]; then
    # Nobody is asked, so that it runs without an account.
    first=ADDRESS_OF_WORKER_0 count=NUMBER_OF_WORKERS
else
    # The addresses of the workers in their order: 10.0.0.2;10.0.0.3
    addresses=$(gcloud compute tpus tpu-vm describe "$name" --zone="$zone" \
        --format='value(networkEndpoints[].ipAddress)')
    IFS=';' read -r -a workers <<< "${addresses//,/;}"
    first=${workers[0]} count=${#workers[@]}
fi

command=$(printf '%q ' videolstm "$@")
if [ "$count" != 1 ]; then
    # Evaluated on each worker, which learns its own number from its machine.
    number='$(curl -s -H "Metadata-Flavor: Google" http://metadata.google.internal/computeMetadata/v1/instance/attributes/agent-worker-number)'
    command+="--cluster.coordinator=$first:8476 --cluster.processes=$count"
    command+=" --cluster.process=$number --cluster.wait=600"
fi
# 75 asks for another start. A killed process has 128 and its signal; JAX aborts with 134.
remote="$setup && restarts=0 && until $command; do status=\$?;"
remote+=" [ \$status = 75 ] || [ \$status -gt 128 ] || exit \$status;"
remote+=" [ \$restarts -lt $MOST_RESTARTS ] || exit \$status; restarts=\$((restarts + 1)); done"
run=(gcloud compute tpus tpu-vm ssh "$name" --zone="$zone" --worker=all --command="$remote")
if [ -n "$dry_run" ]; then
    printf '%q ' "${run[@]}"; echo
else
    exec "${run[@]}"
fi
