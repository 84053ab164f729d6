// SPDX-License-Identifier: Apache-2.0

package layout // import "github.com/impression-collector/impression-bridge/internal/layout"

import (
	"fmt"
	"maps"
	"slices"

	"github.com/impression-collector/impression-bridge/internal/event"
)

// preset is the layout of a known producer.
type preset struct {
	paths paths
	Traits
	// needs has the fields that users must set, because no path fits every user. The values are examples of a path.
	needs map[event.Field]string
	// calls are the producer's other calls.
	calls calls
}

// paths has the paths of each field. A nil list means that the field isn't given, an empty list that it has no paths.
type paths [event.NumFields][]string

// userPropertiesPaths are the paths of user properties in every layout. Amplitude's server SDKs, and the processor with emit:
// inline, put them beside the event's other fields.
var userPropertiesPaths = []string{`event["user_properties"]`}

// advertisingID are the paths of the advertising id in a track call. Segment's destination sends it in the fields of both
// platforms.
var advertisingID = []string{`event["context"]["device"]["advertisingId"]`, `event["context"]["device"]["idfa"]`}

// orderCompleted locates the products of an order. The destinations of Segment and RudderStack both send Product Purchased events.
var orderCompleted = Call{
	Products: mustParse(`event["properties"]["products"]`), ProductsOf: "Order Completed", ProductType: "Product Purchased",
}

// trackCall is the layout of a track call, which Segment defined (https://segment.com/docs/connections/spec/track/) and other
// CDPs adopted.
var trackCall = preset{
	Traits: Traits{
		Condition: Condition{Key: "type", Value: "track", AnyOf: [][]string{{"userId"}, {"anonymousId"}, {"messageId"}}},
		// As in Segment's destination Amplitude (Actions), https://github.com/segmentio/action-destinations:
		// packages/destination-actions/src/destinations/amplitude/events-functions.ts.
		Revenue: RevenueOrPrice,
		Call:    orderCompleted,
		Web:     Entry{Keys: []string{"context", "library", "name"}, Value: "analytics.js"},

		CanonicalPlatform: true,
	},
	paths: paths{
		event.Type:       {`event["event"]`},
		event.Properties: {`event["properties"]`},
		event.UserID:     {`event["userId"]`},
		event.DeviceID:   {`event["context"]["device"]["id"]`, `event["anonymousId"]`},
		event.InsertID:   {`event["messageId"]`},
		event.Time:       {`event["timestamp"]`, `event["originalTimestamp"]`, `event["sentAt"]`, `event["receivedAt"]`},
		event.SessionID: {
			`event["integrations"]["Actions Amplitude"]["session_id"]`, `event["integrations"]["Amplitude"]["session_id"]`,
			`event["context"]["sessionId"]`,
		},
		event.Groups: {
			`event["integrations"]["Actions Amplitude"]["groups"]`, `event["integrations"]["Amplitude"]["groups"]`,
		},
		// The fields below are mapped as in Segment's destination Amplitude (Actions).
		event.IP:                 {`event["context"]["ip"]`},
		event.AppVersion:         {`event["context"]["app"]["version"]`},
		event.Platform:           {`event["context"]["device"]["type"]`},
		event.OSName:             {`event["context"]["os"]["name"]`},
		event.Language:           {`event["context"]["locale"]`},
		event.UserAgent:          {`event["context"]["userAgent"]`},
		event.OSVersion:          {`event["context"]["os"]["version"]`},
		event.DeviceBrand:        {`event["context"]["device"]["brand"]`},
		event.DeviceManufacturer: {`event["context"]["device"]["manufacturer"]`},
		event.DeviceModel:        {`event["context"]["device"]["model"]`},
		event.Carrier:            {`event["context"]["network"]["carrier"]`},
		event.Country:            {`event["context"]["location"]["country"]`},
		event.Region:             {`event["context"]["location"]["region"]`},
		event.City:               {`event["context"]["location"]["city"]`},
		event.LocationLat:        {`event["context"]["location"]["latitude"]`},
		event.LocationLng:        {`event["context"]["location"]["longitude"]`},
		event.IDFA:               advertisingID,
		event.IDFV:               {`event["context"]["device"]["id"]`},
		event.ADID:               advertisingID,
		event.Price:              {`event["properties"]["price"]`},
		event.Quantity:           {`event["properties"]["quantity"]`},
		event.Revenue:            {`event["properties"]["revenue"]`},
		event.ProductID:          {`event["properties"]["productId"]`},
		event.RevenueType:        {`event["properties"]["revenueType"]`},
		event.Currency:           {`event["properties"]["currency"]`},
	},
	// As in the presets of Segment's destination Amplitude (Actions): packages/destination-actions/src/destinations/amplitude/index.ts.
	// Customer.io's destination is the same (https://docs.customer.io/integrations/data-out/connections/amplitude/).
	calls: segmentCalls(
		call{template: "Viewed {name}", name: []string{`event["name"]`}},
		call{template: "Viewed {name}", name: []string{`event["name"]`}},
	).withAttribution(segmentAttribution...),
}

