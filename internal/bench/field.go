// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// The names of events that aren't impressions. Some are as long as $impression.
var (
	otelEventNames = []string{
		"page.viewed", "app.started", "session.start", "cart.add", "browser.web_vital", "checkout.completed",
		"search", "form.submit", "exception", "video.paused",
	}
	segmentEventNames = []string{
		"Page Viewed", "Cart Viewed", "Product Added", "Signed Up", "Search", "Order Completed", "Video Play",
		"$exposure", "Link Clicked", "Form Sent",
	}
)

// fillers are typical fields of events beside those of an impression.
var fillers = []struct {
	key   string
	value func(*generator) any
}{
	{"url.full", func(g *generator) any { return g.url() }},
	{"url.path", func(*generator) any { return "/checkout/payment" }},
	{"browser.language", func(*generator) any { return "en-GB" }},
	{"browser.mobile", func(g *generator) any { return g.rng.IntN(2) == 0 }},
	{"user_agent.original", func(*generator) any { return "Mozilla/5.0 (X11; Linux x86_64) Chrome/130.0 Safari/537.36" }},
	{"os.name", func(*generator) any { return "Android" }},
	{"os.version", func(g *generator) any { return fmt.Sprintf("%d.0", 10+g.rng.IntN(6)) }},
	{"app.build_id", func(g *generator) any { return fmt.Sprintf("build-%d", g.rng.IntN(5000)) }},
	{"screen_width", func(g *generator) any { return 320 + g.rng.IntN(2000) }},
	{"screen_height", func(g *generator) any { return 480 + g.rng.IntN(1000) }},
	{"cart_total", func(g *generator) any { return g.rng.Float64() * 200 }},
	{"cart_items", func(g *generator) any { return g.rng.IntN(12) }},
	{"logged_in", func(g *generator) any { return g.rng.IntN(2) == 0 }},
	{"currency", func(*generator) any { return "EUR" }},
	{"utm_source", func(*generator) any { return "newsletter" }},
	{"utm_campaign", func(g *generator) any { return fmt.Sprintf("autumn-%d", g.rng.IntN(9)) }},
	{"referrer", func(g *generator) any { return g.url() }},
	{"geo.country.iso_code", func(*generator) any { return "DE" }},
	{"geo.locality.name", func(*generator) any { return "Leipzig" }},
	{"client.address", func(g *generator) any { return fmt.Sprintf("203.0.113.%d", g.rng.IntN(256)) }},
	{"device_model", func(*generator) any { return "Pixel 9" }},
	{"library", func(*generator) any { return "web-sdk/2.11.3" }},
	{"category", func(*generator) any { return "shop" }},
	{"load_ms", func(g *generator) any { return g.rng.Float64() * 3000 }},
	{"groups", func(*generator) any { return []any{"beta", "returning"} }},
}

func (g *generator) userID() string {
	return fmt.Sprintf("user-%07d", g.rng.IntN(1_000_000))
}

func (g *generator) url() string {
	return fmt.Sprintf("https://shop.example.com/products/%d?ref=home", g.rng.IntN(100_000))
}

func (g *generator) uuid() string {
	b := g.bytes()
	text := hex.EncodeToString(b[:])
	return text[:8] + "-" + text[8:12] + "-4" + text[13:16] + "-a" + text[17:20] + "-" + text[20:]
}

func (g *generator) bytes() [16]byte {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], g.rng.Uint64())
	binary.LittleEndian.PutUint64(b[8:], g.rng.Uint64())
	return b
}
