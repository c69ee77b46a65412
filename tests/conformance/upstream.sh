#!/usr/bin/env bash
# Runs test binaries of Knative Serving's own suite against a fresh `utsuwa up`, and prints each
# test's result.
#
#   tests/conformance/upstream.sh BINARIES [NAME...]
#
# BINARIES is a folder of compiled test packages, named like the package's path below the suite's
# `test/` folder with dashes, such as conformance-api-v1.test, e2e.test, e2e-gc.test. With NAMEs,
# only those. The whole output of each goes to $LOGS.
#
#   RUN=REGEX       only these tests            PARALLEL=N   at a time (2)
#   ADDRESS=IP      a loopback address whose ports 80 and 443 are free (127.0.0.80)
#   API_PORT, GATEWAY_PORT, HTTPS_PORT          LOGS=DIR     (a new directory)
#   UTSUWA=COMMAND  (.venv/bin/utsuwa)          FLAGS="..."  further flags for the binaries
#   UP="..."        further flags for `up`, such as --runtime container
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
[ $# -ge 1 ] && [ -d "$1" ] || { sed -n '2,16s/^# \{0,1\}//p' "$0" >&2; exit 2; }
binaries=$(cd "$1" && pwd); shift

python=${PYTHON:-$root/.venv/bin/python}
utsuwa=${UTSUWA:-"$python -m utsuwa.cli"}
address=${ADDRESS:-127.0.0.80}
logs=${LOGS:-$(mktemp -d)}
repository=localhost/conformance
data=$(mktemp -d)
mkdir -p "$logs"

end() {
  if [ -n "${up:-}" ] && kill -TERM "$up" 2>/dev/null; then wait "$up" || true; fi
  cp -r "$data/logs" "$logs/cluster" 2>/dev/null || true
  rm -rf "$data"
}
trap end EXIT

set_up() {
  "$python" "$here/images/push.py" "$data" "$repository" >/dev/null
  : >"$logs/up.log"  # a line of an earlier run must not be taken for this one's
  # shellcheck disable=SC2086
  $utsuwa up --data-dir "$data" --domain example.com --address "$address" \
    --api-port "${API_PORT:-16443}" --gateway-port "${GATEWAY_PORT:-18080}" \
    --https-port "${HTTPS_PORT:-18443}" ${UP:-} >"$logs/up.log" 2>&1 &
  up=$!
  for _ in $(seq 300); do
    if grep -q '^utsuwa is ready' "$logs/up.log"; then break; fi
    kill -0 "$up" 2>/dev/null || { cat "$logs/up.log" >&2; exit 1; }
    sleep 0.1
  done
  grep -q '^utsuwa is ready' "$logs/up.log" || { cat "$logs/up.log" >&2; exit 1; }
  export KUBECONFIG=$data/kubeconfig
  kubectl apply -f - >/dev/null <<'YAML'
apiVersion: v1
kind: Namespace
metadata: {name: serving-tests}
---
apiVersion: v1
kind: Namespace
metadata: {name: serving-tests-alt}
---
apiVersion: v1
kind: Namespace
metadata: {name: tls}
---
apiVersion: v1
kind: Namespace
metadata: {name: rq-test}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: conformance-test-configmap, namespace: serving-tests}
data: {testKey: testValue}
---
apiVersion: v1
kind: Secret
metadata: {name: conformance-test-secret, namespace: serving-tests}
stringData: {testKey: testValue}
YAML
  setting config-network autocreate-cluster-domain-claims true
  setting config-deployment progress-deadline 120s
}

setting() {  # MAP KEY VALUE
  kubectl patch configmap "$1" -n knative-serving --type merge \
    -p "{\"data\":{\"$2\":\"$3\"}}" >/dev/null
}

claims() {  # FLAG
  setting config-features kubernetes.podspec-persistent-volume-claim "$1"
  setting config-features kubernetes.podspec-persistent-volume-write "$1"
  setting config-features kubernetes.podspec-securitycontext "$1"
}

prepare() {  # what the suite's own scripts switch on for one package
  case $1 in
    e2e-tagheader) setting config-features tag-header-based-routing Enabled ;;
    e2e-initscale) setting config-autoscaler allow-zero-initial-scale true ;;
    e2e-securedefaults) setting config-features secure-pod-defaults Enabled ;;
    e2e-initcontainers) setting config-features kubernetes.podspec-init-containers Enabled ;;
    e2e-multicontainerprobing) setting config-features multi-container-probing Enabled ;;
    e2e-pvc) claims Enabled ;;
    e2e-gc)
      kubectl patch configmap config-gc -n knative-serving --type merge -p '{"data":{
        "retain-since-create-time":"disabled","retain-since-last-active-time":"disabled",
        "min-non-active-revisions":"0","max-non-active-revisions":"0"}}' >/dev/null ;;
  esac
}

restore() {
  case $1 in
    e2e-tagheader) setting config-features tag-header-based-routing Disabled ;;
    e2e-initscale) setting config-autoscaler allow-zero-initial-scale false ;;
    e2e-securedefaults) setting config-features secure-pod-defaults Disabled ;;
    e2e-initcontainers) setting config-features kubernetes.podspec-init-containers Disabled ;;
    e2e-multicontainerprobing) setting config-features multi-container-probing Disabled ;;
    e2e-pvc) claims Disabled ;;
    e2e-gc) kubectl patch configmap config-gc -n knative-serving --type merge -p '{"data":null}' >/dev/null ;;
  esac
}

run() {  # NAME
  prepare "$1"
  local log=$logs/$1.log endpoint=
  # Port 443 of the address is the API's; behind the nodePort of 127.0.0.1 is the gateway's.
  [ "$1" = e2e-domainmapping ] && endpoint=--ingressendpoint=127.0.0.1
  # shellcheck disable=SC2086
  (cd "$logs" && SYSTEM_NAMESPACE=knative-serving "$binaries/$1.test" -test.v \
    -test.timeout 40m -test.parallel "${PARALLEL:-2}" ${RUN:+-test.run "$RUN"} \
    --kubeconfig="$KUBECONFIG" --dockerrepo="$repository" --disable-logstream \
    --enable-beta --enable-alpha --spooftimeout=60s $endpoint ${FLAGS:-}) >"$log" 2>&1 || failed=1
  restore "$1"
  echo "== $1"
  awk '/^ *--- (PASS|FAIL|SKIP):/ {sub(/^ *--- /, ""); sub(":", ""); print}
       /^panic:|^FAIL$/ {bad=1; if (/panic/) print}' "$log"
}

set_up
failed=0
if [ $# -eq 0 ]; then
  for file in "$binaries"/*.test; do set -- "$@" "$(basename "$file" .test)"; done
fi
for name in "$@"; do run "$name"; done
echo "logs: $logs"
exit $failed