// segmentAttribution is the attribution that Segment's destination Amplitude (Actions) sends with each call by default:
// packages/destination-actions/src/destinations/amplitude/logEventV2/fields.ts, setOnce and setAlways.
var segmentAttribution = []operation{
	{Set, "referrer", `event["context"]["page"]["referrer"]`},
	{SetOnce, "initial_referrer", `event["context"]["page"]["referrer"]`},
	{Set, "utm_source", `event["context"]["campaign"]["source"]`},
	{SetOnce, "initial_utm_source", `event["context"]["campaign"]["source"]`},
	{Set, "utm_medium", `event["context"]["campaign"]["medium"]`},
	{SetOnce, "initial_utm_medium", `event["context"]["campaign"]["medium"]`},
	{Set, "utm_campaign", `event["context"]["campaign"]["name"]`},
	{SetOnce, "initial_utm_campaign", `event["context"]["campaign"]["name"]`},
	{Set, "utm_term", `event["context"]["campaign"]["term"]`},
	{SetOnce, "initial_utm_term", `event["context"]["campaign"]["term"]`},
	{Set, "utm_content", `event["context"]["campaign"]["content"]`},
	{SetOnce, "initial_utm_content", `event["context"]["campaign"]["content"]`},
}

// rudderAttribution is that of RudderStack's destination, responseBuilderSimple in transform.js.
var rudderAttribution = []operation{
	{Set, "initial_referrer", `event["context"]["page"]["initial_referrer"]`},
	{Set, "initial_referring_domain", `event["context"]["page"]["initial_referring_domain"]`},
	{Set, "utm_source", `event["context"]["campaign"]["source"]`},
	{Set, "utm_medium", `event["context"]["campaign"]["medium"]`},
	{Set, "utm_name", `event["context"]["campaign"]["name"]`},
	{Set, "utm_term", `event["context"]["campaign"]["term"]`},
	{Set, "utm_content", `event["context"]["campaign"]["content"]`},
}

