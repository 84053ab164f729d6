// SPDX-License-Identifier: Apache-2.0

package reader

import (
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/layout"
)

// fields are those that the exporter alone reads.
type fields struct {
	userProperties, groups                                raw
	ip, appVersion, platform, osName, language, userAgent string
}

func (y *yielded) fields() fields {
	return fields{
		y.maps[event.UserProperties], y.maps[event.Groups],
		y.texts[event.IP], y.texts[event.AppVersion], y.texts[event.Platform],
		y.texts[event.OSName], y.texts[event.Language], y.texts[event.UserAgent],
	}
}

// readOne reads the event that a record is.
func readOne(t *testing.T, config layout.Config, in given) *yielded {
	t.Helper()
	all, _ := readRecord(t, newReader(t, nil, config), in)
	require.Len(t, all, 1)
	require.Equal(t, NoProblem, all[0].problem)
	return &all[0]
}

// TestFieldsOfPresetsForTheExporter reads an event of each preset as the producer's documentation shows it.
func TestFieldsOfPresetsForTheExporter(t *testing.T) {
	of := func(groups raw) fields {
		return fields{raw{"plan": "pro"}, groups, "203.0.113.7", "1.2.0", "tvos", "iOS", "en-US", "Mozilla/5.0"}
	}
	call := func(more raw) raw {
		event := raw{
			"event": "a", "messageId": "i", "user_properties": raw{"plan": "pro"},
			"context": raw{
				"ip": "203.0.113.7", "app": raw{"version": "1.2.0"}, "device": raw{"type": "tvos"}, "os": raw{"name": "iOS"},
				"locale": "en-US", "userAgent": "Mozilla/5.0",
			},
		}
		maps.Copy(event, more)
		return event
	}
	inAmplitude := raw{"Amplitude": raw{"groups": raw{"company": "acme"}}}
	presets := map[string]bool{}
	for name, row := range map[string]struct {
		preset string
		given
		want fields
	}{
		"segment": {"segment", given{body: call(raw{"integrations": raw{
			"Actions Amplitude": raw{"groups": raw{"company": "acme"}}, "Amplitude": raw{"groups": raw{"company": "other"}},
		}})}, of(raw{"company": "acme"})},
		"hightouch":   {"hightouch", given{body: call(raw{"integrations": inAmplitude})}, of(raw{"company": "acme"})},
		"customerio":  {"customerio", given{attributes: call(raw{"integrations": inAmplitude})}, of(raw{"company": "acme"})},
		"rudderstack": {"rudderstack", given{body: call(raw{"integrations": inAmplitude})}, of(raw{"company": "acme"})},
		"jitsu":       {"jitsu", given{body: call(raw{"integrations": inAmplitude})}, of(nil)},
		"amplitude": {"amplitude", given{body: raw{
			"event_type": "a", "user_properties": raw{"plan": "pro"}, "groups": raw{"company": "acme"}, "ip": "203.0.113.7",
			"app_version": "1.2.0", "platform": "tvos", "os_name": "iOS", "language": "en-US", "user_agent": "Mozilla/5.0",
		}}, of(raw{"company": "acme"})},
		"amplitude, as exported": {"amplitude", given{body: raw{
			"event_type": "a", "user_properties": raw{}, "groups": raw{}, "ip_address": "203.0.113.7", "version_name": "1.2.0",
			"platform": "ios", "os_name": "iOS", "language": "English",
		}}, fields{raw{}, raw{}, "203.0.113.7", "1.2.0", "ios", "iOS", "English", ""}},
		"mparticle": {"mparticle", given{body: raw{
			"event_type": "custom_event", "data": raw{"event_name": "a"}, "user_properties": raw{"plan": "pro"}, "ip": "203.0.113.7",
			"application_info": raw{"application_version": "1.2.0", "os": "MobileWeb"},
			"device_info":      raw{"platform": "iOS", "locale_language": "en", "http_header_user_agent": "Mozilla/5.0"},
		}}, fields{raw{"plan": "pro"}, nil, "203.0.113.7", "1.2.0", "iOS", "", "en", "Mozilla/5.0"}},
		"snowplow": {"snowplow", given{body: raw{
			"event_name": "a", "user_ipaddress": "203.0.113.7", "platform": "mob", "os_name": "iOS", "br_lang": "en-US", "useragent": "Mozilla/5.0",
		}}, fields{nil, nil, "203.0.113.7", "", "mob", "iOS", "en-US", "Mozilla/5.0"}},
		"tealium": {
			"tealium",
			given{body: raw{"tealium_event": "a", "app_version": "1.2.0", "device_language": "en"}},
			fields{appVersion: "1.2.0", language: "en"},
		},
		"posthog": {"posthog", given{body: raw{
			"event": "a", "distinct_id": "u", "properties": raw{
				"$ip": "203.0.113.7", "$app_version": "1.2.0", "$os": "iOS", "$browser_language": "en-US", "$raw_user_agent": "Mozilla/5.0",
			},
		}}, fields{nil, nil, "203.0.113.7", "1.2.0", "", "iOS", "en-US", "Mozilla/5.0"}},
		"otel": {"otel", given{
			name: "a",
			attributes: raw{
				"client.address": "203.0.113.7", "os.type": "darwin", "user_agent.original": "Mozilla/5.0", "user_properties": raw{"plan": "pro"},
			},
			resource: raw{"service.version": "1.2.0", "os.name": "iOS", "browser.language": "en-US", "user_agent.original": "other"},
		}, fields{raw{"plan": "pro"}, nil, "203.0.113.7", "1.2.0", "", "darwin", "en-US", "Mozilla/5.0"}},
	} {
		presets[row.preset] = true
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, row.want, readOne(t, complete(row.preset), row.given).fields())
		})
	}
	assert.ElementsMatch(t, layout.Presets(), slices.Collect(maps.Keys(presets)))
}

