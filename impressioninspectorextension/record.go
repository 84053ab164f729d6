// SPDX-License-Identifier: Apache-2.0

package impressioninspectorextension // import "github.com/impression-collector/impression-bridge/impressioninspectorextension"

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/inspection"
)

// recordView is a log record as JSON.
type recordView struct {
	EventName  string         `json:"event_name,omitempty"`
	Time       string         `json:"time,omitempty"`
	Attributes map[string]any `json:"attributes,omitempty"`
	Body       any            `json:"body,omitempty"`
}

// maxRecord is the size of the largest record that is kept.
const maxRecord = 64 << 10

// encoded returns a record as bytes, or nil for the zero record and for one that is too large.
func encoded(record plog.LogRecord) []byte {
	if record == (plog.LogRecord{}) {
		return nil
	}
	logs := plog.NewLogs()
	record.CopyTo(logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty())
	marshaler := &plog.ProtoMarshaler{}
	if marshaler.LogsSize(logs) > maxRecord {
		return nil
	}
	// It never fails.
	bytes, _ := marshaler.MarshalLogs(logs)
	return bytes
}

// viewer turns values into JSON. Its zero value shows all of them.
type viewer struct {
	// hide replaces the values of text, or is nil.
	hide func(key, text string, depth int) string
}

// record returns the view of a record, or nil for the zero record.
func (v viewer) record(record plog.LogRecord) *recordView {
	if record == (plog.LogRecord{}) {
		return nil
	}
	view := &recordView{EventName: record.EventName()}
	if at := record.Timestamp(); at != 0 {
		view.Time = at.AsTime().Format(time.RFC3339Nano)
	}
	if record.Attributes().Len() > 0 {
		view.Attributes = v.mapOf(record.Attributes(), 0)
	}
	if record.Body().Type() == pcommon.ValueTypeMap {
		view.Body = v.mapOf(record.Body().Map(), 0)
	} else {
		view.Body = v.value("", record.Body(), 0)
	}
	return view
}

// encoded returns the view of an encoded record, or nil if there is none.
func (v viewer) encoded(record []byte) *recordView {
	logs, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(record)
	if err != nil || logs.LogRecordCount() == 0 {
		return nil
	}
	return v.record(logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0))
}

func (v viewer) mapOf(m pcommon.Map, depth int) map[string]any {
	view := make(map[string]any, m.Len())
	for key, value := range m.All() {
		view[key] = v.value(key, value, depth)
	}
	return view
}

func (v viewer) value(key string, of pcommon.Value, depth int) any {
	switch of.Type() {
	case pcommon.ValueTypeEmpty:
		return nil
	case pcommon.ValueTypeMap:
		return v.mapOf(of.Map(), depth+1)
	case pcommon.ValueTypeSlice:
		list := make([]any, 0, of.Slice().Len())
		for _, element := range of.Slice().All() {
			list = append(list, v.value(key, element, depth+1))
		}
		return list
	}
	if v.hide != nil {
		return v.hide(key, of.AsString(), depth)
	}
	switch of.Type() {
	case pcommon.ValueTypeBool:
		return of.Bool()
	case pcommon.ValueTypeInt:
		return of.Int()
	case pcommon.ValueTypeDouble:
		if number := of.Double(); !math.IsNaN(number) && !math.IsInf(number, 0) {
			return number
		}
		// JSON doesn't have it.
		return fmt.Sprint(of.Double())
	case pcommon.ValueTypeBytes:
		return base64.StdEncoding.EncodeToString(of.Bytes().AsRaw())
	default:
		return of.Str()
	}
}

// hidden is shown in place of a value.
const hidden = "•••"

var (
	// shownKeys are the keys of an experiment's values, wherever they are.
	shownKeys = []string{
		"flag_key", "variant", "experiment_key", "flagKey", "experimentKey", "flagType", "flagVersion", "deliveryMethod", "default",
		"segmentName",
	}
	// shownRootKeys are the keys of an event's name.
	shownRootKeys = []string{"event", "event_type", "event.name", "event_name", "type", "tealium_event", "se_action"}
)

// hiding returns a viewer that shows only the values of an experiment, and hashes of these ids.
func (h *hasher) hiding(userID, deviceID string) viewer {
	return viewer{hide: func(key, text string, depth int) string {
		switch {
		case text != "" && (text == userID || text == deviceID):
			return h.short(text)
		case slices.Contains(shownKeys, key) || strings.HasPrefix(key, "[Experiment] ") || depth == 0 && slices.Contains(shownRootKeys, key):
			return limit(text)
		default:
			return hidden
		}
	}}
}

// fieldView is where a field of an event was found.
type fieldView struct {
	Field string `json:"field"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// typePath returns where the event type was found, or "" if it was made of several values.
func typePath(e *inspection.Event) string {
	for _, o := range e.Origins {
		if o.Field == event.Type {
			return o.Path
		}
	}
	return ""
}

// fieldsOf returns where the fields of an event were found, without the type.
func fieldsOf(e *inspection.Event) []fieldView {
	var fields []fieldView
	for _, o := range e.Origins {
		if o.Field != event.Type {
			fields = append(fields, fieldView{o.Field.Key(), o.Path, o.Value})
		}
	}
	return fields
}
