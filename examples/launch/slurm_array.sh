#!/usr/bin/env bash
# Runs a command as an array of SLURM jobs that need not run at the same time: shards of `extract`,
# or pipelines that differ in their seed.
#
#   bash slurm_array.sh --tasks=16 --gpus=1 -- extract --workdir=work --data.stream=rgb
#   bash slurm_array.sh --tasks=3 --gpus=1 -- pipeline --preset=research --workdir=work
#
# Task i of n gets --shard=i/n for `extract`. For `pipeline` it gets --seed=i-1 and the work folder
# WORKDIR/seed-<i-1>, as `videolstm sweep --seeds=0,1,2` has them; that command pools them later.
# A task is queued again, at most 50 times, where its time is over or its node is lost.
set -euo pipefail

MOST_RESTARTS=50

if [ -n "${VIDEOLSTM_IN_JOB:-}" ]; then
    number=$SLURM_ARRAY_TASK_ID
    if [ "$1" = extract ]; then
        own=(--shard="$number/$SLURM_ARRAY_TASK_COUNT")
    else
        workdir=work
        for word in "$@"; do
            case "$word" in --workdir=*) workdir=${word#*=} ;; esac
        done
        own=(--seed="$((number - 1))" --workdir="$workdir/seed-$((number - 1))")
    fi
    status=0
    # SLURM sends the signal of --signal to steps only, and `srun` makes one.
    srun --ntasks=1 videolstm "$@" --distributed=off "${own[@]}" || status=$?
    # 75 asks for another start. A process that a signal ended has 128 and its number.
    if [ "$status" = 75 ] || [ "$status" -gt 128 ]; then
        if [ "${SLURM_RESTART_COUNT:-0}" -lt "$MOST_RESTARTS" ]; then
            scontrol requeue "$SLURM_JOB_ID"
            exit 0
        fi
        echo "started $MOST_RESTARTS times; not queued again" >&2
    fi
    exit "$status"
fi

tasks=1 gpus=1 time=24:00:00 more="" dry_run=""
while [ $# -gt 0 ]; do
    case "$1" in
        --tasks=*) tasks=${1#*=} ;;
        --gpus=*) gpus=${1#*=} ;;
        --time=*) time=${1#*=} ;;
        --sbatch=*) more=${1#*=} ;;
        --dry_run) dry_run=1 ;;
        --) shift; break ;;
        *) echo "error: there is no option $1; expected -- and a command behind the options" >&2; exit 1 ;;
    esac
    shift
done
case "${1:-}" in
    extract | pipeline) ;;
    *) echo "error: the command is '${1:-}'; expected -- and extract or pipeline" >&2; exit 1 ;;
esac

submission=(
    sbatch --array="1-$tasks" --gpus-per-task="$gpus" --ntasks=1 --time="$time" --requeue
    --open-mode=append --signal=TERM@180 --job-name="videolstm-$1" --export=ALL,VIDEOLSTM_IN_JOB=1
)
# Split into words on purpose: --sbatch holds several options.
# shellcheck disable=SC2206
submission+=($more "$0" "$@")
if [ -n "$dry_run" ]; then
    printf '%q ' "${submission[@]}"; echo
else
    "${submission[@]}"
fi
