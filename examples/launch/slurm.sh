#!/usr/bin/env bash
# Runs one command of videolstm on several nodes of SLURM, one process a node with all its GPUs.
#
#   bash slurm.sh --nodes=4 --gpus=8 --time=24:00:00 -- train --workdir=work --model.cell=videolstm
#
# --sbatch="WORDS" adds options of sbatch, and --dry_run prints the submission. Before the time is
# over SLURM sends SIGTERM. The training saves, ends with status 75, and the job is queued again.
set -euo pipefail

MOST_RESTARTS=50

if [ -n "${VIDEOLSTM_IN_JOB:-}" ]; then
    status=0
    # Not --kill-on-bad-exit: a process that ends tells the others why, and they end by themselves.
    srun --kill-on-bad-exit=0 videolstm "$@" || status=$?
    # 75 asks for another start. A killed process, as on a lost node, has 128 and its signal.
    if [ "$status" = 75 ] || [ "$status" -gt 128 ]; then
        if [ "${SLURM_RESTART_COUNT:-0}" -lt "$MOST_RESTARTS" ]; then
            scontrol requeue "$SLURM_JOB_ID"
            exit 0
        fi
        echo "started $MOST_RESTARTS times; not queued again" >&2
    fi
    exit "$status"
fi

nodes=1 gpus=1 time=24:00:00 more="" dry_run=""
while [ $# -gt 0 ]; do
    case "$1" in
        --nodes=*) nodes=${1#*=} ;;
        --gpus=*) gpus=${1#*=} ;;
        --time=*) time=${1#*=} ;;
        --sbatch=*) more=${1#*=} ;;
        --dry_run) dry_run=1 ;;
        --) shift; break ;;
        *) echo "error: there is no option $1; expected -- and a command behind the options" >&2; exit 1 ;;
    esac
    shift
done
[ $# -gt 0 ] || { echo "error: expected -- and a command, such as -- train --workdir=work" >&2; exit 1; }

submission=(
    sbatch --nodes="$nodes" --ntasks-per-node=1 --gpus-per-node="$gpus" --time="$time"
    --requeue --open-mode=append --signal=TERM@180 --job-name="videolstm-$1"
    --export=ALL,VIDEOLSTM_IN_JOB=1
)
# Split into words on purpose: --sbatch holds several options.
# shellcheck disable=SC2206
submission+=($more "$0" "$@")
if [ -n "$dry_run" ]; then
    printf '%q ' "${submission[@]}"; echo
else
    "${submission[@]}"
fi
