// SPDX-License-Identifier: Apache-2.0

// Package deadletter keeps what is never delivered as lines of a file that is rotated by size.
package deadletter // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/deadletter"

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/DeRuina/timberjack"
	"github.com/gofrs/flock"
)

// fileMode keeps other users of the machine from reading the file, which contains personal data.
const fileMode = 0o600

// maxBuffer is how many bytes of lines are collected before they are written. It must be less than a megabyte, because
// timberjack refuses to write more at once than a file may have.
const maxBuffer = 512 << 10

// Settings are the settings of a File.
type Settings struct {
	// Path is the file. Its folder must exist. Rotated files are beside it.
	Path string
	// MaxMegabytes is how large the file may become before it is rotated, and MaxBackups is how many rotated files are kept.
	MaxMegabytes, MaxBackups int
	// Secret is never written.
	Secret string
}

// File is a file of letters. It isn't safe for concurrent use.
type File struct {
	settings Settings
	lock     *flock.Flock
	// log writes and rotates the file, which it opens at the first write.
	log *timberjack.Logger
	// last describes the file when it was written last. If it is nil, the file must be opened again.
	last os.FileInfo
	// isTorn reports whether the file ends within a line.
	isTorn bool

	buffer, line []byte
	// buffered is how many lines the buffer has.
	buffered int
	result   Result
}

// Result says what became of lines.
type Result struct {
	// Written is how many lines are synced to the disk. Failed is how many are lost, as far as is known, and Err is the last
	// error.
	Written, Failed int
	Err             error
}

// Open creates the file, or continues it. It returns an error if that isn't possible, or if another File has it open, in this or
// another process.
func Open(set Settings) (*File, error) {
	f := &File{settings: set, lock: flock.New(set.Path+".lock", flock.SetPermissions(fileMode))}
	if err := f.open(); err != nil {
		return nil, err
	}
	locked, err := f.lock.TryLock()
	if err == nil && !locked {
		err = fmt.Errorf("%s is written by another exporter; give each exporter a file of its own", set.Path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// open creates the file unless it exists, and makes the next write append to it.
func (f *File) open() error {
	path := f.settings.Path
	// Rotation would replace a device or a link, not only write to it.
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s isn't a regular file", path)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, fileMode)
	if err != nil {
		return err
	}
	info, isTorn, err := inspect(file)
	if err := errors.Join(err, file.Chmod(fileMode), file.Close()); err != nil {
		return err
	}
	f.last, f.isTorn = info, isTorn
	f.log = &timberjack.Logger{
		Filename: path, MaxSize: f.settings.MaxMegabytes, MaxBackups: f.settings.MaxBackups, FileMode: fileMode, Compression: "none",
	}
	return nil
}

// inspect describes a file, and reports whether it ends within a line.
func inspect(file *os.File) (info os.FileInfo, isTorn bool, err error) {
	if info, err = file.Stat(); err != nil || info.Size() == 0 {
		return info, false, err
	}
	var end [1]byte
	_, err = file.ReadAt(end[:], info.Size()-1)
	return info, end[0] != '\n', err
}

// Append adds a letter. It is written by the next Flush, or earlier.
func (f *File) Append(l *Letter) {
	f.line = l.appendLine(f.line[:0], f.settings.Secret)
	if len(f.buffer)+len(f.line) > maxBuffer {
		f.write()
	}
	f.buffer = append(f.buffer, f.line...)
	f.buffered++
	if cap(f.line) > maxBuffer {
		f.line = nil
	}
}

// Flush writes the letters that aren't written yet, and returns what became of all letters since the last Flush.
func (f *File) Flush() Result {
	f.write()
	result := f.result
	f.result = Result{}
	return result
}

func (f *File) write() {
	if f.buffered == 0 {
		return
	}
	written, err := f.writeAndSync()
	if err != nil {
		f.result.Err = err
	}
	f.result.Written += written
	f.result.Failed += f.buffered - written
	f.buffered = 0
	if f.buffer = f.buffer[:0]; cap(f.buffer) > 2*maxBuffer {
		f.buffer = nil
	}
}

// writeAndSync writes the buffer, and returns how many lines of it are on the disk.
func (f *File) writeAndSync() (lines int, err error) {
	if err := f.follow(); err != nil {
		return 0, err
	}
	if f.isTorn {
		// What was torn must not spoil the next line.
		if _, err := f.log.Write([]byte{'\n'}); err != nil {
			return 0, err
		}
		f.isTorn = false
	}
	n, writeErr := f.log.Write(f.buffer)
	f.isTorn = n > 0 && f.buffer[n-1] != '\n'
	syncErr := f.log.Sync()
	info, statErr := os.Stat(f.settings.Path)
	f.last = info
	if syncErr == nil && statErr == nil {
		lines = bytes.Count(f.buffer[:n], []byte{'\n'})
	}
	return lines, errors.Join(writeErr, syncErr, statErr)
}

// follow opens the file again if somebody has moved, removed, or changed it since the last write.
func (f *File) follow() error {
	info, err := os.Stat(f.settings.Path)
	if err == nil && f.last != nil && os.SameFile(info, f.last) && info.Size() == f.last.Size() {
		return nil
	}
	f.last = nil
	return errors.Join(f.log.Close(), f.open())
}

// Close closes the file, and lets others open it. Letters that aren't flushed are lost.
func (f *File) Close() error {
	return errors.Join(f.log.Close(), f.lock.Close())
}
