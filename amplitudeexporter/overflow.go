// SPDX-License-Identifier: Apache-2.0

package amplitudeexporter // import "github.com/impression-collector/impression-bridge/amplitudeexporter"

import (
	"cmp"
	"slices"
)

// overflow has the deferred events that are stored and not loaded: only their users and devices are in memory. Later events
// of these are stored behind them.
type overflow struct {
	chains map[*chain]struct{}
	// users and devices have the chain of each id.
	users, devices map[string]*chain
	// events is how many events aren't loaded.
	events int
}

// chain has the events of users and devices that share events, directly or through others. Its events are loaded in order,
// independently of those of other chains, so that a user's events don't wait behind those of another.
type chain struct {
	users, devices []string
	// chunks are those that aren't loaded, in order. Only a chain without events has none.
	chunks []storedChunk
	// loaded is how much of the chain is loaded, as of the last call of measure.
	loaded amount
}

// storedChunk is a chunk of the store, and how much is in it.
type storedChunk struct {
	number uint64
	size   amount
}

// maxChains limits the number of chains, because each may add a chunk at each write.
const maxChains = 256

// smallChunk is the size up to which a chain's last chunk is rewritten together with the next events, instead of kept beside them.
var smallChunk = amount{events: 256, bytes: 256 << 10}

func newOverflow() overflow {
	return overflow{chains: map[*chain]struct{}{}, users: map[string]*chain{}, devices: map[string]*chain{}}
}

// of returns the chain of an event's user and device, nil if they have none. If they have different ones, it joins them.
func (o *overflow) of(it *item) *chain {
	user, device := o.users[it.UserID], o.devices[it.DeviceID]
	switch {
	case user == nil:
		return device
	case device == nil || user == device:
		return user
	default:
		return o.join(user, device)
	}
}

// begin returns a new chain, or any one if there are too many.
func (o *overflow) begin() *chain {
	if len(o.chains) >= maxChains {
		for c := range o.chains {
			return c
		}
	}
	c := &chain{}
	o.chains[c] = struct{}{}
	return c
}

// tie adds an event's user and device to a chain. The event's own chain, if it has one, must be this one.
func (o *overflow) tie(c *chain, it *item) {
	if it.UserID != "" && o.users[it.UserID] == nil {
		o.users[it.UserID] = c
		c.users = append(c.users, it.UserID)
	}
	if it.DeviceID != "" && o.devices[it.DeviceID] == nil {
		o.devices[it.DeviceID] = c
		c.devices = append(c.devices, it.DeviceID)
	}
}

// tieAll joins the chains of all events, and adds their users and devices to that chain.
func (o *overflow) tieAll(events []item) *chain {
	c := o.begin()
	for i := range events {
		own := o.of(&events[i])
		if _, exists := o.chains[c]; own != nil && exists && own != c {
			own = o.join(c, own)
		}
		if own != nil {
			c = own
		}
		o.tie(c, &events[i])
	}
	return c
}

// join moves everything of one chain to the other, and returns that.
func (o *overflow) join(a, b *chain) *chain {
	if len(a.users)+len(a.devices) < len(b.users)+len(b.devices) {
		a, b = b, a
	}
	for _, id := range b.users {
		o.users[id] = a
	}
	for _, id := range b.devices {
		o.devices[id] = a
	}
	a.users, a.devices = append(a.users, b.users...), append(a.devices, b.devices...)
	a.chunks = append(a.chunks, b.chunks...)
	slices.SortFunc(a.chunks, func(x, y storedChunk) int { return cmp.Compare(x.number, y.number) })
	a.loaded = a.loaded.plus(b.loaded)
	delete(o.chains, b)
	return a
}

// add notes that a chunk of a chain is stored. If it is behind another, that is now part of it.
func (o *overflow) add(c *chain, number uint64, size amount, behind *uint64) {
	o.events += size.events
	if last := len(c.chunks) - 1; behind != nil {
		c.chunks[last] = storedChunk{number: number, size: c.chunks[last].size.plus(size)}
		return
	}
	c.chunks = append(c.chunks, storedChunk{number: number, size: size})
}

// smallLast returns the number of the chain's last chunk, or nil if that isn't small.
func (c *chain) smallLast() *uint64 {
	if len(c.chunks) == 0 || !c.chunks[len(c.chunks)-1].size.within(smallChunk) {
		return nil
	}
	number := c.chunks[len(c.chunks)-1].number
	return &number
}

// take removes the first chunk of a chain, which is loaded now.
func (o *overflow) take(c *chain) {
	o.events -= c.chunks[0].size.events
	c.chunks = c.chunks[1:]
}

// end forgets the chains whose chunks are all loaded.
func (o *overflow) end() {
	for c := range o.chains {
		if len(c.chunks) > 0 {
			continue
		}
		for _, id := range c.users {
			delete(o.users, id)
		}
		for _, id := range c.devices {
			delete(o.devices, id)
		}
		delete(o.chains, c)
	}
}

// measure notes how much of each chain is loaded.
func (o *overflow) measure(loaded []item) {
	for c := range o.chains {
		c.loaded = amount{}
	}
	for i := range loaded {
		it := &loaded[i]
		user, device := o.users[it.UserID], o.devices[it.DeviceID]
		if user != nil {
			user.loaded = user.loaded.with(it)
		}
		if device != nil && device != user {
			device.loaded = device.loaded.with(it)
		}
	}
}

// inOrder returns the chains, the one with the oldest events first.
func (o *overflow) inOrder() []*chain {
	chains := make([]*chain, 0, len(o.chains))
	for c := range o.chains {
		if len(c.chunks) > 0 {
			chains = append(chains, c)
		}
	}
	slices.SortFunc(chains, func(a, b *chain) int { return cmp.Compare(a.chunks[0].number, b.chunks[0].number) })
	return chains
}

// amount is how many events there are, and the bytes of their JSON.
type amount struct{ events, bytes int }

func (a amount) with(it *item) amount { return amount{a.events + 1, a.bytes + len(it.JSON)} }

func (a amount) plus(other amount) amount {
	return amount{a.events + other.events, a.bytes + other.bytes}
}

func (a amount) within(limit amount) bool { return a.events <= limit.events && a.bytes <= limit.bytes }

// room says which more events may be loaded.
type room struct {
	limits         deferralLimits
	total          amount
	users, devices map[string]amount
}

// newRoom returns the room beside the deferred events.
func newRoom(limits deferralLimits, items []item) *room {
	r := &room{limits: limits, users: map[string]amount{}, devices: map[string]amount{}}
	for i := range items {
		if it := &items[i]; it.staysDeferred() {
			r.add(it)
		}
	}
	return r
}

func (r *room) add(it *item) {
	r.total = r.total.with(it)
	if it.UserID != "" {
		r.users[it.UserID] = r.users[it.UserID].with(it)
	}
	if it.DeviceID != "" {
		r.devices[it.DeviceID] = r.devices[it.DeviceID].with(it)
	}
}

// take adds an event if it has room, and reports whether it has.
func (r *room) take(it *item) bool {
	has := r.total.with(it).within(r.limits.loaded) &&
		r.users[it.UserID].with(it).within(r.limits.perID) && r.devices[it.DeviceID].with(it).within(r.limits.perID)
	if has {
		r.add(it)
	}
	return has
}
