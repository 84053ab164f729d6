// SPDX-License-Identifier: Apache-2.0

package reader // import "github.com/impression-collector/impression-bridge/internal/reader"

import (
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/impression-collector/impression-bridge/internal/event"
	"github.com/impression-collector/impression-bridge/internal/layout"
)

// The keys of a product in the ecommerce events of Segment and of mParticle.
var (
	productIDKeys      = []string{"product_id", "productId", "id"}
	productRevenueKeys = []string{"revenue", "total_product_amount"}
	productTypeKeys    = []string{"revenueType", "revenue_type"}
)

// ReadProduct makes the event that of one of its products: it replaces the properties and the fields of revenue, and removes the
// user properties. It reports whether the product has revenue.
func (e *Event) ReadProduct(product pcommon.Map) bool {
	e.SetMap(event.Properties, product)
	e.SetMap(event.UserProperties, pcommon.Map{})
	e.Added = e.Added[:0]
	price, hasPrice := e.productNumber(product, "price")
	quantity, hasQuantity := e.productNumber(product, "quantity")
	revenue, hasRevenue := e.productNumber(product, productRevenueKeys...)
	if !hasPrice && !hasRevenue {
		e.RemoveRevenue()
		return false
	}
	e.Remove(event.Price)
	e.Remove(event.Quantity)
	e.Remove(event.ProductID)
	if id, text := e.productText(product, productIDKeys); text != "" {
		e.SetText(event.ProductID, text)
		e.markProduct(id)
	}
	if _, text := e.productText(product, productTypeKeys); text != "" {
		e.SetText(event.RevenueType, text)
	}
	if !hasPrice {
		e.SetNumber(event.Revenue, revenue)
		return true
	}
	if !hasQuantity {
		quantity = 1
	}
	e.SetNumber(event.Price, price)
	e.SetNumber(event.Quantity, quantity)
	e.SetNumber(event.Revenue, price*quantity)
	e.settleQuantity()
	return true
}

// RemoveRevenueOfOrder removes the fields of revenue from an order whose products have it. They remain properties.
func (e *Event) RemoveRevenueOfOrder() {
	e.RemoveRevenue()
	if e.layout.Revenue == layout.RevenueOnly && !e.isFlat {
		e.UnmarkRead()
	}
}

func (e *Event) productNumber(product pcommon.Map, keys ...string) (float64, bool) {
	for _, key := range keys {
		if v, present := product.Get(key); present {
			if n, isNumber := number(v); isNumber {
				e.markProduct(v)
				return n, true
			}
		}
	}
	return 0, false
}

func (e *Event) productText(product pcommon.Map, keys []string) (pcommon.Value, string) {
	for _, key := range keys {
		v, present := product.Get(key)
		if text := textOf(v, present); text != "" {
			return v, text
		}
	}
	return pcommon.Value{}, ""
}

// markProduct marks a value as read if the producer's own destination doesn't send it as a property too.
func (e *Event) markProduct(v pcommon.Value) {
	if e.layout.Revenue == layout.RevenueOnly {
		e.MarkRead(v)
	}
}
