// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/impression-collector/impression-bridge/internal/layout"
)

// TestFieldsOfPresets sends an event of each preset, in the form of the examples in the producer's documentation. What is sent
// for a CDP is what its own destination sends, with the differences in the README.
func TestFieldsOfPresets(t *testing.T) {
	for name, row := range map[string]struct {
		layout layout.Config
		body   string
		want   string
	}{
		"segment, from a phone": {
			layout.Config{Preset: "segment"},
			`{"type":"track","event":"Level Completed","messageId":"m-1","userId":"user-17","anonymousId":"anon-1234",
			"timestamp":"2026-11-23T10:00:00Z","properties":{"level":7},"context":{
				"app":{"name":"InitechGlobal","version":"545"},"library":{"name":"analytics-ios","version":"4.1.0"},
				"device":{"id":"B5372DB0-C21E","advertisingId":"7A3CBEA0-BDF5","adTrackingEnabled":true,"manufacturer":"Apple",
					"model":"iPhone7,2","name":"maguro","type":"ios"},
				"os":{"name":"iPhone OS","version":"8.1.3"},"network":{"bluetooth":false,"carrier":"T-Mobile US","wifi":false},
				"location":{"city":"San Francisco","country":"United States","region":"California","latitude":40.2964197,"longitude":-76.9411617,"speed":0},
				"locale":"en-US","ip":"203.0.113.7"}}`,
			`{"event_type":"Level Completed","insert_id":"m-1","user_id":"user-17","device_id":"B5372DB0-C21E","time":1795428000000,
			"event_properties":{"level":7},"ip":"203.0.113.7","app_version":"545","platform":"iOS","os_name":"iPhone OS","os_version":"8.1.3",
			"language":"en-US","device_manufacturer":"Apple","device_model":"iPhone7,2","carrier":"T-Mobile US","country":"United States",
			"region":"California","city":"San Francisco","location_lat":40.2964197,"location_lng":-76.9411617,
			"idfa":"7A3CBEA0-BDF5","adid":"7A3CBEA0-BDF5","idfv":"B5372DB0-C21E"}`,
		},
		"segment, an order": {
			layout.Config{Preset: "segment"},
			`{"type":"track","event":"Order Completed","messageId":"m-1","userId":"user-17","timestamp":"2026-11-23T10:00:00Z",
			"properties":{"order_id":"o-1","revenue":"25.00","currency":"USD","products":[{"product_id":"507f","price":19,"quantity":1}]}}`,
			`{"event_type":"Order Completed","insert_id":"m-1","user_id":"user-17","time":1795428000000,"event_properties":
			{"order_id":"o-1","revenue":"25.00","currency":"USD","products":[{"product_id":"507f","price":19,"quantity":1}]},
			"revenue":25,"revenueType":"Purchase","currency":"USD"}`,
		},
		"segment, a price and a quantity": {
			layout.Config{Preset: "segment"},
			`{"type":"track","event":"Product Bought","messageId":"m-1","userId":"user-17","timestamp":"2026-11-23T10:00:00Z",
			"properties":{"price":18.5,"quantity":2,"revenue":1,"productId":"507f","revenueType":"Refund"}}`,
			`{"event_type":"Product Bought","insert_id":"m-1","user_id":"user-17","time":1795428000000,
			"event_properties":{"price":18.5,"quantity":2,"revenue":1,"productId":"507f","revenueType":"Refund"},
			"price":18.5,"quantity":2,"revenue":37,"productId":"507f","revenueType":"Refund"}`,
		},
		"segment, a price isn't revenue": {
			layout.Config{Preset: "segment"},
			`{"type":"track","event":"Product Viewed","messageId":"m-1","userId":"user-17","timestamp":"2026-11-23T10:00:00Z",
			"properties":{"productId":"507f","price":18.99,"currency":"usd","revenue":0}}`,
			`{"event_type":"Product Viewed","insert_id":"m-1","user_id":"user-17","time":1795428000000,
			"event_properties":{"productId":"507f","price":18.99,"currency":"usd","revenue":0}}`,
		},
		"segment, a fraction of a piece": {
			layout.Config{Preset: "segment"},
			`{"type":"track","event":"Apples Bought","messageId":"m-1","userId":"user-17","timestamp":"2026-11-23T10:00:00Z",
			"properties":{"price":4,"quantity":2.5}}`,
			`{"event_type":"Apples Bought","insert_id":"m-1","user_id":"user-17","time":1795428000000,
			"event_properties":{"price":4,"quantity":2.5},"revenue":10,"revenueType":"Purchase"}`,
		},
		"segment, texts that aren't numbers": {
			layout.Config{Preset: "segment"},
			`{"type":"track","event":"Order Completed","messageId":"m-1","userId":"user-17","timestamp":"2026-11-23T10:00:00Z",
			"properties":{"revenue":"$25","price":"0x10","quantity":"NaN"},"context":{"location":{"latitude":"north","longitude":""}}}`,
			`{"event_type":"Order Completed","insert_id":"m-1","user_id":"user-17","time":1795428000000,
			"event_properties":{"revenue":"$25","price":"0x10","quantity":"NaN"}}`,
		},
		"hightouch, an order": {
			layout.Config{Preset: "hightouch"},
			`{"type":"track","event":"Order Completed","messageId":"m-1","userId":"user-17","timestamp":"2026-11-23T10:00:00Z",
			"properties":{"revenue":60},"context":{"library":{"name":"events-sdk-js"},"os":{"name":"Android","version":"14"}}}`,
			`{"event_type":"Order Completed","insert_id":"m-1","user_id":"user-17","time":1795428000000,"event_properties":{"revenue":60},
			"os_name":"Android","os_version":"14","revenue":60,"revenueType":"Purchase"}`,
		},
		"customerio, from a phone": {
			layout.Config{Preset: "customerio"},
			`{"type":"track","event":"Ticket Bought","messageId":"m-1","anonymousId":"anon-1234","timestamp":"2026-11-23T10:00:00Z",
			"context":{"device":{"manufacturer":"Google","model":"Pixel 9","type":"android","idfa":"38400000-8cf0"},"network":{"carrier":"Vodafone"}}}`,
			`{"event_type":"Ticket Bought","insert_id":"m-1","device_id":"anon-1234","time":1795428000000,"platform":"Android",
			"device_manufacturer":"Google","device_model":"Pixel 9","carrier":"Vodafone","idfa":"38400000-8cf0","adid":"38400000-8cf0"}`,
		},
		"rudderstack, from an Android phone": {
			layout.Config{Preset: "rudderstack"},
			`{"type":"track","event":"Level Up","channel":"mobile","messageId":"m-1","anonymousId":"anon-1234","originalTimestamp":"2026-11-23T10:00:00Z",
			"properties":{"level":7},"context":{"device":{"id":"49e4bdd1c280bc00","manufacturer":"Google","model":"AOSP on IA Emulator","name":"generic",
				"type":"Android","advertisingId":"44c97318-9040"},"os":{"name":"Android","version":"9"},"network":{"carrier":"Android"},
				"locale":"en-US","traits":{"address":{"city":"Kolkata","country":"India"}}}}`,
			`{"event_type":"Level Up","insert_id":"m-1","device_id":"anon-1234","time":1795428000000,"event_properties":{"level":7},
			"platform":"Android","os_name":"Android","os_version":"9","device_brand":"Google","device_manufacturer":"Google",
			"device_model":"AOSP on IA Emulator","carrier":"Android","language":"en-US","adid":"44c97318-9040","country":"India","city":"Kolkata"}`,
		},
		"rudderstack, from an iPad": {
			layout.Config{Preset: "rudderstack"},
			`{"type":"track","event":"Level Up","channel":"mobile","messageId":"m-1","anonymousId":"anon-1234","originalTimestamp":"2026-11-23T10:00:00Z",
			"context":{"device":{"id":"49e4bdd1c280bc00","type":"iPadOS","advertisingId":"44c97318-9040"},"location":{"country":"Chile"},
				"traits":{"address":{"country":"India"}}}}`,
			`{"event_type":"Level Up","insert_id":"m-1","device_id":"anon-1234","time":1795428000000,"platform":"iPadOS",
			"idfa":"44c97318-9040","idfv":"49e4bdd1c280bc00","country":"Chile"}`,
		},
		"rudderstack, an order": {
			layout.Config{Preset: "rudderstack"},
			`{"type":"track","event":"Order Completed","channel":"web","messageId":"m-1","anonymousId":"anon-1234","originalTimestamp":"2026-11-23T10:00:00Z",
			"properties":{"order_id":"o-1","revenue":48,"quantity":2,"currency":"USD","product_id":"507f"},
			"context":{"device":{"id":"d-1234","advertisingId":"44c97318-9040"}}}`,
			`{"event_type":"Order Completed","insert_id":"m-1","device_id":"anon-1234","time":1795428000000,"platform":"Web",
			"event_properties":{"order_id":"o-1","currency":"USD"},
			"price":48,"quantity":1,"revenue":48,"productId":"507f","revenueType":"Purchased","currency":"USD"}`,
		},
		"rudderstack, revenue with a price": {
			layout.Config{Preset: "rudderstack"},
			`{"type":"track","event":"Order Completed","messageId":"m-1","anonymousId":"anon-1234","originalTimestamp":"2026-11-23T10:00:00Z",
			"properties":{"revenue":"48","price":24,"revenue_type":"Subscription"}}`,
			`{"event_type":"Order Completed","insert_id":"m-1","device_id":"anon-1234","time":1795428000000,
			"event_properties":{"revenue_type":"Subscription"},"price":24,"quantity":1,"revenue":48,"revenueType":"Subscription"}`,
		},
		"rudderstack, a price and a quantity aren't revenue": {
			layout.Config{Preset: "rudderstack"},
			`{"type":"track","event":"Product Added","messageId":"m-1","anonymousId":"anon-1234","originalTimestamp":"2026-11-23T10:00:00Z",
			"properties":{"price":24,"quantity":2,"product_id":"507f"}}`,
			`{"event_type":"Product Added","insert_id":"m-1","device_id":"anon-1234","time":1795428000000,
			"event_properties":{"price":24,"quantity":2,"product_id":"507f"}}`,
		},
		"jitsu": {
			layout.Config{Preset: "jitsu"},
			`{"type":"track","event":"Order Completed","messageId":"m-1","userId":"user-17","timestamp":"2026-11-23T10:00:00Z",
			"properties":{"revenue":48},"context":{"geo":{"country":{"code":"US","name":"United States"},"region":{"code":"NY"},
				"city":{"name":"New York"},"location":{"latitude":40.71,"longitude":-74.01}},"device":{"advertisingId":"44c97318-9040"}}}`,
			`{"event_type":"Order Completed","insert_id":"m-1","user_id":"user-17","time":1795428000000,"event_properties":{"revenue":48},
			"country":"US","region":"NY","city":"New York","location_lat":40.71,"location_lng":-74.01}`,
		},
		"amplitude": {
			layout.Config{Preset: "amplitude"},
			`{"event_type":"watch_tutorial","user_id":"datamonster","device_id":"C8F9E604","time":1795428000000,"insert_id":"5f0adeff",
			"app_version":"2.1.3","platform":"iOS","os_name":"Android","os_version":"4.2.2","device_brand":"Verizon","device_manufacturer":"Apple",
			"device_model":"iPhone 9,1","carrier":"Verizon","country":"United States","region":"California","city":"San Francisco",
			"dma":"San Francisco-Oakland-San Jose, CA","language":"English","price":4.99,"quantity":3,"revenue":"-1.99",
			"productId":"Google Pay Store Product Id","revenueType":"Refund","currency":"USD","location_lat":37.77,"location_lng":-122.39,
			"idfa":"AEBE52E7","idfv":"BCCE52E7","adid":"AEBE52E7","android_id":"BCCE52E7","event_id":23}`,
			`{"event_type":"watch_tutorial","user_id":"datamonster","device_id":"C8F9E604","time":1795428000000,"insert_id":"5f0adeff",
			"app_version":"2.1.3","platform":"iOS","os_name":"Android","os_version":"4.2.2","device_brand":"Verizon","device_manufacturer":"Apple",
			"device_model":"iPhone 9,1","carrier":"Verizon","country":"United States","region":"California","city":"San Francisco",
			"dma":"San Francisco-Oakland-San Jose, CA","language":"English","price":4.99,"quantity":3,"revenue":-1.99,
			"productId":"Google Pay Store Product Id","revenueType":"Refund","currency":"USD","location_lat":37.77,"location_lng":-122.39,
			"idfa":"AEBE52E7","idfv":"BCCE52E7","adid":"AEBE52E7","android_id":"BCCE52E7","event_id":23}`,
		},
		"amplitude, values of other kinds": {
			layout.Config{Preset: "amplitude"},
			`{"event_type":"a","user_id":"user-17","time":1795428000000,"insert_id":"i-1","price":"four","quantity":1.5,"location_lat":true,"city":{"a":1},"carrier":7}`,
			`{"event_type":"a","user_id":"user-17","time":1795428000000,"insert_id":"i-1","carrier":"7"}`,
		},
		"mparticle": {
			layout.Config{Preset: "mparticle"},
			`{"mp_deviceid":"device-4","user_identities":{"customer_id":"user-17"},"ip":"203.0.113.7","application_info":{"application_version":"1.2"},
			"device_info":{"brand":"google","product":"oriole","device_manufacturer":"Google","device_model":"Pixel 6","platform":"Android",
				"os_version":"14","device_country":"US","network_carrier":"T-Mobile","android_advertising_id":"44c97318-9040","locale_language":"en"},
			"events":[{"event_type":"custom_event","data":{"event_name":"Level Up","source_message_id":"m-1","timestamp_unixtime_ms":1795428000000,
				"location":{"latitude":"40.7142","longitude":-74.0064,"accuracy":5},"custom_attributes":{"level":"7"}}}]}`,
			`{"event_type":"Level Up","insert_id":"m-1","user_id":"user-17","device_id":"device-4","time":1795428000000,"event_properties":{"level":"7"},
			"ip":"203.0.113.7","app_version":"1.2","platform":"Android","os_version":"14","language":"en","device_brand":"google",
			"device_manufacturer":"Google","device_model":"Pixel 6","carrier":"T-Mobile","country":"US","location_lat":40.7142,"location_lng":-74.0064,
			"adid":"44c97318-9040"}`,
		},
		"snowplow, a transaction": {
			layout.Config{Preset: "snowplow", Paths: map[string][]string{"properties": {`event["unstruct_event_com_acme_order_1"]`}}},
			`{"event_name":"transaction","event_id":"e-1","user_id":"user-17","domain_userid":"bc2e92ec6c204a14","derived_tstamp":"2026-11-23T10:00:00Z",
			"geo_country":"US","geo_region":"TX","geo_region_name":"Texas","geo_city":"Austin","geo_latitude":30.27,"geo_longitude":-97.74,
			"tr_orderid":"o-1","tr_total":25.5,"tr_currency":"USD"}`,
			`{"event_type":"transaction","insert_id":"e-1","user_id":"user-17","device_id":"bc2e92ec6c204a14","time":1795428000000,
			"country":"US","region":"Texas","city":"Austin","location_lat":30.27,"location_lng":-97.74,"revenue":25.5,"currency":"USD"}`,
		},
		"tealium, from an iPhone": {
			layout.Config{Preset: "tealium", Paths: map[string][]string{"user_id": {`event["customer_id"]`}, "insert_id": {`event["random"]`}}},
			`{"tealium_event":"level_up","random":"r-1","tealium_visitor_id":"visitor-1","tealium_timestamp_epoch_milliseconds":"1795428000000","level":"7",
			"app_version":"1.2","device":"iPhone 13 Pro Max","device_manufacturer":"Apple","device_model":"iPhone 13 Pro Max","device_os_version":"17.0",
			"os_name":"iOS","platform":"ios","device_language":"en-US","carrier":"AT&T","latitude":"32.90","longitude":"-117.23",
			"device_advertising_id":"6D92078A","device_advertising_vendor_id":"8246BA21"}`,
			`{"event_type":"level_up","device_id":"visitor-1","time":1795428000000,"insert_id":"r-1",
			"event_properties":{"level":"7","device":"iPhone 13 Pro Max"},"app_version":"1.2","platform":"ios","os_name":"iOS","os_version":"17.0",
			"language":"en-US","device_manufacturer":"Apple","device_model":"iPhone 13 Pro Max","carrier":"AT&T","location_lat":32.9,"location_lng":-117.23,
			"idfa":"6D92078A","idfv":"8246BA21"}`,
		},
		"posthog": {
			layout.Config{Preset: "posthog"},
			`{"event":"$screen","uuid":"u-1","distinct_id":"user-17","timestamp":"2026-11-23T10:00:00Z","properties":{"$os":"Android","$os_version":"14",
			"$device_manufacturer":"Google","$device_model":"Pixel 9","$network_carrier":"T-Mobile","$geoip_country_name":"United States",
			"$geoip_subdivision_1_name":"Florida","$geoip_city_name":"Springfield","$geoip_latitude":28.12,"$geoip_longitude":-81.12}}`,
			`{"event_type":"$screen","insert_id":"u-1","user_id":"user-17","time":1795428000000,"os_name":"Android","os_version":"14",
			"event_properties":{"$os":"Android","$os_version":"14","$device_manufacturer":"Google","$device_model":"Pixel 9",
			"$network_carrier":"T-Mobile","$geoip_country_name":"United States","$geoip_subdivision_1_name":"Florida",
			"$geoip_city_name":"Springfield","$geoip_latitude":28.12,"$geoip_longitude":-81.12},
			"device_manufacturer":"Google","device_model":"Pixel 9","carrier":"T-Mobile","country":"United States","region":"Florida",
			"city":"Springfield","location_lat":28.12,"location_lng":-81.12}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, componenttest.NewNopHost(), func(c *Config) { c.Layouts = []layout.Config{row.layout} })
			require.NoError(t, p.push(t.Context(), logsOf(row.body)))
			p.assertSent(t, row.want)
		})
	}
}

func TestFieldsOfOpenTelemetry(t *testing.T) {
	logs := plog.NewLogs()
	resource := logs.ResourceLogs().AppendEmpty()
	require.NoError(t, resource.Resource().Attributes().FromRaw(map[string]any{
		"service.version": "1.2", "os.name": "iOS", "os.version": "17.0", "device.manufacturer": "Apple", "device.model.identifier": "iPhone14,3",
		"device.model.name": "iPhone 13 Pro Max", "network.carrier.name": "T-Mobile", "geo.country.iso_code": "US",
	}))
	record := resource.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	record.SetEventName("level.up")
	require.NoError(t, record.Attributes().FromRaw(map[string]any{
		"user.id": "user-17", "log.record.uid": "u-1", "level": int64(7), "geo.country.iso_code": "DE", "geo.region.iso_code": "DE-SN",
		"geo.locality.name": "Leipzig", "geo.location.lat": 51.34, "geo.location.lon": 12.37,
	}))
	p := start(t, componenttest.NewNopHost(), nil)
	require.NoError(t, p.push(t.Context(), logs))
	p.assertSent(t, `{"event_type":"level.up","insert_id":"u-1","user_id":"user-17","event_properties":{"level":7},"app_version":"1.2",
		"os_name":"iOS","os_version":"17.0","device_manufacturer":"Apple","device_model":"iPhone 13 Pro Max","carrier":"T-Mobile",
		"country":"DE","region":"DE-SN","city":"Leipzig","location_lat":51.34,"location_lng":12.37}`)
}
