#!/bin/sh
# The approval workflow from start to end, as two CI jobs would run it. With SLACK_WEBHOOK_URL set it posts there; without
# it, to a receiver on loopback that shows what Slack would get.
#
# usage: demo.sh SHIRO SLACK_RECEIVER
set -eu

shiro=$1
receiver=$2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
receiver_pid=
trap 'test -z "$receiver_pid" || kill "$receiver_pid" 2>/dev/null || :; rm -rf "$work"' EXIT

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

mkdir "$work/.shiro"
cp "$here/workflow.json" "$work/.shiro/workflow.json"

if [ -z "${SLACK_WEBHOOK_URL:-}" ]; then
    say "SLACK_WEBHOOK_URL is not set: a receiver on loopback plays Slack."
    "$receiver" "$work/url" &
    receiver_pid=$!
    tries=0
    while [ ! -s "$work/url" ]; do
        tries=$((tries + 1))
        if [ "$tries" -gt 100 ] || ! kill -0 "$receiver_pid" 2>/dev/null; then
            echo "the receiver did not start" >&2
            exit 1
        fi
        sleep 0.1
    done
    SLACK_WEBHOOK_URL=$(cat "$work/url")
    export SLACK_WEBHOOK_URL
fi

# What GitLab tells a job, and a kubectl that only says what it would do.
export CI_PROJECT_DIR="$work" CI_PROJECT_ID=1 CI_PIPELINE_ID=1
export CI_SERVER_URL="${CI_SERVER_URL:-https://gitlab.example}"
export CI_COMMIT_REF_NAME="${CI_COMMIT_REF_NAME:-main}"
export PATH="$here/bin:$PATH"
cd "$work"

say "Job 1, deploy-with-approval: shiro run -state-store gitlab -fresh"
CI_JOB_NAME=deploy-with-approval CI_JOB_ID=1 "$shiro" run -state-store gitlab -fresh

say "Someone has looked and starts job 2, resume-deployment: shiro run -state-store gitlab"
CI_JOB_NAME=resume-deployment CI_JOB_ID=2 "$shiro" run -state-store gitlab

say "What is on record: shiro status"
"$shiro" status -state-store gitlab approval-workflow-pipeline-1
