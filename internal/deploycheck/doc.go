// SPDX-License-Identifier: Apache-2.0

// Package deploycheck tests the manifests in deploy/kubernetes. It is a module of its own, so that nobody who builds our
// components in gets the dependencies of Kubernetes.
package deploycheck // import "github.com/impression-collector/impression-bridge/internal/deploycheck"