func TestUserPropertiesAndGroupsOfLayoutsByHand(t *testing.T) {
	config := layout.Config{Paths: paths{"event_type": {`event["e"]`}, "properties": {`event["p"]`}}}
	in := given{
		body: raw{"e": "a", "user_properties": raw{"from": "default"}, "traits": raw{"from": "path"}, "company": raw{"type": "acme"}},
	}
	assert.Equal(t, fields{userProperties: raw{"from": "default"}}, readOne(t, config, in).fields())
	config.Paths["user_properties"], config.Paths["groups"] = []string{`event["e"]`, `event["traits"]`}, []string{`log.body["company"]`}
	assert.Equal(t, fields{userProperties: raw{"from": "path"}, groups: raw{"type": "acme"}}, readOne(t, config, in).fields())
	config.Paths["user_properties"], config.Paths["groups"] = []string{}, nil
	assert.Equal(t, fields{}, readOne(t, config, in).fields())
}

// properties returns the keys of an event's properties, and those of other fields that stand among them.
func properties(t *testing.T, config layout.Config, in given) (properties, others []string) {
	t.Helper()
	yields := 0
	for _, e := range newReader(t, nil, config).Events(pcommon.NewResource(), scopeOf(t, in)) {
		require.Equal(t, NoProblem, e.Problem)
		yields++
		m, isMap := e.Map(event.Properties)
		if !isMap {
			continue
		}
		for key, value := range m.All() {
			if e.IsProperty(value) {
				properties = append(properties, key)
			} else {
				others = append(others, key)
			}
		}
	}
	require.Equal(t, 1, yields)
	return properties, others
}

