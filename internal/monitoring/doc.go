// SPDX-License-Identifier: Apache-2.0

// Package monitoring contains only tests. They check the rules and the dashboard in deploy, and the runbook. TestSoak/alerts
// runs them in Prometheus.
package monitoring // import "github.com/impression-collector/impression-bridge/internal/monitoring"