// presets follow each producer's public documentation, read on 2026-11-23, and the traffic of its SDKs.
var presets = map[string]preset{
	// The attributes of OpenTelemetry's semantic conventions for events, users, devices, apps, sessions, and log records.
	"otel": {paths: paths{
		event.Type:       {`log.event_name`, `log.attributes["event.name"]`},
		event.Properties: {`log.attributes`, `log.body`},
		event.UserID:     ofRecordOrResource("user.id", "enduser.id"),
		event.DeviceID:   ofRecordOrResource("device.id", "app.installation.id"),
		event.InsertID:   {`log.attributes["log.record.uid"]`},
		event.Time:       {`log.time`},
		event.SessionID:  {`log.attributes["session.id"]`},
		event.IP:         ofRecordOrResource("client.address"),
		event.AppVersion: ofRecordOrResource("service.version"),
		// Amplitude's platform has no counterpart: browser.platform is an operating system.
		event.OSName:    ofRecordOrResource("user_agent.os.name", "os.name", "os.type", "browser.platform"),
		event.Language:  ofRecordOrResource("browser.language"),
		event.UserAgent: ofRecordOrResource("user_agent.original"),

		event.OSVersion:          ofRecordOrResource("user_agent.os.version", "os.version"),
		event.DeviceManufacturer: ofRecordOrResource("device.manufacturer"),
		event.DeviceModel:        ofRecordOrResource("device.model.name", "device.model.identifier"),
		event.Carrier:            ofRecordOrResource("network.carrier.name"),
		event.Country:            ofRecordOrResource("geo.country.iso_code"),
		event.Region:             ofRecordOrResource("geo.region.iso_code"),
		event.City:               ofRecordOrResource("geo.locality.name"),
		event.LocationLat:        ofRecordOrResource("geo.location.lat"),
		event.LocationLng:        ofRecordOrResource("geo.location.lon"),
	}},
	// An event of Amplitude's HTTP V2 API, with the alternative names that Amplitude's exports use.
	"amplitude": {
		Traits: Traits{AllFields: true},
		paths: paths{
			event.Type:               {`event["event_type"]`},
			event.Properties:         {`event["event_properties"]`},
			event.UserID:             {`event["user_id"]`},
			event.DeviceID:           {`event["device_id"]`},
			event.InsertID:           {`event["insert_id"]`, `event["$insert_id"]`},
			event.Time:               {`event["time"]`, `event["event_time"]`},
			event.SessionID:          {`event["session_id"]`},
			event.Groups:             {`event["groups"]`},
			event.IP:                 {`event["ip"]`, `event["ip_address"]`},
			event.AppVersion:         {`event["app_version"]`, `event["version_name"]`},
			event.Platform:           {`event["platform"]`},
			event.OSName:             {`event["os_name"]`},
			event.Language:           {`event["language"]`},
			event.UserAgent:          {`event["user_agent"]`},
			event.OSVersion:          {`event["os_version"]`},
			event.DeviceBrand:        {`event["device_brand"]`},
			event.DeviceManufacturer: {`event["device_manufacturer"]`},
			event.DeviceModel:        {`event["device_model"]`},
			event.Carrier:            {`event["carrier"]`},
			event.Country:            {`event["country"]`},
			event.Region:             {`event["region"]`},
			event.City:               {`event["city"]`},
			event.LocationLat:        {`event["location_lat"]`},
			event.LocationLng:        {`event["location_lng"]`},
			event.IDFA:               {`event["idfa"]`},
			event.IDFV:               {`event["idfv"]`},
			event.ADID:               {`event["adid"]`},
			event.Price:              {`event["price"]`},
			event.Quantity:           {`event["quantity"]`},
			event.Revenue:            {`event["revenue"]`},
			event.ProductID:          {`event["productId"]`},
			event.RevenueType:        {`event["revenueType"]`},
			event.Currency:           {`event["currency"]`},
		},
	},
	"segment":    trackCall,
	"hightouch":  trackCall,
	"customerio": trackCall,
	// As in RudderStack's destination Amplitude, https://github.com/rudderlabs/rudder-transformer: src/v0/destinations/am.
	"rudderstack": {
		Traits: Traits{
			Condition:              trackCall.Condition,
			Web:                    Entry{Keys: []string{"channel"}, Value: "web"},
			Revenue:                RevenueOnly,
			Call:                   orderCompleted,
			AdvertisingIDsBySystem: true,
		},
		paths: trackCall.with(paths{
			event.DeviceID:    {`event["anonymousId"]`, `event["context"]["device"]["id"]`},
			event.Time:        {`event["timestamp"]`, `event["originalTimestamp"]`},
			event.SessionID:   {`event["session_id"]`, `event["context"]["sessionId"]`},
			event.IP:          {`event["context"]["ip"]`, `event["request_ip"]`},
			event.Groups:      {`event["integrations"]["Amplitude"]["groups"]`},
			event.DeviceBrand: {`event["context"]["device"]["manufacturer"]`},
			event.Country: {
				`event["context"]["location"]["country"]`, `event["traits"]["address"]["country"]`, `event["context"]["traits"]["address"]["country"]`,
			},
			event.City: {
				`event["context"]["location"]["city"]`, `event["traits"]["address"]["city"]`, `event["context"]["traits"]["address"]["city"]`,
			},
			event.IDFA:        {`event["context"]["device"]["advertisingId"]`},
			event.ADID:        {`event["context"]["device"]["advertisingId"]`},
			event.ProductID:   {`event["properties"]["product_id"]`},
			event.RevenueType: {`event["properties"]["revenueType"]`, `event["properties"]["revenue_type"]`},
		}).paths,
		calls: segmentCalls(
			rudderView("Viewed {name} Page", `event["name"]`, `event["properties"]["category"]`),
			rudderView("Viewed {name} Screen", `event["name"]`, `event["event"]`, `event["properties"]["category"]`),
		).withOperations(Identify, operation{Unset, "", `event["integrations"]["Amplitude"]["fieldsToUnset"]`}).withAttribution(rudderAttribution...),
	},
	// As in Jitsu's destination Amplitude, https://github.com/jitsucom/jitsu:
	// libs/destination-functions/src/functions/amplitude-destination.ts. It sends no revenue and no advertising ids.
	"jitsu": trackCall.with(paths{
		event.DeviceID:    {`event["anonymousId"]`},
		event.Time:        {`event["timestamp"]`, `event["receivedAt"]`},
		event.SessionID:   {},
		event.Groups:      {},
		event.Country:     {`event["context"]["geo"]["country"]["code"]`},
		event.Region:      {`event["context"]["geo"]["region"]["code"]`},
		event.City:        {`event["context"]["geo"]["city"]["name"]`},
		event.LocationLat: {`event["context"]["geo"]["location"]["latitude"]`},
		event.LocationLng: {`event["context"]["geo"]["location"]["longitude"]`},
		event.IDFA:        {},
		event.IDFV:        {},
		event.ADID:        {},
		event.Price:       {},
		event.Quantity:    {},
		event.Revenue:     {},
		event.ProductID:   {},
		event.RevenueType: {},
		event.Currency:    {},
	}).withCalls(segmentCalls(
		call{template: "pageview", name: []string{`event["name"]`}},
		call{template: "screen", name: []string{`event["name"]`}},
	)),
	// An event of an mParticle batch, with the fields of the batch beside its own. `mpid` isn't read as the user id, because it
	// identifies a device rather than a user, and `event_id` isn't read as the insert id, because it exceeds 2^53 and arrives
	// rounded.
	"mparticle": {
		Traits: Traits{Condition: Condition{Key: "event_type", Value: "custom_event"}},
		paths: paths{
			event.Type:       {`event["data"]["event_name"]`},
			event.Properties: {`event["data"]["custom_attributes"]`},
			event.UserID:     {`event["user_identities"]["customer_id"]`},
			event.DeviceID:   {`event["mp_deviceid"]`},
			event.InsertID:   {`event["data"]["source_message_id"]`},
			event.Time:       {`event["data"]["timestamp_unixtime_ms"]`},
			event.SessionID:  {`event["data"]["session_start_unixtime_ms"]`},
			event.IP:         {`event["ip"]`},
			event.AppVersion: {`event["application_info"]["application_version"]`},
			// `application_info.os` isn't an operating system, but the kind of SDK, such as MobileWeb.
			event.Platform:  {`event["device_info"]["platform"]`},
			event.Language:  {`event["device_info"]["locale_language"]`},
			event.UserAgent: {`event["device_info"]["http_header_user_agent"]`},

			event.OSVersion:          {`event["device_info"]["os_version"]`},
			event.DeviceBrand:        {`event["device_info"]["brand"]`},
			event.DeviceManufacturer: {`event["device_info"]["device_manufacturer"]`},
			event.DeviceModel:        {`event["device_info"]["device_model"]`},
			event.Carrier:            {`event["device_info"]["network_carrier"]`},
			event.Country:            {`event["device_info"]["device_country"]`},
			event.LocationLat:        {`event["data"]["location"]["latitude"]`},
			event.LocationLng:        {`event["data"]["location"]["longitude"]`},
			event.IDFA:               {`event["device_info"]["ios_advertising_id"]`},
			event.IDFV:               {`event["device_info"]["ios_idfv"]`},
			event.ADID:               {`event["device_info"]["android_advertising_id"]`},
		},
		// As in https://docs.mparticle.com/integrations/amplitude/event/.
		calls: calls{
			key: "event_type", traits: []string{`event["user_attributes"]`}, withTraits: true,
			operations: []operation{{Unset, "", `event["deleted_user_attributes"]`}},
			all: []call{
				{
					kind: Screen, condition: "screen_view", template: "Viewed {name}", name: []string{`event["data"]["screen_name"]`},
					properties: []string{`event["data"]["custom_attributes"]`},
				},
				{
					condition: "commerce_event", template: "eCommerce - {name}", isCommerce: true,
					name:       []string{`event["data"]["product_action"]["action"]`, `event["data"]["custom_event_type"]`},
					properties: []string{`event["data"]["custom_attributes"]`},
					added: append(
						addedFrom(`event["data"]["product_action"]`,
							"products", "transaction_id", "affiliation", "coupon_code", "tax_amount", "shipping_amount"),
						addedFrom(`event["data"]`, "promotion_action", "product_impressions", "currency_code", "screen_name")...,
					),
				},
				{
					kind: Identify, condition: "user_attribute_change", trait: []string{`event["data"]["user_attribute_name"]`},
					newTrait: []string{`event["data"]["new"]`}, traitDeleted: []string{`event["data"]["deleted"]`},
				},
				{kind: Identify, condition: "user_identity_change", traits: []string{`event["user_attributes"]`}},
				mParticleMessage("session_start"), mParticleMessage("session_end"), mParticleMessage("application_state_transition"),
				mParticleMessage("first_run"), mParticleMessage("opt_out"), mParticleMessage("crash_report"),
				mParticleMessage("breadcrumb"), mParticleMessage("network_performance"), mParticleMessage("push_registration"),
				mParticleMessage("push_message"), mParticleMessage("profile"), mParticleMessage("uninstall"),
				// A batch without events.
				{
					kind: Identify, bare: true, types: []string{`event["environment"]`, `event["message_type"]`},
					anyOf: [][]string{{"user_attributes"}, {"deleted_user_attributes"}}, traits: []string{`event["user_attributes"]`},
					paths: paths{
						event.Time:     {`event["timestamp_unixtime_ms"]`},
						event.InsertID: {`event["source_request_id"]`},
					},
				},
			},
		},
	},
	// PostHog's capture API. The distinct id of an anonymous user is the device id.
	"posthog": {
		Traits: Traits{
			Condition:             Condition{AnyOf: [][]string{{"properties", "distinct_id"}, {"distinct_id"}}},
			AnonymousUserIsDevice: true,
		},
		paths: paths{
			event.Type:       {`event["event"]`},
			event.Properties: {`event["properties"]`},
			event.UserID:     {`event["distinct_id"]`, `event["properties"]["distinct_id"]`},
			event.DeviceID:   {`event["properties"]["$device_id"]`},
			event.InsertID:   {`event["uuid"]`},
			event.Time:       {`event["timestamp"]`},
			event.Groups:     {`event["properties"]["$groups"]`},
			event.IP:         {`event["properties"]["$ip"]`},
			event.AppVersion: {`event["properties"]["$app_version"]`},
			event.OSName:     {`event["properties"]["$os"]`},
			event.Language:   {`event["properties"]["$browser_language"]`},
			event.UserAgent:  {`event["properties"]["$raw_user_agent"]`},

			event.OSVersion:          {`event["properties"]["$os_version"]`},
			event.DeviceManufacturer: {`event["properties"]["$device_manufacturer"]`},
			event.DeviceModel:        {`event["properties"]["$device_model"]`},
			event.Carrier:            {`event["properties"]["$network_carrier"]`},
			event.Country:            {`event["properties"]["$geoip_country_name"]`},
			event.Region:             {`event["properties"]["$geoip_subdivision_1_name"]`},
			event.City:               {`event["properties"]["$geoip_city_name"]`},
			event.LocationLat:        {`event["properties"]["$geoip_latitude"]`},
			event.LocationLng:        {`event["properties"]["$geoip_longitude"]`},
		},
		// As PostHog's own destination, which sends what it makes of these events to Segment's Amplitude (Actions):
		// https://github.com/PostHog/posthog: plugin-server/src/cdp/segment/segment-templates.ts. SDKs put the operations beside the
		// properties or among them (https://posthog.com/docs/product-analytics/person-properties).
		calls: calls{
			key: "event", first: true, needs: [][]string{{"properties", "distinct_id"}, {"distinct_id"}},
			operations: []operation{
				{Set, "", `event["$set"]`},
				{Set, "", `event["properties"]["$set"]`},
				{SetOnce, "", `event["$set_once"]`},
				{SetOnce, "", `event["properties"]["$set_once"]`},
				{Unset, "", `event["$unset"]`},
				{Unset, "", `event["properties"]["$unset"]`},
			},
			all: []call{
				{kind: Identify, condition: "$identify"},
				{kind: Identify, condition: "$set"},
				{
					kind: Page, condition: "$pageview", template: "$pageview", properties: []string{`event["properties"]`},
					name: []string{`event["properties"]["title"]`, `event["properties"]["$pathname"]`},
				},
				{
					kind: Screen, condition: "$screen", template: "$screen", properties: []string{`event["properties"]`},
					name: []string{`event["properties"]["$screen_name"]`},
				},
				{
					kind: Group, condition: "$groupidentify", group: []string{`event["properties"]["$group_key"]`},
					groupType: []string{`event["properties"]["$group_type"]`}, traits: []string{`event["properties"]["$group_set"]`},
				},
				{kind: Alias, condition: "$create_alias"},
				{kind: Alias, condition: "$merge_dangerously"},
			},
		},
	},
	// Snowplow's enriched events as JSON. The event name of every structured event is `event`, so its action is the event type.
	"snowplow": {
		Traits: Traits{GenericType: "event"},
		needs:  map[event.Field]string{event.Properties: `event["unstruct_event_com_acme_impression_1"]`},
		paths: paths{
			event.Type:     {`event["event_name"]`, `event["se_action"]`},
			event.UserID:   {`event["user_id"]`},
			event.DeviceID: {`event["domain_userid"]`, `event["network_userid"]`},
			event.InsertID: {`event["event_id"]`},
			event.Time:     {`event["derived_tstamp"]`, `event["collector_tstamp"]`},
			// The app version is in a list of entities, and paths can't lead into lists.
			event.IP:        {`event["user_ipaddress"]`},
			event.Platform:  {`event["platform"]`},
			event.OSName:    {`event["os_name"]`},
			event.Language:  {`event["br_lang"]`},
			event.UserAgent: {`event["useragent"]`},

			event.Country:     {`event["geo_country"]`},
			event.Region:      {`event["geo_region_name"]`, `event["geo_region"]`},
			event.City:        {`event["geo_city"]`},
			event.LocationLat: {`event["geo_latitude"]`},
			event.LocationLng: {`event["geo_longitude"]`},
			event.Revenue:     {`event["tr_total"]`},
			event.Currency:    {`event["tr_currency"]`},
		},
		// As in Snowplow's tag for Amplitude, which sends the event name:
		// https://docs.snowplow.io/docs/destinations/forwarding-events/google-tag-manager-server-side/amplitude-tag-for-gtm-ss/.
		calls: calls{key: "event_name", first: true, all: []call{
			{
				kind: Page, condition: "page_view", template: "page_view", name: []string{`event["page_title"]`},
				added: addedFrom("event", "page_url", "page_title", "page_referrer", "page_urlhost", "page_urlpath", "page_urlquery"),
			},
			{kind: PagePing, condition: "page_ping"},
		}},
	},
	// Tealium's flat data layer.
	"tealium": {
		needs: map[event.Field]string{event.UserID: `event["customer_id"]`},
		paths: paths{
			event.Type:       {`event["tealium_event"]`},
			event.Properties: {`event`},
			event.DeviceID:   {`event["tealium_visitor_id"]`},
			event.Time: {
				`event["tealium_timestamp_epoch_milliseconds"]`, `event["tealium_timestamp_utc"]`, `event["tealium_timestamp_epoch"]`,
			},
			event.SessionID:  {`event["tealium_session_id"]`},
			event.AppVersion: {`event["app_version"]`},
			event.Platform:   {`event["platform"]`},
			event.OSName:     {`event["os_name"]`},
			event.Language:   {`event["device_language"]`},

			event.OSVersion:          {`event["device_os_version"]`},
			event.DeviceManufacturer: {`event["device_manufacturer"]`},
			event.DeviceModel:        {`event["device_model"]`, `event["device"]`},
			event.Carrier:            {`event["carrier"]`},
			event.LocationLat:        {`event["latitude"]`},
			event.LocationLng:        {`event["longitude"]`},
			event.IDFA:               {`event["device_advertising_id"]`},
			event.IDFV:               {`event["device_advertising_vendor_id"]`},
			event.ADID:               {`event["google_adid"]`},
		},
	},
}