func TestFieldsAmongThePropertiesAreNotProperties(t *testing.T) {
	byHand := func(properties ...string) layout.Config {
		return layout.Config{Paths: paths{
			"event_type": {`log.attributes["name"]`}, "properties": properties,
			"user_id":   {`log.attributes["user"]["id"]`, `log.attributes["user"]["ids"]["first"]`, `resource.attributes["owner"]`},
			"device_id": {`event["device"]`}, "insert_id": {`log.body["id"]`},
		}}
	}
	for name, row := range map[string]struct {
		config layout.Config
		given
		properties, others []string
	}{
		"otel": {
			layout.Config{Preset: "otel"},
			given{name: "a", attributes: raw{
				"event.name": "a", "user.id": "u", "enduser.id": "e", "device.id": raw{"not": "a text"}, "app.installation.id": "d",
				"log.record.uid": "l", "session.id": "", "user_properties": raw{}, "os.name": "iOS", "os.type": "darwin",
				"flag_key": "f", "user": raw{"id": "u"}, "event": "e",
			}},
			[]string{"flag_key", "user", "event", "enduser.id", "device.id", "session.id", "os.type"},
			[]string{"event.name", "user.id", "app.installation.id", "log.record.uid", "user_properties", "os.name"},
		},
		"otel, properties in the body": {
			layout.Config{Preset: "otel"},
			given{name: "a", body: raw{"flag_key": "f", "user.id": "x", "user_properties": raw{}}, attributes: raw{"user.id": "u"}},
			[]string{"flag_key", "user.id", "user_properties"},
			nil,
		},
		"tealium in the body": {
			complete("tealium"),
			given{body: raw{
				"tealium_event": "a", "customer_id": "u", "tealium_visitor_id": "v", "app_version": 2, "tealium_account": "acme",
				"tealium_timestamp_utc": "2026-09-21T14:13:20Z", "tealium_timestamp_epoch": 1790000000,
			}},
			[]string{"tealium_account"},
			[]string{
				"tealium_event", "customer_id", "tealium_visitor_id", "app_version", "tealium_timestamp_utc", "tealium_timestamp_epoch",
			},
		},
		"a session id that can't be one": {
			complete("tealium"),
			given{body: raw{"tealium_event": "a", "tealium_session_id": "s"}},
			[]string{"tealium_session_id"},
			[]string{"tealium_event"},
		},
		"segment": {
			layout.Config{Preset: "segment"},
			given{body: raw{"event": "a", "userId": "u", "properties": raw{"event": "b", "userId": "v", "user_properties": raw{}}}},
			[]string{"event", "userId", "user_properties"},
			nil,
		},
		"segment with flat properties": {
			layout.Config{Preset: "segment", Paths: paths{"properties": {`event`}}},
			given{body: raw{
				"event": "a", "type": "track", "userId": "u", "messageId": "m", "user_properties": raw{"a": "b"},
				"context": raw{"ip": "203.0.113.7"}, "integrations": raw{}, "properties": raw{},
			}},
			[]string{"context", "integrations", "properties"},
			[]string{"event", "type", "userId", "messageId", "user_properties"},
		},
		"the attributes, by hand": {
			byHand(`log.attributes`),
			given{attributes: raw{
				"name": "a", "device": "d", "user_properties": raw{}, "user": raw{"id": "u"}, "owner": "o", "id": "i",
			}},
			[]string{"user", "owner", "id"},
			[]string{"name", "device", "user_properties"},
		},
		"the event, by hand": {
			byHand(`event`),
			given{attributes: raw{"name": "a", "device": "d", "user_properties": "not a map", "user": raw{"id": "u"}}},
			[]string{"user", "user_properties"},
			[]string{"name", "device"},
		},
		"the body beside the event": {
			byHand(`log.body`),
			given{body: raw{"id": "i", "name": "n", "device": "d", "user_properties": raw{}}, attributes: raw{"name": "a", "device": "e"}},
			[]string{"name", "device", "user_properties"},
			[]string{"id"},
		},
		"the first properties that are a map": {
			byHand(`log.attributes["p"]`, `log.attributes`),
			given{attributes: raw{"name": "a", "device": "d", "p": raw{"name": "b", "device": "e"}}},
			[]string{"name", "device"},
			nil,
		},
		"the first aren't a map": {
			byHand(`log.attributes["p"]`, `log.attributes`),
			given{attributes: raw{"name": "a", "p": "q", "device": "d"}},
			[]string{"p"},
			[]string{"name", "device"},
		},
		"no properties": {
			byHand(`log.body`), given{body: "a line", attributes: raw{"name": "a"}}, nil, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			properties, others := properties(t, row.config, row.given)
			assert.ElementsMatch(t, row.properties, properties)
			assert.ElementsMatch(t, row.others, others)
		})
	}
}

