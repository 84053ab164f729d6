// SPDX-License-Identifier: Apache-2.0

// Package event defines the fields of an analytics event, and an event as a value that doesn't depend on how a log record
// carried it.
package event // import "github.com/impression-collector/impression-bridge/internal/event"

// Field is a part of an event that a layout can locate.
type Field uint8

// The fields, in the order in which they are encoded. Don't change the order: insert ids that are hashes of an encoded event
// depend on it, and Amplitude would take a repeated event for a new one.
const (
	Type Field = iota
	UserID
	DeviceID
	Time
	InsertID
	SessionID
	Properties
	UserProperties
	Groups
	IP
	AppVersion
	Platform
	OSName
	Language
	UserAgent
	OSVersion
	DeviceBrand
	DeviceManufacturer
	DeviceModel
	Carrier
	Country
	Region
	City
	LocationLat
	LocationLng
	IDFA
	IDFV
	ADID
	Price
	Quantity
	Revenue
	ProductID
	RevenueType
	Currency

	// NumFields is the number of fields.
	NumFields = iota
)

// Kind is the kind of values that a field can have. A value of another kind is skipped, and the field's next path is tried.
type Kind uint8

const (
	// Name is a non-empty string.
	Name Kind = iota
	// Text is a non-empty string or a number.
	Text
	// ID is a Text. An id that Amplitude refuses is used only if no path leads to another id.
	ID
	// Address is the IP address of the user: a Text, except "$remote". Amplitude's SDKs send it for the address that sends the
	// request, which would be the collector's.
	Address
	// Number is a finite number, or a text that is a decimal number.
	Number
	// Map is a map.
	Map
	// Moment is a time, as pdatautil.Time reads it.
	Moment
	// Session is the start of a session: a positive integer, in milliseconds since the Unix epoch. A number of ten digits is
	// in seconds, and is converted.
	Session
)

// fields is the table of fields. A row has the field's key in the configuration of a layout, its kind, and its name in
// Amplitude's HTTP V2 API (https://amplitude.com/docs/apis/analytics/http-v2). All code, schemas, and documents that depend on
// the set of fields follow from this table or are tested against it.
var fields = [NumFields]struct {
	key  string
	kind Kind
	api  string
}{
	Type:               {"event_type", Name, "event_type"},
	UserID:             {"user_id", ID, "user_id"},
	DeviceID:           {"device_id", ID, "device_id"},
	Time:               {"time", Moment, "time"},
	InsertID:           {"insert_id", Text, "insert_id"},
	SessionID:          {"session_id", Session, "session_id"},
	Properties:         {"properties", Map, "event_properties"},
	UserProperties:     {"user_properties", Map, "user_properties"},
	Groups:             {"groups", Map, "groups"},
	IP:                 {"ip", Address, "ip"},
	AppVersion:         {"app_version", Text, "app_version"},
	Platform:           {"platform", Text, "platform"},
	OSName:             {"os_name", Text, "os_name"},
	Language:           {"language", Text, "language"},
	UserAgent:          {"user_agent", Text, "user_agent"},
	OSVersion:          {"os_version", Text, "os_version"},
	DeviceBrand:        {"device_brand", Text, "device_brand"},
	DeviceManufacturer: {"device_manufacturer", Text, "device_manufacturer"},
	DeviceModel:        {"device_model", Text, "device_model"},
	Carrier:            {"carrier", Text, "carrier"},
	Country:            {"country", Text, "country"},
	Region:             {"region", Text, "region"},
	City:               {"city", Text, "city"},
	LocationLat:        {"location_lat", Number, "location_lat"},
	LocationLng:        {"location_lng", Number, "location_lng"},
	IDFA:               {"idfa", Text, "idfa"},
	IDFV:               {"idfv", Text, "idfv"},
	ADID:               {"adid", Text, "adid"},
	Price:              {"price", Number, "price"},
	Quantity:           {"quantity", Number, "quantity"},
	Revenue:            {"revenue", Number, "revenue"},
	ProductID:          {"product_id", Text, "productId"},
	RevenueType:        {"revenue_type", Text, "revenueType"},
	Currency:           {"currency", Text, "currency"},
}

// Fields returns all fields, in their order.
func Fields() []Field {
	all := make([]Field, NumFields)
	for i := range all {
		all[i] = Field(i)
	}
	return all
}

// FieldOf returns the field with the given key in the configuration of a layout, and reports whether there is one.
func FieldOf(key string) (Field, bool) {
	for i := range fields {
		if fields[i].key == key {
			return Field(i), true
		}
	}
	return 0, false
}

// Key returns the field's key in the configuration of a layout.
func (f Field) Key() string {
	return fields[f].key
}

// Kind returns the field's kind.
func (f Field) Kind() Kind {
	return fields[f].kind
}

// APIName returns the field's name in Amplitude's HTTP V2 API.
func (f Field) APIName() string {
	return fields[f].api
}
