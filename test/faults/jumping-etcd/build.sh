#!/usr/bin/env bash
# Builds an etcd whose wall clock can be moved: etcd's own code, on a time package that adds what main.go tells it to. Go reads the
# clock without the C library, so nothing can be put in between from outside, and one machine has one clock for all processes.
#
# Usage: build.sh FILE     the executable to write; needs Go and its module proxy, and a minute
set -euo pipefail
version=v3.5.21
file=$(realpath -m "$1")
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir program
cp "$here/main.go" program/
go mod init jumping >/dev/null 2>&1
go get "go.etcd.io/etcd/server/v3@$version" >/dev/null 2>&1

standard="$(go env GOROOT)/src/time"
# Time.Now() is the only reader of the wall clock in the package.
sed '/^func Now() Time {/,/^}/ s/sec, nsec, mono := runtimeNow()/&\n\tsec += jumpedSeconds.Load()/' "$standard/time.go" >time.go
if cmp -s "$standard/time.go" time.go; then
  echo "Cannot build an etcd with a clock of its own: found no \"sec, nsec, mono := runtimeNow()\" in time.Now() of $(go version)" >&2
  exit 1
fi
printf '{"Replace":{"%s":"%s","%s":"%s"}}' "$standard/time.go" "$folder/time.go" "$standard/jump.go" "$here/jump.go" >overlay.json
go build -ldflags "-s -w" -overlay overlay.json -o "$folder/etcd" ./program
install -D "$folder/etcd" "$file"
