# Everything a contributor runs, and what CI runs. `make` lists the targets.
# Needs Go, git and make; what else a target needs, it fetches or names.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

GO       ?= go
FUZZTIME ?= 10s
COUNT    ?= 1
USERS    ?= 1000
LATENCY  ?= 20ms
RATE     ?= 0
RUNS     ?= 5
SOAKTIME ?= 1h
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

# The version comes from git describe above; Go's own stamping would make the
# build fail in a checkout that belongs to another user.
BUILDFLAGS = -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION)'

LINTER = tools/bin/golangci-lint

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: need-go ## build bin/scimsync
	@test -x bin/scimsync || echo "Building bin/scimsync. The first build fetches and compiles every dependency: allow some minutes."
	@CGO_ENABLED=0 $(GO) build $(BUILDFLAGS) -o bin/scimsync ./cmd/scimsync

.PHONY: quickstart
quickstart: build ## try it: a local Okta and a local application, from check to an empty second plan
	@sh tools/quickstart.sh bin/scimsync

.PHONY: test
test: need-go ## run every test; installs what the tests need
	@sh tools/interop.sh
	@echo "Running the tests. The first time compiles everything: allow some minutes."
	$(GO) test -buildvcs=false -timeout 20m ./...

.PHONY: race
race: need-go ## run every test under the race detector (needs a C compiler)
	@command -v $${CC:-cc} >/dev/null 2>&1 || { echo "make race: Go's race detector needs a C compiler: install gcc or clang." >&2; exit 1; }
	CGO_ENABLED=1 $(GO) test -buildvcs=false -race -timeout 40m ./...

.PHONY: fuzz
fuzz: need-go ## fuzz every target for FUZZTIME (10s) each
	@GO='$(GO)' sh tools/fuzz.sh '$(FUZZTIME)'

.PHONY: nightly
nightly: need-go ## run what takes hours: long forms of tests, race, fuzz (60s each), soak (10m), vuln
	@GO='$(GO)' MAKE='$(MAKE)' sh tools/nightly.sh

.PHONY: vuln
vuln: need-go ## look for known vulnerabilities, where govulncheck and its database can be had
	@GO='$(GO)' sh tools/vuln.sh

.PHONY: bench
bench: build ## measure bin/scimsync against local servers: USERS (1000), LATENCY (20ms), RATE (0), RUNS (5), BENCHFLAGS
	@$(GO) build -buildvcs=false -o bin/scimsync-bench ./cmd/scimsync-bench
	@bin/scimsync-bench -bin bin/scimsync -users '$(USERS)' -latency '$(LATENCY)' -rate '$(RATE)' -runs '$(RUNS)' $(BENCHFLAGS)

.PHONY: growth
growth: USERS = 10000,100000
growth: build ## measure what an object costs bin/scimsync at growing sizes: USERS (10000,100000), BENCHFLAGS
	@$(GO) build -buildvcs=false -o bin/scimsync-bench ./cmd/scimsync-bench
	@bin/scimsync-bench growth -bin bin/scimsync -users '$(USERS)' $(BENCHFLAGS)

.PHONY: microbench
microbench: need-go ## run the benchmarks of the packages, COUNT (1) times
	$(GO) test -buildvcs=false -run '^$$' -bench . -benchmem -count $(COUNT) -timeout 40m \
		$$(grep -rl --include='*_test.go' '^func Benchmark' . | sed 's|/[^/]*$$||' | sort -u)

.PHONY: soak
soak: build ## let the daemon follow a changing sandbox for SOAKTIME (1h), and judge it; SOAKFLAGS: see docs/testing.md
	@$(GO) build -buildvcs=false -o bin/scimsync-soak ./cmd/scimsync-soak
	@bin/scimsync-soak -binary bin/scimsync -time '$(SOAKTIME)' $(SOAKFLAGS)

.PHONY: golden
golden: need-go ## write the golden files anew; review the difference like code
	UPDATE_GOLDEN=1 $(GO) test -buildvcs=false -timeout 10m \
		$$(grep -rl --include='*_test.go' 'UPDATE_GOLDEN' . | sed 's|/[^/]*$$||' | sort -u)
	@git --no-pager diff --stat

.PHONY: fmt
fmt: $(LINTER) ## format the Go files
	$(LINTER) fmt ./...

.PHONY: lint
lint: $(LINTER) ## run the linters of .golangci.yml, vet among them
	$(LINTER) run --timeout 20m ./...

.PHONY: verify
verify: build ## generated and tabled things agree with the code
	@sh tools/verify.sh bin/scimsync

.PHONY: check
check: lint verify test ## what a pull request has to pass

# The linter is a module of its own (tools/go.mod), so that its dependencies are
# never ours. Built once, and again when its version changes.
$(LINTER): tools/go.mod tools/go.sum | need-go
	@echo "Building golangci-lint as pinned in tools/go.mod: allow some minutes."
	@$(GO) -C tools build -buildvcs=false -o bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint

.PHONY: need-go
need-go:
	@command -v $(GO) >/dev/null 2>&1 || { echo "make: Go is not installed: get Go 1.26 or later from https://go.dev/dl/" >&2; exit 1; }
