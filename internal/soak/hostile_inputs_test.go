// SPDX-License-Identifier: Apache-2.0

package soak

import (
	"fmt"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// hostileInput is an input that could make a collector use much more memory than its own size.
type hostileInput struct {
	name string
	// texts returns lines of JSON of about size bytes in total. Each is one record, with the text or its value as the body.
	texts func(size int) []string
	// logs returns records of about size bytes, if they aren't JSON.
	logs func(size int) plog.Logs
	// isInline sets emit: inline.
	isInline bool
}

// These are impressions in the layout of Segment. The first ends within its properties.
const (
	impressionStart = `{"type":"track","event":"$impression","userId":"hostile","properties":{"flag_key":"f","variant":"v"`
	oneImpression   = impressionStart + `}}`
)

// repeatedTo repeats a text, followed by a comma, up to about size bytes.
func repeatedTo(size int, text string) string {
	return strings.Repeat(text+",", max(1, size/(len(text)+1)))
}

// numberedTo repeats a format with a number, followed by a comma, up to about size bytes and limit times.
func numberedTo(size, limit int, format string) string {
	var b strings.Builder
	for i := 0; b.Len() < size && i < limit; i++ {
		fmt.Fprintf(&b, format+",", i)
	}
	return b.String()
}

// manyValues is a little less than the default of max_values.
const manyValues = 90_000

// hostileInputs doesn't have what takes much memory before it reaches a processor: in 3 MB of OTLP, 160,000 maps within maps make the
// receiver's stack grow by 250 MiB.
var hostileInputs = []hostileInput{
	{name: "list of empty maps", texts: func(size int) []string {
		return []string{"[" + repeatedTo(size, "{}") + oneImpression + "]"}
	}},
	{name: "large field beside empty maps", texts: func(size int) []string {
		return []string{`{"x":"` + strings.Repeat("x", size/2) + `","batch":[` + repeatedTo(min(size/2, 3*manyValues), "{}") + oneImpression + "]}"}
	}},
	{name: "large field beside 15 impressions", texts: func(size int) []string {
		return []string{`{"x":"` + strings.Repeat("x", size-20*len(oneImpression)) + `","batch":[` + repeatedTo(14*len(oneImpression), oneImpression) + oneImpression + "]}"}
	}},
	{name: "large properties beside 15 impressions", texts: func(size int) []string {
		each := min(size, 800_000)
		var parts []string
		for range size / each {
			parts = append(parts, `{"properties":{"flag_key":"f",`+numberedTo(each, manyValues, `"p%d":"`+strings.Repeat("y", 900)+`"`)+
				`"z":1},"batch":[`+numberedTo(1e6, 15, `{"type":"track","event":"$impression","userId":"hostile%d"}`)+`{}]}`)
		}
		return []string{"[" + strings.Join(parts, ",") + "]"}
	}},
	{name: "many small envelopes", texts: func(size int) []string {
		one := `{"x":"` + strings.Repeat("x", 600) + `","batch":[` + repeatedTo(400, "{}") + oneImpression + "]}"
		lines := make([]string, 0, size/len(one)+1)
		for sent := 0; sent < size; sent += len(one) {
			lines = append(lines, one)
		}
		return lines
	}},
	{name: "many small envelopes of impressions", texts: func(size int) []string {
		one := `{"properties":{"flag_key":"` + strings.Repeat("f", 700) + `"},"batch":[` +
			repeatedTo(500, `{"type":"track","event":"$impression","userId":"hostile"}`) + "{}]}"
		lines := make([]string, 0, size/len(one)+1)
		for sent := 0; sent < size; sent += len(one) {
			lines = append(lines, one)
		}
		return lines
	}},
	{name: "property of empty maps", texts: func(size int) []string {
		return []string{impressionStart + `,"x":[` + repeatedTo(size, "{}") + `{}]}}`}
	}},
	{name: "many keys", texts: func(size int) []string {
		return []string{impressionStart + `,` + numberedTo(size, 1<<30, `"%x":1`) + `"z":1}}`}
	}},
	{name: "repeated key", texts: func(size int) []string {
		return []string{impressionStart + `,` + repeatedTo(size, `"k":1`) + `"z":1}}`}
	}},
	{name: "maps within maps", texts: func(size int) []string {
		return []string{impressionStart + `,"x":` + strings.Repeat(`{"a":`, size/6) + "1" + strings.Repeat("}", size/6) + `}}`}
	}},
	{name: "many lists as deep as allowed", texts: func(size int) []string {
		return []string{impressionStart + `,"x":[` + repeatedTo(size, strings.Repeat("[", 36)+strings.Repeat("]", 36)) + `1]}}`}
	}},
	{name: "large user_properties beside impressions", isInline: true, texts: func(size int) []string {
		return []string{`{"user_properties":{` + numberedTo(size/15, manyValues/4, `"p%d":1`) + `"z":1},"batch":[` +
			repeatedTo(min(size, 16*len(oneImpression)), oneImpression) + "{}]}"}
	}},
	{name: "large user_properties in one impression", isInline: true, texts: func(size int) []string {
		return []string{`{"type":"track","event":"$impression","userId":"hostile","user_properties":{` + numberedTo(size, 1<<30, `"p%d":1`) +
			`"z":1},"properties":{"flag_key":"f"}}`}
	}},
	{name: "updates of many experiments in one event", texts: func(size int) []string {
		return []string{`{"event_type":"$identify","user_id":"hostile","time":1790000000000,"user_properties":{"$set":{` + numberedTo(size, 1<<30, `"[Experiment] %d":1`) +
			`"z":1}},"x":"$impression"}`}
	}},
	{name: "metadata of escaped texts in texts", texts: func(size int) []string {
		return []string{impressionStart + `,"metadata":"{\"x\":\"` + strings.Repeat(`\\\\\\\"`, size/8) + `\"}"}}`}
	}},
	{name: "metadata that is a text in each of many impressions", texts: func(size int) []string {
		return []string{"[" + repeatedTo(size, impressionStart+`,"metadata":"{\"x\":[`+repeatedTo(5000, "{}")+`{}]}"}}`) + oneImpression + "]"}
	}},
	{name: "an experiment for each line", texts: func(size int) []string {
		return strings.Split(numberedTo(size, 1<<30, `{"type":"track","event":"$impression","userId":"hostile","properties":{"flag_key":"f%d","variant":"v"}}`+"\n"), "\n,")
	}},
	{name: "large flag_key and variant", texts: func(size int) []string {
		return []string{`{"type":"track","event":"$impression","userId":"hostile","properties":{"flag_key":"` + strings.Repeat("f", size/2) + `","variant":"` + strings.Repeat("v", size/2) + `"}}`}
	}},
	{name: "unpaired surrogates", texts: func(size int) []string {
		return []string{impressionStart + `,"x":[` + repeatedTo(size, `"`+strings.Repeat(`\ud83dx`, 1024)+`"`) + `1],"y":"` + strings.Repeat(`\ud83dx`, size/16) + `"}}`}
	}},
	{name: "numbers with many digits", texts: func(size int) []string {
		return []string{impressionStart + `,"a":` + strings.Repeat("9", size/4) + `,"b":1.` + strings.Repeat("9", size/4) + `,"c":1e` + strings.Repeat("9", size/4) + `,"x":[` + repeatedTo(size/4, "1e-400") + `1]}}`}
	}},
	{name: "numbers", texts: func(size int) []string {
		return []string{impressionStart + `,"x":[` + repeatedTo(size, "1") + `1]}}`}
	}},
	{name: "envelopes within envelopes", texts: func(size int) []string {
		inner := `{"b":"` + strings.Repeat("b", 1000) + `","batch":[{"c":"` + strings.Repeat("c", 1000) + `","batch":[` + repeatedTo(1500, "{}") + oneImpression + `]}]}`
		return []string{`{"a":"` + strings.Repeat("a", 1000) + `","batch":[` + repeatedTo(size, inner) + oneImpression + `]}`}
	}},
	{name: "attributes beside a list", logs: func(size int) plog.Logs {
		logs, record := oneRecord()
		record.Attributes().PutStr("x", strings.Repeat("x", size/2))
		list := record.Body().SetEmptySlice()
		for range size / 8 {
			list.AppendEmpty().SetEmptyMap()
		}
		writeImpression(list.AppendEmpty().SetEmptyMap(), "f")
		return logs
	}},
	{name: "ids of the resource as long as allowed", logs: func(size int) plog.Logs {
		logs := plog.NewLogs()
		resource := logs.ResourceLogs().AppendEmpty()
		resource.Resource().Attributes().PutStr("user.id", strings.Repeat("u", 1024))
		resource.Resource().Attributes().PutStr("device.id", strings.Repeat("d", 1024))
		writeShortImpressions(resource.ScopeLogs().AppendEmpty().LogRecords(), size/32)
		return logs
	}},
	{name: "fields of the resource beside events", logs: func(size int) plog.Logs {
		logs := plog.NewLogs()
		resource := logs.ResourceLogs().AppendEmpty()
		for _, key := range []string{"user.id", "device.id", "client.address", "service.version", "os.name", "browser.language", "user_agent.original"} {
			resource.Resource().Attributes().PutStr(key, strings.Repeat("\x01", 1024))
		}
		records := resource.ScopeLogs().AppendEmpty().LogRecords()
		// Each becomes an event of 40 kB.
		for range size / 1024 {
			records.AppendEmpty().SetEventName("a")
		}
		return logs
	}},
	{name: "short impressions", logs: func(size int) plog.Logs {
		logs := plog.NewLogs()
		resource := logs.ResourceLogs().AppendEmpty()
		resource.Resource().Attributes().PutStr("user.id", "hostile")
		writeShortImpressions(resource.ScopeLogs().AppendEmpty().LogRecords(), size/32)
		return logs
	}},
	{name: "control characters in a body", logs: func(size int) plog.Logs {
		logs, record := oneRecord()
		list := record.Body().SetEmptySlice()
		for range size / 1200 {
			m := list.AppendEmpty().SetEmptyMap()
			writeImpression(m, "f")
			m.PutEmptyMap("properties").PutStr("x", strings.Repeat("\x01", 1024))
		}
		return logs
	}},
}

func oneRecord() (plog.Logs, plog.LogRecord) {
	logs := plog.NewLogs()
	return logs, logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
}

func writeImpression(event pcommon.Map, flag string) {
	event.PutStr("type", "track")
	event.PutStr("event", "$impression")
	event.PutStr("userId", "hostile")
	event.PutEmptyMap("properties").PutStr("flag_key", flag)
}

func writeShortImpressions(records plog.LogRecordSlice, n int) {
	for range n {
		record := records.AppendEmpty()
		record.SetEventName("$impression")
		record.Attributes().PutStr("flag_key", "f")
	}
}
