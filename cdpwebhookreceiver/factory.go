// SPDX-License-Identifier: Apache-2.0

package cdpwebhookreceiver // import "github.com/impression-collector/impression-bridge/cdpwebhookreceiver"

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"

	"github.com/impression-collector/impression-bridge/cdpwebhookreceiver/internal/metadata"
)

// NewFactory returns the factory of the cdp_webhook receiver for logs.
func NewFactory() receiver.Factory {
	return receiver.NewFactory(
		metadata.Type,
		createDefaultConfig,
		receiver.WithLogs(createLogs, metadata.LogsStability),
	)
}

func createLogs(_ context.Context, set receiver.Settings, cfg component.Config, next consumer.Logs) (receiver.Logs, error) {
	return newReceiver(set, cfg.(*Config), next)
}
