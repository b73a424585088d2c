#!/bin/bash
@DIRECTIVES@

# Start a Spark cluster on the nodes of an allocation, run one job on it, and stop the cluster.
# Written by `thunderlike submit`: give it to `sbatch`, edit it, or copy it for other jobs.
#
# The exit code is that of the job. After the loss of a node Spark continues on the others; the job
# is stopped when no worker is left. SIGTERM (preemption, scancel, end of the time) stops the job and
# the cluster; SLURM then ends the script, or requeues it, and the job starts again.

set -um # -m: each background command is a group of processes, and is stopped as a whole
job='' workers='' master=''

# ---- The allocation; other schedulers need other lines from here to the settings

id=$SLURM_JOB_ID${SLURM_RESTART_COUNT:+-restart-$SLURM_RESTART_COUNT}
nodes=$SLURM_JOB_NUM_NODES
cores=${SLURM_CPUS_PER_TASK:-$SLURM_CPUS_ON_NODE} # of each node
memory=${SLURM_MEM_PER_NODE:-$((${SLURM_MEM_PER_CPU:-0} * cores))} # of each node, in MiB
disk=${SLURM_TMPDIR:-/tmp} # of each node

on_each_node() { # run lines of bash on all nodes; the loss of one leaves the others alone
    srun --nodes="$nodes" --ntasks="$nodes" --ntasks-per-node=1 --cpus-per-task="$cores" \
        --no-kill --kill-on-bad-exit=0 --wait=0 --input=none --output="$logs/worker-%N.log" \
        bash -c "$1"
}

# ---- Settings

@SETUP@
export SPARK_LOCAL_DIRS=$disk/spark-$id # for shuffled and cached data
logs=$PWD/@NAME@-$id # on a disk of all nodes
conf=$logs/spark.conf
host=$(hostname)
if ((memory == 0)); then # no limit
    memory=$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)
fi
@EXECUTOR@
# For the two lines of the log that this script reads, whatever the logging of this site.
export SPARK_DAEMON_JAVA_OPTS="${SPARK_DAEMON_JAVA_OPTS:-} \
-Dlog4j2.configurationFile=classpath:org/apache/spark/log4j2-defaults.properties"

# ---- Functions

say() { printf 'thunderlike: %s\n' "$*" >&2; }

fail() {
    say "$@"
    exit 1
}

running() { kill -0 "$1" 2>/dev/null; }

pause() { # a signal ends `wait`, but not `sleep`
    sleep 1 &
    wait $!
}

registered() { grep -c 'Registering worker' "$logs/master.log"; }

url() { sed -n 's|.*Starting Spark master at \(spark://[^ ]*\).*|\1|p' "$logs/master.log"; }

work() { # on a node: run a worker of Spark until it ends, then remove its files
    trap 'kill "$worker"' TERM INT
    mkdir -p "$SPARK_LOCAL_DIRS"
    "$SPARK_HOME/bin/spark-class" org.apache.spark.deploy.worker.Worker \
        --host "$(hostname)" --cores "$cores" --memory "${memory}m" --webui-port 0 \
        --work-dir "$logs/executors-$(hostname)" --properties-file "$conf" "$master_url" &
    worker=$!
    while kill -0 "$worker" 2>/dev/null; do wait "$worker"; done
    rm -rf "$SPARK_LOCAL_DIRS"
}

stop() { # end a group of processes, by force after 8 seconds: SLURM waits for 30 in all
    [[ -n $1 ]] && kill -TERM -- "-$1" 2>/dev/null || return 0
    for _ in {1..16}; do
        sleep 0.5
        kill -0 -- "-$1" 2>/dev/null || return 0
    done
    kill -KILL -- "-$1" 2>/dev/null
}

take_down() {
    trap '' TERM INT
    stop "$job"
    stop "$workers"
    stop "$master"
    rm -rf "$SPARK_LOCAL_DIRS" "$conf"
}

interrupted() { # a script that ended by itself within the time of grace would not be requeued
    take_down
    trap - EXIT
    say 'stopped by a signal: preempted, cancelled, or out of time; SLURM ends or requeues the job'
    sleep "${THUNDERLIKE_SLURM_GRACE:-600}"
    exit 143
}

# ---- The cluster

if [[ $executor_memory == *m ]] && ((${executor_memory%m} < 512)); then
    fail "$memory MiB of memory on each node leave $executor_memory for Spark: ask for more with --mem"
fi
mkdir -p "$logs" "$SPARK_LOCAL_DIRS" || exit
trap take_down EXIT
trap interrupted TERM INT

# Without a secret, everybody on the network of these nodes could run code in the cluster.
(umask 077 && cat "${SPARK_CONF_DIR:-$SPARK_HOME/conf}/spark-defaults.conf" >"$conf" 2>/dev/null)
cat >>"$conf" <<END

spark.authenticate true
spark.authenticate.secret $(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
END

: >"$logs/master.log" # read below, perhaps before the master has opened it
"$SPARK_HOME/bin/spark-class" org.apache.spark.deploy.master.Master --host "$host" --port 0 \
    --webui-port 0 --properties-file "$conf" >"$logs/master.log" 2>&1 &
master=$!
disown # no message of the shell when it is stopped
until [[ -n $(url) ]]; do
    running $master || fail "the master of Spark did not start: $(tail -n 1 "$logs/master.log")"
    pause
done
master_url=$(url)

task="$(declare -p PATH JAVA_HOME SPARK_HOME SPARK_LOCAL_DIRS SPARK_DAEMON_JAVA_OPTS \
    cores memory logs conf master_url 2>/dev/null)
$(declare -f work)
work"
on_each_node "$task" &
workers=$!
disown
end=$((SECONDS + ${THUNDERLIKE_SLURM_WAIT:-300}))
until (($(registered) >= nodes || SECONDS >= end)); do
    running $workers || fail "the workers of Spark did not start: see $logs/worker-*.log"
    pause
done
(($(registered))) || fail "no worker of Spark was started in time: see $logs/worker-*.log"
say "Spark is at $master_url, with $(registered) of $nodes nodes; logs are in $logs"

# ---- The job

@COMMAND@ &
job=$!
while running $job; do
    running $workers || fail "all workers of Spark ended, and the job with them: see $logs"
    pause
done
wait $job
