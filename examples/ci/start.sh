#!/usr/bin/env bash
# Starts to record the descendants of the process $1. A job does not fail because it cannot be recorded.
set -euo pipefail

folder=$RUNNER_TEMP/proc-events
mkdir -p "$folder"
if [ -n "${PROC_EVENTS_COMMAND:-}" ]; then
  command=$PROC_EVENTS_COMMAND
else
  npm install --silent --no-save --prefix "$folder" "proc-events@${PROC_EVENTS_VERSION:-latest}"
  command=$folder/node_modules/.bin/proc-events
fi
echo "$command" > "$folder/command"

# The runner ends the processes of a step only at the end of the job. $command may have arguments.
# shellcheck disable=SC2086
nohup $command --json --redact --source auto --events fork,exec,exit --descendants-of "$1" \
  > "$folder/recording.ndjson" 2> "$folder/messages" < /dev/null &
recorder=$!
echo "$recorder" > "$folder/pid"

# The first line shows that every process from here on is recorded.
for _ in $(seq 300); do
  if [ -s "$folder/recording.ndjson" ]; then exit 0; fi
  if ! kill -0 "$recorder" 2> /dev/null; then break; fi
  sleep 0.1
done
echo "::warning::The processes of this job are not recorded: $(tail -n 1 "$folder/messages")"