// rudderView returns a page or screen call of RudderStack, whose destination also sends its name as a property.
func rudderView(template string, name ...string) call {
	return call{template: template, name: name, added: []added{{key: "name", paths: name}}}
}

// mParticleMessage returns a message of an mParticle batch for which Amplitude has no counterpart.
func mParticleMessage(condition string) call {
	return call{kind: Other, condition: condition}
}

// with returns the preset after replacing the given fields.
func (p preset) with(given paths) preset {
	for f, texts := range given {
		if texts != nil {
			p.paths[f] = texts
		}
	}
	return p
}

// withCalls returns the preset with other calls.
func (p preset) withCalls(c calls) preset {
	p.calls = c
	return p
}

// ofRecordOrResource returns the paths of the keys in the record's attributes, then in the resource's.
func ofRecordOrResource(keys ...string) []string {
	var paths []string
	for _, start := range []string{"log.attributes", "resource.attributes"} {
		for _, key := range keys {
			paths = append(paths, fmt.Sprintf("%s[%q]", start, key))
		}
	}
	return paths
}

// Presets returns the names of the presets, sorted.
func Presets() []string {
	return slices.Sorted(maps.Keys(presets))
}

// CompilePresets returns the layouts of all presets, for finding the events of any producer. A field that users must set has
// the example's path.
func CompilePresets() ([]Layout, error) {
	var configs []Config
	for _, name := range Presets() {
		config := Config{Preset: name, Paths: map[string][]string{}}
		for f, example := range presets[name].needs {
			config.Paths[f.Key()] = []string{example}
		}
		configs = append(configs, config)
	}
	return Compile(configs)
}
