// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/exporter/exportertest"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impressionprocessor/amplitudeexporter/internal/metadata"
	"github.com/impression-collector/impressionprocessor/internal/amplitude"
	"github.com/impression-collector/impressionprocessor/internal/amplitudetest"
)

func TestDeliversEventsAndUpdates(t *testing.T) {
	server := amplitudetest.Start(t)
	config := createDefaultConfig().(*Config)
	config.APIKey = "key"
	config.ClientConfig.Endpoint = server.URL(amplitude.HTTPV2)
	require.NoError(t, config.Validate())
	e, err := NewFactory().CreateLogs(t.Context(), exportertest.NewNopSettings(metadata.Type), config)
	require.NoError(t, err)
	require.NoError(t, e.Start(t.Context(), componenttest.NewNopHost()))

	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	records.AppendEmpty().Body().SetStr(`{"type":"track","event":"$impression","userId":"user-17","messageId":"m-1","properties":{"flag_key":"checkout","variant":"on"}}`)
	require.NoError(t, e.ConsumeLogs(t.Context(), logs))
	require.NoError(t, e.Shutdown(t.Context()))
	require.NoError(t, server.WriteKnown(os.Stderr))
}
