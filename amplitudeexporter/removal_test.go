// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.uber.org/zap"

	"github.com/impression-collector/impression-bridge/amplitudeexporter/internal/storagefile"
)

// TestARemovalIsNoticedWithoutEvents: nothing that comes would notice it during a quiet outage.
func TestARemovalIsNoticedWithoutEvents(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	watch, err := storagefile.Folder{}.Watch(path)
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		var r removal
		host := &fileHost{}
		r.start(watch, host, zap.NewNop())
		defer r.stop()
		time.Sleep(3 * removalPeriod)
		synctest.Wait()
		assert.Empty(t, host.reported())
		require.NoError(t, os.Remove(path))
		time.Sleep(2 * removalPeriod)
		synctest.Wait()
		assert.Equal(t, []componentstatus.Status{componentstatus.StatusPermanentError}, host.reported())
	})
}

func TestAStorageWithoutAFileIsNotWatched(t *testing.T) {
	var r removal
	r.start(nil, nil, nil)
	require.NoError(t, r.check())
	r.stop()
}
