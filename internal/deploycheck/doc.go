// SPDX-License-Identifier: Apache-2.0

// Package deploycheck tests the manifests in deploy/kubernetes. It is a separate module, so that collectors with our components
// don't get the dependencies of Kubernetes.
package deploycheck // import "github.com/impression-collector/impression-bridge/internal/deploycheck"
