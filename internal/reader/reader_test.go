// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/jsonvalue"
	"github.com/impression-collector/impression-bridge/internal/layout"
)

type (
	raw   = map[string]any
	paths = map[string][]string
)

// given is a log record as raw values.
type given struct {
	name       string
	body       any
	attributes raw
	resource   raw
}

// yielded is a copy of an event, which outlives the loop over Events.
type yielded struct {
	index          int
	typeIndex      int
	problem        Problem
	texts          [event.NumFields]string
	integers       [event.NumFields]int64
	maps           [event.NumFields]raw
	passthrough    raw
	invalidSession bool
	remoteIP       bool
	// bodyType is the type of the record's body while the event is yielded.
	bodyType pcommon.ValueType
}

func copyOf(index int, e *Event) yielded {
	y := yielded{
		index: index, typeIndex: e.TypeIndex, problem: e.Problem, invalidSession: e.InvalidSession, remoteIP: e.RemoteIP,
		bodyType: e.Record.Body().Type(),
	}
	for _, f := range event.Fields() {
		y.texts[f], y.integers[f] = e.Text(f), e.Integer(f)
		if m, isMap := e.Map(f); isMap {
			y.maps[f] = m.AsRaw()
		}
	}
	if (e.Passthrough != pcommon.Map{}) {
		y.passthrough = e.Passthrough.AsRaw()
	}
	return y
}

// identity is the part of an event that the processor needs.
type identity struct {
	eventType, userID, deviceID, insertID string
	properties                            raw
}

func (y *yielded) identity() identity {
	return identity{
		y.texts[event.Type], y.texts[event.UserID], y.texts[event.DeviceID], y.texts[event.InsertID], y.maps[event.Properties],
	}
}

var limits = jsonvalue.Limits{MaxDepth: 40, MaxBytes: 4 << 20, MaxValues: 100_000}

var defaults = []layout.Config{{Preset: "otel"}, {Preset: "amplitude"}, {Preset: "segment"}}

// newReader returns a reader that reads every field.
func newReader(tb testing.TB, types []string, configs ...layout.Config) *Reader {
	tb.Helper()
	layouts, err := layout.Compile(configs)
	require.NoError(tb, err)
	return New(Settings{Layouts: layouts, Types: types, Fields: event.Fields(), TellProperties: true, Limits: limits})
}

func recordOf(tb testing.TB, in given) (pcommon.Resource, plog.LogRecord) {
	tb.Helper()
	resource, record := pcommon.NewResource(), plog.NewLogRecord()
	record.SetEventName(in.name)
	require.NoError(tb, record.Body().FromRaw(in.body))
	require.NoError(tb, record.Attributes().FromRaw(in.attributes))
	require.NoError(tb, resource.Attributes().FromRaw(in.resource))
	return resource, record
}

// scopeOf returns the records of a scope.
func scopeOf(tb testing.TB, all ...given) plog.LogRecordSlice {
	tb.Helper()
	records := plog.NewLogRecordSlice()
	for _, in := range all {
		_, record := recordOf(tb, in)
		record.MoveTo(records.AppendEmpty())
	}
	return records
}

// readAll returns what a reader yields for a scope.
func readAll(r *Reader, resource pcommon.Resource, records plog.LogRecordSlice) []yielded {
	var all []yielded
	for i, e := range r.Events(resource, records) {
		all = append(all, copyOf(i, e))
	}
	return all
}

// readRecord returns what a reader yields for a scope of one record, and the records that are left.
func readRecord(tb testing.TB, r *Reader, in given) ([]yielded, plog.LogRecordSlice) {
	tb.Helper()
	resource, record := recordOf(tb, in)
	records := plog.NewLogRecordSlice()
	record.MoveTo(records.AppendEmpty())
	return readAll(r, resource, records), records
}

// typesOf returns the types of the events, without the records that aren't events.
func typesOf(all []yielded) []string {
	var types []string
	for i := range all {
		if all[i].problem == NoProblem {
			types = append(types, all[i].texts[event.Type])
		}
	}
	return types
}

// eventTypes are the event types that the tables below expect.
var eventTypes = []string{"page.view", "a", "of body", "of attributes", "of otel", "of amplitude", "of segment"}

// identityOf returns what is read of a record, and the zero identity if it isn't an event of eventTypes.
func identityOf(t *testing.T, configs []layout.Config, in given) identity {
	t.Helper()
	all, _ := readRecord(t, newReader(t, eventTypes, configs...), in)
	if len(all) == 0 {
		return identity{}
	}
	require.Len(t, all, 1)
	require.Equal(t, NoProblem, all[0].problem)
	assert.Equal(t, eventTypes[all[0].typeIndex], all[0].texts[event.Type])
	return all[0].identity()
}

