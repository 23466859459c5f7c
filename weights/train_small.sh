#!/usr/bin/env bash
# Trains the bundled model from the beginning, or goes on where it stopped:
#   weights/train_small.sh CLEAN OLD DAMAGE OUT [MINUTES [LENGTH]]
# CLEAN, OLD and DAMAGE are folders of clean photos, real old photos and damage outlines. After MINUTES (default: never)
# the stage at work writes its checkpoint and the script ends with 130; the same command goes on. LENGTH: small (the
# configuration of the bundled model, for a CPU) or long (the same networks with more and larger steps, for a GPU).
# PYTHON names the interpreter (default: python3).
set -euo pipefail
[ $# -ge 4 ] || { sed -n '2,7p' "$0" >&2; exit 2; }
clean=$1 old=$2 damage=$3 out=$4 minutes=${5:-0} length=${6:-small}
start=$SECONDS

train() { # STAGE CONFIG [OPTION...]
  local stage=$1 config=$2 left=() resume=()
  shift 2
  [ -e "$out/$config.done" ] && return
  [ -e "$out/$stage.ckpt" ] && resume=(--resume)
  if [ "$minutes" -gt 0 ]; then
    local seconds=$((60 * minutes - (SECONDS - start)))
    [ "$seconds" -gt 0 ] || exit 130
    left=(timeout --preserve-status --signal=TERM "$seconds")
  fi
  "${left[@]}" "${PYTHON:-python3}" -m restore_cli train "$stage" --clean "$clean" --damage "$damage" --output "$out" \
    --config "$config" "${resume[@]}" "$@"
  mv "$out/$stage.ckpt" "$out/$config.done" # a second run of the stage is no continuation of the first
}

mkdir -p "$out"
train detector "${length}_detector"
train second-look small_second-look --init "$out" # of either length
train second-look finetune_second-look --init "$out"
train tone "${length}_tone"
train stage1 "${length}_stage1" --old "$old"
train stage2 "${length}_stage2" --vae "$out"
train fusion small_fusion --init "$out" # of either length