func TestEveryValueIsAPropertyUnlessAskedFor(t *testing.T) {
	layouts, err := layout.Compile([]layout.Config{{Preset: "otel"}})
	require.NoError(t, err)
	reader := New(Settings{Layouts: layouts, Fields: event.Fields(), Limits: limits})
	yields := 0
	for _, e := range reader.Events(pcommon.NewResource(), scopeOf(t, given{name: "a", attributes: raw{"event.name": "a", "user.id": "u"}})) {
		for _, value := range e.Root.All() {
			yields++
			assert.True(t, e.IsProperty(value))
		}
	}
	assert.Equal(t, 2, yields)
}

func TestPassthroughIsTheWholeEventOfAmplitude(t *testing.T) {
	body := raw{"event_type": "a", "event": "a", "messageId": "i", "city": "Berlin", "price": 3.5}
	assert.Equal(t, body, readOne(t, layout.Config{Preset: "amplitude"}, given{body: body}).passthrough)
	assert.Equal(t, body, readOne(t, layout.Config{Preset: "amplitude"}, given{attributes: body}).passthrough)
	assert.Nil(t, readOne(t, layout.Config{Preset: "segment"}, given{body: body}).passthrough)
	byHand := layout.Config{Paths: paths{"event_type": {`event["event_type"]`}, "properties": {`event`}}}
	assert.Nil(t, readOne(t, byHand, given{body: body}).passthrough)
}

func TestIDs(t *testing.T) {
	for _, row := range []struct {
		user any
		want string
	}{
		{"u", "u"},
		{" kept 'as' \"it\" is ", " kept 'as' \"it\" is "},
		{42, "42"},
		{float64(20260101000000001), "20260101000000000"},
		{"", ""},
		{nil, ""},
		{true, ""},
		{math.NaN(), ""},
		{[]any{"u"}, ""},
		{raw{"id": "u"}, ""},
	} {
		got := identityOf(t, defaults, given{body: raw{"event": "a", "type": "track", "userId": row.user}})
		assert.Equal(t, row.want, got.userID, row.user)
	}
}

func TestRefusedIDsDoNotHideAnother(t *testing.T) {
	config := layout.Config{Paths: paths{
		"event_type": {`event["name"]`}, "properties": {`event["p"]`},
		"user_id":   {`event["u1"]`, `event["u2"]`, `event["u3"]`},
		"device_id": {`event["d1"]`, `event["d2"]`},
		"insert_id": {`event["i1"]`, `event["i2"]`},
	}}
	for name, row := range map[string]struct {
		ids          raw
		user, device string
	}{
		"a valid one behind it":         {raw{"u1": "anonymous", "u2": "u"}, "u", ""},
		"a valid one behind several":    {raw{"u1": "null", "u2": 0, "u3": "u"}, "u", ""},
		"a valid one before it":         {raw{"u1": "u", "u2": "anonymous"}, "u", ""},
		"the first, if all are refused": {raw{"u1": "", "u2": "unknown", "u3": "none"}, "unknown", ""},
		"a number":                      {raw{"u1": -1, "u2": 7}, "7", ""},
		"of the device": {
			raw{"u1": "u", "d1": "00000000-0000-0000-0000-000000000000", "d2": "d"}, "u", "d",
		},
		"of the device, zeros only": {raw{"d1": "00000000", "d2": "d"}, "", "d"},
		"of the device alone":       {raw{"d1": "lmy47d"}, "", "lmy47d"},
	} {
		t.Run(name, func(t *testing.T) {
			row.ids["name"] = "a"
			got := readOne(t, config, given{body: row.ids}).identity()
			assert.Equal(t, []string{row.user, row.device}, []string{got.userID, got.deviceID})
		})
	}
	t.Run("an insert id is never refused", func(t *testing.T) {
		got := readOne(t, config, given{body: raw{"name": "a", "i1": "none", "i2": "i"}})
		assert.Equal(t, "none", got.texts[event.InsertID])
	})
	t.Run("a refused id stays a property if it isn't used", func(t *testing.T) {
		in := given{name: "a", attributes: raw{"user.id": "anonymous", "enduser.id": "u"}}
		left, others := properties(t, layout.Config{Preset: "otel"}, in)
		assert.Equal(t, []string{"user.id"}, left)
		assert.Equal(t, []string{"enduser.id"}, others)
	})
}