func TestLayoutsByHand(t *testing.T) {
	t.Run("all by hand", func(t *testing.T) {
		configs := []layout.Config{{Paths: paths{
			"event_type": {`log.attributes["name"]`},
			"properties": {`log.attributes["missing"]`, `log.body`},
			"user_id":    {`log.attributes["empty"]`, `resource.attributes["user"]["id"]`},
			"device_id":  {`event["device"]`},
			"insert_id":  {`log.body["id"]`},
		}}}
		got := identityOf(t, configs, given{
			body: raw{"id": "i"}, attributes: raw{"name": "a", "empty": "", "device": "d"}, resource: raw{"user": raw{"id": "u"}},
		})
		assert.Equal(t, identity{"a", "u", "d", "i", raw{"id": "i"}}, got)
	})
	t.Run("the event starts where its type is", func(t *testing.T) {
		configs := []layout.Config{{Paths: paths{
			"event_type": {`log.attributes["name"]`, `log.body["inner"]["name"]`}, "properties": {`event`}, "user_id": {`event["id"]`},
		}}}
		body, attributes := raw{"id": "of body", "inner": raw{"name": "a"}}, raw{"id": "of attributes"}
		assert.Equal(t, identity{eventType: "a", userID: "of body", properties: body},
			identityOf(t, configs, given{body: body, attributes: attributes}))
		attributes["name"] = "a"
		assert.Equal(t, identity{eventType: "a", userID: "of attributes", properties: attributes},
			identityOf(t, configs, given{body: body, attributes: attributes}))
	})
	t.Run("the body is the event type", func(t *testing.T) {
		configs := []layout.Config{{Paths: paths{
			"event_type": {`log.body`}, "properties": {`log.attributes`}, "user_id": {`event["u"]`},
		}}}
		attributes := raw{"u": "user"}
		assert.Equal(t, identity{eventType: "a", userID: "user", properties: attributes},
			identityOf(t, configs, given{body: "a", attributes: attributes}))
		assert.Equal(t, identity{}, identityOf(t, configs, given{body: raw{"a": "b"}, attributes: attributes}))
	})
	t.Run("a preset with fields replaced and removed", func(t *testing.T) {
		configs := []layout.Config{{Preset: "segment", Paths: paths{"user_id": {`event["anon"]`}, "insert_id": {}}}}
		body := raw{"event": "a", "anon": "u", "userId": "not this", "messageId": "not this"}
		assert.Equal(t, identity{eventType: "a", userID: "u"}, identityOf(t, configs, given{body: body}))
	})
	t.Run("a preset keeps its condition if its event type is replaced", func(t *testing.T) {
		for _, replaced := range []string{`log.attributes["name"]`, `event["name"]`} {
			configs := []layout.Config{{Preset: "segment", Paths: paths{"event_type": {replaced}}}}
			in := given{name: "a", attributes: raw{"name": "a", "type": "page"}}
			assert.Equal(t, identity{}, identityOf(t, configs, in), replaced)
			in.attributes["type"] = "track"
			assert.Equal(t, "a", identityOf(t, configs, in).eventType, replaced)
		}
	})
	t.Run("the first properties with a flag key win", func(t *testing.T) {
		configs := []layout.Config{{Paths: paths{
			"event_type": {`event["name"]`}, "properties": {`event["first"]`, `event["second"]`},
		}}}
		first, second := raw{"k": "first"}, raw{"flag_key": "f"}
		body := raw{"name": "a", "first": first, "second": second}
		assert.Equal(t, second, identityOf(t, configs, given{body: body}).properties)
		first["[Experiment] Flag Key"] = "f"
		assert.Equal(t, first, identityOf(t, configs, given{body: body}).properties)
	})
}

