#!/bin/sh
# Run a command with a Docker host of its own, which is gone afterwards:
#
#   job.sh COMMAND [ARGUMENT...]
#
# DINV_MEMORY, DINV_CPUS, DINV_ENDPOINT and so on say what the machine is like and where it is made; the number of
# the job, where the server gives it one, is in its name. The exit status is the command's.
set -eu

machine=job-${CI_JOB_ID:-${GITHUB_RUN_ID:-$$}}
# A store of the job's own: the jobs of a runner do not meet in it, and no docker context is left in the home.
MACHINE_STORAGE_PATH=$(mktemp -d "${DINV_JOB_STORES:-${TMPDIR:-/tmp}}/dinv-job.XXXXXX")
export MACHINE_STORAGE_PATH

clean_up() {
    [ -z "$(dinv ls -q)" ] || dinv rm -y --quiet "$machine" || :
    if [ -z "$(dinv ls -q)" ]; then
        rm -rf -- "$MACHINE_STORAGE_PATH"
    else
        echo "job.sh: $machine is left. Once its endpoint answers: dinv -s $MACHINE_STORAGE_PATH rm $machine" >&2
    fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

dinv create --no-context "$machine" >&2
environment=$(dinv env --shell sh "$machine")
eval "$environment"
"$@"
