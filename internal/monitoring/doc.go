// SPDX-License-Identifier: Apache-2.0

// Package monitoring contains only tests. They check the rules in deploy, and the runbook.
package monitoring // import "github.com/impression-collector/impression-bridge/internal/monitoring"