// TestEveryFieldIsRead fails if a field is added to the table of fields and forgotten here or in the reader.
func TestEveryFieldIsRead(t *testing.T) {
	given := given{body: raw{}}
	config := layout.Config{Paths: paths{}}
	want := yielded{bodyType: pcommon.ValueTypeMap}
	for _, f := range event.Fields() {
		config.Paths[f.Key()] = []string{`event["missing"]`, `event["of ` + f.Key() + `"]`}
		var value any
		switch f.Kind() {
		case event.Name, event.Text, event.ID, event.Address:
			value = "the " + f.Key()
			want.texts[f] = "the " + f.Key()
		case event.Number:
			value = 0.5 + float64(f)
			want.integers[f] = int64(math.Float64bits(0.5 + float64(f)))
		case event.Map:
			value = raw{"in": f.Key()}
			want.maps[f] = raw{"in": f.Key()}
		case event.Moment:
			value = 1_790_000_000_123 + int(f)
			want.integers[f] = (1_790_000_000_123 + int64(f)) * 1e6
		case event.Session:
			value = 1_780_000_000_123 + int(f)
			want.integers[f] = 1_780_000_000_123 + int64(f)
		default:
			require.Fail(t, "the kind is new", f.Key())
		}
		if f == event.Quantity {
			// The reader settles the revenue of another quantity.
			value, want.integers[f] = 2, int64(math.Float64bits(2))
		}
		given.body.(raw)["of "+f.Key()] = value
	}
	all, _ := readRecord(t, newReader(t, nil, config), given)
	assert.Equal(t, []yielded{want}, all)

	t.Run("alone", func(t *testing.T) {
		for _, f := range event.Fields() {
			layouts, err := layout.Compile([]layout.Config{config})
			require.NoError(t, err)
			all, _ := readRecord(t, New(Settings{Layouts: layouts, Fields: []event.Field{f}, Limits: limits}), given)
			require.Len(t, all, 1)
			alone := yielded{bodyType: pcommon.ValueTypeMap}
			alone.texts[event.Type] = want.texts[event.Type]
			alone.texts[f], alone.integers[f], alone.maps[f] = want.texts[f], want.integers[f], want.maps[f]
			assert.Equal(t, alone, all[0], f.Key())
		}
	})
}

func TestTimeOfAnEvent(t *testing.T) {
	const listed, second, recorded = 1790000000002, 1790000000003, 1790000000004
	byHand := layout.Config{Paths: paths{
		"event_type": {`event["name"]`}, "properties": {`event`}, "time": {`event["t"]`, `log.time`, `event["late"]`},
	}}
	for name, row := range map[string]struct {
		config   layout.Config
		in       given
		recorded int64
		want     int64
	}{
		"the layout's, before the record's": {in: given{body: raw{"event": "a", "messageId": "i", "timestamp": listed}}, recorded: recorded, want: listed},
		"the first that is a time": {
			in: given{body: raw{"event": "a", "messageId": "i", "timestamp": 0, "sentAt": second, "receivedAt": listed}}, want: second,
		},
		"the record's, if the layout's aren't times": {in: given{body: raw{"event": "a", "messageId": "i", "timestamp": "NOW"}}, recorded: recorded, want: recorded},
		"the record's, if there is no other":         {in: given{body: raw{"event": "a", "messageId": "i"}}, recorded: recorded, want: recorded},
		"none, if the year is 9999":                  {in: given{body: raw{"event": "a", "messageId": "i", "timestamp": "9999-12-31T00:00:00Z"}}},
		"otel: the record's":                         {in: given{name: "a"}, recorded: recorded, want: recorded},
		"otel: none":                                 {in: given{name: "a"}},
		"the record's, before a path behind it": {
			config: byHand, in: given{body: raw{"name": "a", "late": listed}}, recorded: recorded, want: recorded,
		},
		"a path before the record's": {config: byHand, in: given{body: raw{"name": "a", "t": listed}}, recorded: recorded, want: listed},
		"a path behind the record's, if the record has none": {
			config: byHand, in: given{body: raw{"name": "a", "late": listed}}, want: listed,
		},
	} {
		t.Run(name, func(t *testing.T) {
			configs := defaults
			if row.config.Paths != nil {
				configs = []layout.Config{row.config}
			}
			records := scopeOf(t, row.in)
			records.At(0).SetTimestamp(pcommon.Timestamp(row.recorded * 1e6))
			all := readAll(newReader(t, []string{"a"}, configs...), pcommon.NewResource(), records)
			require.Len(t, all, 1)
			assert.Equal(t, row.want*1e6, all[0].integers[event.Time])
		})
	}
}

func TestSetTypeWritesToEachPlaceOfTheOldType(t *testing.T) {
	reader := newReader(t, []string{"a"}, layout.Config{Paths: paths{
		"event_type": {`log.event_name`, `log.attributes["name"]`, `event["inner"]["name"]`}, "properties": {"event"},
	}})
	records := scopeOf(t, given{name: "a", attributes: raw{"name": "another", "inner": raw{"name": "a"}}})
	yields := 0
	for _, e := range reader.Events(pcommon.NewResource(), records) {
		yields++
		e.SetType("b")
		assert.Equal(t, "b", e.Text(event.Type))
	}
	require.Equal(t, 1, yields)
	assert.Equal(t, "b", records.At(0).EventName())
	assert.Equal(t, raw{"name": "another", "inner": raw{"name": "b"}}, records.At(0).Attributes().AsRaw())
}

