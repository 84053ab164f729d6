// SPDX-License-Identifier: Apache-2.0

package storagefile // import "github.com/impression-collector/impression-bridge/amplitudeexporter/internal/storagefile"

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
)

// Folder is where a file_storage has its files.
type Folder struct {
	path string
	// replaces reports whether the storage replaces files while they are in use.
	replaces bool
}

// FolderOf returns the folder of a storage, false if it is no file_storage. The extension doesn't give its settings to others, so
// this reads its fields.
func FolderOf(extension storage.Extension) (Folder, bool) {
	path, _ := field(extension, "cfg", "Directory").(string)
	replaces, _ := field(extension, "cfg", "Compaction", "OnRebound").(bool)
	return Folder{path: path, replaces: replaces}, path != ""
}

// field returns the text or boolean at the end of a chain of struct fields, nil if there is none.
func field(of any, names ...string) any {
	value := reflect.ValueOf(of)
	for _, name := range names {
		value = reflect.Indirect(value)
		if value.Kind() != reflect.Struct {
			return nil
		}
		value = value.FieldByName(name)
	}
	switch value.Kind() {
	case reflect.String:
		return value.String()
	case reflect.Bool:
		return value.Bool()
	default:
		return nil
	}
}

// File returns the path of an exporter's file.
func (f Folder) File(exporter component.ID, name string) string {
	return filepath.Join(f.path, sanitize(fmt.Sprintf("exporter_%s_%s_%s", exporter.Type(), exporter.Name(), name)))
}

// sanitize replaces the characters that file_storage replaces.
func sanitize(name string) string {
	var safe strings.Builder
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune(".-_", r):
			safe.WriteRune(r)
		default:
			fmt.Fprintf(&safe, "~%04X", r)
		}
	}
	return safe.String()
}

// Orphans returns the files with one of these names that belong to exporters of a type but to none of these.
func (f Folder) Orphans(of component.Type, exporters []component.ID, names ...string) []string {
	var known, orphans []string
	for _, id := range exporters {
		for _, name := range names {
			known = append(known, f.File(id, name))
		}
	}
	for _, name := range names {
		found, _ := filepath.Glob(filepath.Join(f.path, "exporter_"+of.String()+"_*_"+name))
		for _, path := range found {
			if !slices.Contains(known, path) {
				orphans = append(orphans, path)
			}
		}
	}
	return orphans
}

// Watch watches a file that a storage has open.
type Watch struct {
	path     string
	opened   os.FileInfo
	replaces bool
}

// Watch returns a watch of a file that the storage has just opened.
func (f Folder) Watch(path string) (*Watch, error) {
	opened, err := os.Stat(path)
	return &Watch{path: path, opened: opened, replaces: f.replaces}, err
}

// Check returns an error if the file isn't where it was. What is written to it then is lost when it is closed.
func (w *Watch) Check() error {
	now, err := os.Stat(w.path)
	switch {
	case err != nil && os.IsNotExist(err):
		return fmt.Errorf("%s was removed while it was in use", w.path)
	case err == nil && !w.replaces && !os.SameFile(now, w.opened):
		return fmt.Errorf("%s was replaced by another file while it was in use", w.path)
	default:
		return nil
	}
}
