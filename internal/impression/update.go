// SPDX-License-Identifier: Apache-2.0

package impression // import "github.com/impression-collector/impression-bridge/internal/impression"

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/xpdata"

	"github.com/impression-collector/impression-bridge/internal/mapmerge"
)

// IdentifyEventType is the event type of a user property update, in Amplitude's HTTP API.
const IdentifyEventType = "$identify"

// userPropertiesKey is where an event holds its user property operations, in Amplitude's HTTP API.
const userPropertiesKey = "user_properties"

// The user property operations of Amplitude's Identify API. The value of an unset has no meaning; Amplitude's clients
// send "-".
const (
	setOperator   = "$set"
	unsetOperator = "$unset"
	unsetValue    = "-"
)

// insertIDSuffix tells the insert id of an update from that of its impression, which Amplitude would else take for the
// same event.
const insertIDSuffix = "-user-property"

// Identity is whom an impression was shown to, as it stands in the event. The zero Identity is nobody.
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
	// InsertID is the id by which Amplitude recognises a repeated update.
	InsertID string
	// Time is the impression's own time, 0 where it has none.
	Time pcommon.Timestamp
}

// Property returns the name of the user property of a flag.
func Property(flagKey string) string {
	return "[Experiment] " + flagKey
}

// AppendInsertID appends the insert id of the update that belongs to an impression: the impression's insert id with a
// suffix, or, where it has none, a hash of what the update says. The same impression always gives the same id.
func AppendInsertID(to []byte, insertID string, i *Impression, identity Identity, at pcommon.Timestamp) []byte {
	if insertID != "" {
		return append(append(to, insertID...), insertIDSuffix...)
	}
	begin := len(to)
	for _, part := range [...]string{identity.UserID, identity.DeviceID, i.FlagKey, i.Variant} {
		// The length keeps ("ab", "c") and ("a", "bc") apart.
		to = binary.AppendUvarint(to, uint64(len(part)))
		to = append(to, part...)
	}
	to = binary.BigEndian.AppendUint64(to, uint64(at))
	sum := sha256.Sum256(to[begin:])
	// 128 bits are as many as a UUID has.
	return append(hex.AppendEncode(to[:begin], sum[:16]), insertIDSuffix...)
}

// WriteRecord makes an empty record the user property update of an impression.
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

// WriteInline puts the update beside the other fields of its event, which starts at root. Operations that stand there
// already stay. Plain properties become a $set, which is what they mean: Amplitude refuses a mixture of both.
func (u *Update) WriteInline(root pcommon.Map) {
	operations := mapAt(root, userPropertiesKey)
	var builder xpdata.MapBuilder
	operations.RemoveIf(func(key string, value pcommon.Value) bool {
		if strings.HasPrefix(key, "$") {
			return false
		}
		value.MoveTo(builder.AppendEmpty(key))
		return true
	})
	plain := pcommon.NewMap()
	builder.UnsafeIntoMap(plain)
	if plain.Len() > 0 {
		mapmerge.AddMissing(mapAt(operations, setOperator), plain)
	}
	// Of two operations on one property Amplitude would refuse both.
	for _, operation := range operations.All() {
		if operation.Type() == pcommon.ValueTypeMap {
			operation.Map().Remove(u.Property)
		}
	}
	operator, value := u.operation()
	mapAt(operations, operator).PutStr(u.Property, value)
}

func (u *Update) operation() (operator, value string) {
	if u.Operation == Unset {
		return unsetOperator, unsetValue
	}
	return setOperator, u.Variant
}

// mapAt returns the map under a key. What is no map there gives way: Amplitude would refuse the event for it.
func mapAt(m pcommon.Map, key string) pcommon.Map {
	value, _ := m.GetOrPutEmpty(key)
	if value.Type() != pcommon.ValueTypeMap {
		return value.SetEmptyMap()
	}
	return value.Map()
}
