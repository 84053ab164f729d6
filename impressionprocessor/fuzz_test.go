// SPDX-License-Identifier: Apache-2.0

package impressionprocessor

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/impression-collector/impression-bridge/impressionprocessor/internal/metadata"
)

// pdataBuilder turns fuzz input into log records: each byte chooses what comes next, so that the fuzzer reaches shapes
// that no protobuf mutation would.
type pdataBuilder struct {
	input []byte
}

func (b *pdataBuilder) next() byte {
	if len(b.input) == 0 {
		return 0
	}
	first := b.input[0]
	b.input = b.input[1:]
	return first
}

// words are the names and values that the layouts look for, and some that break what is careless.
var words = []string{
	"$impression", "event", "type", "track", "properties", "flag_key", "variant", "experiment_key", "metadata", "default",
	"flagType", "mutual-exclusion-group", "event_type", "event_properties", "user_id", "userId", "device_id", "anonymousId",
	"messageId", "insert_id", "timestamp", "time", "user.id", "event.name", "user_properties", "$set", "$identify",
	"[Experiment] Impression", "[Experiment] Flag Key", "[Experiment] Variant", "", "\xff\xfe", "2026-11-23T09:30:00Z", "off", "context",
	"device", "id",
}

func (b *pdataBuilder) word() string {
	choice := int(b.next())
	if choice < len(words)*4 {
		return words[choice%len(words)]
	}
	length := min(choice%8, len(b.input))
	text := string(b.input[:length])
	b.input = b.input[length:]
	return text
}

func (b *pdataBuilder) value(to pcommon.Value, depth int) {
	switch kind := b.next() % 12; {
	case kind < 4:
		to.SetStr(b.word())
	case kind == 4:
		to.SetInt(int64(uint64(b.next())<<56 | uint64(b.next())))
	case kind == 5:
		to.SetDouble([]float64{0, 1790000000123, 1e300, math.NaN(), math.Inf(-1), 0.5}[b.next()%6])
	case kind == 6:
		to.SetBool(b.next()%2 == 0)
	case kind == 7:
		to.SetEmptyBytes().FromRaw([]byte(b.word()))
	case kind == 8 && depth > 0:
		slice := to.SetEmptySlice()
		for range b.next() % 4 {
			b.value(slice.AppendEmpty(), depth-1)
		}
	case kind > 8 && depth > 0:
		b.mapping(to.SetEmptyMap(), depth-1)
	}
}

func (b *pdataBuilder) mapping(to pcommon.Map, depth int) {
	for range b.next() % 12 {
		b.value(to.PutEmpty(b.word()), depth)
	}
}

func (b *pdataBuilder) logs() plog.Logs {
	logs := plog.NewLogs()
	for range b.next() % 3 {
		resource := logs.ResourceLogs().AppendEmpty()
		b.mapping(resource.Resource().Attributes(), 1)
		for range b.next() % 3 {
			records := resource.ScopeLogs().AppendEmpty().LogRecords()
			for range b.next() % 6 {
				record := records.AppendEmpty()
				record.SetObservedTimestamp(pcommon.Timestamp(b.next()))
				if b.next()%2 == 0 {
					record.SetEventName(b.word())
				}
				b.value(record.Body(), 4)
				if record.Body().Type() == pcommon.ValueTypeSlice {
					// Lists of events become records: FuzzJSONBody counts them.
					record.Body().SetEmptyMap()
				}
				b.mapping(record.Attributes(), 4)
			}
		}
	}
	return logs
}

func fuzzed(f *testing.F, config *Config) (processor.Logs, *consumertest.LogsSink) {
	f.Helper()
	sink := &consumertest.LogsSink{}
	p, err := NewFactory().CreateLogs(context.Background(), processortest.NewNopSettings(metadata.Type), config, sink)
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, p.Shutdown(context.Background())) })
	return p, sink
}

