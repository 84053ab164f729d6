// SPDX-License-Identifier: Apache-2.0

package deadletter

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func open(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(Settings{Path: path, MaxMegabytes: 1, MaxBackups: 2})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, f.Close()) })
	return f
}

func newPath(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "dead.ndjson")
}

// appendEvents appends letters with these reasons, and returns what became of them.
func appendEvents(f *File, reasons ...string) Result {
	for _, reason := range reasons {
		f.Append(&Letter{Reason: reason, Event: []byte(`{}`)})
	}
	return f.Flush()
}

// reasonsIn returns the reasons of the lines in a file, and "?" for a line that isn't JSON.
func reasonsIn(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var reasons []string
	for line := range bytes.Lines(text) {
		var letter struct{ Reason string }
		if json.Unmarshal(line, &letter) != nil {
			letter.Reason = "?"
		}
		reasons = append(reasons, letter.Reason)
	}
	return reasons
}

func TestLines(t *testing.T) {
	path := newPath(t)
	f, err := Open(Settings{Path: path, MaxMegabytes: 1, MaxBackups: 2, Secret: "0123456789abcdef"})
	require.NoError(t, err)
	at := time.Date(2026, time.November, 24, 10, 30, 0, 123456789, time.FixedZone("", 3600))
	f.Append(&Letter{Time: at, Reason: "invalid_field", Status: 400, Event: []byte(`{"event_type":"a"}`)})
	f.Append(&Letter{Time: at, Reason: "missing_id", Event: []byte(`{"key":"0123456789abcdef"}`)})
	f.Append(&Letter{Time: at, Reason: "json_invalid", Record: []byte("{\"body\":\"0123456789abcdef \xff\"}")})
	assert.Equal(t, Result{Written: 3}, f.Flush())
	assert.Zero(t, f.Flush())
	require.NoError(t, f.Close())
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, []string{
		`{"time":"2026-11-24T09:30:00.123Z","reason":"invalid_field","status":400,"event":{"event_type":"a"}}`,
		`{"time":"2026-11-24T09:30:00.123Z","reason":"missing_id","event":{"key":"[REDACTED]"}}`,
		`{"time":"2026-11-24T09:30:00.123Z","reason":"json_invalid","record":{"body":"[REDACTED] ` + "\uFFFD" + `"}}`,
		"",
	}, strings.Split(string(text), "\n"))
}

// TestRotation: every file is readable by its owner only, also one that was there before, and lines are never divided.
func TestRotation(t *testing.T) {
	path := newPath(t)
	require.NoError(t, os.WriteFile(path, nil, 0o666))
	require.NoError(t, os.Chmod(path, 0o666))
	f, err := Open(Settings{Path: path, MaxMegabytes: 1, MaxBackups: 2})
	require.NoError(t, err)
	event := []byte(`{"a":"` + strings.Repeat("x", 100_000) + `"}`)
	for n := range 60 {
		f.Append(&Letter{Reason: strconv.Itoa(n), Event: event})
	}
	assert.Equal(t, Result{Written: 60}, f.Flush())
	require.NoError(t, f.Close())

	files, err := filepath.Glob(filepath.Join(filepath.Dir(path), "dead*.ndjson"))
	require.NoError(t, err)
	require.Len(t, files, 3, "the file and two backups")
	// The current file has a shorter name, which comes last.
	var reasons []string
	for _, file := range files {
		info, err := os.Stat(file)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode(), file)
		assert.LessOrEqual(t, info.Size(), int64(1<<20))
		reasons = append(reasons, reasonsIn(t, file)...)
	}
	for n := range reasons {
		assert.Equal(t, strconv.Itoa(60-len(reasons)+n), reasons[n], "the newest lines are kept")
	}
}

func TestALineThatIsLargerThanAFileFails(t *testing.T) {
	path := newPath(t)
	f := open(t, path)
	appendEvents(f, "before")
	f.Append(&Letter{Reason: "large", Event: make([]byte, 1<<20)})
	result := appendEvents(f, "after")
	assert.Equal(t, 1, result.Failed)
	assert.Equal(t, 1, result.Written)
	require.ErrorContains(t, result.Err, "exceeds maximum file size")
	assert.Equal(t, []string{"before", "after"}, reasonsIn(t, path))
}

