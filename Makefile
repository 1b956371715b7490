# Everything that people and CI run goes through these targets; `make help` lists them.

# -trimpath is part of the build cache's key: the same flags for build and test keep one cache.
export GOFLAGS := -trimpath -buildvcs=false
export CGO_ENABLED := 0

BIN         := bin/aip-dev
KUBERNETES  := v1.37.2
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS     := -s -w -X main.version=$(VERSION) \
	-X k8s.io/component-base/version.gitVersion=$(KUBERNETES) \
	-X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37
CRDS        := manifests/charts/aip-k8s/crds

.PHONY: help build test lint generate verify

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build bin/aip-dev (cold: about 8 minutes on 2 cores, kube-apiserver and Helm take most of it)
	go build -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/aip-dev

test: build ## Run all tests; those that need an API server start the built binary
	go test -timeout 10m ./...

lint: ## Check formatting and vet
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w on these files"; exit 1; }
	go vet ./...

generate: ## Generate deep copies and CustomResourceDefinitions from api/
	go tool controller-gen object paths=./api/...
	go tool controller-gen crd:allowDangerousTypes=true output:crd:dir=$(CRDS) paths=./api/...

verify: generate lint ## Fail when generated files differ from what is committed
	git diff --exit-code -- api $(CRDS)
