# Everything that people and CI run goes through these targets; `make help` lists them.

# -trimpath is part of the build cache's key: the same flags for build and test keep one cache.
export GOFLAGS := -trimpath -buildvcs=false
export CGO_ENABLED := 0

BIN         := bin/aip-dev
TOOLS       := bin/tools
KUBERNETES  := v1.37.2
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
KUBEVERSION := -X k8s.io/component-base/version.gitVersion=$(KUBERNETES) \
	-X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37
LDFLAGS     := -s -w -X main.version=$(VERSION) $(KUBEVERSION)
CRDS        := manifests/charts/aip-k8s/crds
RUNS        ?= 5
FUZZTIME    ?= 1m

.PHONY: help build up down pictures recording test race fuzz images e2e lint generate verify bench tools

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build bin/aip-dev (cold: about 8 minutes on 2 cores, kube-apiserver and Helm take most of it)
	go build -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/aip-dev

up: build ## Build, bring an environment up and prove that it works
	$(BIN) up

down: ## End that environment and remove what it keeps
	$(BIN) down

test: build tools ## Run all tests; those that need an environment start the built binary
	go test -timeout 20m ./...

# The API server of the tests is the built program, which has no race detector.
race: build ## Run the attacks on the gateway, its crashes and its parts that goroutines share with the race detector (needs gcc)
	CGO_ENABLED=1 go test -race -p 1 -timeout 10m ./tui/feed ./internal/token ./gateway/policy ./gateway/store ./gateway/attacks
	CGO_ENABLED=1 go test -race -timeout 10m -run '^(TestKilledAtEachWrite|TestFiftyAgentsOnOneTarget)$$' ./gateway/reconcile

fuzz: ## Attack what reads tokens, bodies, URIs, policies and streams with random input (FUZZTIME=1m for each)
	test/fuzz/fuzz.sh $(FUZZTIME)

images: ## Build the images of a Kind node, Keycloak and curl, and start a container engine if none answers (root, Debian)
	test/engine/engine.sh start
	test/images/build.sh

e2e: build tools images ## Run the guide and the life of an environment in a real Kind cluster with a real Keycloak
	cd test/tools && go build -o ../../$(TOOLS)/ sigs.k8s.io/kind
	test/kind/kind.sh
	test/kind/podman.sh
	test/bundle/bundle.sh
	test/engine/engine.sh status

tools: ## Build kubectl and helm into bin/tools, for the test of the guide
	cd test/tools && go build -ldflags '$(KUBEVERSION)' -o ../../$(TOOLS)/ ./kubectl helm.sh/helm/v3/cmd/helm

lint: ## Check formatting, vet and run golangci-lint (cold: 4 minutes to build it, 4 to run)
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w on these files"; exit 1; }
	go vet ./...
	cd test/lint && go build -o ../../$(TOOLS)/ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	$(TOOLS)/golangci-lint run --allow-serial-runners ./...

generate: ## Generate deep copies, CustomResourceDefinitions and the test fixtures
	go tool controller-gen object paths=./api/...
	go tool controller-gen crd:allowDangerousTypes=true output:crd:dir=$(CRDS) paths=./api/...
	cp manifests/keycloak-dev.yaml test/fixtures/

verify: generate lint ## Fail when generated files differ from what is committed
	git diff --exit-code -- api $(CRDS) test/fixtures

pictures: ## Draw the main screens of the review queue for the README (fonts: DejaVu Sans Mono)
	@dir=$$(mktemp -d) && go test ./tui -run 'TestPictures' -pictures $$dir && \
	  go run ./test/pictures -out docs/pictures $$dir/*.ansi; status=$$?; rm -rf $$dir; exit $$status

recording: build ## Record the guided tour for the README, against an environment of its own (fonts: DejaVu Sans Mono)
	go run ./test/recording -program $(BIN) -out docs/pictures

bench: build ## Measure start, stop, memory, decisions and commands against their limits (RUNS=5)
	go run ./test/bench -runs $(RUNS)
