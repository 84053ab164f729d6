// SPDX-License-Identifier: Apache-2.0

package reader // import "github.com/impression-collector/impression-bridge/internal/reader"

import (
	"math"
	"strings"

	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/layout"
)

// settleRevenue removes the fields of revenue from an event that isn't revenue, and completes those of another. Both follow
// the producer's own destination (send in Segment's events-functions.ts, createRevenuePayload in RudderStack's transform.js).
func (e *Event) settleRevenue() {
	price, hasPrice := e.Number(event.Price)
	quantity, hasQuantity := e.Number(event.Quantity)
	revenue, isRevenue := e.Number(event.Revenue)
	switch e.layout.Revenue {
	case layout.RevenueOrPrice:
		if hasPrice && hasQuantity {
			revenue = price * quantity
			e.SetNumber(event.Revenue, revenue)
		}
		if revenue == 0 {
			e.RemoveRevenue()
			return
		}
		e.setDefault(event.RevenueType, "Purchase")
	case layout.RevenueOnly:
		if !isRevenue {
			e.RemoveRevenue()
			return
		}
		if !hasPrice {
			price, quantity = revenue, 1
		} else if quantity == 0 {
			quantity = 1
		}
		e.SetNumber(event.Price, price)
		e.SetNumber(event.Quantity, quantity)
		e.setDefault(event.RevenueType, "Purchased")
		e.markRevenue()
	}
	e.settleQuantity()
}

// settleQuantity removes a quantity that isn't an integer, as Amplitude's is, and the price with it: Amplitude takes the product of
// both as the revenue. The destinations round the quantity, which changes the revenue.
func (e *Event) settleQuantity() {
	quantity, _ := e.Number(event.Quantity)
	if quantity == math.Trunc(quantity) {
		return
	}
	if price, hasPrice := e.Number(event.Price); hasPrice {
		e.SetNumber(event.Revenue, price*quantity)
		e.Remove(event.Price)
	}
	e.Remove(event.Quantity)
}

// RemoveRevenue removes all fields of revenue.
func (e *Event) RemoveRevenue() {
	for f := event.Price; f <= event.Currency; f++ {
		e.Remove(f)
	}
}

func (e *Event) setDefault(f event.Field, text string) {
	if e.Text(f) == "" {
		e.SetText(f, text)
	}
}

// markRevenue marks the numbers of revenue and the product's id as read, wherever the properties are.
func (e *Event) markRevenue() {
	for f := event.Price; f <= event.ProductID; f++ {
		paths := e.layout.fields.paths[f]
		for i := range paths {
			if v, present := e.valueAt(&paths[i]); present {
				e.MarkRead(v)
			}
		}
	}
}

// settleAdvertisingIDs removes the advertising ids of other systems than the platform's.
func (e *Event) settleAdvertisingIDs() {
	if !e.layout.AdvertisingIDsBySystem {
		return
	}
	switch strings.ToLower(e.Text(event.Platform)) {
	case "ios", "ipados", "tvos", "watchos":
		e.Remove(event.ADID)
	case "android":
		e.Remove(event.IDFA)
		e.Remove(event.IDFV)
	default:
		e.Remove(event.IDFA)
		e.Remove(event.IDFV)
		e.Remove(event.ADID)
	}
}
