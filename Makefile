# `make help` lists the targets.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
# -modfile is an error if a parent folder has a go.work.
export GOWORK := off

# Tools are built on first use and kept in Go's build cache. Nothing is installed.
TOOL := go tool -modfile=$(CURDIR)/internal/tools/go.mod
# The modules with our code: the root, and those whose dependencies the root must not have. The others only pin tools.
MODULES := . $(patsubst %/go.mod,%,$(filter-out internal/tools/go.mod internal/releasetools/go.mod,$(wildcard internal/*/go.mod)))

# The one source of the version is the tag of the commit. A commit without a tag has the version of the manifest.
DEV_VERSION := $(shell awk '$$1 == "version:" { print $$2 }' builder-config.yaml)
TAG := $(shell git describe --tags --exact-match --match 'v[0-9]*' 2>/dev/null)
override VERSION := $(patsubst v%,%,$(or $(VERSION),$(TAG),$(DEV_VERSION)))

# Without VCS stamps, a commit doesn't relink the collector. -mod=mod picks up new imports in our code.
BUILD := -mod=mod -trimpath -buildvcs=false -ldflags='-s -w'

FUZZTIME ?= 20s
# Percentage of statements, without generated code and the packages that only tests import.
COVER_MIN := 90
COVER_SKIP := /generated_|/internal/[a-z]*test/

.PHONY: run
run: collector ## Run the collector on testdata/demo and show each event before and after
	@go run ./internal/demo

.PHONY: run-bridge
run-bridge: collector ## Send the same events to a fake Amplitude and show what it knows about each user
	@go run ./internal/demo -bridge

.PHONY: collector
collector: _build/go.mod ## Build _build/otelcol-impression (takes minutes the first time, then seconds)
	@echo 'building _build/otelcol-impression'
	@CGO_ENABLED=0 go build -C _build $(BUILD) -o otelcol-impression .

.PHONY: collector-ottl
collector-ottl: _build/ottl/go.mod
	@echo 'building _build/otelcol-impression-ottl'
	@CGO_ENABLED=0 go build -C _build/ottl $(BUILD) -o ../otelcol-impression-ottl .

# The generated sources depend only on the manifest, the version and our dependencies. `go build` notices every other change.
_build/go.mod: builder-config.yaml go.mod internal/tools/go.mod _build/version
_build/ottl/go.mod: testdata/builder-ottl.yaml go.mod internal/tools/go.mod
# ocb also reads the version, like every key of a manifest, from the environment.
_build/go.mod _build/ottl/go.mod:
	@mkdir -p $(@D)
	@echo 'generating $(@D) from $<'
	@env dist.version=$(VERSION) $(TOOL) builder --config $< --skip-compilation 2>$(@D)/ocb.log || { cat $(@D)/ocb.log >&2; exit 1; }

# Written only if the version is another, so that the same version doesn't generate the sources again.
.PHONY: FORCE
_build/version: FORCE
	@mkdir -p $(@D)
	@[ "$$(cat $@ 2>/dev/null)" = '$(VERSION)' ] || echo '$(VERSION)' >$@

# Go's test cache doesn't notice changes of files outside of a module, so the other modules' tests always run.
.PHONY: test
test: collector collector-ottl ## Run all tests with the race detector; fail if coverage is too low
	@for module in $(MODULES); do \
		[ $$module = . ] && flags='$(COVER)' || flags=-count=1; \
		go test -C $$module $(RACE) -shuffle=on $$flags ./...; \
	done
	@grep -vE '$(COVER_SKIP)' _build/coverage.all >_build/coverage.out
	@go tool cover -func=_build/coverage.out | awk -v min=$(COVER_MIN) ' \
		$$1 != "total:" { if ($$NF + 0 < min) low = low $$0 "\n"; next } \
		{ print "coverage: " $$NF " of statements, minimum " min "%"; if ($$NF + 0 < min) { printf "%s", low; exit 1 } }'

# A statement counts as covered if any package's tests run it.
test: COVER = -covermode=atomic -coverprofile=_build/coverage.all -coverpkg=./impressionprocessor/...,./amplitudeexporter/...,./cdpwebhookreceiver/...,./impressioninspectorextension/...,./internal/...
# The race detector needs a C compiler. Go disables cgo if there is none.
test: RACE = $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

.PHONY: soak
soak: collector ## Run the soak tests for about an hour: kills, errors, outages; ARGS='-run TestSoak/kill' runs one scenario
	@go test ./internal/soak -count=1 -v -timeout=0 $(ARGS) -soak.long

.PHONY: bench
bench: ## Compare with OTTL, Amplitude's client, JSON libraries and a bare HTTP handler; fail if a limit is exceeded
	@go run -C internal/bench .

.PHONY: deploy-check
deploy-check: collector ## Build the manifests in deploy/kubernetes, decode them strictly, validate their configurations, and run one
	@go test -C internal/deploycheck -count=1 .

.PHONY: sdks
sdks: collector _build/sdks/node_modules ## Run the CDPs' real SDKs against the collector and record what they send; needs npm and Chromium
	@cp -R internal/sdks/js/. _build/sdks
	@go run -C internal/sdks . $(ARGS)

_build/sdks/node_modules: internal/sdks/js/package-lock.json
	@mkdir -p $(@D)
	@cp -R internal/sdks/js/. $(@D)
	@npm ci --prefix $(@D)
	@touch $@

# The files of a release, and the builds that they are packed from.
DIST := _build/dist
BUILT := _build/built
# The platforms of the archives, and of the packages and the image.
PLATFORMS ?= linux/amd64 linux/arm64 darwin/arm64 windows/amd64
LINUX = $(filter linux/%,$(PLATFORMS))
CHECKSUMS = @cd $(DIST) && find . -type f ! -name SHA256SUMS -printf '%P\n' | LC_ALL=C sort | xargs sha256sum >SHA256SUMS

# One build for all targets of a call, without files that an earlier call left.
.PHONY: built
built:
	@rm -rf $(DIST) $(BUILT)
	@deploy/build.sh $(VERSION) $(BUILT) $(PLATFORMS)

.PHONY: dist
dist: built ## Build archives of the committed files for all PLATFORMS in _build/dist, with SBOMs and SHA256SUMS
	@deploy/archive.sh $(VERSION) $(BUILT) $(DIST)
	$(CHECKSUMS)

.PHONY: package
package: built ## Build deb and rpm packages of the committed files in _build/dist
	@deploy/package.sh $(VERSION) $(BUILT) $(DIST) $(LINUX)
	$(CHECKSUMS)

.PHONY: image
image: built ## Build an OCI archive with the image of the committed files in _build/dist; needs buildah, which it installs as root on Debian
	@deploy/image.sh $(VERSION) $(BUILT) $(DIST) $(LINUX)
	$(CHECKSUMS)

.PHONY: release-check
release-check: dist package image ## Build the files of a release twice, compare them, and run the packages and the image; needs root on Debian
	@deploy/check/contents.sh $(VERSION) $(DIST)
	@deploy/check/reproducible.sh $(VERSION) $(DIST)
	@deploy/check/packages.sh $(VERSION) $(BUILT) $(DIST)
	@deploy/check/image.sh $(VERSION) $(DIST)
	@deploy/check/own-collector.sh

.PHONY: own-collector
own-collector: ## Build the README's example of your own collector with each collector version that it names
	@deploy/check/own-collector.sh

.PHONY: fake-amplitude
fake-amplitude: ## Serve a fake Amplitude on loopback; Ctrl-C prints what it knows about each user
	@mkdir -p _build
	@go build -o _build/fake-amplitude ./internal/fakeamplitude
	@exec _build/fake-amplitude $(ARGS)

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (default 20s)
	@go test -list '^Fuzz' ./... | awk '/^Fuzz/ { names[++n] = $$1 } $$1 == "ok" { for (i = 1; i <= n; i++) print $$2, names[i]; n = 0 }' | \
	while read -r package name; do \
		echo "$$name in $$package"; \
		go test -run='^$$' -fuzz="^$$name\$$" -fuzztime=$(FUZZTIME) -fuzzminimizetime=10x "$$package" </dev/null; \
	done

.PHONY: generate
generate: ## Regenerate code and documentation from metadata.yaml with mdatagen
	@go generate ./...

.PHONY: lint
lint: ## Check formatting, lint and dead code without changing anything
	@for module in $(MODULES); do \
		cd $(CURDIR)/$$module; \
		$(TOOL) golangci-lint fmt --diff; \
		$(TOOL) golangci-lint run; \
		dead=$$($(TOOL) deadcode -test ./...); \
		[ -z "$$dead" ] || { echo "$$dead"; exit 1; }; \
	done

.PHONY: workflows-check
workflows-check: ## Check the GitHub workflows with actionlint, and that each action is pinned by a commit hash
	@go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
	@! grep -rnE 'uses: [^ ]+' .github/workflows | grep -vE 'uses: [^ @]+@[0-9a-f]{40} # v[0-9.]+$$' || \
		{ echo 'pin these actions by a commit hash, with the version as a comment'; exit 1; }

.PHONY: fmt
fmt: ## Format all Go code
	@for module in $(MODULES); do cd $(CURDIR)/$$module; $(TOOL) golangci-lint fmt; done

.PHONY: clean
clean: ## Remove _build; Go's build cache stays
	@rm -rf _build

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
