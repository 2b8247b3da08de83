# kubectl-lab. "make demo" shows the manual's path; "make test" is everything that CI runs.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VERSION ?= v0.1.0
COMMIT  := $(shell git rev-parse --short HEAD 2>/dev/null)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
GOBUILD := CGO_ENABLED=0 go build -trimpath

# Test packages that start an API server each: two at a time on two cores.
TESTFLAGS ?= -timeout=20m -p=2
FUZZTIME  ?= 5s

# Tests that measure time: they run alone, and without the race detector too.
TIMED = TestPoint05AcknowledgedWhileTheAPIServerHangs

# The packages of the local cluster that don't import Kubernetes itself, which linters would read for
# many minutes. The others are built with the same flags as the binary, or all of it compiles twice.
LABCLUSTER_LIGHT = $$(go list -f '{{.Dir}}' ./internal/... ./test/... | grep -v '/internal/components$$')

##@ Use

.PHONY: build
build: bin/kubectl-lab bin/labbot ## Build the plugin and the bot into bin/

.PHONY: demo
demo: build labcluster ## Walk the manual's path on a local cluster, then remove it
	hack/demo.sh

.PHONY: demo-bot
demo-bot: bin/labbot labcluster ## Open the Slack bot's playground on a local cluster; Ctrl-C ends and removes both
	hack/demo-bot.sh

.PHONY: labcluster
labcluster: ## Build bin/labcluster: a Kubernetes control plane in one binary (about 6 minutes at first)
	hack/build-labcluster.sh

.PHONY: real
real: ## Build what "labcluster up --real" runs: kubelet, containerd, images (about 10 minutes at first; root)
	hack/install-real-deps.sh
	hack/build-real.sh

.PHONY: dist
dist: ## Build the release archives into dist/ and plugins.yaml, the krew manifest, from them
	go run ./hack/dist -version $(VERSION) -commit "$(COMMIT)" -out dist -manifest plugins.yaml

##@ Test

.PHONY: test
test: prepare lint unit e2e ## Everything: build, lint, unit, race, end to end

.PHONY: prepare
prepare: ## Install what the tests need (Debian packages, with root) and build every tool
	hack/install-deps.sh
	$(MAKE) build labcluster tools bin/kubectl

.PHONY: lint
lint: bin/golangci-lint ## Lint every module, and check that generated files are current
	bin/golangci-lint run ./...
	cd cmd/labcluster && CGO_ENABLED=0 GOFLAGS="$$(go env GOFLAGS) -trimpath" \
		../../bin/golangci-lint run --config ../../.golangci.yml $(LABCLUSTER_LIGHT)
	hack/verify.sh

.PHONY: unit
unit: labcluster bin/kubectl ## Unit tests and tests on a real API server, with the race detector
	go test -race $(TESTFLAGS) ./...
	go test -run=$(TIMED) -count=1 ./internal/slackbot
	cd cmd/labcluster && CGO_ENABLED=0 go test -trimpath $(TESTFLAGS) ./...

.PHONY: e2e
e2e: ## End to end: krew, real kubectl, every exercise on the manual's own cluster
	time $(MAKE) --no-print-directory run-e2e

.PHONY: run-e2e
run-e2e: build labcluster real tools bin/kubectl
	go run ./hack/dist -version $(VERSION) -commit "$(COMMIT)" -out bin/dist -manifest bin/dist/plugins.yaml
	go test -tags=e2e -count=1 -v -timeout=60m ./test/e2e/...

.PHONY: scale
scale: labcluster bin/kubectl ## Measure describe at 5,000 nodes and 150,000 pods against kubectl (10 GB of memory)
	KUBECTL_LAB_SCALE=1 go test ./internal/scalefixture -run AtTheLimits -v -count=1 -timeout=60m

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (default 5s) each
	hack/fuzz.sh $(FUZZTIME)

.PHONY: generate
generate: ## Write the generated files anew: the CLI reference, golden files
	go run ./hack/clidocs docs/reference.md
	go test ./internal/render/... -update

##@ Tools

.PHONY: tools
tools: bin/golangci-lint bin/krew bin/validate-krew-manifest ## Build the pinned development tools into bin/

bin/golangci-lint: tools/golangci-lint/go.mod
	cd tools/golangci-lint && $(GOBUILD) -ldflags '-s -w' -o ../../bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint

bin/krew bin/validate-krew-manifest &: tools/krew/go.mod
	cd tools/krew && $(GOBUILD) -o ../../bin/ sigs.k8s.io/krew/cmd/krew sigs.k8s.io/krew/cmd/validate-krew-manifest

# Built from the same Kubernetes release as the plugin's libraries and the local cluster.
bin/kubectl: cmd/labcluster/go.mod
	cd cmd/labcluster && $(GOBUILD) -ldflags '-s -w' -o ../../bin/kubectl k8s.io/kubernetes/cmd/kubectl

# go build is its own judge of what is up to date.
.PHONY: bin/kubectl-lab bin/labbot
bin/kubectl-lab:
	$(GOBUILD) -ldflags '$(LDFLAGS)' -o $@ ./cmd/kubectl-lab

bin/labbot:
	$(GOBUILD) -ldflags '$(LDFLAGS)' -o $@ ./cmd/labbot

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin dist

.PHONY: help
help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-zA-Z_-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
