#!/usr/bin/env bash
# Builds the reference of the comparison from its published Go modules: kube-apiserver, kube-controller-manager and kubectl of
# one version, into .build/kube. Takes about 2 GB and, from nothing, half an hour on two cores.
# Usage: test/kubectl/kube/build.sh [VERSION]
set -euo pipefail
cd "$(dirname "$0")/../../.."

version=${1:-v1.34.3}
modules=v0.${version#v1.}
target="$PWD/.build/kube"
module="$target/module"
export PATH="$PATH:/usr/local/go/bin"
mkdir -p "$module"
source=$(cd "$module" && go mod download -json "k8s.io/kubernetes@$version" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
# What Kubernetes itself requires, with the parts that it keeps in its own tree taken as the modules it publishes.
sed -e 's#^module .*#module weft.invalid/kube-reference#' \
  -e "s#=> ./staging/src/\(k8s.io/[a-z0-9-]*\)#=> \1 $modules#" \
  -e "0,/^require (/s##require (\n\tk8s.io/kubernetes $version#" "$source/go.mod" >"$module/go.mod"
cp "$source/go.sum" "$module/go.sum"
chmod u+w "$module/go.sum"
flags="-s -w"
for pair in "gitVersion=$version" gitMajor=1 "gitMinor=$(echo "$version" | cut -d . -f 2)" gitTreeState=clean; do
  flags+=" -X k8s.io/component-base/version.$pair"
done
cd "$module"
CGO_ENABLED=0 GOFLAGS=-mod=mod nice -n 19 go build -p 2 -ldflags "$flags" -o "$target/" \
  k8s.io/kubernetes/cmd/kubectl k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kube-controller-manager
ls "$target"
