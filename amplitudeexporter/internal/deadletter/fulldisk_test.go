// SPDX-License-Identifier: Apache-2.0

//go:build unix

package deadletter

import (
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAFullDisk limits the size of files, so that the system writes part of a line.
func TestAFullDisk(t *testing.T) {
	path := newPath(t)
	f := open(t, path)
	assert.Equal(t, Result{Written: 1}, appendEvents(f, "a"))

	// Otherwise, the signal would end the process.
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 200, Max: before.Max}))
	f.Append(&Letter{Reason: "fits", Event: []byte(`{}`)})
	f.Append(&Letter{Reason: "torn", Event: []byte(`"` + strings.Repeat("x", 500) + `"`)})
	result := f.Flush()
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before))
	require.ErrorIs(t, result.Err, syscall.EFBIG)
	assert.Equal(t, 1, result.Written)
	assert.Equal(t, 1, result.Failed)

	assert.Equal(t, Result{Written: 1}, appendEvents(f, "b"))
	assert.Equal(t, []string{"a", "fits", "?", "b"}, reasonsIn(t, path))
}