func TestShortIDsDoNotHideAnother(t *testing.T) {
	layouts, err := layout.Compile([]layout.Config{{Paths: paths{
		"event_type": {`event["name"]`}, "properties": {`event["p"]`},
		"user_id":   {`event["u1"]`, `event["u2"]`, `event["u3"]`},
		"device_id": {`event["d1"]`, `event["d2"]`},
		"insert_id": {`event["i1"]`, `event["i2"]`},
	}}})
	require.NoError(t, err)
	for name, row := range map[string]struct {
		minimum      int
		ids          raw
		user, device string
	}{
		"a longer one behind it":      {5, raw{"u1": "u-17", "u2": "user-17"}, "user-17", ""},
		"a longer one before it":      {5, raw{"u1": "user-17", "u2": "u-17"}, "user-17", ""},
		"just long enough":            {5, raw{"u1": "u-017", "u2": "user-17"}, "u-017", ""},
		"characters, not bytes":       {5, raw{"u1": "äöüß", "u2": "user-17"}, "user-17", ""},
		"a number":                    {5, raw{"u1": 17, "u2": 12345}, "12345", ""},
		"the first, if all are short": {5, raw{"u1": "", "u2": "u-2", "u3": "u-3"}, "u-2", ""},
		"rather than a refused one":   {5, raw{"u1": "null", "u2": "u-2", "u3": "none"}, "u-2", ""},
		"refused and short":           {5, raw{"u1": "u-1", "u2": "null", "u3": "user-17"}, "user-17", ""},
		"of the device":               {5, raw{"d1": "d", "d2": "device-4"}, "", "device-4"},
		"another minimum":             {4, raw{"u1": "u-17", "u2": "user-17"}, "u-17", ""},
		"no minimum":                  {0, raw{"u1": "u", "u2": "user-17"}, "u", ""},
	} {
		t.Run(name, func(t *testing.T) {
			row.ids["name"] = "a"
			reader := New(Settings{Layouts: layouts, Fields: event.Fields(), Limits: limits, MinIDLength: row.minimum})
			all, _ := readRecord(t, reader, given{body: row.ids})
			require.Len(t, all, 1)
			got := all[0].identity()
			assert.Equal(t, []string{row.user, row.device}, []string{got.userID, got.deviceID})
		})
	}
	t.Run("an insert id is never too short", func(t *testing.T) {
		reader := New(Settings{Layouts: layouts, Fields: event.Fields(), Limits: limits, MinIDLength: 5})
		all, _ := readRecord(t, reader, given{body: raw{"name": "a", "i1": "i", "i2": "insert-2"}})
		require.Len(t, all, 1)
		assert.Equal(t, "i", all[0].texts[event.InsertID])
	})
}

