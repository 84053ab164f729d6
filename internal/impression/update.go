// SPDX-License-Identifier: Apache-2.0

package impression // import "github.com/impression-collector/impression-bridge/internal/impression"

import (
	"encoding/binary"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/xpdata"

	"github.com/impression-collector/impression-bridge/internal/amplitude"
	"github.com/impression-collector/impression-bridge/internal/pdatautil"
)

// IdentifyEventType is the event type of a user property update in Amplitude's HTTP API.
const IdentifyEventType = "$identify"

// userPropertiesKey is the key of an event's user property operations in Amplitude's HTTP API.
const userPropertiesKey = "user_properties"

// The user property operations of Amplitude's Identify API. The value of an unset is ignored. Amplitude's SDKs send "-".
const (
	setOperator   = "$set"
	unsetOperator = "$unset"
	unsetValue    = "-"
)

// insertIDSuffix makes the insert id of an update differ from its impression's. Otherwise, Amplitude would take the two for one
// event.
const insertIDSuffix = "-user-property"

// Identity has the user and device ids of an impression, unchanged. The zero Identity has none.
type Identity struct {
	UserID, DeviceID string
}

// Update is a set or unset of the user property of a flag.
type Update struct {
	Identity Identity
	// Property is the name of the user property.
	Property string
	// Operation is Set or Unset.
	Operation Operation
	// Variant is the value to set.
	Variant string
	// InsertID is the id by which Amplitude discards duplicates of the update.
	InsertID string
	// Time is the impression's time, or 0 if it has none.
	Time pcommon.Timestamp
}

// propertyPrefix is the prefix of the name of each flag's user property.
const propertyPrefix = "[Experiment] "

// Property returns the name of the user property of a flag.
func Property(flagKey string) string {
	return propertyPrefix + flagKey
}

// AppendProperty appends the name of the user property of a flag, as Property returns it.
func AppendProperty(to []byte, flagKey string) []byte {
	return append(append(to, propertyPrefix...), flagKey...)
}

// AppendInsertID appends the insert id of an update. flagKey and insertID are those of the impression. The id is the
// impression's insert id with a suffix, in the form of amplitude.AppendInsertID. If insertID is "", it is a hash of the update
// with that suffix. Either is the same if the impression is processed again.
func (u *Update) AppendInsertID(to []byte, flagKey, insertID string) []byte {
	if insertID != "" {
		return amplitude.AppendInsertID(to, insertID, insertIDSuffix)
	}
	begin := len(to)
	for _, part := range [...]string{u.Identity.UserID, u.Identity.DeviceID, flagKey, u.Variant} {
		// Without the lengths, ("ab", "c") and ("a", "bc") would have the same hash.
		to = binary.AppendUvarint(to, uint64(len(part)))
		to = append(to, part...)
	}
	to = binary.BigEndian.AppendUint64(to, uint64(u.Time))
	to = append(to, byte(u.Operation))
	hash := amplitude.Hash(to[begin:])
	return append(append(to[:begin], hash[:]...), insertIDSuffix...)
}

// WriteRecord writes the update to an empty record. of is the record of the impression.
func (u *Update) WriteRecord(to, of plog.LogRecord) {
	to.SetEventName(IdentifyEventType)
	to.SetTimestamp(u.Time)
	to.SetObservedTimestamp(of.ObservedTimestamp())
	to.SetTraceID(of.TraceID())
	to.SetSpanID(of.SpanID())
	to.SetFlags(of.Flags())
	attributes := to.Attributes()
	attributes.EnsureCapacity(5)
	attributes.PutStr("event_type", IdentifyEventType)
	if u.Identity.UserID != "" {
		attributes.PutStr("user_id", u.Identity.UserID)
	}
	if u.Identity.DeviceID != "" {
		attributes.PutStr("device_id", u.Identity.DeviceID)
	}
	attributes.PutStr("insert_id", u.InsertID)
	operations := attributes.PutEmptyMap(userPropertiesKey)
	operations.EnsureCapacity(1)
	operator, value := u.operation()
	properties := operations.PutEmptyMap(operator)
	properties.EnsureCapacity(1)
	properties.PutStr(u.Property, value)
}

