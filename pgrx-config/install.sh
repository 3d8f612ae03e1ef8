#!/usr/bin/env bash
# Makes a bare Debian 12 with Rust ready to build, test and show pg_manifold.
# Each step is skipped when it is done already.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
    postgresql-15 postgresql-server-dev-15 postgresql-contrib
    clang libclang-dev pkg-config make gcc                        # pgrx, bindgen, librdkafka
    libssl-dev zlib1g-dev libzstd-dev                             # librdkafka
    openjdk-17-jre-headless maven kcat                            # Kafka, Debezium, and a reader for people
    util-linux openssl                                            # tests
)
pgrx_version=0.18.1

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
say() { printf '==> %s\n' "$*"; }

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    say "Debian packages: ${missing[*]}"
    # The package would make and start a cluster of its own; the servers here are private ones.
    export DEBIAN_FRONTEND=noninteractive
    as_root apt-get update -q
    as_root mkdir -p /etc/postgresql-common/createcluster.d
    echo 'create_main_cluster = false' |
        as_root tee /etc/postgresql-common/createcluster.d/pg_manifold.conf >/dev/null
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
    as_root rm -f /etc/postgresql-common/createcluster.d/pg_manifold.conf
fi

if ! command -v cargo >/dev/null; then
    say "Rust is missing: install it from https://rustup.rs, then run this again" >&2
    exit 1
fi
if [ "$(cargo pgrx --version 2>/dev/null)" != "cargo-pgrx $pgrx_version" ]; then
    say "cargo-pgrx $pgrx_version (takes some minutes)"
    cargo install cargo-pgrx --version "$pgrx_version" --locked
fi

# Jars by Maven: what, its POM, the folder, what is left out. The POM is copied beside the jars last:
# its being there, unchanged, says that they are complete.
jars() {
    cmp -s "$2" "$3/pom.xml" && return
    say "$1, by Maven, into $3"
    rm -rf "$3"
    mkdir -p "$3"
    mvn -q -B -f "$2" dependency:copy-dependencies \
        -DoutputDirectory="$PWD/$3" -DincludeScope=runtime ${4:+-DexcludeGroupIds="$4"}
    cp "$2" "$3/pom.xml"
}
jars "Apache Kafka" pgrx-config/pom.xml .run/kafka/lib
jars "Kafka Connect" pgrx-config/connect.pom.xml .run/connect/lib
# What the worker has itself: a plugin's own copy of these would be other classes of the same name.
worker_has=org.apache.kafka,org.slf4j,com.fasterxml.jackson.core
for connector in postgres jdbc; do
    jars "Debezium's connector $connector" pgrx-config/debezium-$connector.pom.xml \
        .run/connect/plugins/debezium-$connector "$worker_has"
done
say "ready"
