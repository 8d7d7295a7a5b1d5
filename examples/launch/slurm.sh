#!/usr/bin/env bash
# Runs one command of videolstm on several nodes of SLURM, one process a node with all its GPUs, or
# as an array of tasks that need not run at the same time.
#
#   bash slurm.sh --nodes=4 --gpus=8 --time=24:00:00 -- train --workdir=work --model.cell=videolstm
#   bash slurm.sh --tasks=16 --gpus=1 -- extract --workdir=work --data.stream=rgb
#   bash slurm.sh --tasks=3 --gpus=1 -- pipeline --preset=research --workdir=work
#
# Task i of n gets --shard=i/n for `extract`. For `pipeline` it gets --seed=i-1 and the work folder
# WORKDIR/seed-<i-1>, as `videolstm sweep --seeds=0,1,2` has them; that command pools them later.
#
# --gpus counts those of a node, or of a task. --sbatch="WORDS" adds options of sbatch, and
# --dry_run prints the submission. Before the time is over SLURM sends SIGTERM. The training saves,
# ends with status 75, and the job or task is queued again.
set -euo pipefail

MOST_RESTARTS=50

# Sets `own` to the flags that only this task of an array gets.
flags_of_task() {
    local number=$SLURM_ARRAY_TASK_ID workdir=work word
    if [ "$1" = extract ]; then
        own=(--distributed=off --shard="$number/$SLURM_ARRAY_TASK_COUNT")
        return
    fi
    for word in "$@"; do
        case "$word" in --workdir=*) workdir=${word#*=} ;; esac
    done
    own=(--distributed=off --seed="$((number - 1))" --workdir="$workdir/seed-$((number - 1))")
}

# One file for the submission and the job: SLURM copies the script that it runs, but no file beside.
if [ -n "${VIDEOLSTM_IN_JOB:-}" ]; then
    status=0
    # SLURM sends the signal of --signal to steps only, and `srun` makes one.
    if [ "$VIDEOLSTM_IN_JOB" = task ]; then
        flags_of_task "$@"
        srun --ntasks=1 videolstm "$@" "${own[@]}" || status=$?
    else
        # Not --kill-on-bad-exit: a process that ends tells the others why, and they end by themselves.
        srun --kill-on-bad-exit=0 videolstm "$@" || status=$?
    fi
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

nodes=1 tasks="" gpus=1 time=24:00:00 more="" dry_run=""
while [ $# -gt 0 ]; do
    case "$1" in
        --nodes=*) nodes=${1#*=} ;;
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
[ $# -gt 0 ] || { echo "error: expected -- and a command, such as -- train --workdir=work" >&2; exit 1; }

if [ -n "$tasks" ]; then
    case "$1" in
        extract | pipeline) ;;
        *) echo "error: the command of --tasks is $1; expected extract or pipeline" >&2; exit 1 ;;
    esac
    places=(--array="1-$tasks" --ntasks=1 --gpus-per-task="$gpus")
    kind=task
else
    places=(--nodes="$nodes" --ntasks-per-node=1 --gpus-per-node="$gpus")
    kind=nodes
fi
submission=(
    sbatch "${places[@]}" --time="$time" --requeue --open-mode=append --signal=TERM@180
    --job-name="videolstm-$1" --export=ALL,VIDEOLSTM_IN_JOB="$kind"
)
# Split into words on purpose: --sbatch holds several options.
# shellcheck disable=SC2206
submission+=($more "$0" "$@")
if [ -n "$dry_run" ]; then
    printf '%q ' "${submission[@]}"; echo
else
    "${submission[@]}"
fi