// assertSafe asserts what holds for every batch: no panic, no record lost, none but impressions changed, and a second run
// changes nothing more.
func assertSafe(t *testing.T, p processor.Logs, sink *consumertest.LogsSink, logs plog.Logs) {
	t.Helper()
	before := plog.NewLogs()
	logs.CopyTo(before)
	sink.Reset()
	require.NoError(t, p.ConsumeLogs(context.Background(), logs))
	once := plog.NewLogs()
	sink.AllLogs()[0].CopyTo(once)
	require.Equal(t, before.ResourceLogs().Len(), once.ResourceLogs().Len())
	for i := range before.ResourceLogs().Len() {
		requireSame(t, only(before.ResourceLogs().At(i).Resource()), only(once.ResourceLogs().At(i).Resource()))
		for j := range before.ResourceLogs().At(i).ScopeLogs().Len() {
			assertScope(t,
				before.ResourceLogs().At(i).ScopeLogs().At(j).LogRecords(), once.ResourceLogs().At(i).ScopeLogs().At(j).LogRecords())
		}
	}
	require.NoError(t, p.ConsumeLogs(context.Background(), sink.AllLogs()[0]))
	requireSame(t, once, sink.AllLogs()[1])
}

func requireSame(t *testing.T, want, got plog.Logs) {
	t.Helper()
	// Encoded, since NaN is no equal of itself.
	marshaler := &plog.ProtoMarshaler{}
	wanted, err := marshaler.MarshalLogs(want)
	require.NoError(t, err)
	gotten, err := marshaler.MarshalLogs(got)
	require.NoError(t, err)
	require.Equal(t, wanted, gotten)
}

// assertScope walks both sides: each record came through, in order, with at most its update before it.
func assertScope(t *testing.T, before, after plog.LogRecordSlice) {
	t.Helper()
	at := 0
	for i := range before.Len() {
		require.Less(t, at, after.Len(), "record %d is lost", i)
		if isUpdate(after.At(at)) && !isUpdate(before.At(i)) {
			at++
		}
		if !mayBeImpression(before.At(i)) {
			requireSame(t, single(before.At(i)), single(after.At(at)))
		}
		require.Equal(t, before.At(i).ObservedTimestamp(), after.At(at).ObservedTimestamp())
		at++
	}
	require.Equal(t, after.Len(), at, "records were invented")
}

func isUpdate(record plog.LogRecord) bool {
	_, operations := record.Attributes().Get("user_properties")
	return record.EventName() == "$identify" && operations && record.Body().Type() == pcommon.ValueTypeEmpty
}

// mayBeImpression is deliberately simpler than the layouts: the event type stands somewhere.
func mayBeImpression(record plog.LogRecord) bool {
	if record.EventName() == "$impression" {
		return true
	}
	maps := []pcommon.Map{record.Attributes()}
	if record.Body().Type() == pcommon.ValueTypeMap {
		maps = append(maps, record.Body().Map())
	}
	for _, m := range maps {
		for _, key := range []string{"event.name", "event_type", "event"} {
			if v, found := m.Get(key); found && v.Type() == pcommon.ValueTypeStr && v.Str() == "$impression" {
				return true
			}
		}
	}
	return false
}

func only(resource pcommon.Resource) plog.Logs {
	logs := plog.NewLogs()
	resource.CopyTo(logs.ResourceLogs().AppendEmpty().Resource())
	return logs
}

func single(record plog.LogRecord) plog.Logs {
	logs := plog.NewLogs()
	record.CopyTo(logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty())
	return logs
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte{1, 1, 1, 5, 1, 0, 0, 4, 0, 0, 5, 0, 0, 6, 0, 1})
	f.Add([]byte("\x02\x01\x02\x02\x05\x00\x00\x09\x04\x01\x00\x02\x03"))
	record, recorded := fuzzed(f, defaultsWith())
	inline, inlined := fuzzed(f, defaultsWith(emit(EmitInline), func(c *Config) { c.UserProperties.UnsetVariants = []string{"off"} }))
	f.Fuzz(func(t *testing.T, input []byte) {
		assertSafe(t, record, recorded, (&pdataBuilder{input: input}).logs())
		assertSafe(t, inline, inlined, (&pdataBuilder{input: input}).logs())
	})
}

// FuzzProtobuf feeds what arrives on the wire: repeated keys, invalid UTF-8, values without a type.
func FuzzProtobuf(f *testing.F) {
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	otelEvent(records, "$impression", map[string]any{"flag_key": "checkout", "variant": "on", "user.id": "user-17"})
	otelEvent(records, "", map[string]any{"event": "$impression", "properties": shown("checkout", "on"), "userId": "user-17"})
	seed, err := (&plog.ProtoMarshaler{}).MarshalLogs(logs)
	require.NoError(f, err)
	f.Add(seed)
	p, sink := fuzzed(f, defaultsWith())
	f.Fuzz(func(t *testing.T, input []byte) {
		logs, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(input)
		if err != nil {
			return
		}
		assertSafe(t, p, sink, logs)
	})
}