func TestSessionIDs(t *testing.T) {
	config := layout.Config{Paths: paths{
		"event_type": {`event["name"]`}, "properties": {`event["p"]`}, "session_id": {`event["s1"]`, `event["s2"]`},
	}}
	for name, row := range map[string]struct {
		first, second any
		want          int64
		invalid       bool
	}{
		"milliseconds":                 {first: 1790000000123, want: 1790000000123},
		"a double":                     {first: 1790000000123.0, want: 1790000000123},
		"a text":                       {first: "1790000000123", want: 1790000000123},
		"seconds":                      {first: 1790000000, want: 1790000000000},
		"seconds as a text":            {first: "1790000000", want: 1790000000000},
		"the smallest of ten digits":   {first: 1000000000, want: 1000000000000},
		"the greatest of ten digits":   {first: 9999999999, want: 9999999999000},
		"nine digits":                  {first: 999999999, want: 999999999},
		"eleven digits":                {first: 10000000000, want: 10000000000},
		"a small number":               {first: 3, want: 3},
		"the greatest integer":         {first: int64(math.MaxInt64), want: math.MaxInt64},
		"zero":                         {first: 0},
		"negative":                     {first: -1},
		"a negative text":              {first: "-1"},
		"zero before another":          {first: 0, second: 7, want: 7},
		"negative before another":      {first: "-1", second: "7", want: 7},
		"a text that isn't an integer": {first: "s", invalid: true},
		"such a text before another":   {first: "s", second: 7, want: 7},
		"such a text behind another":   {first: 7, second: "s", want: 7},
		"such a text behind zero":      {first: 0, second: "s", invalid: true},
		"two such texts":               {first: "s", second: "9f3b", invalid: true},
		"digits and others":            {first: "1790000000x", invalid: true},
		"a sign":                       {first: "+7", invalid: true},
		"a minus alone":                {first: "-", invalid: true},
		"white space":                  {first: " 7", invalid: true},
		"more than an int64":           {first: "9223372036854775808", invalid: true},
		"a fraction":                   {first: 7.5, invalid: true},
		"a double that is too great":   {first: 1e300, invalid: true},
		"a double that isn't finite":   {first: math.Inf(1), invalid: true},
		"a double that isn't a number": {first: math.NaN(), invalid: true},
		"an empty text":                {first: ""},
		"an empty text before another": {first: "", second: 7, want: 7},
		"null":                         {first: nil, second: 7, want: 7},
		"something else":               {first: raw{"id": 7}, second: 8, want: 8},
		"something else alone":         {first: []any{7}},
		"a boolean":                    {first: true},
	} {
		t.Run(name, func(t *testing.T) {
			y := readOne(t, config, given{body: raw{"name": "a", "s1": row.first, "s2": row.second}})
			assert.Equal(t, row.want, y.integers[event.SessionID])
			assert.Equal(t, row.invalid, y.invalidSession)
		})
	}
}

func TestInvalidSessionIsNotThatOfTheEventBefore(t *testing.T) {
	records := scopeOf(t,
		given{name: "a", attributes: raw{"session.id": "s"}}, given{name: "a", attributes: raw{"session.id": 7}}, given{name: "a"},
	)
	var invalid []bool
	for _, e := range newReader(t, nil, layout.Config{Preset: "otel"}).Events(pcommon.NewResource(), records) {
		invalid = append(invalid, e.InvalidSession)
	}
	assert.Equal(t, []bool{true, false, false}, invalid)
}

