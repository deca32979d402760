#!/usr/bin/env bash
# Ends the recording, and draws it: a summary, a timeline, a trace.
set -euo pipefail

folder=$RUNNER_TEMP/proc-events
echo "folder=$folder" >> "$GITHUB_OUTPUT"
if [ ! -s "$folder/recording.ndjson" ]; then
  echo '::warning::There is no recording of the processes of this job.'
  exit 0
fi
command=$(cat "$folder/command")
recorder=$(cat "$folder/pid")

# The recorder writes its last line when it is told to end.
kill -TERM "$recorder" 2> /dev/null || true
for _ in $(seq 100); do
  if ! kill -0 "$recorder" 2> /dev/null; then break; fi
  sleep 0.1
done

draw() {
  # shellcheck disable=SC2086
  $command run --replay "$folder/recording.ndjson" --min-duration "${PROC_EVENTS_MIN_DURATION:-0}" --format "$1" --output "$2"
}
draw markdown "$GITHUB_STEP_SUMMARY"
draw html "$folder/job.html"
draw trace "$folder/job.trace.json"
