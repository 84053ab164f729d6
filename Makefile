# `make help` lists the targets.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
# A go.work in a folder above would forbid -modfile.
export GOWORK := off

# Go's build cache keeps what a tool was built to; nothing is installed.
TOOL := go tool -modfile=$(CURDIR)/internal/tools/go.mod
# Folders of the modules that hold our code: this one and what must not be in its dependencies.
MODULES := . $(patsubst %/go.mod,%,$(filter-out internal/tools/go.mod,$(wildcard internal/*/go.mod)))

# Without VCS stamps a commit does not link the collector again; -mod=mod lets it follow a new import of ours.
BUILD := -mod=mod -trimpath -buildvcs=false -ldflags='-s -w'

FUZZTIME ?= 20s
# Percent of statements. Not counted: what mdatagen writes, and packages that only tests import.
COVER_MIN := 90
COVER_SKIP := /generated_|/internal/[a-z]*test/

.PHONY: run
run: collector ## Build the collector, run it on testdata/demo, show what it did
	@go run ./internal/demo

.PHONY: run-bridge
run-bridge: collector ## Send the same to a fake Amplitude, show what it then knows of each user
	@go run ./internal/demo -bridge

.PHONY: collector
collector: _build/go.mod ## Build _build/otelcol-impression (minutes the first time, seconds after)
	@echo 'building _build/otelcol-impression'
	@CGO_ENABLED=0 go build -C _build $(BUILD) -o otelcol-impression .

.PHONY: collector-ottl
collector-ottl: _build/ottl/go.mod
	@echo 'building _build/otelcol-impression-ottl'
	@CGO_ENABLED=0 go build -C _build/ottl $(BUILD) -o ../otelcol-impression-ottl .

# A distribution's sources change with its manifest and our dependencies only; `go build` sees every other change.
_build/go.mod: builder-config.yaml go.mod internal/tools/go.mod
_build/ottl/go.mod: testdata/builder-ottl.yaml go.mod internal/tools/go.mod
_build/go.mod _build/ottl/go.mod:
	@mkdir -p $(@D)
	@echo 'generating $(@D) from $<'
	@$(TOOL) builder --config $< --skip-compilation 2>$(@D)/ocb.log || { cat $(@D)/ocb.log >&2; exit 1; }

.PHONY: test
test: collector collector-ottl ## Run all tests with the race detector; fail where coverage is too low
	@for module in $(MODULES); do \
		[ $$module = . ] && cover='$(COVER)' || cover=; \
		go test -C $$module $(RACE) -shuffle=on $$cover ./...; \
	done
	@grep -vE '$(COVER_SKIP)' _build/coverage.all >_build/coverage.out
	@go tool cover -func=_build/coverage.out | awk -v min=$(COVER_MIN) ' \
		$$1 != "total:" { if ($$NF + 0 < min) low = low $$0 "\n"; next } \
		{ print "coverage: " $$NF " of statements, at least " min "% wanted"; if ($$NF + 0 < min) { printf "%s", low; exit 1 } }'

# Counted over both folders, whichever package's test gets there.
test: COVER = -covermode=atomic -coverprofile=_build/coverage.all -coverpkg=./impressionprocessor/...,./amplitudeexporter/...,./internal/...
# The race detector needs a C compiler; go turns cgo off where there is none.
test: RACE = $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

.PHONY: soak
soak: collector ## Kill, fail and starve the collector for an hour; ARGS='-run TestSoak/kill' for one
	@go test ./internal/soak -count=1 -v -timeout=0 $(ARGS) -soak.long

.PHONY: bench
bench: ## Compare with OTTL, Amplitude's client and JSON libraries, print one table, fail where a bar is missed
	@go run -C internal/bench .

.PHONY: fake-amplitude
fake-amplitude: ## Serve Amplitude's ingestion APIs on loopback; on ^C, tell what it knows of each user
	@mkdir -p _build
	@go build -o _build/fake-amplitude ./internal/fakeamplitude
	@exec _build/fake-amplitude $(ARGS)

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (20s), one after the other
	@go test -list '^Fuzz' ./... | awk '/^Fuzz/ { names[++n] = $$1 } $$1 == "ok" { for (i = 1; i <= n; i++) print $$2, names[i]; n = 0 }' | \
	while read -r package name; do \
		echo "$$name in $$package"; \
		go test -run='^$$' -fuzz="^$$name\$$" -fuzztime=$(FUZZTIME) -fuzzminimizetime=10x "$$package" </dev/null; \
	done

.PHONY: generate
generate: ## Write what mdatagen makes of metadata.yaml
	@go generate ./...

.PHONY: lint
lint: ## Check format, lint and dead code, change nothing
	@for module in $(MODULES); do \
		cd $(CURDIR)/$$module; \
		$(TOOL) golangci-lint fmt --diff; \
		$(TOOL) golangci-lint run; \
		dead=$$($(TOOL) deadcode -test ./...); \
		[ -z "$$dead" ] || { echo "$$dead"; exit 1; }; \
	done

.PHONY: fmt
fmt: ## Format all Go code
	@for module in $(MODULES); do cd $(CURDIR)/$$module; $(TOOL) golangci-lint fmt; done

.PHONY: clean
clean: ## Remove _build; Go's build cache stays
	@rm -rf _build

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