// WriteInline adds the update to the user properties of its event, which starts at root. Operations on other properties are
// kept. Plain properties are moved into $set, which has the same meaning, because Amplitude refuses events with both plain
// properties and operations. Operations without properties are removed.
func (u *Update) WriteInline(root pcommon.Map) {
	operations := mapAt(root, userPropertiesKey)
	if plain := takePlain(operations); plain.Len() > 0 {
		pdatautil.AddMissing(mapAt(operations, setOperator), plain, nil)
	}
	operations.RemoveIf(func(_ string, operation pcommon.Value) bool {
		if operation.Type() != pcommon.ValueTypeMap {
			return false
		}
		// Amplitude refuses two operations on the same property.
		operation.Map().RemoveIf(func(property string, _ pcommon.Value) bool { return property == u.Property })
		return operation.Map().Len() == 0
	})
	operator, value := u.operation()
	mapAt(operations, operator).PutStr(u.Property, value)
}

// ReadUpdate reads an update that WriteRecord wrote, without its identity and time. It reports false for any other event.
func ReadUpdate(insertID string, userProperties pcommon.Map) (Update, bool) {
	if !strings.HasSuffix(insertID, insertIDSuffix) || userProperties.Len() != 1 {
		return Update{}, false
	}
	for operator, value := range userProperties.All() {
		if value.Type() != pcommon.ValueTypeMap || value.Map().Len() != 1 {
			break
		}
		for property, value := range value.Map().All() {
			u := Update{Property: property, InsertID: insertID, Operation: Unset}
			if operator == setOperator {
				u.Operation, u.Variant = Set, value.AsString()
			}
			return u, strings.HasPrefix(property, propertyPrefix) && (operator == setOperator || operator == unsetOperator)
		}
	}
	return Update{}, false
}

// HasIDOf reports whether the update's insert id was made from that of an impression.
func (u *Update) HasIDOf(insertID string) bool {
	return u.InsertID == string(amplitude.AppendInsertID(nil, insertID, insertIDSuffix))
}

// maxSearched is how many values of a record IsOf looks at.
const maxSearched = 10_000

// IsOf reports whether a record has the properties of the update's impression anywhere, in their post form.
func (u *Update) IsOf(record plog.LogRecord) bool {
	budget := maxSearched
	if u.isIn(record.Attributes(), &budget) {
		return true
	}
	return record.Body().Type() == pcommon.ValueTypeMap && u.isIn(record.Body().Map(), &budget)
}

func (u *Update) isIn(m pcommon.Map, budget *int) bool {
	flag, variant := "", ""
	for key, value := range m.All() {
		*budget--
		if *budget < 0 {
			return false
		}
		switch {
		case key == postFlagKey:
			flag, _ = pdatautil.Text(value)
		case key == postVariant:
			variant, _ = pdatautil.Text(value)
		case value.Type() == pcommon.ValueTypeMap && u.isIn(value.Map(), budget):
			return true
		}
	}
	return flag != "" && u.Property == Property(flag) && (u.Operation == Unset || u.Variant == variant)
}

// takePlain removes and returns the properties that aren't operations.
func takePlain(operations pcommon.Map) pcommon.Map {
	var plain xpdata.MapBuilder
	operations.RemoveIf(func(key string, value pcommon.Value) bool {
		if strings.HasPrefix(key, "$") {
			return false
		}
		value.MoveTo(plain.AppendEmpty(key))
		return true
	})
	taken := pcommon.NewMap()
	plain.UnsafeIntoMap(taken)
	return taken
}

func (u *Update) operation() (operator, value string) {
	if u.Operation == Unset {
		return unsetOperator, unsetValue
	}
	return setOperator, u.Variant
}

// mapAt returns the map under a key, which it adds if it is missing. A value that isn't a map is replaced, because Amplitude
// would refuse the event.
func mapAt(m pcommon.Map, key string) pcommon.Map {
	value, _ := m.GetOrPutEmpty(key)
	if value.Type() != pcommon.ValueTypeMap {
		return value.SetEmptyMap()
	}
	return value.Map()
}
