# Usage: bash watch.sh LINES CHANGES ARGUMENT... Watches with `kubectl get ARGUMENT... -w`, makes the changes once the first
# line is there, and ends the watch when it has written LINES lines.
lines=$1 changes=$2
shift 2
rm -f watched
kubectl get "$@" -w >watched &
until [ -s watched ]; do sleep 0.05; done
eval "$changes" >/dev/null
until [ "$(wc -l <watched)" -ge "$lines" ]; do sleep 0.05; done
kill $!
cat watched