// TestATornLineSpoilsNoOther: a crash or a full disk can leave part of a line.
func TestATornLineSpoilsNoOther(t *testing.T) {
	path := newPath(t)
	require.NoError(t, os.WriteFile(path, []byte(`{"reason":"whole"}`+"\n"+`{"reason":"to`), 0o600))
	f := open(t, path)
	assert.Equal(t, Result{Written: 1}, appendEvents(f, "a"))
	assert.Equal(t, Result{Written: 1}, appendEvents(f, "b"))
	assert.Equal(t, []string{"whole", "?", "a", "b"}, reasonsIn(t, path))
}

func TestLinesGoOnAfterAnotherProcessChangedTheFile(t *testing.T) {
	for name, test := range map[string]struct {
		change func(t *testing.T, path string)
		want   []string
	}{
		"moved": {func(t *testing.T, path string) {
			t.Helper()
			require.NoError(t, os.Rename(path, path+".moved"))
		}, []string{"b"}},
		"removed": {func(t *testing.T, path string) {
			t.Helper()
			require.NoError(t, os.Remove(path))
		}, []string{"b"}},
		"emptied": {func(t *testing.T, path string) {
			t.Helper()
			require.NoError(t, os.Truncate(path, 0))
		}, []string{"b"}},
		"replaced by another of the same size": {func(t *testing.T, path string) {
			t.Helper()
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.Rename(path, path+".moved"))
			require.NoError(t, os.WriteFile(path, bytes.ReplaceAll(text, []byte(`"a"`), []byte(`"c"`)), 0o644))
		}, []string{"c", "b"}},
		"replaced by a torn one": {func(t *testing.T, path string) {
			t.Helper()
			require.NoError(t, os.Remove(path))
			require.NoError(t, os.WriteFile(path, []byte(`{"rea`), 0o644))
		}, []string{"?", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			f := open(t, path)
			// After a rotation, timberjack doesn't append but writes where it stopped.
			f.Append(&Letter{Reason: "large", Event: bytes.Repeat([]byte{' '}, 1<<20-100)})
			assert.Equal(t, Result{Written: 2}, appendEvents(f, "a"))
			require.Equal(t, []string{"a"}, reasonsIn(t, path))
			test.change(t, path)
			assert.Equal(t, Result{Written: 1}, appendEvents(f, "b"))
			assert.Equal(t, test.want, reasonsIn(t, path))
			info, err := os.Stat(path)
			require.NoError(t, err)
			assert.Equal(t, os.FileMode(0o600), info.Mode())
		})
	}
}

// TestFailuresEnd: lines that can't be written are lost, and later ones are written once that is possible again.
func TestFailuresEnd(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "folder")
	require.NoError(t, os.Mkdir(folder, 0o700))
	path := filepath.Join(folder, "dead.ndjson")
	f := open(t, path)
	require.NoError(t, os.RemoveAll(folder))
	for range 2 {
		result := appendEvents(f, "lost", "lost")
		require.ErrorContains(t, result.Err, "no such file or directory")
		assert.Equal(t, 2, result.Failed)
		assert.Zero(t, result.Written)
	}
	require.NoError(t, os.Mkdir(folder, 0o700))
	assert.Equal(t, Result{Written: 1}, appendEvents(f, "a"))
	assert.Equal(t, []string{"a"}, reasonsIn(t, path))
}

func TestOneFileHasOneWriter(t *testing.T) {
	path := newPath(t)
	f, err := Open(Settings{Path: path, MaxMegabytes: 1, MaxBackups: 2})
	require.NoError(t, err)
	_, err = Open(Settings{Path: path, MaxMegabytes: 1, MaxBackups: 2})
	require.ErrorContains(t, err, "is written by another exporter")
	require.NoError(t, f.Close())
	open(t, path)
}

func TestOpenRefusesWhatItCannotRotate(t *testing.T) {
	folder := t.TempDir()
	link := filepath.Join(folder, "link")
	require.NoError(t, os.Symlink(filepath.Join(folder, "target"), link))
	for path, says := range map[string]string{
		filepath.Join(folder, "none", "dead.ndjson"): "no such file or directory",
		folder:      "isn't a regular file",
		link:        "isn't a regular file",
		os.DevNull:  "isn't a regular file",
		"/dev/full": "isn't a regular file",
	} {
		_, err := Open(Settings{Path: path, MaxMegabytes: 1, MaxBackups: 2})
		require.ErrorContains(t, err, says, path)
	}
}