// TestTheUploadersAddressIsNotTheUsers: for Amplitude, "$remote" is the address of the collector.
func TestTheUploadersAddressIsNotTheUsers(t *testing.T) {
	byHand := layout.Config{Paths: paths{
		"event_type": {`log.attributes["name"]`}, "properties": {`log.attributes`},
		"ip": {`log.attributes["ip"]`, `log.attributes["ip2"]`, `log.attributes["client.address"]`},
	}}
	amplitude := layout.Config{Preset: "amplitude"}
	for name, row := range map[string]struct {
		config layout.Config
		given
		ip     string
		remote bool
	}{
		"an address": {amplitude, given{body: raw{"event_type": "a", "ip": "203.0.113.7"}, attributes: raw{"client.address": "203.0.113.8"}}, "203.0.113.7", false},
		"$remote":    {amplitude, given{body: raw{"event_type": "a", "ip": "$remote"}}, "", true},
		"$remote, and the address of the client": {
			amplitude, given{body: raw{"event_type": "a", "ip": "$remote"}, attributes: raw{"client.address": "203.0.113.8"}}, "203.0.113.8", true,
		},
		"$remote in attributes": {amplitude, given{attributes: raw{"event_type": "a", "ip": "$remote", "client.address": "203.0.113.8"}}, "203.0.113.8", true},
		"$remote before an address": {
			amplitude,
			given{body: raw{"event_type": "a", "ip": "$remote", "ip_address": "203.0.113.7"}, attributes: raw{"client.address": "203.0.113.8"}},
			"203.0.113.7", true,
		},
		"$remote behind an address": {amplitude, given{body: raw{"event_type": "a", "ip": "203.0.113.7", "ip_address": "$remote"}}, "203.0.113.7", false},
		"no address":                {amplitude, given{body: raw{"event_type": "a"}, attributes: raw{"client.address": "203.0.113.8"}}, "", false},
		"$remote as the address of the client": {
			layout.Config{Preset: "otel"}, given{name: "a", attributes: raw{"client.address": "$remote"}}, "", true,
		},
		"segment": {
			layout.Config{Preset: "segment"},
			given{body: raw{"event": "a", "userId": "u", "context": raw{"ip": "$remote"}}, attributes: raw{"client.address": "203.0.113.8"}},
			"203.0.113.8", true,
		},
		"by hand": {byHand, given{attributes: raw{"name": "a", "ip": "$remote", "client.address": "203.0.113.8"}}, "203.0.113.8", true},
	} {
		t.Run(name, func(t *testing.T) {
			y := readOne(t, row.config, row.given)
			assert.Equal(t, row.ip, y.texts[event.IP])
			assert.Equal(t, row.remote, y.remoteIP)
		})
	}
	t.Run("neither is a property", func(t *testing.T) {
		byHand.Paths["ip"] = byHand.Paths["ip"][:1]
		left, _ := properties(t, byHand, given{attributes: raw{"name": "a", "ip": "$remote", "client.address": "203.0.113.8", "k": "v"}})
		assert.Equal(t, []string{"k"}, left)
	})
}

func TestPlatformOfBrowsers(t *testing.T) {
	call := func(library any, device raw) given {
		return given{body: raw{"event": "a", "userId": "u", "context": raw{"library": library, "device": device}}}
	}
	analytics := raw{"name": "analytics.js", "version": "npm:next-1.84.3"}
	for name, row := range map[string]struct {
		config layout.Config
		given
		want string
	}{
		"analytics.js":               {layout.Config{Preset: "segment"}, call(analytics, nil), "Web"},
		"of another CDP":             {layout.Config{Preset: "hightouch"}, call(analytics, nil), "Web"},
		"RudderStack's channel":      {layout.Config{Preset: "rudderstack"}, given{body: raw{"event": "a", "userId": "u", "channel": "web"}}, "Web"},
		"another channel":            {layout.Config{Preset: "rudderstack"}, given{body: raw{"event": "a", "userId": "u", "channel": "server"}}, ""},
		"with a device type":         {layout.Config{Preset: "segment"}, call(analytics, raw{"type": "tvos"}), "tvos"},
		"iOS in another case":        {layout.Config{Preset: "segment"}, call(analytics, raw{"type": "ios"}), "iOS"},
		"Android in another case":    {layout.Config{Preset: "customerio"}, call(analytics, raw{"type": "ANDROID"}), "Android"},
		"as RudderStack sends it":    {layout.Config{Preset: "rudderstack"}, call(analytics, raw{"type": "android"}), "android"},
		"with an empty device type":  {layout.Config{Preset: "segment"}, call(analytics, raw{"type": ""}), "Web"},
		"another library":            {layout.Config{Preset: "segment"}, call(raw{"name": "analytics-node"}, nil), ""},
		"another case":               {layout.Config{Preset: "segment"}, call(raw{"name": "Analytics.js"}, nil), ""},
		"a library that isn't a map": {layout.Config{Preset: "segment"}, call("analytics.js", nil), ""},
		"no context":                 {layout.Config{Preset: "segment"}, given{body: raw{"event": "a", "userId": "u"}}, ""},
		"a platform removed":         {layout.Config{Preset: "segment", Paths: paths{"platform": {}}}, call(analytics, nil), ""},
		"another preset": {
			layout.Config{Preset: "amplitude"}, given{body: raw{"event_type": "a", "context": raw{"library": analytics}}}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, row.want, readOne(t, row.config, row.given).texts[event.Platform])
		})
	}
}
