// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"fmt"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
)

// volumeScenario measures how much of a volume the queue needs.
func volumeScenario(t *testing.T, size size) {
	t.Helper()
	for _, perRequest := range []int{1, 10, 100} {
		server := startAmplitude(t)
		server.AnswerAll(unavailable)
		storage := t.TempDir()
		b := startBridge(t, server, "bridge.yaml", "STORAGE="+storage)
		people := newPeople("queued", 100)
		require.NoError(t, newSender(b).sendInTurn(t.Context(), people, size.records, perRequest, 0))
		require.NoError(t, b.Kill())
		records := 0
		for _, p := range people {
			records += p.sent + p.updates
		}
		used := usedBy(t, storage)
		event := (&plog.ProtoMarshaler{}).LogsSize(batch(people, 0)) / len(people)
		reportf(t, "%d events of %d bytes, and %d updates, queued in requests of %d events: %d KiB on disk, %d bytes a record",
			size.records, event, records-size.records, perRequest, used>>10, used/records)
		// What the README says, and some free pages, which matter only in a small file.
		assert.LessOrEqual(t, used, 2*event*records+512*size.records/perRequest+1<<20)
	}
}

// usedBy returns how many bytes the files in a folder use of their volume.
func usedBy(t *testing.T, folder string) int {
	t.Helper()
	printed, err := exec.CommandContext(t.Context(), "du", "-sk", folder).Output()
	require.NoError(t, err)
	kibibytes := 0
	_, err = fmt.Sscan(string(printed), &kibibytes)
	require.NoError(t, err)
	return kibibytes << 10
}
