#!/usr/bin/env bash
# The article's commands, in its order, as it typed them, against a running Utsuwa.
#
# It needs a cluster whose domain is example.com, on an address of which it may have ports 80 and 443:
#
#     utsuwa up --domain example.com
#     tests/conformance/article.sh
#
# ARTICLE_REQUESTS (150000) and ARTICLE_CONNECTIONS (500) are the load, held twice.
set -euo pipefail
here=$(cd "$(dirname "$0")/../.." && pwd)
REQUESTS=${ARTICLE_REQUESTS:-150000}
CONNECTIONS=${ARTICLE_CONNECTIONS:-500}
CLUSTER_NAME=c-run
VERSION=latest
ZONE=us-central1-a

environment=$(utsuwa env --platform gke --shell bash)
eval "$environment"
utsuwa build "$here/samples/autoscale" -t gcr.io/knative-samples/autoscale-go:0.1 >/dev/null 2>&1

step() {
    printf '\n## %s\n' "$*"
}

run() {  # show a command, and what it says on both channels
    printf '$ %s\n' "$*"
    "$@" 2>&1
}

summary() {  # what hey says of answers, without figures of time
    sed -n '/^Status code distribution/,$p'
}

watching() {  # the states that pods pass through, while something else runs
    kubectl get pods -w --no-headers >"$states" 2>/dev/null &
    watcher=$!
}

states_seen() {
    kill "$watcher" && wait "$watcher" || true
    awk '$3 == "Running" {print "pods were seen", $3}' "$states" | sort -u
}

load() {
    printf '$ hey -host autoscale-go.default.example.com -c %s -n %s "http://${IP_ADDRESS?}?sleep=1000"\n' \
        "$CONNECTIONS" "$REQUESTS"
    hey -host autoscale-go.default.example.com -c "$CONNECTIONS" -n "$REQUESTS" \
        "http://${IP_ADDRESS?}?sleep=1000" | summary
}

states=$(mktemp)
trap 'rm -f "$states"' EXIT

step Services
run gcloud services enable container.googleapis.com containerregistry.googleapis.com cloudbuild.googleapis.com

step A cluster
run gcloud beta container clusters create ${CLUSTER_NAME} \
    --addons=HorizontalPodAutoscaling,HttpLoadBalancing,Istio,CloudRun --machine-type=n1-standard-4 \
    --cluster-version=${VERSION} --zone=${ZONE} --enable-stackdriver-kubernetes --enable-ip-alias \
    --scopes cloud-platform
run gcloud container clusters list
run kubectl get nodes
run kubectl get namespaces
run kubectl get pod -n istio-system
run kubectl get pod -n knative-serving
run kubectl get ksvc,configuration,route,revision

step A service
run gcloud config set run/cluster c-run
run gcloud config set run/cluster_location us-central1-a
run gcloud beta run deploy autoscale-go --image gcr.io/knative-samples/autoscale-go:0.1
run kubectl get ksvc,configuration,route,revision
IP_ADDRESS="$(kubectl get service istio-ingressgateway --namespace istio-system --output jsonpath="{.status.loadBalancer.ingress[*].ip}")"
printf '$ IP_ADDRESS=%s\n' "$IP_ADDRESS"

step Load
watching
load
run kubectl get deployment
states_seen

step Half the concurrency
run gcloud beta run services update autoscale-go --concurrency=40
watching
load
run kubectl get deployment
states_seen
run kubectl get revision

step What is there
pod=$(kubectl get pod -n knative-serving -o name)
run kubectl get "$pod" -n knative-serving -o 'jsonpath={.kind} {.metadata.namespace} {.status.phase}{"\n"}'
run kubectl get ksvc autoscale-go -o yaml
run kubectl describe revision autoscale-go-00002
run gcloud run revisions describe autoscale-go-00002
run gcloud run revisions list
run gcloud run routes list
run gcloud run configurations list
run gcloud run services describe autoscale-go

step Its wishes
run gcloud run services update-traffic autoscale-go --to-revisions=autoscale-go-00001=30,LATEST=70

step The end
run gcloud run services delete autoscale-go --quiet --no-async
run kubectl get ksvc,configuration,route,revision
run gcloud container clusters delete c-run --zone=us-central1-a --quiet
run gcloud container clusters list