func TestSetTypeOfPresets(t *testing.T) {
	for name, row := range map[string]struct {
		preset   string
		in, want given
	}{
		"otel": {
			"otel", given{name: "a", attributes: raw{"event.name": "a", "k": "a"}}, given{name: "b", attributes: raw{"event.name": "b", "k": "a"}},
		},
		"snowplow keeps the generic name": {
			"snowplow", given{body: raw{"event_name": "event", "se_action": "a"}}, given{body: raw{"event_name": "event", "se_action": "b"}},
		},
		"mparticle keeps the type of the message": {
			"mparticle",
			given{body: raw{"event_type": "custom_event", "data": raw{"event_name": "a"}}},
			given{body: raw{"event_type": "custom_event", "data": raw{"event_name": "b"}}},
		},
		"a JSON text becomes its value": {
			"amplitude", given{body: `{"event_type": "a", "user_id": 7}`}, given{body: raw{"event_type": "b", "user_id": int64(7)}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			records := scopeOf(t, row.in)
			for _, e := range newReader(t, []string{"a"}, complete(row.preset)).Events(pcommon.NewResource(), records) {
				e.SetType("b")
			}
			require.Equal(t, 1, records.Len())
			assert.Equal(t, row.want.name, records.At(0).EventName())
			assert.Equal(t, row.want.body, records.At(0).Body().AsRaw())
			if row.want.attributes != nil {
				assert.Equal(t, row.want.attributes, records.At(0).Attributes().AsRaw())
			}
		})
	}
}

// TestEventNamesOfOtherLengthsArePassedOver compares the readers that look at the length of the EventName first with those
// that look at each record.
func TestEventNamesOfOtherLengthsArePassedOver(t *testing.T) {
	long := strings.Repeat("x", 64+len("$impression"))
	types := []string{"$impression", strings.Repeat("y", 64)}
	for _, configs := range [][]layout.Config{defaults, {{Preset: "segment"}, {Preset: "otel"}}} {
		reader := newReader(t, types, configs...)
		for _, name := range []string{"", "page.view", "$impression", "page.viewed", long, strings.Repeat("y", 64)} {
			in := given{name: name, attributes: raw{"event.name": "$impression"}}
			all, _ := readRecord(t, reader, in)
			switch name {
			case "":
				assert.Equal(t, []string{"$impression"}, typesOf(all))
			case types[0], types[1]:
				assert.Equal(t, []string{name}, typesOf(all))
			default:
				assert.Empty(t, all, name)
			}
		}
		skips := reader.otherLengths>>len("page.view")&1 != 0
		assert.Equal(t, configs[0].Preset == "otel", skips)
	}
}

func TestNoLengthOfAnEventNameIsPassedOverForAnyType(t *testing.T) {
	reader := newReader(t, nil, defaults...)
	name := ""
	for range 130 {
		name += "x"
		all, _ := readRecord(t, reader, given{name: name})
		require.Equal(t, []string{name}, typesOf(all))
	}
}

func TestStatsCountRecordsByWhatTheyMatch(t *testing.T) {
	reader := newReader(t, []string{"a"}, defaults...)
	records := scopeOf(t,
		given{name: "a"}, given{name: "other"}, given{name: "b"}, given{attributes: raw{"event.name": "a"}},
		given{body: raw{"event_type": "other"}},
		given{body: raw{"event": "a", "userId": "u"}},
		given{body: raw{"batch": []any{
			raw{"event": "a", "userId": "u"}, raw{"event": "other", "userId": "u"}, raw{"event_type": "a"}, raw{"no": "event"},
		}}},
		given{body: `{"event": "b", "userId": "u"}`}, given{body: "a line"}, given{},
		given{body: `{"event": "a", "userId": "u"}`},
		given{body: raw{"batch": []any{raw{"event": "other", "userId": "u"}}}},
	)
	require.Len(t, readAll(reader, pcommon.NewResource(), records), 6)
	assert.Equal(t, &Stats{ByLayout: []int64{4, 2, 4}, NoLayout: 4, UnreadJSON: 1}, reader.Stats())
	reader.Reset()
	assert.Equal(t, &Stats{ByLayout: []int64{0, 0, 0}}, reader.Stats())
}

func TestProblemsHaveDistinctNames(t *testing.T) {
	names := map[string]bool{}
	for p := range Problem(NumProblems) {
		assert.NotEmpty(t, p.String())
		assert.False(t, names[p.String()], p)
		names[p.String()] = true
	}
}
