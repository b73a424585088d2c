# Sourced by every Spark command before its JVM starts, when SPARK_CONF_DIR is this directory.
# shellcheck shell=bash

# The options that Spark always gives to the JVM make it warn on every start: of an incubator
# module, and since Java 24 of a package that is gone. Leave those lines out of standard error and
# step aside at the first other one: `cat` passes on the rest as it comes. Ctrl-C is for the JVM,
# whose last words must still come through. Daemons and interactive shells are left alone.
pass_on_without_boot_warnings() {
    trap '' INT
    local line
    while IFS= read -r line || [[ -n $line ]]; do
        case $line in
            "WARNING: Using incubator modules: jdk.incubator.vector") ;;
            "WARNING: package sun.security.action not in java.base") ;;
            *"Picked up "*) printf '%s\n' "$line" ;; # JAVA_TOOL_OPTIONS, printed before the warnings
            *) printf '%s\n' "$line" && exec cat ;;
        esac
    done
}
if [[ ${1:-} == org.apache.spark.deploy.SparkSubmit ]]; then
    exec 2> >(pass_on_without_boot_warnings >&2)
fi
unset -f pass_on_without_boot_warnings # or `set -a`, in force here, would hand it to the JVM

# A pip-installed Spark belongs to the Python of its environment. Without this, drivers and
# local workers run the first python3 on PATH, where numpy may be missing or of another version.
if [[ -z ${PYSPARK_PYTHON:-} && $(cd -P "$SPARK_HOME" && pwd) == */site-packages/pyspark ]]; then
    PYSPARK_PYTHON=$(cd -P "$SPARK_HOME/../../../../bin" && pwd)/python
    # The shell looks for SPARK_HOME with python3, and would stay with it.
    if [[ ${PYSPARK_DRIVER_PYTHON:-} == python3 ]]; then
        PYSPARK_DRIVER_PYTHON=$PYSPARK_PYTHON
    fi
fi
